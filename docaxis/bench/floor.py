"""The floor: the axis's exchange by bare aiokafka loops, without an audit, a metric or a transaction.

Four processes (send, route, receive, count) move the same records that docaxis moves: one packet per document, one
delivered record per recipient, one receipt per delivery. Nothing in Python that also keeps a ledger can be faster on
the same machine, so docaxis's own wall time is quoted as a ratio to this one, both taken in one run. Frozen: batch
128 KiB, acks=all, uncompressed, 4 partitions, mean fan-out 3.4, uvloop. It shares no code with what it is held against.

    python -m docaxis.bench.floor 127.0.0.1:9092 1000000        # prints one JSON line
"""

import asyncio
import gc
import json
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine

import orjson
import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

PARTITIONS = 4
BATCH_BYTES = 131_072
TOPICS = ("floor.sent", "floor.delivered", "floor.status")
FAN_OUT = (1, 1, 2, 2, 3, 3, 4, 5, 6, 7)  # mean 3.4
AGENCIES = [f"G{i:02d}" for i in range(95)]
INBOX = {agency: i % PARTITIONS for i, agency in enumerate(AGENCIES)}


def now_us() -> int:
    """Return the wall clock in microseconds."""
    return time.time_ns() // 1000


class Writer:
    """Collects records into one open batch per partition."""

    def __init__(self, producer: AIOKafkaProducer, topic: str) -> None:
        self.producer, self.topic = producer, topic
        self.sent: list[asyncio.Future[object]] = []
        self.open = [producer.create_batch() for _ in range(PARTITIONS)]

    async def put(self, partition: int, key: bytes, value: bytes) -> None:
        """Append a record; send the batch if it is full."""
        if self.open[partition].append(key=key, value=value, timestamp=None) is None:  # full
            await self.close(partition)
            self.open[partition].append(key=key, value=value, timestamp=None)

    async def close(self, partition: int) -> None:
        """Send a partition's batch."""
        if self.open[partition].record_count():
            self.sent.append(await self.producer.send_batch(self.open[partition], self.topic, partition=partition))
            self.open[partition] = self.producer.create_batch()

    async def flush(self, *, wait: bool) -> None:
        """Send all batches, and wait for the broker's answers or not."""
        for partition in range(PARTITIONS):
            await self.close(partition)
        if wait:
            await asyncio.gather(*self.sent)
        self.sent = [write for write in self.sent if not write.done()]


