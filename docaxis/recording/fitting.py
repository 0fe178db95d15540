"""Models from history: an ordinary working day of a recording as a workload. Pure, but for the queries that count.

Arrivals: for each hour the mean number of documents over the recording's working days, and bursts where documents came
in heaps. A burst is a state of a two-state Markov-modulated Poisson process with rates r and f r, whose mean times are
`BURST_US` and `CALM_US`. Its variance over its mean, in windows of length t, is (Cox and Isham, Point Processes, 1980)

    D = 1 + 2 a p q x**2 / k * (1 - (1 - exp(-k t)) / (k t)),   x = (f - 1) / (q + p f)

    a     mean rate           p, q   share of time in bursts, in calm
    k     1 / BURST_US + 1 / CALM_US

solved for f with D as recorded, a minute being t. Who writes what to whom is a table (`traffic_table`). Receipts:
half of a polling interval is what a delivery waits on average for its recipient.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from math import exp, sqrt

import duckdb
import numpy as np
import numpy.typing as npt

from docaxis.domain.calendar import vietnam_calendar
from docaxis.domain.errors import UsageError

Floats = npt.NDArray[np.float64]

HOURS, HOUR_US, MINUTE_US = 24, 3_600_000_000, 60_000_000

#: Recorded times of bursts and calm.
BURST_US, CALM_US = 60_000_000, 240_000_000

#: Heaps beyond this are bursts; below, chance alone may have made them.
DISPERSION_MIN = 1.2

#: The most that a workload allows.
FACTOR_MAX = 1000.0

#: Years whose holidays are known: Tết goes by the moon.
YEAR_MIN, YEAR_MAX = 1901, 2099

#: An hour without documents still needs a rate above zero.
RATE_MIN_PER_S = 0.001


@dataclass(frozen=True, slots=True)
class Fitted:
    """An ordinary working day, and how recipients fetched."""

    day: date  # the last working day that was counted
    working_days: int
    by_hour: tuple[float, ...]  # documents in each hour of a working day, on average
    dispersion: float  # variance / mean of documents a minute, in hours with documents: 1 is Poisson's
    pickup_us: float | None  # mean time from available to received; None without receipts
    life_cycle: bool  # whether business statuses were recorded

    def burst_factor(self, hour: int) -> float | None:
        """Return how much busier bursts of an hour are, None where it has none."""
        per_us = self.by_hour[hour] / HOUR_US
        return burst_factor(per_us, self.dispersion) if self.dispersion > DISPERSION_MIN and per_us else None


def burst_factor(per_us: float, dispersion: float) -> float:
    """Return the factor f of a mean rate and the dispersion a minute; see the formula above."""
    p = BURST_US / (BURST_US + CALM_US)
    k = 1 / BURST_US + 1 / CALM_US
    shape = 1 - (1 - exp(-k * MINUTE_US)) / (k * MINUTE_US)
    x = sqrt((dispersion - 1) / (2 * per_us * p * (1 - p) / k * shape))
    return min((1 + x * (1 - p)) / (1 - x * p), FACTOR_MAX) if x * p < 1 else FACTOR_MAX


def fit(connection: duckdb.DuckDBPyConnection) -> Fitted:
    """Fit the view `documents` (see `profile`). Raises UsageError if it has no working day."""
    by_day_hour = connection.execute(
        "SELECT local::DATE AS day, hour(local) AS hour, count(*) FROM documents GROUP BY day, hour"
    ).fetchall()
    years = [day.year for day, _, _ in by_day_hour]
    if years and (min(years) < YEAR_MIN or max(years) > YEAR_MAX):
        raise UsageError(
            f"the recording reaches from {min(years)} to {max(years)}; holidays are known of {YEAR_MIN} to {YEAR_MAX}",
            next_step="choose a part of it (--where), or the other clock (--clock)",
        )
    calendar = vietnam_calendar(min(years), max(years)) if years else vietnam_calendar()
    days = sorted({day for day, _, _ in by_day_hour if calendar.is_working_day(day)})
    if not days:
        raise UsageError(
            "the recording has no document on a working day", next_step="record an ordinary day, or try --clock sent"
        )
    working, by_hour = set(days), np.zeros(HOURS)
    for day, hour, count in by_day_hour:
        if day in working:
            by_hour[hour] += count / len(days)
    (dispersion,) = connection.execute(
        # Within each hour, so that the profile itself is no burst; minutes without documents count as none.
        "SELECT coalesce(sum(squares - documents * documents / 60.0) / sum(documents * 59 / 60.0), 1) FROM ("
        "SELECT sum(n * n) AS squares, sum(n) AS documents FROM ("
        "SELECT at_us // 3600000000 AS hour, at_us // 60000000 AS minute, count(*) AS n FROM documents "
        "GROUP BY hour, minute) GROUP BY hour HAVING sum(n) > 1)"
    ).fetchall()[0]
    (pickup_us,), (statuses,) = (
        connection.execute(f"SELECT {what} FROM chosen WHERE kind = '{kind}'").fetchall()[0]
        for what, kind in (("avg(received_us - available_us)", "receipt"), ("count(*)", "status"))
    )
    return Fitted(
        days[-1],
        len(days),
        tuple(by_hour.tolist()),
        float(dispersion),
        None if pickup_us is None else max(0.0, float(pickup_us)),
        bool(statuses),
    )


def workload_toml(fitted: Fitted, traffic_file: str, name: str, day_s: float, registry: str = "") -> str:
    """Return the workload of an ordinary working day, squeezed into `day_s` seconds: as many documents in each hour."""
    hour_s, squeeze = day_s / HOURS, 86_400 / day_s
    lines = [
        f"# Fitted to {fitted.working_days} working days: documents by hour, bursts, and who writes what to whom.",
        f'name = "{name}"',
        'purpose = "an ordinary working day of the recording, hour by hour"',
        *([f'registry = "{registry}"'] if registry else []),
        "",
        "[documents]",
        f"calendar_start = {fitted.day.isoformat()}T00:00:00",
        f"calendar_speed = {squeeze:.6g}",
        "",
        "[receipts]",
        f'poll_interval = "{2 * (fitted.pickup_us or 0.0) / 1000:.0f} ms"',
        f"life_cycle = {str(fitted.life_cycle).lower()}",
    ]
    for hour, documents in enumerate(fitted.by_hour):
        rate, factor = max(documents / hour_s, RATE_MIN_PER_S), fitted.burst_factor(hour)
        lines += [
            "",
            "[[phases]]",
            f'name = "hour-{hour:02d}"',
            f'duration = "{hour_s * 1000:.0f} ms"',
            f'rate = "{rate:.6f} documents/s"',
        ]
        if factor is None:
            lines.append('arrivals = "poisson"')
        else:
            lines += ['arrivals = "bursts"', f"burst_factor = {max(factor, 1.000001):.6f}"]
            lines += [
                f'{key} = "{us / squeeze / 1000:.3f} ms"'
                for key, us in (("burst_for", BURST_US), ("calm_for", CALM_US))
            ]
    drain_s = max(30.0, 4 * (fitted.pickup_us or 0.0) / 1e6)
    lines += ["", "[[phases]]", 'name = "drain"', 'kind = "drain"', f'duration = "{drain_s:.0f} s"']
    lines += ["", "[[traffic]]", 'name = "recorded"', f'like = "{traffic_file}"']
    return "\n".join(lines) + "\n"


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
