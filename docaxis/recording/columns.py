"""Events to columns and back: what a recorder writes, and what is sent again as it was. Pure.

Decoding is the codec's, so a recording calls unreadable exactly what the axis does. Columns are filled attribute by
attribute over the decoded events: half the time of a dictionary a row.
"""

import base64
from collections.abc import Callable, Mapping, Sequence
from itertools import compress
from operator import attrgetter
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from docaxis.domain.codec import (
    KEPT_BYTES,
    Record,
    decode_batch,
    decode_delivered,
    decode_refusal,
    decode_sent,
    decode_status,
)
from docaxis.domain.event import Delivered, Receipt, Refusal, Sent, Status
from docaxis.recording.schema import DELIVERED, RECEIPT, REFUSAL, SCHEMA, SENT, STATUS, UNREADABLE

#: For each kind: column -> attribute of the event.
_COMMON = {name: name for name in ("run", "packet_id", "document_id", "sender")}
_DOCUMENT = {name: name for name in ("type", "priority", "steering", "business", "size", "calendar_ms", "sha256")}
_FIELDS: dict[str, dict[str, str]] = {
    SENT: {**_COMMON, **_DOCUMENT, **{n: n for n in ("recipients", "intended_us", "sent_us")}, "time_us": "sent_us"},
    DELIVERED: {
        **_COMMON,
        **_DOCUMENT,
        **{name: name for name in ("recipient", "intended_us", "sent_us", "accepted_us", "sent_partition")},
        "time_us": "accepted_us",
    },
    RECEIPT: {
        **_COMMON,
        **{name: name for name in ("recipient", "state", "priority", "calendar_ms", "intended_us", "sent_us")},
        **{name: name for name in ("accepted_us", "available_us", "received_us")},
        "place_partition": "partition",
        "place_offset": "offset",
        "time_us": "received_us",
    },
    STATUS: {**_COMMON, "recipient": "recipient", "code": "code", "calendar_ms": "calendar_ms", "time_us": "stated_us"},
    REFUSAL: {
        **_COMMON,
        **{name: name for name in ("recipient", "code", "reason", "value")},
        "place_topic": "topic",
        "place_partition": "partition",
        "place_offset": "offset",
        "time_us": "refused_us",
    },
}
_KIND_OF_CLASS: dict[type, str] = {Sent: SENT, Delivered: DELIVERED, Receipt: RECEIPT, Status: STATUS, Refusal: REFUSAL}
_DECODERS: dict[str, Callable[[bytes], Any]] = {
    "sent": decode_sent,
    "delivered": decode_delivered,
    "status": decode_status,
    "refused": decode_refusal,
}


class TimedRecord(Record, Protocol):
    """What is needed of a Kafka record."""

    @property
    def timestamp(self) -> int: ...


def columns_of(topic: str, partition: int, records: Sequence[TimedRecord]) -> list[pa.Table]:
    """Return the rows of one fetched batch of a topic (its name without the prefix), a table for each kind in it.

    The column `sequence` holds the position of the record in the batch; the writer adds where the batch begins.
    """
    decoded = decode_batch(_DECODERS[topic], [record.value for record in records])
    offsets = np.fromiter((record.offset for record in records), np.int64, len(records))
    stamps = np.fromiter((record.timestamp for record in records), np.int64, len(records))
    indices = np.arange(len(records)) if decoded.indices is None else np.array(decoded.indices, np.int64)
    tables = []
    for kind, chosen, events in _by_kind(topic, decoded.events):
        at = indices if chosen is None else indices[chosen]
        tables.append(_rows(kind, events, at, partition, offsets[at], stamps[at]))
    if decoded.unreadable:
        tables.append(_unreadable_rows(decoded.unreadable, records, partition))
    return tables


def _by_kind(topic: str, events: list[Any]) -> list[tuple[str, npt.NDArray[np.bool_] | None, list[Any]]]:
    """Return (kind, which of the events are of it or None for all, those events)."""
    if not events:
        return []
    if topic != "status":
        return [(_KIND_OF_CLASS[type(events[0])], None, events)]
    receipts = np.fromiter((type(event) is Receipt for event in events), np.bool_, len(events))
    if receipts.all():
        return [(RECEIPT, None, events)]
    both = [
        (kind, mask, list(compress(events, mask.tolist()))) for kind, mask in ((RECEIPT, receipts), (STATUS, ~receipts))
    ]
    return [(kind, mask, chosen) for kind, mask, chosen in both if chosen]


def _rows(
    kind: str,
    events: list[Any],
    at: npt.NDArray[np.int64],
    partition: int,
    offsets: npt.NDArray[np.int64],
    stamps: npt.NDArray[np.int64],
) -> pa.Table:
    rows = len(events)
    given: dict[str, Any] = {
        "sequence": pa.array(at),
        "kind": pa.repeat(kind, rows),
        "partition": pa.repeat(pa.scalar(partition, pa.int32()), rows),
        "offset": pa.array(offsets),
        "record_ms": pa.array(stamps),
    }
    for column, attribute in _FIELDS[kind].items():
        given[column] = _column(column, map(attrgetter(attribute), events), rows)
    return table_of(given, rows)


def _column(name: str, values: "map[Any]", rows: int) -> pa.Array:
    wanted = SCHEMA.field(name).type
    if name == "code":
        return pa.array([value if isinstance(value, str) else f"{value:02d}" for value in values], wanted)
    if pa.types.is_integer(wanted):
        return pa.array(np.fromiter(values, wanted.to_pandas_dtype(), rows))
    return pa.array(list(values), wanted)


def table_of(given: Mapping[str, Any], rows: int) -> pa.Table:
    """Return a table of the schema with the given columns, the others null."""
    return pa.table(
        [given[field.name] if field.name in given else pa.nulls(rows, field.type) for field in SCHEMA], schema=SCHEMA
    )


def _unreadable_rows(unreadable: Sequence[Any], records: Sequence[TimedRecord], partition: int) -> pa.Table:
    faulty = [records[fault.position] for fault in unreadable]
    given = {
        "sequence": pa.array([fault.position for fault in unreadable], pa.int64()),
        "time_us": pa.array([record.timestamp * 1000 for record in faulty], pa.int64()),
        "kind": pa.repeat(UNREADABLE, len(faulty)),
        "partition": pa.repeat(pa.scalar(partition, pa.int32()), len(faulty)),
        "offset": pa.array([record.offset for record in faulty], pa.int64()),
        "record_ms": pa.array([record.timestamp for record in faulty], pa.int64()),
        "code": pa.array([f"{fault.code:02d}" for fault in unreadable]),
        "reason": pa.array([fault.reason for fault in unreadable]),
        "value": pa.array([base64.b64encode((record.value or b"")[:KEPT_BYTES]).decode() for record in faulty]),
    }
    return table_of(given, len(faulty))


def event_of(row: Mapping[str, Any], run: str) -> Sent | Delivered | Receipt | Status | Refusal:
    """Return the event of a row (column -> value), as it was but for its run. Raises KeyError for kind unreadable."""
    kind = row["kind"]
    fields = {
        attribute: row[column]
        for column, attribute in _FIELDS[kind].items()
        if row[column] is not None and column != "run"
    }
    if kind == REFUSAL:
        fields["code"] = int(fields["code"])
    classes: dict[str, Any] = {kind: event for event, kind in _KIND_OF_CLASS.items()}
    event: Sent | Delivered | Receipt | Status | Refusal = classes[kind](version=1, run=run, **fields)
    return event
