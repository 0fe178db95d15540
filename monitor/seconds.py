"""Figures per second of the wall clock, for a bounded number of seconds: what happened in each, as it is counted.

The newest seconds are kept and travel with the readings; whoever wants all of them collects them as they pass.
"""

from collections import defaultdict

import msgspec
import numpy as np
import numpy.typing as npt

from monitor.histogram import Histogram

Int64s = npt.NDArray[np.int64]

SECOND_US = 1_000_000


class SecondReading(msgspec.Struct, frozen=True, omit_defaults=True):
    """One second's totals."""

    counts: dict[str, int] = {}
    stages: dict[str, list[int]] = {}  # stage -> sparse histogram


class Seconds:
    """Counts and latencies of the newest `kept` seconds."""

    def __init__(self, kept: int) -> None:
        self.kept = kept
        self.late = 0  # events of seconds that had been let go
        self._counts: dict[int, defaultdict[str, int]] = {}
        self._stages: dict[int, dict[str, Histogram]] = {}
        self._newest = 0

    def count(self, name: str, instants_us: Int64s, weights: Int64s | None = None) -> None:
        """Add one (or its weight) to the second of each instant."""
        for second, chosen in self._split(instants_us):
            added = int(chosen.sum()) if weights is None else int(weights[chosen].sum())
            self._row(second)[name] += added

    def peak(self, name: str, instant_us: int, value: int) -> None:
        """Keep the highest value in a second."""
        for second, _ in self._split(np.array([instant_us], np.int64)):
            self._row(second)[name] = max(self._row(second)[name], value)

    def observe(self, instants_us: Int64s, **latencies_us: Int64s) -> None:
        """Count latencies of stages in the second of each instant."""
        for second, chosen in self._split(instants_us):
            self._row(second)
            stages = self._stages.setdefault(second, {})
            for stage, values in latencies_us.items():
                stages.setdefault(stage, Histogram()).observe(values[chosen])

    def _split(self, instants_us: Int64s) -> list[tuple[int, npt.NDArray[np.bool_]]]:
        """Return the seconds of these instants that are kept, each with who is in it."""
        if not len(instants_us):
            return []
        seconds = instants_us // SECOND_US
        newest = int(seconds.max())
        if newest > self._newest:
            self._newest = newest
            for old in [second for second in self._counts if second <= newest - self.kept]:
                del self._counts[old]
                self._stages.pop(old, None)
        self.late += int((seconds <= self._newest - self.kept).sum())
        first = max(int(seconds.min()), self._newest - self.kept + 1)
        if first == newest:
            return [(newest, seconds == newest)]
        return [(second, seconds == second) for second in np.unique(seconds).tolist() if second >= first]

    def _row(self, second: int) -> defaultdict[str, int]:
        return self._counts.setdefault(second, defaultdict(int))

    def to_reading(self) -> dict[int, SecondReading]:
        """Return the seconds kept."""
        return {
            second: SecondReading(
                dict(counts),
                {stage: histogram.to_sparse() for stage, histogram in self._stages.get(second, {}).items()},
            )
            for second, counts in self._counts.items()
        }

    def add(self, seconds: dict[int, SecondReading]) -> None:
        """Take over stored seconds."""
        for second, stored in seconds.items():
            self._newest = max(self._newest, second)
            counts = self._row(second)
            for name, count in stored.counts.items():
                counts[name] += count
            stages = self._stages.setdefault(second, {})
            for stage, sparse in stored.stages.items():
                stages.setdefault(stage, Histogram()).merge(Histogram.from_sparse(sparse))
