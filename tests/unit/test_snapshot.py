"""Snapshots as records: each segment is written once, what is gone leaves a tombstone, what is damaged is refused."""

from operator import attrgetter

import msgspec
import numpy as np
import pytest

from streams import snapshot
from streams.ledger import LedgerBounds
from streams.snapshot import Records, Snapshots
from streams.state import Duties, PartitionState, StateBounds
from tests.support import events

DUTIES = Duties(partitions=1)
BOUNDS = StateBounds()


def deliver(state: PartitionState, first: int, count: int, run: str = events.RUN) -> None:
    """Let documents `first` ... be sent to one agency each and received."""
    ids = [f"G22.2021.{number:07d}.0" for number in range(first, first + count)]
    state.fold("sent", events.records("sent", [events.sent(one, run=run) for one in ids], first), 0)
    receipts = [events.receipt(one, run=run, place=(0, first + i)) for i, one in enumerate(ids)]
    state.fold("status", events.records("status", receipts, first), 0)


def compacted(*snapshots: Records) -> dict[bytes, bytes]:
    """Return what a compacted topic keeps of records written one after the other."""
    newest: Records = {}
    for records in snapshots:
        newest |= records
    return {key: value for key, value in newest.items() if value is not None}


def restore(records: dict[bytes, bytes], bounds: StateBounds = BOUNDS) -> tuple[Snapshots, PartitionState]:
    return Snapshots.restore(records, 0, DUTIES, bounds)


def segment_keys(records: Records) -> set[bytes]:
    return {key for key in records if key.startswith(b"closed/")}


def test_nothing_stored_is_an_empty_state() -> None:
    _, state = restore({})
    assert state.positions == {}
    assert state.runs() == []


def test_an_empty_state_can_be_stored() -> None:
    records = Snapshots().take(PartitionState(0, DUTIES, BOUNDS), [], 5)
    assert restore(compacted(records))[1].positions == {}


def test_a_segment_is_written_once_and_not_again_after_a_restart() -> None:
    snapshots, state = Snapshots(), PartitionState(0, DUTIES, BOUNDS)
    deliver(state, 0, 100)
    first = snapshots.take(state, [], 1)
    assert len(segment_keys(first)) == 1
    assert segment_keys(snapshots.take(state, [], 2)) == set()
    resumed, again = restore(compacted(first))
    assert segment_keys(resumed.take(again, [], 3)) == set()


def test_segments_that_merge_are_replaced_by_tombstones_also_after_a_restart() -> None:
    snapshots, state = Snapshots(), PartitionState(0, DUTIES, BOUNDS)
    deliver(state, 0, 10)
    first = snapshots.take(state, [], 1)
    deliver(state, 10, 10)
    for writer, owner in ((snapshots, state), restore(compacted(first))):
        if owner is not state:
            deliver(owner, 10, 10)
        second = writer.take(owner, [], 2)
        assert [value is None for key, value in sorted(second.items()) if key in segment_keys(first)] == [True]
        assert len(segment_keys(compacted(first, second))) == 1  # type: ignore[arg-type]


def test_all_chunks_of_a_segment_go_when_it_merges_also_after_a_restart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, "CHUNK_BYTES", 64)
    snapshots, state = Snapshots(), PartitionState(0, DUTIES, BOUNDS)
    deliver(state, 0, 20)
    first = snapshots.take(state, [], 1)
    resumed, again = restore(compacted(first))
    deliver(again, 20, 20)
    second = resumed.take(again, [], 2)
    assert len(segment_keys(first)) == 5
    assert {key: second[key] for key in segment_keys(first)} == dict.fromkeys(segment_keys(first))


def test_every_table_of_a_ledger_survives() -> None:
    state = PartitionState(0, DUTIES, BOUNDS)
    ledger = state.ledger(events.RUN)
    ledger.send([events.sent("foreign", ["H01", "H02"]), events.sent(recipients=["H01", "H02", "H53"])])
    ledger.receive([events.receipt(recipient="H01", place=(0, offset)) for offset in (1, 2)])
    ledger.receive([events.receipt("never-sent", place=(0, 3), failed=True)])
    ledger.refuse([events.refusal(recipient="H02"), events.refusal("not-sent-either"), events.refusal("nor", "H01")])
    ledger.closed.forgotten = 7
    records = compacted(Snapshots().take(state, [], 1))
    again = restore(records)[1].ledger(events.RUN)
    for name in ("counts", "open.sent_us", "open.names", "overlay", "unmatched", "unmatched_refusals", "frontier"):
        assert attrgetter(name)(again), f"the test must fill {name}"
        assert attrgetter(name)(again) == attrgetter(name)(ledger), name
    assert again.open.owed.tolist() == ledger.open.owed.tolist()
    assert again.totals() == ledger.totals()
    assert (again.closed.next_number, again.closed.forgotten) == (ledger.closed.next_number, 7) == (1, 7)


def test_a_state_that_shrank_leaves_no_chunk_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, "CHUNK_BYTES", 100)
    snapshots, state = Snapshots(), PartitionState(0, DUTIES, BOUNDS)
    ids = [f"G22.2021.{number:07d}.0" for number in range(50)]
    state.fold("sent", events.records("sent", [events.sent(one) for one in ids]), 0)
    large = snapshots.take(state, [], 1)
    state.fold("status", events.records("status", [events.receipt(one) for one in ids]), 0)
    resumed, again = restore(compacted(large))
    again.fold("status", events.records("status", [events.receipt(one) for one in ids]), 0)
    for writer, owner in ((snapshots, state), (resumed, again)):
        kept = compacted(large, writer.take(owner, [], 2))
        chunks = [key for key in kept if key.startswith(b"state/")]
        assert len(chunks) < sum(key.startswith(b"state/") for key in large)
        assert restore(kept)[1].ledger(events.RUN).totals() == state.ledger(events.RUN).totals()


