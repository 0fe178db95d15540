"""Randomised runs of a whole batch app in memory: rebalances, lost partitions, queue clears, failed commits, crashes.

Each seed is one story of several workers, one after another, over logs with unreadable offsets, told in virtual time:
the same seed gives the same interleaving. Add a seed that failed to `FAILED_ONCE`.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping

import pytest

from streams.batch import TP, BatchApp, BatchHooks, BatchSettings, batch_topic, build_app, run_app
from tests.support.memory_transport import MEMORY_CLIENT, MemoryBroker, MemoryConsumer, use_memory_transport
from tests.support.virtual_time import run_in_virtual_time

TOPICS = ("a", "b")
PARTITIONS = 3
#: A fetch across a rebalance took the client's place for the partition's beginning, and skipped what lay before it.
FAILED_ONCE = (91,)
SEEDS = (*range(12), *FAILED_ONCE)
#: Records flowed again in the middle of a hand-over: a chunk came after the partitions were given back, or was asked of
#: a partition that was gone.
OVERTAKEN_ONCE = (10, 17, 20, 41)
TPS = {TP(topic, number) for topic in TOPICS for number in range(PARTITIONS)}


#: What goes wrong while a worker lives; ends by itself, or when the story does.
Disturb = Callable[["Worker", random.Random, asyncio.Event], Awaitable[None]]


class Injected(Exception):
    """A failure that the story asked for."""


class Store:
    """Durable state: which records each partition counted, and up to where that is true."""

    def __init__(self) -> None:
        self.counted: dict[TP, Counter[int]] = {tp: Counter() for tp in TPS}
        self.position: dict[TP, int] = dict.fromkeys(TPS, 0)


class Worker:
    """An application with state in memory that it stores now and then, checking what it is given."""

    def __init__(self, broker: MemoryBroker, store: Store, rng: random.Random, gated: bool) -> None:
        self.broker, self.store, self.rng = broker, store, rng
        self.owned: dict[TP, tuple[Counter[int], int]] = {}
        self.durable: dict[TP, int] = {}
        self.redelivered = 0
        self.chunks = 0
        self.fails_at_chunk: int | None = None
        self.busy = 0
        self.handovers: list[str] = []
        self.saves_each_chunk = not gated
        limit = self.commit_limit if gated else lambda tp: None
        hooks = BatchHooks(self.on_assigned, self.on_revoking, self.on_revoked, limit)
        settings = BatchSettings(chunk_size=rng.choice([1, 7, 50]), commit_interval_s=0.02)
        self.app: BatchApp = build_app("story", MEMORY_CLIENT, hooks=hooks, settings=settings)
        use_memory_transport(self.app, broker)
        topic = batch_topic(self.app, *TOPICS, queue_chunks=rng.choice([2, 8]))
        self.app.agent(topic, name="count")(self.count)

    @property
    def consumer(self) -> MemoryConsumer:
        consumer = self.app.consumer
        assert isinstance(consumer, MemoryConsumer)
        return consumer

    async def on_assigned(self, tps: frozenset[TP]) -> None:
        assert not self.owned, "assigned before the last partitions were handed back"
        self.handovers.append("assigned")
        await asyncio.sleep(self.rng.choice([0, 0.003]))
        for tp in tps:
            self.owned[tp] = Counter(self.store.counted[tp]), self.store.position[tp]
            self.durable[tp] = self.store.position[tp]

    async def on_revoking(self, tps: frozenset[TP]) -> None:
        assert tps == self.owned.keys()
        assert self.busy == 0, "a chunk is in progress"
        self.handovers.append("revoking")
        await asyncio.sleep(self.rng.choice([0, 0.003]))
        self.save()

    async def on_revoked(self, tps: frozenset[TP]) -> None:
        self.handovers.append("revoked")
        self.owned.clear()

    def save(self) -> None:
        for tp, (counted, position) in self.owned.items():
            self.store.counted[tp], self.store.position[tp] = Counter(counted), position
            self.durable[tp] = position

    def commit_limit(self, tp: TP) -> int | None:
        return self.durable.get(tp, 0)

    async def count(self, stream) -> None:  # type: ignore[no-untyped-def]  # Faust wants no annotation it cannot resolve
        async for event in stream.events():
            self.busy += 1
            try:
                await self.fold(TP(event.message.topic, event.message.partition), event.value)
            finally:
                self.busy -= 1

    async def fold(self, tp: TP, records: list) -> None:  # type: ignore[type-arg]
        self.chunks += 1
        if self.chunks == self.fails_at_chunk:
            raise Injected
        if self.rng.random() < 0.1:
            await asyncio.sleep(self.rng.choice([0, 0.002, 0.01]))
        counted, position = self.owned[tp]
        for record in records:
            if record.offset < position:
                self.redelivered += 1
                continue
            unseen = self.broker.logs[tp][position : record.offset]
            assert not any(unseen), f"{tp}: jumped from {position} to {record.offset}"
            counted[record.offset] += 1
            position = record.offset + 1
        self.owned[tp] = counted, position
        if self.saves_each_chunk:
            self.save()


def _fill(broker: MemoryBroker, rng: random.Random, records: int) -> None:
    """Append readable records in runs, with runs of unreadable offsets between them."""
    for tp in sorted(TPS):
        left = records
        while left > 0:
            run = min(left, rng.randint(1, 120))
            for _ in range(run):
                broker.produce(tp.topic, b"x", tp.partition)
            for _ in range(rng.choice([0, 1, 1, 5, 130])):
                broker.produce(tp.topic, None, tp.partition)
            left -= run


def _watch_commits(broker: MemoryBroker, store: Store, gated: bool) -> None:
    """Hold the law of commits: never back, never past what is processed and durable."""

    class Watched(dict[TP, int]):
        def update(self, offsets: Mapping[TP, int]) -> None:  # type: ignore[override]
            for tp, offset in offsets.items():
                assert offset >= self.get(tp, 0), f"{tp}: committed {offset} after {self.get(tp, 0)}"
                if gated:
                    beyond = broker.logs[tp][store.position[tp] : offset]
                    assert not any(beyond), f"{tp}: committed {offset}, durable up to {store.position[tp]}"
            super().update(offsets)

    broker.committed["story"] = Watched()


async def _disturb(worker: Worker, rng: random.Random, stop: asyncio.Event) -> None:
    """Do what goes wrong in a cluster until all is drained or the story ends in a crash."""
    app, consumer = worker.app, worker.consumer
    for _ in range(rng.randint(0, 30)):
        await asyncio.sleep(rng.uniform(0.0, 0.04))
        if stop.is_set():
            return
        match rng.randrange(8):
            case 0:
                await consumer.rebalance()
            case 1:  # another worker joins and takes some, then leaves
                await consumer.rebalance(set(rng.sample(sorted(TPS), rng.randint(0, 5))))
                await asyncio.sleep(rng.uniform(0, 0.02))
                await consumer.rebalance(set(TPS))
            case 2 if app.flow_control.is_active():  # Faust does so on any resume
                app.flow_control.resume()
            case 3:
                worker.save()
            case 4:
                await consumer.commit()


async def _hurry(worker: Worker, rng: random.Random, stop: asyncio.Event) -> None:
    """Begin rebalances while the worker is still taking up what the last one gave it."""
    for _ in range(rng.randint(1, 12)):
        await asyncio.sleep(rng.uniform(0.0, 0.04))
        for _ in range(rng.randint(2, 4)):
            if stop.is_set():
                return
            await worker.consumer.rebalance()
            await asyncio.sleep(rng.choice([0, 0, 0.005, 0.02]))


async def _live(worker: Worker, rng: random.Random, end: str, disturb: Disturb) -> None:
    """Run one worker until it has drained the logs, is stopped in the middle, or crashes."""
    stop = asyncio.Event()
    running = asyncio.ensure_future(run_app(worker.app, stop))
    while not worker.app.started or worker.app._consumer is None or not worker.consumer._assigned:
        await asyncio.sleep(0.01)
        assert not running.done(), running.result()
    disturbing = asyncio.ensure_future(disturb(worker, rng, stop))
    if end in ("drained", "failing agent"):  # the agent may have nothing left to fail at
        while not (running.done() or _is_drained(worker)):  # noqa: ASYNC110  # that is how an application sees it
            await asyncio.sleep(0.005)
    else:
        await asyncio.sleep(rng.uniform(0.0, 0.4))
    if end == "crash":
        await worker.app.crash(Injected())
    stop.set()
    try:
        await running
    except Injected:
        assert end in ("crash", "failing agent")
    else:
        assert end != "crash"
        assert worker.handovers[-1] == "revoked"
    disturbing.cancel()


def _is_drained(worker: Worker) -> bool:
    positions = worker.app.positions()
    return positions.keys() == TPS and all(position.drained for position in positions.values())


async def _story(seed: int, disturb: Disturb) -> None:
    rng = random.Random(seed)
    broker, store = MemoryBroker(), Store()
    gated = rng.random() < 0.7
    for topic in TOPICS:
        broker.create_topic(topic, PARTITIONS)
    _fill(broker, rng, records=400)
    _watch_commits(broker, store, gated)

    async def pause(_operation: str) -> None:
        await asyncio.sleep(rng.choice([0, 0, 0, 0.001, 0.01]))

    broker.pause = pause
    for end in [*rng.choices(["crash", "failing agent", "stop"], k=2), "drained"]:
        worker = Worker(broker, store, rng, gated)
        if end == "failing agent":
            worker.fails_at_chunk = rng.randint(1, 60)
        await asyncio.wait_for(_live(worker, rng, end, disturb), 30)
        if end != "drained":
            _fill(broker, rng, records=200)
    for tp in TPS:
        readable = {offset for offset, record in enumerate(broker.logs[tp]) if record is not None}
        assert store.counted[tp] == Counter(readable), f"{tp}: counted not what is there"
        assert broker.committed["story"].get(tp, 0) == len(broker.logs[tp]), f"{tp}: committed to the end"


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_is_lost_or_committed_too_early(seed: int) -> None:
    run_in_virtual_time(_story(seed, _disturb), seed)


@pytest.mark.parametrize("seed", OVERTAKEN_ONCE)
def test_a_rebalance_may_begin_while_the_one_before_is_not_over(seed: int) -> None:
    run_in_virtual_time(_story(seed, _hurry), seed)
