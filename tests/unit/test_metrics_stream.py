"""A stream worker's metrics: values before and after events, through rebalances, restarts and many agencies."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from inspect import signature

import numpy as np
import pytest

from docaxis.commands.monitor import monitor, worker_arguments
from docaxis.commands.stream import stream
from docaxis.domain.agency import Registry
from docaxis.domain.calendar import vietnam_calendar
from docaxis.domain.clock import ManualClock
from docaxis.domain.event import Delivered, Receipt, Refusal, Sent, Status
from docaxis.domain.run import canary_run
from docaxis.kafka.topics import Topics
from monitor.agency_labels import AgencyLabels
from monitor.catalogue import CATALOGUE, LOST_AFTER_S, OWED_LATE_OVER_S, STREAM_DELIVERY, WAITING_OVER_S
from monitor.histogram import ROWS_MAX
from monitor.lag import Progress
from monitor.metric import AGENCY_LABELS, Spec
from monitor.metrics import SERIES_MAX, Metrics
from monitor.process_metrics import ProcessMetrics
from monitor.service_objectives import ServiceObjectives
from streams.batch import Position
from streams.state import Duties, PartitionState, StateBounds
from streams.stream_metrics import StreamMetrics, stream_progress
from streams.tally_totals import QUIET_NS
from streams.worker import WorkerStats
from tests.support.events import SENT_US, delivered, receipt, record, records, refusal, sent, status
from tests.support.metrics import new_state, value

Event = Sent | Delivered | Receipt | Status | Refusal


@dataclass
class Worker:
    """The parts of a stream worker that its metrics read."""

    clock: ManualClock = field(default_factory=lambda: ManualClock(SENT_US))
    states: dict[int, PartitionState] = field(default_factory=lambda: {0: new_state()})
    stats: WorkerStats = field(default_factory=WorkerStats)
    agencies: tuple[str, ...] = ("G22", "H53")
    offsets: dict[tuple[int, str], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.metrics = StreamMetrics(
            lambda: self.states, self.stats, self.clock, self.agencies, lost_after_us=1_000_000
        )

    def fold(self, topic: str, *events: Event, partition: int = 0) -> None:
        first = self.offsets.get((partition, topic), 0)
        self.states[partition].fold(topic, records(topic, events, first), self.clock.wall_us())
        self.offsets[partition, topic] = first + len(events)

    def value(self, name: str, **labels: str) -> float | None:
        return value(self.metrics, f"docaxis_stream_{name}", **labels)


@pytest.mark.parametrize(
    ("topic", "event", "name", "labels", "added"),
    [
        ("sent", sent(), "documents_total", {"sender": "G22"}, 1),
        ("sent", sent(recipients=["H53", "G22"]), "deliveries_addressed_total", {}, 2),
        ("sent", sent(), "payload_bytes_total", {}, 1_400_000),
        ("delivered", delivered(), "deliveries_total", {"recipient": "H53"}, 1),
        ("status", receipt(), "receipts_total", {"recipient": "H53"}, 1),
        ("status", receipt(failed=True), "receipts_failed_total", {}, 1),
        ("status", status(), "statuses_total", {"code": "01"}, 1),
        ("refused", refusal(code=18), "refusals_total", {"code": "18"}, 1),
        ("refused", refusal(code=20), "refusals_total", {"code": "20"}, 1),
        ("refused", refusal(code=21), "refusals_total", {"code": "21"}, 1),
        ("refused", refusal(code=18), "sender_refusals_total", {"sender": "G22"}, 1),
        ("status", receipt(), "delivery_latency_seconds_count", {"recipient": "H53"}, 1),
        ("status", receipt(), "delivery_latency_seconds_sum", {"recipient": "H53"}, 0.003),
        ("status", receipt(), "delivery_latency_seconds_bucket", {"recipient": "H53", "le": "0.005"}, 1),
        ("status", receipt(priority=3), "priority_delivery_latency_seconds_count", {"priority": "3"}, 1),
        ("status", receipt(intended_us=SENT_US - 5), "delivery_uncorrected_seconds_sum", {}, 0.003),
        ("status", receipt(intended_us=SENT_US - 5), "send_delay_seconds_sum", {}, 0.000005),
        ("status", receipt(), "routing_seconds_sum", {}, 0.002),
        ("status", receipt(), "acceptance_seconds_sum", {}, 0.001),
        ("status", receipt(), "pickup_seconds_sum", {}, 0.001),
        ("status", receipt(intended_us=SENT_US + 1), "latencies_negative_total", {"stage": "send_delay"}, 1),
        ("sent", sent(), "ledger_documents", {}, 1),
        ("sent", sent(), "ledger_deliveries_expected", {}, 1),
        ("sent", sent(), "ledger_deliveries", {"state": "outstanding"}, 1),
        ("status", receipt(), "ledger_anomalies", {"kind": "misrouted"}, 1),
        ("sent", sent(), "runs", {}, 1),
    ],
)
def test_an_event_moves_its_metric(topic: str, event: Event, name: str, labels: dict[str, str], added: float) -> None:
    worker = Worker()
    assert worker.value(name, **labels) == 0
    worker.fold(topic, event)
    assert worker.value(name, **labels) == pytest.approx(added)
    assert worker.value(name, **labels) == pytest.approx(added)  # a second look adds nothing


def test_the_ledgers_states_follow_a_delivery_to_its_end() -> None:
    worker = Worker()
    worker.fold("sent", sent(recipients=["H53", "G22", "H54"]))
    worker.fold("status", receipt(received_us=SENT_US + 90_000_000, failed=True))
    worker.fold("refused", refusal(recipient="G22", code=18))
    states = ("delivered_once", "duplicated", "refused", "outstanding")
    assert [worker.value("ledger_deliveries", state=state) for state in states] == [1, 0, 1, 1]
    assert [worker.value("ledger_deliveries_flagged", state=state) for state in ("late", "failed")] == [1, 1]
    worker.fold("status", receipt(place=(0, 9)))
    assert [worker.value("ledger_deliveries", state=state) for state in states] == [0, 1, 1, 1]
    assert worker.value("ledger_deliveries_expected") == 3
    assert worker.value("ledger_remembered") == 2


def test_an_outstanding_delivery_ages_and_becomes_overdue() -> None:
    worker = Worker()
    assert worker.value("ledger_outstanding_age_seconds") == 0
    worker.fold("sent", sent())
    worker.clock.advance_us(1_000_000)
    assert (worker.value("ledger_outstanding_age_seconds"), worker.value("ledger_deliveries_overdue")) == (1, 0)
    worker.clock.advance_us(1)
    assert worker.value("ledger_deliveries_overdue") == 1
    worker.fold("status", receipt())
    assert (worker.value("ledger_outstanding_age_seconds"), worker.value("ledger_deliveries_overdue")) == (0, 0)


def test_nothing_is_overdue_for_waiting_as_long_as_an_objective_allows() -> None:
    """Of the workers that are told nothing else: a page for every long poll would be one that nobody reads."""
    clock, state = ManualClock(SENT_US), new_state()
    state.fold("sent", records("sent", [sent()]), SENT_US)
    metrics = StreamMetrics(lambda: {0: state}, WorkerStats(), clock)
    allowed_s = max(one.threshold_s or 0 for one in ServiceObjectives.load().objective)
    assert allowed_s == WAITING_OVER_S[-1] == STREAM_DELIVERY.bounds_us[-1] / 1e6  # no file can allow more
    overdue = []
    for age_s in (allowed_s + 1, 2 * allowed_s, LOST_AFTER_S, LOST_AFTER_S + 1):
        clock.advance_us(int((SENT_US / 1e6 + age_s) * 1e6) - clock.wall_us())
        overdue.append(value(metrics, "docaxis_stream_ledger_deliveries_overdue"))
    assert overdue == [0, 0, 0, 1]


@pytest.mark.parametrize("command", [stream, monitor])
def test_every_worker_that_is_told_nothing_waits_several_polls(command: Callable[..., None]) -> None:
    assert signature(command).parameters["lost_after"].default == LOST_AFTER_S


def test_the_monitor_tells_its_workers_what_it_was_told() -> None:
    arguments = worker_arguments(30, 7200, None)
    assert arguments[arguments.index("--late-after") + 1] == "30"
    assert arguments[arguments.index("--lost-after") + 1] == "7200"


def test_what_waits_is_told_by_its_age_and_by_whom_it_is_owed_to() -> None:
    worker = Worker()

    def waiting() -> list[float | None]:
        return [worker.value("ledger_deliveries_waiting", over=str(over_s)) for over_s in WAITING_OVER_S]

    def owed() -> list[float | None]:
        return [worker.value("ledger_deliveries_owed", recipient=code) for code in ("H53", "G22")]

    assert (waiting(), owed()) == ([0, 0, 0, 0], [0, 0])
    worker.fold("sent", sent(recipients=["H53", "G22"]), sent("a foreign id", ["H53"]))
    worker.clock.advance_us(60_000_000)
    assert (waiting(), owed()) == ([3, 0, 0, 0], [2, 1])
    worker.clock.advance_us(1)
    assert waiting() == [3, 3, 0, 0]
    worker.fold("status", receipt(), receipt("a foreign id"))
    assert (waiting(), owed()) == ([1, 1, 0, 0], [0, 1])


def test_what_is_late_already_is_told_by_whom_it_is_owed_to(monkeypatch: pytest.MonkeyPatch) -> None:
    worker = Worker(states={0: new_state(0), 1: new_state(1)})

    def late() -> list[float | None]:
        return [worker.value("ledger_deliveries_owed_late", recipient=code) for code in ("H53", "G22", "other")]

    assert late() == [0, 0, None]
    worker.fold("sent", sent(recipients=["H53", "G22"]), sent("a foreign id", ["H53"]), sent("G22.2021.0000002.0"))
    worker.fold("sent", sent("G22.2021.0000003.0", recipients=["H53", "A99"]), partition=1)
    worker.clock.advance_us(900_000_000)
    worker.fold("sent", sent("G22.2021.0000004.0", sent_us=worker.clock.wall_us()))
    assert late() == [0, 0, None]
    worker.clock.advance_us(1)
    assert late() == [4, 1, 1]
    worker.fold("status", receipt(), receipt("a foreign id"))
    assert late() == [2, 1, 1]
    monkeypatch.setattr("streams.ledger_metrics.LOOKED_AT_MAX", 2)
    assert late() == [1, 1, None]


def test_a_scrape_looks_no_further_than_at_what_is_old(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those read first are the oldest; one that was stamped long before it was written is seen in its turn."""
    monkeypatch.setattr("streams.ledger_metrics.BLOCK", 1)
    worker = Worker()
    ages_s = (20, 15, 1, 30)
    packets = [f"G22.2021.{number + 1:07d}.0" for number in range(len(ages_s))]
    for packet, age_s in zip(packets, ages_s, strict=True):
        worker.fold("sent", sent(packet, sent_us=SENT_US - age_s * 1_000_000))
    assert worker.value("ledger_deliveries_waiting", over="10") == 2
    worker.fold("status", receipt(packets[2]))
    assert worker.value("ledger_deliveries_waiting", over="10") == 3


