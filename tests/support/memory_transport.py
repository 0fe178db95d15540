"""In-memory transport: boot a whole batch app (agent, queue, commits, rebalance, stop) without a broker.

    broker = MemoryBroker()
    broker.create_topic("events", partitions=4)
    broker.produce("events", b"1", partition=0)
    app = build_app("counter", MEMORY_CLIENT)
    use_memory_transport(app, broker)  # before it starts

The broker outlives the app: a second app with the same id goes on from the committed offsets. One member per group,
one event loop, no timing of a real broker: it checks logic, not durability or speed. `pause` is awaited at every
point where a real client would wait for the network, so that a test can stretch and reorder what happens there.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

import faust
from aiokafka import ConsumerRecord
from faust.transport.consumer import Consumer as StockConsumer
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from streams.batch import BatchConsumer
from streams.batch.hooks import FetchedTo
from streams.batch.transport import BatchTransport

#: Nobody connects to it.
MEMORY_CLIENT = {"bootstrap_servers": "127.0.0.1:9"}


async def _at_once(_operation: str) -> None:
    await asyncio.sleep(0)


class MemoryBroker:
    """Logs and committed offsets. A `None` in a log is an offset without a readable record: marker or aborted."""

    def __init__(self) -> None:
        self.topics: dict[str, int] = {}
        self.logs: dict[TP, list[ConsumerRecord | None]] = defaultdict(list)
        self.committed: dict[str, dict[TP, int]] = defaultdict(dict)
        self.unstable: dict[TP, int] = {}  # first offset of an open transaction
        self.pause: Callable[[str], Awaitable[None]] = _at_once

    def create_topic(self, topic: str, partitions: int) -> None:
        """Declare a topic."""
        self.topics[topic] = partitions

    def produce(self, topic: str, value: bytes | None, partition: int) -> int:
        """Append a record, or an unreadable offset for None; return its offset."""
        log = self.logs[TP(topic, partition)]
        record = value and ConsumerRecord(
            topic, partition, len(log), 1_700_000_000_000, 0, None, value, None, -1, len(value), ()
        )
        log.append(record or None)
        return len(log) - 1

    def stable_end(self, tp: TP) -> int:
        """Return the last stable offset."""
        return self.unstable.get(tp, len(self.logs[tp]))


class MemoryConsumerMixin(driver.Consumer):
    """Replaces the consumer thread and aiokafka; everything above it is the real thing."""

    last_fetch: Mapping[TP, FetchedTo]

    #: Most offsets of one partition per fetch.
    fetch_size = 4600
    transport: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._assigned: set[TP] = set()
        self._places: dict[TP, int] = {}
        self._rebalancing = asyncio.Lock()
        self._joining: asyncio.Task[None] | None = None
        self.broker: MemoryBroker = args[0].broker
        StockConsumer.__init__(self, *args, **kwargs)  # not ThreadDelegateConsumer: it would start a thread
        self._committed = self.broker.committed[self.app.conf.id]

    async def subscribe(self, topics: Iterable[str]) -> None:
        tps = {TP(topic, number) for topic in topics for number in range(self.broker.topics[topic])}
        # Not awaited: Faust answers on_partitions_assigned only after subscribe() has returned.
        self._joining = asyncio.ensure_future(self.rebalance(tps))

    async def rebalance(self, tps: set[TP] | None = None) -> None:
        """Revoke everything, then assign `tps` (default: the same again), as an eager group rebalance does."""
        async with self._rebalancing:
            assigned = set(self._assigned if tps is None else tps)
            self.app.on_rebalance_start()
            await self.on_partitions_revoked(set(self._assigned))
            await self.broker.pause("join")
            self._assigned = assigned
            self._places = {tp: self._committed.get(tp, 0) for tp in assigned}
            self.last_fetch = {}
            self.app.consumer_generation_id += 1
            await self.on_partitions_assigned(set(assigned), self.app.consumer_generation_id)

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> Mapping[TP, list[Any]]:
        await self.broker.pause("fetch")
        fetched: dict[TP, list[Any]] = {}
        if self.flow_active:
            for tp in set(active_partitions or ()) & self._assigned:
                start = self._places[tp]
                end = min(start + self.fetch_size, self.broker.stable_end(tp))
                records = [record for record in self.broker.logs[tp][start:end] if record is not None]
                if records:
                    fetched[tp] = records
                self._places[tp] = max(start, end)
            self.last_fetch = {
                tp: FetchedTo(place, self.broker.stable_end(tp), len(self.broker.logs[tp]))
                for tp, place in self._places.items()
            }
        await self.broker.pause("fetched")
        if not fetched:
            await asyncio.sleep(0.005)
        return fetched

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        generation = self.app.consumer_generation_id
        await self.broker.pause("commit")
        if generation != self.app.consumer_generation_id:
            return False
        self._committed.update({tp: offset for tp, offset in offsets.items() if tp in self._assigned})
        await self.broker.pause("committed")
        return True

    async def seek_to_committed(self) -> Mapping[TP, Any]:
        await self.broker.pause("seek to committed")
        committed = {tp: self._committed.get(tp) for tp in self._assigned}
        self._places.update({tp: offset for tp, offset in committed.items() if offset})
        await self.broker.pause("sought to committed")
        return committed

    async def seek_wait(self, partitions: Mapping[TP, int]) -> None:
        await self.broker.pause("seek")
        self._places.update({tp: offset for tp, offset in partitions.items() if tp in self._assigned})
        await self.broker.pause("sought")

    async def earliest_offsets(self, *tps: TP) -> Mapping[TP, int]:
        await self.broker.pause("list offsets")
        return dict.fromkeys(tps, 0)

    def assignment(self) -> set[TP]:
        return set(self._assigned)

    def highwater(self, tp: TP) -> int:
        return len(self.broker.logs[tp])

    def topic_partitions(self, topic: str) -> int | None:
        return self.broker.topics.get(topic)

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Nothing can stall here."""

    def close(self) -> None:
        """Nothing to close."""


class MemoryConsumer(BatchConsumer, MemoryConsumerMixin):
    """The batch consumer on a MemoryBroker."""


class MemoryTransport(BatchTransport):
    """Transport over a MemoryBroker."""

    Consumer = MemoryConsumer

    def __init__(self, app: faust.App, broker: MemoryBroker, like: BatchTransport) -> None:
        super().__init__(app, hooks=like.hooks, chunk_size=like.chunk_size, consumer_options={})
        self.broker = broker


def use_memory_transport(app: faust.App, broker: MemoryBroker) -> None:
    """Put the app on `broker`; call before it starts."""
    assert isinstance(app.transport, BatchTransport)
    app.transport = MemoryTransport(app, broker, app.transport)
