"""Models from history: what of a recording a workload can say. Pure, but for the queries that count.

An ordinary working day is fitted: for each hour the mean number of documents over the recording's working days; the
numbers of recipients as counted, of which `producers.fan_out_fit` makes kinds; the priorities. Beside it stands what a
workload has no words for, so that nobody takes it for fitted: burstiness, sizes, and who writes to whom.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import duckdb
import numpy as np
import numpy.typing as npt

from docaxis.domain.calendar import vietnam_calendar
from docaxis.domain.errors import UsageError

Floats = npt.NDArray[np.float64]

HOURS = 24

#: An hour without documents still needs a rate above zero.
RATE_MIN_PER_S = 0.001


@dataclass(frozen=True, slots=True)
class FanOutClass:
    """A kind of documents by the mean number of its recipients."""

    name: str
    share: float
    mean: float
    everybody: bool = False


@dataclass(frozen=True, slots=True)
class Fitted:
    """What was fitted, and what is only told."""

    day: date  # the last working day that was counted
    working_days: int
    by_hour: tuple[float, ...]  # documents in each hour of a working day, on average
    by_fan_out: Mapping[int, int]
    priorities: Mapping[int, int]
    dispersion: float  # variance / mean of documents a minute, in hours with documents: 1 is Poisson's
    size_median: float
    size_sigma: float  # of the logarithm


def fit(connection: duckdb.DuckDBPyConnection) -> Fitted:
    """Fit the view `documents` (see `profile`). Raises UsageError if it has no working day."""
    by_day_hour = connection.execute(
        "SELECT local::DATE AS day, hour(local) AS hour, count(*) FROM documents GROUP BY day, hour"
    ).fetchall()
    calendar = vietnam_calendar()
    days = sorted({day for day, _, _ in by_day_hour if calendar.is_working_day(day)})
    if not days:
        raise UsageError(
            "the recording has no document on a working day", next_step="record an ordinary day, or try --clock sent"
        )
    working, by_hour = set(days), np.zeros(HOURS)
    for day, hour, count in by_day_hour:
        if day in working:
            by_hour[hour] += count / len(days)
    fan_out = dict(
        connection.execute("SELECT len(recipients) AS n, count(*) FROM documents GROUP BY n ORDER BY n").fetchall()
    )
    priorities = dict(
        connection.execute("SELECT priority, count(*) FROM documents GROUP BY priority ORDER BY priority").fetchall()
    )
    (dispersion,) = connection.execute(
        # Within each hour, so that the profile itself is no burst; minutes without documents count as none.
        "SELECT coalesce(sum(squares - documents * documents / 60.0) / sum(documents * 59 / 60.0), 1) FROM ("
        "SELECT sum(n * n) AS squares, sum(n) AS documents FROM ("
        "SELECT at_us // 3600000000 AS hour, at_us // 60000000 AS minute, count(*) AS n FROM documents "
        "GROUP BY hour, minute) GROUP BY hour HAVING sum(n) > 1)"
    ).fetchall()[0]
    median, sigma = connection.execute(
        "SELECT coalesce(median(size), 0), coalesce(stddev_pop(ln(size)), 0) FROM documents WHERE size > 0"
    ).fetchall()[0]
    return Fitted(
        days[-1],
        len(days),
        tuple(by_hour.tolist()),
        fan_out,
        priorities,
        float(dispersion),
        float(median),
        float(sigma),
    )


def workload_toml(fitted: Fitted, fan_out: Sequence[FanOutClass], name: str, day_s: float, registry: str = "") -> str:
    """Return the workload of an ordinary working day, squeezed into `day_s` seconds: as many documents in each hour."""
    hour_s = day_s / HOURS
    lines = [
        f"# Fitted to {fitted.working_days} working days: documents by hour, numbers of recipients, priorities.",
        f"# Not fitted, for a workload has no words for it: bursts (variance / mean a minute {fitted.dispersion:.2f}),",
        f"# sizes (median {fitted.size_median:,.0f} bytes), and which agency writes to which.",
        f'name = "{name}"',
        'purpose = "an ordinary working day of the recording, hour by hour"',
        *([f'registry = "{registry}"'] if registry else []),
        "",
        "[documents]",
        f"calendar_start = {fitted.day.isoformat()}T00:00:00",
        f"calendar_speed = {86_400 / day_s:.6g}",
    ]
    for hour, documents in enumerate(fitted.by_hour):
        rate = max(documents / hour_s, RATE_MIN_PER_S)
        lines += [
            "",
            "[[phases]]",
            f'name = "hour-{hour:02d}"',
            f'duration = "{hour_s * 1000:.0f} ms"',
            f'rate = "{rate:.6f} documents/s"',
            'arrivals = "poisson"',
        ]
    lines += ["", "[[phases]]", 'name = "drain"', 'kind = "drain"', 'duration = "30 s"']
    priorities = ", ".join(f"{priority} = {count}" for priority, count in fitted.priorities.items() if priority <= 4)
    for one in fan_out:
        recipients = '"all"' if one.everybody else f"{one.mean:.6g}"
        lines += ["", "[[traffic]]", f'name = "{one.name}"', f"share = {one.share:.6g}", f"fan_out = {recipients}"]
        lines += [f"priorities = {{ {priorities} }}"] if priorities else []
    return "\n".join(lines) + "\n"


def fan_out_distance(by_fan_out: Mapping[int, int], probabilities: Floats) -> float:
    """Return the largest difference of two distributions of the number of recipients: recorded, and a model's."""
    counts = np.zeros(max(len(probabilities), *by_fan_out, 1) + 1)
    for number, count in by_fan_out.items():
        counts[number] = count
    model = np.zeros(len(counts))
    model[1 : len(probabilities) + 1] = probabilities
    return float(np.abs(np.cumsum(counts) / counts.sum() - np.cumsum(model)).max())
