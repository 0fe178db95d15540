"""Fidelity: exact where it must be, and it tells every way in which a replay can differ."""

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.fidelity import Counts, Fidelity, Sent, fidelity_faults, ks_distance, measure
from monitor.fidelity_view import fidelity_result, fidelity_rows
from tests.support.laws import law

EQUAL = Counts({"a": 1}, {"a": 1})


def replayed(due_us: list[int], late_us: list[int], *, start: int = 10**15, senders: list[int] | None = None) -> Sent:
    """Return documents that were each sent so late."""
    due = np.array(due_us, np.int64)
    return Sent(due, start + due, start + due + np.array(late_us), np.array(senders or [0] * len(due), np.int32))


def measured(sent: Sent, **counts: int) -> Fidelity:
    """Return the fidelity of a replay whose counts are right, but for those given."""
    given = {"documents_planned": len(sent.due_us), "documents_doubled": 0, "documents_strange": 0} | counts
    return measure(sent, **given, pairs=EQUAL, hours=EQUAL)


def test_a_perfect_replay_has_no_error_at_all() -> None:
    fidelity = measured(replayed([n * 20_000 for n in range(500)], [0] * 500))
    assert dict(fidelity.send_error_us) == {"p50": 0, "p99": 0, "max": 0}
    assert (fidelity.ks_pooled, fidelity.ks_worst, fidelity.seconds_moved_share) == (0, 0, 0)
    assert (fidelity.lives, fidelity.gaps_compared, fidelity.intended_error_us_max) == (1, 499, 0)
    assert fidelity.complete
    assert fidelity_faults(fidelity, error_p99_us_max=0, ks_max=0.0) == ()


def test_figures_are_shown_as_they_are_named_however_they_were_stored() -> None:
    fidelity = measured(replayed(list(range(1000)), list(range(1000, 0, -1))))
    changed = {"closed": False, "speed": 1, "gaps_skipped": 0, "skipped_seconds": 0, "capped": 0}
    changed |= {"capped_seconds_max": 0, "amplify": 1}
    stored = orjson.loads(orjson.dumps(fidelity_result(fidelity, changed, ""), option=orjson.OPT_SORT_KEYS))
    assert dict(fidelity_rows(stored))["send-time error p50, p99, max"] == "0.500, 0.990, 1.000 ms"


def test_send_time_errors_are_exact() -> None:
    fidelity = measured(replayed(list(range(1000)), list(range(1000, 0, -1))))
    assert dict(fidelity.send_error_us) == {"p50": 500, "p99": 990, "max": 1000}
    assert fidelity_faults(fidelity, error_p99_us_max=989) == (
        "replay: send-time error p99 0.990 ms, at most 0.989 ms wanted",
    )


def test_a_chain_of_sleeps_would_be_seen() -> None:
    """Intended times that drift away from the schedule are an error of their own, however well they are kept."""
    due = np.arange(1000) * 20_000
    drifted = 10**15 + due + np.arange(1000) * 300
    fidelity = measured(Sent(due, drifted, drifted, np.zeros(1000, np.int32)))
    assert fidelity.send_error_us["max"] == 0
    assert fidelity.intended_error_us_max > 100_000


def test_gaps_are_compared_within_a_sender_and_only_from_ten_milliseconds_on() -> None:
    due = [0, 5_000, 20_000, 26_000, 60_000]
    fidelity = measured(replayed(due, [0] * 5, senders=[0, 1, 0, 1, 1]))
    assert fidelity.gaps_compared == 3  # 0 to 20, 5 to 26 and 26 to 60 ms; none is between two senders


def test_the_worst_sender_is_named() -> None:
    due = [n * 15_000 for n in range(400)]
    late = [0 if n % 2 else 9_000 * (n % 4 // 2) for n in range(400)]
    fidelity = measured(replayed(due, late, senders=[n % 2 for n in range(400)]))
    assert fidelity.ks_worst_sender == 0
    assert fidelity.ks_worst > 0.4
    assert 0 < fidelity.ks_pooled < fidelity.ks_worst
    assert "Kolmogorov-Smirnov" in fidelity_faults(fidelity, ks_max=0.01)[0]


def test_a_resumed_replay_has_two_lives_and_the_pause_is_no_error() -> None:
    first, second = replayed([0, 20_000, 40_000], [0] * 3), replayed([60_000, 80_000], [0] * 2, start=10**15 + 10**8)
    both = Sent(*(np.concatenate([getattr(part, name) for part in (first, second)]) for name in Sent.__slots__))
    fidelity = measured(both)
    assert (fidelity.lives, fidelity.gaps_compared, fidelity.intended_error_us_max) == (2, 3, 0)
    assert (fidelity.ks_pooled, fidelity.seconds_moved_share) == (0, 0)


def test_documents_that_slip_into_another_second_are_counted() -> None:
    fidelity = measured(replayed([n * 1000 for n in range(2000)], [0] * 990 + [10_000] * 10 + [0] * 1000))
    assert fidelity.seconds_moved_share == 10 / 2000


@pytest.mark.parametrize(
    "counts",
    [{"documents_planned": 11}, {"documents_doubled": 1}, {"documents_strange": 1}],
    ids=lambda one: next(iter(one)),
)
def test_what_is_missing_doubled_or_strange_is_a_fault(counts: dict[str, int]) -> None:
    fidelity = measured(replayed(list(range(10)), [0] * 10), **counts)
    assert not fidelity.complete
    assert len(fidelity_faults(fidelity)) == 1


def test_pairs_and_hours_that_differ_are_a_fault() -> None:
    sent = replayed([1], [0])
    counts = {"documents_planned": 1, "documents_doubled": 0, "documents_strange": 0}
    differing = Counts({"a": 1, "b": 2, "c": 3}, {"a": 1, "b": 3, "d": 1})
    assert differing.differing == 3
    assert not measure(sent, **counts, pairs=differing, hours=EQUAL).complete
    assert not measure(sent, **counts, pairs=EQUAL, hours=differing).complete


def test_nothing_sent_is_measured_too() -> None:
    fidelity = measured(replayed([], []), documents_planned=3)
    assert (fidelity.documents_sent, fidelity.lives, fidelity.complete) == (0, 0, False)


@law(100)
@given(st.lists(st.integers(0, 20), min_size=1), st.lists(st.integers(0, 20), min_size=1))
def test_the_distance_is_the_largest_difference_of_the_distributions(one: list[int], other: list[int]) -> None:
    found = ks_distance(np.array(one), np.array(other))
    expected = max(
        abs(sum(x <= at for x in one) / len(one) - sum(x <= at for x in other) / len(other)) for at in range(21)
    )
    assert found == pytest.approx(expected)
    assert found == ks_distance(np.array(other), np.array(one))
    assert ks_distance(np.array(one), np.array(one)) == 0


def test_a_long_and_mostly_silent_replay_takes_no_memory_for_its_silence() -> None:
    fidelity = measured(replayed([0, 10**15], [0, 2_000_000]))
    assert fidelity.seconds_moved_share == 0.5
