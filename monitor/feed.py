"""The feed: reads the readings topic and keeps the whole picture up to date."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from docaxis.kafka.following import follow_on
from docaxis.kafka.topics import Topics
from monitor.reading import Reading, Readings, decode_reading

log = logging.getLogger(__name__)


class Feed:
    """Follows the readings of all workers; `readings` is what they add up to now."""

    def __init__(self, client: Mapping[str, Any], topics: Topics, partitions: int) -> None:
        self._client = client
        self._tps = [TopicPartition(topics.readings, number) for number in range(partitions)]
        self.readings = Readings()
        self.unreadable = 0
        self.changed = asyncio.Event()
        #: Set once everything has been read that was there at the start.
        self.caught_up = asyncio.Event()
        #: Told of each reading as it is read.
        self.listeners: list[Callable[[Reading], None]] = []

    async def follow(self, stop: asyncio.Event) -> None:
        """Read from the beginning, then whatever comes, until told to stop; goes on after a failure of the broker."""
        await follow_on(self._follow, stop, "readings")

    async def _follow(self, stop: asyncio.Event) -> None:
        reader = AIOKafkaConsumer(
            **self._client, isolation_level="read_committed", enable_auto_commit=False, auto_offset_reset="earliest"
        )
        try:
            await reader.start()
            reader.assign(self._tps)
            ends = await reader.end_offsets(self._tps)
            await reader.seek_to_beginning()
            while not stop.is_set():
                for records in (await reader.getmany(timeout_ms=200)).values():
                    for record in records:
                        self._read(record.value)
                if not self.caught_up.is_set() and await _has_reached(reader, ends):
                    self.caught_up.set()
        finally:
            await reader.stop()

    def _read(self, value: bytes | None) -> None:
        try:
            reading = decode_reading(value or b"")
            self.readings.put(reading)
            for tell in self.listeners:
                tell(reading)
            self.changed.set()
        except msgspec.MsgspecError as error:
            self.unreadable += 1
            log.debug("unreadable reading: %s", error)


async def _has_reached(reader: AIOKafkaConsumer, ends: Mapping[TopicPartition, int]) -> bool:
    for tp, end in ends.items():
        if await reader.position(tp) < end:
            return False
    return True