def test_no_record_exceeds_the_chunk_size_and_large_segments_are_put_together_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(snapshot, "CHUNK_BYTES", 64)
    snapshots, state = Snapshots(), PartitionState(0, DUTIES, BOUNDS)
    deliver(state, 0, 37)
    records = snapshots.take(state, [], 1)
    assert max(len(value) for value in records.values() if value) <= 64
    assert len(segment_keys(records)) > 5
    segment = restore(compacted(records))[1].ledger(events.RUN).closed.segments[0]
    original = state.ledger(events.RUN).closed.segments[0]
    assert np.array_equal(segment.keys, original.keys)
    assert np.array_equal(segment.places, original.places)


def test_a_forgotten_run_leaves_nothing_in_the_topic() -> None:
    bounds = StateBounds(runs_max=1)
    snapshots, state = Snapshots(), PartitionState(0, DUTIES, bounds)
    deliver(state, 0, 10, run="old")
    first = snapshots.take(state, [], 1)
    deliver(state, 10, 10, run="new")
    kept = compacted(first, snapshots.take(state, [], 2))
    assert {key.split(b"/")[1] for key in segment_keys(dict(kept))} == {b"new"}
    again = restore(kept, bounds)[1]
    assert (again.runs(), list(again.runs_gone)) == (["new"], ["old"])


def test_names_of_runs_with_slashes_do_not_mix() -> None:
    snapshots, state = Snapshots(), PartitionState(0, DUTIES, BOUNDS)
    for number, run in enumerate(["a", "a/0", "a/0/0", "văn bản"]):
        deliver(state, number * 10, number + 1, run=run)
    _, again = restore(compacted(snapshots.take(state, [], 1)))
    assert {run: len(ledger.closed) for run, ledger in again.ledgers.items()} == {
        "a": 1, "a/0": 2, "a/0/0": 3, "văn bản": 4,
    }  # fmt: skip


def test_segments_beyond_the_horizon_are_forgotten_in_the_topic_too() -> None:
    bounds = StateBounds(ledger=LedgerBounds(closed_horizon=20))
    snapshots, state, kept = Snapshots(), PartitionState(0, DUTIES, bounds), dict[bytes, bytes]()
    for number in range(10):
        deliver(state, number * 10, 10)
        kept = compacted(kept, snapshots.take(state, [], number))  # type: ignore[arg-type]
    _, again = restore(kept, bounds)
    totals = again.ledger(events.RUN).totals()
    assert (totals["remembered"], totals["forgotten"]) == (20, 80)
    assert len(segment_keys(dict(kept))) == 2


@pytest.mark.parametrize("missing", [b"state/0", b"state/1", b"closed/run/0/0"])
def test_a_missing_record_is_named(missing: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, "CHUNK_BYTES", 200)
    state = PartitionState(0, DUTIES, BOUNDS)
    deliver(state, 0, 3)
    records = compacted(Snapshots().take(state, [], 1))
    del records[missing]
    with pytest.raises(ValueError, match=missing.decode()):
        restore(records)


def test_a_missing_tail_of_a_segment_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, "CHUNK_BYTES", 64)
    state = PartitionState(0, DUTIES, BOUNDS)
    deliver(state, 0, 37)
    records = compacted(Snapshots().take(state, [], 1))
    del records[max(segment_keys(dict(records)), key=lambda key: int(key.rpartition(b"/")[2]))]
    with pytest.raises(ValueError, match="snapshot"):
        restore(records)


def test_another_version_is_refused() -> None:
    records = compacted(Snapshots().take(PartitionState(0, DUTIES, BOUNDS), [], 1))
    head = msgspec.msgpack.decode(records[b"head"])
    records[b"head"] = msgspec.msgpack.encode(head | {"version": 99})
    with pytest.raises(ValueError, match="version 99"):
        restore(records)


@pytest.mark.parametrize("key", [b"head", b"state/0"])
def test_bytes_that_are_no_snapshot_are_refused_as_a_value_error(key: bytes) -> None:
    records = compacted(Snapshots().take(PartitionState(0, DUTIES, BOUNDS), [], 1))
    records[key] = b"\xc1damaged"
    with pytest.raises(ValueError):
        restore(records)


def test_the_snapshot_holds_what_was_true_when_it_was_taken() -> None:
    snapshots, state = Snapshots(), PartitionState(0, DUTIES, BOUNDS)
    deliver(state, 0, 5)
    records = compacted(snapshots.take(state, [], 1))
    deliver(state, 5, 5)
    _, again = restore(records)
    assert again.positions == {"sent": 5, "status": 5}
    assert again.ledger(events.RUN).counts.delivered_once == 5


@pytest.mark.parametrize("count", [4000, 8000])
def test_nonsense_latencies_cannot_make_a_state_unstorable(count: int) -> None:
    state = PartitionState(0, DUTIES, BOUNDS)
    worst = events.receipt(intended_us=0, sent_us=0, received_us=(1 << 53) - 1)
    for first in range(0, count, 2000):
        state.fold("status", events.records("status", [worst] * 2000, first), 0)
    reading = state.tally(events.RUN, "status").to_reading(
        state.codes.codes, version=1, run=events.RUN, topic="status", partition=0, offset=count, at_us=1
    )
    records = compacted(Snapshots().take(state, [reading], 1))
    _, again = restore(records)
    assert again.tally(events.RUN, "status").stages["delivery"].sum_us > 1 << 60
