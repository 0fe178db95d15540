"""Waiting with an end: for work that has a bound, until an order to stop, through failures in a row."""

import asyncio
import contextlib
from collections.abc import Awaitable, Coroutine
from typing import Any, TypeVar

from aiokafka.errors import KafkaError, KafkaTimeoutError

T = TypeVar("T")

#: Work that is told to end has so long for it, its transaction's abort included; then nobody waits for it any more.
ENDS_WITHIN_S = 5.0

#: A session that has had its partitions for so long was no failure, whatever ended it and however little came.
GOOD_AFTER_S = 30.0


async def within(limit_s: float, work: Coroutine[Any, Any, T], what: str) -> T:
    """Await a client's work for `limit_s` at most, and for a moment more when told to stop meanwhile.

    A client that went through an outage may wait for ever for an answer, also when it cleans up after a cancellation:
    such work is told to end and left alone. Whoever takes over what it was about fences it.

    Raises:
        KafkaTimeoutError: it took longer; `what` was not done.
        KafkaError: the client gave up what was awaited of it.
    """
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait({task}, timeout=limit_s)
    except asyncio.CancelledError:
        task.cancel()
        await asyncio.wait({task}, timeout=ENDS_WITHIN_S)
        _is_seen(task)
        raise
    if not task.done():
        task.cancel()
        _is_seen(task)
        raise KafkaTimeoutError(f"{what}: no answer for {limit_s:.0f} s")
    if task.cancelled():
        raise KafkaError(f"{what}: the client gave up what was awaited of it")
    return task.result()


def _is_seen(task: "asyncio.Task[T]") -> None:
    """Have nobody told of an error of work that nobody waits for."""
    task.add_done_callback(lambda done: done.cancelled() or done.exception())


async def sleep_unless(stop: asyncio.Event, seconds: float) -> None:
    """Sleep, and wake up at once when told to stop."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(max(0.0, seconds)):
            await stop.wait()


async def first_of(*waits: Awaitable[Any]) -> None:
    """Wait until one of these is done; the others are cancelled. Raises what the first one raised."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
    for task in done:
        task.result()


def has_waited(assigned_ns: int | None, now_s: float) -> bool:
    """Whether a session that got its partitions then (None: never) has had them for long, by the monotonic clock.

    A quiet night is no failure: who has been a member for so long has waited, and not tried in vain.
    """
    return assigned_ns is not None and now_s - assigned_ns / 1e9 >= GOOD_AFTER_S


class Patience:
    """How long a role begins anew: until failures in a row, with nothing good between them, have gone on too long."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._first_s: float | None = None

    def ends(self, now_s: float, *, good: bool) -> bool:
        """Note a failure; `good` if what failed had done its work before. Return whether it is the last to bear."""
        if good or self._first_s is None:
            self._first_s = now_s
        return now_s - self._first_s > self._limit_s
