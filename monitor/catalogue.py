"""Every metric there is, declared once. Collectors, dashboards, alerts and docs/METRICS.md all refer to this list.

Names are `docaxis_<part>_<noun>_<unit>[_total]` in base units. The run is a label of `docaxis_run_info` only: values
are summed over runs. Counters begin at 0 with their process and only grow; the ledger's gauges are restored with the
state, so their sum over all workers is always the whole picture. No metric has a pair of agencies or a document as
label; agencies beyond the hundredth are counted as "other".
"""

from functools import partial

from monitor.metric import Spec


def _us(*seconds: float) -> tuple[int, ...]:
    return tuple(round(bound * 1_000_000) for bound in seconds)


#: From the first to the last moment of a delivery: 5 ms (a quiet machine) to 15 min (agencies that poll), with the
#: objectives' thresholds among them.
DELIVERY_BOUNDS = _us(0.005, 0.025, 0.1, 0.25, 1, 2.5, 10, 30, 60, 300, 900)
#: Ages in seconds for which waiting deliveries are counted: each is a bound of the delivery latency too, so that an
#: objective with one of them counts what waits as late before it has arrived.
WAITING_OVER_S = (10, 60, 300, 900)
#: Parts of a delivery that no agency's polling is in.
STAGE_BOUNDS = _us(0.001, 0.005, 0.025, 0.1, 0.25, 1, 2.5, 10, 30, 60, 300)
#: The generator's own error: 1 ms is its objective.
LATENESS_BOUNDS = _us(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1, 10)
#: One exchange with the broker.
BROKER_BOUNDS = _us(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 10)

# --- stream worker: the meter

_stream = partial(Spec, exporter="stream worker")

