"""The board: once a second it looks at the readings and tells all viewers what changed.

Each run that is watched, or was active lately, has its own series and picture; what a viewer costs is one write of
bytes that were made once.
"""

from collections import deque
from collections.abc import Mapping
from typing import Any

from docaxis.domain.clock import Clock
from docaxis.domain.run import is_canary
from docaxis.workload.objectives import MISROUTED_FOR_S
from monitor.live.agencies import AgencyRows
from monitor.live.extras import Extras
from monitor.live.health import Facts, judge_health
from monitor.live.moment import Moment
from monitor.live.picture import Picture, arrivals_of, changes, point_of, refusal_codes, stages_of, totals_of
from monitor.live.refused import RecentRefusals
from monitor.live.series import COLUMNS, Series
from monitor.live.viewers import Viewer, Viewers, frame
from monitor.live.workers import Workers
from monitor.reading import LEDGER, Readings

#: Runs with series of their own; the one that was quiet longest goes first, unless somebody looks at it.
BOARDS_MAX = 8

#: Runs offered for choice, newest first.
CHOICES_MAX = 50

#: Rates are taken over so many seconds: workers publish once a second, not in step with us.
RATE_S = 4

#: A run in which nothing happened for so long is no longer followed, unless somebody looks at it.
IDLE_AFTER_US = 120_000_000

#: Seconds for which a delivery must have been without its document before it is called misrouted.
STRAYED_AFTER_S = MISROUTED_FOR_S

#: Seconds between two looks at what costs more: latencies by recipient, and the square of pairs.
SELDOM_S = 5


class RunBoard:
    """One run: its moments of the last minute, its series, its newest picture."""

    def __init__(self) -> None:
        self.series = Series()
        self.picture: Picture = {}
        self.pairs: dict[str, Any] = {}
        self.moments: deque[Moment] = deque(maxlen=61)
        self.slowest_us: dict[int, int] = {}
        self.ticks = 0
        self.moved_us = 0
        self.answered_us = 0
        self._mark: tuple[int, ...] = ()

    def note(self, now: Moment) -> None:
        """Take in a new moment."""
        self.moments.append(now)
        counted = (("sent", "documents"), ("delivered", "deliveries"), ("status", "receipts"), ("refused", "refusals"))
        mark = tuple(now.count(*what) for what in counted)
        if mark[1:] != self._mark[1:] or not self.moved_us:
            self.answered_us = now.at_us
        if mark != self._mark or not self.moved_us:
            self._mark, self.moved_us = mark, now.at_us
        self.ticks += 1

    def stuck_s(self, now: Moment) -> float:
        """Return for how long deliveries have waited while none was routed or answered."""
        return (now.at_us - max(self.answered_us, now.oldest_open_us)) / 1e6 if now.waiting else 0.0

    def strayed(self) -> int:
        """Return how many deliveries have been misrouted for a while: topics are read independently of each other, so
        for a moment a receipt may be known and its document not."""
        if len(self.moments) < STRAYED_AFTER_S:
            return 0
        return min(self.before(age).count(LEDGER, "misrouted") for age in range(STRAYED_AFTER_S))

    def before(self, seconds: int) -> Moment:
        """Return the moment so many seconds ago, or the first there is."""
        return self.moments[max(len(self.moments) - 1 - seconds, 0)]


