"""Arrival processes: when documents are due in a phase. Pure and seeded; no arrival waits for an earlier one.

Every process is two things: how many arrivals are expected up to each moment (the cumulated intensity), and points in
those expected numbers: 0, 1, 2, ... for even arrivals, or with exponential gaps of mean 1 for a Poisson process. A
point becomes a time by the inverse of the cumulated intensity, which is exact for any shape. (Lewis and Shedler call
it inversion; it needs no thinning, so the number of draws is the number of arrivals.) A rate changed while the run goes
on stretches the expected numbers from then on: points keep their order, and none is drawn anew.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt

from docaxis.domain.calendar import vietnam_calendar
from docaxis.workload.model import Phase
from producers.arrivals_weekly import multiplied, weekly_weights
from producers.history import History
from producers.history_days import day_weights

Int64s = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

#: Pieces of a shape that is not made of straight pieces itself.
PIECES = 2000

#: Streams of randomness of one phase, among those of a seed.
_ARRIVALS_STREAM = 7
_BURSTS, _POINTS = 1, 2


@dataclass(frozen=True)
class Intensity:
    """Expected arrivals up to each moment of a phase: straight between knots, and on with the last slope after them."""

    times_us: Floats
    expected: Floats

    @classmethod
    def of_rates(cls, times_us: Floats, per_s: Floats) -> "Intensity":
        """Return the intensity whose rate is `per_s[i]` from `times_us[i]` to the next one."""
        expected = np.concatenate(([0.0], np.cumsum(per_s * np.diff(times_us) / 1e6)))
        return cls(times_us, expected)

    @classmethod
    def of_straight(cls, times_us: Floats, per_s: Floats) -> "Intensity":
        """Return the intensity whose rate runs straight from `per_s[i]` at `times_us[i]` to the next one."""
        fine_us = np.unique(np.concatenate((times_us, np.linspace(0, times_us[-1], PIECES + 1))))
        rates = np.interp(fine_us, times_us, per_s)
        return cls.of_rates(fine_us, (rates[1:] + rates[:-1]) / 2)

    @property
    def total(self) -> float:
        """Arrivals expected in the whole phase."""
        return float(self.expected[-1])

    def up_to(self, times_us: Floats) -> Floats:
        """Return the arrivals expected up to each time."""
        beyond = np.maximum(times_us - self.times_us[-1], 0) * self._last_slope
        return np.asarray(np.interp(times_us, self.times_us, self.expected) + beyond)

    def when(self, expected: Floats) -> Floats:
        """Return the time at which so many arrivals are expected: the inverse of `up_to`."""
        slope = self._last_slope
        excess = np.maximum(expected - self.expected[-1], 0)
        beyond = excess / slope if slope else np.where(excess > 0, np.inf, 0.0)
        return np.asarray(np.interp(expected, self.expected, self.times_us) + beyond)

    @property
    def _last_slope(self) -> float:
        rise = self.expected[-1] - self.expected[-2]
        return float(rise / (self.times_us[-1] - self.times_us[-2]))

    def peak_per_s(self) -> float:
        """Return the highest rate."""
        return float((np.diff(self.expected) / np.diff(self.times_us)).max() * 1e6)


@dataclass(frozen=True)
class ArrivalProcess:
    """The arrivals of one phase."""

    intensity: Intensity
    even: bool
    seed: np.random.SeedSequence

    def points(self, block: int) -> Iterator[Floats]:
        """Yield the points, ascending, in blocks, without end."""
        if self.even:
            first = 0
            while True:
                yield np.arange(first, first + block, dtype=np.float64)
                first += block
        rng = np.random.default_rng(self.seed)
        last = 0.0
        while True:
            points = last + np.cumsum(rng.standard_exponential(block))
            last = float(points[-1])
            yield points

    def times_us(self, points: Floats, factors: Sequence[tuple[int, float]] = ((0, 1.0),)) -> Floats:
        """Return when points are due in the phase. `factors`: (time, factor of the rate from then on), from 0 on.

        A point that is not due before the rate falls to zero for good is due at infinity.
        """
        if len(factors) == 1 and factors[0][1] == 1.0:
            return self.intensity.when(points)
        starts = np.array([start for start, _ in factors], np.float64)
        weights = np.array([factor for _, factor in factors], np.float64)
        base = self.intensity.up_to(starts)
        offered = np.concatenate(([0.0], np.cumsum(weights[:-1] * np.diff(base))))
        # The last segment that begins at or before a point; of several that begin alike (factor 0), the last.
        segment = np.maximum(np.searchsorted(offered, points, side="right") - 1, 0)
        weight = weights[segment]
        with np.errstate(divide="ignore", invalid="ignore"):
            expected = base[segment] + np.where(weight > 0, (points - offered[segment]) / weight, np.inf)
        return np.where(
            np.isfinite(expected), self.intensity.when(np.where(np.isfinite(expected), expected, 0)), np.inf
        )

    def count(self, duration_us: int) -> int:
        """Return how many arrivals there are in a phase of that length, by counting them."""
        total = 0
        for points in self.points(10_000):
            times_us = self.times_us(points)
            total += int(np.searchsorted(times_us, duration_us))
            if times_us[-1] >= duration_us:
                return total
        raise AssertionError("points end only with their consumer")


def arrival_process(phase: Phase, fan_out_mean: float, seed: int, number: int) -> ArrivalProcess:
    """Return the arrivals of an open phase, the `number`th of its workload (for a trace: `offering.trace_process`)."""
    bursts, points = (
        np.random.SeedSequence(seed, spawn_key=(_ARRIVALS_STREAM, number, stream)) for stream in (_BURSTS, _POINTS)
    )
    even = phase.arrivals == "constant" or bool(phase.even)
    return ArrivalProcess(_intensity(phase, fan_out_mean, bursts), even, points)


def _intensity(phase: Phase, fan_out_mean: float, bursts: np.random.SeedSequence) -> Intensity:
    assert phase.rate is not None
    rate, end = phase.rate.documents_per_s(fan_out_mean), float(phase.duration)
    to = phase.to.documents_per_s(fan_out_mean) if phase.to else rate
    match phase.arrivals:
        case "ramp":
            return Intensity.of_straight(np.array([0.0, end]), np.array([rate, to]))
        case "steps":
            assert phase.steps is not None
            return Intensity.of_rates(np.linspace(0, end, phase.steps + 1), np.linspace(rate, to, phase.steps))
        case "spike":
            return _spike(phase, rate, fan_out_mean)
        case "working-day":
            return _working_day(phase, rate)
        case "weekly":
            return _weekly(phase, rate, bursts)
        case "bursts":
            times, rates = _bursts(phase, bursts)
            return Intensity.of_rates(times, rate * rates)
        case _:
            return Intensity.of_rates(np.array([0.0, end]), np.array([rate]))


def _spike(phase: Phase, rate: float, fan_out_mean: float) -> Intensity:
    assert phase.peak is not None
    assert phase.spike_at is not None
    assert phase.spike_for is not None
    edges = np.array([0, phase.spike_at, phase.spike_at + phase.spike_for, phase.duration], np.float64)
    rates = np.array([rate, phase.peak.documents_per_s(fan_out_mean), rate])
    longer = np.diff(edges) > 0
    return Intensity.of_rates(np.concatenate(([0.0], edges[1:][longer])), rates[longer])


#: A working day in the middle of a month, for phases that name no day.
ORDINARY_DAY = date(2022, 7, 13)


def day_shape(phase: Phase) -> tuple[date, Floats, float]:
    """Return a working-day phase's day, its half-hourly weights (mean 1 in its hours), and how busy the day is."""
    history: dict[str, Any] = History.load().assumed
    day, calendar = phase.day or ORDINARY_DAY, vietnam_calendar()
    table = history["hours"]["working_day" if calendar.is_working_day(day) else "day_off"]
    first, last = phase.hours or (0, 24)
    weights = np.array(table, np.float64)[2 * first : 2 * last]
    busy = float(day_weights([day], calendar, history["days"])[0])
    return day, weights / weights.mean(), busy


