"""Figures of a load test: seconds, the series, objectives, the generator judged, faults matched."""

from typing import Any

import numpy as np
import pytest

from docaxis.domain.agency import Registry
from docaxis.domain.plan import Plan, first_plan
from docaxis.workload.faults import Fault
from docaxis.workload.model import GeneratorBounds
from docaxis.workload.objectives import Objective
from monitor.generator_check import check_generator
from monitor.load_figures import LoadFigures
from monitor.load_result import Injected, account_faults, faults_asked, traffic_of
from monitor.objectives import judge_objectives, not_judged
from monitor.reading import GENERATOR, MEASURED, TRAFFIC, Reading, Readings, Tally, decode_reading, encode_reading
from monitor.seconds import Seconds
from monitor.series import OPEN_SECONDS, Series, with_outstanding
from monitor.verdict import LedgerTotals

SECOND = 1_000_000
BEGIN = 1_000 * SECOND


def _at(*seconds: float) -> Any:
    return np.array([round(second * SECOND) for second in seconds], np.int64)


def test_seconds_keep_the_newest_and_count_what_is_too_late() -> None:
    seconds = Seconds(3)
    seconds.count("n", _at(1, 1.5, 2))
    seconds.count("n", _at(3.1, 2.2), np.array([10, 20]))
    seconds.count("n", _at(5))
    assert {second: row.counts["n"] for second, row in seconds.to_reading().items()} == {3: 10, 5: 1}
    seconds.count("n", _at(1))
    assert seconds.late == 1
    again = Seconds(3)
    again.add(seconds.to_reading())
    assert again.to_reading() == seconds.to_reading()


def _reading(topic: str, number: int, tally: Tally, source: str = "", **more: Any) -> Reading:
    reading = tally.to_reading(
        ["H53", "G22"], version=1, run="r", topic=topic, partition=0, offset=number, at_us=number, source=source
    )
    return decode_reading(encode_reading(reading)[1])


def test_a_series_is_the_same_however_often_it_was_told() -> None:
    series, tally = Series("r"), Tally()
    total = 0
    for second in range(2 * OPEN_SECONDS):
        tally.seconds.count("received", _at(second + 0.1, second + 0.9))
        tally.seconds.observe(_at(second + 0.1), delivery=np.array([1000 * (second + 1)], np.int64))
        total += 2
        series.put(_reading("status", second, tally))
        series.put(_reading("status", second, tally))
    rows = list(with_outstanding(series.rows()))
    assert [second for second, _ in rows] == list(range(2 * OPEN_SECONDS))
    assert sum(row["received"] for _, row in rows) == total
    assert rows[9][1]["delivery_max_s"] == pytest.approx(0.01)
    assert len(series.newest(1000)) <= OPEN_SECONDS + 1


def _plan(closed: bool = False) -> Plan:
    phases = [("warm", "warm-up", 10 * SECOND, False, False), ("load", "load", 10 * SECOND, True, closed)]
    return first_plan("r", BEGIN, phases)


def _figures(delivery_us: int = 1000, error_us: int = 10, *, closed: bool = False, **counts: int) -> LoadFigures:
    readings, status, generator = Readings(), Tally(), Tally()
    values = np.full(100, delivery_us, np.int64)
    status.observe("delivery@1", values)
    status.observe("delivery@0", values * 1000)  # the warm-up was terrible, and does not matter
    status.observe_rows(f"recipient{MEASURED}", np.arange(100) % 2, values)
    status.observe_rows(f"priority{MEASURED}", np.arange(100) % 5, values * (np.arange(100) % 5 + 1))
    generator.observe("schedule_error@1", np.full(100, error_us, np.int64))
    generator.counts.update({"offered@1": 50, "offered_deliveries@1": 100, "wall_us": 10 * SECOND} | counts)
    readings.put(_reading("status", 1, status))
    readings.put(_reading(GENERATOR, 1, generator, "fleet-0"))
    rows = [(1010 + second, {"received": 10.0, "outstanding": 5.0 * second}) for second in range(10)]
    return LoadFigures(readings, "r", _plan(closed), LedgerTotals(lost=1, late=7), rows)


def _judge(figures: LoadFigures, **keys: Any) -> Any:
    objective = Objective.model_validate({"name": "o", **keys})
    return judge_objectives([objective], figures, Registry.load(), dropped=0)[0]


LATENCY = {"stage": "delivery", "percentile": 99}


