"""The batch transport on a real broker: crashes, rebalances, transactions, a broker that goes away."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaConnectionError

from docaxis.domain.clock import ManualClock
from docaxis.kafka.broker import EmbeddedBroker
from docaxis.kafka.topics import Topics
from docaxis.settings import KafkaSettings
from monitor.standstill import LOOP_STILL_NS, LoopWatch
from streams.batch import TP, BatchHooks, batch_topic, build_app, run_app
from tests.support.batch_worker import CountingWorker

PARTITIONS = 4  # what the topics fixture creates
ROOT = Path(__file__).parents[2]
DEADLINE_S = 30.0
#: A stop without a broker: a periodic commit and the last one give up after a session (6 s) each.
STOP_S = 20.0


async def produce(servers: str, topics: Sequence[str], records: int, *, transactions: int = 0) -> int:
    """Write `records` to each partition, values 1 to `records`; return their sum.

    With `transactions`, in so many of them per partition; every third one is aborted, and its records (value 0, as
    many as in the others) come on top.
    """
    producer = AIOKafkaProducer(
        bootstrap_servers=servers, acks="all", transactional_id=f"{topics[0]}-writer" if transactions else None
    )
    await producer.start()
    try:
        values = list(range(1, records + 1))
        size = -(-records // transactions) if transactions else records
        for number, start in enumerate(range(0, records, size)):
            chunk = values[start : start + size]
            if not transactions:
                await _write(producer, topics, chunk)
                continue
            if number % 3 == 1:
                await producer.begin_transaction()
                await _write(producer, topics, [0] * size)
                await producer.abort_transaction()
            async with producer.transaction():
                await _write(producer, topics, chunk)
    finally:
        await producer.stop()
    return sum(values)


async def _write(producer: AIOKafkaProducer, topics: Sequence[str], values: Sequence[int]) -> None:
    answers = []
    for topic in topics:
        for partition in range(PARTITIONS):
            batch = producer.create_batch()
            for value in values:
                if batch.append(key=None, value=b"%d" % value, timestamp=None) is None:
                    answers.append(await producer.send_batch(batch, topic, partition=partition))
                    batch = producer.create_batch()
                    batch.append(key=None, value=b"%d" % value, timestamp=None)
            answers.append(await producer.send_batch(batch, topic, partition=partition))
    await asyncio.gather(*answers)


async def committed_and_ends(servers: str, group: str, topics: Sequence[str]) -> tuple[list[int | None], list[int]]:
    """Return the group's committed offsets and the ends of the log, partition by partition."""
    consumer = AIOKafkaConsumer(bootstrap_servers=servers, group_id=group, enable_auto_commit=False)
    await consumer.start()
    try:
        tps = [TopicPartition(topic, number) for topic in topics for number in range(PARTITIONS)]
        ends = await consumer.end_offsets(tps)
        return [await consumer.committed(tp) for tp in tps], [ends[tp] for tp in tps]
    finally:
        await consumer.stop()


async def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for something to become true, within the deadline."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, f"not within {DEADLINE_S} s: {what}"
        await asyncio.sleep(0.02)


async def until_committed(options: dict[str, Any]) -> None:
    """Wait until the group has committed something: a worker commits by the clock, however much it has read."""
    deadline = time.monotonic() + DEADLINE_S
    while not any((await committed_and_ends(options["bootstrap_servers"], options["group"], options["topics"]))[0]):
        assert time.monotonic() < deadline, f"nothing was committed within {DEADLINE_S} s"


@asynccontextmanager
async def running(worker: CountingWorker) -> AsyncIterator[CountingWorker]:
    """Run a worker in this process; a graceful stop at the end."""
    stop = asyncio.Event()
    task = asyncio.ensure_future(worker.run(stop))
    try:
        yield worker
    finally:
        stop.set()
        await asyncio.wait_for(task, DEADLINE_S)


@contextmanager
def process(options: dict[str, Any]) -> Iterator[subprocess.Popen[bytes]]:
    """Run a worker as a process of its own; it does not outlive the block."""
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tests.support.batch_worker", json.dumps(options)]
    with subprocess.Popen(command, env=environ, cwd=ROOT) as child:
        try:
            yield child
        finally:
            child.kill()


async def until_drained(worker: CountingWorker) -> None:
    """Wait until the worker owns all partitions of two topics and has processed what they hold."""

    def is_drained() -> bool:
        positions = worker.app.positions()
        return len(positions) == 2 * PARTITIONS and all(position.drained for position in positions.values())

    await until(is_drained, "drained")


def stored(folder: Path, what: str) -> dict[tuple[str, int], int]:
    """Return what the workers stored, by topic and partition."""
    found = {}
    for file in folder.glob("state-*.json"):
        kept = json.loads(file.read_text())[what]
        found.update({(topic, int(file.stem.split("-")[1])): value for topic, value in kept.items()})
    return found


def journal(folder: Path, name: str, event: str) -> list[dict[str, Any]]:
    """Return what one worker told of its partitions."""
    file = folder / f"journal-{name}"
    lines = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    return [line for line in lines if line["event"] == event]


