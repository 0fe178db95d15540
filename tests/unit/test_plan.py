"""The plan of a load test: phases follow each other, and no change touches what is past."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from docaxis.domain.control import Echo, Offer, Over, decode_control, encode_control, skew_of
from docaxis.domain.plan import (
    NEVER_US,
    NO_PHASE,
    Plan,
    first_plan,
    paused,
    phase_ended,
    resumed,
    stretched,
    with_factor,
)
from docaxis.kafka.control import ControlFeed
from docaxis.kafka.topics import Topics
from tests.support.laws import law

BEGIN = 1_700_000_000_000_000
PLAN = first_plan(
    "r",
    BEGIN,
    [("warm", "warm-up", 10, False, False), ("load", "load", 100, True, False), ("last", "soak", 50, True, False)],
)


def _phase(plan: Plan, offset: int) -> int:
    return int(plan.phase_of(np.array([BEGIN + offset], np.int64))[0])


def test_phases_partition_the_time_of_the_run() -> None:
    assert [_phase(PLAN, offset) for offset in (-1, 0, 9, 10, 109, 110, 159, 160)] == [
        NO_PHASE,
        0,
        0,
        1,
        1,
        2,
        2,
        NO_PHASE,
    ]
    assert decode_control(encode_control(PLAN)[1]) == PLAN


def test_a_pause_moves_everything_behind_it() -> None:
    standing = paused(PLAN, BEGIN + 30)
    assert standing.end_us == NEVER_US
    assert _phase(standing, 10**6) == 1
    going = resumed(standing, PLAN, BEGIN + 70)
    assert [(phase.begin_us - BEGIN, phase.end_us - BEGIN) for phase in going.phases] == [
        (0, 10),
        (10, 150),
        (150, 200),
    ]
    assert going.wall_us(1, np.array([0, 19, 20, 99])).tolist() == [BEGIN + at for at in (10, 29, 70, 149)]
    assert [going.phase_us(1, BEGIN + at) for at in (10, 29, 50, 70, 149)] == [0, 19, 20, 20, 99]
    assert going.number > standing.number > PLAN.number
    assert paused(standing, BEGIN + 40) is standing
    assert resumed(PLAN, PLAN, BEGIN + 40) is PLAN


def test_the_end_of_a_phase_pulls_the_later_ones_forward() -> None:
    ended = phase_ended(PLAN, BEGIN + 40)
    assert [(phase.begin_us - BEGIN, phase.end_us - BEGIN) for phase in ended.phases] == [(0, 10), (10, 40), (40, 90)]
    assert phase_ended(PLAN, BEGIN + 1000) is PLAN


def test_factors_hold_from_their_moment_on_and_in_later_phases() -> None:
    plan = with_factor(with_factor(PLAN, BEGIN + 30, 2.0), BEGIN + 60, 0.5)
    assert plan.factors_of(0) == [(0, 1.0)]
    assert plan.factors_of(1) == [(0, 1.0), (20, 2.0), (50, 0.5)]
    assert plan.factors_of(2) == [(0, 0.5)]


changes = st.lists(st.tuples(st.sampled_from(["pause", "resume", "end", "rate"]), st.integers(1, 40)), max_size=8)


@law(100)
@given(changes)
def test_no_change_touches_what_is_past(steps: list[tuple[str, int]]) -> None:
    plan, before, now = PLAN, PLAN, BEGIN
    for what, later in steps:
        now += later
        past = np.arange(BEGIN - 5, now, dtype=np.int64)
        known = plan.phase_of(past)
        if what == "pause" and (changed := paused(plan, now)) is not plan:
            before, plan = plan, changed
        elif what == "resume":
            plan = resumed(plan, before, now)
        elif what == "end":
            if not (plan.pauses and plan.pauses[-1][1] == NEVER_US):
                plan = phase_ended(plan, now)
        elif what == "rate":
            plan = with_factor(plan, now, 2.0)
        assert np.array_equal(plan.phase_of(past), known)
        for first, second in zip(plan.phases, plan.phases[1:], strict=False):
            assert first.end_us == second.begin_us


@law(100)
@given(st.integers(-(10**7), 10**7), st.integers(0, 10**5), st.integers(0, 10**5), st.integers(0, 10**5))
def test_skew_is_found_to_within_its_uncertainty(ahead: int, there: int, think: int, back: int) -> None:
    asked = 10**9 + ahead
    heard = 10**9 + there
    echo = Echo("r", "f", 1, asked, heard, heard + think)
    skew, uncertainty = skew_of(asked, echo, heard + think + back + ahead)
    assert abs(skew - ahead) <= uncertainty + 1
    assert uncertainty <= (there + back) // 2 + 1


def test_phases_that_nothing_sends_in_are_not_there() -> None:
    with pytest.raises(IndexError):
        _ = Plan("r", 1, []).begin_us


@law(200)
@given(
    st.lists(st.tuples(st.integers(1, 10_000), st.sampled_from([0.0, 0.5, 1.0, 2.0, 4.0])), max_size=4),
    st.lists(st.integers(0, 50_000), min_size=1),
)
def test_what_is_offered_at_changing_rates_passes_at_these_rates(
    changes: list[tuple[int, float]], offered: list[int]
) -> None:
    factors, at = [(0, 1.0)], 0
    for gap, factor in changes:
        at += gap
        factors.append((at, factor))
    walls = stretched(np.array(sorted(offered), np.int64), factors)
    assert (np.diff(walls) >= 0).all()
    ends = [*(begin for begin, _ in factors[1:]), NEVER_US]
    for wanted, wall in zip(sorted(offered), walls.tolist(), strict=True):
        passed = sum(
            max(0, min(wall, end) - begin) * factor for (begin, factor), end in zip(factors, ends, strict=True)
        )
        if wall < NEVER_US:
            assert wanted - 4 < passed <= wanted  # within one microsecond of the fastest rate
        else:
            assert passed <= wanted


def test_documents_before_a_change_of_rate_keep_their_time() -> None:
    faster = with_factor(PLAN, BEGIN + 60, 2.0)
    offered = np.array([0, 49, 50, 52, 90], np.int64)
    assert (faster.due_us(1, offered) - BEGIN).tolist() == [10, 59, 60, 61, 80]
    assert (PLAN.due_us(1, offered) - BEGIN).tolist() == [10, 59, 60, 62, 100]


def test_a_run_that_is_gone_on_with_is_over_no_longer() -> None:
    feed = ControlFeed({}, Topics("t"))
    offer, over = Offer("r1", 1, 0, {}), Over("r1")
    known = []
    for record in (offer, over, offer):
        feed._read(encode_control(record)[1])
        known.append("r1" in feed.over)
    assert known == [False, True, False]


def test_of_runs_without_a_plan_no_more_is_kept_than_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("docaxis.kafka.control.RUNS_MAX", 2)
    feed = ControlFeed({}, Topics("t"))
    for number in range(5):
        feed._read(encode_control(Offer(f"r{number}", 1, 0, {}))[1])
        feed._read(encode_control(Over(f"r{number}"))[1])
    assert list(feed.offers) == list(feed.over) == ["r3", "r4"]
