"""Objectives that end a run early: what `abort` means for each kind stands in `docaxis.workload.objectives`.

They are judged by the code that judges at the end (`monitor.objectives`), from what is known now.
"""

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace

from docaxis.commands.conduct_load import LoadMoment
from docaxis.domain.agency import Registry
from docaxis.workload.objectives import MEASURED_FIRST_S, MISROUTED_FOR_S, MISSED_FOR_S, Objective
from monitor.live.load_objectives import BEHIND_S, FiguresNow
from monitor.objectives import judge_objectives, latencies_of
from monitor.reading import ARRIVALS
from monitor.seconds import SECOND_US
from monitor.series import SeriesCounts, phase_number
from monitor.verdict import ledger_totals

#: Between two looks: merging the histograms at every tick of the conductor would cost more than it tells.
LOOK_EVERY_S = 1.0


def _wall_s() -> float:
    return time.time_ns() / 1e9


class ObjectiveWatch:
    """Watches the objectives with `abort`."""

    def __init__(
        self, objectives: Sequence[Objective], run: str, registry: Registry, now_s: Callable[[], float] = _wall_s
    ) -> None:
        self._objectives = [one for one in objectives if one.abort]
        self._run = run
        self._registry = registry
        self._now_s = now_s
        self._looked_s = float("-inf")
        self._latencies: dict[int, deque[tuple[int, int]]] = {}  # objective's number -> at each look: all, within bound
        self._missed_since_s: dict[int, float] = {}  # objective's number -> first look of those that missed on end

    def why_abort(self, moment: LoadMoment) -> str:
        """Return which objective ends the run, or nothing."""
        now_s = self._now_s()
        if not self._objectives or now_s - self._looked_s < LOOK_EVERY_S:
            return ""
        self._looked_s = now_s
        figures = self._figures(moment, int(now_s) - BEHIND_S)
        in_measured = _in_measured(figures, int(now_s) - BEHIND_S)
        for number, one in enumerate(self._objectives):
            newest = self._newest_latencies(number, figures) if one.stage is not None else (0, 0)
            judged_now = one.count is not None or in_measured
            if not judged_now or not self._missed(one, figures, newest):
                self._missed_since_s.pop(number, None)
                continue
            since_s = self._missed_since_s.setdefault(number, now_s)
            if now_s - since_s >= _missed_for_s(one):
                return _why(one)
        return ""

    def _figures(self, moment: LoadMoment, before_s: int) -> FiguresNow:
        ledger = ledger_totals(moment.readings, self._run, drained=False)
        return FiguresNow(moment.readings, self._run, moment.plan, ledger, (), moment.series.counts(before_s))

    def _newest_latencies(self, number: int, figures: FiguresNow) -> tuple[int, int]:
        """Return how many latencies of an objective came in the last seconds, and how many of them within its bound."""
        one, looks = self._objectives[number], self._latencies.setdefault(number, deque(maxlen=MISSED_FOR_S + 1))
        histogram, _ = latencies_of(one, figures, self._registry)
        looks.append((histogram.count, histogram.count_at_most(one.at_most or 0)))
        return looks[-1][0] - looks[0][0], looks[-1][1] - looks[0][1]

    def _missed(self, one: Objective, figures: FiguresNow, newest: tuple[int, int]) -> bool:
        """Whether it is missed by all that is known so far, and by the newest seconds by themselves.

        After a bad beginning an objective is missed for long by what is known so far, and may be met at the end.
        A count, and the longest latency, never become smaller.
        """
        if not self._misses(one, figures):
            return False
        if one.count is not None or one.percentile == 100:
            return True
        if one.percentile is not None:
            came, within = newest
            return within < came * one.percentile / 100 if came else figures.ledger.outstanding > 0
        return self._misses(one, replace(figures, counts=_newest_measured(figures)))

    def _misses(self, one: Objective, figures: FiguresNow) -> bool:
        dropped = figures.readings.counts(self._run, ARRIVALS).get("dropped", 0)
        return judge_objectives([one], figures, self._registry, dropped)[0].met is False


def _in_measured(figures: FiguresNow, second: int) -> bool:
    """Whether a measured phase goes on at the newest complete second, enough has passed, and no pause was lately."""
    lately_us = (second - MISSED_FOR_S) * SECOND_US
    if any(end_us > lately_us and begin_us <= (second + 1) * SECOND_US for begin_us, end_us in figures.plan.pauses):
        return False
    return phase_number(figures.plan, second) in figures.measured and figures.measured_s >= MEASURED_FIRST_S


def _newest_measured(figures: FiguresNow) -> SeriesCounts:
    """Return the counts of the newest measured seconds."""
    counts = figures.counts
    chosen = counts.of_phases(figures.plan, figures.measured).nonzero()[0][-MISSED_FOR_S:]
    return SeriesCounts(counts.seconds[chosen], {name: column[chosen] for name, column in counts.columns.items()})


def _missed_for_s(one: Objective) -> int:
    if one.count is None:
        return MISSED_FOR_S
    return MISROUTED_FOR_S if one.count == "misrouted" else 0


def _why(one: Objective) -> str:
    if one.count is not None:
        return f"objective {one.name!r} can no longer be met"
    return f"objective {one.name!r} was missed for {MISSED_FOR_S} seconds on end"