async def open_writer(bootstrap: str, topic: str) -> Writer:
    """Return a writer to one topic."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, linger_ms=0, max_batch_size=BATCH_BYTES, acks="all")
    await producer.start()
    return Writer(producer, topic)


async def open_reader(bootstrap: str, *topics: str) -> AIOKafkaConsumer:
    """Return a reader of all partitions of these topics, from the beginning."""
    reader = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        max_partition_fetch_bytes=4 << 20,
        fetch_max_bytes=16 << 20,
    )
    await reader.start()
    reader.assign([TopicPartition(topic, p) for topic in topics for p in range(PARTITIONS)])
    return reader


async def send(bootstrap: str, documents: int) -> None:
    """Send the documents."""
    writer = await open_writer(bootstrap, "floor.sent")
    for i in range(documents):
        sender = AGENCIES[i % 95]
        recipients = [AGENCIES[(i + 1 + 7 * k) % 95] for k in range(FAN_OUT[i % 10])]
        at = now_us()
        document = {
            "kind": "sent", "version": 1, "run": "floor", "packet_id": i, "document_id": f"{sender}.2021.{i:07d}",
            "sender": sender, "recipients": recipients, "type": 18, "priority": 0, "business": 0,
            "size": 1_400_000, "intended_us": at, "sent_us": at,
        }  # fmt: skip
        await writer.put(i % PARTITIONS, b"%d" % i, orjson.dumps(document))
        if i % 2000 == 0:
            await asyncio.sleep(0)
    await writer.flush(wait=True)
    await writer.producer.stop()


async def route(bootstrap: str, documents: int) -> None:
    """Deliver each document to each of its recipients."""
    reader, writer = await open_reader(bootstrap, "floor.sent"), await open_writer(bootstrap, "floor.delivered")
    while documents:
        for records in (await reader.getmany(timeout_ms=1000, max_records=4000)).values():
            accepted = now_us()
            for record in records:
                document = orjson.loads(record.value)
                recipients = document.pop("recipients")
                document["accepted_us"] = accepted
                head = orjson.dumps(document)[:-1]
                for recipient in recipients:
                    key = recipient.encode()
                    await writer.put(INBOX[recipient], key, b'%b,"recipient":"%b"}' % (head, key))
            documents -= len(records)
        await writer.flush(wait=False)
    await writer.flush(wait=True)
    await writer.producer.stop()
    await reader.stop()


async def receive(bootstrap: str, deliveries: int) -> None:
    """Answer each delivery with a receipt."""
    reader, writer = await open_reader(bootstrap, "floor.delivered"), await open_writer(bootstrap, "floor.status")
    while deliveries:
        for tp, records in (await reader.getmany(timeout_ms=1000, max_records=4000)).items():
            received = now_us()
            for record in records:
                d = orjson.loads(record.value)
                receipt = {
                    "kind": "receipt", "version": 1, "run": "floor", "packet_id": d["packet_id"],
                    "sender": d["sender"], "recipient": d["recipient"], "partition": tp.partition,
                    "offset": record.offset, "intended_us": d["intended_us"], "sent_us": d["sent_us"],
                    "received_us": received,
                }  # fmt: skip
                await writer.put(tp.partition, record.key, orjson.dumps(receipt))
            deliveries -= len(records)
        await writer.flush(wait=False)
    await writer.flush(wait=True)
    await writer.producer.stop()
    await reader.stop()


async def count(bootstrap: str, documents: int, deliveries: int) -> None:
    """Count every record per agency and time every receipt."""
    reader = await open_reader(bootstrap, *TOPICS)
    left, buckets, per_agency = documents + 2 * deliveries, [0] * 64, dict.fromkeys(AGENCIES, 0)
    while left:
        for tp, records in (await reader.getmany(timeout_ms=1000, max_records=4000)).items():
            for record in records:
                d = orjson.loads(record.value)
                if tp.topic == "floor.sent":
                    per_agency[d["sender"]] += 1
                else:
                    per_agency[d["recipient"]] += 1
                    if tp.topic == "floor.status":
                        buckets[max(0, d["received_us"] - d["intended_us"]).bit_length()] += 1
            left -= len(records)
    await reader.stop()


async def make_topics(bootstrap: str) -> None:
    """Create the floor's topics, empty."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    if old := set(TOPICS) & set(await admin.list_topics()):
        await admin.delete_topics(sorted(old))
        await asyncio.sleep(2)
    await admin.create_topics([NewTopic(topic, PARTITIONS, 1) for topic in TOPICS])
    await admin.close()


def main(bootstrap: str, documents: int) -> None:
    """Run the four processes to their end and print what they took."""
    deliveries = documents * sum(FAN_OUT) // len(FAN_OUT)
    uvloop.run(make_topics(bootstrap))
    jobs = [("route", documents), ("receive", deliveries), ("count", documents, deliveries), ("send", documents)]
    start = time.perf_counter()
    command = [sys.executable, "-m", "docaxis.bench.floor", bootstrap]
    children = [subprocess.Popen([*command, *map(str, job)]) for job in jobs]
    if any([child.wait() for child in children]):  # noqa: C419  # wait for all of them
        sys.exit("a part of the floor failed")
    wall = time.perf_counter() - start
    rate = round((documents + deliveries) / wall)
    result = {"documents": documents, "deliveries": deliveries, "wall_seconds": round(wall, 2)}
    print(json.dumps({**result, "sent_and_received_per_second": rate}))


if __name__ == "__main__":
    if len(sys.argv) == 3:
        main(sys.argv[1], int(sys.argv[2]))
    else:
        gc.set_threshold(100_000, 50, 50)
        parts: dict[str, Callable[..., Coroutine[None, None, None]]]
        parts = {"send": send, "route": route, "receive": receive, "count": count}
        uvloop.run(parts[sys.argv[2]](sys.argv[1], *map(int, sys.argv[3:])))
