"""The running workload's objectives on the live page: judged as at the end, from what is known now."""

from typing import Any

import numpy as np
import pytest

from docaxis.domain.agency import Registry
from docaxis.domain.control import Offer
from docaxis.domain.plan import Plan, first_plan
from docaxis.kafka.control import ControlFeed
from docaxis.kafka.topics import Topics
from monitor.live.load_objectives import BEHIND_S, RUNS_MAX, SHOWN_MAX, LoadObjectives, objectives_of, why_not_judged
from monitor.reading import GENERATOR, LEDGER, MEASURED, Reading, Readings, Tally
from monitor.series import OPEN_SECONDS, Series, backlog_slope, with_outstanding

S = 1_000_000
BEGIN_S = 1_000
RUN = "r"
OBJECTIVES: list[dict[str, Any]] = [
    {"name": "fast", "stage": "delivery", "percentile": 99, "at_most": "2 ms"},
    {"name": "one agency", "stage": "delivery", "percentile": 50, "at_most": "2 ms", "agencies": ["H53"]},
    {"name": "no loss", "count": "lost"},
    {"name": "once", "count": "duplicated"},
    {"name": "keeps up", "achieved": 0.95},
    {"name": "enough", "at_least": "11 deliveries/s"},
    {"name": "no queue", "backlog_slope": 0.5},
]


def plan_of(*, closed: bool = False) -> Plan:
    return first_plan(
        RUN, BEGIN_S * S, [("warm", "warm-up", 5 * S, False, False), ("load", "load", 60 * S, True, closed)]
    )


def reading(topic: str, tally: Tally, source: str = "") -> Reading:
    return tally.to_reading(
        ["H53", "G22"], version=1, run=RUN, topic=topic, partition=0, offset=1, at_us=1, source=source
    )


