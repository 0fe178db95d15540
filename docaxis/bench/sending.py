"""A fleet's sender alone in a process, as fast as it can: documents at due times of their own, or in bulk.

At due times: an open schedule faster than any sender, watched as in a load test, so that what is measured is the work
of stamping, batching, sending and timing each document. In bulk: a closed loop whose window never fills. Documents are
drafted before the clock runs, or beside the sending as for a load without an end. Timed from the first document's turn
to the last acknowledgement.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator

import numpy as np

from docaxis.bench.lap import Lap
from docaxis.domain.agency import Registry
from docaxis.domain.clock import SystemClock
from docaxis.domain.plan import first_plan
from docaxis.kafka.client import client_kwargs
from docaxis.kafka.topics import Topics
from docaxis.settings import Settings
from producers.arrivals import Arrivals
from producers.drafting import Drafter, Drafts
from producers.fleet_settings import FleetSettings
from producers.generator_watch import GeneratorWatch
from producers.load import TrafficOfToday
from producers.pacer import Pacer
from producers.sender import Sender, SenderSettings, SenderStats
from producers.window import Window

#: Documents a second of the schedule: more than a core can send, so that it never waits.
DUE_PER_S = 1_000_000

#: Documents that are due within this are sent together, as a load test hands them to its sender.
BLOCK = 2000

#: Deliveries: more than there are, so that a closed loop never waits.
WINDOW = 1 << 40


async def send(
    settings: Settings, *, prefix: str, documents: int, drafted_ahead: bool, bulk: bool, seed: int
) -> dict[str, float]:
    """Send documents to the topic of the prefix; the rates are those of documents that the broker acknowledged."""
    topics, partitions, clock = Topics(prefix), settings.topics.partitions, SystemClock()
    client, registry = client_kwargs(settings.kafka), Registry.load(None)
    fleet = FleetSettings(client, topics, partitions, prefix, registry, seed)
    stats = SenderStats(Arrivals.of(partitions))
    sender = Sender(SenderSettings(client, topics, partitions), clock, stats)
    blocks = _drafts(fleet, clock, documents)
    ready = list(blocks) if drafted_ahead else blocks
    lap, stop = Lap(documents), asyncio.Event()
    if not bulk:
        begin_us, lasts_us = clock.wall_us(), 600_000_000
        plan = first_plan(prefix, begin_us, [("load", "load", lasts_us, True, False)])
        stats.watch = GeneratorWatch(clock, lambda: plan)
    await sender.start()
    lap.begin()
    watching = asyncio.ensure_future(_watch(lap, stats))
    if bulk:
        await sender.send_closed(_offered(ready), Window(WINDOW, clock), stop)
    else:
        await _send_due(sender, ready, clock, stop)
    await sender.stop()
    await watching
    return lap.result()


def _drafts(fleet: FleetSettings, clock: SystemClock, documents: int) -> Iterator[Drafts]:
    traffic, drafter = TrafficOfToday(fleet, 3.4), Drafter(fleet.run, fleet.registry, fleet.partitions)
    for first in range(0, documents, BLOCK):
        yield drafter.draft(traffic.draft(min(BLOCK, documents - first), clock))


async def _offered(blocks: Iterator[Drafts] | list[Drafts]) -> AsyncIterator[Drafts]:
    for drafts in blocks:
        yield drafts
        await asyncio.sleep(0)


async def _send_due(
    sender: Sender, blocks: Iterator[Drafts] | list[Drafts], clock: SystemClock, stop: asyncio.Event
) -> None:
    wait, first_us = Pacer(clock).wait_until, clock.wall_us()
    for number, drafts in enumerate(blocks):
        places = number * BLOCK + np.arange(len(drafts))
        await sender.send_open(drafts, first_us + places * 1_000_000 // DUE_PER_S, wait, stop)
        await asyncio.sleep(0)


async def _watch(lap: Lap, stats: SenderStats) -> None:
    while not lap.done.is_set():
        lap.note(stats.arrivals.total("acked"))
        await asyncio.sleep(0.002)