STREAM_DOCUMENTS = _stream(
    "docaxis_stream_documents_total", "counter",
    "Documents (packets) that agencies sent, by sender, canaries left out. None for long in office hours: look at that "
    "agency's fleet.",
    labels=("sender",),
)  # fmt: skip
STREAM_ADDRESSED = _stream(
    "docaxis_stream_deliveries_addressed_total", "counter",
    "Deliveries that the documents sent ask for: one a recipient. Compare with the deliveries made.",
)  # fmt: skip
STREAM_PAYLOAD = _stream(
    "docaxis_stream_payload_bytes_total", "counter",
    "Size of the payloads of the documents sent, each once. They travel by reference: this is no Kafka traffic.",
    unit="bytes",
)  # fmt: skip
STREAM_DELIVERIES = _stream(
    "docaxis_stream_deliveries_total", "counter",
    "Deliveries that the hub made available, by recipient. Falls behind what was addressed: look at the hub's lag.",
    labels=("recipient",),
)  # fmt: skip
STREAM_RECEIPTS = _stream(
    "docaxis_stream_receipts_total", "counter",
    "Deliveries received and answered, by recipient. Behind the deliveries: that agency does not fetch its inbox.",
    labels=("recipient",),
)  # fmt: skip
STREAM_RECEIPTS_FAILED = _stream(
    "docaxis_stream_receipts_failed_total", "counter",
    "Receipts that say FAIL: the packet arrived, and its download or filing failed. Ask the recipient.",
)  # fmt: skip
STREAM_STATUSES = _stream(
    "docaxis_stream_statuses_total", "counter",
    "Business statuses stated, by code: 01 arrived, 02 declined, 03 registered to 06 done, 13 recall, 15 and 16 its "
    "answers. They never change what the transport says.",
    labels=("code",),
)  # fmt: skip
STREAM_REFUSALS = _stream(
    "docaxis_stream_refusals_total", "counter",
    "Refusals by the axis's error code. 18 and 23 refuse one delivery, the others a document; 10 and 22 are records "
    "that could not be read. Read reason and place in the refused topic.",
    labels=("code",),
)  # fmt: skip
STREAM_REFUSALS_OF_SENDER = _stream(
    "docaxis_stream_sender_refusals_total", "counter",
    "Refusals by the sender of what was refused (unreadable records have none). One far ahead: its system is wrong.",
    labels=("sender",),
)  # fmt: skip
STREAM_DELIVERY = _stream(
    "docaxis_stream_delivery_latency_seconds", "histogram",
    "Delivery latency by recipient: received - intended = send delay + routing + pickup. High: see which stage grew.",
    labels=("recipient",), unit="seconds", bounds_us=DELIVERY_BOUNDS,
)  # fmt: skip
STREAM_DELIVERY_OF_PRIORITY = _stream(
    "docaxis_stream_priority_delivery_latency_seconds", "histogram",
    "Delivery latency by priority: 0 normal to 4 express at a set time. Urgent ones slow: the objective is theirs.",
    labels=("priority",), unit="seconds", bounds_us=DELIVERY_BOUNDS,
)  # fmt: skip
STREAM_UNCORRECTED = _stream(
    "docaxis_stream_delivery_uncorrected_seconds", "histogram",
    "Received - really sent. Far below the delivery latency: the sender was late, only the corrected one is honest.",
    unit="seconds", bounds_us=DELIVERY_BOUNDS,
)  # fmt: skip
STREAM_SEND_DELAY = _stream(
    "docaxis_stream_send_delay_seconds", "histogram",
    "Sent - intended: time a document waited in its sender. High: the sender or the broker cannot take the load.",
    unit="seconds", bounds_us=STAGE_BOUNDS,
)  # fmt: skip
STREAM_ROUTING = _stream(
    "docaxis_stream_routing_seconds", "histogram",
    "Available to the recipient - sent: the hub's part. High: look at the hub's lag and commit time.",
    unit="seconds", bounds_us=STAGE_BOUNDS,
)  # fmt: skip
STREAM_ACCEPTANCE = _stream(
    "docaxis_stream_acceptance_seconds", "histogram",
    "Taken in by the hub - sent: the first part of routing. Nearly all of it: the hub is behind. A small part: its "
    "commits are slow.",
    unit="seconds", bounds_us=STAGE_BOUNDS,
)  # fmt: skip
STREAM_PICKUP = _stream(
    "docaxis_stream_pickup_seconds", "histogram",
    "Received - available: time in the inbox until the agency polled. High: agencies poll seldom or not at all.",
    unit="seconds", bounds_us=DELIVERY_BOUNDS,
)  # fmt: skip
STREAM_NEGATIVE = _stream(
    "docaxis_stream_latencies_negative_total", "counter",
    "Latencies below zero, by stage: two clocks disagree. They are in no histogram. Check the machines' time service.",
    labels=("stage",),
)  # fmt: skip
STREAM_UNREADABLE = _stream(
    "docaxis_stream_dead_letters_total", "counter",
    "Records that are no event, by topic and error code (10 no JSON object, 22 wrong fields). Find their writer.",
    labels=("topic", "code"),
)  # fmt: skip
STREAM_MISPLACED = _stream(
    "docaxis_stream_records_misplaced_total", "counter",
    "Records in another partition than their key's. Handled all the same; the writer's partitioner is not murmur2.",
    labels=("topic",),
)  # fmt: skip
STREAM_SKIPPED = _stream(
    "docaxis_stream_offsets_skipped_total", "counter",
    "Offsets that held no record: transaction markers, or records that retention took unread. Growing without "
    "transactions in that topic: the worker is too far behind, lengthen the retention.",
    labels=("topic",),
)  # fmt: skip

# --- stream worker: the ledger

