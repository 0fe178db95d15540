"""The recorder: committed events from Kafka into a recording, to the end of the log or until told to stop.

It belongs to no consumer group and commits nothing: how far it has read stands in the parts it wrote.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from aiokafka import AIOKafkaConsumer, TopicPartition

from docaxis.domain.run import CANARY_PREFIX
from docaxis.kafka.bulk import BulkConsumer
from docaxis.kafka.topics import EVENTS, Topics
from docaxis.recording.columns import columns_of
from docaxis.recording.writer import RecordingWriter

#: Records of one fetch that are decoded together: bounds memory, and the time until a signal is heard.
FETCH_RECORDS = 20_000

#: A live recording makes durable at least so often what it has read.
FLUSH_INTERVAL_S = 30.0

#: A record written to Kafka at some time tells no event later than so much after: reading can begin that far before.
#: The other way round nothing holds (what was replayed as recorded tells old times), so reading goes to the end.
SLACK_MS = 600_000


@dataclass(frozen=True, slots=True)
class Selection:
    """Which events are recorded."""

    topics: tuple[str, ...] = EVENTS  # without the prefix
    from_us: int | None = None  # by `time_us`, inclusive
    to_us: int | None = None  # exclusive
    agencies: tuple[str, ...] = ()  # senders or recipients; empty: all
    runs: tuple[str, ...] = ()  # empty: all but canaries', which are no traffic

    def described(self) -> dict[str, Any]:
        """Return the selection as the recording's source tells it."""
        return {name: getattr(self, name) for name in ("topics", "from_us", "to_us", "agencies", "runs")}

    def of(self, table: pa.Table) -> pa.Table:
        """Return the rows that are to be recorded."""
        keep = None
        if self.from_us is not None:
            keep = _both(keep, pc.greater_equal(table["time_us"], self.from_us))
        if self.to_us is not None:
            keep = _both(keep, pc.less(table["time_us"], self.to_us))
        if self.runs:
            keep = _both(keep, pc.is_in(table["run"], pa.array(self.runs)))
        elif canaries(table):
            keep = _both(keep, pc.invert(_of_canaries(table)))
        if self.agencies:
            keep = _both(keep, pa.array(_concerned(table, pa.array(self.agencies))))
        return table if keep is None else table.filter(keep)


def canaries(table: pa.Table) -> int:
    """Return how many rows are of canaries."""
    return int(pc.sum(_of_canaries(table)).as_py() or 0)


def _of_canaries(table: pa.Table) -> Any:
    return pc.fill_null(pc.starts_with(table["run"], CANARY_PREFIX), False)


def _both(one: Any, other: Any) -> Any:
    return other if one is None else pc.and_(one, other)


def _concerned(table: pa.Table, codes: pa.Array) -> Any:
    """Return for each row whether one of the agencies sends or receives it."""
    sends, receives = (np.asarray(pc.is_in(table[name], codes)) for name in ("sender", "recipient"))
    lists = table["recipients"].combine_chunks()
    named = np.zeros(table.num_rows, np.bool_)
    inner = np.asarray(pc.is_in(pc.list_flatten(lists), codes))
    named[np.asarray(pc.list_parent_indices(lists))[inner]] = True
    return sends | receives | named


@dataclass(slots=True)
class RecorderStats:
    """How far a recorder is."""

    events: int = 0  # read since it was started
    canaries: int = 0  # of these, what canaries sent and what became of it
    recorded: int = 0  # rows of the recording, in parts or waiting
    left: int = 0  # offsets between what was read and the end of the log as it was at the start
    began_s: float = field(default_factory=time.monotonic)


class Recorder:
    """Reads the event topics of one prefix from where the writer's parts end."""

    def __init__(
        self, client: Mapping[str, Any], topics: Topics, partitions: int, selection: Selection, *, live: bool
    ) -> None:
        self._client = client
        self._topics = topics
        self._tps = [
            TopicPartition(f"{topics.prefix}.{short}", number)
            for short in selection.topics
            for number in range(partitions)
        ]
        self._selection = selection
        self._live = live
        self.stats = RecorderStats()

    async def record(
        self, writer: RecordingWriter, stop: asyncio.Event, tell: Callable[[RecorderStats], None] = lambda _: None
    ) -> None:
        """Record until the end of the log (live: until told to stop); everything read is in parts when this returns."""
        reader = BulkConsumer(
            **self._client,
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=8 * 1024 * 1024,
            fetch_max_bytes=32 * 1024 * 1024,
        )
        await reader.start()
        try:
            reader.assign(self._tps)
            positions, ends = await self._seek(reader, writer.positions)
            flushed_s = time.monotonic()
            while not stop.is_set() and (self._live or any(positions[tp] < ends[tp] for tp in self._tps)):
                fetched = await reader.getmany(timeout_ms=200, max_records=FETCH_RECORDS)
                for tp, records in fetched.items():
                    self._take(writer, tp, records)
                for tp in self._tps:
                    positions[tp] = max(positions[tp], await reader.position(tp))
                late = writer.waiting and time.monotonic() - flushed_s > FLUSH_INTERVAL_S
                if writer.full or late:
                    writer.flush(self._named(positions))
                    flushed_s = time.monotonic()
                self.stats.left = sum(max(0, ends[tp] - positions[tp]) for tp in self._tps)
                self.stats.recorded = writer.rows + writer.waiting
                tell(self.stats)
            writer.flush(self._named(positions))
        finally:
            await reader.stop()

    def _take(self, writer: RecordingWriter, tp: TopicPartition, records: Sequence[Any]) -> None:
        tables = columns_of(self._topics.short_name(tp.topic), tp.partition, records)
        self.stats.events += len(records)
        self.stats.canaries += sum(map(canaries, tables))
        writer.add([chosen for table in tables if (chosen := self._selection.of(table)).num_rows])

    def _named(self, positions: Mapping[TopicPartition, int]) -> dict[str, int]:
        return {f"{self._topics.short_name(tp.topic)}/{tp.partition}": at for tp, at in positions.items()}

    async def _seek(
        self, reader: AIOKafkaConsumer, before: Mapping[str, int]
    ) -> tuple[dict[TopicPartition, int], dict[TopicPartition, int]]:
        """Go to where reading begins; return the positions and the end of each partition."""
        ends = await reader.end_offsets(self._tps)
        begins = await reader.beginning_offsets(self._tps)
        selection = self._selection
        if selection.from_us is not None:
            begins |= await self._offsets_at(reader, selection.from_us // 1000 - SLACK_MS, ends)
        positions = {}
        for tp in self._tps:
            known = before.get(f"{self._topics.short_name(tp.topic)}/{tp.partition}")
            positions[tp] = begins[tp] if known is None else known
            reader.seek(tp, positions[tp])
        return positions, ends

    async def _offsets_at(
        self, reader: AIOKafkaConsumer, at_ms: int, ends: Mapping[TopicPartition, int]
    ) -> dict[TopicPartition, int]:
        found = await reader.offsets_for_times(dict.fromkeys(self._tps, max(0, at_ms)))
        return {tp: ends[tp] if place is None else place.offset for tp, place in found.items()}