def test_a_canary_is_no_traffic() -> None:
    worker = Worker()
    packet, run = "canary-main.1.0.0", canary_run("main")
    names: tuple[tuple[str, dict[str, str]], ...] = (
        ("documents_total", {"sender": "G22"}),
        ("deliveries_addressed_total", {}),
        ("receipts_total", {"recipient": "H53"}),
        ("delivery_latency_seconds_count", {"recipient": "H53"}),
        ("refusals_total", {"code": "18"}),
        ("ledger_documents", {}),
        ("ledger_deliveries", {"state": "delivered_once"}),
        ("ledger_deliveries", {"state": "outstanding"}),
        ("ledger_deliveries_owed", {"recipient": "H53"}),
    )
    worker.fold("sent", sent(packet, run=run), sent("canary-main.1.1.0", run=run))
    worker.fold("status", receipt(packet, run=run))
    worker.fold("refused", refusal("canary-main.1.1.0", run=run, code=18))
    assert [worker.value(name, **labels) for name, labels in names] == [0] * len(names)
    assert worker.states[0].tally(run, "sent").counts["documents"] == 2  # its readings have it, under its own run
    worker.fold("sent", sent())
    worker.fold("status", receipt())
    assert [worker.value(name, **labels) for name, labels in names] == [1, 1, 1, 1, 0, 1, 1, 0, 0]


