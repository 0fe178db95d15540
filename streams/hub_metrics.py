"""What a hub exports: the counts of `HubStats` and its consumer lag."""

from collections.abc import Iterator
from typing import Protocol

from docaxis.domain.clock import Clock
from monitor import catalogue
from monitor.histogram import Histogram
from monitor.lag import LagMetrics, Progress
from monitor.metric import Family

#: Codes that a hub gives (the axis's own); shown from the start, so that the first refusal is seen as an increase.
_CODES = (10, 18, 19, 22, 23)


class HubFigures(Protocol):
    """What the hub keeps about itself (`streams.hub.HubStats`)."""

    documents: int
    deliveries: int
    refusals: dict[int, int]
    passes: int
    sessions: int
    rebalances: int
    commit: Histogram
    positions: dict[int, int]
    ends: dict[int, int]


class HubMetrics:
    """Collector of one hub."""

    def __init__(self, figures: HubFigures, group: str, clock: Clock, partitions: int = 1) -> None:
        """Collect from `figures`; `partitions` is how many each topic has."""
        self._figures = figures
        self._lag = LagMetrics(group, self.progress, clock, partitions, lambda: figures.rebalances)

    def progress(self) -> Iterator[Progress]:
        """Yield how far each partition read is."""
        for partition, position in self._figures.positions.items():
            yield Progress("sent", partition, position, self._figures.ends.get(partition, position))

    def families(self) -> Iterator[Family]:
        """Yield everything."""
        figures = self._figures
        yield Family(catalogue.HUB_DOCUMENTS, figures.documents)
        yield Family(catalogue.HUB_DELIVERIES, figures.deliveries)
        refusals = Family(catalogue.HUB_REFUSALS)
        for code, count in sorted((dict.fromkeys(_CODES, 0) | figures.refusals).items()):
            refusals.add(count, str(code))
        yield refusals
        yield Family(catalogue.HUB_PASSES, figures.passes)
        yield Family(catalogue.HUB_SESSIONS, figures.sessions)
        commit = Family(catalogue.HUB_COMMIT)
        commit.add_histogram(figures.commit)
        yield commit
        yield Family(catalogue.HUB_PARTITIONS, len(figures.positions))
        yield from self._lag.families()
