"""Timing a stretch of work inside the process that does it: from the first result to the last, start-up left out."""

import asyncio
import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mark:
    """One moment: how much was done, the time, and the processor time used by then."""

    count: int
    monotonic_ns: int
    cpu_ns: int


class Lap:
    """Rate of work between the first `note` and the one that reaches `total`.

    Both sides of a ratio are timed so: neither pays for connecting, joining a group or its first fetch.
    """

    def __init__(self, total: int) -> None:
        self._total = total
        self._first: Mark | None = None
        self._last: Mark | None = None
        self.done = asyncio.Event()

    def begin(self) -> None:
        """Begin now, with nothing done: for work that is done long before its first result is seen."""
        self._first = _mark(0)

    def note(self, count: int) -> None:
        """Note how much has been done so far."""
        if self._first is None and count > 0:
            self._first = _mark(count)
        if count >= self._total and not self.done.is_set():
            self._last = _mark(count)
            self.done.set()

    def result(self) -> dict[str, float]:
        """Return the work per second of time and per second of processor time."""
        first, last = self._first, self._last
        if first is None or last is None or last.count == first.count:
            raise ValueError(f"{self._total} in one go: nothing between the first result and the last to be timed")
        done = last.count - first.count
        return {
            "per_second": done * 1e9 / max(last.monotonic_ns - first.monotonic_ns, 1),
            "per_cpu_second": done * 1e9 / max(last.cpu_ns - first.cpu_ns, 1),
        }


def _mark(count: int) -> Mark:
    return Mark(count, time.monotonic_ns(), time.process_time_ns())
