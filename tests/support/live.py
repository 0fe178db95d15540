"""A live page without a cluster: readings made by folding events, served to a real browser or client."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from docaxis.domain.agency import Registry
from docaxis.domain.clock import ManualClock
from docaxis.domain.event import Refusal
from docaxis.kafka.topics import Topics
from monitor.live.agencies import AgencyRows
from monitor.live.board import Board
from monitor.live.budgets import Budgets
from monitor.live.extras import Extras
from monitor.live.load_objectives import shown
from monitor.live.page import registry_json
from monitor.live.refused import RecentRefusals
from monitor.live.server import PageServer
from monitor.live.workers import Workers
from monitor.objectives import Judgement
from monitor.reading import Readings
from monitor.service_objectives import ServiceObjectives
from streams.answers import Answers
from streams.journey import Journeys, assemble
from streams.state import Duties, PartitionState, StateBounds
from streams.store import ledger_readings, positions_reading
from tests.support.events import SENT_US, delivered, receipt, records, refusal, sent

RUN = "run-1"


class Journal(Journeys):
    """Journeys of events that are at hand: what a worker would read back from Kafka."""

    def __init__(self, events: list[Any]) -> None:
        super().__init__({}, Topics("axis"), 1, dict)
        self._events_at_hand = events

    async def look_up(self, run: str, document_id: str, partition: int) -> dict[str, Any] | None:
        found = [(one, 0, place) for place, one in enumerate(self._events_at_hand) if one.document_id == document_id]
        return assemble(run, document_id, [], found) | {"complete": True, "records_read": len(self._events_at_hand)}


#: A workload's objectives as they were judged: one that holds, one that is missed by a hair, one without samples.
JUDGED = (
    Judgement("delivered fast", "delivery p99 at most 1 s", "delivery", "ministry, H53", "s", 1, 0.0123, True),
    Judgement("sent at once", "send_delay p99.9 at most 1 ms", "send_delay", "all", "s", 0.001, 0.00101, False),
    Judgement("nothing lost", "lost at most 0", "", "whole run", "count", 0, 0, True),
    Judgement("keeps up", "received at least 98.0% of what was offered", "", "all", "ratio", 0.98, None, None),
    Judgement("no queue", "backlog grows by at most 0.5 deliveries/s", "", "all", "deliveries/s2", 0.5, -2.5, True),
)


class Promised(Extras):
    """The service objectives that come with docaxis and a workload with some of its own, as the page shows them."""

    def __init__(self) -> None:
        self.budgets = Budgets(ServiceObjectives.load())

    def objectives(self, readings: Readings, run: str, now_us: int) -> Sequence[Mapping[str, Any]]:
        self.budgets.tell_lag(0.5, 1.0, now_us)
        return self.budgets.of(readings, run, now_us)

    def workload(self, readings: Readings, run: str) -> Mapping[str, Any]:
        phases = [{"name": "load", "state": "running", "seconds": 60}]
        return {"name": "steady", "phases": phases, "objectives": [shown(one, "no_samples") for one in JUDGED]}


class Axis:
    """One partition's state, the readings that come of it, and the board that shows them."""

    def __init__(self, late_after_s: int = 60, extras: Extras | None = None) -> None:
        self.clock = ManualClock(SENT_US)
        self.state = PartitionState(0, Duties(1), StateBounds())
        self.readings = Readings()
        self.refusals = RecentRefusals({}, Topics("axis"), 1)
        self.workers = Workers(self.readings, 1)
        self.workers.answering = 1
        self.registry = Registry.load()
        self.extras = extras or Extras()
        rows = AgencyRows(self.registry.positions)
        self.board = Board(
            self.readings, self.refusals, self.workers, rows, self.extras, self.clock, late_after_s * 1_000_000
        )
        self.url = "http://127.0.0.1:9"
        self.events: list[Any] = []
        self._offsets: dict[str, int] = {}

    def fold(self, topic: str, *events: Any) -> None:
        """Let a worker read events, and publish its readings."""
        offset = self._offsets.get(topic, 0)
        self.state.fold(topic, records(topic, events, offset), self.clock.wall_us())
        self._offsets[topic] = offset + len(events)
        self.events += events
        if topic == "refused":
            self.refusals.keep([event for event in events if isinstance(event, Refusal)])
        self.publish()

    def publish(self) -> None:
        """Write what the state says, as a snapshot would."""
        now_us = self.clock.wall_us()
        for (run, topic), tally in self.state.tallies.items():
            offset = self._offsets.get(topic, 0)
            identity: Mapping[str, Any] = {"run": run, "topic": topic, "partition": 0, "offset": offset}
            self.readings.put(tally.to_reading(self.state.codes.codes, version=1, at_us=now_us, **identity))
        for reading in ledger_readings(self.state, self._offsets, now_us):
            self.readings.put(reading)
        self.readings.put(positions_reading(self.state, self._offsets, now_us, self.url))

    def tick(self, seconds: int = 1) -> None:
        """Let time pass, a look each second."""
        for _ in range(seconds):
            self.clock.advance_us(1_000_000)
            self.board.tick()


