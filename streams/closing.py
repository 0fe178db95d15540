"""How many deliveries the ledgers have closed, told several times a second.

A closed load sends as fast as the audit follows. Snapshots tell of that, but only every second or two, and a sender
that goes by them sends in bursts: each part of the axis then works while the others wait. These small readings tell it
between snapshots. They are a hint for pacing and are stored with nothing: after a crash a worker may have told of
closings that it counts again, and whoever judges goes by the ledger's readings.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

from aiokafka import AIOKafkaProducer

from docaxis.domain.clock import Clock
from docaxis.kafka.following import follow_on
from docaxis.kafka.topics import Topics
from docaxis.kafka.writer import BatchWriter
from monitor.reading import CLOSING, Reading, encode_reading
from streams.state import PartitionState

INTERVAL_S = 0.1


def closing_readings(state: PartitionState, at_us: int) -> list[Reading]:
    """Return for each run how many deliveries this partition's ledger expects and has closed, as far as it has read."""
    offset = sum(state.positions.get(topic, 0) for topic in ("sent", "status", "refused"))
    return [
        Reading(
            1,
            run,
            CLOSING,
            state.partition,
            offset,
            at_us,
            counts={"closed": ledger.counts.closed, "expected": ledger.counts.deliveries_expected},
        )
        for run, ledger in state.ledgers.items()
    ]


async def tell_closings(
    client: Mapping[str, Any],
    topics: Topics,
    states: Mapping[int, PartitionState],
    clock: Clock,
    stop: asyncio.Event,
) -> None:
    """Publish what changed since the last time, until told to stop; without a broker it is silent until one answers."""

    async def tell(stop: asyncio.Event) -> None:
        producer = AIOKafkaProducer(**client)
        await producer.start()
        try:
            told: dict[tuple[str, int], dict[str, int]] = {}
            while not stop.is_set():
                await asyncio.sleep(INTERVAL_S)
                told = await _tell_changes(producer, topics, states, clock.wall_us(), told)
        finally:
            await producer.stop()

    await follow_on(tell, stop, "closings")


async def _tell_changes(
    producer: AIOKafkaProducer,
    topics: Topics,
    states: Mapping[int, PartitionState],
    at_us: int,
    told: Mapping[tuple[str, int], Mapping[str, int]],
) -> dict[tuple[str, int], dict[str, int]]:
    """Publish the closings that are not what was `told`; return what is told now. Raises KafkaError if it is not."""
    writer, now = BatchWriter(producer), {}
    for state in list(states.values()):
        for reading in closing_readings(state, at_us):
            now[reading.run, reading.partition] = dict(reading.counts)
            if told.get((reading.run, reading.partition)) != reading.counts:
                writer.put(topics.readings, reading.partition, *encode_reading(reading))
    await writer.flush()
    return now
