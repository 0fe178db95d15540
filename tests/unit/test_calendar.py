"""The business calendar against the published days off, and office time against hand-made cases."""

from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from docaxis.domain.calendar import (
    DAY_MS,
    HOUR_MS,
    OFFICE_DAY_MS,
    date_of,
    days_between,
    is_working_day,
    midnight_ms,
    vietnam_calendar,
)

VIETNAM = timezone(timedelta(hours=7))
CALENDAR = vietnam_calendar()


def _days(year: int, *spans: str) -> set[date]:
    """Days from spans like "4-8/2" or "29/4-1/5"."""
    result: set[date] = set()
    for span in spans:
        start, _, end = span.partition("-")
        end = end or start
        month_of_end = end.split("/")[1]
        start = start if "/" in start else f"{start}/{month_of_end}"
        first, last = (date(year, int(text.split("/")[1]), int(text.split("/")[0])) for text in (start, end))
        result |= set(days_between(first, last))
    return result


# Public-service days off as published, substitutes included.
PUBLISHED = {
    2019: _days(2019, "1/1", "4-8/2", "15/4", "29/4-1/5", "2/9"),
    2020: _days(2020, "1/1", "23-29/1", "2/4", "30/4-1/5", "2/9"),
    2021: _days(2021, "1/1", "10-16/2", "21/4", "30/4", "3/5", "2-3/9"),
    2022: _days(2022, "3/1", "31/1-4/2", "11/4", "2-3/5", "1-2/9"),
}


@pytest.mark.parametrize("year", sorted(PUBLISHED))
def test_days_off_are_the_published_ones(year: int) -> None:
    weekdays = [day for day in days_between(date(year, 1, 1), date(year, 12, 31)) if day.weekday() < 5]
    off = {day for day in weekdays if not CALENDAR.is_working_day(day)}
    assert off == {day for day in PUBLISHED[year] if day.weekday() < 5}


def test_the_saturday_worked_for_a_bridge_day() -> None:
    assert is_working_day(date(2019, 5, 4))
    assert not is_working_day(date(2019, 4, 29))
    assert not is_working_day(date(2019, 5, 11))


@pytest.mark.parametrize(
    ("first", "last", "count"),
    [
        (date(2019, 3, 12), date(2019, 9, 30), 141),
        (date(2019, 10, 1), date(2020, 2, 25), 100),
        (date(2020, 2, 26), date(2020, 4, 27), 43),
        (date(2020, 4, 28), date(2021, 2, 23), 207),
        (date(2021, 2, 24), date(2021, 12, 31), 218),
        (date(2022, 1, 1), date(2022, 7, 31), 141),
        (date(2022, 7, 1), date(2022, 7, 31), 21),
    ],
)
def test_working_days_between_milestones(first: date, last: date, count: int) -> None:
    assert len(CALENDAR.working_days(first, last)) == count


def test_days_are_those_of_vietnam() -> None:
    midnight = datetime(2021, 2, 23, tzinfo=VIETNAM)
    assert midnight_ms(date(2021, 2, 23)) == int(midnight.timestamp()) * 1000
    assert date_of(midnight_ms(date(2021, 2, 23))) == date(2021, 2, 23)
    assert date_of(midnight_ms(date(2021, 2, 23)) - 1) == date(2021, 2, 22)
    assert date_of(int(datetime(2021, 2, 22, 17, tzinfo=UTC).timestamp()) * 1000) == date(2021, 2, 23)


def _at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=VIETNAM).timestamp()) * 1000


@pytest.mark.parametrize(
    ("start", "hours", "end"),
    [
        ("2021-02-23 09:00", 1, "2021-02-23 10:00"),
        ("2021-02-23 11:00", 2, "2021-02-23 14:30"),  # over lunch
        ("2021-02-23 16:00", 2, "2021-02-24 09:00"),  # over night
        ("2021-02-26 16:30", 1, "2021-03-01 08:30"),  # over a weekend
        ("2021-02-09 16:00", 1.5, "2021-02-17 08:30"),  # over Tết
        ("2021-02-23 12:30", 0, "2021-02-23 13:30"),  # at lunch: when offices open again
        ("2021-02-21 03:00", 0, "2021-02-22 08:00"),
        ("2021-02-22 08:00", 7.5, "2021-02-23 08:00"),
    ],
)
def test_office_time_added(start: str, hours: float, end: str) -> None:
    assert CALENDAR.add_office_time(_at(start), int(hours * HOUR_MS)) == _at(end)


instants = st.integers(midnight_ms(date(2018, 1, 3)), midnight_ms(date(2030, 12, 1)))


@given(instants, st.integers(0, 20 * OFFICE_DAY_MS))
def test_office_time_added_is_the_office_time_that_passed(start_ms: int, duration_ms: int) -> None:
    end_ms = CALENDAR.add_office_time(start_ms, duration_ms)
    assert end_ms >= start_ms
    passed = np.diff(CALENDAR.office_ms(np.array([start_ms, end_ms], dtype=np.int64)))
    assert passed.tolist() == [duration_ms]
    assert CALENDAR.is_working_day(date_of(end_ms))


@given(st.lists(instants, min_size=1, max_size=20))
def test_arrays_and_single_instants_agree(several: list[int]) -> None:
    array = np.array(several, dtype=np.int64)
    there = CALENDAR.instants_ms(CALENDAR.office_ms(array))
    assert there.tolist() == [CALENDAR.add_office_time(instant, 0) for instant in several]


def test_beyond_the_calendar_is_an_error_not_a_guess() -> None:
    with pytest.raises(ValueError, match="outside the calendar"):
        CALENDAR.is_working_day(date(2017, 12, 31))
    with pytest.raises(ValueError, match="outside the calendar"):
        CALENDAR.add_office_time(midnight_ms(date(2031, 1, 1)), 0)
    with pytest.raises(ValueError, match="outside the calendar"):
        CALENDAR.add_office_time(midnight_ms(date(2030, 12, 30)), 400 * DAY_MS)
