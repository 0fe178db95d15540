"""Telling a difference from noise: block bootstrap, minimum effect, false-discovery control. Pure, seeded.

Seconds of one run are not independent: a stall lasts, a backlog drains slowly. So series are resampled in blocks of
consecutive seconds (moving blocks, Künsch 1989, wrapped around the end so that every second is drawn equally often:
Politis and Romano 1992). A difference counts only if it is larger than noise *and* larger than what anybody would care
about; and where many are looked at together (95 agencies), the share of false alarms among the alarms is held
(Benjamini and Hochberg 1995).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

#: Resamples of a bootstrap: the ends of a 95 % interval are then steady to about a hundredth of its width.
RESAMPLES = 2_000
#: Fewer seconds than this tell nothing about a run.
SECONDS_MIN = 20
#: Changes smaller than this are nobody's concern. Percentiles are read from buckets that are wrong by up to 1.6 %.
MINIMUM_EFFECT = 0.05
#: Most numbers drawn at once: 32 MB, whatever the length of the series.
_DRAWN_MAX = 4_000_000


class Judgement(StrEnum):
    """What a comparison came to."""

    BETTER = "better"
    SAME = "same"
    WORSE = "worse"
    CANNOT_TELL = "cannot tell"


@dataclass(frozen=True, slots=True)
class Change:
    """A relative change, after / before - 1, with the interval that holds it and the chance that it is only noise."""

    estimate: float
    low: float
    high: float
    p_value: float

    def __post_init__(self) -> None:
        if not self.low <= self.high:
            raise ValueError(f"an interval from {self.low} to {self.high} has no inside")


def block_length(values: Floats) -> int:
    """Return how many consecutive values are drawn together: at least n^(1/3), more if neighbours resemble each other.

    Three times the integrated autocorrelation time, summed until the correlation first falls below its noise,
    2 / sqrt(n), which holds the level of a test also at a memory of 0.8; never more than a quarter of the series, so
    that a resample is always put together from several places.
    """
    count = len(values)
    deviations = values - values.mean() if count else values
    power = float(deviations @ deviations)
    time = 1.0
    if power > 0:
        for lag in range(1, count // 4):
            correlation = float(deviations[:-lag] @ deviations[lag:]) / power
            if correlation < 2 / math.sqrt(count):
                break
            time += 2 * correlation
    shortest = math.ceil(math.cbrt(count))
    return max(1, min(max(shortest, math.ceil(3 * time)), count // 4))


def resampled_means(values: Floats, rng: np.random.Generator, resamples: int = RESAMPLES) -> Floats:
    """Return the mean of each block-bootstrap resample of the series."""
    count, block = len(values), block_length(values)
    blocks = math.ceil(count / block)
    means = np.empty(resamples)
    at_once = max(1, _DRAWN_MAX // (blocks * block))
    for first in range(0, resamples, at_once):
        rows = min(at_once, resamples - first)
        starts = rng.integers(0, count, (rows, blocks, 1))
        drawn = ((starts + np.arange(block)) % count).reshape(rows, -1)[:, :count]
        means[first : first + rows] = values[drawn].mean(axis=1)
    return means


def change_of_series(before: Floats, after: Floats, *, seed: int = 0, confidence: float = 0.95) -> Change | None:
    """Return the relative change of the mean from one series per second to another.

    None where nothing can be said: a series of fewer than `SECONDS_MIN` seconds, or a mean of 0 before. Values that are
    not numbers (seconds in which nothing happened) are left out.
    """
    before, after = before[np.isfinite(before)], after[np.isfinite(after)]
    if min(len(before), len(after)) < SECONDS_MIN or not before.mean() > 0:
        return None
    rng = np.random.default_rng(seed)
    means_before, means_after = resampled_means(before, rng), resampled_means(after, rng)
    estimate = float(after.mean() / before.mean()) - 1
    deviations = means_after / np.maximum(means_before, np.finfo(float).tiny) - 1 - estimate
    reach, freedom = _few_blocks(before, after)
    wider = reach * t_quantile((1 + confidence) / 2, freedom) / NormalDist().inv_cdf((1 + confidence) / 2)
    low, high = (np.quantile(deviations, [(1 - confidence) / 2, (1 + confidence) / 2]) * wider).tolist()
    error = float(deviations.std()) * reach
    p_value = 2 * (1 - t_below(abs(estimate) / error, freedom)) if error else float(estimate == 0)
    return Change(estimate, max(-1.0, estimate + min(low, 0.0)), estimate + max(high, 0.0), min(1.0, p_value))


def _few_blocks(before: Floats, after: Floats) -> tuple[float, int]:
    """Return by how much blocks make a bootstrap too sure of itself, and the degrees of freedom that are left.

    The variance over blocks of length b is short by b/n, and n/b of them estimate it: Student's t and not the normal
    distribution. Without both, one comparison in ten of equal runs of 90 s would be called different at 95 %.
    """
    longest = max(block_length(series) / len(series) for series in (before, after))
    return 1 / math.sqrt(1 - longest), max(1, math.floor(1 / longest) - 1)


def change_of_pairs(before: Sequence[float], after: Sequence[float], *, confidence: float = 0.95) -> Change | None:
    """Return the relative change over pairs of runs, the i-th before beside the i-th after, by Student's t on logs.

    Few repetitions are the rule here, and a bootstrap of five values is too sure of itself; t is not. None with fewer
    than three pairs, or where a value is not positive.
    """
    if len(before) != len(after):
        raise ValueError(f"{len(before)} runs before and {len(after)} after are no pairs")
    if len(before) < 3 or min(*before, *after) <= 0:
        return None
    logs = np.log(np.asarray(after, np.float64) / np.asarray(before, np.float64))
    freedom = len(logs) - 1
    mean, error = float(logs.mean()), float(logs.std(ddof=1)) / math.sqrt(len(logs))
    reach = t_quantile((1 + confidence) / 2, freedom) * error
    p_value = 1.0 if mean == 0 else 2 * (1 - t_below(abs(mean) / error, freedom)) if error else 0.0
    return Change(math.expm1(mean), math.expm1(mean - reach), math.expm1(mean + reach), min(1.0, p_value))


def t_below(t: float, freedom: int) -> float:
    """Return P(T <= t) of Student's distribution: the finite sums of Abramowitz and Stegun 26.7.3 and 26.7.4."""
    angle = math.atan2(t, math.sqrt(freedom))
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = freedom % 2
    term = total = (cosine if odd else 1.0) if freedom > 1 else 0.0
    for k in range(2 + odd, freedom, 2):
        term *= cosine * cosine * (k - 1) / k
        total += term
    within = 2 / math.pi * (angle + sine * total) if odd else sine * total
    return 0.5 + within / 2


