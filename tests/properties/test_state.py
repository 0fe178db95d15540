"""Crash and redelivery: whatever is stored when, and whatever comes again, every count ends as if nothing had happened.

The changelog is a dict, as a compacted topic keeps it: the newest value of each key, tombstones removed.
"""

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from docaxis.domain.codec import encode
from docaxis.domain.event import Refusal
from monitor.reading import Reading
from streams import snapshot
from streams.keys import Codes
from streams.ledger import LedgerBounds
from streams.snapshot import Snapshots
from streams.state import Duties, PartitionState, StateBounds
from tests.support import events
from tests.support.laws import law

PARTITION, PARTITIONS = 0, 2
DUTIES = Duties(PARTITIONS)
LAW = law(60)
ANY_KEY = (-(1 << 63), (1 << 63) - 1)
NOW_US = events.SENT_US

RUNS = ["a", "b", "c"]
PACKETS = ["G22.2021.0000001.0", "G22.2021.0000002.0", "H53.2021.0000001.0", "H53.2021.0000001.7", "a-foreign-id"]
RECIPIENTS = ["H01", "H02", "000.00.00.H01", "Bộ"]
JUNK = [None, b"", b"junk", b"{}", b'{"kind":"sent"}']


@dataclass(frozen=True)
class LogRecord:
    """One record of the history: its topic and content; offsets follow, with gaps where transactions ended."""

    topic: str
    value: bytes | None
    key: bytes
    gap: int


@st.composite
def logs(draw: st.DrawFn, runs: list[str] = RUNS, size_max: int = 40) -> list[LogRecord]:
    """Draw records of all topics in the order in which a worker that never fails reads them; few packets, often met."""
    packets = draw(st.lists(st.sampled_from(PACKETS), min_size=1, max_size=3, unique=True))
    step = st.tuples(
        st.sampled_from(["sent", "sent", "receipt", "receipt", "receipt", "status", "refusal", "delivered", "junk"]),
        st.sampled_from(runs[: draw(st.integers(1, len(runs)))]), st.sampled_from(packets), st.sampled_from(RECIPIENTS),
        st.integers(0, 3), st.sampled_from([0, 0, 0, 1, 5]),
    )  # fmt: skip
    return [log_record(*one) for one in draw(st.lists(step, max_size=size_max))]


def log_record(kind: str, run: str, packet: str, recipient: str, number: int, gap: int) -> LogRecord:
    sender = packet[:3]
    key = events.document_of(packet).encode()
    topic, event = kind, None
    if kind == "sent":
        count = number % len(RECIPIENTS)
        event = encode(events.sent(packet, RECIPIENTS[:count], sender=sender, run=run, sent_us=NOW_US + number))
    elif kind == "receipt":
        topic = "status"
        place, lag_us = (PARTITION, number), number * 30_000_000
        event = encode(
            events.receipt(
                packet, recipient, sender=sender, run=run, place=place, failed=number == 3, received_us=NOW_US + lag_us
            )
        )
    elif kind == "status":
        event = encode(events.status(packet, recipient, sender=sender, run=run))
    elif kind == "delivered":
        event = encode(events.delivered(recipient, packet, sender=sender, run=run))
    elif kind == "refusal":
        topic = "refused"
        event = encode(events.refusal(packet, ["", recipient][number % 2], sender=sender, run=run))
    else:
        topic, event = ["sent", "status", "delivered", "refused"][number], JUNK[(number + gap) % len(JUNK)]
    return LogRecord(topic, event, key, gap)


# --- a worker on a compacted topic


def consumer_records(log: list[LogRecord]) -> list[tuple[str, Any]]:
    """Give each record its offset in its topic."""
    ends: dict[str, int] = {}
    records = []
    for one in log:
        offset = ends.get(one.topic, 0) + one.gap
        ends[one.topic] = offset + 1
        records.append((one.topic, events.record(one.topic, one.value, offset, partition=PARTITION, key=one.key)))
    return records


class Disk:
    """What survives: the compacted topic, and the dead letters that were written with it."""

    def __init__(self) -> None:
        self.changelog: dict[bytes, bytes] = {}
        self.letters: list[Refusal] = []

    def store(self, snapshots: Snapshots, state: PartitionState) -> None:
        for key, value in snapshots.take(state, tally_readings(state), NOW_US).items():
            if value is None:
                self.changelog.pop(key, None)
            else:
                assert len(value) <= snapshot.CHUNK_BYTES or key == b"head"
                self.changelog[key] = value
        self.letters += state.dead_letters
        state.dead_letters = []
        state.changed = False


