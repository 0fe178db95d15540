"""All metrics of one process: what the collectors give, within a budget of series.

A scrape does no I/O and takes no lock: collectors read counters and arrays of objects that live in the same event
loop, so that everything in one page is of the same moment.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from prometheus_client import Metric

from docaxis.domain.clock import Clock
from monitor import catalogue, text_format
from monitor.metric import Family, Spec

#: Most series of one process: what a Prometheus can take from every worker without anybody noticing.
SERIES_MAX = 5000

#: Series that this module adds itself.
_OWN = 4


class Collector(Protocol):
    """A part of the program that has something to export."""

    def families(self) -> Iterable[Family]:
        """Return the values of now. Called in the event loop: no I/O, no waiting."""
        ...


class Metrics:
    """The collectors of one process. Also a collector of prometheus-client, so its registry can hold this one."""

    def __init__(self, collectors: Sequence[Collector], clock: Clock, series_max: int = SERIES_MAX) -> None:
        self._collectors = tuple(collectors)
        self._clock = clock
        self._series_max = series_max
        self._took_ns = 0

    def families(self) -> list[Family]:
        """Return everything, one family a metric; label sets beyond the budget are left out and counted."""
        merged: dict[Spec, Family] = {}
        for collector in self._collectors:
            for family in collector.families():
                known = merged.setdefault(family.spec, family)
                if known is not family:
                    known.merge(family)
        room, refused = self._series_max - _OWN, 0
        for family in merged.values():
            refused += family.trim(room)
            room -= family.series
        return [*merged.values(), *self._own(self._series_max - room, refused)]

    def _own(self, series: int, refused: int) -> Iterator[Family]:
        yield Family(catalogue.MONITOR_SERIES, series)
        yield Family(catalogue.MONITOR_SERIES_MAX, self._series_max)
        yield Family(catalogue.MONITOR_SERIES_REFUSED, refused)
        yield Family(catalogue.MONITOR_EXPOSITION, self._took_ns / 1e9)

    def collect(self) -> Iterator[Metric]:
        """Yield the same as prometheus-client's objects."""
        for family in self.families():
            yield family.to_metric()

    def page(self, *, openmetrics: bool) -> bytes:
        """Return the text that a scrape gets."""
        started_ns = self._clock.monotonic_ns()
        text = text_format.render(self.families(), openmetrics=openmetrics)
        self._took_ns = self._clock.monotonic_ns() - started_ns
        return text
