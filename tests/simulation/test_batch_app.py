"""A batch app in memory, step by step: the commit limit, the hooks, what is counted and what is refused."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from faust.exceptions import ImproperlyConfigured

from streams.batch import TP, BatchApp, BatchHooks, BatchSettings, batch_topic, build_app, run_app
from streams.batch.app import QUIET_LOGGERS
from tests.support.memory_transport import MEMORY_CLIENT, MemoryBroker, use_memory_transport

EVENTS = TP("events", 0)
SETTINGS = BatchSettings(chunk_size=10, commit_interval_s=0.01)


@pytest.fixture
def broker() -> MemoryBroker:
    """Give a broker with one partition of 25 records."""
    broker = MemoryBroker()
    broker.create_topic(EVENTS.topic, 1)
    for number in range(25):
        broker.produce(EVENTS.topic, b"%d" % number, EVENTS.partition)
    return broker


def app_on(broker: MemoryBroker, hooks: BatchHooks | None = None) -> BatchApp:
    """Return an app on the broker, without agents."""
    app = build_app("app", MEMORY_CLIENT, hooks=hooks, settings=SETTINGS)
    use_memory_transport(app, broker)
    return app


def collect(app: BatchApp, into: list[list[int]]) -> None:
    """Give the app an agent that collects the offsets of each chunk."""

    async def agent(stream) -> None:  # type: ignore[no-untyped-def]  # Faust resolves annotations of agents
        async for event in stream.events():
            offsets = [record.offset for record in event.value]
            into.append(offsets)

    app.agent(batch_topic(app, EVENTS.topic), name="collect")(agent)


@asynccontextmanager
async def running(app: BatchApp) -> AsyncIterator[None]:
    """Run the app; a graceful stop at the end."""
    stop = asyncio.Event()
    task = asyncio.ensure_future(run_app(app, stop))
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait_for(task, 10)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something to become true."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  # any state, not one event
            await asyncio.sleep(0.005)


async def test_chunks_are_consecutive_records_of_bounded_number(broker: MemoryBroker) -> None:
    app, chunks = app_on(broker), list[list[int]]()
    collect(app, chunks)
    async with running(app):
        await until(lambda: bool(app.positions()) and app.positions()[EVENTS].drained)
    assert chunks == [[*range(10)], [*range(10, 20)], [*range(20, 25)]]
    assert app.monitor.messages_received_total == app.monitor.events_total == 25
    assert broker.committed["app"][EVENTS] == 25


async def test_commits_follow_the_limit_and_the_rest_is_committed_at_the_stop(broker: MemoryBroker) -> None:
    limit = 0

    async def revoking(tps: frozenset[TP]) -> None:
        nonlocal limit
        limit = 25

    app, chunks = app_on(broker, BatchHooks(on_revoking=revoking, commit_limit=lambda tp: limit)), list[list[int]]()
    collect(app, chunks)
    committed = broker.committed["app"]
    async with running(app):
        await until(lambda: bool(app.positions()) and app.positions()[EVENTS].drained)
        await asyncio.sleep(0.05)
        assert committed == {}
        limit = 13
        await until(lambda: committed.get(EVENTS) == 13)
        position = app.positions()[EVENTS]
        assert (position.delivered, position.processed, position.committed) == (25, 25, 13)
    assert committed == {EVENTS: 25}


async def test_hooks_come_in_order_and_no_chunk_before_them(broker: MemoryBroker) -> None:
    told: list[str] = []
    chunks: list[list[int]] = []

    async def assigned(tps: frozenset[TP]) -> None:
        await asyncio.sleep(0.05)  # Faust resumes the flow meanwhile
        told.append(f"assigned after {len(chunks)} chunks")

    async def revoking(tps: frozenset[TP]) -> None:
        told.append(f"revoking, committed {broker.committed['app'].get(EVENTS)}")

    async def revoked(tps: frozenset[TP]) -> None:
        told.append(f"revoked, committed {broker.committed['app'].get(EVENTS)}")

    hooks = BatchHooks(assigned, revoking, revoked, lambda tp: 25 if len(told) % 3 == 2 else 0)
    app = app_on(broker, hooks)
    collect(app, chunks)
    async with running(app):
        await until(lambda: bool(app.positions()) and app.positions()[EVENTS].drained)
        await app.consumer.rebalance()  # type: ignore[attr-defined]  # the in-memory consumer
        await until(lambda: len(told) == 4)
    assert told == [
        "assigned after 0 chunks",
        "revoking, committed None",
        "revoked, committed 25",
        "assigned after 3 chunks",
        "revoking, committed 25",
        "revoked, committed 25",
    ]


async def test_second_app_goes_on_where_the_first_stopped(broker: MemoryBroker) -> None:
    chunks: list[list[int]] = []
    for _ in range(2):
        app = app_on(broker)
        collect(app, chunks)
        async with running(app):
            await until(lambda app=app: bool(app.positions()) and app.positions()[EVENTS].drained)  # type: ignore[misc]
    assert sum(chunks, []) == [*range(25)]  # noqa: RUF017  # three chunks


async def test_plain_agent_is_refused(broker: MemoryBroker) -> None:
    app = app_on(broker)
    app.agent(app.topic(EVENTS.topic), name="plain")(_idle)
    with pytest.raises(ImproperlyConfigured, match=r"not a batch topic.*batch_topic\(\)"):
        await asyncio.wait_for(run_app(app, asyncio.Event()), 10)


async def test_two_agents_on_one_topic_are_refused(broker: MemoryBroker) -> None:
    app = app_on(broker)
    app.agent(batch_topic(app, EVENTS.topic), name="one")(_idle)
    app.agent(batch_topic(app, EVENTS.topic), name="two")(_idle)
    with pytest.raises(ImproperlyConfigured, match="two agents read"):
        await asyncio.wait_for(run_app(app, asyncio.Event()), 10)


def test_loggers_are_quiet_unless_somebody_chose_a_level() -> None:
    chosen = logging.getLogger("mode")
    before = {name: logging.getLogger(name).level for name in QUIET_LOGGERS}
    try:
        for name in QUIET_LOGGERS:
            logging.getLogger(name).setLevel(logging.NOTSET)
        chosen.setLevel(logging.INFO)
        build_app("app", MEMORY_CLIENT)
        assert logging.getLogger("faust").level == logging.WARNING
        assert chosen.level == logging.INFO
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)


def test_connection_settings_reach_the_client_as_they_are() -> None:
    client: dict[str, Any] = {
        "bootstrap_servers": "a:1,b:2",
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "PLAIN",
    }
    app = build_app("app", client, settings=BatchSettings(session_timeout_s=9))
    options = app.transport.consumer_options  # type: ignore[attr-defined]
    assert client.items() <= options.items()
    assert (options["group_id"], options["session_timeout_ms"]) == ("app", 9000)


async def _idle(stream) -> None:  # type: ignore[no-untyped-def]
    async for _ in stream.events():
        pass
