"""`docaxis up`: broker, hub, stream worker and fleet at a chosen pace, until Ctrl-C."""

import asyncio
import contextlib
import secrets
import signal
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Annotated

import typer

from docaxis.commands.axis import Axis
from docaxis.commands.fleet import RATE_MAX, RATE_MIN, LifeCycle, PollInterval, Seed
from docaxis.commands.options import (
    BootstrapServers,
    Lang,
    RegistryFile,
    SettingsFile,
    TopicPrefix,
    new_app,
    progress,
    settings_from,
)
from docaxis.commands.page_options import AllowHost, Listen, ObjectivesFile, PagePort, TokenFile, live_settings
from docaxis.commands.role import PORT_MAX
from docaxis.domain.agency import Registry
from docaxis.kafka.broker import EmbeddedBroker, broker_status
from docaxis.kafka.client import client_kwargs
from docaxis.kafka.topics import Topics, ensure_topics, plan_topics
from docaxis.settings import Settings
from monitor.feed import Feed
from monitor.live.page import LivePage, LiveSettings
from monitor.progress import Moment, progress_line
from monitor.words import Language

app = new_app(__doc__)

#: Seconds between lines of progress.
LINE_INTERVAL_S = 5.0


@app.command()
def up(
    bootstrap_servers: BootstrapServers = None,
    prefix: TopicPrefix = None,
    registry: RegistryFile = None,
    rate: Annotated[float, typer.Option(min=RATE_MIN, max=RATE_MAX, help="Documents a second, Poisson arrivals.")] = 20,
    seed: Seed = 1,
    poll_interval: PollInterval = 0,
    life_cycle: LifeCycle = False,
    metrics_port: Annotated[
        int, typer.Option(min=0, max=PORT_MAX - 2, help="First of three ports for /metrics; 0: free ones.")
    ] = 0,
    page_port: PagePort = 0,
    listen: Listen = "127.0.0.1",
    allow_host: AllowHost = None,
    token_file: TokenFile = None,
    objectives: ObjectivesFile = None,
    lang: Lang = Language.EN,
    settings_file: SettingsFile = None,
) -> None:
    """Start everything and keep it running; Ctrl-C ends it in order."""
    settings = settings_from(settings_file, {"kafka.bootstrap_servers": bootstrap_servers, "topics.prefix": prefix})
    run = f"up-{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
    shared = ["--registry", str(registry.absolute())] if registry else []
    fleet = ["fleet", "--run", run, "--rate", str(rate), "--seed", str(seed), "--poll-interval", str(poll_interval)]
    fleet += ["--life-cycle"] if life_cycle else []
    roles = [["hub", *shared], ["stream", "--snapshot-interval", "1", *shared], [*fleet, *shared]]
    page = live_settings(listen, page_port, allow_host, token_file, objectives=objectives)
    agencies = Registry.load(registry)
    if metrics_port:
        roles = [[*role, "--metrics-port", str(metrics_port + number)] for number, role in enumerate(roles)]
    tell = partial(progress, language=lang)
    with _kafka(settings, tell) as reachable:
        asyncio.run(_keep_up(reachable, run, roles, agencies, page, lang))


@contextlib.contextmanager
def _kafka(settings: Settings, tell: Callable[[str], None]) -> Iterator[Settings]:
    """Give settings that reach a cluster; a broker started here ends with us, and its data stays."""
    status = broker_status(settings)
    if settings.kafka.bootstrap_servers:
        yield settings
    elif status.running:
        yield settings.with_servers(status.bootstrap_servers)
    else:
        with EmbeddedBroker(settings, owned=True, report=tell) as broker:
            yield settings.with_servers(broker.bootstrap_servers)


async def _keep_up(
    settings: Settings,
    run: str,
    roles: list[list[str]],
    agencies: Registry,
    page_settings: LiveSettings,
    language: Language,
) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await ensure_topics(settings.kafka, plan_topics(settings.topics))
    cluster = (client_kwargs(settings.kafka), Topics(settings.topics.prefix), settings.topics.partitions)
    feed = Feed(*cluster)
    async with Axis(settings, settings.paths.runs / run / "logs") as axis:
        for role in roles:
            child = await axis.start(role[0], *role)
            progress(f"{role[0]:<7} {child.url}/metrics")
        progress(f"Running ({run}) on {settings.kafka.bootstrap_servers}; Ctrl-C ends it", language)
        following = asyncio.ensure_future(feed.follow(stop))
        try:
            async with LivePage(*cluster, feed, agencies, page_settings) as page:
                progress(f"Live page: {page.url}/?lang={language}", language)
                await _tell(axis, feed, run, stop, language)
        finally:
            stop.set()
            await asyncio.gather(following, return_exceptions=True)
            progress("Ending: the roles finish what they have in hand ...", language)


async def _tell(axis: Axis, feed: Feed, run: str, stop: asyncio.Event, language: Language) -> None:
    """Print a line now and then, and notice a role that has ended, until told to stop."""
    loop = asyncio.get_running_loop()
    started_s, before = loop.time(), None
    while not stop.is_set():
        axis.check()
        memory = sum(axis.peak_rss_bytes.values())
        now = Moment.of(feed.readings, run, loop.time() - started_s, memory)
        if before is not None:
            print(progress_line(now, before, 0, language), flush=True)
        before = now
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), LINE_INTERVAL_S)
