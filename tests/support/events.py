"""Builders of valid events and records: a test names only what it is about."""

from collections.abc import Iterable, Sequence

from aiokafka import ConsumerRecord

from docaxis.domain.codec import encode
from docaxis.domain.event import Delivered, Receipt, Refusal, Sent, Status

RUN = "run"
PACKET = "G22.2021.0000001.0"
SENT_US = 1_600_000_000_000_000
CALENDAR_MS = 1_600_000_000_000


def document_of(packet_id: str) -> str:
    """Return the id of a packet's document, as far as the packet id tells."""
    return packet_id.rpartition(".")[0] or packet_id


def sent(
    packet_id: str = PACKET,
    recipients: Sequence[str] = ("H53",),
    *,
    sender: str = "G22",
    run: str = RUN,
    sent_us: int = SENT_US,
    intended_us: int = SENT_US,
    calendar_ms: int = CALENDAR_MS,
    priority: int = 0,
) -> Sent:
    """Return one packet."""
    return Sent(
        version=1,
        run=run,
        packet_id=packet_id,
        document_id=document_of(packet_id),
        sender=sender,
        recipients=list(recipients),
        type=18,
        priority=priority,
        steering=1,
        business=0,
        size=1_400_000,
        calendar_ms=calendar_ms,
        intended_us=intended_us,
        sent_us=sent_us,
    )


def delivered(
    recipient: str = "H53", packet_id: str = PACKET, *, sender: str = "G22", run: str = RUN, sent_us: int = SENT_US
) -> Delivered:
    """Return one delivery."""
    return Delivered(
        version=1,
        run=run,
        packet_id=packet_id,
        document_id=document_of(packet_id),
        sender=sender,
        type=18,
        priority=0,
        steering=1,
        business=0,
        size=1_400_000,
        calendar_ms=CALENDAR_MS,
        intended_us=SENT_US,
        sent_us=sent_us,
        accepted_us=sent_us + 1000,
        sent_partition=0,
        recipient=recipient,
    )


def receipt(
    packet_id: str = PACKET,
    recipient: str = "H53",
    *,
    sender: str = "G22",
    run: str = RUN,
    place: tuple[int, int] = (0, 0),
    failed: bool = False,
    priority: int = 0,
    intended_us: int = SENT_US,
    sent_us: int = SENT_US,
    received_us: int = SENT_US + 3000,
    calendar_ms: int = CALENDAR_MS,
) -> Receipt:
    """Return the receipt of the delivered record at `place` (partition, offset)."""
    return Receipt(
        version=1,
        run=run,
        packet_id=packet_id,
        document_id=document_of(packet_id),
        sender=sender,
        recipient=recipient,
        state="FAIL" if failed else "DONE",
        priority=priority,
        calendar_ms=calendar_ms,
        partition=place[0],
        offset=place[1],
        intended_us=intended_us,
        sent_us=sent_us,
        accepted_us=sent_us + 1000,
        available_us=sent_us + 2000,
        received_us=received_us,
    )


def status(packet_id: str = PACKET, recipient: str = "H53", *, sender: str = "G22", run: str = RUN) -> Status:
    """Return a business status 01."""
    return Status(1, run, packet_id, document_of(packet_id), sender, recipient, "01", CALENDAR_MS, SENT_US + 4000)


def refusal(
    packet_id: str = PACKET,
    recipient: str = "",
    *,
    code: int = 22,
    sender: str = "G22",
    run: str = RUN,
    offset: int = 0,
) -> Refusal:
    """Return the refusal of one delivery, or of the whole packet where no recipient is named."""
    document_id = document_of(packet_id)
    return Refusal(1, code, "a reason", "sent", 0, offset, SENT_US, run, packet_id, document_id, sender, recipient)


def record(
    topic: str, value: bytes | None, offset: int, *, partition: int = 0, key: bytes | None = b"key"
) -> "ConsumerRecord[bytes, bytes]":
    """Return a record as a consumer fetches it."""
    return ConsumerRecord(
        topic=topic,
        partition=partition,
        offset=offset,
        timestamp=0,
        timestamp_type=0,
        key=key,
        value=value,
        checksum=None,
        serialized_key_size=len(key or b""),
        serialized_value_size=len(value or b""),
        headers=(),
    )


def records(
    topic: str, events: Iterable[Sent | Delivered | Receipt | Status | Refusal], first_offset: int = 0
) -> "list[ConsumerRecord[bytes, bytes]]":
    """Return events as consecutive records of partition 0 of a topic."""
    return [
        record(topic, encode(event), first_offset + position, key=event.document_id.encode())
        for position, event in enumerate(events)
    ]
