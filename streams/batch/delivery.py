"""The fetching side of the consumer: records into chunks, and the fetch position back after every interruption.

Why nothing is lost: only the fetcher's task moves the fetch position, always to `Progress.position`; `_epoch` counts
the resets of queues and positions, and whatever was fetched across one is fetched again.

Why nothing is given to an application that hands its partitions back: rebalances may overtake each other. Faust's
recovery from one may end in the middle of the next, and then it seeks and lets records flow as if nothing had happened.
`_term` counts assignments and hand-overs; what one of them began has no effect in another.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import zip_longest
from types import MappingProxyType
from typing import Any, NamedTuple, cast

from aiokafka.errors import IllegalStateError
from faust.exceptions import ImproperlyConfigured
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from docaxis.kafka.bulk import FetchedRecord
from streams.batch.chunk import BatchMessage, Chunk
from streams.batch.hooks import FetchedTo
from streams.batch.progress import Progress
from streams.batch.topic import BatchTopic

#: How long a fetch waits for a partition with room before it looks again.
ROOM_TIMEOUT_S = 1.0


class _Run(NamedTuple):
    """Fetched records that will be one chunk."""

    tp: TP
    records: list[FetchedRecord]
    next_offset: int


class DeliveringConsumer(driver.Consumer):
    """Delivers fetched records in chunks, in turn over the partitions."""

    #: A `BatchTransport`, or what stands in for it: it has the application's `hooks` and `chunk_size`.
    transport: Any

    #: What the fetcher saw at the last fetch; the driver replaces it as a whole, from its own thread.
    last_fetch: Mapping[TP, FetchedTo] = MappingProxyType({})

    def on_init(self) -> None:
        """Set up the notes of progress (Faust calls this again when it restarts the consumer)."""
        super().on_init()
        self.chunk_size: int = self.transport.chunk_size
        self._progress: dict[TP, Progress] = {}
        self._pending: deque[_Run] = deque()  # fetched, not delivered yet
        self._epoch = 0
        self._pending_epoch = 0
        self._room = asyncio.Event()
        self._term = 0
        #: Set while the application holds the state of the assigned partitions.
        self._taken = asyncio.Event()
        # Joining the queues that flow control manages makes Faust call clear() whenever it empties them.
        self.app.flow_control.manage_queue(cast(Any, self))

    async def subscribe(self, topics: Iterable[str]) -> None:
        """Refuse what progress cannot be noted of: plain agents, and two agents on one topic."""
        seen: set[str] = set()
        for channel in self.app.topics:
            shared = seen & set(channel.topics)
            if not isinstance(channel, BatchTopic) or shared:
                what = f"two agents read {sorted(shared)}" if shared else f"{channel} is not a batch topic"
                raise ImproperlyConfigured(f"{what}: declare topics with batch_topic(), each for one agent")
            seen.update(channel.topics)
        await super().subscribe(topics)

    # --- fetch and deliver

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Any]]:
        """Fetch once, then yield one message per chunk (stock: one per record)."""
        await self._fetch(timeout)
        while self._pending and self._pending_epoch == self._epoch and self.flow_active and not self.should_stop:
            run = self._pending.popleft()
            message = BatchMessage(run.tp, run.records, run.next_offset, self.app.consumer_generation_id)
            self._progress[run.tp].deliver(message.chunk)
            # Stock drops messages below this offset, though it sets it for deliveries that were cancelled, too.
            self._read_offset[run.tp] = None
            yield run.tp, message

    async def _fetch(self, timeout: float) -> None:
        """Wait until records may flow, and fill `_pending` with what is there within `timeout` seconds."""
        self._give_back(run.tp for run in self._pending)  # left by a reset or a cancelled task
        self._pending.clear()
        # Stock lets a waiting fetch through when the flow stops, then seeks to the committed offset under chunks in
        # progress; this one only ever starts afresh.
        for gate in (self.can_resume_flow, self._taken):
            if not gate.is_set():
                await self.wait(cast(Any, gate))
        epoch = self._pending_epoch = self._epoch
        try:
            await self._seek_positions()
            active = await self._partitions_with_room()
            if not active or self.should_stop:
                return
            records = await self._getmany(active, timeout)
        except BaseException:  # cancelled: the fetcher's position has moved on, and the records are gone
            self._give_back(self._progress)
            raise
        if epoch == self._epoch and self.flow_active and self._taken.is_set():
            self._accept(records, active)
        else:
            self._give_back(records)

    def _accept(self, records: Mapping[Any, list[FetchedRecord]], active: set[TP]) -> None:
        """Cut fetched records into runs, in turn over the partitions; pass over what holds none."""
        fetched_to = self.last_fetch
        for tp, to in fetched_to.items():
            progress = self._progress.get(tp)
            if progress is not None and not progress.must_seek and not records.get(tp):
                progress.pass_over(to.position)
        runs = []
        for tp, fetched in records.items():
            progress = self._progress.get(tp)
            if progress is None or progress.position is None or not fetched:
                continue
            wanted = tp in active or tp in self._buffered_partitions
            # A seek that Faust cancelled may still be carried out by the client, back to what was committed.
            if progress.must_seek or not wanted or fetched[0].offset < progress.position:
                progress.must_seek = True
                continue
            end = fetched_to[tp].position if tp in fetched_to else 0
            runs.append(self._cut(TP(*tp), fetched, end))
            if (high := self.highwater(tp)) is not None:
                self.app.monitor.track_tp_end_offset(tp, high)
        self._pending.extend(run for turn in zip_longest(*runs) for run in turn if run)

    def _cut(self, tp: TP, fetched: list[FetchedRecord], end: int) -> Iterator[_Run]:
        """Yield the runs of one partition; the last one ends where the fetcher stands, past any markers."""
        size = self.chunk_size
        for start in range(0, len(fetched), size):
            records = fetched[start : start + size]
            after = records[-1].offset + 1
            yield _Run(tp, records, after if start + size < len(fetched) else max(after, end))

    # --- positions

    def _give_back(self, tps: Iterable[Any]) -> None:
        """Have these partitions fetched again from their positions."""
        for tp in tps:
            if (progress := self._progress.get(tp)) is not None:
                progress.must_seek = True

    async def _seek_positions(self) -> None:
        assigned = self.assignment()
        targets = {
            tp: progress.position
            for tp, progress in self._progress.items()
            if progress.must_seek and progress.position is not None and tp in assigned
        }
        if not targets:
            return
        with suppress(IllegalStateError):  # revoked meanwhile: what comes is discarded
            await self.seek_wait(targets)
            for tp, offset in targets.items():
                if (progress := self._progress.get(tp)) is not None and progress.position == offset:
                    progress.must_seek = False

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Take the partitions up at their committed offsets, or at the beginning where there is none.

        Only this says where an assignment begins: nothing is fetched for a partition before, although Faust lets
        records flow meanwhile. Where the client stands says nothing: a fetch begun before the rebalance may have
        moved it since, and where nothing is committed it does not seek. A second seek in an assignment moves the
        client and no partition that was begun: chunks of it may be in progress.
        """
        term = self._term
        self._epoch += 1
        committed = await super().seek_to_committed()
        fresh = [tp for tp in self._progress if not committed.get(tp)]
        beginnings = await self.earliest_offsets(*fresh) if fresh else {}
        self._epoch += 1  # fetches that began before the seeks were done
        if term == self._term:
            for tp in self._progress.keys() & committed.keys():
                progress = self._progress[tp]
                progress.begin_at(committed[tp] or beginnings[tp])
                progress.must_seek = True
            self._room.set()
        return committed

    def shut(self) -> None:
        """Deliver nothing more in this assignment, whoever lets records flow again; chunks in progress go on."""
        self._term += 1
        self._taken.clear()
        self.app.flow_control.suspend()
        self.app.flow_control.clear()

    def clear(self) -> None:
        """Go back to the first chunk waiting in the queues: Faust empties them (rebalance, stop, any resume).

        Stock counts on a later seek to the committed offset, which does not always follow. Chunks in progress stay:
        they will be acked, and wait_empty() commits them.
        """
        self._epoch += 1
        for progress in self._progress.values():
            void(self, progress.rewind(keeps=lambda chunk: chunk.is_in_progress))
        # The queues tell of room when the next chunk is taken, and there may be none left to take.
        for tp in list(self._buffered_partitions):
            self.on_buffer_drop(tp)

    # --- room

    async def _partitions_with_room(self) -> set[TP]:
        """Return the partitions to fetch. Stock sleeps 1 s when full queues hold back all of them; this wakes up."""
        self._room.clear()
        if not self._readable_partitions():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._room.wait(), ROOM_TIMEOUT_S)
        return self._readable_partitions()

    def _readable_partitions(self) -> set[TP]:
        """Return the partitions that flow, have room, and are known to begin somewhere."""
        located = {tp for tp, progress in self._progress.items() if progress.position is not None}
        return located & self._get_active_partitions()

    def on_buffer_drop(self, tp: TP) -> None:
        """Wake the fetch: a queue has room again."""
        super().on_buffer_drop(tp)
        self._room.set()

    def resume_partitions(self, tps: Iterable[TP]) -> None:
        """Wake the fetch: partitions may flow."""
        super().resume_partitions(tps)
        self._room.set()


def void(consumer: DeliveringConsumer, chunks: Iterable[Chunk]) -> None:
    """Cancel chunks that will come again: streams skip them (no generation), late acks change nothing."""
    for chunk in chunks:
        chunk.acked = True
        if (message := chunk.message) is not None:
            message.generation_id = None
            consumer._unacked_messages.discard(message)