@cache  # the same one is asked for of each of 95 agencies
def t_quantile(q: float, freedom: int) -> float:
    """Return the t with P(T <= t) = q, for q in [0.5, 1), by bisection."""
    low, high = 0.0, 1.0
    while t_below(high, freedom) < q:
        high *= 2
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if t_below(middle, freedom) < q else (low, middle)
    return high


def decide(change: Change | None, *, minimum_effect: float = MINIMUM_EFFECT, lower_is_better: bool = True) -> Judgement:
    """Say what a change amounts to.

    *Same*: the whole interval lies within the minimum effect. *Better* or *worse*: the interval excludes "no change"
    and the estimate reaches the minimum effect. Everything else cannot be told, and more or longer runs are the cure.
    """
    if change is None:
        return Judgement.CANNOT_TELL
    if -minimum_effect < change.low and change.high < minimum_effect:
        return Judgement.SAME
    if abs(change.estimate) < minimum_effect or change.low <= 0 <= change.high:
        return Judgement.CANNOT_TELL
    return Judgement.WORSE if (change.estimate > 0) == lower_is_better else Judgement.BETTER


def discoveries(p_values: Sequence[float], *, false_share: float = 0.1) -> list[bool]:
    """Return which p-values stand when at most `false_share` of those that stand may be false (Benjamini-Hochberg)."""
    count = len(p_values)
    order = sorted(range(count), key=lambda index: p_values[index])
    passed = [rank for rank, index in enumerate(order, 1) if p_values[index] <= false_share * rank / count]
    standing = set(order[: max(passed, default=0)])
    return [index in standing for index in range(count)]
