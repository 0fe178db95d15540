"""Doing something for as long as a process lives: what fails with the broker is begun anew, after a moment."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable

from aiokafka.errors import KafkaError

from docaxis.kafka.outage import client_cancellations_as_errors
from docaxis.kafka.waiting import ENDS_WITHIN_S, sleep_unless

log = logging.getLogger(__name__)

#: Between a failure and the next attempt.
PAUSE_S = 0.5


async def follow_on(attempt: Callable[[asyncio.Event], Awaitable[None]], stop: asyncio.Event, what: str) -> None:
    """Attempt until told to stop; `what` is said of each failure."""
    while not stop.is_set():
        await insist(attempt, stop, what)


async def insist(attempt: Callable[[asyncio.Event], Awaitable[None]], stop: asyncio.Event, what: str) -> None:
    """Attempt until it succeeds, or until told to stop; `what` is said of each failure."""
    while not stop.is_set():
        try:
            with client_cancellations_as_errors():
                await attempt(stop)
            return
        except (KafkaError, OSError) as error:
            log.warning("%s: begun anew after %s: %s", what, type(error).__name__, error)
            await sleep_unless(stop, PAUSE_S)


async def see_ended(parts: Iterable["asyncio.Future[None]"]) -> None:
    """Wait for parts that were told to stop; those that do not end in time are cancelled.

    A client that is cut off while it connects leaves that connection open.
    """
    parts = list(parts)
    if parts:
        await asyncio.wait(parts, timeout=ENDS_WITHIN_S)
    for part in parts:
        part.cancel()
    await asyncio.gather(*parts, return_exceptions=True)
