"""The reference connection hub: documents in, one delivery a recipient out, each exactly once.

For every input partition it owns, the hub runs passes: fetch, route, write, and commit the outputs and the input
offset in one transaction. Each input partition has one stable transactional id, whoever owns it: a new owner fences
the old one *before* it reads where to go on. That matters because aiokafka commits transactional offsets without the
group's generation, so a hub that was paused past its session could otherwise still commit beside its successor.
"""

import asyncio
import logging
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.errors import KafkaError

from docaxis.domain.clock import Clock
from docaxis.domain.codec import decode_batch, decode_sent, encode, refusal_of_unreadable
from docaxis.domain.errors import InfrastructureError
from docaxis.domain.event import Refusal, Sent
from docaxis.kafka.bulk import BulkConsumer, FetchedRecord
from docaxis.kafka.outage import client_cancellations_as_errors
from docaxis.kafka.partitioner import partition_of
from docaxis.kafka.topics import Topics
from docaxis.kafka.waiting import Patience, has_waited, sleep_unless, within
from docaxis.kafka.writer import BATCHES, BatchWriter
from monitor.histogram import Histogram
from streams.routing import Directory, Fault, delivered_head, route

log = logging.getLogger(__name__)

T = TypeVar("T")

#: Work on a partition is given up after so many times the timeout of a transaction.
PATIENCE = 2

#: A busy hub gathers documents for so many times the duration of a commit, and at most for so long.
GATHER_COMMITS, GATHER_MAX_S = 3, 0.05


@dataclass(frozen=True, slots=True)
class HubSettings:
    """How a hub runs."""

    client: Mapping[str, Any]  # connection settings for aiokafka's clients
    topics: Topics
    partitions: int
    group: str
    exactly_once: bool = True  # False: at least once, cheaper, and a killed hub doubles what it had in hand
    documents_max: int = 2000  # of one pass: a busy hub commits in batches of this size, a quiet one at once
    session_timeout_ms: int = 6000
    transaction_timeout_ms: int = 10_000  # how long a dead hub may hold back readers of committed data
    give_up_after_s: float = 120.0  # without a working broker
    deliveries_per_s_max: float | None = None  # limited on purpose, for tests of what happens then


@dataclass(slots=True)
class HubStats:
    """What the hub did; read by the metrics collector."""

    documents: int = 0
    deliveries: int = 0
    refusals: dict[int, int] = field(default_factory=dict)  # by error code
    passes: int = 0
    sessions: int = 0  # group memberships begun: more than one means that something failed in between
    rebalances: int = 0  # times that the group gave partitions to this hub
    assigned_ns: int | None = None  # when this session last did, by the monotonic clock
    commit: Histogram = field(default_factory=Histogram)
    positions: dict[int, int] = field(default_factory=dict)  # next offset by owned partition
    ends: dict[int, int] = field(default_factory=dict)  # last stable offset by owned partition


#: Time that a limited hub spent otherwise (a commit, an empty inbox) and may make up for. It is also what a hub offered
#: somewhat more than its limit carries beyond it before it falls behind: a second would hide 5 % for twenty seconds.
CREDIT_NS = 250_000_000


class Limiter:
    """A hub limited on purpose: deliveries are paid for after they were made, at a price of 1/rate seconds each."""

    def __init__(self, per_s: float, clock: Clock) -> None:
        self._ns = 1e9 / per_s
        self._clock = clock
        self._free_ns = 0.0

    def pay_s(self, deliveries: int) -> float:
        """Return how many seconds to wait before the next delivery may be made, whoever makes it."""
        now_ns = self._clock.monotonic_ns()
        self._free_ns = max(self._free_ns, now_ns - CREDIT_NS) + deliveries * self._ns
        return max(0.0, self._free_ns - now_ns) / 1e9


