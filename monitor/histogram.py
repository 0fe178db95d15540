"""Latency histograms of fixed size: no sample is dropped or cut, and two merge by addition.

Buckets are exponential, each octave cut in 32 (the layout of HdrHistogram): values below 32 us are exact, above that a
bucket is at most 1/32 of its value wide, so a percentile read from it is within 1.6 % of the truth. The range ends at
2**50 us (36 years); what is above lands in the last bucket and the exact maximum is kept. Negative samples (two clocks
that disagree) are counted apart, never clamped to zero.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Int64s = npt.NDArray[np.int64]

SUBBUCKETS = 32
_BITS = SUBBUCKETS.bit_length() - 1
_OCTAVES = 50 - _BITS
BUCKETS = SUBBUCKETS * (_OCTAVES + 1)

#: Sums of latencies end here, so that nonsense stamps (valid up to 2**53 each) can neither wrap nor outgrow 64 bits.
SUM_MAX_US = (1 << 62) - 1

#: Most rows of a `HistogramRows` (12 kB each); what belongs to a further one is counted in the last.
ROWS_MAX = 1024


def bucket_of(values_us: Int64s) -> Int64s:
    """Return the bucket of each non-negative value."""
    # frexp is exact for integers below 2**53: value = mantissa * 2**exponent, mantissa in [0.5, 1).
    mantissa, exponent = np.frexp(values_us.astype(np.float64))
    octave = exponent.astype(np.int64) - _BITS
    large = octave * SUBBUCKETS + (mantissa * (2 * SUBBUCKETS)).astype(np.int64)
    return np.minimum(np.where(octave > 0, large - SUBBUCKETS * (octave > 0), values_us), BUCKETS - 1)


def lower_bounds_us() -> Int64s:
    """Return the smallest value of each bucket, with one more entry: the end of the last one."""
    index = np.arange(BUCKETS + 1, dtype=np.int64)
    shift = np.maximum(index // SUBBUCKETS - 1, 0)
    return np.where(index < SUBBUCKETS, index, (index % SUBBUCKETS + SUBBUCKETS) << shift)


_LOWER_US = lower_bounds_us()


def _summable(values_us: Int64s) -> Int64s:
    """Cap values so that their sum fits; changes nothing but latencies of centuries."""
    return np.minimum(values_us, SUM_MAX_US // max(len(values_us), 1))


@dataclass(slots=True)
class Histogram:
    """Counts of latencies in microseconds."""

    counts: Int64s = field(default_factory=lambda: np.zeros(BUCKETS, np.int64))
    negative: int = 0
    sum_us: int = 0
    max_us: int = 0

    def observe(self, values_us: Int64s) -> None:
        """Count each value."""
        valid = values_us
        if len(values_us) and values_us.min() < 0:
            valid = values_us[values_us >= 0]
            self.negative += len(values_us) - len(valid)
        if len(valid):
            np.add.at(self.counts, bucket_of(valid), 1)
            self.sum_us = min(self.sum_us + int(_summable(valid).sum()), SUM_MAX_US)
            self.max_us = max(self.max_us, int(valid.max()))

    def observe_one(self, value_us: int) -> None:
        """Count a single value."""
        self.observe(np.array([value_us], np.int64))

    @property
    def count(self) -> int:
        """Samples counted in buckets (negative ones are apart)."""
        return int(self.counts.sum())

    def merge(self, other: "Histogram") -> None:
        """Add the samples of `other`."""
        self.counts += other.counts
        self.negative += other.negative
        self.sum_us = min(self.sum_us + other.sum_us, SUM_MAX_US)
        self.max_us = max(self.max_us, other.max_us)

    def quantile_us(self, q: float) -> int:
        """Return the value below which a share `q` of the samples lies, to within 1.6 %; 0 without samples.

        The nearest-rank definition: the smallest bucket that holds the ceil(q * count)-th sample; its middle is
        returned, never more than the exact maximum.
        """
        total = self.count
        if not total:
            return 0
        rank = max(1, int(np.ceil(q * total)))
        bucket = int(np.searchsorted(np.cumsum(self.counts), rank))
        middle = int(_LOWER_US[bucket] + _LOWER_US[bucket + 1] - 1) // 2
        return min(middle, self.max_us)

    def count_at_most(self, bound_us: int) -> int:
        """Return how many samples lie in buckets that begin at or below `bound_us`."""
        return int(self.counts[: int(np.searchsorted(_LOWER_US[:-1], bound_us, side="right"))].sum())

    def to_sparse(self) -> list[int]:
        """Return [negative, sum_us, max_us, bucket, count, bucket, count, ...]: small, mergeable, JSON-friendly."""
        used = np.flatnonzero(self.counts)
        pairs = np.column_stack((used, self.counts[used])).ravel()
        return [self.negative, self.sum_us, self.max_us, *pairs.tolist()]

    @classmethod
    def from_sparse(cls, sparse: list[int]) -> "Histogram":
        """Rebuild what `to_sparse` gave."""
        histogram = cls(negative=sparse[0], sum_us=sparse[1], max_us=sparse[2])
        histogram.counts[sparse[3::2]] = sparse[4::2]
        return histogram


def merged(histograms: Iterable[Histogram]) -> Histogram:
    """Return one histogram with the samples of all."""
    total = Histogram()
    for histogram in histograms:
        total.merge(histogram)
    return total


class HistogramRows:
    """One histogram a row (an agency, a priority), observed together in one pass; rows are added as they appear."""

    def __init__(self, rows: int = 0) -> None:
        self.counts = np.zeros((rows, BUCKETS), np.int64)
        self.negative, self.sum_us, self.max_us = (np.zeros(rows, np.int64) for _ in range(3))

    def observe(self, rows: Int64s, values_us: Int64s) -> None:
        """Count value i in row `rows[i]`."""
        if not len(rows):
            return
        rows = np.minimum(rows, ROWS_MAX - 1)
        self._grow(int(rows.max()) + 1)
        if values_us.min() < 0:
            valid = values_us >= 0
            np.add.at(self.negative, rows[~valid], 1)
            rows, values_us = rows[valid], values_us[valid]
        np.add.at(self.counts.reshape(-1), rows * BUCKETS + bucket_of(values_us), 1)
        np.add.at(self.sum_us, rows, _summable(values_us))
        np.minimum(self.sum_us, SUM_MAX_US, out=self.sum_us)
        np.maximum.at(self.max_us, rows, values_us)

    def row(self, index: int) -> Histogram:
        """Return row `index` as a histogram that shares its counts; an empty one where it never was observed."""
        index = min(index, ROWS_MAX - 1)
        if index >= len(self.counts):
            return Histogram()
        return Histogram(
            self.counts[index], int(self.negative[index]), int(self.sum_us[index]), int(self.max_us[index])
        )

    def put(self, index: int, histogram: Histogram) -> None:
        """Replace row `index`."""
        index = min(index, ROWS_MAX - 1)
        self._grow(index + 1)
        self.counts[index] = histogram.counts
        self.negative[index] = histogram.negative
        self.sum_us[index] = histogram.sum_us
        self.max_us[index] = histogram.max_us

    def _grow(self, rows: int) -> None:
        missing = rows - len(self.counts)
        if missing > 0:
            self.counts = np.vstack((self.counts, np.zeros((missing, BUCKETS), np.int64)))
            for name in ("negative", "sum_us", "max_us"):
                setattr(self, name, np.concatenate((getattr(self, name), np.zeros(missing, np.int64))))
