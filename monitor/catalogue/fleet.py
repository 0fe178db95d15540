"""Fleets: what was offered, what became of it, how they receive."""

from functools import partial

from monitor.catalogue.bounds import BROKER_BOUNDS, LATENESS_BOUNDS
from monitor.metric import Spec

_fleet = partial(Spec, exporter="fleet")

PRODUCER_ARRIVALS = _fleet(
    "docaxis_producer_arrivals_total", "counter",
    "Arrivals scheduled = acked + dropped + failed + unknown + in flight. This is the rate offered.",
)  # fmt: skip
PRODUCER_ACKED = _fleet(
    "docaxis_producer_arrivals_acked_total", "counter", "Arrivals that the broker confirmed. This is the rate achieved."
)
PRODUCER_DROPPED = _fleet(
    "docaxis_producer_arrivals_dropped_total", "counter",
    "Arrivals never sent, being too late when there was room. Not zero: the load was not offered as planned.",
)  # fmt: skip
PRODUCER_FAILED = _fleet(
    "docaxis_producer_arrivals_failed_total",
    "counter",
    "Arrivals that the broker refused: see docaxis_producer_errors_total.",
)
PRODUCER_UNKNOWN = _fleet(
    "docaxis_producer_arrivals_unknown_total", "counter",
    "Arrivals without an answer: they may or may not be in the topic. The verdict reconciles them with it.",
)  # fmt: skip
PRODUCER_IN_FLIGHT = _fleet(
    "docaxis_producer_in_flight", "gauge", "Arrivals sent and not answered. At its bound: the broker is the bottleneck."
)
PRODUCER_DOCUMENTS = _fleet(
    "docaxis_producer_documents_total", "counter",
    "Documents handed to the broker. Standing still in a phase that sends: look at arrivals in flight and held time.",
)  # fmt: skip
PRODUCER_DELIVERIES = _fleet(
    "docaxis_producer_deliveries_addressed_total",
    "counter",
    "Deliveries that the documents handed to the broker ask for. What is delivered falls behind it: look at the hub.",
)
PRODUCER_LATENESS = _fleet(
    "docaxis_producer_lateness_seconds", "histogram",
    "Sent - intended: the generator's own error. 99th percentile above 1 ms: this machine cannot hold the schedule.",
    unit="seconds", bounds_us=LATENESS_BOUNDS,
)  # fmt: skip
PRODUCER_PUBLISH = _fleet(
    "docaxis_producer_publish_latency_seconds", "histogram",
    "Acked by the broker - intended: the sender's own view. High while lateness is low: the broker is slow.",
    unit="seconds", bounds_us=BROKER_BOUNDS,
)  # fmt: skip
PRODUCER_ERRORS = _fleet(
    "docaxis_producer_errors_total", "counter",
    "Batches that failed, by kind of error. Look up the kind in the fleet's log.", labels=("error",),
)  # fmt: skip
PRODUCER_FAULTS = _fleet(
    "docaxis_producer_faults_injected_total", "counter",
    "Documents (of the recipients' faults: deliveries) that the workload's faults befell, by kind of fault. What "
    "follows them was asked for: judge the axis by how it bears and audits them. Growing although nobody meant it: "
    "take the faults out of the workload file.",
    labels=("kind",),
)  # fmt: skip
PRODUCER_WINDOW = _fleet(
    "docaxis_producer_window_outstanding", "gauge",
    "Deliveries between sending and receiving in a closed load. At its bound, the sender waits for the receivers.",
)  # fmt: skip
PRODUCER_WRITTEN_OFF = _fleet(
    "docaxis_producer_window_written_off_total", "counter",
    "Deliveries that the closed window gave up waiting for, so that sending goes on. Ask the ledger where they are.",
)  # fmt: skip
PRODUCER_CALENDAR = _fleet(
    "docaxis_producer_calendar_timestamp_seconds", "gauge",
    "Business-calendar time of the newest document sent, as Unix time. Standing still: nothing is sent, or a pause.",
    unit="seconds",
)  # fmt: skip
PRODUCER_PHASE = _fleet(
    "docaxis_producer_phase", "gauge",
    "1 for the phase that the load is in: idle (no load here), sending, ended, or what its workload calls it. Judge no "
    "figure of a warm-up.",
    labels=("phase",),
)  # fmt: skip
PRODUCER_ENDED = _fleet("docaxis_producer_sending_ended", "gauge", "1 when nothing more will be sent, else 0.")
RECEIVER_DELIVERIES = _fleet(
    "docaxis_receiver_deliveries_total",
    "counter",
    "Deliveries that agencies polled and answered, canaries' included. Repeated after a restart.",
)
RECEIVER_RECEIPTS = _fleet(
    "docaxis_receiver_receipts_total", "counter",
    "Receipts that the broker confirmed, canaries' included. Far behind the deliveries: the status topic is slow to "
    "take them.",
)  # fmt: skip
RECEIVER_UNREADABLE = _fleet(
    "docaxis_receiver_unreadable_total",
    "counter",
    "Delivered records that are no event, refused. The hub wrote nonsense.",
)
RECEIVER_SESSIONS = _fleet(
    "docaxis_receiver_sessions_total",
    "counter",
    "Group memberships begun. Each beyond the first follows a failure: see the log.",
)
RECEIVER_PARTITIONS = _fleet(
    "docaxis_receiver_partitions", "gauge", "Inbox partitions that this fleet has read since it owns them."
)
LIFE_CYCLE_STATUSES = _fleet(
    "docaxis_producer_statuses_total", "counter",
    "Business statuses stated by virtual agencies (with --life-cycle). Standing still by day: look at those pending.",
)  # fmt: skip
LIFE_CYCLE_PENDING = _fleet(
    "docaxis_producer_statuses_pending",
    "gauge",
    "Business statuses still to be stated, when the calendar comes to them.",
)
LIFE_CYCLE_LEFT_OUT = _fleet(
    "docaxis_producer_life_cycles_left_out_total", "counter",
    "Deliveries whose business life is not followed: too many were pending, or the calendar ends before it does. Slow "
    "the calendar down.",
)  # fmt: skip