LEDGER_DOCUMENTS = _stream(
    "docaxis_stream_ledger_documents", "gauge", "Documents (packets) in the ledgers of the partitions owned."
)
LEDGER_EXPECTED = _stream(
    "docaxis_stream_ledger_deliveries_expected", "gauge",
    "Deliveries expected: the sum of docaxis_stream_ledger_deliveries over its states, always.",
)  # fmt: skip
LEDGER_DELIVERIES = _stream(
    "docaxis_stream_ledger_deliveries", "gauge",
    "Expected deliveries by what became of them: delivered_once, duplicated, refused, outstanding. A duplicate is a "
    "fault of whoever routes; outstanding ones are on their way, or lost (see overdue).",
    labels=("state",),
)  # fmt: skip
LEDGER_OVERDUE = _stream(
    "docaxis_stream_ledger_deliveries_overdue", "gauge",
    "Outstanding deliveries sent longer ago than lost_after (at most 100,000 are counted): lost, unless they still "
    "arrive. Not zero: look for the stage where they are stuck.",
)  # fmt: skip
LEDGER_WAITING = _stream(
    "docaxis_stream_ledger_deliveries_waiting", "gauge",
    "Outstanding deliveries sent more than `over` seconds ago (at most 100,000 are counted). They will be late when "
    "they arrive: the objectives count them as such already.",
    labels=("over",),
)  # fmt: skip
LEDGER_OWED = _stream(
    "docaxis_stream_ledger_deliveries_owed", "gauge",
    "Outstanding deliveries by recipient (at most 100,000 are counted). High for one: that agency does not fetch its "
    "inbox. High for all: the hub is behind.",
    labels=("recipient",),
)  # fmt: skip
LEDGER_OLDEST = _stream(
    "docaxis_stream_ledger_outstanding_age_seconds", "gauge",
    "Age of the outstanding delivery that was read first, 0 if there is none. Growing: something is stuck.",
    unit="seconds",
)  # fmt: skip
LEDGER_FLAGS = _stream(
    "docaxis_stream_ledger_deliveries_flagged", "gauge",
    "Deliveries made with a flag: late (after the deadline, by the wall clock), failed (answered FAIL). A delivery "
    "may have both, and is in one of the states besides.",
    labels=("state",),
)  # fmt: skip
LEDGER_ANOMALIES = _stream(
    "docaxis_stream_ledger_anomalies", "gauge",
    "What should not be: misrouted (received, not expected), contradictions (delivered and refused), "
    "receipts_repeated, refusals_repeated, packets_repeated, evicted (history beyond its bound).",
    labels=("kind",),
)  # fmt: skip
LEDGER_REMEMBERED = _stream(
    "docaxis_stream_ledger_remembered", "gauge",
    "Closed deliveries remembered so that a duplicate is recognised: 16 bytes each. Bounded by the horizon.",
)  # fmt: skip
LEDGER_FORGOTTEN = _stream(
    "docaxis_stream_ledger_forgotten", "gauge",
    "Closed deliveries beyond the horizon: a duplicate of one counts as misrouted. Raise the horizon if that matters.",
)  # fmt: skip

# --- stream worker: the worker

