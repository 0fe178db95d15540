"""The parts under measurement, each alone in a process: the stream worker, the hub, and stock Faust beside them."""

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from docaxis.bench.lap import Lap
from docaxis.domain.agency import Registry
from docaxis.domain.clock import SystemClock
from docaxis.kafka.client import client_kwargs
from docaxis.kafka.topics import Topics
from docaxis.settings import Settings
from streams.hub import HubSettings, HubStats, run_hub
from streams.routing import Directory
from streams.worker import StreamWorker, WorkerSettings, WorkerStats, run_worker


@dataclass(frozen=True, slots=True)
class SplitTopics(Topics):
    """Topics of one prefix, some of them elsewhere: many readings of the same records, each with its own outputs."""

    elsewhere: Mapping[str, str] = field(default_factory=dict)  # short name -> whole name

    def __post_init__(self) -> None:
        Topics.__post_init__(self)
        for short, name in self.elsewhere.items():
            object.__setattr__(self, short, name)


class _TimedWorker(StreamWorker):
    """A stream worker that notes each chunk."""

    def __init__(self, settings: WorkerSettings, lap: Lap) -> None:
        super().__init__(settings, SystemClock(), WorkerStats())
        self._lap = lap

    def fold(self, topic: str, partition: int, records: list[Any]) -> None:
        super().fold(topic, partition, records)
        self._lap.note(self.stats.records)


async def stream(
    settings: Settings, *, prefix: str, out: str, records: int, meter: bool, ledger: bool
) -> dict[str, float]:
    """Have a stream worker read the prepared records; its state and readings go to the topics of `out`."""
    lap, stop = Lap(records), asyncio.Event()
    others = Topics(out)
    topics = SplitTopics(prefix, elsewhere={"ledger": others.ledger, "readings": others.readings})
    client = client_kwargs(settings.kafka)
    worker_settings = WorkerSettings(
        client, topics, settings.topics.partitions, f"{out}-streams", meter=meter, ledger=ledger
    )
    working = asyncio.ensure_future(run_worker(_TimedWorker(worker_settings, lap), SystemClock(), stop))
    await _until_done(lap, working, stop)
    return lap.result()


async def hub(
    settings: Settings, *, prefix: str, out: str, group: str, documents: int, documents_max: int
) -> dict[str, float]:
    """Have a hub route the prepared documents; deliveries and refusals go to the topics of `out`."""
    lap, stop, stats = Lap(documents), asyncio.Event(), HubStats()
    others = Topics(out)
    topics = SplitTopics(prefix, elsewhere={"delivered": others.delivered, "refused": others.refused})
    hub_settings = HubSettings(
        client_kwargs(settings.kafka), topics, settings.topics.partitions, group, documents_max=documents_max
    )
    clock, directory = SystemClock(), Directory(Registry.load(None).codes, ())
    working = asyncio.ensure_future(run_hub(hub_settings, directory, clock, stats, stop))

    async def watch() -> None:
        while not lap.done.is_set():
            lap.note(sum(stats.positions.values()))  # committed: the topic has no markers, so offsets are documents
            await asyncio.sleep(0.001)

    watching = asyncio.ensure_future(watch())
    await _until_done(lap, working, stop)
    await watching
    return {name: rate * stats.deliveries / stats.documents for name, rate in lap.result().items()}


async def stock(settings: Settings, *, prefix: str, group: str, records: int, folder: str) -> dict[str, float]:
    """Count the prepared documents with a stock Faust agent, which is given one record at a time."""
    import faust
    import orjson

    from streams.batch import run_app

    lap, stop, count = Lap(records), asyncio.Event(), 0
    app = faust.App(
        group,
        broker=[f"kafka://{server}" for server in settings.kafka.bootstrap_servers.split(",")],
        topic_disable_leader=True,
        topic_allow_declare=False,
        web_enabled=False,
        datadir=str(Path(folder) / group),
    )
    topic = app.topic(Topics(prefix).sent, key_type=bytes, value_type=bytes, value_serializer="raw")
    per_agency: dict[str, int] = {}

    @app.agent(topic)
    async def agent(values: Any) -> None:
        nonlocal count
        async for value in values:
            sender = orjson.loads(value)["sender"]
            per_agency[sender] = per_agency.get(sender, 0) + 1
            count += 1
            lap.note(count)

    working = asyncio.ensure_future(run_app(app, stop))
    await _until_done(lap, working, stop)
    return lap.result()


async def _until_done(lap: Lap, working: "asyncio.Future[None]", stop: asyncio.Event) -> None:
    """Wait until all is done, then stop the work; raise what ended it before."""
    done: asyncio.Future[bool] = asyncio.ensure_future(lap.done.wait())
    either: set[asyncio.Future[Any]] = {done, working}
    try:
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    finally:
        done.cancel()
        stop.set()
        if lap.done.is_set():  # what is measured is measured: a late fault of the end does not change it
            with contextlib.suppress(Exception):
                await working
    if not lap.done.is_set():
        await working