def tally_readings(state: PartitionState) -> list[Reading]:
    return [
        tally.to_reading(
            state.codes.codes, version=1, run=run, topic=topic, partition=PARTITION, offset=0, at_us=NOW_US
        )
        for (run, topic), tally in state.tallies.items()
    ]


def picture(state: PartitionState) -> dict[str, Any]:
    """Return everything that is told of a state, in a form that does not depend on how it is held."""
    ledgers = {}
    for run, ledger in state.ledgers.items():
        tables = ("overlay", "unmatched", "unmatched_refusals", "frontier", "empty")
        ledgers[run] = {name: dict(getattr(ledger, name)) for name in tables} | {"totals": ledger.totals()}
        owed = {number: count for number, count in enumerate(ledger.open.owed.tolist()) if count}
        ledgers[run] |= {"open": ledger.open.sent_us, "names": ledger.open.names, "owed": owed}
    tallies = {(one.run, one.topic): one for one in tally_readings(state)}
    return {
        "positions": state.positions,
        "codes": state.codes.codes,
        "tallies": {key: one for key, one in tallies.items() if one.counts or one.agencies},
        "ledgers": ledgers,
        "runs": sorted(state.runs()),
        "runs_forgotten": state.runs_forgotten,
    }


def closed_of(state: PartitionState) -> dict[str, dict[int, int]]:
    """Return all closed deliveries by run."""
    return {run: dict(ledger.closed.between(*ANY_KEY)) for run, ledger in state.ledgers.items()}


def fold(state: PartitionState, records: list[tuple[str, Any]], batch_max: int) -> None:
    """Fold records in order, neighbours of one topic in batches."""
    first = 0
    for position in range(1, len(records) + 1):
        is_end = position == len(records) or position - first == batch_max
        if is_end or records[position][0] != records[first][0]:
            state.fold(records[first][0], [record for _, record in records[first:position]], NOW_US)
            first = position


def opened(changelog: dict[bytes, bytes], bounds: StateBounds) -> tuple[Snapshots, PartitionState]:
    """Open what is stored. Agencies are numbered beforehand: new ones are as they appear, which batches decide."""
    if changelog:
        return Snapshots.restore(dict(changelog), PARTITION, DUTIES, bounds)
    return Snapshots(), PartitionState(PARTITION, DUTIES, bounds, Codes(["G22", "H53", "a-f", "H01", "H02", "Bộ"]))


def uninterrupted(records: list[tuple[str, Any]], bounds: StateBounds, batch_max: int) -> PartitionState:
    _, state = opened({}, bounds)
    fold(state, records, batch_max)
    return state


#: What happens along the log: how many records are read, whether a snapshot follows, whether a crash does and how far
#: back redelivery then begins.
plans = st.lists(
    st.tuples(st.integers(0, 12), st.booleans(), st.booleans(), st.integers(0, 10), st.integers(1, 5)), max_size=12
)


def interrupted(
    records: list[tuple[str, Any]], bounds: StateBounds, plan: list[tuple[int, bool, bool, int, int]]
) -> tuple[PartitionState, Disk]:
    """Read the log to its end with snapshots and crashes on the way."""
    disk = Disk()
    snapshots, state = opened(disk.changelog, bounds)
    position, stored_at, batch_max = 0, 0, 1
    for count, is_stored, is_crash, back, batch_max in plan:
        fold(state, records[position : position + count], batch_max)
        position = min(position + count, len(records))
        if is_stored:
            disk.store(snapshots, state)
            stored_at = position
        if is_crash:
            snapshots, state = opened(disk.changelog, bounds)
            position = max(0, stored_at - back)
    fold(state, records[position:], batch_max)
    return state, disk


def assert_nothing_happened(
    log: list[LogRecord], bounds: StateBounds, plan: list[tuple[int, bool, bool, int, int]], batch_max: int
) -> None:
    records = consumer_records(log)
    whole = uninterrupted(records, bounds, batch_max)
    state, disk = interrupted(records, bounds, plan)
    assert picture(state) == picture(whole)
    assert closed_of(state) == closed_of(whole)
    assert disk.letters + state.dead_letters == whole.dead_letters


#: A delivery is a duplicate at the crash, and its second record is reported again after it.
DUPLICATED = [
    log_record("sent", "a", PACKETS[0], "", 1, 0),
    *(log_record("receipt", "a", PACKETS[0], "H01", number, 0) for number in (0, 1, 1)),
]
#: Four deliveries are closed, then a crash, then a fifth, too few to merge: two segments of different numbers.
TWO_SEGMENTS = [
    *(log_record("sent", "a", packet, "", 2, 0) for packet in PACKETS[:3]),
    *(log_record("receipt", "a", packet, to, 0, 0) for packet in PACKETS[:2] for to in ("H01", "H02")),
    *[log_record("receipt", "a", PACKETS[2], "H01", 1, 0)] * 2,
]


