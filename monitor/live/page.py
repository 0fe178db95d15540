"""The live page as a service: give it a feed of readings, and it serves until told to stop.

`docaxis monitor`, `up`, `demo` and `run` start it; any command that follows readings can:

    async with LivePage(client, topics, partitions, feed, registry, extras=...) as page:
        print(page.url)
"""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import orjson
from aiohttp import web

from docaxis.domain.agency import Registry
from docaxis.domain.clock import Clock, SystemClock
from docaxis.domain.errors import InfrastructureError
from docaxis.kafka.following import see_ended
from docaxis.kafka.topics import Topics
from docaxis.kafka.waiting import first_of, sleep_unless
from monitor.exposition import Exposition
from monitor.feed import Feed
from monitor.group_lag import GroupLag
from monitor.live.agencies import AgencyRows
from monitor.live.board import Board
from monitor.live.budgets import Budgets
from monitor.live.extras import Extras
from monitor.live.live_metrics import LiveMetrics
from monitor.live.refused import RecentRefusals
from monitor.live.server import PageServer
from monitor.live.steering import Steering
from monitor.live.workers import Workers
from monitor.metrics import Metrics
from monitor.process_metrics import ProcessMetrics
from monitor.service_objectives import ServiceObjectives

log = logging.getLogger(__name__)

TICK_S = 1.0


@dataclass(frozen=True, slots=True)
class LiveSettings:
    """Where the page is served, and for whom."""

    host: str = "127.0.0.1"
    port: int = 0  # 0: a free one
    token: str = ""  # without one there are no controls
    allowed_hosts: tuple[str, ...] = ()
    late_after_s: float = 60.0
    objectives: ServiceObjectives | None = None  # without them none are shown
    groups: tuple[str, ...] = ()  # consumer groups of other programs, whose lag is exported


class LivePage:
    """Serves the page while the `async with` lasts; the feed must be followed by its owner."""

    def __init__(
        self,
        client: Mapping[str, Any],
        topics: Topics,
        partitions: int,
        feed: Feed,
        registry: Registry,
        settings: LiveSettings | None = None,
        extras: Extras | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._settings = settings or LiveSettings()
        clock = clock or SystemClock()
        objectives = self._settings.objectives
        self._budgets = Budgets(objectives) if objectives is not None else None
        steerable = bool(self._settings.token)
        self._steering = Steering(client, topics, registry, clock, steerable=steerable, budgets=self._budgets)
        self._streams = topics.streams_group
        self._clock = clock
        self._lag = GroupLag(client, topics.prefix, clock, self._settings.groups, [self._streams])
        extras = extras or self._steering
        feed.listeners.append(self._steering.load_objectives.put)
        self._workers = Workers(feed.readings, partitions)
        self._refusals = RecentRefusals(client, topics, partitions)
        rows = AgencyRows(registry.positions)
        late_us = int(self._settings.late_after_s * 1e6)
        self.board = Board(feed.readings, self._refusals, self._workers, rows, extras, clock, late_us)
        own = LiveMetrics(self.board.viewers, lambda: self.board.tick_us, lambda: feed.unreadable)
        metrics = Metrics([own, self._lag, ProcessMetrics("monitor", feed.readings.runs)], clock)
        self._exposition = Exposition(metrics, lambda: True, lambda: None, clock=clock)
        self._server = PageServer(
            self.board,
            self._workers,
            extras,
            clock,
            registry_json(registry),
            self._settings.token,
            self._settings.allowed_hosts,
        )
        self._feed = feed
        self._stack = AsyncExitStack()
        self._stop = asyncio.Event()
        self._works: list[asyncio.Future[None]] = []
        self.url = ""

    async def __aenter__(self) -> Self:
        """Listen and begin.

        Raises:
            InfrastructureError: the port or the address cannot be had.
        """
        host, port = self._settings.host, self._settings.port
        runner = web.AppRunner(
            self._server.application(self._exposition.routes()), access_log=None, shutdown_timeout=0.5
        )
        await runner.setup()
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            await runner.cleanup()
            raise InfrastructureError(
                f"cannot serve the live page on {host} port {port}: {error.strerror or error}",
                next_step="stop what listens there (`ss -ltnp` names it), or give another port; 0 finds a free one",
            ) from error
        self._stack.push_async_callback(runner.cleanup)
        shown = f"[{host}]" if ":" in host else host
        self.url = f"http://{shown}:{runner.addresses[0][1]}"
        for work in (
            self._tick(),
            self._refusals.follow(self._stop),
            self._workers.look(self._stop),
            self._follow_plans(),
            self._follow_groups(),
        ):
            self._works.append(asyncio.ensure_future(work))
        self._stack.push_async_callback(self._end_works)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._stop.set()
        await self._stack.aclose()

    async def _end_works(self) -> None:
        await see_ended(self._works)
        for work in self._works:
            if not work.cancelled():
                work.result()

    async def _follow_plans(self) -> None:
        if self._server.extras is self._steering:
            await self._steering.follow(self._stop)

    async def _follow_groups(self) -> None:
        if self._budgets is not None or self._settings.groups:
            await self._lag.follow(self._stop)

    async def _tick(self) -> None:
        # Before, what was there already would look as if it all happened now.
        await first_of(self._feed.caught_up.wait(), self._stop.wait())
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        while not self._stop.is_set():
            try:
                if self._budgets is not None:
                    lag_s = self._lag.groups[self._streams].seconds()
                    self._budgets.tell_lag(lag_s, TICK_S, self._clock.wall_us())
                self.board.tick()
            except (ValueError, ArithmeticError, LookupError):  # a reading of another's making: say so, and go on
                log.exception("the page could not be renewed")
            due_s = max(due_s + TICK_S, loop.time())
            await sleep_unless(self._stop, due_s - loop.time())


def registry_json(registry: Registry) -> bytes:
    """Return the agencies as the page needs them: code and how sure it is, names, kind."""
    return orjson.dumps(
        [[one.code, one.code_certainty, one.name_vi, one.name_en, one.kind] for one in registry.agencies]
    )