@pytest.fixture
def options(kafka: KafkaSettings, topics: Topics, tmp_path: Path) -> dict[str, Any]:
    """Give what a worker on two co-partitioned topics of this test needs."""
    return {
        "bootstrap_servers": kafka.bootstrap_servers,
        "group": f"{topics.prefix}-counters",
        "topics": [topics.sent, topics.status],
        "folder": str(tmp_path),
    }


async def test_aborted_records_never_arrive_and_nothing_comes_twice_after_a_stop(
    options: dict[str, Any], tmp_path: Path
) -> None:
    total = await produce(options["bootstrap_servers"], options["topics"], 3000, transactions=12)
    for _ in range(2):
        async with running(CountingWorker(options)) as worker:
            await until_drained(worker)
        assert worker.redelivered == 0
        assert [*stored(tmp_path, "records").values()] == [3000] * 2 * PARTITIONS
        assert [*stored(tmp_path, "total").values()] == [total] * 2 * PARTITIONS
    committed, ends = await committed_and_ends(options["bootstrap_servers"], options["group"], options["topics"])
    assert committed == ends, "markers and aborted records at the end count as passed"
    assert min(ends) > 3000


async def test_an_open_transaction_holds_back_the_end_that_counts(options: dict[str, Any]) -> None:
    servers, topics = options["bootstrap_servers"], options["topics"]
    producer = AIOKafkaProducer(bootstrap_servers=servers, acks="all", transactional_id=f"{topics[0]}-open")
    await producer.start()
    await producer.begin_transaction()
    await _write(producer, topics[:1], [1, 2, 3])
    async with running(CountingWorker(options)) as worker:
        tp = TP(topics[0], 0)
        await until_drained(worker)
        assert (worker.app.positions()[tp].stable_end, worker.app.positions()[tp].end) == (0, 3)
        await producer.commit_transaction()
        await until(lambda: worker.owned[0].records.get(topics[0]) == 3, "three records")
        await until(lambda: worker.app.positions()[tp].processed == 4, "the marker passed")
    await producer.stop()


