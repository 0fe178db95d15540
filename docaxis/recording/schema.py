"""The columns of a recording: one row an event, whatever its kind; what a kind does not have is null. Pure.

A recording is a folder: `part-000000.parquet` and so on, each sorted by `time_us` and then `sequence`, and
`manifest.json`, written last. A folder without a manifest is not whole. The columns are a public contract: any program
that reads Parquet can read them, and the expressions of `--where` use their names.
"""

from typing import NamedTuple

import pyarrow as pa

#: Of the columns below and of the manifest. A reader refuses any other.
SCHEMA_VERSION = 1

SENT, DELIVERED, RECEIPT, STATUS, REFUSAL, UNREADABLE = KINDS = (
    "sent", "delivered", "receipt", "status", "refusal", "unreadable",
)  # fmt: skip

#: The topic (without its prefix) that each kind is recorded from, and replayed to.
TOPIC_OF_KIND = {
    SENT: "sent",
    DELIVERED: "delivered",
    RECEIPT: "status",
    STATUS: "status",
    REFUSAL: "refused",
}


class Column(NamedTuple):
    """One column: its name, its type, and what it means."""

    name: str
    type: pa.DataType
    meaning: str


_TEXT, _INT8, _INT32, _INT64 = pa.string(), pa.int8(), pa.int32(), pa.int64()

COLUMNS: tuple[Column, ...] = (
    Column("sequence", _INT64, "number of the row in the order of recording, or in the file imported; breaks ties"),
    Column("time_us", _INT64, "when it happened, wall clock: sent, accepted by the hub, received, stated or refused"),
    Column("kind", _TEXT, "sent, delivered, receipt, status, refusal or unreadable"),
    Column("partition", _INT32, "Kafka partition of the record; null where it was imported"),
    Column("offset", _INT64, "Kafka offset of the record; where it was imported, the line of the file"),
    Column("record_ms", _INT64, "Kafka timestamp of the record"),
    Column("run", _TEXT, "run that the event belonged to"),
    Column("packet_id", _TEXT, "one send of a document"),
    Column("document_id", _TEXT, "the document"),
    Column("sender", _TEXT, "code of the agency that sent it"),
    Column("recipient", _TEXT, "code of the agency that it is for; null for kind sent"),
    Column("recipients", pa.list_(_TEXT), "kind sent: the agencies that it is for, in their order"),
    Column("type", _INT8, "document type, 1 to 29 by Decree 30/2020"),
    Column("priority", _INT8, "0 normal to 4 express at a set time"),
    Column("steering", _INT8, "1 none, 2 steering, 3 report on steering"),
    Column("business", _INT8, "0 new, 1 recall, 2 update, 3 replacement"),
    Column("size", _INT64, "bytes of the payload"),
    Column("calendar_ms", _INT64, "when it was sent (a status: stated) in the business calendar"),
    Column("intended_us", _INT64, "when it should have been sent"),
    Column("sent_us", _INT64, "when it was sent"),
    Column("accepted_us", _INT64, "when the hub took it in"),
    Column("available_us", _INT64, "when a committed read returned it"),
    Column("received_us", _INT64, "when its recipient polled"),
    Column("sent_partition", _INT32, "kind delivered: partition of its sent record"),
    Column("state", _TEXT, "kind receipt: DONE or FAIL"),
    Column("code", _TEXT, "kind status: 01 to 16; kinds refusal and unreadable: the axis's error code"),
    Column("reason", _TEXT, "kinds refusal and unreadable: why"),
    Column("place_topic", _TEXT, "kind refusal: topic of the record refused"),
    Column("place_partition", _INT32, "kind receipt: partition of the delivered record; refusal: of the one refused"),
    Column("place_offset", _INT64, "the same place's offset"),
    Column("sha256", _TEXT, "of the payload, where one was stored"),
    Column("value", _TEXT, "kinds refusal and unreadable: bytes of a record that is no event, base64"),
)

SCHEMA = pa.schema([(column.name, column.type) for column in COLUMNS])

#: What a map of `docaxis import` may fill besides the columns that identify a delivery.
ATTRIBUTES = ("type", "priority", "steering", "business", "size")