@LAW
@given(logs(), plans, st.integers(1, 6))
@example(
    [log_record("sent", "a", PACKETS[0], "H01", 1, gap) for gap in (0, 1, 5)],
    [(1, True, False, 0, 1), (2, True, True, 2, 5)],
    5,
)
@example(DUPLICATED, [(3, True, True, 0, 3)], 4)
@example(TWO_SEGMENTS, [(7, True, True, 0, 5), (1, True, True, 0, 1), (1, False, False, 0, 1)], 3)
def test_snapshot_crash_and_redelivery_change_nothing(
    log: list[LogRecord], plan: list[tuple[int, bool, bool, int, int]], batch_max: int
) -> None:
    assert_nothing_happened(log, StateBounds(), plan, batch_max)


@LAW
@given(logs(size_max=25), plans)
def test_nor_do_they_when_the_state_takes_many_records(
    log: list[LogRecord], plan: list[tuple[int, bool, bool, int, int]]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(snapshot, "CHUNK_BYTES", 24)
        assert_nothing_happened(log, StateBounds(), plan, 4)


#: A run closes two deliveries, is forgotten for another, comes back and closes a different one: between two snapshots.
COMES_BACK = [
    log_record("sent", "a", PACKETS[0], "", 2, 0),
    log_record("receipt", "a", PACKETS[0], "H01", 0, 0),
    log_record("receipt", "a", PACKETS[0], "H02", 1, 0),
    log_record("sent", "b", PACKETS[1], "", 1, 0),
    log_record("sent", "a", PACKETS[2], "", 1, 0),
    log_record("receipt", "a", PACKETS[2], "H01", 2, 0),
]


@LAW
@given(logs(), plans, st.integers(1, 2))
@example(COMES_BACK, [(3, True, False, 0, 1), (3, True, True, 0, 1)], 1)
def test_nor_do_they_when_runs_are_forgotten(
    log: list[LogRecord], plan: list[tuple[int, bool, bool, int, int]], runs_max: int
) -> None:
    """Records are folded one by one: which run was quiet longest is decided by batches."""
    one_by_one = [(count, is_stored, is_crash, back, 1) for count, is_stored, is_crash, back, _ in plan]
    bounds = StateBounds(runs_max=runs_max)
    records = consumer_records(log)
    whole = uninterrupted(records, bounds, 1)
    state, _ = interrupted(records, bounds, one_by_one)
    assert len(state.ledgers) <= runs_max
    assert state.runs() == whole.runs()
    assert picture(state) == picture(whole)
    assert closed_of(state) == closed_of(whole)


@LAW
@given(logs(runs=["a"]), plans, st.integers(0, 5))
def test_nor_do_they_when_the_ledger_is_at_its_bounds(
    log: list[LogRecord], plan: list[tuple[int, bool, bool, int, int]], bound: int
) -> None:
    bounds = StateBounds(ledger=LedgerBounds(unmatched_max=bound, overlay_max=bound))
    records = consumer_records(log)
    whole, (state, _) = uninterrupted(records, bounds, 1), interrupted(records, bounds, plan)
    remembered = [{**picture(one), "ledgers": None} for one in (whole, state)]
    assert remembered[0] == remembered[1]
    for run, ledger in whole.ledgers.items():
        again = state.ledgers[run]
        assert (again.counts, again.open.sent_us, again.overlay) == (ledger.counts, ledger.open.sent_us, ledger.overlay)
        assert again.unmatched == ledger.unmatched


@LAW
@given(logs(), st.integers(1, 40))
def test_records_that_come_again_change_nothing(log: list[LogRecord], batch_max: int) -> None:
    records = consumer_records(log)
    state = uninterrupted(records, StateBounds(), batch_max)
    before, letters = picture(state), list(state.dead_letters)
    state.changed = False
    fold(state, records, batch_max)
    assert picture(state) == before
    assert state.dead_letters == letters
    assert not state.changed


@LAW
@given(logs(), plans)
def test_the_changelog_holds_one_snapshot_and_nothing_else(
    log: list[LogRecord], plan: list[tuple[int, bool, bool, int, int]]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(snapshot, "CHUNK_BYTES", 50)
        bounds = StateBounds(runs_max=2)
        _, disk = interrupted(consumer_records(log), bounds, plan)
        if not disk.changelog:
            return
        _, restored = Snapshots.restore(disk.changelog, PARTITION, DUTIES, bounds)
        fresh = Disk()
        fresh.store(Snapshots(), restored)
        assert disk.changelog.keys() == fresh.changelog.keys()
