"""What the latencies of a workload's objectives were second by second, so that two runs can be compared by them.

The series of a run has a few percentiles of each stage, and nothing by agency or priority: of those, readings tell what
was counted so far. What came between two looks is the difference of two histograms, so whoever looks once a second has
a series of any percentile of anybody's latencies, at the price of a number a second and a histogram an objective.
"""

from array import array
from collections.abc import Mapping, Sequence

from docaxis.domain.agency import Registry
from docaxis.domain.plan import Plan
from docaxis.workload.objectives import Objective
from monitor.histogram import Histogram
from monitor.load_figures import LoadFigures
from monitor.objectives import latencies_of
from monitor.reading import Readings
from monitor.verdict import LedgerTotals

#: Before the name of an objective: its column in the series of a run.
COLUMN = "objective "


class ObjectiveSeries:
    """The objectives that are about latencies, each with its percentile of what came since the look before."""

    def __init__(self, objectives: Sequence[Objective], registry: Registry) -> None:
        self._objectives = [one for one in objectives if one.stage is not None]
        self._registry = registry
        self._seconds = array("q")
        self._values = {one.name: array("d") for one in self._objectives}  # seconds of latency; NaN where none came
        self._known: dict[str, Histogram] = {}

    def look(self, readings: Readings, run: str, plan: Plan, second: int) -> None:
        """Take what is known in this second of the wall clock, once a second; measured phases alone count."""
        if not self._objectives or (self._seconds and second <= self._seconds[-1]):
            return
        self._seconds.append(second)
        figures = LoadFigures(readings, run, plan, LedgerTotals(), ())  # latencies need neither ledger nor series
        for one in self._objectives:
            histogram, _ = latencies_of(one, figures, self._registry)
            known = self._known.get(one.name, Histogram())
            self._known[one.name] = histogram
            newest = Histogram(histogram.counts - known.counts, max_us=histogram.max_us)
            value_s = newest.quantile_us((one.percentile or 0) / 100) / 1e6 if newest.count else float("nan")
            self._values[one.name].append(value_s)

    def columns(self) -> Mapping[str, Mapping[int, float]]:
        """Return the column of each objective: second of the wall clock -> latency in seconds."""
        return {COLUMN + name: dict(zip(self._seconds, values, strict=True)) for name, values in self._values.items()}
