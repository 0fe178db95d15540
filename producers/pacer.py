"""Waiting for a moment of the wall clock more exactly than the event loop's timers can.

uvloop's timers have a grain of one millisecond, which alone would cost a schedule of 10,000 documents a second most
of its error budget; spinning would cost a core. So the last stretch gives the core away in blocking sleeps of at most
0.3 ms, with the event loop served in between.
"""

import asyncio
import time
from collections.abc import Callable

from docaxis.domain.clock import Clock

#: From here on the loop's timers are too coarse.
FINE_US = 2_000

#: Longest blocking sleep: what it costs a reply of the broker at worst.
BLOCK_US = 300

#: Shortest wait: documents due within it go out together.
GRAIN_US = 150


class Pacer:
    """Waits for due times."""

    def __init__(self, clock: Clock, block: Callable[[float], None] = time.sleep) -> None:
        self._clock = clock
        self._block = block

    async def wait_until(self, due_us: int) -> None:
        """Return at `due_us` or a little later, never before; sooner only when far from it, to be called again."""
        left_us = due_us - self._clock.wall_us()
        if left_us > FINE_US:
            await asyncio.sleep((left_us - FINE_US / 2) / 1e6)
            return
        self._block(min(max(left_us, GRAIN_US), BLOCK_US) / 1e6)
        await asyncio.sleep(0)
