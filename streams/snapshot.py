"""A partition's state as stored records, and back.

A snapshot is a set of records in one partition of a compacted topic, written in one transaction:

    head             how many chunks `state` has
    state/<i>        everything that changes: positions, counts, open deliveries, tallies
    closed/<run>/<number>/<i>   closed deliveries: immutable segments, each written once; a tombstone when merged away

so only what changed is written, and the newest value of each key is always one whole snapshot.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict

import msgspec
import numpy as np

from monitor.reading import Reading, Tally
from streams.closed import Closed, Segment
from streams.keys import Codes
from streams.ledger import Ledger, LedgerCounts
from streams.state import Duties, PartitionState, StateBounds

#: Below the broker's default of 1 MiB for a record.
CHUNK_BYTES = 800_000

Records = dict[bytes, bytes | None]


class _StoredLedger(msgspec.Struct, array_like=True):
    run: str
    counts: dict[str, int]
    open_keys: bytes
    open_sent_us: bytes
    overlay: dict[int, list[int]]
    unmatched: dict[int, list[tuple[int, bool, bool]]]
    unmatched_refusals: dict[int, int]
    names: dict[int, tuple[str, str, str]]
    frontier: dict[int, int]
    segments: list[tuple[int, int]]  # number and entries of each
    next_number: int
    forgotten: int
    empty: dict[int, int | None] = {}


class _StoredState(msgspec.Struct, array_like=True):
    version: int
    codes: list[str]
    positions: dict[str, int]
    runs: list[str]
    runs_forgotten: int
    tallies: list[Reading]
    ledgers: list[_StoredLedger]
    runs_gone: list[str] = []


class _Head(msgspec.Struct):
    version: int
    chunks: int
    at_us: int


VERSION = 1
_encode = msgspec.msgpack.Encoder().encode
_decode_state = msgspec.msgpack.Decoder(_StoredState).decode
_decode_head = msgspec.msgpack.Decoder(_Head).decode


class Snapshots:
    """Writes the snapshots of one partition; remembers which segments are stored already."""

    def __init__(self, stored: Mapping[str, set[int]] | None = None, chunks: int = 0) -> None:
        self._stored = {run: set(numbers) for run, numbers in (stored or {}).items()}
        self._chunks = chunks
        self._segment_chunks: dict[tuple[str, int], int] = {}

    def take(self, state: PartitionState, readings: list[Reading], at_us: int) -> Records:
        """Return the records that turn the last snapshot into one of `state`; seals what was closed since then.

        `readings` are the tallies of `state` as readings. Synchronous: nothing may be folded between positions and
        totals.
        """
        records: Records = {}
        for run, ledger in state.ledgers.items():
            ledger.closed.seal(state.bounds.ledger.closed_horizon)
            self._store_segments(run, ledger.closed, records)
        for run in self._stored.keys() - state.ledgers.keys():
            self._drop(run, self._stored.pop(run), records)
        chunks = list(_chunks(_encode(_stored_state(state, readings))))
        for number, chunk in enumerate(chunks):
            records[b"state/%d" % number] = chunk
        for number in range(len(chunks), self._chunks):
            records[b"state/%d" % number] = None
        self._chunks = len(chunks)
        records[b"head"] = _encode(_Head(VERSION, len(chunks), at_us))
        return records

    def _store_segments(self, run: str, closed: Closed, records: Records) -> None:
        stored = self._stored.setdefault(run, set())
        current = {segment.number for segment in closed.segments}
        for segment in closed.segments:
            if segment.number not in stored:
                payload = segment.keys.tobytes() + segment.places.tobytes()
                for index, chunk in enumerate(_chunks(payload)):
                    records[_segment_key(run, segment.number, index)] = chunk
                self._segment_chunks[run, segment.number] = index + 1
        self._drop(run, stored - current, records)
        self._stored[run] = current

    def _drop(self, run: str, numbers: set[int], records: Records) -> None:
        for number in numbers:
            for index in range(self._segment_chunks.pop((run, number), 0)):
                records[_segment_key(run, number, index)] = None

    @classmethod
    def restore(
        cls, records: Mapping[bytes, bytes], partition: int, duties: Duties, bounds: StateBounds
    ) -> tuple["Snapshots", PartitionState]:
        """Rebuild the state from the newest value of each key, and what is needed to go on storing it.

        Raises:
            ValueError: the records are no whole snapshot, or of another version.
        """
        snapshots = cls()
        if b"head" not in records:
            return snapshots, PartitionState(partition, duties, bounds)
        head = _decode_head(records[b"head"])
        if head.version != VERSION:
            raise ValueError(
                f"snapshot of partition {partition} has version {head.version}, this program reads {VERSION}"
            )
        try:
            stored = _decode_state(b"".join(records[b"state/%d" % number] for number in range(head.chunks)))
            state = _restored_state(stored, partition, duties, bounds)
            for ledger in stored.ledgers:
                closed = state.ledgers[ledger.run].closed
                for number, entries in ledger.segments:
                    closed.segments.append(snapshots._read_segment(records, ledger.run, number, entries))
        except KeyError as error:
            raise ValueError(f"snapshot of partition {partition} lacks the record {error}") from error
        snapshots._chunks = head.chunks
        return snapshots, state

    def _read_segment(self, records: Mapping[bytes, bytes], run: str, number: int, entries: int) -> Segment:
        parts = [records[_segment_key(run, number, 0)]]
        while (more := records.get(_segment_key(run, number, len(parts)))) is not None:
            parts.append(more)
        self._stored.setdefault(run, set()).add(number)
        self._segment_chunks[run, number] = len(parts)
        values = np.frombuffer(b"".join(parts), np.int64)
        if len(values) != 2 * entries:
            raise ValueError(
                f"snapshot has {len(values)} of {2 * entries} numbers of closed/{run}/{number}: records are gone"
            )
        return Segment(number, values[:entries], values[entries:])


def _segment_key(run: str, number: int, index: int) -> bytes:
    return f"closed/{run}/{number}/{index}".encode()


def _chunks(payload: bytes) -> Iterator[bytes]:
    for first in range(0, len(payload), CHUNK_BYTES):
        yield payload[first : first + CHUNK_BYTES]


def _stored_state(state: PartitionState, readings: list[Reading]) -> _StoredState:
    return _StoredState(
        version=VERSION,
        codes=state.codes.codes,
        positions=state.positions,
        runs=state.runs(),
        runs_forgotten=state.runs_forgotten,
        tallies=readings,
        ledgers=[_stored_ledger(run, ledger) for run, ledger in state.ledgers.items()],
        runs_gone=list(state.runs_gone),
    )


def _stored_ledger(run: str, ledger: Ledger) -> _StoredLedger:
    count = len(ledger.open)
    return _StoredLedger(
        run=run,
        counts=asdict(ledger.counts),
        open_keys=np.fromiter(ledger.open.sent_us.keys(), np.int64, count).tobytes(),
        open_sent_us=np.fromiter(ledger.open.sent_us.values(), np.int64, count).tobytes(),
        overlay=ledger.overlay,
        unmatched=ledger.unmatched,
        unmatched_refusals=ledger.unmatched_refusals,
        names=ledger.open.names,
        frontier=ledger.frontier,
        segments=[(segment.number, len(segment.keys)) for segment in ledger.closed.segments],
        next_number=ledger.closed.next_number,
        forgotten=ledger.closed.forgotten,
        empty=ledger.empty,
    )


def _restored_state(stored: _StoredState, partition: int, duties: Duties, bounds: StateBounds) -> PartitionState:
    state = PartitionState(partition, duties, bounds, Codes(stored.codes))
    state.positions = stored.positions
    state.restore_runs(stored.runs, stored.runs_forgotten, stored.runs_gone)
    for reading in stored.tallies:
        state.tallies[reading.run, reading.topic] = Tally.from_reading(reading, state.codes.index)
    for one in stored.ledgers:
        _restore_ledger(state.ledger(one.run), one)
    return state


def _restore_ledger(ledger: Ledger, stored: _StoredLedger) -> None:
    ledger.counts = LedgerCounts(**stored.counts)
    keys, sent_us = (np.frombuffer(one, np.int64).tolist() for one in (stored.open_keys, stored.open_sent_us))
    ledger.open.restore(keys, sent_us, stored.names)
    ledger.overlay = stored.overlay
    ledger.unmatched = stored.unmatched
    ledger.unmatched_refusals = stored.unmatched_refusals
    ledger.frontier = stored.frontier
    ledger.closed.next_number = stored.next_number
    ledger.closed.forgotten = stored.forgotten
    ledger.empty = stored.empty
