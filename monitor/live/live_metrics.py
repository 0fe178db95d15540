"""What the page exports about itself."""

from collections.abc import Callable, Iterable

from monitor import catalogue
from monitor.live.viewers import Viewers
from monitor.metric import Family


class LiveMetrics:
    """Collects from one page: who watches, and what its looks at the readings cost."""

    def __init__(self, viewers: Viewers, tick_us: Callable[[], int], unreadable: Callable[[], int]) -> None:
        self._viewers = viewers
        self._tick_us = tick_us
        self._unreadable = unreadable

    def families(self) -> Iterable[Family]:
        """Return the values of now."""
        yield Family(catalogue.PAGE_VIEWERS, len(self._viewers))
        yield Family(catalogue.PAGE_VIEWERS_REFUSED, self._viewers.refused)
        yield Family(catalogue.PAGE_TICK, self._tick_us() / 1e6)
        yield Family(catalogue.PAGE_READINGS_UNREADABLE, self._unreadable())
