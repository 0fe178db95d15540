"""Figures over time in rings of fixed size: the last ten minutes by the second, hours and a day more coarsely."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Float64s = npt.NDArray[np.float64]

#: What a point holds; how several points become one coarser: mean of rates, worst of the rest.
COLUMNS: Mapping[str, str] = {
    "documents_per_s": "mean",
    "deliveries_per_s": "mean",
    "receipts_per_s": "mean",
    "p50_us": "mean",
    "p99_us": "max",
    "at_hub": "max",
    "in_inboxes": "max",
    "refused_per_s": "mean",
}
_IS_MEAN = np.array([how == "mean" for how in COLUMNS.values()])


@dataclass(frozen=True, slots=True)
class Range:
    """One resolution: seconds between points, and how many are kept."""

    name: str
    step_s: int
    points: int


RANGES: Sequence[Range] = (Range("10m", 1, 600), Range("2h", 10, 720), Range("24h", 120, 720))


class Ring:
    """The newest points, oldest first; never more than its capacity."""

    def __init__(self, capacity: int) -> None:
        self._rows = np.zeros((capacity, len(COLUMNS) + 1))  # the time, seconds since the epoch, comes first
        self._next = 0
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def push(self, at_s: int, values: Float64s) -> None:
        """Add a point, in the place of the oldest when there is no other."""
        self._rows[self._next, 0] = at_s
        self._rows[self._next, 1:] = values
        self._next = (self._next + 1) % len(self._rows)
        self._count = min(self._count + 1, len(self._rows))

    def rows(self) -> Float64s:
        """Return all points in order."""
        return np.roll(self._rows, -self._next, axis=0)[len(self._rows) - self._count :]


class _Gathered:
    """Points on their way to become one."""

    def __init__(self, one: Range) -> None:
        self.range = one
        self.ring = Ring(one.points)
        self._begin_s = 0
        self._values: list[Float64s] = []

    def add(self, at_s: int, values: Float64s) -> None:
        begin_s = at_s - at_s % self.range.step_s
        if self._values and begin_s != self._begin_s:
            gathered = np.array(self._values)
            self.ring.push(self._begin_s, np.where(_IS_MEAN, gathered.mean(axis=0), gathered.max(axis=0)))
            self._values = []
        self._begin_s = begin_s
        self._values.append(values)


class Series:
    """All resolutions of one run."""

    def __init__(self, ranges: Sequence[Range] = RANGES) -> None:
        self._finest = Ring(ranges[0].points)
        self._coarser = {one.name: _Gathered(one) for one in ranges[1:]}
        self._names = [one.name for one in ranges]

    def push(self, at_s: int, point: Mapping[str, float]) -> list[float]:
        """Add the point of a second; return it as it is sent: the time, then the values in the order of COLUMNS."""
        values = np.array([point[name] for name in COLUMNS], np.float64)
        self._finest.push(at_s, values)
        for gathered in self._coarser.values():
            gathered.add(at_s, values)
        return [at_s, *(round(value, 1) for value in values.tolist())]

    def rows(self, name: str) -> list[list[float]]:
        """Return all points of one range. Raises KeyError for an unknown one."""
        ring = self._finest if name == self._names[0] else self._coarser[name].ring
        rows: list[list[float]] = np.round(ring.rows(), 1).tolist()
        return rows