async def test_a_consumer_whose_thread_is_held_is_found_by_its_loop(options: dict[str, Any]) -> None:
    clock, held = ManualClock(0), threading.Event()
    async with running(CountingWorker(options)) as worker:
        await until_drained(worker)
        watch = LoopWatch(worker.app.consumer_loop, clock)
        loop = worker.app.consumer_loop()
        assert loop is not None
        assert loop is not asyncio.get_running_loop()
        loop.call_soon_threadsafe(held.wait)
        assert watch.fault() is None
        clock.advance_us(LOOP_STILL_NS // 1000)
        assert watch.fault() is not None  # while the loop that serves /healthz goes on
        held.set()
        await until(lambda: watch.fault() is None, "a loop that turns again")
    clock.advance_us(LOOP_STILL_NS // 1000)
    assert watch.fault() is None


async def test_killed_worker_goes_on_where_its_state_ends(options: dict[str, Any], tmp_path: Path) -> None:
    total = await produce(options["bootstrap_servers"], options["topics"], 3000)
    with process({**options, "name": "killed", "chunk_size": 50, "chunk_delay_s": 0.005}) as child:
        await until(lambda: sum(stored(tmp_path, "records").values()) > 1000, "1,000 records stored")
        await until_committed(options)
        child.send_signal(signal.SIGKILL)
    before = stored(tmp_path, "position")
    committed, _ = await committed_and_ends(options["bootstrap_servers"], options["group"], options["topics"])
    durable = [before.get((topic, number), 0) for topic in options["topics"] for number in range(PARTITIONS)]
    assert all((offset or 0) <= limit for offset, limit in zip(committed, durable, strict=True))
    assert any(committed)
    async with running(CountingWorker({**options, "name": "next"})) as worker:
        await until_drained(worker)
    assert [*stored(tmp_path, "records").values()] == [3000] * 2 * PARTITIONS
    assert [*stored(tmp_path, "total").values()] == [total] * 2 * PARTITIONS


async def test_second_worker_joins_and_first_leaves(options: dict[str, Any], tmp_path: Path) -> None:
    servers, topics = options["bootstrap_servers"], options["topics"]
    options = {**options, "chunk_size": 50, "chunk_delay_s": 0.002}
    total = await produce(servers, topics, 4000)
    with process({**options, "name": "first"}) as first:
        await until(lambda: sum(stored(tmp_path, "records").values()) > 1000, "the first one works")
        with process({**options, "name": "second"}) as second:
            await until(lambda: bool(journal(tmp_path, "second", "assigned")), "the second one has partitions")
            await until(lambda: len(journal(tmp_path, "first", "assigned")) == 2, "the first one has the others")
            await asyncio.sleep(0.3)
            first.terminate()
            await until(lambda: len(journal(tmp_path, "second", "assigned")) == 2, "the second one has all")
            expected = 4000 * 2 * PARTITIONS
            await until(lambda: sum(stored(tmp_path, "records").values()) == expected, "all records")
            second.terminate()
            assert await asyncio.to_thread(second.wait, DEADLINE_S) == 0
        assert await asyncio.to_thread(first.wait, DEADLINE_S) == 0
    assert [*stored(tmp_path, "total").values()] == [total] * 2 * PARTITIONS
    for name in ("first", "second"):
        assert journal(tmp_path, name, "revoked")[-1]["redelivered"] == 0
        for line in journal(tmp_path, name, "assigned"):
            numbers = [{number for topic, number in line["tps"] if topic == wanted} for wanted in topics]
            assert numbers[0] == numbers[1], "a partition number is on one worker"


async def test_partition_numbers_stay_together_on_three_workers(options: dict[str, Any], topics: Topics) -> None:
    options = {**options, "topics": [*options["topics"], topics.refused]}
    workers = [CountingWorker({**options, "name": f"worker-{number}"}) for number in range(3)]

    def all_are_shared_out() -> bool:
        return sorted(len(worker.owned) for worker in workers) == [1, 1, 2]

    async with running(workers[0]), running(workers[1]), running(workers[2]):
        await until(all_are_shared_out, "four partition numbers on three workers")
        for worker in workers:
            assert {(tp.topic, tp.partition) for tp in worker.app.positions()} == {
                (topic, number) for topic in options["topics"] for number in worker.owned
            }


async def test_broker_that_goes_away_and_comes_back(
    broker: EmbeddedBroker, options: dict[str, Any], tmp_path: Path
) -> None:
    total = await produce(options["bootstrap_servers"], options["topics"], 3000)
    options = {**options, "chunk_size": 20, "chunk_delay_s": 0.002}
    (tmp_path / "other").mkdir()
    other = CountingWorker({**options, "group": f"{options['group']}-other", "folder": str(tmp_path / "other")})
    stop_other = asyncio.Event()
    other_ends = asyncio.ensure_future(other.run(stop_other))
    async with running(CountingWorker(options)) as worker:
        for each in (worker, other):
            await until(lambda each=each: any(kept.records for kept in each.owned.values()), "work")  # type: ignore[misc]
        await asyncio.to_thread(broker.kill, 1, signal.SIGKILL)
        try:
            stop_other.set()
            await asyncio.wait_for(other_ends, STOP_S)
        finally:
            await asyncio.to_thread(broker.restart, 1)
        await until_drained(worker)
    assert [*stored(tmp_path, "total").values()] == [total] * 2 * PARTITIONS


async def test_error_in_an_agent_stops_the_worker_and_commits_nothing_more(options: dict[str, Any]) -> None:
    servers, topics = options["bootstrap_servers"], options["topics"]
    await produce(servers, topics[:1], 1000)
    told: list[str] = []

    async def revoking(tps: frozenset[TP]) -> None:
        told.append("revoking")

    async def revoked(tps: frozenset[TP]) -> None:
        told.append("revoked")

    hooks = BatchHooks(on_revoking=revoking, on_revoked=revoked)
    app = build_app(options["group"], {"bootstrap_servers": servers}, hooks=hooks)

    @app.agent(batch_topic(app, topics[0]))
    async def fail(stream):  # type: ignore[no-untyped-def]
        async for event in stream.events():
            raise ArithmeticError(f"cannot count {event.value[0].offset}")

    with pytest.raises(ArithmeticError, match="cannot count 0"):
        await asyncio.wait_for(run_app(app, asyncio.Event()), DEADLINE_S)
    assert told == ["revoked"]
    committed, _ = await committed_and_ends(servers, options["group"], topics[:1])
    assert not any(committed)


async def test_error_in_a_hook_is_raised(options: dict[str, Any]) -> None:
    async def refuse(tps: frozenset[TP]) -> None:
        raise LookupError("no state")

    app = build_app(
        options["group"], {"bootstrap_servers": options["bootstrap_servers"]}, hooks=BatchHooks(on_assigned=refuse)
    )
    app.agent(batch_topic(app, *options["topics"]), name="idle")(_idle)
    with pytest.raises(LookupError, match="no state"):
        await asyncio.wait_for(run_app(app, asyncio.Event()), DEADLINE_S)


@pytest.mark.parametrize("steps", [0, 1, 10, 40, 100, 200])
async def test_stop_during_the_start_leaves_nothing_running(options: dict[str, Any], steps: int) -> None:
    app = build_app(options["group"], {"bootstrap_servers": options["bootstrap_servers"]})
    app.agent(batch_topic(app, *options["topics"]), name="idle")(_idle)
    stop = asyncio.Event()
    ends = asyncio.ensure_future(run_app(app, stop))
    for _ in range(steps):  # of the loop: from before the start of the client's thread to after it
        await asyncio.sleep(0)
    stop.set()
    await asyncio.wait_for(ends, DEADLINE_S)


async def test_broker_that_is_not_there_is_an_error() -> None:
    app = build_app("nobody", {"bootstrap_servers": "127.0.0.1:9", "request_timeout_ms": 2000})
    app.agent(batch_topic(app, "events"), name="idle")(_idle)
    with pytest.raises(KafkaConnectionError):
        await asyncio.wait_for(run_app(app, asyncio.Event()), DEADLINE_S)


async def _idle(stream) -> None:  # type: ignore[no-untyped-def]
    async for _ in stream.events():
        pass
