"""A replay of all events as they were: the hub is bypassed; the stamps, with their latencies, are the recorded ones.

Each event goes at its moment to the topic and partition of its key. Documents are accounted for as arrivals, so that
the verdict can hold them against the topic; the other events follow what was recorded, whatever that was.
"""

import asyncio
from bisect import bisect_right
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from aiokafka import AIOKafkaProducer

from docaxis.domain.codec import encode
from docaxis.kafka.partitioner import partitions_of
from docaxis.kafka.topics import Topics
from docaxis.kafka.writer import BATCHES, BatchWriter, SentBatch
from docaxis.recording.columns import event_of
from docaxis.recording.engine import engine
from docaxis.recording.pseudonym import Pseudonyms
from docaxis.recording.replay_plan import ReplayPlan, copied, planned_blocks, prepare, schedule_of
from docaxis.recording.schedule import Int64s
from docaxis.recording.schema import COLUMNS, DELIVERED, REFUSAL, SENT, TOPIC_OF_KIND
from producers.arrivals import Arrivals
from producers.recorded import SLICE, Ahead
from producers.steered import Steered

#: Batches that wait for the broker's answer at most.
UNANSWERED_MAX = 64

_COLUMNS = tuple(column.name for column in COLUMNS if column.name not in ("sequence", "offset", "record_ms"))


class Event(NamedTuple):
    """One record ready to be written."""

    topic: str  # without the prefix
    partition: int
    key: bytes | None
    value: bytes


class EventSlice(NamedTuple):
    """A few events in order, and when they are due after the start."""

    due_us: Int64s
    events: list[Event]


@dataclass(slots=True)
class EventsSent:
    """What a replay that was killed had sent: hashes of its events, sorted, how often each; documents by partition.

    An event is known by its whole content: what stands twice in a recording is sent twice.
    """

    hashes: npt.NDArray[np.uint64] = field(default_factory=lambda: np.empty(0, np.uint64))
    counts: Int64s = field(default_factory=lambda: np.empty(0, np.int64))
    documents: Mapping[int, int] = field(default_factory=dict)

    def take(self, events: list[Event]) -> list[int]:
        """Return the positions of the events that were not sent, and strike off those that were."""
        if not len(self.hashes):
            return list(range(len(events)))
        wanted = np.array([event_hashes(one.topic, [one.value])[0] for one in events], np.uint64)
        places = np.minimum(np.searchsorted(self.hashes, wanted), len(self.hashes) - 1)
        fresh = []
        for position, place in enumerate(places.tolist()):
            if self.hashes[place] == wanted[position] and self.counts[place]:
                self.counts[place] -= 1
            else:
                fresh.append(position)
        return fresh


def event_hashes(topic: str, values: Iterable[bytes | None]) -> npt.NDArray[np.uint64]:
    """Return 64 bits of a hash of each event and the topic (without its prefix) that it stands in."""
    digests = b"".join(blake2b(value or b"", digest_size=8, person=topic.encode()[:16]).digest() for value in values)
    return np.frombuffer(digests, np.uint64)


def recorded_event_slices(
    plan: ReplayPlan, partitions: int, agencies: tuple[str, ...], sent: EventsSent
) -> Iterator[EventSlice]:
    """Yield the events of a plan that were not sent before, in order, in small slices."""
    disguise = _Disguise(plan, agencies)
    with engine() as connection:
        extent = prepare(connection, plan)
        for planned in planned_blocks(connection, schedule_of(plan, extent), _COLUMNS):
            for first in range(0, len(planned.due_us), SLICE):
                rows = planned.table.slice(first, SLICE).to_pylist()
                events = [_event(disguise.of(row), plan.run, partitions) for row in rows]
                fresh = sent.take(events)
                if fresh:
                    yield EventSlice(planned.due_us[first : first + SLICE][fresh], [events[one] for one in fresh])


def _event(row: dict[str, Any], run: str, partitions: int) -> Event:
    kind = row["kind"]
    name = row["recipient"] if kind == DELIVERED else row["document_id"]
    key = name.encode() if name else None
    partition = int(partitions_of([key], partitions)[0]) if key else row["partition"] % partitions
    return Event(TOPIC_OF_KIND[kind], partition, key, encode(event_of(row, run)))