def busy_axis(late_after_s: int = 60, extras: Extras | None = None) -> Axis:
    """Return an axis with traffic, deliveries that wait at each stage, a refusal, and an agency nobody knows."""
    axis = Axis(late_after_s, extras)
    agencies = axis.registry.codes
    for number in range(1, 40):
        axis.clock.advance_us(400_000)
        sender = agencies[number % 12]
        recipients = [agencies[(number * 7 + step * 5) % 95] for step in range(1 + number % 4)]
        recipients = list(dict.fromkeys(code for code in recipients if code != sender)) or ["H53"]
        packet_id, now_us = f"{sender}.2021.{number:07d}.0", axis.clock.wall_us()
        identity: Mapping[str, Any] = {"sender": sender, "run": RUN}
        axis.fold("sent", sent(packet_id, recipients, sent_us=now_us, intended_us=now_us - 300, **identity))
        if number > 36:  # the hub has not come so far
            continue
        for recipient in recipients:
            arrived = delivered(recipient, packet_id, sent_us=now_us, **identity)
            axis.fold("delivered", arrived)
            if number % 9 != 5:
                answer = receipt(
                    packet_id, recipient, place=(0, number), sent_us=now_us, intended_us=now_us - 300,
                    received_us=now_us + 4000 + 137 * number, **identity,
                )  # fmt: skip
                axis.fold("status", answer)
        axis.board.tick()
    axis.fold("sent", sent("X77.2021.0000001.0", ["H53"], sender="X77", run=RUN, sent_us=axis.clock.wall_us()))
    axis.fold("refused", refusal("X77.2021.0000001.0", code=19, sender="X77", run=RUN))
    axis.tick(6)
    return axis


@asynccontextmanager
async def served(axis: Axis, **server: Any) -> AsyncIterator[str]:
    """Serve the page of an axis, with a worker that answers beside it; give its address. Time passes by itself."""
    worker = web.Application()
    worker.add_routes(Answers(lambda: {0: axis.state}, Journal(axis.events)).routes())
    page = PageServer(axis.board, axis.workers, axis.extras, axis.clock, registry_json(axis.registry), **server)
    runners = [web.AppRunner(app, access_log=None, shutdown_timeout=0.1) for app in (worker, page.application([]))]
    urls = []
    for runner in runners:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        urls.append(f"http://127.0.0.1:{runner.addresses[0][1]}")
    axis.url = urls[0]
    axis.publish()

    async def pass_time() -> None:
        while True:
            axis.tick()
            await asyncio.sleep(0.25)

    passing = asyncio.ensure_future(pass_time())
    try:
        yield urls[1]
    finally:
        passing.cancel()
        for runner in runners:
            await runner.cleanup()