def test_the_worker_tells_whether_offices_are_open() -> None:
    clock = ManualClock(0)
    metrics = StreamMetrics(dict, WorkerStats(), clock, calendar=vietnam_calendar())

    def open_at(*moment: int) -> float | None:
        local = datetime(*moment, tzinfo=timezone(timedelta(hours=7)))  # type: ignore[misc,arg-type]
        clock.advance_us(int(local.timestamp() * 1e6) - clock.wall_us())
        return value(metrics, "docaxis_monitor_office_open")

    assert [open_at(2021, 2, 9, hour) for hour in (3, 8, 12, 14, 17)] == [0, 1, 0, 1, 0]
    assert [open_at(2021, 2, day, 9) for day in (10, 12, 16, 17)] == [0, 0, 0, 1]  # Tết
    assert [open_at(2021, 2, day, 9) for day in (20, 21, 22)] == [0, 0, 1]  # a weekend
    assert open_at(2050, 2, 22, 9) == 0  # beyond the calendar


def test_unreadable_misplaced_and_skipped_records_are_counted_by_topic() -> None:
    worker = Worker()
    worker.states[0] = PartitionState(0, Duties(partitions=4), StateBounds())
    names: tuple[tuple[str, dict[str, str]], ...] = (
        ("dead_letters_total", {"topic": "status", "code": "10"}),
        ("records_misplaced_total", {"topic": "status"}),
        ("offsets_skipped_total", {"topic": "status"}),
        ("dead_letters_waiting", {}),
    )
    assert [worker.value(name, **labels) for name, labels in names] == [0, 0, 0, 0]
    worker.states[0].fold("status", [record("status", b"{", 0)], 1)
    worker.states[0].fold("status", [record("status", b"{", 5, key=b"H53.2021.0000007")], 1)
    counts = [worker.value(name, **labels) for name, labels in names]
    assert (counts[0], counts[2], counts[3]) == (2, 4, 2)
    misplaced = worker.states[0].tally("", "status").counts["misplaced"]
    assert counts[1] == misplaced > 0


