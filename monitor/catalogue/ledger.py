"""What the ledger knows: every delivery's state, what waits, what should not be."""

from functools import partial

from monitor.catalogue.bounds import OWED_LATE_OVER_S
from monitor.metric import Spec

_stream = partial(Spec, exporter="stream worker")

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
    "Outstanding deliveries by recipient. High for one: that agency does not fetch its "
    "inbox. High for all: the hub is behind.",
    labels=("recipient",),
)  # fmt: skip
LEDGER_OWED_LATE = _stream(
    "docaxis_stream_ledger_deliveries_owed_late", "gauge",
    f"Outstanding deliveries sent more than {OWED_LATE_OVER_S} s ago, by recipient (of all, at most 100,000 are looked "
    "at). Growing for one: that agency does not fetch its inbox, and its documents are late already.",
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
