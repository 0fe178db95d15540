"""What a run has left on a topic: read from where the run began to the end, when nothing more comes."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

#: A record may be stamped so long before the run's own beginning: clocks differ.
SLACK_MS = 600_000

#: A dead process's last request may still be on its way into the log: the end must stand still for so long.
STILL_S = 2.0


async def records_since(
    client: Mapping[str, Any], topic: str, partitions: int, since_us: int, *, still_s: float = STILL_S
) -> AsyncIterator[tuple[int, list[Any]]]:
    """Yield (partition, records) of a topic, committed only, until its end has stood still."""
    tps = [TopicPartition(topic, number) for number in range(partitions)]
    reader = AIOKafkaConsumer(**client, isolation_level="read_committed", enable_auto_commit=False)
    await reader.start()
    try:
        reader.assign(tps)
        ends = await reader.end_offsets(tps)
        begins = await reader.offsets_for_times(dict.fromkeys(tps, max(0, since_us // 1000 - SLACK_MS)))
        for tp, place in begins.items():
            reader.seek(tp, ends[tp] if place is None else place.offset)
        while True:
            while [tp for tp in tps if await reader.position(tp) < ends[tp]]:
                for tp, records in (await reader.getmany(timeout_ms=200)).items():
                    yield tp.partition, records
            await asyncio.sleep(still_s)
            before, ends = ends, await reader.end_offsets(tps)
            if ends == before:
                return
    finally:
        await reader.stop()