def test_the_workers_own_doings_are_shown() -> None:
    worker = Worker()
    worker.stats.records, worker.stats.redelivered, worker.stats.sessions = 7, 2, 1
    worker.stats.snapshot.observe_one(30_000)
    worker.stats.snapshot_at_us = worker.clock.wall_us()
    worker.clock.advance_us(1_500_000)
    shown = {
        "records_total": 7, "records_redelivered_total": 2, "sessions_total": 1, "partitions": 1,
        "snapshot_seconds_count": 1, "snapshot_seconds_sum": 0.03, "snapshot_age_seconds": 1.5,
    }  # fmt: skip
    assert {name: worker.value(name) for name in shown} == pytest.approx(shown)
    assert worker.value("snapshot_seconds_bucket", le="0.025") == 0
    assert worker.value("snapshot_seconds_bucket", le="0.05") == 1


def test_a_worker_that_has_stored_nothing_yet_tells_since_when() -> None:
    """Else one that never could would be the only one of which nobody is told."""
    worker = Worker()
    assert worker.value("snapshot_age_seconds") == 0
    worker.clock.advance_us(90_000_000)
    assert worker.value("snapshot_age_seconds") == 90
    worker.stats.snapshot_at_us = worker.clock.wall_us()
    assert worker.value("snapshot_age_seconds") == 0


def test_counters_do_not_move_when_a_partition_leaves_or_comes_with_its_past() -> None:
    worker = Worker()
    worker.fold("sent", sent())
    assert worker.value("documents_total", sender="G22") == 1
    worker.fold("sent", sent("G22.2021.0000002.0"))
    left = worker.states.pop(0)
    assert worker.value("documents_total", sender="G22") == 2  # what was counted just before it left is not lost
    assert worker.value("ledger_documents") == 0  # the gauge goes with the partition
    worker.metrics.begin(0, left)  # as it comes back from the store, with its whole past
    worker.states[0] = left
    assert worker.value("documents_total", sender="G22") == 2
    assert worker.value("ledger_documents") == 2
    worker.fold("sent", sent("G22.2021.0000003.0"))
    assert worker.value("documents_total", sender="G22") == 3


def test_a_state_that_replaces_another_between_two_scrapes_counts_for_both() -> None:
    worker = Worker()
    worker.fold("status", receipt())
    assert worker.value("receipts_total", recipient="H53") == 1
    worker.fold("status", receipt("G22.2021.0000002.0"))
    worker.states[0] = new_state()
    worker.metrics.begin(0, worker.states[0])
    worker.offsets.clear()
    worker.fold("status", receipt("G22.2021.0000003.0"))
    assert worker.value("receipts_total", recipient="H53") == 3
    assert worker.value("delivery_latency_seconds_count", recipient="H53") == 3


