"""A consumer whose fetches come out whole: the records as aiokafka's parser makes them, batch by batch.

Stock aiokafka passes every record through a generator and builds a `ConsumerRecord` of eleven fields around it, a
fifth of the time of a reader that decodes and counts. Here a batch becomes a list in C. What it means stays the same:
aborted transactions and markers are left out, the fetch goes on where the last record taken ends, and checksums are
checked. The seams are private names of the pinned aiokafka; a test compares each outcome with the stock consumer's.
"""

from collections.abc import Iterator
from itertools import chain
from operator import length_hint
from typing import Any, Protocol

from aiokafka import AIOKafkaConsumer
from aiokafka.consumer.fetcher import READ_COMMITTED, Fetcher, FetchResult, PartitionRecords
from aiokafka.errors import CorruptRecordException


class FetchedRecord(Protocol):
    """What a fetch returns of a record; its topic and partition are the fetch's."""

    @property
    def offset(self) -> int: ...

    @property
    def timestamp(self) -> int: ...  # milliseconds since the epoch

    @property
    def key(self) -> bytes | None: ...

    @property
    def value(self) -> bytes | None: ...


class _WholeBatches:
    """The records of one partition in one fetch response, in place of aiokafka's `PartitionRecords`."""

    def __init__(self, stock: PartitionRecords) -> None:
        self._stock = stock
        self._after = stock.next_fetch_offset  # where the next fetch begins once `_left` is used up
        self._records: list[FetchedRecord] = []  # the batch that is being handed out
        self._left: Iterator[FetchedRecord] = iter(self._records)
        self._flat = chain.from_iterable(self._batches())

    def __iter__(self) -> Iterator[FetchedRecord]:
        return self._flat

    def __next__(self) -> FetchedRecord:
        return next(self._flat)

    @property
    def next_fetch_offset(self) -> int:
        """The offset after the last record that was taken."""
        left = length_hint(self._left)
        return self._records[-left].offset if left else self._after

    def _batches(self) -> Iterator[Iterator[FetchedRecord]]:
        for batch in self._sound_batches():
            wanted = [] if self._is_left_out(batch) else list(batch)
            if wanted and wanted[0].offset < self._after:  # a batch comes whole, though it was asked for from within
                wanted = [record for record in wanted if record.offset >= self._after]
            self._records, self._left = wanted, iter(wanted)
            self._after = batch.next_offset
            yield self._left

    def _sound_batches(self) -> list[Any]:
        """Return the batches, all of them checked: an error in a later one must not cost the records before it."""
        batches, sound = self._stock._records, []
        while batches.has_next():
            sound.append(batches.next_batch())
            if self._stock._check_crcs and not sound[-1].validate_crc():
                raise CorruptRecordException(f"{self._stock._tp}: a batch whose checksum is wrong")
        return sound

    def _is_left_out(self, batch: Any) -> bool:
        """Return whether nobody may see this batch: a marker, or a part of a transaction that was aborted."""
        stock = self._stock
        if stock._isolation_level == READ_COMMITTED and batch.producer_id is not None:
            stock._consume_aborted_up_to(batch.base_offset)
            if batch.is_control_batch and stock._contains_abort_marker(batch):
                stock._aborted_producers.discard(batch.producer_id)
            if batch.is_transactional and batch.producer_id in stock._aborted_producers:
                return True
        return bool(batch.is_control_batch)


class _BulkFetcher(Fetcher):  # type: ignore[misc]
    """aiokafka's fetcher; what comes back from a broker is handed out in whole batches."""

    async def _proc_fetch_request(self, assignment: Any, node_id: int, request: Any) -> bool:
        needs_wakeup: bool = await super()._proc_fetch_request(assignment, node_id, request)
        for result in self._records.values():
            if type(result) is FetchResult and type(result._partition_records) is PartitionRecords:
                result._partition_records = _WholeBatches(result._partition_records)
        return needs_wakeup


class BulkConsumer(AIOKafkaConsumer):  # type: ignore[misc]
    """An `AIOKafkaConsumer` whose records have what `FetchedRecord` says and nothing else."""

    async def start(self) -> None:
        """Connect; from the first fetch on batches come whole."""
        await super().start()
        self._fetcher.__class__ = _BulkFetcher
