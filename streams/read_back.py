"""Reading a few records back from Kafka, for one question, within bounds of records and of time."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

#: Records of one scan, and seconds of one question, at most: a question must not slow the counting down.
SCANNED_MAX = 200_000
ANSWER_WITHIN_S = 5.0


@dataclass(frozen=True, slots=True)
class Scanned:
    """What a scan found, how much it read, and whether it came to the end of what there was."""

    records: list[ConsumerRecord]
    read: int
    complete: bool


class ReadBack:
    """A reader of committed records that belongs to no group; `async with` connects it."""

    def __init__(self, client: Mapping[str, Any]) -> None:
        self._reader = AIOKafkaConsumer(
            **client, isolation_level="read_committed", enable_auto_commit=False, auto_offset_reset="earliest"
        )
        self._deadline_s = 0.0

    async def __aenter__(self) -> Self:
        self._deadline_s = asyncio.get_running_loop().time() + ANSWER_WITHIN_S
        await self._reader.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        await self._reader.stop()

    async def record_at(self, tp: TopicPartition, offset: int) -> ConsumerRecord | None:
        """Return the record at an offset; None if retention took it or there never was one."""
        self._reader.assign([tp])
        begin = (await self._reader.beginning_offsets([tp]))[tp]
        end = (await self._reader.end_offsets([tp]))[tp]
        if not begin <= offset < end:
            return None
        self._reader.seek(tp, offset)
        records = (await self._reader.getmany(tp, timeout_ms=1000, max_records=1)).get(tp, [])
        return records[0] if records and records[0].offset == offset else None

    async def since(self, tps: Iterable[TopicPartition], at_us: int, needle: bytes) -> Scanned:
        """Return the records written since an instant whose bytes contain `needle`, oldest first."""
        tps = list(tps)
        self._reader.assign(tps)
        found = await self._reader.offsets_for_times(dict.fromkeys(tps, max(at_us // 1000, 0)))
        return await self._scan({tp: place.offset for tp, place in found.items() if place is not None}, needle)

    async def newest(self, tps: Iterable[TopicPartition], needle: bytes) -> Scanned:
        """Return those among the newest SCANNED_MAX records whose bytes contain `needle`."""
        tps = list(tps)
        self._reader.assign(tps)
        ends, begins = await self._reader.end_offsets(tps), await self._reader.beginning_offsets(tps)
        first = {tp: max(begins[tp], ends[tp] - SCANNED_MAX // len(tps)) for tp in tps}
        scanned = await self._scan(first, needle)
        return Scanned(scanned.records, scanned.read, scanned.complete and first == begins)

    async def _scan(self, first: Mapping[TopicPartition, int], needle: bytes) -> Scanned:
        reader, found, read = self._reader, list[ConsumerRecord](), 0
        if not first:
            return Scanned([], 0, True)
        ends = await reader.end_offsets(list(first))
        for tp, offset in first.items():
            reader.seek(tp, offset)
        behind = {tp for tp, offset in first.items() if offset < ends[tp]}
        while behind:
            if read >= SCANNED_MAX or asyncio.get_running_loop().time() > self._deadline_s:
                return Scanned(found, read, False)
            for records in (await reader.getmany(*behind, timeout_ms=200, max_records=5000)).values():
                read += len(records)
                found += [record for record in records if record.value is not None and needle in record.value]
            behind = {tp for tp in behind if await reader.position(tp) < ends[tp]}
        return Scanned(found, read, True)
