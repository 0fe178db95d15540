"""`docaxis stream`: a stream worker, meter and ledger, one of any number that share the partitions."""

import asyncio
import os
from collections.abc import Iterator
from typing import Annotated

import typer

from docaxis.commands.options import BootstrapServers, RegistryFile, SettingsFile, TopicPrefix, new_app, settings_from
from docaxis.commands.role import MetricsHost, MetricsPort, Owned, Role, run_role
from docaxis.domain.agency import Registry
from docaxis.domain.calendar import date_of, vietnam_calendar
from docaxis.domain.clock import Clock, SystemClock
from docaxis.kafka.broker import reachable_kafka
from docaxis.kafka.client import client_kwargs
from docaxis.kafka.topics import Topics, require_topics
from monitor.catalogue import LOST_AFTER_S
from monitor.lag import LagMetrics, Progress
from monitor.standstill import LoopWatch
from streams.answers import Answers
from streams.journey import Journeys
from streams.ledger import LedgerBounds
from streams.state import StateBounds
from streams.stream_metrics import StreamMetrics, stream_progress
from streams.worker import StreamWorker, WorkerSettings, WorkerStats, run_worker

app = new_app(__doc__)

#: Where processors are short, what counts yields to what is counted: else the audit would slow what it measures. Only a
#: little: at 5, a scrape of a worker that has much to do waits half as long again.
AUDIT_NICENESS = 2

#: A year: beyond, nothing is ever late or overdue.
AFTER_MAX_S = 366 * 86_400
#: An hour: what comes again after a crash is what was read since the last snapshot.
SNAPSHOT_INTERVAL_MAX_S = 3_600
#: Years of office hours known beyond that of the start; each costs start-up time.
CALENDAR_YEARS = 2


@app.command()
def stream(
    bootstrap_servers: BootstrapServers = None,
    prefix: TopicPrefix = None,
    registry: RegistryFile = None,
    late_after: Annotated[
        float, typer.Option(min=0, max=AFTER_MAX_S, help="Seconds from sent to received, then it is late.")
    ] = 60,
    lost_after: Annotated[
        float,
        typer.Option(min=0, max=AFTER_MAX_S, help="Seconds after which what is open counts as lost; several polls."),
    ] = LOST_AFTER_S,
    snapshot_interval: Annotated[
        float, typer.Option(min=0.1, max=SNAPSHOT_INTERVAL_MAX_S, help="Seconds between snapshots of the state.")
    ] = 2,
    remember: Annotated[
        int,
        typer.Option(
            min=10_000,
            help="Closed deliveries remembered, a run and partition; were an older one doubled, it would be misrouted.",
        ),
    ] = LedgerBounds().closed_horizon,
    metrics_port: MetricsPort = 0,
    metrics_host: MetricsHost = "127.0.0.1",
    owned: Owned = False,
    settings_file: SettingsFile = None,
) -> None:
    """Count, time and audit every event until Ctrl-C."""
    settings = settings_from(settings_file, {"kafka.bootstrap_servers": bootstrap_servers, "topics.prefix": prefix})
    clock, stats = SystemClock(), WorkerStats()
    kafka = reachable_kafka(settings)
    if not owned:  # whoever starts roles has made the topics
        asyncio.run(require_topics(kafka, Topics(settings.topics.prefix).all))
    worker_settings = WorkerSettings(
        client_kwargs(kafka),
        Topics(settings.topics.prefix),
        settings.topics.partitions,
        Topics(settings.topics.prefix).streams_group,
        bounds=StateBounds(ledger=LedgerBounds(int(late_after * 1e6), closed_horizon=remember)),
        snapshot_interval_s=snapshot_interval,
    )
    worker = StreamWorker(worker_settings, clock, stats)
    metrics = metrics_of(worker, stats, clock, Registry.load(registry), lost_after)
    worker.on_opened = metrics.begin

    def progress() -> Iterator[Progress]:
        return stream_progress(worker.positions(), worker_settings.topics)

    lag = LagMetrics(
        worker_settings.group,
        progress,
        clock,
        worker_settings.partitions,
        lambda: stats.rebalances,
    )
    journeys = Journeys(
        worker_settings.client, worker_settings.topics, worker_settings.partitions, lambda: worker.states
    )

    def announce(url: str) -> None:
        worker.url = url

    os.nice(AUDIT_NICENESS)
    role = Role(
        "stream",
        kafka,
        lambda stop: run_worker(worker, clock, stop),
        [metrics, lag],
        ready=lambda: bool(worker.states),
        runs=lambda: [run for state in worker.states.values() for run in state.runs()],
        routes=Answers(lambda: worker.states, journeys).routes(),
        told_url=announce,
        progress=progress,
        health=LoopWatch(worker.consumer_loop, clock).fault,
    )
    run_role(role, metrics_port=metrics_port, owned=owned, metrics_host=metrics_host)


def metrics_of(
    worker: StreamWorker, stats: WorkerStats, clock: Clock, agencies: Registry, lost_after_s: float
) -> StreamMetrics:
    """Return the collector of a worker's metrics, for the agencies of a registry."""
    year = date_of(clock.wall_us() // 1000).year
    return StreamMetrics(
        lambda: worker.states,
        stats,
        clock,
        agencies.codes,
        lost_after_us=int(lost_after_s * 1e6),
        snapshot_bytes=lambda: stats.snapshot_bytes,
        texts={agency.code: agency.display_code for agency in agencies if agency.is_placeholder},
        calendar=vietnam_calendar(year, year + CALENDAR_YEARS),
    )