class Load:
    """A load of ten deliveries a second of which so many come."""

    def __init__(self, plan: Plan, objectives: list[dict[str, Any]] = OBJECTIVES) -> None:
        control = ControlFeed({}, Topics("axis"))
        control.plans[RUN] = plan
        control.offers[RUN] = Offer(RUN, 1, 0, {"name": "w", "objectives": objectives})
        self.shown = LoadObjectives(control, Registry.load())
        self.readings = Readings()

    def passed(self, seconds: int, received: int, latency_us: int, doubled: int = 0) -> None:
        """Let so many seconds of the measured phase have passed."""
        status, generator, ledger = Tally(), Tally(), Tally()
        begin_s = BEGIN_S + 5
        for second in range(begin_s, begin_s + seconds):
            middle = np.array([second * S + S // 2], np.int64)
            status.seconds.count("received", middle, np.array([received]))
            for name in ("offered", "sent", "offered_deliveries", "sent_deliveries"):
                generator.seconds.count(name, middle, np.array([10]))
        values = np.full(100, latency_us, np.int64)
        status.observe("delivery@1", values)
        status.observe_rows(f"recipient{MEASURED}", np.zeros(100, np.int64), values)
        ledger.counts.update({"outstanding": 7, "duplicated": doubled})
        for topic, tally in (("status", status), (GENERATOR, generator), (LEDGER, ledger)):
            told = reading(topic, tally, "fleet" if topic == GENERATOR else "")
            self.readings.put(told)
            self.shown.put(told)

    def states(self, at_s: float) -> dict[str, Any]:
        found = self.shown.now(self.readings, RUN, round((BEGIN_S + at_s) * S))
        return {one["name"]: (one["state"], one["value"]) for one in found}


def test_every_kind_of_objective_is_told_with_its_value_and_whether_it_holds() -> None:
    load = Load(plan_of())
    load.passed(20, received=10, latency_us=1000)
    now = load.states(5 + 20 + BEHIND_S)
    assert {name: state for name, (state, _) in now.items()} == {
        "fast": "holds", "one agency": "holds", "no loss": "holds", "once": "holds", "keeps up": "holds",
        "enough": "missed", "no queue": "holds",
    }  # fmt: skip
    assert now["fast"][1] == pytest.approx(0.001, rel=0.02)
    assert now["keeps up"][1] == 1.0
    assert now["enough"][1] == 10.0
    assert now["no loss"][1] == 0  # what is outstanding may still come


def test_what_is_missed_now_is_called_so() -> None:
    load = Load(plan_of())
    load.passed(20, received=8, latency_us=3000, doubled=2)
    now = load.states(5 + 20 + BEHIND_S)
    assert {name for name, (state, _) in now.items() if state == "missed"} == {
        "fast", "one agency", "once", "keeps up", "enough", "no queue",
    }  # fmt: skip
    assert now["keeps up"][1] == pytest.approx(0.8)
    assert now["no queue"][1] == pytest.approx(2)


def test_seconds_that_are_not_complete_do_not_count() -> None:
    load = Load(plan_of())
    load.passed(20, received=10, latency_us=1000)
    late = Tally()
    late.seconds.count("offered_deliveries", np.array([(BEGIN_S + 25) * S], np.int64), np.array([1000]))
    load.shown.put(reading(GENERATOR, late, "another"))
    assert load.states(5 + 20 + BEHIND_S)["keeps up"] == ("holds", 1.0)
    assert load.states(5 + 22 + BEHIND_S)["keeps up"][0] == "missed"


def test_where_there_is_nothing_to_judge_the_reason_is_told() -> None:
    assert why_not_judged(plan_of(), (BEGIN_S + 1) * S) == "not_begun"
    assert why_not_judged(plan_of(), (BEGIN_S + 6) * S) == "no_samples"
    assert why_not_judged(plan_of(closed=True), (BEGIN_S + 6) * S) == "closed"
    assert Load(plan_of()).states(1)["fast"] == ("not_begun", None)
    closed = Load(plan_of(closed=True))
    closed.passed(20, received=10, latency_us=1000)
    assert closed.states(25 + BEHIND_S)["fast"][0] == "closed"


def test_a_run_without_an_offer_or_objectives_shows_none_and_runs_are_bounded() -> None:
    assert Load(plan_of(), []).states(30) == {}
    load = Load(plan_of())
    assert load.shown.now(load.readings, "another", BEGIN_S * S) == []
    control = load.shown._control
    for number in range(2 * RUNS_MAX):
        control.offers[str(number)] = Offer(str(number), 1, 0, {"objectives": OBJECTIVES})
        control.plans[str(number)] = plan_of()
        load.shown.now(load.readings, str(number), BEGIN_S * S)
    assert len(load.shown._runs) == RUNS_MAX


def test_objectives_of_another_version_hide_no_others() -> None:
    found = objectives_of({"objectives": [{"name": "x", "colour": 1}, *OBJECTIVES * SHOWN_MAX]})
    assert len(found) == SHOWN_MAX - 1
    assert found[0].name == "fast"


def test_both_sides_are_told_and_the_bound_has_its_direction() -> None:
    load = Load(plan_of())
    found = {one["name"]: one for one in load.shown.now(load.readings, RUN, BEGIN_S * S)}
    assert found["fast"]["text_vi"] == "giao nhận: p99 không quá 2 ms"
    assert (found["fast"]["at_least"], found["fast"]["limit"]) == (False, 0.002)
    assert (found["keeps up"]["at_least"], found["keeps up"]["limit"]) == (True, 0.95)


def test_counts_of_a_series_are_those_of_its_rows() -> None:
    series, tally = Series(RUN), Tally()
    for second in range(BEGIN_S, BEGIN_S + 2 * OPEN_SECONDS):
        at = np.array([second * S], np.int64)
        tally.seconds.count("sent_deliveries", at, np.array([second % 7]))
        tally.seconds.count("received", at, np.array([second % 5]))
        series.put(reading("status", tally))
    rows, plan = list(with_outstanding(series.rows())), plan_of()
    counts = series.counts(BEGIN_S + 2 * OPEN_SECONDS)
    assert counts.seconds.tolist() == [second for second, _ in rows]
    for name in ("received", "sent_deliveries"):
        assert counts.columns[name].tolist() == [row[name] for _, row in rows]
    assert counts.outstanding().tolist() == [row["outstanding"] for _, row in rows]
    assert counts.of_phases(plan, [1]).sum() == 60
    assert backlog_slope(rows, plan) is not None
    assert len(Series("none").counts(5).seconds) == 0
