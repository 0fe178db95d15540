"""Laws of arrival processes: arrivals are conserved, in order, repeatable, as many and as even as they should be."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from docaxis.workload.file import load_workload, workload_of
from docaxis.workload.model import Phase
from producers.arrival_process import ORDINARY_DAY, ArrivalProcess, arrival_process
from producers.history import History
from tests.support.laws import law

SHAPES: dict[str, dict[str, object]] = {
    "constant": {},
    "poisson": {},
    "ramp": {"to": "900 documents/s"},
    "steps": {"to": "600 documents/s", "steps": 5},
    "spike": {"peak": "2000 documents/s", "spike_at": "3 s", "spike_for": "2 s"},
    "working-day": {"hours": [7, 18]},
    "bursts": {"burst_for": "200 ms", "calm_for": "400 ms", "burst_factor": 4},
}
DURATION_US = 10_000_000


def _phase(arrivals: str, **more: object) -> Phase:
    phase: dict[str, object] = {"name": "load", "duration": "10 s", "rate": "300 documents/s", "arrivals": arrivals}
    return workload_of({"name": "t", "phases": [phase | SHAPES[arrivals] | more]}, "t").workload.phases[0]


def _times(process: ArrivalProcess, block: int, factors: list[tuple[int, float]] | None = None) -> np.ndarray:
    """Return all due times within the phase."""
    parts = []
    for points in process.points(block):
        times = process.times_us(points, factors or [(0, 1.0)])
        parts.append(times[times < DURATION_US])
        if times[-1] >= DURATION_US:
            return np.concatenate(parts)
    raise AssertionError("points never end")


shapes = st.sampled_from(sorted(SHAPES))


@law(40)
@given(shapes, st.integers(0, 2**32))
def test_arrivals_are_in_order_and_repeat_by_seed(arrivals: str, seed: int) -> None:
    first = _times(arrival_process(_phase(arrivals), 3.6, seed, 0), 200)
    assert (np.diff(first) >= 0).all()
    assert first.min() >= 0
    assert np.array_equal(first, _times(arrival_process(_phase(arrivals), 3.6, seed, 0), 200))
    assert arrival_process(_phase(arrivals), 3.6, seed, 0).count(DURATION_US) == len(first)


@law(40)
@given(shapes, st.integers(0, 2**32))
def test_even_arrivals_are_exactly_as_many_as_expected(arrivals: str, seed: int) -> None:
    even = {} if arrivals in ("constant", "poisson", "bursts") else {"even": True}
    process = arrival_process(_phase(arrivals, **even), 3.6, seed, 0)
    if process.even:
        assert abs(len(_times(process, 137)) - process.intensity.total) <= 1


@pytest.mark.parametrize("arrivals", sorted(SHAPES))
def test_the_mean_rate_is_the_workloads(arrivals: str) -> None:
    counts, expected = [], []
    for seed in range(40):
        process = arrival_process(_phase(arrivals), 3.6, seed, 0)
        counts.append(process.count(DURATION_US))
        expected.append(process.intensity.total)
    # 40 runs of some 3,000 arrivals: the mean of Poisson counts is known to sqrt(3000/40), under 9; six times that.
    assert np.mean(counts) == pytest.approx(np.mean(expected), abs=6 * np.sqrt(np.mean(expected) / 40) + 1)
    nominal = {"ramp": 6000, "steps": 4500, "spike": 6400, "working-day": 3090}.get(arrivals, 3000)  # Wednesdays 1.03
    # Bursts are random themselves: their expected numbers vary by far more.
    assert np.mean(expected) == pytest.approx(nominal, rel=0.15 if arrivals == "bursts" else 0.01)


@law(40)
@given(
    shapes,
    st.integers(0, 2**16),
    st.lists(st.tuples(st.integers(1, 9_999_999), st.just(0.0) | st.floats(0.01, 5)), max_size=4),
)
def test_a_changed_rate_keeps_the_points_and_their_order(
    arrivals: str, seed: int, changes: list[tuple[int, float]]
) -> None:
    process = arrival_process(_phase(arrivals), 3.6, seed, 0)
    factors = [(0, 1.0), *sorted(dict(changes).items())]
    points = next(process.points(20_000))
    times = process.times_us(points, factors)
    assert (np.diff(times[np.isfinite(times)]) >= -1e-3).all()
    # Up to the first change nothing is different.
    before = process.times_us(points)
    same = before < factors[1][0] if len(factors) > 1 else np.ones(len(points), bool)
    assert np.allclose(times[same], before[same], atol=1)
    # As many are offered in each stretch as its factor says.
    ends = [*(start for start, _ in factors[1:]), DURATION_US]
    for (start, factor), end in zip(factors, ends, strict=True):
        expected = factor * np.diff(process.intensity.up_to(np.array([start, end], np.float64)))[0]
        if process.even and (times >= DURATION_US).any():
            assert abs(((times >= start) & (times < end)).sum() - expected) <= 1.01


@law(40)
@given(st.integers(0, 2**16))
def test_a_rate_of_zero_offers_nothing_until_it_rises(seed: int) -> None:
    process = arrival_process(_phase("poisson"), 3.6, seed, 0)
    times = _times(process, 500, [(0, 1.0), (2_000_000, 0.0), (5_000_000, 1.0)])
    assert not ((times > 2_000_001) & (times < 5_000_000)).any()
    assert (times > 5_000_000).any()


def test_blocks_cut_the_same_points() -> None:
    process = arrival_process(_phase("constant"), 3.6, 1, 0)
    fine = np.concatenate(list(itertools.islice(process.points(10), 100)))
    assert np.array_equal(fine, next(process.points(1000)))


# --- how even arrivals are, with fixed seeds: a thousand seconds, or a day

SEEDS = range(1, 6)


def _drawn(phase: Phase, seed: int) -> np.ndarray:
    """Return when all arrivals of a phase are due."""
    process = arrival_process(phase, 3.6, seed, 0)
    points = next(process.points(round(process.intensity.total * 1.2) + 1000))
    times = process.times_us(points)
    assert times[-1] >= phase.duration
    return times[times < phase.duration]


def _counted(phase: Phase, seed: int, bins: int) -> np.ndarray:
    """Return how many arrivals fall into each of so many equal parts of a phase."""
    return np.histogram(_drawn(phase, seed), bins, (0, phase.duration))[0]


def _dispersion(counts: np.ndarray) -> float:
    return float(counts.var(ddof=1) / counts.mean())


@pytest.mark.parametrize("seed", SEEDS)
def test_poisson_arrivals_are_as_uneven_as_chance_makes_them(seed: int) -> None:
    phase = _phase("poisson", duration="1000 s")
    counts = _counted(phase, seed, 1000)
    # Of 1,000 counts the dispersion is known to sqrt(2/1000), 0.045, and a correlation to 0.032.
    assert 0.8 < _dispersion(counts) < 1.25
    assert abs(np.corrcoef(counts[1:], counts[:-1])[0, 1]) < 0.15, "a second says nothing about the next one"
    gaps = np.diff(_drawn(phase, seed))
    assert gaps.std() / gaps.mean() == pytest.approx(1, abs=0.02)  # exponential: as wide as long
    assert (gaps > gaps.mean()).mean() == pytest.approx(np.exp(-1), abs=0.01)


@pytest.mark.parametrize("seed", SEEDS)
def test_bursts_are_more_uneven_than_chance_and_even_arrivals_less(seed: int) -> None:
    bursts = _phase("bursts", duration="1000 s", rate="30 documents/s", burst_for="2 s", calm_for="8 s", burst_factor=5)
    counts = _counted(bursts, seed, 1000)
    # A fifth of the time five times as busy as the rest: 1 + 30 * 0.79 if no burst began or ended within a second.
    assert 5 < _dispersion(counts) < 25
    assert np.corrcoef(counts[1:], counts[:-1])[0, 1] > 0.3, "a burst lasts"
    assert _dispersion(_counted(_phase("constant", duration="1000 s"), seed, 1000)) < 0.01


@pytest.mark.parametrize("seed", SEEDS)
def test_the_shipped_working_day_has_its_peaks_and_its_lunch(seed: int) -> None:
    phase = next(one for one in load_workload("working-day").workload.phases if one.name == "day")
    assert phase.hours == (7, 18)
    by_half_hour = _counted(phase, seed, 22)
    hour = dict(zip(range(7, 18), by_half_hour.reshape(11, 2).sum(axis=1).tolist(), strict=True))
    assert hour[12] < 0.12 * hour[9]
    assert hour[12] < 0.12 * hour[16]
    assert hour[7] < hour[8] < hour[9] > hour[11] > hour[12]
    assert hour[17] < 0.5 * hour[16]
    weights = np.array(History.load().assumed["hours"]["working_day"][14:36])
    expected = weights / weights.sum() * by_half_hour.sum()
    # Chi-squared of 21 degrees of freedom: 21 on average, above 60 once in a hundred thousand.
    assert ((by_half_hour - expected) ** 2 / expected).sum() < 60


@pytest.mark.parametrize("seed", SEEDS)
def test_on_a_holiday_hardly_anything_is_sent(seed: int) -> None:
    days = {day: _phase("working-day", duration="100 s", day=day) for day in (str(ORDINARY_DAY), "2022-09-02")}
    ordinary, national_day = (len(_drawn(phase, seed)) for phase in days.values())
    assert ordinary > 30_000
    assert 0 < national_day < 0.02 * ordinary
    # The last working days of a month are a fifth busier than those in its middle; 29/07/2022 is a Friday.
    month_end = len(_drawn(_phase("working-day", duration="100 s", day="2022-07-29"), seed))
    assert month_end / ordinary == pytest.approx(1.2 * 0.97 / 1.03, abs=0.05)
