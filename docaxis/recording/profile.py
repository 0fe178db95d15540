"""The profile of a recording: when, how many, to whom, how large, how long it took; small in memory."""

from dataclasses import dataclass
from typing import Literal

import duckdb

from docaxis.recording.engine import wrong_expression

#: The clock that a profile is told by: the business calendar, or the wall clock of sending.
ClockName = Literal["calendar", "sent"]

PAIRS_MAX = 10
VIETNAM_US = 25_200_000_000

#: Upper bounds of the classes of size, in bytes.
SIZE_CLASSES = (0, 10_000, 100_000, 1_000_000, 3_000_000, 10_000_000, 30_000_000, 100_000_000)

_QUANTILES = (0.5, 0.9, 0.99, 1.0)


@dataclass(frozen=True, slots=True)
class Profile:
    """Counts of the documents sent; times are Vietnam's."""

    documents: int
    deliveries: int
    by_month: dict[str, int]  # "2021-02" -> documents
    by_weekday: tuple[int, ...]  # Monday first
    by_hour: tuple[int, ...]
    by_fan_out: dict[int, int]
    by_size: dict[int, int]  # class (index in SIZE_CLASSES of its upper bound; one more: above) -> documents
    pairs: tuple[tuple[str, str, int], ...]  # sender, recipient, deliveries: the busiest
    pairs_total: int
    latency_us: dict[float, int]  # quantile -> received - sent, as recorded; empty without receipts
    latency_negative: int
    statuses: dict[str, int]  # receipts by state, statuses by code, refusals by code
    busiest_second: int  # documents sent in the busiest second, by the clock chosen


def profile(connection: duckdb.DuckDBPyConnection, clock: ClockName, where: str = "") -> Profile:
    """Count the view `events`, as far as `where` (a DuckDB expression) holds. Raises UsageError if that is wrong."""
    choose(connection, where)
    at_us = "calendar_ms * 1000" if clock == "calendar" else "time_us"
    connection.execute(
        f"CREATE OR REPLACE TEMP VIEW documents AS SELECT *, {at_us} AS at_us, "
        f"make_timestamp({at_us} + {VIETNAM_US}) AS local FROM chosen WHERE kind = 'sent'"
    )
    documents, deliveries = connection.execute(
        "SELECT count(*), coalesce(sum(len(recipients)), 0) FROM documents"
    ).fetchall()[0]
    pairs_total, pairs = _pairs(connection)
    latency, negative = _latency(connection)
    weekdays = _counts(connection, "isodow(local)")
    hours = _counts(connection, "hour(local)")
    (busiest,) = connection.execute(
        "SELECT coalesce(max(documents), 0) FROM "
        "(SELECT count(*) AS documents FROM documents GROUP BY at_us // 1000000)"
    ).fetchall()
    bounds = ", ".join(map(str, SIZE_CLASSES))
    return Profile(
        documents,
        int(deliveries),
        _counts(connection, "strftime(local, '%Y-%m')"),
        tuple(weekdays.get(day, 0) for day in range(1, 8)),
        tuple(hours.get(hour, 0) for hour in range(24)),
        _counts(connection, "len(recipients)"),
        _counts(connection, f"len(list_filter([{bounds}], lambda bound: bound < size))"),
        pairs,
        pairs_total,
        latency,
        negative,
        _statuses(connection),
        busiest[0],
    )


def choose(connection: duckdb.DuckDBPyConnection, where: str) -> None:
    """Make the view `chosen` of the events for which an expression holds. Raises UsageError if it is no expression."""
    condition = f" WHERE ({where})" if where else ""
    try:
        connection.execute(f"CREATE OR REPLACE TEMP VIEW chosen AS SELECT * FROM events{condition}")
        connection.execute("SELECT count(*) FROM (SELECT * FROM chosen LIMIT 1)").fetchall()
    except (
        duckdb.ParserException,
        duckdb.BinderException,
        duckdb.CatalogException,
        duckdb.ConversionException,
    ) as error:
        raise wrong_expression("--where", where, error) from error


def _counts(connection: duckdb.DuckDBPyConnection, expression: str) -> dict:  # type: ignore[type-arg]
    rows = connection.execute(f"SELECT {expression} AS class, count(*) FROM documents GROUP BY class ORDER BY class")
    return dict(rows.fetchall())


def _pairs(connection: duckdb.DuckDBPyConnection) -> tuple[int, tuple[tuple[str, str, int], ...]]:
    rows = connection.execute(
        "SELECT sender, recipient, count(*) AS deliveries, count(*) OVER () AS total "
        "FROM (SELECT sender, unnest(recipients) AS recipient FROM documents) "
        f"GROUP BY sender, recipient ORDER BY deliveries DESC, sender, recipient LIMIT {PAIRS_MAX}"
    ).fetchall()
    return (rows[0][3] if rows else 0), tuple((sender, recipient, count) for sender, recipient, count, _ in rows)


def _latency(connection: duckdb.DuckDBPyConnection) -> tuple[dict[float, int], int]:
    quantiles = ", ".join(f"quantile_disc(received_us - sent_us, {q})" for q in _QUANTILES)
    row = connection.execute(
        f"SELECT count(*), count(*) FILTER (received_us < sent_us), {quantiles} FROM chosen WHERE kind = 'receipt'"
    ).fetchall()[0]
    return (dict(zip(_QUANTILES, row[2:], strict=True)) if row[0] else {}), row[1]


def _statuses(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    rows = connection.execute(
        "SELECT kind || ' ' || coalesce(state, code, '') AS what, count(*) FROM chosen "
        "WHERE kind IN ('receipt', 'status', 'refusal', 'unreadable') GROUP BY what ORDER BY what"
    )
    return dict(rows.fetchall())
