"""The capacity search against hubs whose limit is known: noisy, unlucky, generator-limited, too slow, too fast."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from docaxis.commands.capacity_steps import GROWTH_SHARE
from monitor.capacity import (
    CapacitySearch,
    Finding,
    Limit,
    Plan,
    Step,
    StepKind,
    StepOutcome,
    curve,
)
from monitor.series import slope_of
from streams.hub import CREDIT_NS
from tests.support.laws import law

LAW = law(150)
ROUTING = Limit("routing p99 <= 0.25 s", stage="routing")

rates = st.floats(200, 50_000)
seeds = st.integers(0, 10**6)


def search(plan: Plan, run: Callable[[Step], StepOutcome]) -> CapacitySearch:
    """Run a search to its end; every state is checked on the way."""
    state = CapacitySearch(plan)
    while (step := state.step) is not None:
        assert state.answer is None
        assert plan.rate_min <= step.rate <= plan.rate_max
        assert step.rate < state.reach
        assert step.measure_s == plan.confirm_s or step.kind is not StepKind.CONFIRM
        state = state.after(run(step))
        assert state.lower < state.upper
        assert len(state.outcomes) <= plan.steps_max
    assert state.answer is not None
    return state


def limited_hub(limit: float, seed: int, *, noise: float = 0.03, unlucky: float = 0.0) -> Callable[[Step], StepOutcome]:
    """Return a hub that holds up to about `limit`: a noisy threshold, and at times an unlucky step."""
    rng = np.random.default_rng(seed)

    def run(step: Step) -> StepOutcome:
        # A longer step averages its noise.
        threshold = limit * (1 + rng.normal(0, noise * (20 / step.measure_s) ** 0.5))
        held = step.rate <= threshold and rng.random() >= unlucky
        return StepOutcome(step, held, limit=None if held else ROUTING, latency_p99_s=0.02)

    return run


def bucket_hub(limit: float, seed: int, pauses_s: float = 0.08) -> Callable[[Step], StepOutcome]:
    """Return a hub that passes on `limit` deliveries/s, with credit for idle time and pauses of its own.

    Judged second by second as a run is: by the growth of what is outstanding over the measured part.
    """
    rng = np.random.default_rng(seed)

    def run(step: Step) -> StepOutcome:
        credit, waiting = limit * CREDIT_NS / 1e9, 0.0
        points, through = list[tuple[float, float]](), 0.0
        for second in range(round(step.settle_s + step.measure_s)):
            pause_s = rng.exponential(pauses_s)
            carried = min(waiting + step.rate, limit * (1 - min(pause_s, 1)) + min(credit, limit))
            # An unused second is made up for, as far as credit goes; a pause is unused time like any other.
            credit = min(limit * CREDIT_NS / 1e9, credit + limit - carried)
            waiting += step.rate - carried
            if second >= step.settle_s:
                # In flight: what a pass or two holds when it is looked at.
                points.append((second, waiting + step.rate * rng.uniform(0, 0.1)))
                through += carried
        growth = slope_of(*np.array(points, np.float64).T)
        assert growth is not None
        held = growth <= GROWTH_SHARE * step.rate
        return StepOutcome(step, held, limit=None if held else ROUTING, achieved_rate=through / step.measure_s)

    return run


PLAN = Plan(start_rate=1_000, rate_min=50)


@LAW
@given(rates, seeds)
@example(1_000.0, 0)
@example(50_000.0, 1)
def test_a_noisy_threshold_is_found_within_a_tenth(limit: float, seed: int) -> None:
    answer = search(PLAN, limited_hub(limit, seed)).answer
    assert answer is not None
    assert answer.finding is Finding.FOUND
    assert answer.confirmed
    assert not answer.generator_limited
    assert abs(answer.rate / limit - 1) <= 0.10
    assert answer.rate < answer.upper <= answer.rate * 1.051
    assert answer.limit == ROUTING


@pytest.mark.parametrize("start", [150.0, 700.0, 1_300.0, 9_000.0])
def test_a_hub_that_forgives_a_moment_is_found_within_a_twentieth_by_short_steps(start: float) -> None:
    plan = Plan(start_rate=start, rate_min=50, settle_s=4, measure_s=10, confirm_s=15)
    for seed in range(100):
        state = search(plan, bucket_hub(2_000, seed))
        assert state.answer is not None
        assert state.answer.finding is Finding.FOUND, seed
        assert 0.95 <= state.answer.rate / 2_000 <= 1.05, seed


def test_what_got_through_shortens_the_search_and_never_misleads_it() -> None:
    """A hub that says it got through whatever it likes is found where it is all the same."""

    def steps(told: float | None) -> int:
        def run(step: Step) -> StepOutcome:
            held = step.rate <= 2_000
            return StepOutcome(step, held, achieved_rate=step.rate if held else told)

        state = search(Plan(start_rate=300, rate_min=50), run)
        assert state.answer is not None
        assert (state.answer.finding, state.answer.confirmed) == (Finding.FOUND, True)
        assert 2_000 / 1.051 <= state.answer.rate <= 2_000 < state.answer.upper
        return len(state.outcomes)

    assert steps(2_000) < steps(None)
    for told in (0.0, 100.0, 1_300.0, 1_900.0, 2_200.0, 5_000.0):
        assert steps(told) <= steps(None) + PLAN.aims_max


def test_steps_that_fail_for_nothing_now_and_then_hardly_move_the_answer() -> None:
    answers = [search(PLAN, limited_hub(10_000, seed, noise=0.01, unlucky=0.05)).answer for seed in range(300)]
    found = [answer.rate for answer in answers if answer is not None and answer.finding is Finding.FOUND]
    assert len(found) >= 290
    assert max(found) <= 10_500
    assert sum(rate >= 9_000 for rate in found) >= 0.95 * len(found)


def test_one_unlucky_step_is_seen_to_be_one() -> None:
    steps = iter(range(100))

    def run(step: Step) -> StepOutcome:
        return StepOutcome(step, held=next(steps) != 2 and step.rate <= 10_000)

    answer = search(PLAN, run).answer
    assert answer is not None
    assert answer.finding is Finding.FOUND
    assert 9_000 <= answer.rate <= 10_000


def test_a_rate_that_does_not_hold_in_the_longer_run_is_not_the_answer() -> None:
    def run(step: Step) -> StepOutcome:
        return StepOutcome(step, held=step.rate <= (6_000 if step.measure_s == PLAN.confirm_s else 8_000))

    state = search(PLAN, run)
    assert state.answer is not None
    assert 5_400 <= state.answer.rate <= 6_000


@LAW
@given(rates, st.floats(0.1, 0.95), seeds)
def test_when_the_generator_is_the_limit_the_answer_is_at_least(limit: float, share: float, seed: int) -> None:
    reach, hub = limit * share, limited_hub(limit, seed, noise=0.0)

    def run(step: Step) -> StepOutcome:
        return StepOutcome(step, held=False, generator_limited=True) if step.rate > reach else hub(step)

    answer = search(Plan(start_rate=min(1_000, reach), rate_min=10), run).answer
    assert answer is not None
    assert answer.finding is Finding.AT_LEAST
    assert answer.generator_limited
    assert 0.9 * reach <= answer.rate <= reach
    assert answer.limit is None, "nothing of the hub gave way"


def test_a_hub_faster_than_anybody_wants_to_know_is_at_least_that() -> None:
    answer = search(Plan(start_rate=100, rate_min=10, rate_max=5_000), lambda step: StepOutcome(step, True)).answer
    assert answer is not None
    assert (answer.finding, answer.rate, answer.generator_limited) == (Finding.AT_LEAST, 5_000, False)
    assert answer.confirmed


def test_a_hub_that_never_holds_is_below_the_minimum() -> None:
    state = search(Plan(start_rate=1_000, rate_min=100), lambda step: StepOutcome(step, False, limit=ROUTING))
    answer = state.answer
    assert answer is not None
    assert (answer.finding, answer.rate, answer.upper) == (Finding.BELOW_MINIMUM, 0.0, 100)
    assert answer.limit == ROUTING


@LAW
@given(seeds)
def test_a_search_ends_whatever_the_steps_say(seed: int) -> None:
    rng = np.random.default_rng(seed)
    plan = Plan(start_rate=1_000, rate_min=100, steps_max=25)
    state = search(
        plan,
        lambda step: StepOutcome(step, held=bool(rng.integers(2)), generator_limited=bool(rng.random() < 0.1)),
    )
    assert len(state.outcomes) <= 25


def test_the_outcome_of_another_step_is_refused() -> None:
    state = CapacitySearch(PLAN)
    step = state.step
    assert step is not None
    for other in (Step(step.kind, step.rate * 1.01, step.settle_s, step.measure_s), Step(step.kind, step.rate, 0, 1)):
        with pytest.raises(ValueError, match="never changed on the way"):
            state.after(StepOutcome(other, held=True))


def test_the_curve_leaves_out_what_the_generator_could_not_offer() -> None:
    steps = [Step(StepKind.CLIMB, rate, 1, 1) for rate in (300, 100, 200)]
    outcomes = [
        StepOutcome(steps[0], False, generator_limited=True, latency_p99_s=9.0),
        StepOutcome(steps[1], True, latency_p99_s=0.01),
        StepOutcome(steps[2], True, latency_p99_s=0.02),
    ]
    assert curve(outcomes) == [(100, 0.01), (200, 0.02)]


@pytest.mark.parametrize(
    "wrong",
    [{"rate_min": 0}, {"rate_min": 2_000}, {"rate_max": 500}, {"factor": 1}, {"precision": 0}, {"steps_max": 0}],
)
def test_an_impossible_plan_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must"):
        Plan(**{"start_rate": 1_000, "rate_min": 10, **wrong})  # type: ignore[arg-type]
