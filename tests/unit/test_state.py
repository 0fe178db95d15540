"""A partition's state by example: what belongs to no run, what is misplaced or skipped, and what is forgotten first."""

from docaxis.domain.codec import encode
from docaxis.domain.event import Refusal
from docaxis.kafka.partitioner import partition_of
from streams.state import NO_RUN, OF_FORGOTTEN_RUNS, Duties, PartitionState, StateBounds
from tests.support import events

PARTITION, PARTITIONS = 0, 2
DUTIES = Duties(PARTITIONS)
NOW_US = events.SENT_US
RUNS = ["a", "b", "c"]


def test_every_record_is_counted_or_noted() -> None:
    state = PartitionState(PARTITION, DUTIES, StateBounds())
    for topic in ("sent", "status", "delivered", "refused"):
        state.fold(topic, [events.record(topic, b"junk", 0), events.record(topic, b"{}", 1)], NOW_US)
        assert state.tally(NO_RUN, topic).counts["unreadable_10"] == 1
        assert state.tally(NO_RUN, topic).counts["unreadable_22"] == 1
    state.fold("sent", events.records("sent", [events.sent(run="a")], 2), NOW_US)
    assert [(letter.topic, letter.code) for letter in state.dead_letters] == [("status", 10), ("status", 22)]
    assert state.tally("a", "sent").counts["documents"] == 1


def test_a_record_in_the_wrong_partition_is_counted_and_still_handled() -> None:
    document = next(
        f"G22.2021.{number:07d}"
        for number in range(100)
        if partition_of(f"G22.2021.{number:07d}".encode(), PARTITIONS) != PARTITION
    )
    records = events.records("sent", [events.sent(f"{document}.0")])
    state = PartitionState(PARTITION, DUTIES, StateBounds())
    state.fold("sent", records, NOW_US)
    assert state.tally(NO_RUN, "sent").counts["misplaced"] == 1
    assert state.ledger(events.RUN).outstanding == 1


def test_offsets_that_hold_no_record_are_counted_however_records_are_fetched() -> None:
    offsets = [3, 4, 7, 8, 12]
    values = [events.record("delivered", encode(events.delivered()), offset) for offset in offsets]
    skipped = []
    for batch_max in (1, 2, 3, 5):
        state = PartitionState(PARTITION, DUTIES, StateBounds())
        for first in range(0, len(values), batch_max):
            state.fold("delivered", values[first : first + batch_max], NOW_US)
        skipped.append(state.tally(NO_RUN, "delivered").counts["offsets_skipped"])
    assert skipped == [5] * 4


def test_counts_that_belong_to_no_run_are_not_forgotten_with_old_runs() -> None:
    state = PartitionState(PARTITION, DUTIES, StateBounds(runs_max=1))
    dead_letter = encode(Refusal(1, 10, "no event", "status", 0, 0, NOW_US))
    state.fold("sent", [events.record("sent", b"junk", 0)], NOW_US)
    state.fold("refused", [events.record("refused", dead_letter, 0)], NOW_US)
    for number, run in enumerate(RUNS):
        state.fold("sent", events.records("sent", [events.sent(run=run)], 1 + number), NOW_US)
    assert state.tally(NO_RUN, "sent").counts["unreadable_10"] == 1
    assert state.tally(NO_RUN, "refused").counts["refusals"] == 1
    assert state.runs() == ["c"]


def test_the_run_that_was_quiet_longest_is_forgotten_first_not_the_oldest() -> None:
    state = PartitionState(PARTITION, DUTIES, StateBounds(runs_max=2))
    for number, run in enumerate(["a", "b", "a", "c"]):
        state.fold("sent", events.records("sent", [events.sent(run=run)], number), NOW_US)
    assert state.runs() == ["a", "c"]
    assert state.tally("a", "sent").counts["documents"] == 2
    assert state.runs_forgotten == 1


def test_a_forgotten_run_that_comes_back_is_not_counted_anew() -> None:
    """Its totals would begin at nothing, under a higher offset than the readings that are true."""
    state = PartitionState(PARTITION, DUTIES, StateBounds(runs_max=1, runs_gone_max=2))
    for number, run in enumerate(["a", "b", "a", "c", "a", "b"]):
        state.fold("sent", events.records("sent", [events.sent(run=run)], number), NOW_US)
    assert state.runs() == ["c"]
    assert list(state.runs_gone) == ["a", "b"]
    assert state.tally(NO_RUN, "sent").counts[OF_FORGOTTEN_RUNS] == 3
    assert {run for run, _ in state.tallies} == {NO_RUN, "c"}
    # The names of forgotten runs are bounded as well: the first of them is new again after a thousand others.
    state.fold("sent", events.records("sent", [events.sent(run="d")], 6), NOW_US)
    assert list(state.runs_gone) == ["b", "c"]


def test_dead_letters_are_bounded_and_their_number_is_not() -> None:
    state = PartitionState(PARTITION, DUTIES, StateBounds(dead_letters_max=2))
    state.fold("status", [events.record("status", b"junk", offset) for offset in range(5)], NOW_US)
    assert len(state.dead_letters) == 2
    assert state.tally(NO_RUN, "status").counts["unreadable_10"] == 5
