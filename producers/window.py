"""The closed loop's window: how many deliveries may be on their way before the sender waits.

Only for phases that ask for "as fast as it goes"; an open schedule never waits for earlier arrivals.
"""

import asyncio

from docaxis.domain.clock import Clock


class Window:
    """Counts deliveries sent and closed and makes the sender wait while too many are between.

    A delivery that never arrives (refused, lost) would narrow the window for good. So when nothing has moved for
    `stall_ns`, what is outstanding is written off, counted in `written_off`, and sending goes on.
    """

    def __init__(self, deliveries_max: int, clock: Clock, stall_ns: int = 15_000_000_000) -> None:
        self._max = deliveries_max
        self._clock = clock
        self._stall_ns = stall_ns
        self._moved_ns = clock.monotonic_ns()
        self._changed = asyncio.Event()
        self.outstanding = 0
        self.written_off = 0

    def resize(self, deliveries_max: int, outstanding: int) -> None:
        """Begin anew with another bound, and with what is on its way already."""
        self._max, self.outstanding = deliveries_max, max(0, outstanding)
        self._moved_ns = self._clock.monotonic_ns()

    def opened(self, deliveries: int) -> None:
        """Note deliveries that were sent."""
        if not self.outstanding:
            self._moved_ns = self._clock.monotonic_ns()
        self.outstanding += deliveries

    def closed(self, deliveries: int) -> None:
        """Note deliveries that were received; those of others, or written off, never widen the window."""
        self.outstanding = max(0, self.outstanding - deliveries)
        self._moved_ns = self._clock.monotonic_ns()
        self._changed.set()

    async def room(self) -> None:
        """Wait until the window is not full."""
        while self.outstanding >= self._max:
            self._changed.clear()
            try:
                await asyncio.wait_for(self._changed.wait(), 1.0)
            except TimeoutError:
                if self._clock.monotonic_ns() - self._moved_ns > self._stall_ns:
                    self.written_off += self.outstanding
                    self.outstanding = 0
