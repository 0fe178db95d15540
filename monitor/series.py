"""The series of a load test: one row a second, gathered from the readings as they pass.

A second is written down when every source has gone on for so long that nothing more can be counted in it; until then
its parts are kept as they come, the newest of each source. So memory is bounded: a window of parts, and a row of
numbers for each second.
"""

from array import array
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from docaxis.domain.plan import NO_PHASE, Plan
from docaxis.files import whole
from monitor.histogram import Histogram
from monitor.reading import Reading
from monitor.seconds import SECOND_US, SecondReading

#: A fleet counts an arrival up to a minute after its second; beyond this a second is final.
OPEN_SECONDS = 90

COUNTS = ("offered", "sent", "offered_deliveries", "sent_deliveries", "received", "refused", "in_flight")
#: Columns of latencies: name, stage, percentile (None: the maximum).
LATENCIES: tuple[tuple[str, str, float | None], ...] = (
    ("delivery_p50_s", "delivery", 0.5),
    ("delivery_p99_s", "delivery", 0.99),
    ("delivery_max_s", "delivery", None),
    ("uncorrected_p99_s", "delivery_uncorrected", 0.99),
    ("send_delay_p99_s", "send_delay", 0.99),
    ("routing_p99_s", "routing", 0.99),
    ("pickup_p99_s", "pickup", 0.99),
    ("publish_p99_s", "publish", 0.99),
    ("lateness_max_s", "lateness", None),
    ("schedule_error_max_s", "schedule_error", None),
)
COLUMNS = (*COUNTS, *(name for name, _, _ in LATENCIES))

Row = Mapping[str, float]


