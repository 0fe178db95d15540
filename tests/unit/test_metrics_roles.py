"""Metrics of hub, fleet and process: values before and after."""

import platform
from datetime import date

import pytest
from msgspec import structs

from docaxis import __version__
from docaxis.domain.calendar import midnight_ms, vietnam_calendar
from docaxis.domain.clock import ManualClock
from docaxis.kafka.partitioner import partition_of
from docaxis.workload.faults import FAULT_KEYS, RECEIVER_FAULTS, SENDER_FAULTS
from monitor.process_metrics import RUNS_MAX, ProcessMetrics
from producers.fleet_metrics import FleetMetrics
from producers.fleet_settings import FleetStats
from producers.generator_watch import GeneratorWatch
from producers.life_cycle import LifeCycles
from producers.window import Window
from streams.hub import HubStats
from streams.hub_metrics import HubMetrics
from tests.support.events import delivered
from tests.support.metrics import value


def test_the_hub_shows_what_it_did() -> None:
    stats, clock = HubStats(), ManualClock()
    hub = HubMetrics(stats, "axis-hub", clock)
    names = ("documents_total", "deliveries_total", "passes_total", "sessions_total", "commit_seconds_count")

    def shown() -> list[float | None]:
        return [value(hub, f"docaxis_hub_{name}") for name in (*names, "partitions")]

    assert shown() == [0] * 6
    assert value(hub, "docaxis_hub_refusals_total", code="18") == 0
    assert value(hub, "docaxis_monitor_lag_records", group="axis-hub", topic="sent") is None
    stats.documents, stats.deliveries, stats.passes, stats.sessions = 3, 9, 2, 1
    stats.refusals[18] = 4
    stats.commit.observe_one(2_000)
    stats.positions, stats.ends = {0: 5, 1: 7}, {0: 9}
    assert shown() == [3, 9, 2, 1, 1, 2]
    assert value(hub, "docaxis_hub_refusals_total", code="18") == 4
    assert value(hub, "docaxis_hub_commit_seconds_bucket", le="0.0025") == 1
    assert value(hub, "docaxis_hub_commit_seconds_bucket", le="0.001") == 0
    assert value(hub, "docaxis_monitor_lag_records", group="axis-hub", topic="sent") == 4


def test_the_fleets_arrivals_add_up() -> None:
    stats = FleetStats.of(2)
    fleet = FleetMetrics(stats, "axis-agencies", ManualClock())
    assert value(fleet, "docaxis_producer_arrivals_total") == 0
    first, second = stats.sender.arrivals.partitions
    first.scheduled, first.acked, first.dropped, second.scheduled, second.failed, second.unknown = 10, 5, 1, 4, 1, 1
    parts = ("arrivals_acked_total", "arrivals_dropped_total", "arrivals_failed_total", "arrivals_unknown_total")
    shown = [value(fleet, f"docaxis_producer_{name}") for name in (*parts, "in_flight")]
    assert shown == [5, 1, 1, 1, 6]
    assert value(fleet, "docaxis_producer_arrivals_total") == 14


def test_the_fleet_says_which_phase_its_load_is_in() -> None:
    stats = FleetStats.of(1)
    fleet = FleetMetrics(stats, "axis-agencies", ManualClock())

    def shown() -> set[str]:
        names = ("idle", "sending", "warm-up", "ended")
        return {name for name in names if value(fleet, "docaxis_producer_phase", phase=name) == 1}

    assert shown() == {"idle"}
    stats.sending_ended = True  # one that only receives has nothing to end
    assert shown() == {"idle"}
    stats.sending_ended = False
    for name in ("sending", "warm-up"):
        stats.phase = name
        assert shown() == {name}
    stats.sending_ended = True
    assert shown() == {"ended"}


