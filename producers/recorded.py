"""The load of a replay: recorded documents, drafted anew for this run, each due at its moment.

The recording is read and drafted ahead in small slices while nothing is due, so that sending finds them ready; what
is ahead is bounded.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Generic, NamedTuple, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from docaxis.domain.clock import Clock
from docaxis.domain.codec import encode
from docaxis.kafka.partitioner import partitions_of
from docaxis.recording.engine import engine
from docaxis.recording.pseudonym import Pseudonyms
from docaxis.recording.replay_plan import (
    TRAFFIC_COLUMNS,
    Planned,
    ReplayPlan,
    copied,
    planned_blocks,
    prepare,
    schedule_of,
)
from producers.drafting import Drafts
from producers.pacer import Pacer

Int64s = npt.NDArray[np.int64]

#: Documents drafted together: about a millisecond of work, which is what a document due meanwhile waits.
SLICE = 100

#: Documents drafted ahead of the schedule at most, some 600 bytes each.
AHEAD_MAX = 100_000

#: Drafting begins only if nothing is due for so long.
FREE_US = 4_000

#: Slices that follow each other within so long are sent as one, of so many documents at most.
TOGETHER_US, TOGETHER_MAX = 1_000, 10_000


class Slice(NamedTuple):
    """A few documents, ready to be stamped, and when they are due after the start."""

    due_us: Int64s
    drafts: Drafts

    @classmethod
    def joined(cls, parts: Sequence["Slice"]) -> "Slice":
        """Return slices that follow each other as one."""
        if len(parts) == 1:
            return parts[0]
        return cls(np.concatenate([part.due_us for part in parts]), Drafts.joined([part.drafts for part in parts]))


@dataclass(frozen=True, slots=True)
class AlreadySent:
    """What a replay that was killed had sent: hashes of packet ids, sorted, and how many in each partition."""

    hashes: npt.NDArray[np.uint64] = field(default_factory=lambda: np.empty(0, np.uint64))
    partitions: Mapping[int, int] = field(default_factory=dict)

    def among(self, packet_ids: list[str]) -> npt.NDArray[np.bool_]:
        """Return which of the packets were sent."""
        wanted = hashes_of(packet_ids)
        at = np.searchsorted(self.hashes, wanted)
        at[at == len(self.hashes)] = 0
        return np.asarray(self.hashes[at] == wanted) if len(self.hashes) else np.zeros(len(wanted), np.bool_)


def hashes_of(packet_ids: list[str]) -> npt.NDArray[np.uint64]:
    """Return 64 bits of a hash of each id: among ten million, two collide with a chance of one in 370,000."""
    digests = b"".join(blake2b(one.encode(), digest_size=8).digest() for one in packet_ids)
    return np.frombuffer(digests, np.uint64)


class RecordedDrafter:
    """Writes drafts of recorded documents for one run: all but the stamps, and the ids as the plan wants them."""

    def __init__(self, plan: ReplayPlan, partitions: int, agencies: tuple[str, ...]) -> None:
        self._partitions = partitions
        self._start = b'{"kind":"sent","version":1,"run":%b,"packet_id":' % encode(plan.run)
        self._pseudonyms = Pseudonyms.load(Path(plan.key_file)) if plan.key_file else None
        permuted = self._pseudonyms is not None and plan.pairs == "permuted"
        self._codes = self._pseudonyms.permuted(agencies) if permuted and self._pseudonyms else {}

    def draft(self, planned: Planned, sent: AlreadySent) -> Slice:
        """Draft the documents of a block that were not sent before."""
        columns = {name: planned.table.column(name).to_pylist() for name in planned.table.schema.names}
        packets, documents = self._identities(columns)
        fresh = np.flatnonzero(~sent.among(packets))
        heads, keys = [], []
        for row in fresh.tolist():
            keys.append(documents[row].encode())
            heads.append(self._head(columns, row, packets[row], documents[row]))
        fan_out = np.array([len(columns["recipients"][row]) for row in fresh.tolist()], np.int64)
        calendar_ms = np.array([columns["calendar_ms"][row] for row in fresh.tolist()], np.int64)
        return Slice(
            planned.due_us[fresh],
            Drafts(heads, keys, partitions_of(keys, self._partitions), fan_out, calendar_ms),
        )

    def identities(self, table: pa.Table) -> tuple[list[str], list[str], list[list[str]]]:
        """Return packet id, sender and recipients of each document, as they are sent."""
        columns = {name: table.column(name).to_pylist() for name in table.schema.names}
        senders, recipients = columns["sender"], columns["recipients"]
        if self._codes:
            senders = [self._codes.get(code, code) for code in senders]
            recipients = [[self._codes.get(code, code) for code in listed] for listed in recipients]
        return self._identities(columns)[0], senders, recipients

    def _identities(self, columns: dict[str, list]) -> tuple[list[str], list[str]]:  # type: ignore[type-arg]
        packets, documents = columns["packet_id"], columns["document_id"]
        if self._pseudonyms is not None:
            pairs = zip(packets, documents, strict=True)
            packets = [self._pseudonyms.packet(packet, document) for packet, document in pairs]
            documents = [self._pseudonyms.document(document) for document in documents]
        if any(columns["copy"]):
            packets = [copied(one, copy) for one, copy in zip(packets, columns["copy"], strict=True)]
            documents = [copied(one, copy) for one, copy in zip(documents, columns["copy"], strict=True)]
        return packets, documents

    def _head(self, columns: dict[str, list], row: int, packet: str, document: str) -> bytes:  # type: ignore[type-arg]
        sender, recipients = columns["sender"][row], columns["recipients"][row]
        if self._codes:
            sender = self._codes.get(sender, sender)
            recipients = [self._codes.get(code, code) for code in recipients]
        digest = "" if self._pseudonyms is not None else columns["sha256"][row]
        return (
            b'%b%b,"document_id":%b,"sender":%b,"recipients":%b,"type":%d,"priority":%d,"steering":%d,'
            b'"business":%d,"size":%d,"calendar_ms":%d,%b'
            % (
                self._start,
                encode(packet),
                encode(document),
                encode(sender),
                encode(recipients),
                columns["type"][row],
                columns["priority"][row],
                columns["steering"][row],
                columns["business"][row],
                columns["size"][row],
                columns["calendar_ms"][row],
                b'"sha256":%b,' % encode(digest) if digest else b"",
            )
        )


def recorded_slices(plan: ReplayPlan, partitions: int, agencies: tuple[str, ...], sent: AlreadySent) -> Iterator[Slice]:
    """Yield the documents of a plan that were not sent before, in order, in small slices."""
    drafter = RecordedDrafter(plan, partitions, agencies)
    with engine() as connection:
        extent = prepare(connection, plan)
        for planned in planned_blocks(connection, schedule_of(plan, extent), TRAFFIC_COLUMNS):
            for first in range(0, len(planned.due_us), SLICE):
                last = first + SLICE
                part = Planned(planned.table.slice(first, SLICE), planned.due_us[first:last])
                ready = drafter.draft(part, sent)
                if len(ready.due_us):
                    yield ready


class Timed(Protocol):
    """What is due at some time after the start."""

    @property
    def due_us(self) -> Int64s: ...


T = TypeVar("T", bound=Timed)


class Ahead(Generic[T]):
    """Slices drafted ahead of their time, at most AHEAD_MAX documents; `wait_until` drafts while nothing is due."""

    def __init__(self, slices: Iterator[T], clock: Clock) -> None:
        self._slices = slices
        self.clock = clock
        self._pacer = Pacer(clock)
        self._ready: deque[T] = deque()
        self._documents = 0
        self._ended = False

    def fill(self) -> None:
        """Draft until enough is ahead."""
        while self._draft():
            pass

    def next(self) -> T | None:
        """Take the next slice; None when there is none."""
        if not self._ready:
            self._draft()
        if not self._ready:
            return None
        first = self._ready.popleft()
        self._documents -= len(first.due_us)
        return first

    def together(self) -> list[T]:
        """Take the next slice and those that are ready and begin where it ends: they are due as one.

        What many senders wrote in one moment is stamped in one moment again; slice after slice, the last of them would
        seem milliseconds late.
        """
        first = self.next()
        taken: list[T] = [] if first is None else [first]
        documents = 0 if first is None else len(first.due_us)
        while taken and self._ready and documents < TOGETHER_MAX:
            if self._ready[0].due_us[0] > taken[-1].due_us[-1] + TOGETHER_US:
                break
            following = self.next()
            assert following is not None
            taken.append(following)
            documents += len(following.due_us)
        return taken

    async def wait_until(self, due_us: int) -> None:
        """Wait for a moment, or do something useful and return early, to be called again."""
        if due_us - self.clock.wall_us() < FREE_US or not self._draft():
            await self._pacer.wait_until(due_us)

    def _draft(self) -> bool:
        if self._ended or self._documents >= AHEAD_MAX:
            return False
        one = next(self._slices, None)
        if one is None:
            self._ended = True
            return False
        self._ready.append(one)
        self._documents += len(one.due_us)
        return True