class Router:
    """Turns the records of one input partition into output records; no I/O."""

    def __init__(self, settings: HubSettings, directory: Directory, clock: Clock, stats: HubStats) -> None:
        self._topics = settings.topics
        self._directory = directory
        self._clock = clock
        self._stats = stats
        # Everything about a recipient that a delivery needs, once: its inbox partition, key and JSON ending.
        self._inboxes = {
            code: (partition_of(code.encode(), settings.partitions), code.encode(), encode(code)[1:] + b"}")
            for code in directory.open
        }

    def route(self, partition: int, records: Sequence[FetchedRecord], writer: BatchWriter) -> int:
        """Write the deliveries and refusals of these records of an input partition; return how many deliveries."""
        now_us, before = self._clock.wall_us(), self._stats.deliveries
        decoded = decode_batch(decode_sent, [record.value for record in records])
        for index, code, reason in decoded.unreadable:
            self._refuse(partition, records[index], None, Fault(code, reason), now_us, writer)
        indices = range(len(records)) if decoded.indices is None else decoded.indices
        for index, event in zip(indices, decoded.events, strict=True):
            recipients, faults = route(event, self._directory, now_us)
            if recipients:
                self._deliver(event, recipients, now_us, partition, writer)
            for fault in faults:
                self._refuse(partition, records[index], event, fault, now_us, writer)
        self._stats.documents += len(decoded.events)
        return self._stats.deliveries - before

    def _deliver(
        self, event: Sent, recipients: Sequence[str], now_us: int, sent_partition: int, writer: BatchWriter
    ) -> None:
        # All copies share their JSON up to the recipient, which is written last: cut the empty one's `"}` off.
        head = encode(delivered_head(event, now_us, sent_partition))[:-2]
        topic, put, inboxes = self._topics.delivered, writer.put, self._inboxes
        for recipient in recipients:
            partition, key, ending = inboxes[recipient]
            put(topic, partition, key, head + ending)
        self._stats.deliveries += len(recipients)

    def _refuse(
        self,
        partition: int,
        record: FetchedRecord,
        event: Sent | None,
        fault: Fault,
        now_us: int,
        writer: BatchWriter,
    ) -> None:
        self._stats.refusals[fault.code] = self._stats.refusals.get(fault.code, 0) + 1
        place = (self._topics.short_name(self._topics.sent), partition, record.offset)
        if event is None:
            refusal = refusal_of_unreadable(fault[:2], *place, record.value, now_us)
            key = record.key
        else:
            ids = (event.run, event.packet_id, event.document_id, event.sender)
            refusal = Refusal(1, fault.code, fault.reason, *place, now_us, *ids, fault.recipient)
            key = event.document_id.encode()
        writer.put(self._topics.refused, partition, key, encode(refusal))


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    """Hands changes of ownership to the session."""

    def __init__(self, session: "_Session") -> None:
        self._session = session

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        await self._session.release(revoked)

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        self._session.own(assigned)


