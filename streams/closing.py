"""How many deliveries the ledgers have closed, told several times a second.

A closed load sends as fast as the audit follows. Snapshots tell of that, but only every second or two, and a sender
that goes by them sends in bursts: each part of the axis then works while the others wait. These small readings tell it
between snapshots. They are a hint for pacing and are stored with nothing: after a crash a worker may have told of
closings that it counts again, and whoever judges goes by the ledger's readings.
"""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from docaxis.domain.clock import Clock
from docaxis.kafka.topics import Topics
from docaxis.kafka.writer import BatchWriter
from monitor.reading import CLOSING, Reading, encode_reading
from streams.state import PartitionState

log = logging.getLogger(__name__)

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
    client: Mapping[str, Any], topics: Topics, states: Mapping[int, PartitionState], clock: Clock
) -> None:
    """Publish what changed since the last time, for ever; without a broker it is silent until one answers."""
    producer = AIOKafkaProducer(**client)
    told: dict[tuple[str, int], dict[str, int]] = {}
    await producer.start()
    try:
        while True:
            await asyncio.sleep(INTERVAL_S)
            writer = BatchWriter(producer)
            for state in list(states.values()):
                for reading in closing_readings(state, clock.wall_us()):
                    key = (reading.run, reading.partition)
                    if told.get(key) != reading.counts:
                        told[key] = reading.counts
                        writer.put(topics.readings, reading.partition, *encode_reading(reading))
            try:
                await writer.flush()
            except KafkaError as error:
                log.debug("closings were not told: %s", error)
    finally:
        await producer.stop()
