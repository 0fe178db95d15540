"""`docaxis fleet`: virtual agencies of one process, which send documents, receive them, or both."""

import asyncio
import contextlib
import os
import re
import socket
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

import typer

from docaxis.commands.join import join_load_test
from docaxis.commands.options import BootstrapServers, RegistryFile, SettingsFile, TopicPrefix, new_app, settings_from
from docaxis.commands.role import MetricsHost, MetricsPort, Owned, Role, run_role
from docaxis.domain.agency import Registry
from docaxis.domain.clock import SystemClock
from docaxis.domain.errors import UsageError
from docaxis.domain.event import RUN_LENGTH_MAX
from docaxis.kafka.broker import reachable_kafka
from docaxis.kafka.client import client_kwargs
from docaxis.kafka.cluster import probe
from docaxis.kafka.topics import Topics, require_topics
from docaxis.recording.replay_plan import read_plan
from monitor.standstill import STILL_NS
from producers.fleet import Fleet
from producers.fleet_metrics import FleetMetrics
from producers.fleet_settings import FleetSettings, FleetStats
from producers.history import DEFAULT_UNTIL, History
from producers.load import ClosedLoad, Load, OpenLoad, RecordedLoad
from producers.scheduled import ScheduledLoad

app = new_app(__doc__)

#: Where real-time scheduling does not exist.
GENERATOR_NICENESS = -10

#: Documents a second: above what any cluster takes, and low enough that schedules stay exact.
RATE_MIN, RATE_MAX = 0.001, 1_000_000
#: A day: longer, and an agency never polls within a run.
POLL_INTERVAL_MAX_S = 86_400

RunId = Annotated[str, typer.Option("--run", help="Identity of the run; every event carries it.")]
Seed = Annotated[int, typer.Option(min=0, help="The same seed gives the same documents.")]
Until = Annotated[str | None, typer.Option(help="Last day of the history, as 2021-02-23 or 23/02/2021.")]
Scale = Annotated[float, typer.Option(help="Size of the history against the published one.")]
PollInterval = Annotated[
    float, typer.Option(min=0, max=POLL_INTERVAL_MAX_S, help="Seconds between an agency's polls; 0: at once.")
]
LifeCycle = Annotated[bool, typer.Option("--life-cycle", help="State the business statuses 01 to 06 on the calendar.")]


@app.command()
def fleet(
    run: RunId,
    bootstrap_servers: BootstrapServers = None,
    prefix: TopicPrefix = None,
    registry: RegistryFile = None,
    history: Annotated[bool, typer.Option("--history", help="Send the published history, as fast as it goes.")] = False,
    rate: Annotated[
        float | None, typer.Option(min=RATE_MIN, max=RATE_MAX, help="Send so many documents a second, open loop.")
    ] = None,
    join: Annotated[bool, typer.Option("--join", help="Take part in the load test that --run names.")] = False,
    send: Annotated[bool, typer.Option("--send/--no-send", help="Send a share of it (with --join).")] = True,
    replay: Annotated[Path | None, typer.Option(help="Send what this plan of a replay says.")] = None,
    documents: Annotated[int | None, typer.Option(min=1, help="Stop sending after so many (with --rate).")] = None,
    constant: Annotated[bool, typer.Option("--constant", help="Even gaps instead of Poisson arrivals.")] = False,
    drafted_ahead: Annotated[bool, typer.Option("--drafted-ahead", help="Draft all documents first.")] = False,
    receive: Annotated[bool, typer.Option("--receive/--no-receive", help="Also be the recipients.")] = True,
    seed: Seed = 1,
    until: Until = None,
    scale: Scale = 1.0,
    share: Annotated[str, typer.Option(help="Which part of the agencies sends here, as 1/3.")] = "1/1",
    poll_interval: PollInterval = 0,
    life_cycle: LifeCycle = False,
    window: Annotated[int, typer.Option(min=1, help="Deliveries under way at most (with --history).")] = 200_000,
    metrics_port: MetricsPort = 0,
    metrics_host: MetricsHost = "127.0.0.1",
    owned: Owned = False,
    settings_file: SettingsFile = None,
) -> None:
    """Be the agencies until Ctrl-C. Without a load, or with --no-send, they only receive.

    A load is one of --history, --rate, --join and --replay.
    """
    if history + (rate is not None) + join + (replay is not None) > 1:
        raise UsageError(
            "--history, --rate, --join and --replay exclude each other", next_step="leave all but one of them out"
        )
    check_run(run)
    settings = settings_from(settings_file, {"kafka.bootstrap_servers": bootstrap_servers, "topics.prefix": prefix})
    if not send and not (join and receive):
        raise UsageError(
            "--no-send is for a fleet that joins a load test and receives",
            next_step="leave it out: without --history, --rate, --join and --replay a fleet only receives; "
            "and with --no-receive it would do nothing",
        )
    number, of = parse_share(share)
    kafka = reachable_kafka(settings)
    if not owned:  # whoever starts roles has made the topics
        asyncio.run(require_topics(kafka, Topics(settings.topics.prefix).all))
    topics, agencies = Topics(settings.topics.prefix), Registry.load(registry)
    if join:
        asyncio.run(probe(kafka))
    joined = asyncio.run(join_load_test(client_kwargs(kafka), topics, run, agencies, sends=send)) if join else None
    fleet_settings = FleetSettings(
        client_kwargs(kafka),
        topics,
        settings.topics.partitions,
        run,
        agencies,
        seed,
        receive=receive,
        name=source_name(number, sends=bool(history or rate or replay or (join and send)), states=life_cycle),
        share=(number, of),
        poll_interval_us=int(poll_interval * 1e6),
        life_cycle=life_cycle,
        window=window,
    )
    load: Load | None = None
    if joined is not None:
        fleet_settings, load = joined.settings(fleet_settings), joined.load
    elif history:
        last = parse_day(until) if until else DEFAULT_UNTIL
        load = ClosedLoad(History.load().generate(seed, fleet_settings.registry, last, scale=scale))
    elif rate is not None:
        load = OpenLoad(rate, documents, poisson=not constant, drafted_ahead=drafted_ahead)
    elif replay is not None:
        load = RecordedLoad(read_plan(replay))
    if keeps_a_schedule(load):
        go_before_others()
    clock, stats = SystemClock(), FleetStats.of(settings.topics.partitions)
    one = Fleet(fleet_settings, load, clock, stats)
    metrics = FleetMetrics(stats, f"{settings.topics.prefix}-agencies", clock, settings.topics.partitions)
    role = Role(
        "fleet",
        kafka,
        one.run,
        [metrics],
        ready=lambda: not receive or stats.receiver.assigned.is_set(),
        progress=metrics.progress,
        still_ns=STILL_NS + int(poll_interval * 1e9),  # full inboxes wait until their agencies poll
        runs=lambda: [run],
    )
    run_role(role, metrics_port=metrics_port, owned=owned, metrics_host=metrics_host)