def test_objectives_are_judged_on_the_measured_phases_alone() -> None:
    assert _judge(_figures(), **LATENCY, at_most="2 ms").met is True
    assert _judge(_figures(3000), **LATENCY, at_most="2 ms").met is False
    assert _judge(_figures(3000, closed=True), **LATENCY, at_most="2 ms").met is None
    assert _judge(_figures(), stage="routing", percentile=99, at_most="2 ms").met is None
    assert _judge(_figures(), **LATENCY, at_most="2 ms", priorities=[0]).met is True
    assert _judge(_figures(), **LATENCY, at_most="2 ms", priorities=[3, 4]).met is False
    assert _judge(_figures(), **LATENCY, at_most="2 ms", agencies=["H53"]).met is True
    assert _judge(_figures(), **LATENCY, at_most="2 ms", agencies=["ministry"]).met is None


def test_an_objective_of_which_nothing_was_seen_does_not_hold() -> None:
    unseen = {"stage": "routing", "percentile": 99, "at_most": "2 ms"}
    for figures, faults in (
        (_figures(), ["objective 'o' could not be judged: nothing of it was seen"]),
        (_figures(closed=True), []),
    ):
        assert not_judged([_judge(figures, **unseen)], figures) == faults
    assert not_judged([_judge(_figures(3000), **LATENCY, at_most="2 ms")], _figures()) == []


def test_counts_rates_and_slopes_are_judged() -> None:
    assert _judge(_figures(), count="lost").met is False
    assert _judge(_figures(), count="lost", at_most_count=1).met is True
    assert _judge(_figures(), achieved=1.0).value == pytest.approx(1.0)
    assert _judge(_figures(), at_least="11 deliveries/s").met is False
    assert _judge(_figures(), at_least="5 documents/s").met is True
    assert _judge(_figures(), backlog_slope=5.1).met is True
    assert _judge(_figures(), backlog_slope=4.9).met is False


