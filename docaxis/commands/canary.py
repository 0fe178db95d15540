"""`docaxis canary`: marked documents through the real path at a low rate, measured end to end, no traffic."""

import asyncio
import re
from typing import Annotated

import typer

from docaxis.commands.options import BootstrapServers, RegistryFile, SettingsFile, TopicPrefix, new_app, settings_from
from docaxis.commands.role import MetricsHost, MetricsPort, Owned, Role, run_role
from docaxis.domain.agency import Registry
from docaxis.domain.clock import SystemClock
from docaxis.domain.errors import UsageError
from docaxis.domain.run import canary_run
from docaxis.kafka.broker import reachable_kafka
from docaxis.kafka.client import client_kwargs
from docaxis.kafka.topics import Topics, require_topics
from producers.canary import Canary, CanarySettings
from producers.canary_metrics import CanaryMetrics
from producers.canary_watch import CanaryStage, CanaryStats, CanaryWatch

app = new_app(__doc__)


@app.command()
def canary(
    bootstrap_servers: BootstrapServers = None,
    prefix: TopicPrefix = None,
    registry: RegistryFile = None,
    name: Annotated[str, typer.Option(help="Its run is canary-NAME; give each of several canaries its own.")] = "main",
    interval: Annotated[float, typer.Option(min=0.1, help="Seconds between two documents.")] = 10,
    sender: Annotated[str | None, typer.Option(help="Agency it sends as; default: the registry's first.")] = None,
    recipient: Annotated[
        list[str] | None, typer.Option(help="Agency it sends to; may be repeated; default: all others in turn.")
    ] = None,
    until: Annotated[
        CanaryStage, typer.Option(help="Received when in the inbox, or when its recipient says so.")
    ] = CanaryStage.RECEIPT,
    lost_after: Annotated[float, typer.Option(min=0, help="Seconds after which a document is overdue.")] = 600,
    metrics_port: MetricsPort = 0,
    metrics_host: MetricsHost = "127.0.0.1",
    owned: Owned = False,
    settings_file: SettingsFile = None,
) -> None:
    """Send marked documents and see them arrive, until Ctrl-C. On a real axis name agencies that are for tests."""
    settings = settings_from(settings_file, {"kafka.bootstrap_servers": bootstrap_servers, "topics.prefix": prefix})
    if not re.fullmatch(r"[A-Za-z0-9-]{1,40}", name):
        raise UsageError(f"--name {name!r} is no name", next_step="use letters, digits and hyphens, 40 at most")
    codes = Registry.load(registry).codes
    sender = sender or codes[0]
    recipients = list(recipient or (code for code in codes if code != sender))
    for option, code in (("--sender", sender), *(("--recipient", code) for code in recipients)):
        if code not in codes:
            raise UsageError(f"{option} {code}: no such agency in the registry", next_step="give a code as in H53")
    clock, kafka = SystemClock(), reachable_kafka(settings)
    if not owned:
        asyncio.run(require_topics(kafka, Topics(settings.topics.prefix).all))
    run = canary_run(name)
    watch = CanaryWatch(CanaryStats(), until, int(lost_after * 1e6))
    canary_settings = CanarySettings(
        client_kwargs(kafka),
        Topics(settings.topics.prefix),
        settings.topics.partitions,
        run,
        sender,
        recipients,
        int(interval * 1e6),
    )
    one = Canary(canary_settings, clock, watch)
    role = Role("canary", kafka, one.work, [CanaryMetrics(watch, clock)], ready=one.ready.is_set, runs=lambda: [run])
    run_role(role, metrics_port=metrics_port, owned=owned, metrics_host=metrics_host)
