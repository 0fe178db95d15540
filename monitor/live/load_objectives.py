"""The objectives of a running workload on the live page: each with its bound, what it comes to now, whether it holds.

A workload stands on the control topic, so any page on the cluster shows its objectives, whoever conducts the run. They
are judged by the same code as at the end (`monitor.objectives`). What is counted by the second (the share received, a
rate, the backlog) reaches over the measured seconds that are complete, as far back as the page has read along.
"""

import logging
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from docaxis.domain.agency import Registry
from docaxis.domain.plan import Plan
from docaxis.kafka.control import ControlFeed
from docaxis.workload.objectives import Objective
from monitor.load_figures import LoadFigures
from monitor.objectives import Judgement, judge_objectives
from monitor.reading import ARRIVALS, Reading, Readings
from monitor.report_words import report_sentence, report_word
from monitor.seconds import SECOND_US
from monitor.series import Series, SeriesCounts, slope_of
from monitor.verdict import ledger_totals
from monitor.words import Language

log = logging.getLogger(__name__)

#: Seconds this old are complete: their figures have come from every process.
BEHIND_S = 4

#: Runs whose objectives are followed; the one that was offered longest ago goes first.
RUNS_MAX = 16

#: Objectives of one workload that are shown.
SHOWN_MAX = 50


@dataclass(frozen=True, slots=True)
class FiguresNow(LoadFigures):
    """The figures of a load test that goes on: what is counted by the second is that of complete seconds."""

    counts: SeriesCounts

    @property
    def measured_s(self) -> float:
        """How many measured seconds are complete, pauses left out."""
        middles_us = self.counts.seconds * SECOND_US + SECOND_US // 2
        running = self.counts.of_phases(self.plan, self.measured)
        for begin_us, end_us in self.plan.pauses:
            running &= (middles_us < begin_us) | (middles_us >= end_us)
        return float(running.sum())

    def offered(self, what: str, phases: Any = None) -> int:
        """Return arrivals or their deliveries in the complete seconds of the phases."""
        numbers = self.measured if phases is None else phases
        return round(float(self.counts.columns[what][self.counts.of_phases(self.plan, numbers)].sum()))

    def received_in_time(self) -> int:
        """Return the deliveries received in complete measured seconds, whenever they were due."""
        return round(float(self.counts.columns["received"][self.counts.of_phases(self.plan, self.measured)].sum()))

    def slope(self) -> float | None:
        """Return the growth of the backlog in deliveries a second."""
        chosen = self.counts.of_phases(self.plan, self.measured)
        return slope_of(self.counts.seconds[chosen].astype(float), self.counts.outstanding()[chosen])


class LoadObjectives:
    """The objectives of all load tests that the control topic tells of."""

    def __init__(self, control: ControlFeed, registry: Registry) -> None:
        self._control = control
        self._registry = registry
        self._runs: OrderedDict[str, tuple[tuple[Objective, ...], Series]] = OrderedDict()

    def put(self, reading: Reading) -> None:
        """Take the seconds of a reading, if they are of a run that has objectives."""
        if reading.seconds and (known := self._known(reading.run)) is not None:
            known[1].put(reading)

    def now(self, readings: Readings, run: str, now_us: int) -> list[dict[str, Any]]:
        """Return the objectives of a run as they stand; none without a plan, or where the workload has none."""
        plan, known = self._control.plans.get(run), self._known(run)
        if plan is None or known is None:
            return []
        objectives, series = known
        counts = series.counts(now_us // 1_000_000 - BEHIND_S)
        figures = FiguresNow(readings, run, plan, ledger_totals(readings, run, drained=False), (), counts)
        dropped = readings.counts(run, ARRIVALS).get("dropped", 0)
        judged = judge_objectives(objectives, figures, self._registry, dropped)
        return [shown(one, why_not_judged(plan, now_us)) for one in judged]

    def _known(self, run: str) -> tuple[tuple[Objective, ...], Series] | None:
        if run not in self._runs:
            offer = self._control.offers.get(run)
            if offer is None:
                return None
            self._runs[run] = (objectives_of(offer.workload), Series(run))
            while len(self._runs) > RUNS_MAX:
                self._runs.popitem(last=False)
        known = self._runs.get(run)
        return known if known is not None and known[0] else None


def objectives_of(workload: Mapping[str, Any]) -> tuple[Objective, ...]:
    """Return the objectives of a workload as it stands on the control topic; those that cannot be read are left out."""
    found: Sequence[Any] = workload.get("objectives") or ()
    objectives = []
    for one in found[:SHOWN_MAX]:
        try:
            objectives.append(Objective.model_validate(one))
        except ValidationError as error:  # another version's workload: the rest is shown
            log.warning("an objective of a workload could not be read: %s", error)
    return tuple(objectives)


def why_not_judged(plan: Plan, now_us: int) -> str:
    """Return why there may be nothing to judge: "closed", "not_begun" or "no_samples". Pure."""
    measured = [phase for phase in plan.phases if phase.measured]
    if any(phase.closed for phase in measured):
        return "closed"
    return "no_samples" if any(phase.begin_us <= now_us for phase in measured) else "not_begun"


def shown(one: Judgement, why: str) -> dict[str, Any]:
    """Return an objective as the page shows it. Pure."""
    state = {True: "holds", False: "missed", None: why}[one.met]
    at_least = one.unit in ("ratio", "deliveries/s", "documents/s")
    return {
        "name": one.name,
        "text_en": one.text.replace("_", " "),
        "text_vi": report_sentence(one.text, Language.VI),
        "scope_en": one.scope,
        "scope_vi": report_word(one.scope, Language.VI),
        "unit": one.unit,
        "at_least": at_least,
        "limit": one.limit,
        "value": None if one.value is None else round(one.value, 6),
        "state": state,
    }