def test_a_late_generator_is_told_from_one_that_was_held() -> None:
    bounds = GeneratorBounds()
    assert check_generator(_figures(), bounds).reasons == ()
    (reason,) = check_generator(_figures(error_us=30_000), bounds).reasons
    assert "sent late by itself" in reason
    assert "25 ms" in reason
    held: dict[str, Any] = {f"held_us{MEASURED}": 2 * SECOND}
    assert check_generator(_figures(**held), bounds).reasons == ()
    (reason,) = check_generator(_figures(**held, cpu_us=95 * SECOND // 10), bounds).reasons
    assert "who was slow cannot be told" in reason
    (reason,) = check_generator(_figures(clock_step_us=60_000), bounds).reasons
    assert "clock stepped" in reason


def _frozen_once(*, for_us: int, of_s: int) -> LoadFigures:
    """A sender that stood still once: what was due meanwhile was late by what was left of it, at 100 documents/s."""
    sent = 100 * of_s
    waits_us = np.zeros(sent, np.int64)
    held = for_us // 10_000
    waits_us[:held] = np.arange(for_us, for_us - held * 10_000, -10_000)
    figures, generator, status = _figures(), Tally(), Tally()
    generator.observe("schedule_error@1", waits_us + 200)
    status.observe("delivery@1", waits_us + 3_000)
    status.observe("routing@1", np.full(sent, 3_000, np.int64))
    generator.counts.update({"offered@1": sent, "wall_us": of_s * SECOND})
    figures.readings.put(_reading(GENERATOR, 2, generator, "fleet-0"))
    figures.readings.put(_reading("status", 2, status))
    return figures


def _checked(figures: LoadFigures, **keys: Any) -> tuple[bool | None, tuple[str, ...]]:
    objective = Objective.model_validate({"name": "o", **keys})
    judgements = judge_objectives([objective], figures, Registry.load(), dropped=0)
    check = check_generator(figures, GeneratorBounds(), [objective], judgements)
    return judgements[0].met, check.reasons


def test_a_generator_that_stood_still_within_its_bounds_is_not_taken_for_a_slow_hub() -> None:
    """Two seconds of ten minutes are a third of a hundredth: below the bound on p99, and all of what p99.9 shows."""
    frozen = _frozen_once(for_us=2 * SECOND, of_s=600)
    tail = {"stage": "delivery", "percentile": 99.9, "at_most": "1 s"}
    met, (reason,) = _checked(frozen, **tail)
    assert not met
    assert "objective 'o' was missed by less than the generator itself was late" in reason
    assert "who was slow cannot be told" in reason
    assert _checked(frozen, stage="delivery", percentile=99, at_most="1 s") == (True, ())
    assert _checked(frozen, stage="routing", percentile=99.9, at_most="2 ms") == (False, ()), "no doing of the sender's"
    slow_hub = _figures(delivery_us=2 * SECOND, error_us=900)
    assert _checked(slow_hub, **tail) == (False, ()), "a slow hub does not look like a slow generator either"


def _with_receivers(cpu_us: int = 0, lag_us: int = 10, **sender: Any) -> LoadFigures:
    figures, receivers = _figures(**sender), Tally()
    receivers.observe(f"loop_lag{MEASURED}", np.full(900, lag_us, np.int64))
    receivers.counts.update({"wall_us": 10 * SECOND, "cpu_us": cpu_us, "clock_steps": 1, "clock_step_us": 10})
    figures.readings.put(_reading(GENERATOR, 1, receivers, "receivers-0"))
    return figures


def test_what_one_process_of_the_generator_shows_is_not_lost_among_the_others() -> None:
    """Receivers are a process of their own: neither do they hide a late sender, nor is a sender blamed for them."""
    bounds, busy = GeneratorBounds(), 95 * SECOND // 10
    assert check_generator(_with_receivers(), bounds).reasons == ()
    late = Tally()
    late.observe(f"loop_lag{MEASURED}", np.array([200_000] * 10, np.int64))  # ten of 910 ticks
    figures = _with_receivers()
    figures.readings.put(_reading(GENERATOR, 2, late, "fleet-1"))
    assert [reason[:31] for reason in check_generator(figures, bounds).reasons] == ["the generator's event loop was "]
    (reason,) = check_generator(_with_receivers(lag_us=200_000), bounds).reasons
    assert "event loop was late" in reason
    (reason,) = check_generator(_with_receivers(busy), bounds).reasons
    assert "the receivers' processor was 95% busy" in reason
    held: dict[str, Any] = {f"held_us{MEASURED}": 2 * SECOND}
    assert all("held" not in reason for reason in check_generator(_with_receivers(busy, **held), bounds).reasons)
    check = check_generator(_with_receivers(clock_steps=1, clock_step_us=20), bounds)
    assert (check.clock_steps, check.clock_step_seconds) == (1, 20 / 1e6)


def test_exactly_what_was_injected_may_be_found() -> None:
    injected = Injected({"duplicate": 5, "duplicate_deliveries": 9, "corrupt": 2, "withhold-receipts": 3})
    ledger = LedgerTotals(documents=98, deliveries_expected=300, delivered_once=288, duplicated=9, lost=3)
    arrivals = {"acked": 100}
    assert account_faults(ledger, arrivals, injected, unreadable=2) == []
    assert account_faults(ledger, arrivals, injected, unreadable=1) != []
    assert account_faults(ledger, {"acked": 101}, injected, unreadable=2) != []
    none = Injected({})
    found = account_faults(ledger, {"acked": 98}, none, unreadable=0)
    assert found == ["9 duplicated", "3 lost"]


def test_a_fault_that_happened_less_often_than_asked_is_told() -> None:
    wanted = [
        {"kind": "duplicate", "count": 5000},
        {"kind": "withhold-receipts", "count": 4},
        {"kind": "withhold-receipts", "count": 2, "agencies": ["H53"]},
        {"kind": "silent-agency", "agencies": ["H53"], "lasts": "1 s"},
        {"kind": "paused-hub", "lasts": "1 s"},
        {"kind": "paused-hub", "lasts": "1 s", "at": "2 s"},
        {"kind": "killed-worker"},
    ]
    asked = faults_asked(Fault.model_validate(one) for one in wanted)
    assert asked == {"duplicate": 5000, "withhold-receipts": 6, "paused-hub": 2, "killed-worker": 1}
    readings = Readings()
    tally = Tally()
    tally.counts.update({"fault_duplicate": 480, "fault_duplicate_deliveries": 500, "fault_withhold-receipts": 6})
    readings.put(_reading(GENERATOR, 1, tally, "fleet-0"))
    injected = Injected.of(readings, "r", [{"kind": "paused-hub"}, {"kind": "killed-worker"}])
    ledger = LedgerTotals(documents=480, deliveries_expected=600, delivered_once=94, duplicated=500, lost=6)
    assert account_faults(ledger, {"acked": 480}, injected, 0) == []
    assert account_faults(ledger, {"acked": 480}, injected, 0, asked) == [
        "fault duplicate: 5,000 asked for, 480 injected",
        "fault paused-hub: 2 asked for, 1 injected",
    ]


def test_traffic_is_summed_over_fleets() -> None:
    readings = Readings()
    for source, count in (("fleet-0", 3), ("fleet-1", 4)):
        readings.put(Reading(1, "r", TRAFFIC, 0, 1, 1, source, agencies={"H53": {"G22": count}}))
    assert traffic_of(readings, "r") == {"agencies": ["G22", "H53"], "pairs": [[1, 0, 7]]}