class _Session:
    """One membership in the hub's group: a task for each partition owned."""

    def __init__(self, settings: HubSettings, router: Router, clock: Clock, stats: HubStats) -> None:
        self._settings = settings
        self._router = router
        self._clock = clock
        self._stats = stats
        self._tasks: dict[TopicPartition, asyncio.Task[None]] = {}
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        limit = settings.deliveries_per_s_max
        self._limiter = Limiter(limit, clock) if limit else None
        # A limited hub pays after its passes: those of all partitions together, a quarter of a second's documents, are
        # what it can be ahead of its limit while a backlog grows. Fewer records would let commits limit it further.
        share = (
            max(int(limit / (4 * settings.partitions)), min(32, int(limit / 4))) if limit else settings.documents_max
        )
        self._records_max = max(4, min(settings.documents_max, share))
        self._consumer = BulkConsumer(
            **settings.client,
            group_id=settings.group,
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=settings.session_timeout_ms,
            heartbeat_interval_ms=settings.session_timeout_ms // 6,
            rebalance_timeout_ms=settings.transaction_timeout_ms,
            max_partition_fetch_bytes=2 << 20,
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Route until told to stop; raise what made it impossible to go on."""
        self._consumer.subscribe([self._settings.topics.sent], listener=_Listener(self))
        stopped = asyncio.ensure_future(stop.wait())
        ends: set[asyncio.Future[Any]] = {stopped, self._failure}
        try:
            await self._consumer.start()
            self._stats.sessions += 1
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if self._failure.done():
                self._failure.result()
        finally:
            stopped.cancel()
            await self.release(set(self._tasks))
            await self._consumer.stop()
            if self._failure.done() and not self._failure.cancelled():
                self._failure.exception()  # seen

    def own(self, partitions: set[TopicPartition]) -> None:
        """Begin routing newly assigned partitions."""
        self._stats.rebalances += 1
        self._stats.assigned_ns = self._clock.monotonic_ns()
        for tp in partitions:
            task = self._tasks[tp] = asyncio.ensure_future(self._route(tp))
            task.add_done_callback(self._on_done)

    async def release(self, partitions: set[TopicPartition]) -> None:
        """Stop routing partitions; an open transaction is aborted, for its records are read again."""
        tasks = [self._tasks.pop(tp) for tp in partitions & self._tasks.keys()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for tp in partitions:
            self._stats.positions.pop(tp.partition, None)
            self._stats.ends.pop(tp.partition, None)

    def _on_done(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) and not self._failure.done():
            self._failure.set_exception(error)

    async def _route(self, tp: TopicPartition) -> None:
        with client_cancellations_as_errors():
            await self._route_partition(tp)

    async def _route_partition(self, tp: TopicPartition) -> None:
        producer = self._new_producer(tp)
        try:
            await self._within_its_time(producer.start(), tp)  # fences whoever owned the partition before
            committed = await self._within_its_time(self._consumer.committed(tp), tp)
            if committed is None:
                await self._consumer.seek_to_beginning(tp)
            else:
                self._consumer.seek(tp, committed)
            while True:
                fetched = await self._consumer.getmany(tp, timeout_ms=1000, max_records=self._records_max)
                self._stats.ends[tp.partition] = self._consumer.last_stable_offset(tp) or 0
                if records := fetched.get(tp):
                    await asyncio.sleep(await self._within_its_time(self._pass(producer, tp, records), tp))
                self._stats.positions[tp.partition] = await self._consumer.position(tp)
        finally:
            # Not more than a moment: the next owner fences this producer anyway.
            await asyncio.wait({asyncio.ensure_future(_stop(producer))}, timeout=5)

    def _new_producer(self, tp: TopicPartition) -> AIOKafkaProducer:
        settings = self._settings
        transactional: dict[str, Any] = {"enable_idempotence": True}
        if settings.exactly_once:
            transactional = {
                "transactional_id": f"{settings.group}-{tp.partition}",
                "transaction_timeout_ms": settings.transaction_timeout_ms,
            }
        return AIOKafkaProducer(**settings.client, **transactional, **BATCHES)

    async def _within_its_time(self, work: Coroutine[Any, Any, T], tp: TopicPartition) -> T:
        """Await work on a partition, for as long as its transaction may stay open and some more.

        Beyond that the broker has aborted it, and a client that went through an outage may wait for ever for an answer.

        Raises:
            KafkaTimeoutError: it took longer.
        """
        limit_s = self._settings.transaction_timeout_ms / 1000 * PATIENCE
        return await within(limit_s, work, f"{tp.topic} partition {tp.partition}")

    async def _pass(self, producer: AIOKafkaProducer, tp: TopicPartition, records: list[FetchedRecord]) -> float:
        """Route and commit; return how many seconds to gather documents before the next pass.

        A document that comes alone is followed by no pause. Where several came together more will, and a pause of a
        few times what a commit costs spends the machine on documents instead of transactions.
        """
        next_offset = records[-1].offset + 1
        writer = BatchWriter(producer)
        if self._settings.exactly_once:
            async with producer.transaction():
                deliveries = self._router.route(tp.partition, records, writer)
                await writer.flush()
                await producer.send_offsets_to_transaction({tp: next_offset}, self._settings.group)
                started_ns = self._clock.monotonic_ns()
        else:
            deliveries = self._router.route(tp.partition, records, writer)
            await writer.flush()
            started_ns = self._clock.monotonic_ns()
            await self._consumer.commit({tp: next_offset})
        commit_us = (self._clock.monotonic_ns() - started_ns) // 1000
        self._stats.passes += 1
        self._stats.commit.observe_one(commit_us)
        if self._limiter is not None:
            return self._limiter.pay_s(deliveries)  # of this pass alone: others go on meanwhile
        return 0.0 if len(records) == 1 else min(GATHER_MAX_S, GATHER_COMMITS * commit_us / 1e6)


async def _stop(producer: AIOKafkaProducer) -> None:
    try:
        await producer.stop()
    except (KafkaError, asyncio.CancelledError) as error:
        log.debug("producer stopped with %r", error)


async def run_hub(
    settings: HubSettings, directory: Directory, clock: Clock, stats: HubStats, stop: asyncio.Event
) -> None:
    """Route documents until `stop` is set, beginning anew after every failure of the broker or loss of a partition.

    Raises:
        InfrastructureError: nothing could be routed for `give_up_after_s` because of repeated failures.
    """
    router = Router(settings, directory, clock, stats)
    patience = Patience(settings.give_up_after_s)
    while not stop.is_set():
        passes, stats.assigned_ns = stats.passes, None
        try:
            with client_cancellations_as_errors():
                await _Session(settings, router, clock, stats).run(stop)
        except (KafkaError, OSError) as error:
            log.warning("hub begins anew after %s: %s", type(error).__name__, error)
            now_s = clock.monotonic_ns() / 1e9
            if patience.ends(now_s, good=stats.passes > passes or has_waited(stats.assigned_ns, now_s)):
                raise InfrastructureError(
                    f"the hub could not route anything for {settings.give_up_after_s:.0f} s: {error}",
                    next_step="look at the broker's log, then start the hub again; nothing is lost",
                ) from error
            await sleep_unless(stop, 0.5)