def _working_day(phase: Phase, rate: float) -> Intensity:
    _, weights, busy = day_shape(phase)
    return Intensity.of_rates(np.linspace(0, phase.duration, len(weights) + 1), rate * busy * weights)


#: How long bursts and calm last on average, and how much busier a burst is, unless the phase says so.
BURST_FOR_US, CALM_FOR_US, BURST_FACTOR = 2_000_000, 8_000_000, 5.0

#: Most changes between burst and calm in one phase; after them the last state stays.
CHANGES_MAX = 100_000


def _weekly(phase: Phase, rate: float, seed: np.random.SeedSequence) -> Intensity:
    """Return the hours of the phase's days, and bursts upon them if the phase has any."""
    weights = weekly_weights(phase)
    edges = np.linspace(0, phase.duration, len(weights) + 1)
    if phase.burst_factor is None:
        return Intensity.of_rates(edges, rate * weights)
    times, rates = _bursts(phase, seed)
    edges, product = multiplied([edges, times], [weights, rates], phase.duration)
    return Intensity.of_rates(edges, rate * product)


def _bursts(phase: Phase, seed: np.random.SeedSequence) -> tuple[Floats, Floats]:
    """Return a Markov-modulated rate of mean 1, as times and rates: exponential times in two states."""
    burst_us, calm_us = phase.burst_for or BURST_FOR_US, phase.calm_for or CALM_FOR_US
    factor = phase.burst_factor or BURST_FACTOR
    calm = (burst_us + calm_us) / (factor * burst_us + calm_us)
    rng = np.random.default_rng(seed)
    bursting = bool(rng.random() < burst_us / (burst_us + calm_us))
    times: list[float] = [0.0]
    rates: list[float] = []
    while times[-1] < phase.duration and len(rates) < CHANGES_MAX:
        rates.append(calm * factor if bursting else calm)
        times.append(times[-1] + max(1.0, rng.exponential(burst_us if bursting else calm_us)))
        bursting = not bursting
    times[-1] = float(phase.duration)
    return np.array(times), np.array(rates)
