"""The canary: marked documents through the real path."""

from functools import partial

from monitor.catalogue.bounds import DELIVERY_BOUNDS
from monitor.metric import Spec

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
