"""A metric as it is declared, and its values as they are exported: both prometheus-client and we read the same object.

`Spec` is the declaration (see `monitor.catalogue`). `Family` holds one scrape's values of one spec, compactly: label
values and numbers, no name or label dictionary a sample. `to_metric` turns it into prometheus-client's own form; the
fast way out is `monitor.text_format`.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import numpy.typing as npt
from prometheus_client import Metric

from monitor.histogram import Histogram, lower_bounds_us

Int64s = npt.NDArray[np.int64]

Kind = Literal["counter", "gauge", "histogram", "info"]

#: Finite buckets of a histogram; with +Inf, `_sum` and `_count` a histogram is at most 14 series a label set.
BOUNDS_MAX = 11

#: Units that may end a name. Base units only: Prometheus's conventions.
UNITS = ("seconds", "bytes")

#: Labels whose values are agencies, which join and leave: such a series ends when its agency has left.
AGENCY_LABELS = frozenset({"sender", "recipient"})

#: What a label may be called: each comes from a closed set, or is bounded by the collector that fills it. A `code` is a
#: status or a refusal's, never an agency's.
LABELS = AGENCY_LABELS | frozenset(
    {"topic", "code", "state", "kind", "stage", "priority", "group", "error",
     "run", "version", "python", "role", "over", "phase"}
)  # fmt: skip

_NAME = re.compile(r"(docaxis(_[a-z0-9]+)+|process(_[a-z]+)+)")

_LOWER_US = lower_bounds_us()[:-1]


@dataclass(frozen=True, slots=True, eq=False)
class Spec:
    """One declared metric. `name` is what a query names (histograms: without `_bucket`, `_sum`, `_count`)."""

    name: str
    kind: Kind
    help: str  # what it means, and what to do about it
    exporter: str  # the role whose process exports it
    labels: tuple[str, ...] = ()
    unit: str = ""
    bounds_us: tuple[int, ...] = ()  # upper bounds of a histogram's finite buckets, in microseconds

    def __post_init__(self) -> None:
        for right, rule in (
            (_NAME.fullmatch(self.name), "is docaxis_<part>_<noun>_<unit>[_total], lower case"),
            ((self.kind == "counter") == self.name.endswith("_total"), "ends in _total if and only if it counts"),
            ((self.kind == "info") == self.name.endswith("_info"), "ends in _info if and only if it is information"),
            (not self.unit or self.unit in UNITS, f"has a unit of {UNITS} or none"),
            (not self.unit or self.family.endswith(f"_{self.unit}"), "carries its unit last"),
            (set(self.labels) <= LABELS, f"has labels of the closed set {sorted(LABELS)}"),
            ((self.kind == "histogram") == bool(self.bounds_us), "has bounds if and only if it is a histogram"),
            (len(self.bounds_us) <= BOUNDS_MAX, f"has at most {BOUNDS_MAX} bounds"),
            (list(self.bounds_us) == sorted(set(self.bounds_us)), "has rising bounds"),
        ):
            if not right:
                raise ValueError(f"metric {self.name!r}: a metric {rule}; correct its declaration")

    @property
    def family(self) -> str:
        """The name without the suffix that its kind adds."""
        return self.name.removesuffix("_total").removesuffix("_info")

    @property
    def series_each(self) -> int:
        """Series of one label set."""
        return len(self.bounds_us) + 3 if self.bounds_us else 1

    @property
    def bucket_labels(self) -> tuple[str, ...]:
        """Values of the label `le`, in seconds; always with a decimal point, as OpenMetrics wants them."""
        seconds = (repr(bound / 1e6) for bound in self.bounds_us)
        return (*seconds, "+Inf")

    def cumulative(self, counts: Int64s) -> Int64s:
        """Return how many samples are at most each bound, +Inf last, from fine counts (in the last axis).

        The same counting as `Histogram.count_at_most`: a fine bucket (1/32 of its value wide) that holds the bound
        counts as below it.
        """
        if not counts.size:
            return np.zeros((*counts.shape[:-1], len(self.bounds_us) + 1), np.int64)
        sums: Int64s = np.add.reduceat(counts, _edges(self.bounds_us), axis=-1)
        return sums.cumsum(axis=-1)


@lru_cache(maxsize=64)
def _edges(bounds_us: tuple[int, ...]) -> list[int]:
    """Return where the fine buckets of each coarse one begin."""
    return [0, *(int(np.searchsorted(_LOWER_US, bound, side="right")) for bound in bounds_us)]


class Family:
    """One metric's values at one scrape."""

    __slots__ = ("histograms", "points", "spec")

    def __init__(self, spec: Spec, value: float | None = None) -> None:
        self.spec = spec
        self.points: list[tuple[tuple[str, ...], float]] = []
        self.histograms: list[tuple[tuple[str, ...], Sequence[int], float]] = []
        if value is not None:
            self.add(value)

    def add(self, value: float, *labels: str) -> None:
        """Add a value with its label values, in the order of the declaration."""
        self._check(labels)
        self.points.append((labels, value))

    def add_cumulative(self, cumulative: Sequence[int], sum_us: int, *labels: str) -> None:
        """Add a histogram as cumulative bucket counts, +Inf last."""
        self._check(labels)
        self.histograms.append((labels, cumulative, sum_us / 1e6))

    def add_histogram(self, histogram: Histogram, *labels: str) -> None:
        """Add a fine histogram."""
        self.add_cumulative(self.spec.cumulative(histogram.counts).tolist(), histogram.sum_us, *labels)

    def _check(self, labels: tuple[str, ...]) -> None:
        if len(labels) != len(self.spec.labels):
            raise ValueError(f"{self.spec.name} has the labels {self.spec.labels}, not values {labels}")

    def merge(self, other: "Family") -> None:
        """Add the values of another collector's family of the same metric; no series may be in both."""
        known = {labels for labels, *_ in (*self.points, *self.histograms)}
        for labels, *_ in (*other.points, *other.histograms):
            if labels in known:
                raise ValueError(f"{self.spec.name}{labels} comes from two collectors of one process: name them apart")
        self.points += other.points
        self.histograms += other.histograms

    @property
    def series(self) -> int:
        """Series held."""
        return len(self.points) + len(self.histograms) * self.spec.series_each

    def trim(self, series_max: int) -> int:
        """Keep whole label sets within `series_max` series; return how many series were left out."""
        before = self.series
        sets = max(0, series_max) // self.spec.series_each
        del self.points[sets:], self.histograms[sets:]
        return before - self.series

    def to_metric(self) -> Metric:
        """Return prometheus-client's own form."""
        spec = self.spec
        metric = Metric(spec.family, spec.help, spec.kind, spec.unit)
        for name, labels, value in self.samples():
            metric.add_sample(name, labels, value)
        return metric

    def samples(self) -> Iterator[tuple[str, dict[str, str], float]]:
        """Yield every series as (sample name, labels, value)."""
        spec = self.spec
        for values, value in self.points:
            yield spec.name, dict(zip(spec.labels, values, strict=True)), value
        for values, cumulative, sum_s in self.histograms:
            labels = dict(zip(spec.labels, values, strict=True))
            for bound, count in zip(spec.bucket_labels, cumulative, strict=True):
                yield f"{spec.name}_bucket", labels | {"le": bound}, count
            yield f"{spec.name}_count", labels, cumulative[-1]
            yield f"{spec.name}_sum", labels, sum_s
