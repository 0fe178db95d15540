"""Whether a process still gets on: what `/healthz` and `/readyz` say beyond that it answers.

The two are asked by supervisors that act on them, and a restart helps only against what is wrong in the process itself.
So **liveness never depends on Kafka**: an event loop that no longer turns is not alive, be it the one that serves these
endpoints (it does not answer) or another one of the process (`LoopWatch`). **A consumer that stands still** is only not
ready (`Standstill`): from inside, its own fault looks like a broker that takes no writes or a partition without leader,
and a supervisor that kills every worker in an outage makes it longer. Whom DocaxisLagStalled calls decides.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable

from docaxis.domain.clock import Clock
from monitor.lag import Progress

#: A consumer that has not moved for so long, with records to read, does not do its work: twice what a hand-over after a
#: death takes, and as long as it takes until its lag is called stalled.
STILL_NS = 60_000_000_000

#: A loop that has not turned for so long never will: no step of a role takes more than seconds.
LOOP_STILL_NS = 60_000_000_000


class Standstill:
    """For how long the consumer of a process has read nothing although there was something to read."""

    def __init__(self, bearable_ns: int = STILL_NS) -> None:
        """Find fault after `bearable_ns`."""
        self._bearable_ns = bearable_ns
        self._positions: dict[tuple[str, int], int] = {}
        self._unread = 0
        self._since_ns = 0

    def observe(self, now_ns: int, progress: Iterable[Progress]) -> int:
        """Note where the consumer is; return for how long (ns) nothing has moved in any partition.

        However seldom it is asked: records that were unread the last time, and still are, were so in between.
        """
        partitions = list(progress)
        positions = {(one.topic, one.partition): one.position for one in partitions}
        unread = sum(max(0, one.end - one.position) for one in partitions)
        if not unread or not self._unread or positions != self._positions:
            self._since_ns = now_ns
        self._positions, self._unread = positions, unread
        return now_ns - self._since_ns

    def fault(self, now_ns: int, progress: Iterable[Progress]) -> str | None:
        """Return what to tell who asks whether the process is ready; None: nothing."""
        still_ns = self.observe(now_ns, progress)
        if still_ns < self._bearable_ns:
            return None
        return f"not progressing for {still_ns // 1_000_000_000} s, {self._unread:,} records unread"


class LoopWatch:
    """Whether another event loop of the process, in a thread of its own, still turns.

    It is asked to answer whenever somebody asks about it, and has `LOOP_STILL_NS` to do so.
    """

    def __init__(self, loop: Callable[[], asyncio.AbstractEventLoop | None], clock: Clock) -> None:
        """Watch whatever `loop` returns at the time; None, or one that does not run (yet, or any more): nothing."""
        self._loop = loop
        self._clock = clock
        self._asked: asyncio.AbstractEventLoop | None = None
        self._asked_ns = 0

    def fault(self) -> str | None:
        """Return what is wrong with the loop; None: nothing."""
        loop, now_ns = self._loop(), self._clock.monotonic_ns()
        if loop is None or not loop.is_running():
            self._asked = None
            return None
        if loop is not self._asked:
            self._asked, self._asked_ns = loop, now_ns
            with contextlib.suppress(RuntimeError):  # closed since
                loop.call_soon_threadsafe(self._answer, loop)
        still_ns = now_ns - self._asked_ns
        if still_ns < LOOP_STILL_NS:
            return None
        return f"the consumer's event loop has not turned for {still_ns // 1_000_000_000} s"

    def _answer(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._asked is loop:
            self._asked = None
