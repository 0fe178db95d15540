"""What meter, ledger and hub are held against: the least that a Python program must do with the same records."""

from collections import defaultdict
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from docaxis.bench.lap import Lap
from docaxis.kafka.client import client_kwargs
from docaxis.kafka.partitioner import partition_of
from docaxis.kafka.topics import Topics
from docaxis.settings import Settings

#: As the stream worker fetches.
_FETCH = {"max_partition_fetch_bytes": 4 << 20, "fetch_max_bytes": 32 << 20}


async def read(settings: Settings, *, prefix: str, records: int) -> dict[str, float]:
    """Fetch, parse and count every record of the event topics: no state, no checks, no metrics."""
    topics = Topics(prefix)
    reader = AIOKafkaConsumer(
        **client_kwargs(settings.kafka),
        isolation_level="read_committed",  # or aborted records would be counted
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        **_FETCH,
    )
    lap, count = Lap(records), 0
    per_agency: dict[str, int] = defaultdict(int)
    await reader.start()
    try:
        reader.assign([TopicPartition(t, p) for t in topics.events for p in range(settings.topics.partitions)])
        while not lap.done.is_set():
            for fetched in (await reader.getmany(timeout_ms=1000, max_records=4000)).values():
                for record in fetched:
                    per_agency[orjson.loads(record.value)["sender"]] += 1
                count += len(fetched)
            lap.note(count)
    finally:
        await reader.stop()
    return lap.result()


async def route(
    settings: Settings, *, prefix: str, out: str, group: str, documents: int, documents_max: int
) -> dict[str, float]:
    """Read documents and write one record a recipient, outputs and offsets in one transaction a pass: no checks."""
    client = client_kwargs(settings.kafka)
    source, target, partitions = Topics(prefix).sent, Topics(out).delivered, settings.topics.partitions
    reader = AIOKafkaConsumer(
        **client,
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        **_FETCH,
    )
    producer = AIOKafkaProducer(**client, transactional_id=group, acks="all", linger_ms=0, max_batch_size=512 * 1024)
    lap, count, delivered = Lap(documents), 0, 0
    await reader.start()
    await producer.start()
    try:
        reader.assign([TopicPartition(source, number) for number in range(partitions)])
        while not lap.done.is_set():
            fetched = await reader.getmany(timeout_ms=1000, max_records=documents_max)
            if not fetched:
                continue
            async with producer.transaction():
                for records in fetched.values():
                    delivered += await _route(producer, target, partitions, records)
                    count += len(records)
                ends = {tp: records[-1].offset + 1 for tp, records in fetched.items()}
                await producer.send_offsets_to_transaction(ends, group)
            lap.note(count)
    finally:
        await producer.stop()
        await reader.stop()
    return {name: rate * delivered / count for name, rate in lap.result().items()}


async def _route(producer: AIOKafkaProducer, target: str, partitions: int, records: list[Any]) -> int:
    """Write the deliveries of these documents in batches and hand them to the producer; return how many."""
    batches = [producer.create_batch() for _ in range(partitions)]
    delivered = 0
    for record in records:
        document = orjson.loads(record.value)
        recipients = document.pop("recipients")
        head = orjson.dumps(document)[:-1]
        for recipient in recipients:
            key = recipient.encode()
            number = _inbox(key, partitions)
            value = b'%b,"recipient":"%b"}' % (head, key)
            if batches[number].append(key=key, value=value, timestamp=None) is None:
                await producer.send_batch(batches[number], target, partition=number)
                batches[number] = producer.create_batch()
                batches[number].append(key=key, value=value, timestamp=None)
        delivered += len(recipients)
    for number, batch in enumerate(batches):
        if batch.record_count():
            await producer.send_batch(batch, target, partition=number)
    return delivered


_inboxes: dict[bytes, int] = {}


def _inbox(key: bytes, partitions: int) -> int:
    number = _inboxes.get(key)
    if number is None:
        number = _inboxes[key] = partition_of(key, partitions)
    return number
