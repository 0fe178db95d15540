"""The journey of one document: what its ledger remembers, filled in with the times that its own records carry.

The worker that owns the document's partition answers. It knows the state of each delivery in bits, and from that where
to look: the place of a delivered record or the moment of sending gives a time, and from there on it reads `sent`,
`status` and `refused` of its own partition, and for deliveries without an answer the inbox partitions of their
recipients. It reads a bounded number of records and seconds and says whether it came to the end.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec
from aiokafka import ConsumerRecord, TopicPartition

from docaxis.domain.codec import decode_delivered, decode_refusal, decode_sent, decode_status
from docaxis.domain.event import Delivered, Receipt, Refusal, Sent, Status
from docaxis.kafka.partitioner import partition_of
from docaxis.kafka.topics import Topics
from streams.keys import normalised
from streams.read_back import ReadBack
from streams.remembered import Remembered, remembered
from streams.state import PartitionState

#: Clocks that write records and clocks that stamp events may differ by so much.
SLACK_US = 5_000_000

#: Questions that may wait for their turn; one more is refused.
WAITING_MAX = 8

#: What decoding bytes that are no event may raise.
UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)

_DECODERS: dict[str, Callable[[bytes], Any]] = {
    "sent": decode_sent,
    "delivered": decode_delivered,
    "status": decode_status,
    "refused": decode_refusal,
}


class BusyError(Exception):
    """Too many questions wait for their turn already."""


class Journeys:
    """Answers for the partitions that a worker owns, one question at a time."""

    def __init__(
        self,
        client: Mapping[str, Any],
        topics: Topics,
        partitions: int,
        states: Callable[[], Mapping[int, PartitionState]],
    ) -> None:
        self._client = client
        self._topics = topics
        self._partitions = partitions
        self._states = states
        self._turn = asyncio.Lock()
        self._waiting = 0

    async def look_up(self, run: str, document_id: str, partition: int) -> dict[str, Any] | None:
        """Return the journey of a document whose records are in `partition`; None if that is another worker's.

        Raises:
            BusyError: too many wait already.
            KafkaError: the records could not be read.
        """
        if self._waiting >= WAITING_MAX:
            raise BusyError
        self._waiting += 1
        try:
            async with self._turn:
                state = self._states().get(partition)
                if state is None:
                    return None
                ledger = state.ledgers.get(run)
                known = remembered(ledger, document_id) if ledger is not None else []
                return await self._read(run, document_id, partition, known)
        finally:
            self._waiting -= 1

    async def _read(self, run: str, document_id: str, partition: int, known: list[Remembered]) -> dict[str, Any]:
        needle = document_id.encode()
        own = [TopicPartition(f"{self._topics.prefix}.{name}", partition) for name in ("sent", "status", "refused")]
        async with ReadBack(self._client) as reader:
            since_us = await self._sent_us(reader, known)
            events: list[Located] = []
            read = 0
            if since_us is not None:
                scanned = await reader.since(own, since_us - SLACK_US, needle)
                events, read = list(self._events(scanned.records, run, document_id)), scanned.read
            if not any(isinstance(event, Sent) for event, *_ in events):
                # Not remembered, or stamped by a clock that is ahead: it may still be among the newest.
                scanned = await reader.newest(own, needle)
                events, read = list(self._events(scanned.records, run, document_id)), read + scanned.read
            complete = scanned.complete
            unanswered = _unanswered(events)
            if unanswered:
                first_us = min(event.sent_us for event, *_ in events if isinstance(event, Sent))
                inboxes = {partition_of(code.encode(), self._partitions) for code in unanswered}
                tps = [TopicPartition(self._topics.delivered, number) for number in sorted(inboxes)]
                scanned = await reader.since(tps, first_us - SLACK_US, needle)
                events += self._events(scanned.records, run, document_id)
                complete, read = complete and scanned.complete, read + scanned.read
        return assemble(run, document_id, known, events) | {"complete": complete, "records_read": read}

    async def _sent_us(self, reader: ReadBack, known: list[Remembered]) -> int | None:
        """Return when the document was first sent, from what is remembered of it."""
        if opened := [one.sent_us for one in known if one.state == "outstanding"]:
            return min(opened)
        places = [place for one in known for place in one.places]
        for number, offset in places[:3]:  # retention may have taken the oldest
            if number >= self._partitions:  # a receipt of somebody else's may name any place
                continue
            record = await reader.record_at(TopicPartition(self._topics.delivered, number), offset)
            if record is not None:
                with contextlib.suppress(*UNREADABLE):
                    return decode_delivered(record.value).sent_us
        return None

    def _events(self, records: Iterable[ConsumerRecord], run: str, document_id: str) -> "Iterable[Located]":
        for record in records:
            try:
                event = _DECODERS[self._topics.short_name(record.topic)](record.value)
            except UNREADABLE:
                continue  # unreadable records are told of elsewhere
            if event.run == run and event.document_id == document_id:
                yield event, record.partition, record.offset


#: An event with the partition and offset of its record.
Located = tuple[Sent | Delivered | Receipt | Status | Refusal, int, int]


def _unanswered(events: Iterable[Located]) -> set[str]:
    """Return the recipients of packets that neither a receipt nor a refusal answers."""
    events = list(events)
    asked = {(event.packet_id, code) for event, *_ in events if isinstance(event, Sent) for code in event.recipients}
    answered = {(event.packet_id, event.recipient) for event, *_ in events if isinstance(event, Receipt | Refusal)}
    return {code for packet_id, code in asked - answered if (packet_id, "") not in answered}


def assemble(run: str, document_id: str, known: list[Remembered], events: list[Located]) -> dict[str, Any]:
    """Return the journey as the page shows it: packets, and of each its deliveries with all their stamps. Pure."""
    packets: dict[str, dict[str, Any]] = {}
    for event, partition, offset in events:
        if isinstance(event, Sent) and event.packet_id not in packets:
            packets[event.packet_id] = _packet(event, partition, offset)
    for one in known:
        packet = packets.setdefault(one.packet_id, {"packet_id": one.packet_id, "deliveries": {}})
        delivery = packet["deliveries"].setdefault(one.recipient, {"recipient": one.recipient})
        delivery |= {"state": one.state, "places": [list(place) for place in one.places]}
        delivery |= {"code": one.code} if one.code else {}
    for event, partition, offset in events:
        if not isinstance(event, Sent):
            _note(packets, event, partition, offset)
    found = sorted(packets.values(), key=lambda packet: (packet.get("sent_us", 0), packet["packet_id"]))
    for packet in found:
        packet["deliveries"] = sorted(packet["deliveries"].values(), key=lambda one: str(one["recipient"]))
    return {"run": run, "document_id": document_id, "packets": found}


def _packet(event: Sent, partition: int, offset: int) -> dict[str, Any]:
    kept = ("packet_id", "sender", "type", "priority", "business", "size", "calendar_ms", "intended_us", "sent_us")
    deliveries = {
        code: {"recipient": code, "state": "outstanding", "stage": "hub"} for code in map(normalised, event.recipients)
    }
    return {name: getattr(event, name) for name in kept} | {"place": [partition, offset], "deliveries": deliveries}


def _note(packets: dict[str, dict[str, Any]], event: Any, partition: int, offset: int) -> None:
    """Enter one event other than `Sent` into its delivery; a refusal without a recipient into all that are open."""
    packet = packets.setdefault(event.packet_id, {"packet_id": event.packet_id, "deliveries": {}})
    if isinstance(event, Refusal) and not event.recipient:
        for delivery in packet["deliveries"].values():
            _note_refusal(delivery, event)
        return
    code = normalised(event.recipient)
    delivery = packet["deliveries"].setdefault(code, {"recipient": code, "state": "misrouted"})
    if isinstance(event, Delivered):
        delivery |= {"accepted_us": event.accepted_us, "stage": "inbox", "delivered_place": [partition, offset]}
    elif isinstance(event, Receipt):
        stamps = {name: getattr(event, name) for name in ("accepted_us", "available_us", "received_us")}
        places = delivery.get("places") or []
        if [event.partition, event.offset] not in places:
            places = [*places, [event.partition, event.offset]]
        state = delivery["state"] if delivery["state"] in ("duplicated", "misrouted") else "delivered_once"
        delivery |= stamps | {"places": places, "answer": event.state, "state": state, "stage": "received"}
    elif isinstance(event, Status):
        stated = {"code": event.code, "stated_us": event.stated_us, "calendar_ms": event.calendar_ms}
        delivery["statuses"] = [*delivery.get("statuses", []), stated]
    elif isinstance(event, Refusal):
        _note_refusal(delivery, event)


def _note_refusal(delivery: dict[str, Any], event: Refusal) -> None:
    delivery |= {"code": event.code, "reason": event.reason, "refused_us": event.refused_us}
    if delivery["state"] in ("outstanding", "misrouted"):
        delivery |= {"state": "refused", "stage": "refused"}
