"""When the events of a replay are due on the wall clock, as the plan of its run stands now.

A recording says when each event is due after the start. The run's plan says when that start is, from when on the rate
is another, and when everything stands still; it changes at most `HORIZON_US` ahead of what has been handed out.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import numpy as np
import numpy.typing as npt

from docaxis.domain.clock import Clock
from docaxis.domain.plan import Plan

Int64s = npt.NDArray[np.int64]

#: What is due within it is handed out; a change of plan must lie further ahead.
HORIZON_US = 300_000

#: Longest wait before the plan is looked at again.
LOOK_US = 50_000


class Steered:
    """Turns due times after the start into instants; a plan must be known. `end_us` of it is heeded: a stop cuts it."""

    def __init__(self, plan: Callable[[], Plan | None], clock: Clock) -> None:
        self._plan = plan
        self._clock = clock
        self._first_us: int | None = None
        self.ended = False  # what follows lies beyond the plan's end

    def planned(self) -> Plan:
        """Return the plan as it stands."""
        plan = self._plan()
        assert plan is not None
        return plan

    async def portions(
        self, due_us: Int64s, wait_until: Callable[[int], Awaitable[None]], stop: asyncio.Event
    ) -> AsyncIterator[tuple[int, Int64s]]:
        """Yield (position of the first, instants) of consecutive events, as the horizon reaches them.

        The first event of all is due when the plan begins, however far into its recording a resumed replay is.
        """
        if self._first_us is None:
            self._first_us = int(due_us[0])
        position = 0
        while position < len(due_us) and not stop.is_set() and not self.ended:
            plan, now_us = self.planned(), self._clock.wall_us()
            walls_us = plan.due_us(0, due_us[position:] - self._first_us)
            count = int(np.searchsorted(walls_us, min(now_us + HORIZON_US, plan.end_us)))
            if count:
                yield position, walls_us[:count]
                position += count
            elif now_us >= plan.end_us:
                self.ended = True
            else:
                await wait_until(now_us + LOOK_US)

    async def going_on(self, stop: asyncio.Event) -> bool:
        """Return at once, or when a pause is over; False if nothing more is wanted."""
        while not stop.is_set():
            plan, now_us = self.planned(), self._clock.wall_us()
            if now_us >= plan.end_us:
                self.ended = True
                return False
            if now_us >= plan.begin_us and not any(begin <= now_us < end for begin, end in plan.pauses):
                return True
            await asyncio.sleep(LOOK_US / 1e6)
        return False
