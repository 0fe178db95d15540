"""`docaxis topics`: the axis's topics on a cluster, as the settings [topics] say."""

import asyncio
from typing import Annotated

import typer

from docaxis.commands.options import BootstrapServers, SettingsFile, TopicPrefix, new_app, settings_from
from docaxis.kafka.broker import reachable_kafka
from docaxis.kafka.topics import check_topics, ensure_topics, plan_topics
from docaxis.settings import Settings

app = new_app(__doc__)

Partitions = Annotated[int | None, typer.Option(help="Partitions of every topic but the control topic.")]
Replication = Annotated[int | None, typer.Option(help="Copies of each partition.")]


@app.command()
def create(
    bootstrap_servers: BootstrapServers = None,
    prefix: TopicPrefix = None,
    partitions: Partitions = None,
    replication: Replication = None,
    settings_file: SettingsFile = None,
) -> None:
    """Create the topics that are missing and check the others."""
    settings = _settings(bootstrap_servers, prefix, partitions, replication, settings_file)
    plans = plan_topics(settings.topics)
    created = asyncio.run(ensure_topics(reachable_kafka(settings), plans))
    for plan in plans:
        print(f"{'created' if plan.name in created else 'as wanted':<9}  {plan.name}  ({plan.partitions} partitions)")


@app.command()
def check(
    bootstrap_servers: BootstrapServers = None,
    prefix: TopicPrefix = None,
    partitions: Partitions = None,
    replication: Replication = None,
    settings_file: SettingsFile = None,
) -> None:
    """Check that the topics exist and are as wanted; every difference is listed, and the exit code is 4."""
    settings = _settings(bootstrap_servers, prefix, partitions, replication, settings_file)
    plans = plan_topics(settings.topics)
    asyncio.run(check_topics(reachable_kafka(settings), plans))
    print(f"All {len(plans)} topics of {settings.topics.prefix} are as wanted.")


def _settings(
    bootstrap_servers: str | None,
    prefix: str | None,
    partitions: int | None,
    replication: int | None,
    file: SettingsFile,
) -> Settings:
    return settings_from(
        file,
        {
            "kafka.bootstrap_servers": bootstrap_servers,
            "topics.prefix": prefix,
            "topics.partitions": partitions,
            "topics.replication": replication,
        },
    )