STREAM_RECORDS = _stream(
    "docaxis_stream_records_total", "counter", "Records counted. Standing still while lag grows: the worker is stuck."
)
STREAM_REDELIVERED = _stream(
    "docaxis_stream_records_redelivered_total", "counter",
    "Records that came again after a restart or rebalance and were skipped: harmless. Growing steadily: see sessions.",
)  # fmt: skip
STREAM_PARTITIONS = _stream(
    "docaxis_stream_partitions", "gauge",
    "Partitions owned by this worker; over all workers their number must be that of the topics.",
)  # fmt: skip
STREAM_SESSIONS = _stream(
    "docaxis_stream_sessions_total", "counter", "Starts of the worker within its process. Growing: read its log."
)
STREAM_RUNS = _stream(
    "docaxis_stream_runs", "gauge", "Runs known, summed over partitions; bounded, see runs_forgotten."
)
STREAM_RUNS_FORGOTTEN = _stream(
    "docaxis_stream_runs_forgotten", "gauge",
    "Runs given up for newer ones, summed over partitions: their last readings stay in the readings topic.",
)  # fmt: skip
STREAM_LETTERS_WAITING = _stream(
    "docaxis_stream_dead_letters_waiting", "gauge",
    "Dead letters to be written with the next snapshot. At its bound (10,000 a partition) more are counted, not kept.",
)  # fmt: skip
STREAM_SNAPSHOT = _stream(
    "docaxis_stream_snapshot_seconds", "histogram",
    "Time to store one partition's state. Long: it grew, or the broker is slow; snapshots then become fewer.",
    unit="seconds", bounds_us=_us(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)  # fmt: skip
STREAM_SNAPSHOT_BYTES = _stream(
    "docaxis_stream_snapshot_bytes_total", "counter",
    "Bytes of state written. Divide by the number of snapshots for the size of one.", unit="bytes",
)  # fmt: skip
STREAM_SNAPSHOT_AGE = _stream(
    "docaxis_stream_snapshot_age_seconds", "gauge",
    "Time since a state was last stored. Grows while nothing is read, which is fine; above a minute while records are "
    "counted: a crash now would read all of that again.",
    unit="seconds",
)  # fmt: skip

# --- hub

_hub = partial(Spec, exporter="hub")

HUB_DOCUMENTS = _hub(
    "docaxis_hub_documents_total", "counter", "Documents routed. Standing still: see its lag and sessions."
)
HUB_DELIVERIES = _hub(
    "docaxis_hub_deliveries_total", "counter", "Deliveries written, those of aborted passes included."
)
HUB_REFUSALS = _hub(
    "docaxis_hub_refusals_total", "counter",
    "Refusals written, by the axis's error code, those of aborted passes included. Read the refused topic for reasons.",
    labels=("code",),
)  # fmt: skip
HUB_PASSES = _hub(
    "docaxis_hub_passes_total", "counter", "Passes committed. Documents divided by this: the size of one."
)
HUB_COMMIT = _hub(
    "docaxis_hub_commit_seconds", "histogram",
    "Time to commit one pass. It bounds routing time when quiet. High: the broker's disk or replication is slow.",
    unit="seconds", bounds_us=BROKER_BOUNDS,
)  # fmt: skip
HUB_SESSIONS = _hub(
    "docaxis_hub_sessions_total",
    "counter",
    "Group memberships begun. Each beyond the first is a failure or a fence: see the log.",
)
HUB_PARTITIONS = _hub("docaxis_hub_partitions", "gauge", "Input partitions that this hub has read since it owns them.")

# --- fleet

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
PRODUCER_DOCUMENTS = _fleet("docaxis_producer_documents_total", "counter", "Documents handed to the broker.")
PRODUCER_DELIVERIES = _fleet(
    "docaxis_producer_deliveries_addressed_total",
    "counter",
    "Deliveries that the documents handed to the broker ask for.",
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
    "Business-calendar time of the newest document sent, as Unix time.", unit="seconds",
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
    "Deliveries that agencies polled and answered. Repeated after a restart.",
)
RECEIVER_RECEIPTS = _fleet(
    "docaxis_receiver_receipts_total", "counter",
    "Receipts that the broker confirmed. Far behind the deliveries: the status topic is slow to take them.",
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
    "docaxis_producer_statuses_total", "counter", "Business statuses stated by virtual agencies (with --life-cycle)."
)
LIFE_CYCLE_PENDING = _fleet(
    "docaxis_producer_statuses_pending",
    "gauge",
    "Business statuses still to be stated, when the calendar comes to them.",
)
LIFE_CYCLE_LEFT_OUT = _fleet(
    "docaxis_producer_life_cycles_left_out_total", "counter",
    "Deliveries whose business life is not followed, for too many were pending. Slow the calendar down.",
)  # fmt: skip

# --- the live page

_page = partial(Spec, exporter="monitor")

PAGE_VIEWERS = _page("docaxis_monitor_viewers", "gauge", "Live pages that are open.")
PAGE_VIEWERS_REFUSED = _page(
    "docaxis_monitor_viewers_refused_total", "counter",
    "Live pages that were refused because too many are open. Growing: somebody opens pages and leaves them.",
)  # fmt: skip
PAGE_TICK = _page(
    "docaxis_monitor_tick_seconds", "gauge",
    "Time that the page's last look at the readings took; it looks once a second. Above 0.1 s: too many runs or "
    "partitions are watched.",
    unit="seconds",
)  # fmt: skip
PAGE_READINGS_UNREADABLE = _page(
    "docaxis_monitor_readings_unreadable_total", "counter",
    "Records of the readings topic that could not be read. Not zero: workers of another version write there.",
)  # fmt: skip

# --- canary

_canary = partial(Spec, exporter="canary")

CANARY_DOCUMENTS = _canary(
    "docaxis_canary_documents_total", "counter", "Marked documents sent. Standing still: the canary cannot send."
)
CANARY_FAILED = _canary(
    "docaxis_canary_send_failures_total", "counter",
    "Marked documents that the broker did not take, by kind of error. Agencies that send now fail likewise.",
    labels=("error",),
)  # fmt: skip
CANARY_RECEIVED = _canary(
    "docaxis_canary_received_total", "counter", "Marked documents that came through, late ones included."
)
CANARY_REFUSED = _canary(
    "docaxis_canary_refused_total", "counter",
    "Marked documents refused, by the axis's error code. 18, 19: the canary's agencies are not in the hub's registry.",
    labels=("code",),
)  # fmt: skip
CANARY_OUTSTANDING = _canary(
    "docaxis_canary_outstanding", "gauge", "Marked documents on their way. Growing: the path is stuck."
)
CANARY_OVERDUE = _canary(
    "docaxis_canary_overdue", "gauge",
    "Marked documents on their way for longer than lost_after: lost, unless they still arrive. Not zero: what agencies "
    "send does not arrive either.",
)  # fmt: skip
CANARY_OLDEST = _canary(
    "docaxis_canary_outstanding_age_seconds", "gauge", "Age of the oldest marked document on its way, 0 if none is.",
    unit="seconds",
)  # fmt: skip
CANARY_FORGOTTEN = _canary(
    "docaxis_canary_forgotten_total", "counter",
    "Marked documents no longer waited for because more are on their way than are remembered.",
)  # fmt: skip
CANARY_LATENCY = _canary(
    "docaxis_canary_latency_seconds", "histogram",
    "Time from the intended sending of a marked document to each stage: inbox (committed, readable by its recipient) "
    "and receipt (its recipient received it). Late ones are in it.",
    labels=("stage",), unit="seconds", bounds_us=DELIVERY_BOUNDS,
)  # fmt: skip

# --- every role

_all = partial(Spec, exporter="every role")

LAG_RECORDS = _all(
    "docaxis_monitor_lag_records", "gauge",
    "Records not read yet by this process's part of a consumer group. What matters is whether it grows.",
    labels=("group", "topic"),
)  # fmt: skip
LAG_SECONDS = _all(
    "docaxis_monitor_lag_seconds", "gauge",
    "Age of the oldest unread record, 0 if all is read; exact to the time between two scrapes. Growing steadily: the "
    "consumer stands still or is too slow.",
    labels=("group", "topic"), unit="seconds",
)  # fmt: skip
LAG_STATE = _all(
    "docaxis_monitor_lag_state", "gauge",
    "1 for what the lag means, judged over two minutes: caught_up, keeping_up, rising (too slow: add workers), stalled "
    "(stands still before unread records: see its log), stopped (reads nothing here any more).",
    labels=("group", "topic", "state"),
)  # fmt: skip
TOPIC_PARTITIONS = _all(
    "docaxis_monitor_topic_partitions", "gauge",
    "Partitions of each topic by this process's settings. Differs between processes: their settings do.",
    labels=("group",),
)  # fmt: skip
REBALANCES = _all(
    "docaxis_monitor_rebalances_total", "counter",
    "How often partitions of the group were given to this process. Growing while nobody is started or stopped: its "
    "members are too slow for their session time-out.",
    labels=("group",),
)  # fmt: skip
OFFICE_OPEN = _stream(
    "docaxis_monitor_office_open", "gauge",
    "1 while public offices in Vietnam are open by the wall clock (working day, Tết and holidays respected), else 0. "
    "Rules about traffic are silent at 0.",
)  # fmt: skip
BUILD_INFO = _all(
    "docaxis_build_info", "info", "Version of docaxis and Python, and the role of the process. Always 1.",
    labels=("version", "python", "role"),
)  # fmt: skip
RUN_INFO = _all(
    "docaxis_run_info", "info", "Runs seen by the process, the newest 32. Always 1; join on it to know what ran when.",
    labels=("run",),
)  # fmt: skip
MONITOR_SERIES = _all("docaxis_monitor_series", "gauge", "Series of this process in this scrape.")
MONITOR_SERIES_MAX = _all("docaxis_monitor_series_max", "gauge", "Most series that this process exports.")
MONITOR_SERIES_REFUSED = _all(
    "docaxis_monitor_series_refused", "gauge",
    "Series left out of this scrape because of the budget. Not zero: figures are missing; add workers.",
)  # fmt: skip
MONITOR_EXPOSITION = _all(
    "docaxis_monitor_exposition_seconds", "gauge",
    "Time it took to make the previous page, during which the process did nothing else. Above 10 ms: too many series.",
    unit="seconds",
)  # fmt: skip
PROCESS = (
    _all("process_cpu_seconds_total", "counter", "CPU time of the process. Near 1 a second: start another of its role.",
         unit="seconds"),
    _all("process_resident_memory_bytes", "gauge", "Memory in use. Growing for hours: see the ledger's gauges.",
         unit="bytes"),
    _all("process_virtual_memory_bytes", "gauge", "Address space of the process.", unit="bytes"),
    _all("process_start_time_seconds", "gauge", "When the process began, as Unix time. Changes: it was restarted.",
         unit="seconds"),
    _all("process_open_fds", "gauge", "Open files and sockets. Near process_max_fds: raise the limit of open files."),
    _all("process_max_fds", "gauge", "Limit of open files and sockets."),
)  # fmt: skip

#: All of them, in the order above.
CATALOGUE: tuple[Spec, ...] = (*(spec for spec in list(vars().values()) if isinstance(spec, Spec)), *PROCESS)
