"""The events of the axis: facts about a document, one flat JSON object a Kafka record.

This is a public contract (the AsyncAPI document describes the same thing): any system that writes these events can be
watched and audited. Readers ignore fields they do not know and refuse records that lack one they need. Units are in
the names: `_us` is the wall clock in microseconds, `_ms` the business calendar in milliseconds, both since the epoch.

| event       | topic     | key         | written by |
|-------------|-----------|-------------|------------|
| `Sent`      | sent      | document_id | sender     |
| `Delivered` | delivered | recipient   | hub        |
| `Receipt`   | status    | document_id | recipient  |
| `Status`    | status    | document_id | recipient  |
| `Refusal`   | refused   | document_id | hub, and whoever meets an unreadable record |
"""

from typing import Annotated, Literal

import msgspec

#: The only version there is; a record of another one is refused, never guessed at.
VERSION: Literal[1] = 1

#: Most recipients in one packet: far above any registry in use, so that one record cannot exhaust a reader.
RECIPIENTS_MAX = 10_000

#: Longest identity of a run.
RUN_LENGTH_MAX = 64

Identifier = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
Code = Annotated[str, msgspec.Meta(min_length=1, max_length=35)]  # Decision 20/2020 Art. 4: up to 35 characters
Run = Annotated[str, msgspec.Meta(min_length=1, max_length=RUN_LENGTH_MAX)]
Natural = Annotated[int, msgspec.Meta(ge=0, lt=1 << 53)]
Digit = Annotated[int, msgspec.Meta(ge=0, le=9)]


class Sent(msgspec.Struct, frozen=True, gc=False, tag_field="kind", tag="sent"):
    """One packet: a document, or a recall, update or replacement of one, and the agencies it is for."""

    version: Literal[1]
    run: Run
    packet_id: Identifier  # one send; the ledger counts by it
    document_id: Identifier  # under Decision 28 Art. 10.2b: organ code, year, ordinal in the year
    sender: Code
    recipients: Annotated[list[Code], msgspec.Meta(max_length=RECIPIENTS_MAX)]
    type: Annotated[int, msgspec.Meta(ge=1, le=99)]  # Decree 30/2020 Art. 7; 18 is an official letter
    priority: Digit  # 0 normal ... 4 express at a set time
    steering: Digit  # 1 none, 2 steering, 3 report on steering
    business: Digit  # 0 new, 1 recall, 2 update, 3 replacement
    size: Natural  # bytes of the payload, which travels by reference
    calendar_ms: Natural  # when it was sent, in the business calendar
    intended_us: Natural  # when the schedule said it should be sent
    sent_us: Natural  # when it really was
    sha256: str = ""  # of the payload, hexadecimal; empty where no payload is stored


class Delivered(
    msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True, tag_field="kind", tag="delivered"
):
    """The packet for one recipient, in its inbox. The recipient is last: a packet's copies share what is before."""

    version: Literal[1]
    run: Run
    packet_id: Identifier
    document_id: Identifier
    sender: Code
    type: Annotated[int, msgspec.Meta(ge=1, le=99)]
    priority: Digit
    steering: Digit
    business: Digit
    size: Natural
    calendar_ms: Natural
    intended_us: Natural
    sent_us: Natural
    accepted_us: Natural  # when the hub took it in
    sent_partition: Natural  # partition of the `Sent` record: receipts go there, beside the document they are about
    sha256: str = ""
    recipient: Code


class Receipt(msgspec.Struct, frozen=True, gc=False, tag_field="kind", tag="receipt"):
    """The recipient's transport answer to one delivered record. It carries all stamps: one record, the whole story."""

    version: Literal[1]
    run: Run
    packet_id: Identifier
    document_id: Identifier
    sender: Code
    recipient: Code
    state: Literal["DONE", "FAIL"]  # FAIL: it arrived, and its download or filing failed
    priority: Digit
    calendar_ms: Natural  # of the document's sending
    partition: Natural  # of the delivered record
    offset: Natural  # of the delivered record: tells a repeated receipt from a second delivery
    intended_us: Natural
    sent_us: Natural
    accepted_us: Natural
    available_us: Natural  # a read_committed fetch returned it
    received_us: Natural  # its agency polled


class Status(msgspec.Struct, frozen=True, gc=False, tag_field="kind", tag="status"):
    """A business status of one packet at one recipient; never changes what the transport says."""

    version: Literal[1]
    run: Run
    packet_id: Identifier
    document_id: Identifier
    sender: Code
    recipient: Code
    code: Literal["01", "02", "03", "04", "05", "06", "13", "15", "16"]
    calendar_ms: Natural  # when, in the business calendar
    stated_us: Natural


class Refusal(msgspec.Struct, frozen=True, gc=False, tag_field="kind", tag="refusal", omit_defaults=True):
    """A record, a document or one delivery that was refused: the axis's error code, the reason and the place.

    With `recipient` only that delivery is refused, without it the whole packet. An unreadable record has no ids; its
    bytes are in `value`, base64, cut at 64 kB.
    """

    version: Literal[1]
    code: Annotated[int, msgspec.Meta(ge=1, le=99)]
    reason: str
    topic: str
    partition: Natural
    offset: Natural
    refused_us: Natural
    run: str = ""
    packet_id: str = ""
    document_id: str = ""
    sender: str = ""
    recipient: str = ""
    value: str = ""


StatusEvent = Receipt | Status
