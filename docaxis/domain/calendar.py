"""The business calendar: Vietnam time, working days and office hours, in integer milliseconds.

Instants are epoch milliseconds (`_ms`). Vietnam keeps UTC+7 all year (Decision 28/2018 Art. 14.4 demands this zone), so
an offset is all there is to it. Office time runs only while offices are open: `add_office_time` answers "two office
hours later", over lunch, nights, weekends and Tết. Everything is a pure function of its arguments; the functions over
arrays serve the generators, which date millions of documents.

Holidays come from the `holidays` package, checked in the tests against the published days off of 2019-2022, among them
the Saturday worked in exchange for a bridge day (4 May 2019).
"""

from collections.abc import Iterable
from datetime import date, timedelta
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
VIETNAM_OFFSET_MS = 7 * HOUR_MS

#: Office hours since midnight: 8:00-12:00 and 13:30-17:00 (an assumption: usual, not published for the axis).
MORNING_MS = (8 * HOUR_MS, 12 * HOUR_MS)
AFTERNOON_MS = (13 * HOUR_MS + HOUR_MS // 2, 17 * HOUR_MS)
_MORNING_LENGTH_MS = MORNING_MS[1] - MORNING_MS[0]
OFFICE_DAY_MS = _MORNING_LENGTH_MS + AFTERNOON_MS[1] - AFTERNOON_MS[0]

#: Years known by default, from before the axis's launch on. Days off to come are the library's forecast.
FIRST_YEAR, LAST_YEAR = 2018, 2030

_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()


def midnight_ms(day: date) -> int:
    """Return the instant at which a day begins in Vietnam, in epoch ms."""
    return (day.toordinal() - _EPOCH_ORDINAL) * DAY_MS - VIETNAM_OFFSET_MS


def date_of(instant_ms: int) -> date:
    """Return the day in Vietnam at an instant in epoch ms."""
    return date.fromordinal((instant_ms + VIETNAM_OFFSET_MS) // DAY_MS + _EPOCH_ORDINAL)


def days_between(first: date, last: date) -> list[date]:
    """Return every day from `first` to `last`, both included."""
    return [first + timedelta(days=offset) for offset in range((last - first).days + 1)]


class OfficeCalendar:
    """Working days and office hours over a range of whole years."""

    def __init__(
        self, days_off: Iterable[date], worked_weekend_days: Iterable[date], first_year: int, last_year: int
    ) -> None:
        self.first, self.last = date(first_year, 1, 1), date(last_year, 12, 31)
        self._days_off = frozenset(days_off)
        self._worked = frozenset(worked_weekend_days)
        working = [day for day in days_between(self.first, self.last) if self._is_working(day)]
        self._ordinals: Ints = np.array([day.toordinal() for day in working], dtype=np.int64)
        self._midnights: Ints = (self._ordinals - _EPOCH_ORDINAL) * DAY_MS - VIETNAM_OFFSET_MS

    def is_holiday(self, day: date) -> bool:
        """True on a public day off, substitutes included; false on an ordinary weekend."""
        self._check(day)
        return day in self._days_off

    def is_working_day(self, day: date) -> bool:
        """True if public offices are open on this day."""
        self._check(day)
        return self._is_working(day)

    def working_days(self, first: date, last: date) -> list[date]:
        """Return the working days from `first` to `last`, both included."""
        self._check(first)
        self._check(last)
        start, end = np.searchsorted(self._ordinals, [first.toordinal(), last.toordinal() + 1])
        return [date.fromordinal(int(ordinal)) for ordinal in self._ordinals[start:end]]

    def office_ms(self, instants_ms: Ints) -> Ints:
        """Return the office time passed since the calendar began, in ms, at each instant in epoch ms."""
        position = np.searchsorted(self._midnights, instants_ms, side="right") - 1
        if np.any(position < 0) or np.any(instants_ms >= midnight_ms(self.last) + DAY_MS):
            raise ValueError(f"instants outside the calendar {self.first} to {self.last}")
        in_day = instants_ms - self._midnights[position]
        morning = np.clip(in_day - MORNING_MS[0], 0, _MORNING_LENGTH_MS)
        afternoon = np.clip(in_day - AFTERNOON_MS[0], 0, AFTERNOON_MS[1] - AFTERNOON_MS[0])
        return np.asarray(position * OFFICE_DAY_MS + morning + afternoon, dtype=np.int64)

    def instants_ms(self, office_ms: Ints) -> Ints:
        """Return the instants in epoch ms at which so much office time has passed: the inverse of `office_ms`.

        Where office time stands still (lunch, night, days off) the answer is the moment offices open again.
        """
        position, in_day = np.divmod(office_ms, OFFICE_DAY_MS)
        if np.any(position < 0) or np.any(position >= len(self._midnights)):
            raise ValueError(f"office time outside the calendar {self.first} to {self.last}")
        opening = np.where(in_day < _MORNING_LENGTH_MS, MORNING_MS[0], AFTERNOON_MS[0] - _MORNING_LENGTH_MS)
        return np.asarray(self._midnights[position] + opening + in_day, dtype=np.int64)

    def is_open(self, instant_ms: int) -> bool:
        """Return whether offices are open at an instant; never outside the calendar's years."""
        if not self.first <= date_of(instant_ms) <= self.last or not self.is_working_day(date_of(instant_ms)):
            return False
        in_day = (instant_ms + VIETNAM_OFFSET_MS) % DAY_MS
        return any(start <= in_day < end for start, end in (MORNING_MS, AFTERNOON_MS))

    def add_office_time(self, instant_ms: int, duration_ms: int) -> int:
        """Return the instant `duration_ms` of office time after `instant_ms`; with 0, now or when offices next open."""
        start = self.office_ms(np.array([instant_ms], dtype=np.int64))
        return int(self.instants_ms(start + duration_ms)[0])

    def _is_working(self, day: date) -> bool:
        return day in self._worked or (day.weekday() < 5 and day not in self._days_off)

    def _check(self, day: date) -> None:
        if not self.first <= day <= self.last:
            raise ValueError(f"{day} is outside the calendar {self.first} to {self.last}")


@lru_cache(maxsize=4)
def vietnam_calendar(first_year: int = FIRST_YEAR, last_year: int = LAST_YEAR) -> OfficeCalendar:
    """Return Vietnam's calendar for public offices over whole years."""
    import holidays  # half a second to import: only those who ask for the calendar pay for it

    known = holidays.country_holidays("VN", years=range(first_year - 1, last_year + 1))
    worked = {day for day in known.weekend_workdays if first_year <= day.year <= last_year}
    return OfficeCalendar(known, worked, first_year, last_year)


def is_working_day(day: date) -> bool:
    """True if public offices in Vietnam are open on this day."""
    return vietnam_calendar().is_working_day(day)