class _Disguise:
    """Gives copies their ids, and ids their pseudonyms."""

    def __init__(self, plan: ReplayPlan, agencies: tuple[str, ...]) -> None:
        self._pseudonyms = Pseudonyms.load(Path(plan.key_file)) if plan.key_file else None
        permuted = self._pseudonyms is not None and plan.pairs == "permuted"
        self._codes = self._pseudonyms.permuted(agencies) if permuted and self._pseudonyms else {}

    def of(self, row: dict[str, Any]) -> dict[str, Any]:
        """Return the row as it is sent."""
        if self._pseudonyms is not None and row["document_id"]:
            row["packet_id"] = self._pseudonyms.packet(row["packet_id"], row["document_id"])
            row["document_id"] = self._pseudonyms.document(row["document_id"])
            row["sha256"] = "" if row["sha256"] else row["sha256"]
        if self._pseudonyms is not None and row["kind"] == REFUSAL:
            row["reason"], row["value"] = f"code {row['code']}", ""
        if self._codes:
            for name in ("sender", "recipient"):
                row[name] = self._codes.get(row[name], row[name])
            if row["recipients"] is not None:
                row["recipients"] = [self._codes.get(code, code) for code in row["recipients"]]
        if row["copy"]:
            for name in ("packet_id", "document_id"):
                row[name] = copied(row[name], row["copy"]) if row[name] else row[name]
        return row


async def send_events(
    ahead: Ahead[EventSlice],
    steered: Steered,
    client: Mapping[str, Any],
    topics: Topics,
    arrivals: Arrivals,
    stop: asyncio.Event,
    *,
    closed: bool,
) -> None:
    """Send all events at their moments (`closed`: as fast as the broker takes them), until told to stop."""
    producer = AIOKafkaProducer(**client, enable_idempotence=True, **BATCHES)
    await producer.start()
    writer, answers = BatchWriter(producer), set[asyncio.Future[object]]()
    try:
        while not stop.is_set() and not steered.ended and (ready := ahead.next()) is not None:
            async for events in _due(ready, steered, ahead, stop, closed=closed):
                for event in events:
                    if event.topic == SENT:
                        arrivals.partitions[event.partition].scheduled += 1
                    writer.put(f"{topics.prefix}.{event.topic}", event.partition, event.key, event.value)
                for batch in await writer.send():
                    answers.add(batch.answer)
                    batch.answer.add_done_callback(answers.discard)
                    batch.answer.add_done_callback(partial(_count, arrivals, batch, topics.sent))
                while len(answers) > UNANSWERED_MAX:
                    await asyncio.wait(answers, return_when=asyncio.FIRST_COMPLETED)
        if answers:
            await asyncio.wait(answers)
    finally:
        await producer.stop()


async def _due(
    ready: EventSlice, steered: Steered, ahead: Ahead[EventSlice], stop: asyncio.Event, *, closed: bool
) -> AsyncIterator[list[Event]]:
    """Yield the events of a slice as they become due; what is due together comes together."""
    if closed:
        if await steered.going_on(stop):
            yield ready.events
        return
    async for first, due_us in steered.portions(ready.due_us, ahead.wait_until, stop):
        due, position = due_us.tolist(), 0
        while position < len(due) and not stop.is_set():
            last = bisect_right(due, ahead.clock.wall_us(), position)
            if last == position:
                await ahead.wait_until(due[position])
                continue
            yield ready.events[first + position : first + last]
            position = last


def _count(arrivals: Arrivals, batch: SentBatch, sent_topic: str, answer: "asyncio.Future[object]") -> None:
    """Count what became of a batch of documents."""
    if batch.topic != sent_topic:
        return
    counts = arrivals.partitions[batch.partition]
    if answer.cancelled():
        counts.unknown += batch.records
    elif answer.exception() is None:
        counts.acked += batch.records
    else:
        counts.failed += batch.records
