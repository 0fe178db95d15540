"""A transaction that was open when its broker died stays aborted, also when its producer goes on after the restart."""

import asyncio
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition

from docaxis.kafka.broker import EmbeddedBroker
from docaxis.kafka.client import client_kwargs
from docaxis.kafka.topics import Topics, ensure_topics, plan_topics
from docaxis.settings import TopicSettings
from tests.conftest import settings_at
from tests.support.truth import read_all

#: Over when the broker is back: at its first look it aborts the transaction, whether it leads anything again or not.
DYING_TIMEOUT_MS, SUCCESSOR_TIMEOUT_MS = 5_000, 60_000


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_what_a_killed_broker_held_open_is_never_committed(tmp_path: Path) -> None:
    settings = TopicSettings(prefix="fenced", partitions=2)
    topic = Topics(settings.prefix).delivered

    def producer(broker: EmbeddedBroker, timeout_ms: int) -> AIOKafkaProducer:
        return AIOKafkaProducer(
            **client_kwargs(broker.kafka), transactional_id="hub-0", transaction_timeout_ms=timeout_ms
        )

    async def write(writer: AIOKafkaProducer, value: bytes) -> None:
        for partition in range(settings.partitions):
            await writer.send_and_wait(topic, value, partition=partition)

    async def run(broker: EmbeddedBroker) -> None:
        await ensure_topics(broker.kafka, plan_topics(settings))
        dying = producer(broker, DYING_TIMEOUT_MS)
        await dying.start()
        await dying.begin_transaction()
        await write(dying, b'"aborted"')
        await asyncio.to_thread(broker.kill)
        await asyncio.sleep(DYING_TIMEOUT_MS / 1000)
        await asyncio.to_thread(broker.restart)
        await dying.client.close()
        dying._closed = True
        async with producer(broker, SUCCESSOR_TIMEOUT_MS) as successor, successor.transaction():
            await write(successor, b'"committed"')
            await successor.send_offsets_to_transaction({TopicPartition(topic, 0): 1}, "hub")
        async with asyncio.timeout(120):  # a transaction without an end would hold up this reader for ever
            found = await read_all(client_kwargs(broker.kafka), topic, settings.partitions)
        assert [one.event for one in found] == ["committed"] * settings.partitions
        everything = await read_all(client_kwargs(broker.kafka), topic, settings.partitions, committed=False)
        assert sorted(one.event for one in everything) == sorted(["aborted", "committed"] * settings.partitions)

    with EmbeddedBroker(settings_at(tmp_path)) as broker:
        asyncio.run(run(broker))
