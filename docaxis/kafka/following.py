"""Following a topic for as long as a process lives: what fails with the broker is begun anew, after a moment."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from aiokafka.errors import KafkaError

log = logging.getLogger(__name__)

#: Between a failure and the next attempt.
PAUSE_S = 0.5


async def follow_on(attempt: Callable[[asyncio.Event], Awaitable[None]], stop: asyncio.Event, what: str) -> None:
    """Attempt until told to stop; `what` is said of each failure."""
    while not stop.is_set():
        try:
            await attempt(stop)
        except (KafkaError, OSError) as error:
            log.warning("%s are read anew after %s", what, error)
            await asyncio.sleep(PAUSE_S)
