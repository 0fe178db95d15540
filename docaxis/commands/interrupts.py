"""Ctrl-C while a command works: the first ends it in order, and further ones do not break that."""

import asyncio
import os
import signal
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import FrameType, TracebackType
from typing import Any, Self, TypeVar

T = TypeVar("T")

#: Said to whoever presses it again. In a signal's handler nothing may be printed, but written.
STILL_ENDING = b"docaxis: still ending: the roles and the broker finish what they have begun\n"


@dataclass(slots=True)
class Interrupts:
    """Takes SIGINT for as long as it is entered; from the main thread, and only where Ctrl-C interrupts at all."""

    heard: bool = False
    _before: Any = None
    _cancel: Callable[[], object] | None = None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.getsignal(signal.SIGINT)
            if self._before is signal.default_int_handler:
                signal.signal(signal.SIGINT, self._hear)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if self._before is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._before)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if self.heard:
            os.write(2, STILL_ENDING)
            return
        self.heard = True
        if self._cancel is None:
            raise KeyboardInterrupt
        self._cancel()

    def run(self, work: Callable[[], Awaitable[T]]) -> T:
        """Run it in a loop of its own; when interrupted, raise KeyboardInterrupt once it has cleared up."""
        try:
            return asyncio.run(self._follow(work))
        except asyncio.CancelledError:
            if self.heard:
                raise KeyboardInterrupt from None
            raise

    async def _follow(self, work: Callable[[], Awaitable[T]]) -> T:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        self._cancel = lambda: loop.call_soon_threadsafe(task.cancel)
        try:
            return await work()
        finally:
            self._cancel = None