def test_a_forgotten_run_leaves_its_counts_behind() -> None:
    worker = Worker()
    worker.states[0] = PartitionState(0, new_state().duties, StateBounds(runs_max=1))
    worker.fold("sent", sent(run="first"))
    assert worker.value("documents_total", sender="G22") == 1
    worker.fold("sent", sent("G22.2021.0000002.0", run="first"))
    worker.fold("sent", sent("G22.2021.0000003.0", run="second"))
    assert worker.value("documents_total", sender="G22") == 3
    assert worker.value("runs_forgotten") == 1
    assert list(worker.metrics.runs()) == ["second"]
    worker.fold("sent", sent("G22.2021.0000004.0", run="first"))
    assert worker.value("documents_total", sender="G22") == 3
    assert worker.value("events_of_forgotten_runs_total", topic="sent") == 1


def test_partitions_that_number_agencies_differently_are_summed_by_code() -> None:
    worker = Worker(states={0: new_state(0), 1: new_state(1)})
    worker.fold("sent", sent(sender="G22"), sent("H53.2021.0000001.0", sender="H53"))
    worker.fold("sent", sent("H53.2021.0000002.0", sender="H53"), partition=1)
    assert worker.value("documents_total", sender="G22") == 1
    assert worker.value("documents_total", sender="H53") == 2


def test_known_agencies_are_shown_at_zero_and_spellings_are_one_agency() -> None:
    worker = Worker()
    assert worker.value("documents_total", sender="H53") == 0
    worker.fold("sent", sent(sender="000.00.13.H53"))
    assert worker.value("documents_total", sender="H53") == 1


def test_beyond_the_bound_the_busiest_agencies_are_named_and_stay_so() -> None:
    labels = AgencyLabels(named_max=2)
    labels.admit({"A10": 1, "A11": 9, "A12": 5})
    assert [text for _, text in labels.shown] == ["A11", "A12", "other"]
    labels.admit({"A10": 1000, "A13": 1000})
    assert [text for _, text in labels.shown] == ["A11", "A12", "other"]
    assert labels.slot("A13") == labels.slot("A10") == labels.slot("never seen") == labels.other


