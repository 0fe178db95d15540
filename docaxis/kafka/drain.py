"""Whether a topic has been read to its end, as read_committed readers see it.

Transaction markers and aborted records occupy offsets, so "end minus position" says nothing about what is left to
read. The honest answer comes from a reader that starts at the position and sees whether any record comes before the
last stable offset.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition


async def stable_ends(client: Mapping[str, Any], partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
    """Return where committed data ends now."""
    reader = AIOKafkaConsumer(**client, isolation_level="read_committed", enable_auto_commit=False)
    await reader.start()
    try:
        ends: dict[TopicPartition, int] = await reader.end_offsets(list(partitions))
        return ends
    finally:
        await _stop(reader)


async def count_unread(
    client: Mapping[str, Any],
    positions: Mapping[TopicPartition, int],
    ends: Mapping[TopicPartition, int] | None = None,
) -> int:
    """Return how many committed records lie at or after the given positions, and before `ends` (None: as of now)."""
    if not positions:
        return 0
    reader = AIOKafkaConsumer(**client, isolation_level="read_committed", enable_auto_commit=False)
    await reader.start()
    unread = 0
    try:
        reader.assign(list(positions))
        ends = await reader.end_offsets(list(positions)) if ends is None else ends
        for tp, position in positions.items():
            reader.seek(tp, position)
        behind = {tp for tp, end in ends.items() if positions[tp] < end}
        while behind:
            fetched = await reader.getmany(*behind, timeout_ms=200)
            unread += sum(record.offset < ends[tp] for tp, records in fetched.items() for record in records)
            behind = {tp for tp in behind if await reader.position(tp) < ends[tp]}
    finally:
        await _stop(reader)
    return unread


async def _stop(reader: AIOKafkaConsumer) -> None:
    """Stop a reader. aiokafka may raise the cancellation of a task of its own while it stops, and stop half way."""
    try:
        await reader.stop()
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        await reader._client.close()
