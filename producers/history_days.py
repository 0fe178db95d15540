"""The shape of the history between milestones: how busy each day is, and each half hour of a day.

All of it is assumed (see history.toml): the weights only say how a period's published volume is spread.
"""

from collections.abc import Sequence
from datetime import date
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from docaxis.domain.calendar import DAY_MS, OfficeCalendar, days_between, midnight_ms

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

#: Even the steepest change leaves a working day this part of its period's mean.
_TREND_FLOOR = 0.3


def day_weights(days: Sequence[date], calendar: OfficeCalendar, assumed: dict[str, Any]) -> Floats:
    """Return how busy each day is, relative to an ordinary working day: the `[days]` table of history.toml applied."""
    first, last = date(days[0].year, 1, 1), date(days[-1].year, 12, 31)
    working = calendar.working_days(first, last)
    weight = {day: assumed["weekdays"][min(day.weekday(), 4)] for day in working}
    for day in days:
        if day not in weight:
            weekend = {5: assumed["saturday"], 6: assumed["sunday"]}.get(day.weekday(), assumed["holiday"])
            weight[day] = min(weekend, assumed["holiday"]) if calendar.is_holiday(day) else weekend
    for position, day in enumerate(working):
        weight[day] *= _end_factor(working, position, assumed)
    for year in range(first.year, last.year + 1):
        _shape_tet(weight, working, _tet(calendar, year), assumed)
    return np.array([weight[day] for day in days], dtype=np.float64)


def _end_factor(working: list[date], position: int, assumed: dict[str, Any]) -> float:
    """Return the peak factor of a working day near the end of its month, quarter or year."""
    day = working[position]

    def within_last(count: int) -> bool:
        return position + count >= len(working) or working[position + count].month != day.month

    if day.month == 12 and within_last(6):
        return float(assumed["year_end"])
    if within_last(3):
        return float(assumed["quarter_end"] if day.month in (3, 6, 9) else assumed["month_end"])
    return 1.0


def _tet(calendar: OfficeCalendar, year: int) -> list[date]:
    """Return the days off of the lunar new year: the holidays between 20 January and 20 February."""
    return [day for day in days_between(date(year, 1, 20), date(year, 2, 25)) if calendar.is_holiday(day)]


def _shape_tet(weight: dict[date, float], working: list[date], tet: list[date], assumed: dict[str, Any]) -> None:
    if tet:
        for day in [day for day in working if day < tet[0]][-5:]:
            weight[day] *= assumed["before_tet"]
        for day in [day for day in working if day > tet[-1]][:3]:
            weight[day] *= assumed["after_tet"]


def trend(positions: Sequence[Floats], means: Sequence[float]) -> list[Floats]:
    """Return a continuous trend through periods with given mean rates, at positions 0..1 inside each.

    Neighbouring periods meet at the geometric mean of their rates; the middle of each is set so that the mean over the
    period is right: (left + 2 * middle + right) / 4 = mean.
    """
    edges = [float(np.sqrt(before * after)) for before, after in pairwise(means)]
    edges = [max(2 * means[0] - edges[0], _TREND_FLOOR * means[0]) if edges else means[0], *edges]
    edges.append(max(2 * means[-1] - edges[-1], _TREND_FLOOR * means[-1]))
    result = []
    for index, (inside, mean) in enumerate(zip(positions, means, strict=True)):
        left, right = edges[index], edges[index + 1]
        middle = max((4 * mean - left - right) / 2, _TREND_FLOOR * mean)
        result.append(np.interp(inside, [0.0, 0.5, 1.0], [left, middle, right]))
    return result


def apportion(total: int, weights: Floats, limits: Ints | None = None) -> Ints:
    """Split `total` into integers proportional to `weights`, exactly (largest remainders), none above its limit.

    Raises ValueError if the limits leave no room for the total.
    """
    shares = np.zeros(len(weights), dtype=np.int64)
    if limits is not None and int(limits.sum()) < total:
        raise ValueError(f"cannot place {total}: the limits add up to {int(limits.sum())}")
    rest = total
    open_weights = weights.astype(np.float64)
    while rest:
        if limits is not None:
            open_weights = np.where(shares < limits, open_weights, 0.0)
        if not open_weights.any():  # room is left only where nothing was expected
            open_weights = np.ones(len(weights)) if limits is None else (shares < limits).astype(np.float64)
        exact = rest * open_weights / open_weights.sum()
        step = np.floor(exact).astype(np.int64)
        short = rest - int(step.sum())
        largest = np.argsort(-(exact - step) + (open_weights == 0) * 2.0, kind="stable")[:short]
        step[largest] += 1
        if limits is not None:
            step = np.minimum(step, limits - shares)
        shares += step
        rest -= int(step.sum())
    return shares


def day_instants(rng: np.random.Generator, day: date, documents: int, half_hours: Sequence[float]) -> Ints:
    """Draw the instants of a day's documents in epoch ms, ascending, by the weights of the day's half hours."""
    cumulated = np.concatenate(([0.0], np.cumsum(half_hours)))
    edges_ms = np.linspace(0, DAY_MS, len(cumulated))
    drawn = np.sort(rng.random(documents)) * cumulated[-1]
    in_day = np.minimum(np.interp(drawn, cumulated, edges_ms).astype(np.int64), DAY_MS - 1)
    return np.asarray(midnight_ms(day) + in_day, dtype=np.int64)
