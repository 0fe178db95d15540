"""What liveness and readiness say of a process that does not get on, and that a broker's outage kills nobody."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from docaxis.domain.clock import ManualClock
from monitor.lag import Progress
from monitor.standstill import LOOP_STILL_NS, STILL_NS, LoopWatch, Standstill

SECOND_NS = 1_000_000_000


def at(*partitions: tuple[int, int]) -> list[Progress]:
    """Return (position, end) of each partition as a consumer's progress."""
    return [Progress("sent", number, position, end) for number, (position, end) in enumerate(partitions)]


@pytest.mark.parametrize(
    ("then", "now", "stands"),
    [
        (at((5, 9)), at((5, 9)), True),
        (at((5, 9)), at((5, 12)), True),  # the end goes on without it
        (at((5, 9), (3, 3)), at((5, 9), (3, 3)), True),
        (at((5, 9)), at((6, 9)), False),
        (at((5, 9), (3, 4)), at((5, 9), (4, 4)), False),  # another partition moves: the process is at work
        (at((5, 5)), at((5, 5)), False),  # nothing to read
        (at((5, 5)), at((5, 9)), False),  # it came only now, however long nobody asked
        (at((5, 9)), at(), False),  # its partitions went to somebody else
        (at((5, 9)), at((2, 9)), False),  # it went back: a new session
    ],
)
def test_a_consumer_stands_still_when_nothing_moves_although_there_is_something(
    then: list[Progress], now: list[Progress], stands: bool
) -> None:
    still = Standstill()
    assert still.fault(0, then) is None
    if stands:
        assert still.fault(STILL_NS - 1, now) is None
    fault = still.fault(STILL_NS, now)
    assert (fault is not None) == stands
    if stands:
        assert fault is not None
        assert fault.startswith("not progressing for 60 s, ")
        assert still.fault(90 * SECOND_NS, now) == fault.replace("60", "90")
        assert still.fault(91 * SECOND_NS, at((99, 99))) is None  # it went on


def test_what_waits_on_purpose_is_borne_for_longer() -> None:
    still = Standstill(bearable_ns=2 * STILL_NS)
    assert still.fault(0, at((5, 9))) is None
    assert still.fault(2 * STILL_NS - 1, at((5, 9))) is None
    assert still.fault(2 * STILL_NS, at((5, 9))) is not None


def test_what_is_unread_is_told() -> None:
    still = Standstill()
    still.observe(0, at((5, 9), (0, 2000)))
    assert still.fault(STILL_NS, at((5, 9), (0, 2000))) == "not progressing for 60 s, 2,004 records unread"


@contextmanager
def other_loop() -> Iterator[asyncio.AbstractEventLoop]:
    """Run an event loop in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop).result(10)
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def test_a_loop_that_no_longer_turns_is_found_and_one_that_goes_on_is_not() -> None:
    clock, held = ManualClock(0), threading.Event()
    with other_loop() as loop:
        watch = LoopWatch(lambda: loop, clock)

        def turned() -> None:
            asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop).result(10)

        for _ in range(3):  # asked seldom, it answers in time
            assert watch.fault() is None
            turned()
            clock.advance_us(2 * LOOP_STILL_NS // 1000)
        loop.call_soon_threadsafe(held.wait)
        assert watch.fault() is None
        clock.advance_us(LOOP_STILL_NS // 1000 - 1)
        assert watch.fault() is None
        clock.advance_us(1)
        assert watch.fault() == "the consumer's event loop has not turned for 60 s"
        held.set()
        turned()
        assert watch.fault() is None
    clock.advance_us(2 * LOOP_STILL_NS // 1000)
    assert watch.fault() is None  # its session is over: nothing turns, and nothing should
    clock.advance_us(2 * LOOP_STILL_NS // 1000)
    assert watch.fault() is None


def test_without_a_loop_of_its_own_nothing_is_wrong() -> None:
    assert LoopWatch(lambda: None, ManualClock(0)).fault() is None
