"""Whole fetches give what stock aiokafka gives: the same records from the same places, whatever is in between."""

import random
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import CorruptRecordException

from docaxis.kafka.bulk import BulkConsumer
from docaxis.kafka.topics import Topics
from docaxis.kafka.writer import BATCHES
from docaxis.settings import KafkaSettings

Row = tuple[int, int, bytes | None, bytes | None]


async def write(servers: str, topic: str, seed: int) -> None:
    """Write transactions of several batches, a third of them aborted, and a few records outside of any."""
    draw = random.Random(seed)
    transactional = AIOKafkaProducer(bootstrap_servers=servers, transactional_id=topic, **BATCHES)
    plain = AIOKafkaProducer(bootstrap_servers=servers, acks="all")
    await transactional.start()
    await plain.start()
    try:
        for number in range(30):
            await transactional.begin_transaction()
            for _ in range(draw.randrange(1, 4)):
                batch = transactional.create_batch()
                for place in range(draw.randrange(1, 40)):
                    batch.append(key=b"%d" % number, value=b"%d/%d" % (number, place), timestamp=None)
                await (await transactional.send_batch(batch, topic, partition=0))
            if number % 3 == 1:
                await transactional.abort_transaction()
            else:
                await transactional.commit_transaction()
            if draw.random() < 0.3:
                await plain.send_and_wait(topic, value=None, key=b"plain", partition=0)
    finally:
        await transactional.stop()
        await plain.stop()


async def read(kind: type[Any], servers: str, topic: str, isolation: str, sizes: list[int], start: int) -> list[Any]:
    """Return rows and, after each take, the position; take `sizes` records at most, in turn."""
    tp = TopicPartition(topic, 0)
    reader = kind(bootstrap_servers=servers, isolation_level=isolation, max_partition_fetch_bytes=4096)
    await reader.start()
    try:
        reader.assign([tp])
        end = (await reader.end_offsets([tp]))[tp]
        reader.seek(tp, start)
        rows: list[Row] = []
        positions: list[int] = []
        while (position := await reader.position(tp)) < end:
            fetched = await reader.getmany(timeout_ms=5000, max_records=sizes[len(positions) % len(sizes)])
            rows += [(r.offset, r.timestamp, r.key, r.value) for r in fetched.get(tp, ())]
            after = await reader.position(tp)
            assert after > position, "it goes on"
            positions.append(after)
        return rows
    finally:
        await reader.stop()


@pytest.mark.parametrize("isolation", ["read_committed", "read_uncommitted"])
async def test_records_are_those_of_the_stock_consumer(kafka: KafkaSettings, topics: Topics, isolation: str) -> None:
    servers, seed = kafka.bootstrap_servers, 20210223
    await write(servers, topics.sent, seed)
    stock = await read(AIOKafkaConsumer, servers, topics.sent, isolation, [1000], 0)
    assert len(stock) > 500
    assert await read(BulkConsumer, servers, topics.sent, isolation, [1000], 0) == stock
    assert await read(BulkConsumer, servers, topics.sent, isolation, [1, 7, 100, 3], 0) == stock, "taken in parts"
    middle = stock[len(stock) // 2 + 5][0]
    from_middle = await read(BulkConsumer, servers, topics.sent, isolation, [1000], middle)
    assert from_middle == [row for row in stock if row[0] >= middle], "begun within a batch"


async def test_a_batch_whose_checksum_is_wrong_costs_no_other_record(kafka: KafkaSettings, topics: Topics) -> None:
    servers, tp = kafka.bootstrap_servers, TopicPartition(topics.sent, 0)
    await write(servers, topics.sent, 1)
    reader = BulkConsumer(bootstrap_servers=servers, isolation_level="read_committed")
    await reader.start()
    try:
        spoilt = spoil_once(reader)
        reader.assign([tp])
        reader.seek(tp, 0)
        with pytest.raises(CorruptRecordException, match="checksum"):
            await reader.getmany(timeout_ms=5000)
        assert spoilt
        assert (await reader.getmany(timeout_ms=5000))[tp][0].offset == 0
    finally:
        await reader.stop()


def spoil_once(reader: BulkConsumer) -> list[int]:
    """Turn one byte of the next fetch's last batch, as a bad disk would; return a list that is told of it."""
    fetcher = reader._fetcher
    spoilt: list[int] = []
    stock = fetcher._client.send

    async def send(node_id: int, request: Any) -> Any:
        response = await stock(node_id, request)
        if not spoilt and type(response).__name__.startswith("FetchResponse"):
            for place, (topic, partitions) in enumerate(response.topics):
                whole = list(partitions[0])
                if whole[-1]:
                    whole[-1] = whole[-1][:-1] + bytes([whole[-1][-1] ^ 1])
                    response.topics[place] = (topic, [tuple(whole)])
                    spoilt.append(1)
        return response

    fetcher._client.send = send
    return spoilt
