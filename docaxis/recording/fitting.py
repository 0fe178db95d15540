"""Models from history: the week of a recording as a workload. Pure, but for the queries that count.

Arrivals: for each hour of the week the mean number of documents over the ordinary days of its weekday, what part of
that came on holidays, and bursts where documents came in heaps. A burst is a state of a two-state Markov-modulated
Poisson process with rates r and f r, whose mean times are `BURST_US` and `CALM_US`. Its variance over its mean, in
windows of length t, is (Cox and Isham, Point Processes, 1980)

    D = 1 + 2 a p q x**2 / k * (1 - (1 - exp(-k t)) / (k t)),   x = (f - 1) / (q + p f)

    a     mean rate           p, q   share of time in bursts, in calm
    k     1 / BURST_US + 1 / CALM_US

solved for f with D as recorded, a minute being t; one f holds for all hours, so a is the rate as the average document
saw it. Who writes what to whom is a table (`traffic_table`). Receipts:
half of a polling interval is what a delivery waits on average for its recipient.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from math import exp, sqrt

import duckdb
import numpy as np
import numpy.typing as npt

from docaxis.domain.calendar import OfficeCalendar, days_between, vietnam_calendar
from docaxis.domain.errors import UsageError

Floats = npt.NDArray[np.float64]

DAYS, HOURS, HOUR_US, MINUTE_US = 7, 24, 3_600_000_000, 60_000_000

#: Recorded times of bursts and calm.
BURST_US, CALM_US = 60_000_000, 240_000_000

#: Heaps beyond this are bursts; below, chance alone may have made them.
DISPERSION_MIN = 1.2

#: The most that a workload allows.
FACTOR_MAX = 1000.0

#: Years whose holidays are known: Tết goes by the moon.
YEAR_MIN, YEAR_MAX = 1901, 2099

#: Days of a week on which offices are open, as a rule.
OPEN_DAYS = 5


@dataclass(frozen=True, slots=True)
class FittedRecalls:
    """Recalls, updates and replacements among the documents."""

    share: float  # of all documents
    kinds: dict[int, int]  # business kind 1 to 3 -> documents
    after_us: float | None  # median time from a document to what followed it up; None where no first one was recorded


@dataclass(frozen=True, slots=True)
class Fitted:
    """An ordinary week, its holidays, and how recipients fetched."""

    day: date  # the last working day that was counted
    working_days: int
    by_hour: tuple[float, ...]  # documents in each hour of a working day, on average
    week: tuple[tuple[float, ...], ...]  # documents in each hour of each weekday, Monday first, on average
    weekdays: tuple[int, ...]  # days that were counted of each; 0: as the mean of the working days, a weekend empty
    holidays: int  # days off that were recorded
    holiday_factor: float | None  # documents on them to those of their weekdays; None: none was recorded
    dispersion: float  # variance / mean of documents a minute, in hours with documents: 1 is Poisson's
    busy_per_us: float  # rate of the hours, each weighted by its documents
    pickup_us: float | None  # mean time from available to received; None without receipts
    life_cycle: bool  # whether business statuses were recorded
    recalls: FittedRecalls | None

    @property
    def burst_factor(self) -> float | None:
        """How much busier bursts are; None where chance alone explains the heaps."""
        return burst_factor(self.busy_per_us, self.dispersion) if self.dispersion > DISPERSION_MIN else None

    def first_day(self, days: int) -> date:
        """Return the day that a workload of so many days begins with: the last working day, or the Monday before it."""
        return self.day if days == 1 else self.day - timedelta(days=self.day.weekday())


def burst_factor(per_us: float, dispersion: float) -> float:
    """Return the factor f of a mean rate and the dispersion a minute; see the formula above."""
    p = BURST_US / (BURST_US + CALM_US)
    k = 1 / BURST_US + 1 / CALM_US
    shape = 1 - (1 - exp(-k * MINUTE_US)) / (k * MINUTE_US)
    x = sqrt((dispersion - 1) / (2 * per_us * p * (1 - p) / k * shape))
    return min((1 + x * (1 - p)) / (1 - x * p), FACTOR_MAX) if x * p < 1 else FACTOR_MAX


def fit(connection: duckdb.DuckDBPyConnection) -> Fitted:
    """Fit the view `documents` (see `profile`). Raises UsageError if it has no working day."""
    counts: dict[date, Floats] = {}
    for day, hour, count in connection.execute(
        "SELECT local::DATE AS day, hour(local) AS hour, count(*) FROM documents GROUP BY day, hour"
    ).fetchall():
        counts.setdefault(day, np.zeros(HOURS))[hour] = count
    calendar = _calendar_of([day.year for day in counts])
    working = sorted(day for day in counts if calendar.is_working_day(day))
    if not working:
        raise UsageError(
            "the recording has no document on a working day", next_step="record an ordinary day, or try --clock sent"
        )
    by_hour = np.mean([counts[day] for day in working], axis=0)
    week, weekdays = week_of(counts, calendar)
    holidays, factor = holidays_of(counts, calendar, week)
    dispersion, busy_per_us = _heaps(connection)
    (pickup_us,), (statuses,) = (
        connection.execute(f"SELECT {what} FROM chosen WHERE kind = '{kind}'").fetchall()[0]
        for what, kind in (("avg(received_us - available_us)", "receipt"), ("count(*)", "status"))
    )
    return Fitted(
        day=working[-1],
        working_days=len(working),
        by_hour=tuple(by_hour.tolist()),
        week=tuple(tuple(hours) for hours in week.tolist()),
        weekdays=weekdays,
        holidays=holidays,
        holiday_factor=factor,
        dispersion=dispersion,
        busy_per_us=busy_per_us,
        pickup_us=None if pickup_us is None else max(0.0, float(pickup_us)),
        life_cycle=bool(statuses),
        recalls=_recalls(connection),
    )


def _calendar_of(years: list[int]) -> OfficeCalendar:
    if not years:
        return vietnam_calendar()
    if min(years) < YEAR_MIN or max(years) > YEAR_MAX:
        raise UsageError(
            f"the recording reaches from {min(years)} to {max(years)}; holidays are known of {YEAR_MIN} to {YEAR_MAX}",
            next_step="choose a part of it (--where), or the other clock (--clock)",
        )
    return vietnam_calendar(min(years), max(years))


def week_of(counts: Mapping[date, Floats], calendar: OfficeCalendar) -> tuple[Floats, tuple[int, ...]]:
    """Return documents in each hour of each weekday, and how many days stand behind each weekday.

    Ordinary days only. A working day without any document was not recorded; a weekend without one was quiet. Weekdays
    that were not recorded have the mean of the other working days.
    """
    ordinary: list[list[Floats]] = [[] for _ in range(DAYS)]
    for day in days_between(min(counts), max(counts)):
        is_open = day.weekday() < OPEN_DAYS
        if is_open == calendar.is_working_day(day) and not calendar.is_holiday(day) and (day in counts or not is_open):
            ordinary[day.weekday()].append(counts.get(day, np.zeros(HOURS)))
    means = [np.mean(days, axis=0) if days else None for days in ordinary]
    opened = [mean for mean in means[:OPEN_DAYS] if mean is not None]
    # With no ordinary working day at all there is still one that made up for a holiday.
    usual = np.mean(opened or [counts[day] for day in counts if calendar.is_working_day(day)], axis=0)
    missing = [usual] * OPEN_DAYS + [np.zeros(HOURS)] * (DAYS - OPEN_DAYS)
    week = [lacking if mean is None else mean for mean, lacking in zip(means, missing, strict=True)]
    return np.array(week), tuple(len(days) for days in ordinary)


def holidays_of(counts: Mapping[date, Floats], calendar: OfficeCalendar, week: Floats) -> tuple[int, float | None]:
    """Return how many holidays lie in the recording, and their documents to what the same weekdays usually have."""
    found = [day for day in days_between(min(counts), max(counts)) if calendar.is_holiday(day)]
    usual = sum(float(week[day.weekday()].sum()) for day in found)
    held = sum(float(counts[day].sum()) for day in found if day in counts)
    return len(found), held / usual if usual else None


def _heaps(connection: duckdb.DuckDBPyConnection) -> tuple[float, float]:
    """Return the dispersion a minute, and the rate of the hours weighted by their documents."""
    dispersion, busy = connection.execute(
        # Within each hour, so that the profile itself is no burst; minutes without documents count as none.
        "SELECT coalesce(sum(squares - documents * documents / 60.0) / sum(documents * 59 / 60.0), 1), "
        "coalesce(sum(documents * documents) / sum(documents), 1) FROM ("
        "SELECT sum(n * n)::DOUBLE AS squares, sum(n)::DOUBLE AS documents FROM ("
        "SELECT at_us // 3600000000 AS hour, at_us // 60000000 AS minute, count(*) AS n FROM documents "
        "GROUP BY hour, minute) GROUP BY hour HAVING sum(n) > 1)"
    ).fetchall()[0]
    return float(dispersion), float(busy) / HOUR_US


def _recalls(connection: duckdb.DuckDBPyConnection) -> FittedRecalls | None:
    kinds = dict(
        connection.execute(
            "SELECT business, count(*) FROM documents WHERE business BETWEEN 1 AND 3 GROUP BY ALL ORDER BY ALL"
        ).fetchall()
    )
    if not kinds:
        return None
    (documents,), (after_us,) = (
        connection.execute(query).fetchall()[0]
        for query in (
            "SELECT count(*) FROM documents",
            "SELECT median(later.at_us - earliest.at_us) FROM documents AS later JOIN (SELECT document_id, run, "
            "min(at_us) AS at_us FROM documents WHERE business = 0 GROUP BY document_id, run) AS earliest "
            "USING (document_id, run) WHERE later.business BETWEEN 1 AND 3 AND later.at_us >= earliest.at_us",
        )
    )
    return FittedRecalls(sum(kinds.values()) / documents, kinds, None if after_us is None else float(after_us))


def distance(one: Mapping[int, float], other: Mapping[int, float]) -> float:
    """Return the largest difference of two distributions over numbers (Kolmogorov-Smirnov), 0 if one is empty."""
    numbers = sorted({*one, *other})
    first, second = (np.array([counts.get(number, 0) for number in numbers], np.float64) for counts in (one, other))
    if not first.sum() or not second.sum():
        return 0.0
    return float(np.abs(np.cumsum(first) / first.sum() - np.cumsum(second) / second.sum()).max())


def share_moved(one: Mapping[object, float], other: Mapping[object, float]) -> float:
    """Return which share of one must be moved to make it the other (total variation), 0 if one is empty."""
    first, second = sum(one.values()), sum(other.values())
    if not first or not second:
        return 0.0
    return sum(abs(one.get(key, 0) / first - other.get(key, 0) / second) for key in {*one, *other}) / 2
