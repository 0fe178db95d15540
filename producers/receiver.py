"""The receiving side of the virtual agencies: each polls its inbox and answers every delivery with a receipt.

A record is stamped `available` when a read_committed fetch returned it and `received` when its agency polled: at once,
or at its next poll if agencies poll at an interval. What waits in between is bounded; at the bound nothing more is
fetched until agencies have polled. Receivers never deduplicate: hiding a duplicate would be a lie. Offsets are
committed only after the receipts are acknowledged, so a killed receiver repeats receipts and never omits one.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError

from docaxis.domain.clock import Clock
from docaxis.domain.codec import decode_batch, decode_delivered, encode, refusal_of_unreadable
from docaxis.kafka.bulk import BulkConsumer, FetchedRecord
from docaxis.kafka.outage import client_cancellations_as_errors
from docaxis.kafka.partitioner import partition_of
from docaxis.kafka.topics import Topics
from docaxis.kafka.waiting import sleep_unless
from docaxis.kafka.writer import BATCHES, BatchWriter
from producers.inbox import Fetched, Inboxes, Progress, Waiting, receipt_of
from producers.receiver_faults import ReceiverFaults

log = logging.getLogger(__name__)

#: When several deliveries came at once, but few, more are fetched together after this: half the work, 2 ms later.
GATHER_S, GATHER_BELOW = 0.002, 1000

#: Deliveries answered in one go: a third of a millisecond.
ANSWERED_TOGETHER = 200

#: Told of deliveries that were answered, and when.
OnReceived = Callable[[Sequence[Waiting], int], None]


@dataclass(frozen=True, slots=True)
class ReceiverSettings:
    """How virtual agencies fetch and report."""

    client: Mapping[str, Any]
    topics: Topics
    partitions: int
    group: str
    poll_interval_us: int = 0  # of each agency; 0: at once
    waiting_max: int = 200_000  # deliveries fetched and not yet polled by their agencies
    unanswered_max: int = 8  # batches of receipts on their way to the broker
    fetch_max: int = 4000  # records of one fetch
    session_timeout_ms: int = 6000
    faults: ReceiverFaults | None = None


@dataclass(slots=True)
class ReceiverStats:
    """What the receivers did; read by the metrics collector and the progress view."""

    deliveries: int = 0
    receipts: int = 0  # acknowledged by the broker
    unreadable: int = 0
    sessions: int = 0
    rebalances: int = 0  # times that the group gave inboxes to this process
    assigned: asyncio.Event = field(default_factory=asyncio.Event)  # set while this process has its inboxes
    positions: dict[int, int] = field(default_factory=dict)
    ends: dict[int, int] = field(default_factory=dict)


class _Session(ConsumerRebalanceListener):  # type: ignore[misc]
    """One membership in the agencies' group."""

    def __init__(self, settings: ReceiverSettings, clock: Clock, stats: ReceiverStats, on_received: OnReceived) -> None:
        self._settings = settings
        self._clock = clock
        self._stats = stats
        self._on_received = on_received
        self._progress = Progress()
        self._inboxes = Inboxes(settings.poll_interval_us, settings.faults)
        self._answers: set[asyncio.Task[None]] = set()
        self._consumer = BulkConsumer(
            **settings.client,
            group_id=settings.group,
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=settings.session_timeout_ms,
            heartbeat_interval_ms=settings.session_timeout_ms // 6,
            max_partition_fetch_bytes=2 << 20,
        )
        self._producer = AIOKafkaProducer(**settings.client, **BATCHES, enable_idempotence=True)
        self._writer = BatchWriter(self._producer)
        self._gather = False
        self._failure: KafkaError | OSError | None = None  # met while inboxes were handed over

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Finish what was answered, commit it, and forget the rest: the next owner fetches it again."""
        self._stats.assigned.clear()
        try:
            with client_cancellations_as_errors():
                await self._settle(0)
                await self._commit()
        except (KafkaError, OSError) as error:  # the client would swallow it, and go on with receipts not written
            self._failure = error
        self._inboxes.forget(revoked)
        self._progress.forget(revoked)
        for tp in revoked:
            self._stats.positions.pop(tp.partition, None)
            self._stats.ends.pop(tp.partition, None)

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Note it; each partition goes on from its committed offset."""
        self._stats.assigned.set()
        self._stats.rebalances += 1

    async def run(self, stop: asyncio.Event) -> None:
        """Receive until told to stop; raise what made it impossible to go on."""
        self._consumer.subscribe([self._settings.topics.delivered], listener=self)
        await self._producer.start()
        try:
            await self._consumer.start()
            self._stats.sessions += 1
            committed_ns = self._clock.monotonic_ns()
            while not stop.is_set():
                await self._fetch()
                if self._failure is not None:
                    raise self._failure
                await self._receive(self._inboxes.due(self._clock.wall_us()))
                await self._report()
                await self._settle(self._settings.unanswered_max)
                if self._clock.monotonic_ns() - committed_ns > 1_000_000_000:
                    committed_ns = self._clock.monotonic_ns()
                    await self._commit()
            await self._settle(0)
            await self._commit()
        finally:
            await self._consumer.stop()
            await self._producer.stop()
            await asyncio.gather(*self._answers, return_exceptions=True)

    async def _fetch(self) -> None:
        """Fetch what has been committed to the inboxes, or wait for the next poll if they are full."""
        wait_ms = self._inboxes.wait_ms(self._clock.wall_us(), longest_ms=200)
        if self._inboxes.waiting >= self._settings.waiting_max:
            await asyncio.sleep(wait_ms / 1000)
            return
        if self._gather:
            await asyncio.sleep(GATHER_S)
        fetched = await self._consumer.getmany(timeout_ms=wait_ms, max_records=self._settings.fetch_max)
        self._gather = 1 < sum(map(len, fetched.values())) < GATHER_BELOW
        available_us = self._clock.wall_us()
        for tp, records in fetched.items():
            self._open(tp, records, available_us)
        await self._note_positions()

    async def _note_positions(self) -> None:
        """Keep how far each inbox is fetched, and where what readers of committed data may see ends."""
        for tp in self._consumer.assignment():
            end = self._consumer.last_stable_offset(tp)
            if end is not None:
                self._stats.positions[tp.partition] = await self._consumer.position(tp)
                self._stats.ends[tp.partition] = end

    def _open(self, tp: TopicPartition, records: Sequence[FetchedRecord], available_us: int) -> None:
        """Put fetched records into their agencies' inboxes; refuse what is unreadable."""
        decoded = decode_batch(decode_delivered, [record.value for record in records])
        batch = self._progress.begin(tp, records[-1].offset + 1, len(decoded.events) + len(decoded.unreadable))
        for index, code, reason in decoded.unreadable:
            self._refuse(tp.partition, records[index], (code, reason), batch)
        offsets = [record.offset for record in records]
        if decoded.indices is not None:
            offsets = [offsets[index] for index in decoded.indices]
        self._inboxes.put(
            Waiting(event, tp.partition, offset, available_us, batch)
            for event, offset in zip(decoded.events, offsets, strict=True)
        )

    def _refuse(self, partition: int, record: FetchedRecord, fault: tuple[int, str], batch: Fetched) -> None:
        topics = self._settings.topics
        place = (topics.short_name(topics.delivered), partition, record.offset)
        refusal = refusal_of_unreadable(fault, *place, record.value, self._clock.wall_us())
        self._writer.put(topics.refused, partition, record.key, encode(refusal))
        batch.written += 1
        self._stats.unreadable += 1

    async def _receive(self, waiting: Sequence[Waiting]) -> None:
        """Answer deliveries, a few at a time: what else is due in this process, its own documents, is not kept."""
        for first in range(0, len(waiting), ANSWERED_TOGETHER):
            self._answer(waiting[first : first + ANSWERED_TOGETHER])
            await asyncio.sleep(0)

    def _answer(self, waiting: Sequence[Waiting]) -> None:
        """Write one receipt each, to the partition of the document it is about."""
        received_us = self._clock.wall_us()
        if self._settings.faults is not None and self._settings.faults.withholds:
            waiting = self._without_withheld(waiting, self._settings.faults, received_us)
        topic, partitions, put = self._settings.topics.status, self._settings.partitions, self._writer.put
        for one in waiting:
            event = one.event
            key = event.document_id.encode()
            home = event.sent_partition if event.sent_partition < partitions else partition_of(key, partitions)
            put(topic, home, key, encode(receipt_of(one, received_us)))
            one.fetched.written += 1
        if waiting:
            self._stats.deliveries += len(waiting)
            self._on_received(waiting, received_us)

    @staticmethod
    def _without_withheld(waiting: Sequence[Waiting], faults: ReceiverFaults, received_us: int) -> list[Waiting]:
        """Return the deliveries that are answered; the others count as done with, for nobody will ever answer them."""
        answered = []
        for one in waiting:
            if faults.withhold(one.event.packet_id, one.event.recipient, received_us):
                one.fetched.unanswered -= 1
            else:
                answered.append(one)
        return answered

    async def _report(self) -> None:
        """Send the answers; when the broker has them all, their fetches have that much less to answer."""
        written = self._progress.written()
        if not written:
            return
        sent = await self._writer.send()
        answers = [batch.answer for batch in sent]
        self._answers.add(asyncio.ensure_future(self._note_answered(answers, written)))

    async def _note_answered(self, answers: list["asyncio.Future[object]"], written: list[tuple[Fetched, int]]) -> None:
        await asyncio.gather(*answers)
        for fetched, count in written:
            fetched.unanswered -= count
            self._stats.receipts += count

    async def _settle(self, pending_max: int) -> None:
        """Wait until at most so many reports are unanswered; raise if one failed."""
        while self._answers:
            wait = None if len(self._answers) > pending_max else 0
            done, _ = await asyncio.wait(self._answers, timeout=wait, return_when=asyncio.FIRST_COMPLETED)
            self._answers -= done  # others may have come meanwhile
            for report in done:
                report.result()
            if wait == 0:
                return

    async def _commit(self) -> None:
        offsets = self._progress.take_committable()
        try:
            if offsets:
                await self._consumer.commit(offsets)
        except (CommitFailedError, IllegalStateError) as error:  # no longer ours: the next owner repeats the receipts
            log.info("offsets not committed: %s", error)


async def run_receiver(
    settings: ReceiverSettings,
    clock: Clock,
    stats: ReceiverStats,
    stop: asyncio.Event,
    on_received: OnReceived = lambda waiting, received_us: None,
) -> None:
    """Receive until `stop` is set, beginning anew after every failure; committed offsets say where.

    `on_received` is told of every delivery that was answered, after its receipt is written.
    """
    while not stop.is_set():
        try:
            with client_cancellations_as_errors():
                await _Session(settings, clock, stats, on_received).run(stop)
        except (KafkaError, OSError) as error:
            log.warning("receivers begin anew after %s: %s", type(error).__name__, error)
            await sleep_unless(stop, 0.5)