def test_an_agency_that_has_left_is_shown_no_longer_and_begins_anew_if_it_comes_back() -> None:
    worker = Worker()
    quiet_us = QUIET_NS // 1000

    def shown(code: str) -> list[float | None]:
        return [
            worker.value("documents_total", sender=code),
            worker.value("delivery_latency_seconds_count", recipient=code),
        ]

    worker.fold("sent", sent(), sent("A99.2021.0000001.0", sender="A99"))
    worker.fold("status", receipt("A99.2021.0000001.0", "A99"))
    assert (shown("A99"), shown("G22")) == ([1, 1], [1, 0])
    worker.clock.advance_us(quiet_us)
    assert shown("A99") == [1, 1]
    worker.clock.advance_us(1)
    assert (shown("A99"), shown("G22")) == ([None, None], [1, 0])  # one of the registry is shown for ever
    worker.fold("sent", sent("B99.2021.0000001.0", sender="B99"))  # another one takes its place, not its counts
    assert (shown("A99"), shown("B99")) == ([None, None], [1, 0])
    worker.fold("sent", sent("A99.2021.0000002.0", sender="A99"))
    assert (shown("A99"), shown("B99")) == ([1, 0], [1, 0])
    worker.clock.advance_us(quiet_us // 2)
    worker.fold("sent", sent("A99.2021.0000003.0", sender="A99"))
    assert shown("A99") == [2, 0]
    worker.clock.advance_us(quiet_us // 2 + 1)
    assert (shown("A99"), shown("B99")) == ([2, 0], [None, None])  # who is active stays


@pytest.mark.parametrize(
    "spec", [spec for spec in CATALOGUE if AGENCY_LABELS & set(spec.labels)], ids=lambda spec: spec.name
)
def test_no_series_of_an_agency_that_has_left_is_on_the_next_page(spec: Spec) -> None:
    """Whatever the catalogue declares by agency, and although the one that left is still owed something."""
    worker = Worker()

    def shown() -> dict[str, float]:
        """Return the greatest figure of each agency."""
        families = Metrics([worker.metrics], worker.clock).families()
        greatest: dict[str, float] = {}
        for family in families:
            for _, labels, figure in family.samples() if family.spec is spec else ():
                for label in AGENCY_LABELS & labels.keys():
                    greatest[labels[label]] = max(figure, greatest.get(labels[label], 0))
        return greatest

    for serial in range(1, 3):  # answered, refused, and still outstanding
        packets = [f"A99.2021.{serial + later:07}.0" for later in (0, 10, 20)]
        worker.fold("sent", *(sent(packet, ["A99"], sender="A99") for packet in packets))
        worker.fold("delivered", delivered("A99", packets[0], sender="A99"))
        worker.fold("status", receipt(packets[0], "A99", sender="A99"))
        worker.fold("refused", refusal(packets[1], sender="A99"))
    worker.clock.advance_us(OWED_LATE_OVER_S * 1_000_000 + 1)
    assert shown().keys() == {"G22", "H53", "A99"}
    assert shown()["A99"] >= 2
    worker.clock.advance_us(QUIET_NS // 1000 + 1)
    assert shown().keys() - {"other"} == {"G22", "H53"}
    worker.fold("sent", sent("B99.2021.0000001.0", ["B99"], sender="B99"))  # has its place, and none of its figures
    assert shown().keys() - {"other"} == {"G22", "H53", "B99"}
    assert shown()["B99"] <= 1


def test_the_agencies_that_are_not_named_are_summed_as_other() -> None:
    worker = Worker(agencies=())
    codes = [f"A{number:04}" for number in range(130)]
    busy = codes[60:]  # 70 of them twice: certainly among the hundred
    for serial, code in enumerate([*codes, *busy]):
        worker.fold("sent", sent(f"{code}.2021.{serial:07}.0", sender=code))
        worker.fold("status", receipt(f"{code}.2021.{serial:07}.0", recipient=code))
    assert all(worker.value("documents_total", sender=code) == 2 for code in busy[::9])
    assert worker.value("documents_total", sender="other") == 30
    assert worker.value("delivery_latency_seconds_count", recipient="other") == 30
    worker.fold("sent", sent("A0129.2021.0001000.0", sender="A0129"), sent("B10.2021.0000001.0", sender="B10"))
    assert worker.value("documents_total", sender="A0129") == 3
    assert worker.value("documents_total", sender="other") == 31


def test_the_shared_last_row_of_the_latencies_is_everybody_elses() -> None:
    worker = Worker()
    numbers = np.array([worker.states[0].codes.index(f"A{number:05}") for number in range(ROWS_MAX + 5)])
    tally = worker.states[0].tally("run", "status")
    tally.counts["receipts"] += len(numbers)
    tally.count_agencies("receipts", numbers)
    tally.observe_rows("recipient", numbers, np.full(len(numbers), 1000))
    last = f"A{ROWS_MAX - 1:05}"  # its row is that of everybody beyond it too
    tally.count_agencies("receipts", np.array([worker.states[0].codes.index(last)]))
    named = 100 - len(worker.agencies)
    assert worker.value("receipts_total", recipient=last) == 2
    assert worker.value("receipts_total", recipient="other") == len(numbers) - named
    assert worker.value("delivery_latency_seconds_count", recipient="A00000") == 1
    assert worker.value("delivery_latency_seconds_count", recipient=last) == 0
    assert worker.value("delivery_latency_seconds_count", recipient="other") == len(numbers) - named + 1


def test_the_worker_lags_behind_what_can_be_read_and_not_behind_open_transactions() -> None:
    positions = {
        ("axis.sent", 0): Position(delivered=9, processed=7, committed=5, stable_end=12, end=20),
        ("axis.status", 1): Position(delivered=None, processed=None, committed=None, stable_end=None, end=None),
    }
    assert list(stream_progress(positions, Topics("axis"))) == [Progress("sent", 0, 7, 12)]


def test_a_worker_of_the_whole_axis_stays_within_its_budget() -> None:
    registry = Registry.load()
    worker = Worker(agencies=registry.codes)
    for serial, code in enumerate(registry.codes):
        packet = f"{code}.2021.{serial:07}.0"
        worker.fold("sent", sent(packet, [code], sender=code))
        worker.fold("status", receipt(packet, code, sender=code))
        worker.fold("refused", refusal(packet, code=22, sender=code))
    families = Metrics([worker.metrics, ProcessMetrics("stream", worker.metrics.runs)], worker.clock).families()
    shown = {family.spec.name: family for family in families}
    assert shown["docaxis_monitor_series_refused"].points == [((), 0)]
    assert len(shown["docaxis_stream_delivery_latency_seconds"].histograms) == 95
    assert sum(family.series for family in families) < SERIES_MAX / 2