def test_the_fleet_shows_its_lateness_window_and_receivers() -> None:
    stats, clock = FleetStats.of(1), ManualClock()
    stats.window = Window(100, clock)
    fleet = FleetMetrics(stats, "axis-agencies", clock)
    expected = {
        "producer_documents_total": 2, "producer_deliveries_addressed_total": 7, "producer_lateness_seconds_count": 1,
        "producer_publish_latency_seconds_sum": 0.004, "producer_window_outstanding": 6,
        "producer_window_written_off_total": 3, "producer_calendar_timestamp_seconds": 1.5, "producer_sending_ended": 1,
        "receiver_deliveries_total": 5, "receiver_receipts_total": 4, "receiver_unreadable_total": 2,
        "receiver_sessions_total": 1, "receiver_partitions": 1,
    }  # fmt: skip
    assert {value(fleet, f"docaxis_{name}") for name in expected} == {0}
    sender, receiver = stats.sender, stats.receiver
    sender.documents, sender.deliveries, sender.calendar_ms, stats.sending_ended = 2, 7, 1500, True
    sender.lateness.observe_one(300)
    sender.publish.observe_one(4000)
    sender.errors["KafkaTimeoutError"] = 1
    stats.window.opened(6)
    stats.window.written_off = 3
    receiver.deliveries, receiver.receipts, receiver.unreadable, receiver.sessions = 5, 4, 2, 1
    receiver.positions, receiver.ends = {0: 8}, {0: 10}
    assert {name: value(fleet, f"docaxis_{name}") for name in expected} == pytest.approx(expected)
    assert value(fleet, "docaxis_producer_lateness_seconds_bucket", le="0.00025") == 0
    assert value(fleet, "docaxis_producer_lateness_seconds_bucket", le="0.0005") == 1
    assert value(fleet, "docaxis_producer_errors_total", error="KafkaTimeoutError") == 1
    assert value(fleet, "docaxis_monitor_lag_records", group="axis-agencies", topic="delivered") == 2


def test_the_fleet_counts_injected_faults_from_zero_and_of_known_kinds_only() -> None:
    stats, clock = FleetStats.of(1), ManualClock()
    fleet = FleetMetrics(stats, "axis-agencies", clock)
    kinds = (*SENDER_FAULTS, *RECEIVER_FAULTS)

    def shown() -> dict[str, float]:
        name = "docaxis_producer_faults_injected_total"
        return {kind: count for kind in FAULT_KEYS if (count := value(fleet, name, kind=kind)) is not None}

    assert shown() == dict.fromkeys(kinds, 0)  # also of a fleet that has no plan
    stats.sender.watch = GeneratorWatch(clock, lambda: None)
    assert shown() == dict.fromkeys(kinds, 0)
    stats.sender.watch.on_injected("duplicate", documents=3, deliveries=12)
    stats.sender.watch.on_injected("silent-agency", documents=1, deliveries=1)
    stats.sender.watch.on_injected("silent-agency", documents=1, deliveries=1)
    assert shown() == dict.fromkeys(kinds, 0) | {"duplicate": 3, "silent-agency": 2}


def test_the_life_of_documents_is_shown() -> None:
    stats = FleetStats.of(1)
    fleet = FleetMetrics(stats, "axis-agencies", ManualClock())
    names = ("statuses_pending", "statuses_total", "life_cycles_left_out_total")
    assert [value(fleet, f"docaxis_producer_{name}") for name in names] == [0, 0, 0]
    stats.life_cycles = LifeCycles(1, vietnam_calendar(), pending_max=1)
    stats.life_cycles.begin(delivered())
    stats.life_cycles.begin(delivered())
    pending = len(stats.life_cycles)
    assert [value(fleet, f"docaxis_producer_{name}") for name in names] == [pending, 0, 1]
    stats.life_cycles.due(None, 1)
    assert [value(fleet, f"docaxis_producer_{name}") for name in names] == [0, pending, 1]


def test_a_life_beyond_the_calendar_is_left_out_and_a_foreign_partition_is_set_right() -> None:
    lives = LifeCycles(1, vietnam_calendar(), partitions=4)
    lives.begin(structs.replace(delivered(), calendar_ms=midnight_ms(date(2031, 1, 2))))
    assert (len(lives), lives.left_out) == (0, 1)
    lives.begin(structs.replace(delivered(), sent_partition=4))
    stated = lives.due(None, 1)
    assert stated
    assert {partition for partition, *_ in stated} == {partition_of(stated[0][1], 4)}


def test_a_process_names_its_version_role_and_newest_runs() -> None:
    runs = ["", *(f"run-{number}" for number in range(RUNS_MAX + 1))]
    process = ProcessMetrics("hub", lambda: runs)
    labels = {"version": __version__, "python": platform.python_version(), "role": "hub"}
    assert value(process, "docaxis_build_info", **labels) == 1
    assert value(process, "docaxis_run_info", run=f"run-{RUNS_MAX}") == 1
    assert value(process, "docaxis_run_info", run="run-0") is None
    assert value(process, "docaxis_run_info", run="") is None
    assert (value(process, "process_resident_memory_bytes") or 0) > 1_000_000
