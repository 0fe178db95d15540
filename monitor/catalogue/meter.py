"""What the stream workers' meter counts and times."""

from functools import partial

from monitor.catalogue.bounds import DELIVERY_BOUNDS, STAGE_BOUNDS
from monitor.metric import Spec

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
STREAM_FORGOTTEN = _stream(
    "docaxis_stream_events_of_forgotten_runs_total", "counter",
    "Events that came when 32 newer runs had made their run forgotten: read, and not counted. Give traffic that never "
    "ends topics of its own.",
    labels=("topic",),
)  # fmt: skip
STREAM_SKIPPED = _stream(
    "docaxis_stream_offsets_skipped_total", "counter",
    "Offsets that held no record: transaction markers, or records that retention took unread. Growing without "
    "transactions in that topic: the worker is too far behind, lengthen the retention.",
    labels=("topic",),
)  # fmt: skip
