"""The statistics keep what they promise: intervals cover, noise is not called a change, real changes are found."""

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from monitor.statistics import (
    Change,
    Floats,
    Judgement,
    block_length,
    change_of_pairs,
    change_of_series,
    decide,
    discoveries,
    resampled_means,
    t_below,
    t_quantile,
)
from tests.support.laws import law

LAW = law(60)
positive = st.floats(1e-4, 1e4)
p_values = st.lists(st.floats(0, 1), max_size=95)


def correlated(seed: int, count: int, memory: float, level: float = 10.0) -> Floats:
    """Return a series in which each value resembles the one before by `memory` (AR(1)), around `level`."""
    rng = np.random.default_rng(seed)
    values, noise = np.empty(count), rng.normal(0, 1, count)
    values[0] = noise[0] / math.sqrt(1 - memory**2)
    for i in range(1, count):
        values[i] = memory * values[i - 1] + noise[i]
    return level + values


@LAW
@given(st.lists(st.floats(-1e6, 1e6), min_size=4, max_size=200), st.integers(0, 99))
def test_a_resample_has_the_series_own_range_and_the_same_seed_gives_the_same(values: list[float], seed: int) -> None:
    series = np.array(values)
    means = resampled_means(series, np.random.default_rng(seed), 50)
    slack = 1e-9 * max(1.0, float(np.abs(series).max()))
    assert means.min() >= series.min() - slack
    assert means.max() <= series.max() + slack
    assert (means == resampled_means(series, np.random.default_rng(seed), 50)).all()
    assert 1 <= block_length(series) <= len(series) // 4


def test_blocks_grow_with_the_memory_of_a_series() -> None:
    lengths = [
        np.median([block_length(correlated(seed, 600, memory)) for seed in range(9)]) for memory in (0, 0.6, 0.9)
    ]
    assert lengths == sorted(lengths)
    assert lengths[2] > 2 * lengths[0]


@pytest.mark.parametrize("memory", [0.0, 0.5, 0.8])
def test_the_interval_covers_the_true_change_also_of_correlated_series(memory: float) -> None:
    covered = 0
    for seed in range(60):
        before, after = correlated(2 * seed, 300, memory), correlated(2 * seed + 1, 300, memory, level=11.0)
        change = change_of_series(before, after, seed=seed)
        assert change is not None
        covered += change.low <= 0.1 <= change.high
    assert covered >= 53, f"the 95 % interval held the truth in {covered} of 60"


def test_single_seconds_instead_of_blocks_would_be_too_sure() -> None:
    series = correlated(1, 600, 0.9)
    in_blocks = resampled_means(series, np.random.default_rng(1)).std()
    rng = np.random.default_rng(1)
    one_by_one = np.array([series[rng.integers(0, 600, 600)].mean() for _ in range(2_000)]).std()
    assert in_blocks > 2 * one_by_one


def test_the_same_system_twice_is_hardly_ever_called_worse_or_better() -> None:
    judged = [
        decide(change_of_series(correlated(seed, 120, 0.6), correlated(seed + 1_000, 120, 0.6), seed=seed))
        for seed in range(100)
    ]
    assert sum(one in (Judgement.WORSE, Judgement.BETTER) for one in judged) <= 6


@pytest.mark.parametrize(("level", "expected"), [(13.0, Judgement.WORSE), (7.0, Judgement.BETTER)])
def test_a_real_change_is_found(level: float, expected: Judgement) -> None:
    for seed in range(20):
        change = change_of_series(correlated(seed, 120, 0.5), correlated(seed + 500, 120, 0.5, level))
        assert decide(change) is expected, (seed, change)


def test_nothing_is_said_of_too_few_seconds_or_of_a_mean_of_zero() -> None:
    long = correlated(3, 100, 0.2)
    assert change_of_series(long[:19], long) is None
    assert change_of_series(long, np.full(100, np.nan)) is None
    assert change_of_series(np.zeros(100), long) is None
    assert decide(None) is Judgement.CANNOT_TELL