def keeps_a_schedule(load: Load | None) -> bool:
    """Return whether documents of a load are due at moments, so that being woken late shows."""
    if isinstance(load, RecordedLoad):
        return not load.plan.closed
    return isinstance(load, OpenLoad | ScheduledLoad)


def go_before_others() -> None:
    """Have this thread woken at once when it is due, if the system allows it.

    A schedule is kept by waking up in time, and a fair scheduler lets whatever carries the load finish its slice
    first, for milliseconds. Only the privileged may; others are as late as the machine makes them, and say so.
    """
    with contextlib.suppress(OSError):
        if hasattr(os, "sched_setscheduler"):
            os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(os.sched_get_priority_min(os.SCHED_RR)))
        else:
            os.setpriority(os.PRIO_PROCESS, 0, GENERATOR_NICENESS)


def source_name(number: int, *, sends: bool, states: bool) -> str:
    """Return what a fleet's readings are told apart by: its share, or its process if it only receives and states.

    Any number of receivers share a run without having numbers, and each has statuses of its own still to state. Those
    that state nothing go by their shares too, which the receivers of a load test have; others have nothing to tell, so
    that they may have the same name, and a new one takes the place of one that died.
    """
    if sends:
        return f"fleet-{number}"
    return f"receivers-{socket.gethostname()}-{os.getpid()}" if states else f"receivers-{number}"


def check_run(run: str) -> None:
    """Refuse an identity that events could not carry: the hub would refuse every document of that run."""
    if not 0 < len(run) <= RUN_LENGTH_MAX or not run.isprintable() or run != run.strip():
        raise UsageError(
            f"--run {run!r} is no identity of a run", next_step=f"give 1 to {RUN_LENGTH_MAX} characters, as in trial-1"
        )


def parse_share(text: str) -> tuple[int, int]:
    """Return (number from 0, how many) of "k/n"."""
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise UsageError(f"--share {text} is no part of a whole", next_step="give it as 1/3, 2/3 and 3/3")
    return int(match[1]) - 1, int(match[2])


def parse_day(text: str) -> date:
    """Return the day that a user wrote in either usual way."""
    for form in ("%Y-%m-%d", "%d/%m/%Y"):
        try:
            return datetime.strptime(text, form).replace(tzinfo=UTC).date()
        except ValueError:
            continue
    raise UsageError(f"{text!r} is no date", next_step="write it as 2021-02-23 or 23/02/2021")
