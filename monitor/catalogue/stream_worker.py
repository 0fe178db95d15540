"""The stream workers themselves: records read, state stored."""

from functools import partial

from monitor.catalogue.bounds import in_us
from monitor.metric import Spec

_stream = partial(Spec, exporter="stream worker")

STREAM_RECORDS = _stream(
    "docaxis_stream_records_total",
    "counter",
    "Records counted, canaries' included. Standing still while lag grows: the worker is stuck.",
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
    "docaxis_stream_runs", "gauge",
    "Runs known, summed over partitions. Bounded: where it no longer grows, the oldest are forgotten (runs_forgotten).",
)  # fmt: skip
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
    unit="seconds", bounds_us=in_us(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)  # fmt: skip
STREAM_SNAPSHOT_BYTES = _stream(
    "docaxis_stream_snapshot_bytes_total", "counter",
    "Bytes of state written. Divide by the number of snapshots for the size of one.", unit="bytes",
)  # fmt: skip
STREAM_SNAPSHOT_AGE = _stream(
    "docaxis_stream_snapshot_age_seconds", "gauge",
    "Time since a state was last stored, or since the start if none was. Grows while nothing is read, which is fine; "
    "above a minute while records are counted: a crash now would read all of that again.",
    unit="seconds",
)  # fmt: skip