changes = st.tuples(*[st.floats(-0.9, 3)] * 3).map(sorted).map(lambda ends: Change(ends[1], ends[0], ends[2], 0.5))


@LAW
@given(changes, st.floats(0.001, 0.5))
def test_a_decision_is_the_mirror_image_of_itself(change: Change, effect: float) -> None:
    swap = {Judgement.WORSE: Judgement.BETTER, Judgement.BETTER: Judgement.WORSE}
    lower = decide(change, minimum_effect=effect)
    higher = decide(change, minimum_effect=effect, lower_is_better=False)
    assert higher is swap.get(lower, lower)
    if lower in swap:
        assert abs(change.estimate) >= effect
        assert not change.low <= 0 <= change.high
    if lower is Judgement.SAME:
        assert max(abs(change.low), abs(change.high)) < effect


@LAW
@given(p_values, st.floats(0.01, 0.5))
@example([0.01, 0.02, 0.03, 0.04, 0.9], 0.1)
def test_discoveries_are_the_smallest_p_values_and_within_their_bound(values: list[float], share: float) -> None:
    standing = discoveries(values, false_share=share)
    kept = [value for value, stands in zip(values, standing, strict=True) if stands]
    dropped = [value for value, stands in zip(values, standing, strict=True) if not stands]
    assert not kept or max(kept) <= share * len(kept) / len(values)
    assert not kept or not dropped or max(kept) <= min(dropped) or max(kept) == min(dropped)
    assert all(value > share / len(values) for value in dropped)


def test_the_share_of_false_discoveries_is_held() -> None:
    rng = np.random.default_rng(5)
    shares = []
    for _ in range(300):
        values = [*rng.random(80), *(rng.random(15) * 1e-4)]
        standing = discoveries(values, false_share=0.1)
        shares.append(sum(standing[:80]) / max(1, sum(standing)))
    assert np.mean(shares) < 0.12
    assert np.mean(shares) > 0.03, "nearly nothing was allowed to stand: the bound is not used"


@pytest.mark.parametrize(
    ("freedom", "t"), [(1, 12.706), (2, 4.303), (3, 3.182), (4, 2.776), (7, 2.365), (10, 2.228), (30, 2.042)]
)
def test_students_distribution_is_that_of_the_printed_tables(freedom: int, t: float) -> None:
    assert t_quantile(0.975, freedom) == pytest.approx(t, abs=6e-4)
    assert t_below(-t, freedom) == pytest.approx(0.025, abs=2e-5)


@LAW
@given(st.lists(st.tuples(positive, positive), min_size=3, max_size=12))
def test_pairs_swapped_give_the_inverse_change(pairs: list[tuple[float, float]]) -> None:
    before, after = [one for one, _ in pairs], [one for _, one in pairs]
    forth, back = change_of_pairs(before, after), change_of_pairs(after, before)
    assert forth is not None
    assert back is not None
    assert (1 + forth.estimate) * (1 + back.estimate) == pytest.approx(1)
    assert forth.p_value == pytest.approx(back.p_value, abs=1e-9)
    assert forth.low <= forth.estimate <= forth.high


def test_pairs_need_to_be_pairs_and_at_least_three() -> None:
    with pytest.raises(ValueError, match="2 runs before and 3 after"):
        change_of_pairs([1, 2], [1, 2, 3])
    assert change_of_pairs([1, 2], [1, 2]) is None
    assert change_of_pairs([1, 2, 0], [1, 2, 3]) is None


def test_a_steady_slowdown_of_few_pairs_is_found_and_noise_is_not() -> None:
    rng = np.random.default_rng(8)
    found = false = 0
    for _ in range(100):
        before = np.exp(rng.normal(0, 0.05, 5))
        slow = change_of_pairs(before.tolist(), (before * 1.3 * np.exp(rng.normal(0, 0.05, 5))).tolist())
        same = change_of_pairs(before.tolist(), np.exp(rng.normal(0, 0.05, 5)).tolist())
        found += decide(slow) is Judgement.WORSE
        false += decide(same) in (Judgement.WORSE, Judgement.BETTER)
    assert found >= 90
    assert false <= 10
