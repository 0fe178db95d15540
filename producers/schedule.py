"""Schedules of an open load: when each document is due, whatever the system does. Pure and seeded."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Int64s = npt.NDArray[np.int64]

SECOND_US = 1_000_000


@dataclass(frozen=True, slots=True)
class ConstantRate:
    """Document n is due n / rate seconds after the start: the absolute schedule of a steady load."""

    per_second: float

    def blocks(self, documents: int | None, block: int = 1000) -> Iterator[Int64s]:
        """Yield due times in microseconds after the start, in blocks; without end if `documents` is None."""
        first = 0
        while documents is None or first < documents:
            last = first + block if documents is None else min(first + block, documents)
            yield (np.arange(first, last) * (SECOND_US / self.per_second)).astype(np.int64)
            first = last


@dataclass(frozen=True, slots=True)
class PoissonRate:
    """Arrivals that know nothing of each other: exponential gaps of mean 1 / rate."""

    per_second: float
    seed: int

    def blocks(self, documents: int | None, block: int = 1000) -> Iterator[Int64s]:
        """Yield due times in microseconds after the start, in blocks; without end if `documents` is None."""
        rng = np.random.default_rng(self.seed)
        at_us, left = 0.0, documents
        while left is None or left > 0:
            count = block if left is None else min(block, left)
            due_us = at_us + np.cumsum(rng.exponential(SECOND_US / self.per_second, count))
            at_us = float(due_us[-1])
            left = None if left is None else left - count
            yield due_us.astype(np.int64)
