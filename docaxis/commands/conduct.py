"""Conducting one run: start the roles, follow the readings until all is closed or nothing moves, see it drained."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from docaxis.commands.axis import Axis
from docaxis.domain.errors import InfrastructureError
from docaxis.kafka.client import client_kwargs
from docaxis.kafka.drain import count_unread
from docaxis.kafka.following import see_ended
from docaxis.kafka.topics import Topics
from docaxis.settings import Settings
from monitor.feed import Feed
from monitor.progress import Moment
from monitor.reading import Readings
from monitor.settle import all_closed, all_received, all_stated, progress_mark, sending_ended

#: When nothing has moved for so long after the last document was sent, what is outstanding will not come: longer than
#: any transaction may stay open and any group may take to replace a dead member, together.
QUIET_S = 30.0

#: Nothing at all moving for so long, with sending not ended, means that a role hangs.
STALLED_S = 180.0

TICK_S = 0.2


@dataclass(frozen=True, slots=True)
class RoleCommand:
    """A role to start: a name for its log, and its command line."""

    name: str
    arguments: Sequence[str]


@dataclass(frozen=True, slots=True)
class Conducted:
    """What a run came to."""

    readings: Readings
    drained: bool
    wall_seconds: float
    peak_rss_bytes: dict[str, int]
    cpu_seconds: dict[str, float]


class Conductor:
    """Runs one run on a cluster whose topics exist."""

    def __init__(self, settings: Settings, axis: Axis, run: str, fleets: int) -> None:
        self._settings = settings
        self._axis = axis
        self._run = run
        self._fleets = fleets
        self._topics = Topics(settings.topics.prefix)
        self._client = client_kwargs(settings.kafka)
        self.feed = Feed(self._client, self._topics, settings.topics.partitions)

    async def conduct(
        self, processors: Sequence[RoleCommand], fleets: Sequence[RoleCommand], tell: Callable[[Moment], None]
    ) -> Conducted:
        """Start processors, then fleets, and return when everything is closed and read, or will never be.

        The wall time runs from the start of the fleets to the moment when the last delivery was known to be closed.
        """
        stop = asyncio.Event()
        following = asyncio.ensure_future(self.feed.follow(stop))
        try:
            children = [self._axis.start(role.name, *role.arguments) for role in processors]
            await self._axis.wait_ready(await asyncio.gather(*children))
            started_s = time.monotonic()
            for role in fleets:
                await self._axis.start(role.name, *role.arguments)
            await self._until_settled(started_s, tell)
            wall_seconds = time.monotonic() - started_s
            drained = await count_drained(self._client, self._topics, self._settings.topics.partitions, self.feed)
            axis = self._axis
            return Conducted(
                self.feed.readings, drained, wall_seconds, dict(axis.peak_rss_bytes), dict(axis.cpu_seconds)
            )
        finally:
            stop.set()
            await see_ended([following])

    async def _until_settled(self, started_s: float, tell: Callable[[Moment], None]) -> None:
        readings, run, partitions = self.feed.readings, self._run, self._settings.topics.partitions
        mark, moved_s = progress_mark(readings, run), time.monotonic()
        while True:
            self._axis.check()
            now_s = time.monotonic()
            tell(Moment.of(readings, run, now_s - started_s, sum(self._axis.peak_rss_bytes.values())))
            ended = sending_ended(readings, run, self._fleets, partitions)
            if ended and all(done(readings, run) for done in (all_closed, all_received, all_stated)):
                return
            newer = progress_mark(readings, run)
            if newer != mark:
                mark, moved_s = newer, now_s
            if now_s - moved_s > (QUIET_S if ended else STALLED_S):
                return
            await asyncio.sleep(TICK_S)


def process_figures(peak_rss_bytes: Mapping[str, int], cpu_seconds: Mapping[str, float]) -> dict[str, Any]:
    """Return what a result says of each process."""
    return {
        name: {"peak_rss_bytes": peak, "cpu_seconds": round(cpu_seconds[name], 2)}
        for name, peak in peak_rss_bytes.items()
    }


async def count_drained(
    client: Mapping[str, Any],
    topics: Topics,
    partitions: int,
    feed: Feed,
    ends: Mapping[TopicPartition, int] | None = None,
) -> bool:
    """Whether the stream workers have counted every committed record of the event topics (up to `ends`, if given)."""
    deadline_s = time.monotonic() + QUIET_S
    while True:
        positions = {
            TopicPartition(name, number): feed.readings.positions().get((short, number), 0)
            for short, name in ((topics.short_name(name), name) for name in topics.events)
            for number in range(partitions)
        }
        try:
            unread = await count_unread(client, positions, ends)
        except KafkaError as error:
            raise InfrastructureError(
                f"the topics could not be read to their end: {error}", next_step="look at the broker's log"
            ) from error
        if unread == 0 or time.monotonic() > deadline_s:
            return unread == 0
        await asyncio.sleep(0.5)
