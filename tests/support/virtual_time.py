"""An event loop in virtual time: waiting costs nothing, and the same seed gives the same interleaving.

looptime serves where all that happens is waiting. Here time also passes while callbacks run, by amounts drawn from the
seed: a part that looks at something over and over would otherwise hold the clock for ever, and a machine that is slow
now and then brings interleavings that a quick one never shows.
"""

import asyncio
import random
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

#: What one turn of the loop may cost in seconds; each seed plays on one of these machines.
MACHINES: tuple[tuple[float, ...], ...] = (
    (1e-5,),  # quick
    (1e-5, 1e-4, 5e-4),  # uneven
    (*[1e-5] * 20, 0.003),  # quick, with pauses
)


class _SkippingSelector(selectors.SelectSelector):
    """Selects without waiting, and adds up the time that would have been waited."""

    skipped_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("every task waits for another: nothing will ever happen again")
        self.skipped_s += max(0.0, timeout)
        return super().select(0)


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """One thread, no network: what a simulation needs."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        self._turn_costs_s = self._rng.choice(MACHINES)
        self._busy_s = 0.0
        self._skipping = _SkippingSelector()
        super().__init__(self._skipping)

    def time(self) -> float:
        """Return the virtual time in seconds."""
        return self._busy_s + self._skipping.skipped_s

    def _run_once(self) -> None:
        self._busy_s += self._rng.choice(self._turn_costs_s)
        super()._run_once()  # type: ignore[misc]  # asyncio's own, in no stub


def run_in_virtual_time(story: Coroutine[Any, Any, T], seed: int) -> T:
    """Run `story` to its end on a loop of its own and return what it returned."""
    with asyncio.Runner(loop_factory=lambda: VirtualTimeLoop(seed)) as runner:
        return runner.run(story)
