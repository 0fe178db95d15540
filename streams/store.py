"""Where a partition's state lives: a compacted topic, written by whoever owns the partition and by nobody else.

Each partition has one stable transactional id. Opening it fences the previous owner, so a worker that was paused and
lost its partition can never overwrite the snapshot of its successor; a snapshot, the readings that go with it and the
dead letters found since the last one become visible together or not at all.
"""

import contextlib
from collections.abc import Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from docaxis.domain.clock import Clock
from docaxis.domain.codec import encode
from docaxis.domain.errors import InfrastructureError
from docaxis.kafka.topics import Topics
from docaxis.kafka.waiting import within
from docaxis.kafka.writer import BATCH_BYTES, BATCHES, BatchWriter
from monitor.pairs import paired_names
from monitor.reading import LEDGER, POSITIONS, Reading, encode_reading
from streams.ledger import Ledger
from streams.outstanding import Outstanding
from streams.snapshot import Snapshots
from streams.state import Duties, PartitionState, StateBounds

#: How long an unfinished snapshot of a dead worker may hold back its successor.
TRANSACTION_TIMEOUT_MS = 10_000

#: A client that went through an outage may never come to its end.
CLOSES_WITHIN_S = 5.0

#: The topics that a ledger is made of.
LEDGER_TOPICS = ("sent", "status", "refused")


class StateStore:
    """The stored state of one partition, opened for writing."""

    def __init__(
        self, client: Mapping[str, Any], topics: Topics, group: str, partition: int, clock: Clock, url: str = ""
    ) -> None:
        """Take what belongs to partition `partition`; `url` is where its owner answers questions."""
        self._url = url
        self._client = client
        self._topics = topics
        self._partition = partition
        self._clock = clock
        self._producer = AIOKafkaProducer(
            **client,
            transactional_id=f"{group}-state-{partition}",
            transaction_timeout_ms=TRANSACTION_TIMEOUT_MS,
            **{**BATCHES, "max_batch_size": 2 * BATCH_BYTES},  # a record of a snapshot is larger than others
        )
        self._snapshots = Snapshots()
        # A snapshot that failed or was cancelled: what it wrote is taken for stored here and is not in the topic, so
        # another one on top of it would have holes. Only opening anew says what is there.
        self._in_doubt = False
        self.saved_bytes = 0  # of the newest snapshot, its readings apart
        self.prepared_ns = 0  # what the newest snapshot kept this process from doing; the rest was waiting

    async def open(self, duties: Duties, bounds: StateBounds) -> PartitionState:
        """Fence the previous owner, then read the newest snapshot; an empty state where there is none."""
        await self._producer.start()
        records = await self._read()
        try:
            self._snapshots, state = Snapshots.restore(records, self._partition, duties, bounds)
        except ValueError as error:
            raise InfrastructureError(
                f"{self._topics.ledger} partition {self._partition}: {error}",
                next_step="the topic was damaged or written by another version: delete it to count from the beginning",
            ) from error
        return state

    async def _read(self) -> dict[bytes, bytes]:
        tp = TopicPartition(self._topics.ledger, self._partition)
        reader = AIOKafkaConsumer(
            **self._client,
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=8 << 20,
        )
        newest: dict[bytes, bytes] = {}
        await reader.start()
        try:
            reader.assign([tp])
            end = (await reader.end_offsets([tp]))[tp]
            while await reader.position(tp) < end:
                for record in (await reader.getmany(tp, timeout_ms=500)).get(tp, ()):
                    if record.value is None:
                        newest.pop(record.key, None)
                    else:
                        newest[record.key] = record.value
        finally:
            await reader.stop()
        return newest

    async def save(self, state: PartitionState) -> dict[str, int]:
        """Write a snapshot of `state` with its readings; return the positions that it covers.

        Raises:
            KafkaError: it, or one before it, was not written. The state must not be used further: this worker may no
                longer own it.
        """
        if self._in_doubt:
            raise KafkaError(f"{self._topics.ledger} partition {self._partition}: the last snapshot was not stored")
        self._in_doubt = True
        at_us, started_ns = self._clock.wall_us(), self._clock.monotonic_ns()
        positions = dict(state.positions)
        tallies = [
            tally.to_reading(
                state.codes.codes,
                version=1,
                run=run,
                topic=topic,
                partition=self._partition,
                offset=positions.get(topic, 0),
                at_us=at_us,
            )
            for (run, topic), tally in state.tallies.items()
        ]
        records = self._snapshots.take(state, tallies, at_us)
        self.saved_bytes = sum(len(value or b"") for value in records.values())
        letters, state.dead_letters = state.dead_letters, []
        state.changed = False
        readings = (
            *tallies,
            *ledger_readings(state, positions, at_us),
            positions_reading(state, positions, at_us, self._url),
        )
        encoded = [encode_reading(reading) for reading in readings]
        self.prepared_ns = self._clock.monotonic_ns() - started_ns
        writer = BatchWriter(self._producer)
        async with self._producer.transaction():
            for key, value in records.items():
                writer.put(self._topics.ledger, self._partition, key, value)
            for identity, reading in encoded:
                writer.put(self._topics.readings, self._partition, identity, reading)
            for letter in letters:
                writer.put(self._topics.refused, self._partition, None, encode(letter))
            await writer.flush()
        self._in_doubt = False
        return positions

    async def close(self) -> None:
        """Disconnect. A client that cannot is left alone: the next owner fences it."""
        with contextlib.suppress(KafkaError):
            await within(CLOSES_WITHIN_S, self._producer.stop(), f"partition {self._partition}: disconnecting")


def ledger_readings(state: PartitionState, positions: Mapping[str, int], at_us: int) -> list[Reading]:
    """Return each run's ledger in this partition as a reading, with what is open of each agency."""
    return [
        _ledger_reading(run, ledger, state.partition, sum(positions.get(topic, 0) for topic in LEDGER_TOPICS), at_us)
        for run, ledger in state.ledgers.items()
    ]


def _ledger_reading(run: str, ledger: Ledger, partition: int, offset: int, at_us: int) -> Reading:
    outstanding = Outstanding.of(ledger)
    pairs = outstanding.pairs()
    return Reading(
        version=1,
        run=run,
        topic=LEDGER,
        partition=partition,
        offset=offset,
        at_us=at_us,
        counts=ledger.totals(),
        agencies={"outstanding": outstanding.by_recipient()},
        oldest={"outstanding_sent_us": outstanding.oldest_by_recipient()},
        stages={"open_age": outstanding.ages(at_us).to_sparse()},
        paired=paired_names(ledger.codes.codes, len(pairs.counts)),
        pairs={"outstanding": pairs.to_bytes()},
    )


def positions_reading(state: PartitionState, positions: Mapping[str, int], at_us: int, url: str = "") -> Reading:
    """Return how far each topic was read in this partition, and by whom, as a reading of no run."""
    return Reading(
        version=1,
        run="",
        topic=POSITIONS,
        partition=state.partition,
        offset=sum(positions.values()),
        at_us=at_us,
        counts=dict(positions),
        url=url,
    )
