"""Arrivals by the hour of the week: each day of a phase has its weekday's hours, a holiday a share of them. Pure."""

from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt

from docaxis.domain.calendar import OfficeCalendar, days_between, vietnam_calendar
from docaxis.workload.model import Phase
from producers.history import History

Floats = npt.NDArray[np.float64]

HOURS = 24


def phase_days(phase: Phase) -> list[date]:
    """Return the days of the calendar that a weekly phase lasts."""
    assert phase.day is not None
    return days_between(phase.day, phase.day + timedelta(days=(phase.days or 1) - 1))


def weekly_weights(phase: Phase) -> Floats:
    """Return how busy each hour of a weekly phase is; an hour of an ordinary week is 1 on average."""
    assert phase.week is not None
    week: Floats = np.array(phase.week, np.float64)
    days = phase_days(phase)
    factor = phase.holiday_factor
    if factor is None:
        factor = float(History.load().assumed["days"]["holiday"])
    calendar = vietnam_calendar(days[0].year, days[-1].year)
    hours = np.concatenate([hours_of(day, week, factor, calendar) for day in days])
    return np.asarray(hours / week.mean())


def hours_of(day: date, week: Floats, holiday_factor: float, calendar: OfficeCalendar) -> Floats:
    """Return what a day's hours hold by the profile of a week.

    A weekend on which offices are open, to make up for a holiday, is as busy as the mean of Monday to Friday.
    """
    if calendar.is_holiday(day):
        return np.asarray(week[day.weekday()] * holiday_factor)
    if day.weekday() >= 5 and calendar.is_working_day(day):
        return np.asarray(week[:5].mean(axis=0))
    return np.asarray(week[day.weekday()])


def multiplied(times_us: Sequence[Floats], rates: Sequence[Floats], duration_us: int) -> tuple[Floats, Floats]:
    """Return the product of shapes that are straight from one of their times to the next, as times and rates."""
    edges = np.unique(np.concatenate([*times_us, [0.0, float(duration_us)]]))
    edges = edges[edges <= duration_us]
    product = np.ones(len(edges) - 1)
    for times, values in zip(times_us, rates, strict=True):
        product *= values[np.clip(np.searchsorted(times, edges[:-1], side="right") - 1, 0, len(values) - 1)]
    return edges, product
