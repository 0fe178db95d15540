"""The closed loop's window, in virtual time: the sender waits while it is full, and never for ever."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import looptime
import pytest
from hypothesis import given
from hypothesis import strategies as st

from docaxis.domain.clock import ManualClock
from producers.window import Window
from tests.support.laws import law

STALL_NS = 15_000_000_000


class LoopClock(ManualClock):
    """The virtual time of the running event loop."""

    def monotonic_ns(self) -> int:
        return round(asyncio.get_running_loop().time() * 1e9)


def in_virtual_time(scenario: Coroutine[Any, Any, None]) -> None:
    """Run a scenario on a loop whose time jumps to the next event."""
    with asyncio.Runner(loop_factory=looptime.new_event_loop) as runner:
        runner.run(scenario)


def now_s() -> float:
    return asyncio.get_running_loop().time()


def test_there_is_room_until_the_window_is_full() -> None:
    async def scenario() -> None:
        window = Window(10, LoopClock(), STALL_NS)
        for _ in range(3):
            await window.room()
            window.opened(4)
        assert now_s() == 0
        assert window.outstanding == 12, "the last one may overshoot by what is sent at once"

    in_virtual_time(scenario())


def test_a_full_window_waits_for_the_receipt_that_makes_room() -> None:
    async def scenario() -> None:
        window = Window(10, LoopClock(), STALL_NS)
        window.opened(11)
        loop = asyncio.get_running_loop()
        loop.call_later(3.0, window.closed, 1)  # still full
        loop.call_later(7.25, window.closed, 1)
        await window.room()
        assert now_s() == pytest.approx(7.25)
        assert (window.outstanding, window.written_off) == (9, 0)

    in_virtual_time(scenario())


def test_when_nothing_moves_the_rest_is_written_off_and_sending_goes_on() -> None:
    async def scenario() -> None:
        window = Window(10, LoopClock(), STALL_NS)
        await asyncio.sleep(100)  # an empty window may be idle for as long as it likes
        window.opened(15)
        asyncio.get_running_loop().call_later(10, window.closed, 2)
        await window.room()
        assert 100 + 10 + 15 < now_s() <= 100 + 10 + 15 + 1.5
        assert (window.outstanding, window.written_off) == (0, 13)

    in_virtual_time(scenario())


def test_as_long_as_anything_moves_nothing_is_written_off() -> None:
    async def scenario() -> None:
        window = Window(10, LoopClock(), STALL_NS)
        window.opened(15)
        loop = asyncio.get_running_loop()
        for number in range(1, 7):
            loop.call_later(14.0 * number, window.closed, 1)
        await window.room()
        assert now_s() == pytest.approx(6 * 14.0)
        assert window.written_off == 0

    in_virtual_time(scenario())


def test_what_arrives_after_all_or_belongs_to_others_never_widens_the_window() -> None:
    async def scenario() -> None:
        window = Window(10, LoopClock(), STALL_NS)
        window.closed(1000)
        window.opened(10)
        loop = asyncio.get_running_loop()
        loop.call_later(2.0, window.closed, 1)
        await window.room()
        assert now_s() == pytest.approx(2.0)

    in_virtual_time(scenario())


def test_the_stall_is_measured_by_the_given_clock_alone() -> None:
    async def scenario() -> None:
        clock = ManualClock()
        window = Window(1, clock, STALL_NS)
        window.opened(1)
        room = asyncio.ensure_future(window.room())
        await asyncio.sleep(1000)
        assert not room.done()
        clock.advance_us(STALL_NS // 1000)
        await asyncio.sleep(5)
        assert not room.done(), "the bound itself is not beyond it"
        clock.advance_us(1)
        await asyncio.sleep(5)
        assert room.done()
        assert window.written_off == 1

    in_virtual_time(scenario())


@law(60)
@given(st.lists(st.tuples(st.integers(1, 5), st.integers(0, 3000)), min_size=1, max_size=20), st.integers(1, 12))
def test_no_more_is_on_its_way_than_the_window_and_one_send(sends: list[tuple[int, int]], deliveries_max: int) -> None:
    """Every delivery comes back after a time of its own; all are sent in the end, none is written off."""

    async def scenario() -> None:
        window, loop, on_the_way = Window(deliveries_max, LoopClock(), STALL_NS), asyncio.get_running_loop(), 0

        def come_back(deliveries: int) -> None:
            nonlocal on_the_way
            on_the_way -= deliveries
            window.closed(deliveries)

        for deliveries, delay_ms in sends:
            await window.room()
            assert on_the_way < deliveries_max
            window.opened(deliveries)
            on_the_way += deliveries
            assert window.outstanding == on_the_way
            loop.call_later(delay_ms / 1000, come_back, deliveries)
        await asyncio.sleep(10)
        assert (window.outstanding, window.written_off) == (0, 0)

    in_virtual_time(scenario())
