"""The newest refusals with their reasons, read from the end of the refused topic; the counts come from the readings."""

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from docaxis.domain.codec import decode_refusal
from docaxis.domain.event import Refusal
from docaxis.kafka.following import follow_on
from docaxis.kafka.topics import Topics

#: Refusals kept, of all runs together; and how many of each partition are read when the page starts.
KEPT_MAX = 500
READ_AT_START = 100

#: Decoded in a second at most: in a flood the newest hundreds are as good as all.
DECODED_MAX = 500


class RecentRefusals:
    """Follows the refused topic from near its end."""

    def __init__(self, client: Mapping[str, Any], topics: Topics, partitions: int) -> None:
        self._client = client
        self._tps = [TopicPartition(topics.refused, number) for number in range(partitions)]
        self._kept: deque[Refusal] = deque(maxlen=KEPT_MAX)

    def of(self, run: str, limit: int = 50) -> list[list[object]]:
        """Return the newest refusals of a run, newest first; unreadable records belong to no run and to every one."""
        rows = [one for one in reversed(self._kept) if one.run in (run, "")][:limit]
        return [
            [
                *(one.refused_us, one.code, one.reason[:300], one.document_id or one.packet_id),
                *(one.sender, one.recipient, f"{one.topic}/{one.partition}/{one.offset}"),
            ]
            for one in rows
        ]

    async def follow(self, stop: asyncio.Event) -> None:
        """Read until told to stop; goes on after a failure of the broker."""
        await follow_on(self._follow, stop, "refusals")

    async def _follow(self, stop: asyncio.Event) -> None:
        reader = AIOKafkaConsumer(
            **self._client, isolation_level="read_committed", enable_auto_commit=False, auto_offset_reset="latest"
        )
        try:
            await reader.start()
            reader.assign(self._tps)
            begins, ends = await reader.beginning_offsets(self._tps), await reader.end_offsets(self._tps)
            for tp in self._tps:
                reader.seek(tp, max(begins[tp], ends[tp] - READ_AT_START))
            while not stop.is_set():
                fetched = await reader.getmany(timeout_ms=500)
                records = [record for batch in fetched.values() for record in batch]
                self.keep(decoded([record.value for record in records[-DECODED_MAX:]]))
                if len(records) > DECODED_MAX:
                    await asyncio.sleep(0.5)
        finally:
            await reader.stop()

    def keep(self, refusals: Iterable[Refusal]) -> None:
        """Add refusals; the oldest beyond the bound are forgotten."""
        self._kept.extend(sorted(refusals, key=lambda refusal: refusal.refused_us))


def decoded(values: Iterable[bytes | None]) -> Iterator[Refusal]:
    """Yield what can be read; the topic's own unreadable records are the meter's to count."""
    for value in values:
        try:
            yield decode_refusal(value or b"")
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            continue
