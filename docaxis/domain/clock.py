"""Time as a parameter: every part that needs the time is given a clock, so that tests can run a year in virtual time.

Two clocks, never mixed: the wall clock stamps events and crosses processes; the monotonic clock measures durations
inside one process and is immune to steps of the other.
"""

import time
from typing import Protocol


class Clock(Protocol):
    """What the program may ask about time."""

    def wall_us(self) -> int:
        """Microseconds since the epoch, as written on the wire (`_us`; exact in JavaScript too, below 2**53)."""
        ...

    def monotonic_ns(self) -> int:
        """Nanoseconds of a clock that never steps back; only differences mean anything."""
        ...


class SystemClock:
    """The machine's clocks."""

    def wall_us(self) -> int:
        """Microseconds since the epoch."""
        return time.time_ns() // 1000

    def monotonic_ns(self) -> int:
        """Nanoseconds since an arbitrary moment."""
        return time.monotonic_ns()


class ManualClock:
    """A clock that moves only when told to: for tests and simulations."""

    def __init__(self, wall_us: int = 1_600_000_000_000_000) -> None:
        self._wall_us = wall_us
        self._monotonic_ns = 0

    def wall_us(self) -> int:
        """Microseconds since the epoch."""
        return self._wall_us

    def monotonic_ns(self) -> int:
        """Nanoseconds since the clock was made."""
        return self._monotonic_ns

    def advance_us(self, duration_us: int) -> None:
        """Let both clocks move on together."""
        self._wall_us += duration_us
        self._monotonic_ns += duration_us * 1000
