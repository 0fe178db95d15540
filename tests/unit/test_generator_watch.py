"""The generator's watch on itself: a blocked loop, garbage collection, processor time and steps of the wall clock.

The loop runs in virtual time and the clock follows it, so that a busy machine changes none of the figures.
"""

import asyncio
import contextlib
import gc
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from docaxis.domain.plan import Plan, first_plan
from monitor.reading import MEASURED
from producers import generator_watch
from producers.generator_watch import TICK_S, GeneratorWatch
from tests.support.virtual_time import run_in_virtual_time

BEGIN_US = 1_700_000_000_000_000
BOOTED_US = 3_600_000_000  # what a monotonic clock says at first means nothing
SECOND_US = 1_000_000
MEASURED_PLAN = first_plan("r", BEGIN_US, [("a", "load", 60 * SECOND_US, True, False)])
WARM_UP_PLAN = first_plan("r", BEGIN_US, [("w", "warm-up", 60 * SECOND_US, False, False)])

#: What the virtual machine itself may add to a wait: a turn of its loop takes up to 3 ms.
TURNS_US = 10_000

BLOCKED_US = 50_000
COLLECTING_US = 7_000
JUMP_US = 80_000


class LoopClock:
    """Clocks that go with the loop's time, beside what a test adds to both or to the wall clock alone."""

    def __init__(self) -> None:
        self.blocked_us = 0
        self.jumped_us = 0

    def _elapsed_us(self) -> int:
        return round(asyncio.get_running_loop().time() * 1e6) + self.blocked_us

    def wall_us(self) -> int:
        return BEGIN_US + self._elapsed_us() + self.jumped_us

    def monotonic_ns(self) -> int:
        return (BOOTED_US + self._elapsed_us()) * 1000


def watched(
    meanwhile: Callable[[LoopClock], None], plan: Plan | None = MEASURED_PLAN, clock: LoopClock | None = None
) -> GeneratorWatch:
    """Watch for half a second on each side of what happens; collections happen only where a test asks for one."""
    clock = clock or LoopClock()
    watch = GeneratorWatch(clock, lambda: plan)

    async def story() -> None:
        watching = asyncio.ensure_future(watch.watch())
        await asyncio.sleep(0.5)
        meanwhile(clock)
        await asyncio.sleep(0.5)
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching

    collected_by_itself = gc.isenabled()
    gc.disable()
    try:
        run_in_virtual_time(story(), seed=1)
    finally:
        if collected_by_itself:
            gc.enable()
    return watch


def nothing(clock: LoopClock) -> None:
    """Let nothing happen."""


def block(clock: LoopClock) -> None:
    """Hold up the loop, as a callback that takes long does."""
    clock.blocked_us += BLOCKED_US


def collect(clock: LoopClock) -> None:
    """Collect garbage, which takes its time."""

    def take_time(phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            clock.blocked_us += COLLECTING_US

    gc.callbacks.append(take_time)  # called after the watch has noted the start
    try:
        gc.collect()
    finally:
        gc.callbacks.remove(take_time)


def test_a_blocked_loop_is_lag() -> None:
    quiet, blocked = watched(nothing), watched(block)
    assert quiet.tally.stages["loop_lag"].count > 0.5 / TICK_S
    assert quiet.tally.stages["loop_lag"].max_us < TURNS_US
    for stage in ("loop_lag", f"loop_lag{MEASURED}"):
        # The blocked callback began within a tick, so what was left of that tick's wait is no lag.
        assert BLOCKED_US - TICK_S * 1e6 <= blocked.tally.stages[stage].max_us <= BLOCKED_US + TURNS_US


def test_a_loop_that_was_blocked_missed_all_looks_that_were_due_meanwhile() -> None:
    """One look that is late by 50 ms stands for five: the others would have found what was left of it."""
    lag = watched(block).tally.stages["loop_lag"]
    ticks = BLOCKED_US / (TICK_S * 1e6)
    late = lag.count - lag.count_at_most(round(TICK_S * 1e6))
    assert ticks - 2 <= late <= ticks + 1
    assert lag.count >= 1 / TICK_S * 0.5 + ticks


def test_time_spent_collecting_garbage_is_counted() -> None:
    assert watched(nothing).tally.counts["gc_us"] == 0
    counts = watched(collect).tally.counts
    assert counts["gc_us"] == counts[f"gc_us{MEASURED}"] == COLLECTING_US


def test_a_watch_that_ended_listens_to_no_collection() -> None:
    before = list(gc.callbacks)
    watched(nothing)
    assert gc.callbacks == before


@pytest.mark.parametrize("share", [0.25, 1.5])
def test_processor_time_is_told_beside_the_time_that_passed(share: float, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = LoopClock()
    processor = SimpleNamespace(process_time=lambda: 3.0 + share * clock.monotonic_ns() / 1e9)
    monkeypatch.setattr(generator_watch, "time", processor)
    counts = watched(nothing, clock=clock).tally.counts
    assert counts["wall_us"] == pytest.approx(SECOND_US, abs=5 * TURNS_US)
    assert counts["cpu_us"] / counts["wall_us"] == pytest.approx(share, rel=0.01)


@pytest.mark.parametrize("jump_us", [JUMP_US, -JUMP_US])
def test_one_jump_of_the_wall_clock_is_one_step(jump_us: int) -> None:
    def jump(clock: LoopClock) -> None:
        clock.jumped_us += jump_us

    watch = watched(jump)
    assert watch.tally.counts["clock_steps"] == watch.tally.counts[f"clock_steps{MEASURED}"] == 1
    assert watch.clock_step_us == pytest.approx(JUMP_US, abs=1)
    assert watch.tally.stages["loop_lag"].max_us < TURNS_US, "durations are the monotonic clock's"


def test_the_largest_of_several_steps_is_told() -> None:
    jumps_us = iter((5_000, JUMP_US, 20_000))
    clock = LoopClock()
    watch = GeneratorWatch(clock, lambda: MEASURED_PLAN)

    async def story() -> None:
        watching = asyncio.ensure_future(watch.watch())
        for jump_us in jumps_us:
            await asyncio.sleep(0.1)
            clock.jumped_us += jump_us
        await asyncio.sleep(0.1)
        counts = watch.reading("r", "fleet-1").counts
        assert (counts["clock_steps"], counts["clock_step_us"]) == (3, JUMP_US)
        watching.cancel()

    run_in_virtual_time(story(), seed=2)


@pytest.mark.parametrize("meanwhile", [nothing, block, collect])
def test_without_a_jump_there_is_no_step(meanwhile: Callable[[LoopClock], None]) -> None:
    watch = watched(meanwhile)
    assert watch.tally.counts["clock_steps"] == 0
    assert watch.clock_step_us == 0


def test_what_happens_while_nothing_is_measured_is_told_apart() -> None:
    def everything(clock: LoopClock) -> None:
        block(clock)
        collect(clock)
        clock.jumped_us += JUMP_US

    for plan in (WARM_UP_PLAN, None):
        tally = watched(everything, plan).tally
        assert tally.counts["clock_steps"] == 1
        assert tally.counts["gc_us"] == COLLECTING_US
        assert f"loop_lag{MEASURED}" not in tally.stages
        assert all(not tally.counts[f"{name}{MEASURED}"] for name in ("clock_steps", "gc_us"))
        assert not tally.counts["cpu_us"]
