"""`docaxis monitor`: processors and the live page on any Kafka that carries the documented events, until Ctrl-C."""

import asyncio
import contextlib
import os
import signal
from pathlib import Path
from typing import Annotated

import orjson
import typer

from docaxis.commands.axis import Axis
from docaxis.commands.options import (
    BootstrapServers,
    RegistryFile,
    SettingsFile,
    TopicPrefix,
    new_app,
    progress,
    settings_from,
)
from docaxis.commands.page_options import AllowHost, Listen, ObjectivesFile, TokenFile, live_settings
from docaxis.commands.role import Owned, watch_parent
from docaxis.commands.stream import AFTER_MAX_S
from docaxis.domain.agency import Registry
from docaxis.domain.errors import UsageError
from docaxis.kafka.broker import reachable_kafka
from docaxis.kafka.client import client_kwargs
from docaxis.kafka.topics import Topics, ensure_topics, plan_topics
from docaxis.settings import Settings
from monitor.catalogue import LOST_AFTER_S
from monitor.feed import Feed
from monitor.live.page import LivePage, LiveSettings

app = new_app(__doc__)

#: The page's port, unless another is asked for: an address that can be kept in a browser.
PAGE_PORT = 8095

#: How often a child that ended by itself is noticed.
LOOK_S = 0.5


@app.command()
def monitor(
    bootstrap_servers: BootstrapServers = None,
    prefix: TopicPrefix = None,
    registry: RegistryFile = None,
    workers: Annotated[int, typer.Option(min=0, max=64, help="Stream workers to run here; 0: they run elsewhere.")] = 1,
    late_after: Annotated[float, typer.Option(min=1, help="Seconds after which a delivery that waits is late.")] = 60,
    lost_after: Annotated[
        float,
        typer.Option(min=1, max=AFTER_MAX_S, help="Seconds after which what is open counts as lost; several polls."),
    ] = LOST_AFTER_S,
    page_port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the live page; 0: a free one.")] = PAGE_PORT,
    listen: Listen = "127.0.0.1",
    allow_host: AllowHost = None,
    token_file: TokenFile = None,
    objectives: ObjectivesFile = None,
    group: Annotated[
        list[str] | None,
        typer.Option("--group", help="Consumer group of another program (a hub that is not ours) whose lag is told."),
    ] = None,
    owned: Owned = False,
    settings_file: SettingsFile = None,
) -> None:
    """Count, time and audit what the topics carry, whoever writes it, and show it on a page."""
    settings = settings_from(settings_file, {"kafka.bootstrap_servers": bootstrap_servers, "topics.prefix": prefix})
    page = live_settings(listen, page_port, allow_host, token_file, late_after, objectives, group)
    if Topics(settings.topics.prefix).streams_group in page.groups:
        raise UsageError(
            "the stream workers tell their lag themselves: told twice, it would be summed",
            next_step="leave their group out of --group",
        )
    agencies = Registry.load(registry)
    settings = settings.model_copy(update={"kafka": reachable_kafka(settings)})
    worker = worker_arguments(page.late_after_s, lost_after, registry)
    asyncio.run(_monitor(settings, agencies, worker, workers, page, owned))


def worker_arguments(late_after_s: float, lost_after_s: float, registry: Path | None) -> list[str]:
    """Return the command line of a stream worker that judges as the page does."""
    arguments = [
        "stream",
        "--snapshot-interval",
        "1",
        "--late-after",
        str(late_after_s),
        "--lost-after",
        str(lost_after_s),
    ]
    return [*arguments, "--registry", str(registry.absolute())] if registry else arguments


async def _monitor(
    settings: Settings,
    agencies: Registry,
    worker: list[str],
    workers: int,
    page_settings: LiveSettings,
    owned: bool,
) -> None:
    stop = asyncio.Event()
    if owned:
        await watch_parent(stop)
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await ensure_topics(settings.kafka, plan_topics(settings.topics))
    client, topics = client_kwargs(settings.kafka), Topics(settings.topics.prefix)
    feed = Feed(client, topics, settings.topics.partitions)
    async with Axis(settings, settings.paths.runs / "monitor" / "logs") as axis:
        following = asyncio.ensure_future(feed.follow(stop))
        try:
            async with LivePage(client, topics, settings.topics.partitions, feed, agencies, page_settings) as page:
                progress(f"Live page: {page.url}   (Ctrl-C ends it)")
                print(orjson.dumps({"role": "monitor", "pid": os.getpid(), "url": page.url}).decode(), flush=True)
                await asyncio.gather(*(axis.start(f"stream-{n}" if n else "stream", *worker) for n in range(workers)))
                while not stop.is_set():
                    axis.check()
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(stop.wait(), LOOK_S)
        finally:
            stop.set()
            await asyncio.gather(following, return_exceptions=True)
