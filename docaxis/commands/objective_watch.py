"""Objectives that end a run early: what `abort` means for each kind stands in `docaxis.workload.objectives`.

They are judged by the code that judges at the end (`monitor.objectives`), from what is known now.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from docaxis.commands.conduct_load import LoadMoment
from docaxis.domain.agency import Registry
from docaxis.workload.objectives import MEASURED_FIRST_S, MISROUTED_FOR_S, MISSED_FOR_S, Objective
from monitor.live.load_objectives import BEHIND_S, FiguresNow
from monitor.objectives import judge_objectives
from monitor.reading import ARRIVALS
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
            judged_now = one.count is not None or in_measured
            if not judged_now or not self._missed(one, figures):
                self._missed_since_s.pop(number, None)
                continue
            since_s = self._missed_since_s.setdefault(number, now_s)
            if now_s - since_s >= _missed_for_s(one):
                return _why(one)
        return ""

    def _figures(self, moment: LoadMoment, before_s: int) -> FiguresNow:
        ledger = ledger_totals(moment.readings, self._run, drained=False)
        return FiguresNow(moment.readings, self._run, moment.plan, ledger, (), moment.series.counts(before_s))

    def _missed(self, one: Objective, figures: FiguresNow) -> bool:
        """Whether it is missed by all that is known so far and, where it is counted by the second, of late as well.

        At first deliveries are on their way, which looks like a backlog; the newest seconds tell that it is over.
        """
        if not self._misses(one, figures):
            return False
        by_second = one.stage is None and one.count is None
        return not by_second or self._misses(one, replace(figures, counts=_newest_measured(figures)))

    def _misses(self, one: Objective, figures: FiguresNow) -> bool:
        dropped = figures.readings.counts(self._run, ARRIVALS).get("dropped", 0)
        return judge_objectives([one], figures, self._registry, dropped)[0].met is False


def _in_measured(figures: FiguresNow, second: int) -> bool:
    """Whether a measured phase goes on at the newest complete second, and enough of them have passed."""
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
