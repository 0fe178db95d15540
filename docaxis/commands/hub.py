"""`docaxis hub`: the reference connection hub, one of any number that share the documents."""

import asyncio
from typing import Annotated

import typer

from docaxis.commands.options import BootstrapServers, RegistryFile, SettingsFile, TopicPrefix, new_app, settings_from
from docaxis.commands.role import MetricsHost, MetricsPort, Owned, Role, run_role
from docaxis.domain.agency import Registry
from docaxis.domain.clock import SystemClock
from docaxis.domain.errors import UsageError
from docaxis.kafka.broker import reachable_kafka
from docaxis.kafka.client import client_kwargs
from docaxis.kafka.topics import Topics, require_topics
from streams.hub import HubSettings, HubStats, run_hub
from streams.hub_metrics import HubMetrics
from streams.routing import Directory

app = new_app(__doc__)


@app.command()
def hub(
    bootstrap_servers: BootstrapServers = None,
    prefix: TopicPrefix = None,
    registry: RegistryFile = None,
    locked: Annotated[list[str] | None, typer.Option(help="Code of an agency that may not receive (23).")] = None,
    at_least_once: Annotated[
        bool, typer.Option("--at-least-once", help="No transactions: a killed hub doubles what it had in hand.")
    ] = False,
    deliveries_max: Annotated[
        float | None, typer.Option(min=0.1, help="Limit the hub on purpose to so many deliveries a second.")
    ] = None,
    metrics_port: MetricsPort = 0,
    metrics_host: MetricsHost = "127.0.0.1",
    owned: Owned = False,
    settings_file: SettingsFile = None,
) -> None:
    """Route documents to their recipients, each exactly once, until Ctrl-C."""
    settings = settings_from(settings_file, {"kafka.bootstrap_servers": bootstrap_servers, "topics.prefix": prefix})
    agencies = Registry.load(registry)
    unknown = [code for code in locked or () if code not in agencies.positions]
    if unknown:
        raise UsageError(f"--locked {unknown[0]}: no such agency in the registry", next_step="give a code as in H53")
    group = f"{settings.topics.prefix}-hub"
    clock, stats = SystemClock(), HubStats()
    kafka = reachable_kafka(settings)
    if not owned:  # whoever starts roles has made the topics
        asyncio.run(require_topics(kafka, Topics(settings.topics.prefix).all))
    hub_settings = HubSettings(
        client_kwargs(kafka),
        Topics(settings.topics.prefix),
        settings.topics.partitions,
        group,
        exactly_once=not at_least_once,
        deliveries_per_s_max=deliveries_max,
    )
    metrics = HubMetrics(stats, group, clock, settings.topics.partitions)
    role = Role(
        "hub",
        kafka,
        lambda stop: run_hub(hub_settings, Directory(agencies.codes, locked or ()), clock, stats, stop),
        [metrics],
        ready=lambda: bool(stats.positions),
        progress=metrics.progress,
    )
    run_role(role, metrics_port=metrics_port, owned=owned, metrics_host=metrics_host)