class Series:
    """Rows of one run, by second of the wall clock."""

    def __init__(self, run: str) -> None:
        self._run = run
        self._parts: dict[int, dict[tuple[str, int, str], SecondReading]] = {}
        self._rows = array("d")
        self._first: int | None = None  # second of the first final row

    def put(self, reading: Reading) -> None:
        """Take the seconds of a reading; a newer one of the same source replaces them."""
        if reading.run != self._run or not reading.seconds:
            return
        key = (reading.topic, reading.partition, reading.source)
        for second, part in reading.seconds.items():
            if self._first is None or second >= self._first + len(self._rows) // len(COLUMNS):
                self._parts.setdefault(second, {})[key] = part
        self._settle(max(self._parts, default=0) - OPEN_SECONDS)

    def _settle(self, before: int) -> None:
        while self._parts and min(self._parts) < before:
            second = min(self._parts)
            if self._first is None:
                self._first = second
            row = row_of(self._parts.pop(second).values())
            missing = second - self._first - len(self._rows) // len(COLUMNS)
            for _ in range(missing):
                self._rows.extend(row_of(()).values())
            self._rows.extend(row.values())

    def rows(self) -> Iterator[tuple[int, Row]]:
        """Yield (second, row) of every second, the open ones as they are now."""
        width = len(COLUMNS)
        for index in range(len(self._rows) // width):
            assert self._first is not None
            yield self._first + index, dict(zip(COLUMNS, self._rows[index * width : (index + 1) * width], strict=True))
        if self._parts:
            for second in range(min(self._parts), max(self._parts) + 1):
                yield second, row_of(self._parts.get(second, {}).values())

    def counts(self, before: int) -> "SeriesCounts":
        """Return the counts of the seconds before one, without their latencies: cheap however long the run is."""
        width = len(COLUMNS)
        settled = np.array(self._rows, np.float64).reshape(-1, width)[:, : len(COUNTS)]
        first = self._first if self._first is not None else 0
        opened = range(min(self._parts), max(self._parts) + 1) if self._parts else range(0)
        counted = [[_sum(self._parts.get(second, {}).values(), name) for name in COUNTS] for second in opened]
        seconds = np.concatenate((np.arange(first, first + len(settled)), np.array(opened, np.int64)))
        rows = np.concatenate((settled, np.array(counted, np.float64).reshape(-1, len(COUNTS))))
        known = seconds < before
        columns = {name: rows[known, index] for index, name in enumerate(COUNTS)}
        return SeriesCounts(seconds[known].astype(np.int64), columns)

    def newest(self, seconds: int) -> list[tuple[int, Row]]:
        """Return the newest seconds, as far as they are open."""
        return [(second, row_of(self._parts[second].values())) for second in sorted(self._parts)[-seconds:]]


@dataclass(frozen=True, slots=True)
class SeriesCounts:
    """Seconds, and how much of each of `COUNTS` fell into each of them."""

    seconds: npt.NDArray[np.int64]
    columns: Mapping[str, npt.NDArray[np.float64]]

    def of_phases(self, plan: Plan, numbers: Collection[int]) -> npt.NDArray[np.bool_]:
        """Return which of the seconds lie in the phases (their middles do)."""
        return np.isin(plan.phase_of(self.seconds * SECOND_US + SECOND_US // 2), list(numbers))

    def outstanding(self) -> npt.NDArray[np.float64]:
        """Return what was sent and neither received nor refused, at the end of each second, since the first one."""
        columns = self.columns
        return np.cumsum(columns["sent_deliveries"] - columns["received"] - columns["refused"])


def _sum(parts: Iterable[SecondReading], name: str) -> float:
    return float(sum(part.counts.get(name, 0) for part in parts))


def row_of(parts: Iterable[SecondReading]) -> dict[str, float]:
    """Return one second's figures: counts summed over all sources, percentiles of the merged latencies, else NaN."""
    readings = list(parts)
    row: dict[str, float] = {name: _sum(readings, name) for name in COUNTS}
    merged: dict[str, Histogram] = {}
    for part in readings:
        for stage, sparse in part.stages.items():
            merged.setdefault(stage, Histogram()).merge(Histogram.from_sparse(sparse))
    for name, stage, quantile in LATENCIES:
        histogram = merged.get(stage)
        if histogram is None or not histogram.count:
            row[name] = float("nan")
        else:
            row[name] = (histogram.max_us if quantile is None else histogram.quantile_us(quantile)) / 1e6
    return row


def with_outstanding(rows: Iterator[tuple[int, Row]]) -> Iterator[tuple[int, dict[str, float]]]:
    """Yield the rows with what is outstanding at the end of each second: sent and neither received nor refused."""
    outstanding = 0.0
    for second, row in rows:
        outstanding += row["sent_deliveries"] - row["received"] - row["refused"]
        yield second, {**row, "outstanding": max(0.0, outstanding)}


def backlog_slope(rows: Sequence[tuple[int, Row]], plan: Plan) -> float | None:
    """Return by how many deliveries a second what is outstanding grew in the measured phases (least squares)."""
    measured = [
        (second, row["outstanding"])
        for second, row in rows
        if (number := phase_number(plan, second)) != NO_PHASE and plan.phases[number].measured
    ]
    seconds, outstanding = np.array(measured, np.float64).reshape(-1, 2).T
    return slope_of(seconds, outstanding)


def slope_of(seconds: npt.NDArray[np.float64], outstanding: npt.NDArray[np.float64]) -> float | None:
    """Return the growth a second (least squares); None for fewer than three seconds."""
    if len(seconds) < 3:
        return None
    return float(np.polyfit(seconds - seconds[0], outstanding, 1)[0])


def phase_number(plan: Plan, second: int) -> int:
    """Return the phase in which a second (its middle) lies."""
    return int(plan.phase_of(np.array([second * SECOND_US + SECOND_US // 2], np.int64))[0])


def write_series(
    file: Path, rows: Sequence[tuple[int, Row]], plan: Plan, observed: Mapping[str, Mapping[int, float]]
) -> int:
    """Write the series as Parquet, one row a second from the plan's beginning; return the wall clock of second 0.

    `observed`: further columns, each a figure by second of the wall clock.
    """
    import pyarrow as pa  # a third of a second to import: only who writes a result pays for it
    import pyarrow.parquet as pq

    zero = plan.begin_us // SECOND_US
    kept = [(second, row) for second, row in rows if second >= zero]
    names = [plan.phases[number].name if number != NO_PHASE else "drain" for number in _numbers(kept, plan)]
    columns: dict[str, object] = {
        "second": pa.array([second - zero for second, _ in kept], pa.int64()),
        "phase": pa.array(names, pa.string()),
    }
    for name in (*COUNTS, "outstanding"):
        columns[name] = pa.array([int(row[name]) for _, row in kept], pa.int64())
    latencies = {name: [row[name] for _, row in kept] for name, _, _ in LATENCIES}
    latencies |= {name: [by_second.get(second, np.nan) for second, _ in kept] for name, by_second in observed.items()}
    for name, seconds in latencies.items():
        values: npt.NDArray[np.float64] = np.array(seconds, np.float64)
        columns[name] = pa.array(values, pa.float64(), mask=np.isnan(values))
    with whole(file) as unfinished:
        pq.write_table(pa.table(columns), unfinished)
    return zero * SECOND_US


def _numbers(rows: Sequence[tuple[int, Row]], plan: Plan) -> list[int]:
    return [phase_number(plan, second) for second, _ in rows]
