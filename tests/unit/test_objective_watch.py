"""Objectives with `abort`: each kind ends the run when it is truly missed, and never one that is met."""

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from docaxis.commands.conduct_load import LoadMoment
from docaxis.commands.objective_watch import ObjectiveWatch
from docaxis.domain.agency import Registry
from docaxis.domain.plan import Plan, first_plan, paused, resumed
from docaxis.workload.objectives import MEASURED_FIRST_S, MISROUTED_FOR_S, MISSED_FOR_S, Objective
from monitor.live.load_objectives import BEHIND_S
from monitor.reading import ARRIVALS, GENERATOR, LEDGER, MEASURED, Readings, Tally
from monitor.series import Series

S = 1_000_000
BEGIN_S, WARM_S = 1_000, 20
RUN = "r"
FAST, SLOW = 1_000, 5 * S
EARLIEST_S = WARM_S + MEASURED_FIRST_S + BEHIND_S + MISSED_FOR_S


class Load:
    """Ten deliveries a second are sent; what comes of them is told second by second."""

    def __init__(self, **objective: Any) -> None:
        phases = [("warm", "warm-up", WARM_S * S, False, False), ("load", "load", 300 * S, True, False)]
        self.plan: Plan = first_plan(RUN, BEGIN_S * S, phases)
        self.series, self.readings = Series(RUN), Readings()
        self.ledger: dict[str, int] = {}
        self.dropped = 0
        self._tallies = {"status": Tally(), GENERATOR: Tally()}
        self._passed_s = 0
        watched = Objective.model_validate({"name": "it", "abort": True, **objective})
        self._watch = ObjectiveWatch([watched], RUN, Registry.load(), lambda: float(BEGIN_S + self._passed_s))

    def passes(
        self, seconds: int, *, received: int = 10, sent: int = 10, us: tuple[int, ...] = (FAST,), agency: int = 0
    ) -> str:
        """Let seconds pass; return why the run was ended in them, and at which."""
        for _ in range(seconds):
            self._second(received, sent, us, agency)
            self._passed_s += 1
            if why := self._watch.why_abort(LoadMoment(0, self.plan, self.series, self.readings, 0)):
                return f"{self._passed_s}: {why}"
        return ""

    def _second(self, received: int, sent: int, us: tuple[int, ...], agency: int) -> None:
        status, generator = self._tallies["status"], self._tallies[GENERATOR]
        middle = np.array([(BEGIN_S + self._passed_s) * S + S // 2], np.int64)
        status.seconds.count("received", middle, np.array([received]))
        for name in ("offered", "sent", "offered_deliveries", "sent_deliveries"):
            generator.seconds.count(name, middle, np.array([sent]))
        if received:
            values, phase = np.array(us, np.int64), int(self._passed_s >= WARM_S)
            status.observe(f"delivery@{phase}", values)
            if phase:
                status.observe_rows(f"recipient{MEASURED}", np.full(len(us), agency, np.int64), values)
                status.observe_rows(f"priority{MEASURED}", np.full(len(us), agency, np.int64), values)
        ledger, arrivals = Tally(), Tally()
        ledger.counts.update(self.ledger)
        arrivals.counts.update({"dropped": self.dropped})
        for topic, tally in (*self._tallies.items(), (LEDGER, ledger), (ARRIVALS, arrivals)):
            told = tally.to_reading(
                ["H53", "G22"], version=1, run=RUN, topic=topic, partition=0, offset=self._passed_s + 1, at_us=1,
                source="fleet" if topic in (GENERATOR, ARRIVALS) else "",
            )  # fmt: skip
            self.readings.put(told)
            self.series.put(told)


P99 = {"stage": "delivery", "percentile": 99, "at_most": "1 s"}
MISSED = f"objective 'it' was missed for {MISSED_FOR_S} seconds on end"


def test_a_latency_ends_the_run_when_it_was_missed_for_long_enough() -> None:
    assert Load(**P99).passes(100, us=(SLOW,)) == f"{EARLIEST_S}: {MISSED}"
    assert Load(**P99).passes(100) == ""


def test_a_median_that_is_met_ends_nothing_although_the_slowest_are_slow() -> None:
    mixed = (FAST, FAST, FAST, SLOW)
    assert Load(**{**P99, "percentile": 50}).passes(100, us=mixed) == ""
    assert MISSED in Load(**P99).passes(100, us=mixed)


def test_a_bad_beginning_ends_nothing_when_it_is_over() -> None:
    load = Load(**P99)
    assert load.passes(WARM_S + 8, us=(SLOW,)) == ""
    assert load.passes(100) == ""


def test_when_nothing_comes_any_more_a_missed_latency_stays_missed() -> None:
    load = Load(**P99)
    load.ledger = {"outstanding": 5}
    load.passes(WARM_S + 8, us=(SLOW,))
    assert MISSED in load.passes(30, received=0)


def test_the_longest_latency_never_becomes_smaller() -> None:
    load = Load(**{**P99, "percentile": 100})
    load.passes(WARM_S + 8, us=(SLOW,))
    assert MISSED in load.passes(30)


def test_a_bad_warm_up_ends_nothing() -> None:
    load = Load(**P99)
    assert load.passes(WARM_S, us=(SLOW,)) == ""
    assert load.passes(100) == ""


@pytest.mark.parametrize("named", [{"agencies": ["H53"]}, {"priorities": [0]}])
def test_only_the_agencies_or_priorities_named_count(named: dict[str, Any]) -> None:
    assert Load(**P99, **named).passes(100, us=(SLOW,), agency=1) == ""
    assert MISSED in Load(**P99, **named).passes(100, us=(SLOW,), agency=0)


@pytest.mark.parametrize("kind", [{"achieved": 0.95}, {"at_least": "9 deliveries/s"}, {"backlog_slope": 1}])
def test_what_is_counted_by_the_second_ends_the_run_when_it_is_missed_of_late_too(kind: dict[str, Any]) -> None:
    assert Load(**kind).passes(100, received=5) == f"{EARLIEST_S}: {MISSED}"
    assert Load(**kind).passes(100) == ""
    recovers = Load(**kind)
    assert recovers.passes(WARM_S + 6, received=0) == ""
    assert recovers.passes(100) == ""


def test_a_pause_ends_nothing() -> None:
    load = Load(at_least="9 deliveries/s")
    assert load.passes(WARM_S + 30) == ""
    before = load.plan
    load.plan = paused(before, (BEGIN_S + WARM_S + 30) * S)
    assert load.passes(60, received=0, sent=0) == ""
    load.plan = resumed(load.plan, before, (BEGIN_S + WARM_S + 90) * S)
    assert load.passes(60) == ""
    assert MISSED in load.passes(60, received=1)


@pytest.mark.parametrize("count", ["duplicated", "refused", "late", "dropped"])
def test_a_count_beyond_its_bound_ends_the_run_at_once(count: str) -> None:
    load = Load(count=count, at_most_count=2)
    told = dict.fromkeys(("duplicated", "refused", "late"), 9) | {count: 2}
    load.ledger, load.dropped = told, told.get("dropped", 9)
    assert load.passes(30) == ""
    load.ledger, load.dropped = {count: 3}, 3
    assert load.passes(1) == "31: objective 'it' can no longer be met"


def test_a_receipt_known_before_its_document_is_not_misrouted() -> None:
    load = Load(count="misrouted")
    for misrouted in (3, 0, 2, 0):
        load.ledger = {"misrouted": misrouted}
        assert load.passes(MISROUTED_FOR_S) == ""
    load.ledger = {"misrouted": 1}
    assert load.passes(100) == f"{5 * MISROUTED_FOR_S + 1}: objective 'it' can no longer be met"


def test_what_is_lost_is_known_at_the_end_only() -> None:
    with pytest.raises(ValidationError, match="known at the end only"):
        Objective.model_validate({"name": "it", "abort": True, "count": "lost"})


def test_without_abort_nothing_ends_the_run() -> None:
    assert Load(**P99, abort=False).passes(100, us=(SLOW,)) == ""