class Board:
    """All runs, and everybody who looks at them."""

    def __init__(
        self,
        readings: Readings,
        refusals: RecentRefusals,
        workers: Workers,
        rows: AgencyRows,
        extras: Extras,
        clock: Clock,
        late_after_us: int,
    ) -> None:
        self._readings = readings
        self._refusals = refusals
        self._workers = workers
        self._rows = rows
        self._extras = extras
        self._clock = clock
        self._late_after_us = late_after_us
        self._boards: dict[str, RunBoard] = {}
        self.viewers = Viewers()
        self.tick_us = 0  # what the last look took

    def runs(self) -> list[tuple[str, int]]:
        """Return the runs there are and when something last happened in each, newest first; canaries behind traffic."""
        found = [(run, self._readings.active_us(run)) for run in self._readings.runs() if run]
        return sorted(found, key=lambda one: (is_canary(one[0]), -one[1], one[0]))

    def tick(self) -> None:
        """Look at the readings and tell the viewers."""
        started_ns = self._clock.monotonic_ns()
        now_us = self._clock.wall_us()
        runs = self.runs()
        newest = runs[0][0] if runs else ""
        watched = {viewer.run or newest for viewer in self.viewers}
        active = [run for run, at_us in runs[:BOARDS_MAX] if now_us - at_us < IDLE_AFTER_US]
        known = {run for run, _ in runs}
        followed = dict.fromkeys([*([newest] if newest else []), *(watched & known), *active])
        for run in self._boards.keys() - followed.keys():
            del self._boards[run]
        frames = {run: self._look(run, now_us, runs) for run in followed}
        for viewer in self.viewers:
            self._tell(viewer, viewer.run or newest, frames, runs, now_us)
        self.tick_us = (self._clock.monotonic_ns() - started_ns) // 1000

    def _look(self, run: str, now_us: int, runs: list[tuple[str, int]]) -> bytes:
        """Renew a run's picture; return the frame that tells what changed."""
        board = self._boards.setdefault(run, RunBoard())
        now = Moment.of(self._readings, run, now_us, self._late_after_us)
        board.note(now)
        point = board.series.push(now_us // 1_000_000, point_of(now, board.before(RATE_S)))
        picture = self._picture(run, board, now, runs)
        changed = changes(picture, board.picture)
        board.picture = picture
        told: dict[str, Any] = {"now_us": now_us, "point": point, **changed}
        if board.ticks % SELDOM_S == 1:
            pairs = self._rows.square(self._readings, run)
            if pairs != board.pairs:
                board.pairs = told["pairs"] = pairs
        return frame("tick", told)

    def _picture(self, run: str, board: RunBoard, now: Moment, runs: list[tuple[str, int]]) -> Picture:
        if board.ticks % SELDOM_S == 1:
            board.slowest_us = self._rows.slowest_us(self._readings, run)
        minute_ago = board.before(60)
        urls = self._workers.urls()
        unmoved_s, strayed = (now.at_us - board.moved_us) / 1e6, board.strayed()
        stuck_s = board.stuck_s(now)
        facts = Facts(now, minute_ago, unmoved_s, stuck_s, len(urls), self._workers.answering, strayed)
        return {
            "run": run,
            "runs": _choices(runs, now.at_us),
            "health": judge_health(facts),
            "totals": totals_of(now, strayed),
            "stages": stages_of(now, minute_ago),
            "agencies": self._rows.rows(self._readings, run, board.slowest_us),
            "strangers": self._rows.strangers,
            "refused": {"codes": refusal_codes(now), "rows": self._refusals.of(run)},
            "arrivals": arrivals_of(now),
            "workload": self._extras.workload(self._readings, run),
            "objectives": list(self._extras.objectives(self._readings, run, now.at_us)),
            "workers": [len(urls), self._workers.answering],
        }

    def _tell(
        self, viewer: Viewer, run: str, frames: Mapping[str, bytes], runs: list[tuple[str, int]], now_us: int
    ) -> None:
        if viewer.needs_all or viewer.shown != run:  # "the newest" may be another one now
            viewer.shown = run
            viewer.begin(frame("state", self.state(run, runs, now_us)))
        elif run in frames:
            viewer.push(frames[run])

    def state(self, run: str, runs: list[tuple[str, int]], now_us: int) -> dict[str, Any]:
        """Return all that a page needs to begin with."""
        board = self._boards.get(run)
        state: dict[str, Any] = {
            "now_us": now_us,
            "columns": list(COLUMNS),
            "late_after_s": self._late_after_us // 1_000_000,
            "run": run,
            "runs": _choices(runs, now_us),
        }
        if board is None:
            return state | {"health": {"level": "none", "says": [{"key": "no_run"}]}, "points": []}
        return state | board.picture | {"points": board.series.rows("10m"), "pairs": board.pairs}

    def series(self, run: str, name: str) -> list[list[float]] | None:
        """Return the points of one range of a run; None if there are none."""
        board = self._boards.get(run)
        try:
            return board.series.rows(name) if board is not None else None
        except KeyError:
            return None


def _choices(runs: list[tuple[str, int]], now_us: int) -> list[list[object]]:
    """Return the runs to choose from, each with whether anything was read of it lately."""
    return [[run, now_us - at_us < IDLE_AFTER_US] for run, at_us in runs[:CHOICES_MAX]]
