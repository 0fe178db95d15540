"""The hub: what it routes and refuses, its transactions."""

from functools import partial

from monitor.catalogue.bounds import BROKER_BOUNDS
from monitor.metric import Spec

_hub = partial(Spec, exporter="hub")

HUB_DOCUMENTS = _hub(
    "docaxis_hub_documents_total",
    "counter",
    "Documents routed, canaries' included. Standing still: see its lag and sessions.",
)
HUB_DELIVERIES = _hub(
    "docaxis_hub_deliveries_total", "counter",
    "Deliveries written, those of aborted passes and of canaries included. Far above what workers read: look why "
    "passes are aborted.",
)  # fmt: skip
HUB_REFUSALS = _hub(
    "docaxis_hub_refusals_total", "counter",
    "Refusals written, by the axis's error code, those of aborted passes and of canaries included. Read the refused "
    "topic for reasons.",
    labels=("code",),
)  # fmt: skip
HUB_PASSES = _hub(
    "docaxis_hub_passes_total",
    "counter",
    "Passes committed, canaries' documents included. Documents divided by this: the size of one.",
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
