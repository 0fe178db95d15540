"""The stream worker: meter and ledger as one Faust app over whole batches of records.

One agent reads all event topics, since partition number p of each belongs together: the ledger's join is local, and a
record is decoded once for both. The state of a partition is stored every few seconds with the positions up to which
it is true, and Kafka's committed offsets never run ahead of that: after a crash, records come again from there and
what the state already covers is skipped.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiokafka.errors import KafkaError

from docaxis.domain.clock import Clock
from docaxis.domain.errors import InfrastructureError
from docaxis.kafka.control import ControlFeed
from docaxis.kafka.outage import client_cancellations_as_errors
from docaxis.kafka.topics import Topics
from docaxis.kafka.waiting import Patience, first_of, has_waited, sleep_unless, within
from monitor.histogram import Histogram
from streams.batch import TP, BatchApp, BatchHooks, BatchSettings, Position, batch_topic, build_app, run_app
from streams.closing import tell_closings
from streams.state import Duties, PartitionState, StateBounds
from streams.store import TRANSACTION_TIMEOUT_MS, StateStore

log = logging.getLogger(__name__)

#: A snapshot is given up after twice the timeout of its transaction.
SAVED_WITHIN_S = 2 * TRANSACTION_TIMEOUT_MS / 1000

#: Counting may wait a tenth of a second for fuller fetches: a chunk costs Faust and numpy about as much as 100 records.
#: The bytes are those on the wire, where compressed events take a twentieth of their size: what one fetch may hold of
#: sixteen partitions of four topics is forty megabytes of events.
READING = BatchSettings(
    fetch_min_bytes=128 * 1024, fetch_max_bytes=2 * 1024 * 1024, max_partition_fetch_bytes=128 * 1024
)


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """How a stream worker runs."""

    client: Mapping[str, Any]
    topics: Topics
    partitions: int
    group: str
    meter: bool = True
    ledger: bool = True
    bounds: StateBounds = field(default_factory=StateBounds)
    snapshot_interval_s: float = 2.0
    snapshot_share_max: float = 0.1  # of the time: a state that takes long to prepare is stored less often


@dataclass(slots=True)
class WorkerStats:
    """What the worker did; read by the metrics collector."""

    records: int = 0
    redelivered: int = 0  # below a position: skipped
    snapshots: int = 0
    snapshot: Histogram = field(default_factory=Histogram)
    snapshot_at_us: int = 0
    snapshot_bytes: int = 0
    sessions: int = 0
    rebalances: int = 0  # times that the group gave partitions to this worker
    assigned_ns: int | None = None  # when this session last did, by the monotonic clock


class StreamWorker:
    """One worker; `states` are the partitions it owns now."""

    def __init__(self, settings: WorkerSettings, clock: Clock, stats: WorkerStats) -> None:
        self._settings = settings
        self._clock = clock
        self.stats = stats
        self.states: dict[int, PartitionState] = {}
        self._stores: dict[int, StateStore] = {}
        self._stored: dict[int, dict[str, int]] = {}  # positions of the newest snapshot
        self._saving = asyncio.Lock()
        self.app: BatchApp | None = None
        #: Told of each partition's state when it was opened, before anything is folded into it.
        self.on_opened: Callable[[int, PartitionState], None] = lambda number, state: None
        #: Where this worker answers questions about its partitions; goes into their readings.
        self.url = ""
        self.control = ControlFeed(settings.client, settings.topics)
        self._duties = Duties(settings.partitions, settings.meter, settings.ledger, self.control.plans)

    def event_topics(self) -> list[str]:
        """Return the topics to read: the ledger alone does without the delivered records."""
        topics = self._settings.topics
        meter_only = [topics.delivered] if self._settings.meter else []
        return [topics.sent, topics.status, topics.refused, *meter_only]

    # --- ownership, told by the transport

    async def assigned(self, tps: Iterable[TP]) -> None:
        """Open the state of every partition number that came to this worker."""
        self.stats.rebalances += 1
        self.stats.assigned_ns = self._clock.monotonic_ns()
        numbers = {tp.partition for tp in tps} - self._stores.keys()
        opening = [asyncio.ensure_future(self._open(number)) for number in sorted(numbers)]
        try:
            await asyncio.gather(*opening)
        finally:  # one that failed ends the session: what the others would open nobody would own
            for task in opening:
                task.cancel()
            await asyncio.gather(*opening, return_exceptions=True)

    async def _open(self, number: int) -> None:
        settings = self._settings
        store = StateStore(settings.client, settings.topics, settings.group, number, self._clock, self.url)
        self._stores[number] = store
        state = await store.open(self._duties, settings.bounds)
        if self._stores.get(number) is not store:
            return  # let go of meanwhile
        self._stored[number] = dict(state.positions)
        self.on_opened(number, state)
        state.changed = bool(self.url)  # a snapshot soon, so that everybody learns who owns the partition now
        self.states[number] = state

    async def revoking(self, tps: Iterable[TP]) -> None:
        """Store what is known of the partitions, still as their owner: the last commit then covers all of it."""
        await self._save({tp.partition for tp in tps} & self.states.keys())

    async def revoked(self, tps: Iterable[TP]) -> None:
        """Let go of the partitions, after that commit."""
        await self._close({tp.partition for tp in tps} & self._stores.keys())

    async def _close(self, numbers: Iterable[int]) -> None:
        for number in list(numbers):
            self.states.pop(number, None)
            self._stored.pop(number, None)
            if (store := self._stores.pop(number, None)) is not None:
                await store.close()

    def commit_limit(self, tp: TP) -> int | None:
        """Return the offset up to which this topic's records are in a stored snapshot."""
        return self._stored.get(tp.partition, {}).get(self._settings.topics.short_name(tp.topic), 0)

    # --- records

    def fold(self, topic: str, partition: int, records: list[Any]) -> None:
        """Count a chunk of consecutive records of one partition."""
        state = self.states.get(partition)
        if state is None:  # lost between fetch and now: its new owner reads them
            return
        new = state.fold(self._settings.topics.short_name(topic), records, self._clock.wall_us())
        self.stats.records += new
        self.stats.redelivered += len(records) - new

    # --- snapshots

    async def keep_snapshots(self) -> None:
        """Store changed partitions, for ever: at the interval while records come, at once when they stop coming."""
        pause_s, seen, stored_ns, took_ns = 0.2, -1, self._clock.monotonic_ns(), 0
        settings = self._settings
        while True:
            await asyncio.sleep(pause_s)
            interval_ns = max(settings.snapshot_interval_s * 1e9, took_ns / settings.snapshot_share_max)
            quiet, seen = seen == self.stats.records, self.stats.records
            started_ns = self._clock.monotonic_ns()
            if not quiet and started_ns - stored_ns < interval_ns:
                continue
            took_ns = await self._save({number for number, state in self.states.items() if state.changed})
            stored_ns = self._clock.monotonic_ns()

    async def _save(self, numbers: Iterable[int]) -> int:
        """Store these partitions; return the nanoseconds for which nothing else could be done meanwhile."""
        took_ns = 0
        async with self._saving:
            for number in sorted(numbers):
                state = self.states.get(number)
                if state is None or not state.changed:
                    continue
                started_ns = self._clock.monotonic_ns()
                store = self._stores[number]
                what = f"partition {number}: its state was not stored"
                self._stored[number] = await within(SAVED_WITHIN_S, store.save(state), what)
                self.stats.snapshot_bytes += store.saved_bytes
                self.stats.snapshots += 1
                self.stats.snapshot.observe_one((self._clock.monotonic_ns() - started_ns) // 1000)
                self.stats.snapshot_at_us = self._clock.wall_us()
                took_ns += store.prepared_ns
        return took_ns

    async def run(self, stop: asyncio.Event) -> None:
        """Be a member of the workers' group until told to stop; raise what made it impossible to go on."""
        hooks = BatchHooks(self.assigned, self.revoking, self.revoked, self.commit_limit)
        app = build_app(self._settings.group, self._settings.client, hooks=hooks, settings=READING)
        events = batch_topic(app, *self.event_topics(), queue_chunks=4)

        @app.agent(events)
        async def count(stream: Any) -> None:
            async for event in stream.events():
                self.fold(event.message.topic, event.message.partition, event.value)
                await asyncio.sleep(0)  # a scrape or a heartbeat waits for one chunk, not for all that are queued

        self.app = app
        self.stats.sessions += 1
        following = asyncio.ensure_future(self.control.follow(stop))
        await first_of(self.control.caught_up.wait(), stop.wait())  # phases must be known before events are counted
        ended = asyncio.Event()
        running = asyncio.ensure_future(run_app(app, ended))
        storing = asyncio.ensure_future(self.keep_snapshots())
        telling = asyncio.ensure_future(
            tell_closings(self._settings.client, self._settings.topics, self.states, self._clock, stop)
        )
        stopping = asyncio.ensure_future(stop.wait())
        try:
            helping = (storing, following, telling)
            await asyncio.wait({running, stopping, *helping}, return_when=asyncio.FIRST_COMPLETED)
            for one in helping:
                if one.done():
                    one.result()
        finally:
            async with self._saving:  # let a snapshot that has begun be finished: after half of one no other may follow
                storing.cancel()
            stopping.cancel()
            telling.cancel()
            following.cancel()
            ended.set()
            try:
                await running
            finally:
                await asyncio.gather(telling, return_exceptions=True)
                await self._close(list(self._stores))  # those, too, whose state could not be opened

    def positions(self) -> dict[TP, Position]:
        """Return how far each assigned partition is, from memory."""
        return self.app.positions() if self.app is not None else {}

    def consumer_loop(self) -> asyncio.AbstractEventLoop | None:
        """Return the event loop that the Kafka consumer has to itself, if there is one now."""
        return self.app.consumer_loop() if self.app is not None else None


async def run_worker(worker: StreamWorker, clock: Clock, stop: asyncio.Event, give_up_after_s: float = 120.0) -> None:
    """Run a worker until `stop` is set, beginning anew after every failure: the stored state says where.

    Raises:
        InfrastructureError: nothing could be counted for `give_up_after_s` because of repeated failures.
    """
    patience, stats = Patience(give_up_after_s), worker.stats
    while not stop.is_set():
        snapshots, stats.assigned_ns = stats.snapshots, None
        try:
            with client_cancellations_as_errors():
                await worker.run(stop)
        except (KafkaError, OSError) as error:
            log.warning("stream worker begins anew after %s: %s", type(error).__name__, error)
            now_s = clock.monotonic_ns() / 1e9
            if patience.ends(now_s, good=stats.snapshots > snapshots or has_waited(stats.assigned_ns, now_s)):
                raise InfrastructureError(
                    f"the stream worker could not store anything for {give_up_after_s:.0f} s: {error}",
                    next_step="look at the broker's log, then start the worker again; nothing is counted twice",
                ) from error
            await sleep_unless(stop, 0.5)
