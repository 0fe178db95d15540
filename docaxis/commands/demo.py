"""`docaxis demo`: the axis's whole published history through a real Apache Kafka, every delivery accounted for."""

import asyncio
import contextlib
import os
import secrets
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.live import Live
from rich.text import Text

from docaxis.commands.axis import Axis
from docaxis.commands.command_line import typed_command_line
from docaxis.commands.conduct import Conducted, Conductor, RoleCommand, process_figures
from docaxis.commands.fleet import LifeCycle, PollInterval, Scale, Seed, Until, parse_day
from docaxis.commands.kafka_for_run import kafka_for_run
from docaxis.commands.load_test import registry_content, registry_field
from docaxis.commands.options import (
    BootstrapServers,
    RegistryFile,
    SettingsFile,
    TopicPrefix,
    new_app,
    progress,
    settings_from,
)
from docaxis.domain.agency import Registry
from docaxis.files import make_folder
from docaxis.kafka.broker import kafka_version
from docaxis.kafka.client import client_kwargs
from docaxis.kafka.topics import Topics, ensure_topics, plan_topics
from docaxis.settings import Settings
from monitor.by_agency import agency_fields, write_received_pairs
from monitor.live.page import LivePage
from monitor.progress import Moment, closing_view, progress_line
from monitor.report import write_report
from monitor.result import result_of, write_result
from monitor.run_folder import load_run, write_histograms
from monitor.verdict import Verdict, judge, stage_histograms
from monitor.words import Language
from producers.history import DEFAULT_UNTIL, History

app = new_app(__doc__)

#: Without a terminal: seconds between lines.
PLAIN_INTERVAL_S = 2.0


@dataclass(frozen=True, slots=True)
class DemoPlan:
    """What will be sent."""

    run: str
    seed: int
    until: date
    scale: float
    registry: Registry
    registry_file: Path | None
    poll_interval_s: float
    life_cycle: bool

    def milestones(self) -> list[Any]:
        """Return the milestones with what was published for each."""
        return list(History.load().plan(self.seed, self.until, agencies=len(self.registry), scale=self.scale))

    def fleet_arguments(self) -> list[str]:
        """Return the fleet's command line."""
        arguments = ["fleet", "--run", self.run, "--history", "--seed", str(self.seed)]
        arguments += ["--until", self.until.isoformat(), "--scale", str(self.scale)]
        arguments += ["--poll-interval", str(self.poll_interval_s), *self.registry_arguments()]
        return arguments + (["--life-cycle"] if self.life_cycle else [])

    def registry_arguments(self) -> list[str]:
        """Return the option that names the registry, if it is not the package's own."""
        return ["--registry", str(self.registry_file)] if self.registry_file else []

    def workload(self) -> dict[str, Any]:
        """Return what identifies the traffic: with the seed, the same again."""
        return {
            "name": "history",
            "closed_loop": True,
            "until": self.until.isoformat(),
            "scale": self.scale,
            "agencies": len(self.registry),
            "poll_interval_seconds": self.poll_interval_s,
            "life_cycle": self.life_cycle,
        }


@app.command()
def demo(
    bootstrap_servers: BootstrapServers = None,
    prefix: TopicPrefix = None,
    registry: RegistryFile = None,
    seed: Seed = 1,
    until: Until = None,
    scale: Scale = 1.0,
    poll_interval: PollInterval = 0,
    life_cycle: LifeCycle = False,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the broker running, with all topics.")] = False,
    lang: Annotated[Language, typer.Option(help="Language of the views.")] = Language.EN,
    settings_file: SettingsFile = None,
) -> None:
    """Send the published history (12/03/2019 to 23/02/2021: 4.4 million documents sent and received)."""
    settings = settings_from(settings_file, {"kafka.bootstrap_servers": bootstrap_servers, "topics.prefix": prefix})
    agencies = Registry.load(registry)
    last = parse_day(until) if until else DEFAULT_UNTIL
    run = f"demo-{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
    plan = DemoPlan(run, seed, last, scale, agencies, registry and registry.absolute(), poll_interval, life_cycle)
    plan.milestones()  # refuses what was never published, before anything is started
    make_folder(settings.paths.runs / run, "DOCAXIS_PATHS_RUNS")
    final = plan.milestones()[-1]
    tell = partial(progress, language=lang)
    with kafka_for_run(settings, final.sent, final.received, keep=keep, full_batches=True, tell=tell) as (reachable, _):
        raise typer.Exit(asyncio.run(_demo(reachable, plan, lang)))


async def _demo(settings: Settings, plan: DemoPlan, language: Language) -> int:
    await ensure_topics(settings.kafka, plan_topics(settings.topics))
    milestones = plan.milestones()
    final = milestones[-1]
    folder = settings.paths.runs / plan.run
    started_us = time.time_ns() // 1000
    console = Console()
    progress(
        f"Sending {final.sent:,} documents to {final.received:,} recipients ({plan.run}); roles are starting ...",
        language,
    )
    async with Axis(settings, folder / "logs") as axis:
        conductor = Conductor(settings, axis, plan.run, fleets=1)
        processors = [
            RoleCommand("hub", ["hub", *plan.registry_arguments()]),
            RoleCommand("stream", ["stream", "--snapshot-interval", "1", *plan.registry_arguments()]),
        ]
        cluster = (client_kwargs(settings.kafka), Topics(settings.topics.prefix), settings.topics.partitions)
        async with LivePage(*cluster, conductor.feed, plan.registry) as page:
            progress(f"Live page: {page.url}/?lang={language}", language)
            with _teller(console, final.total, language) as tell:
                conducted = await conductor.conduct(processors, [RoleCommand("fleet", plan.fleet_arguments())], tell)
    verdict = judge(conducted.readings, plan.run, milestones, drained=conducted.drained)
    return _conclude(console, settings, plan, conducted, verdict, started_us, folder, language)


def _conclude(
    console: Console,
    settings: Settings,
    plan: DemoPlan,
    conducted: Conducted,
    verdict: Verdict,
    started_us: int,
    folder: Path,
    language: Language,
) -> int:
    """Show the end, write the result, return the exit code."""
    exit_code = 0 if verdict.passed else 1
    stages = stage_histograms(conducted.readings, plan.run)
    result = result_of(
        verdict,
        stages,
        run=plan.run,
        exit_code=exit_code,
        seed=plan.seed,
        workload=plan.workload(),
        settings=settings.shown(),
        wall_seconds=conducted.wall_seconds,
        started_us=started_us,
        extra_versions=kafka_version(settings),
        processes=process_figures(conducted.peak_rss_bytes, conducted.cpu_seconds),
        command_line=typed_command_line(),
        registry=registry_field(plan.registry, plan.registry_file, registry_content(plan.registry_file)),
    )
    result |= agency_fields(conducted.readings, plan.run)
    write_histograms(folder, stages)
    write_received_pairs(folder, conducted.readings, plan.run, plan.registry)
    path = write_result(folder, result)
    report = write_report(load_run(folder), plan.registry, language)
    console.print(closing_view(verdict, stages, result["rates"], language))
    shown = f"{os.path.relpath(path)}   {os.path.relpath(report)}"
    console.print(f"{conducted.wall_seconds:,.1f} s   {shown}", highlight=False)
    return exit_code


@contextlib.contextmanager
def _teller(console: Console, planned_total: int, language: Language) -> Iterator[Callable[[Moment], None]]:
    """Give a function that shows moments: one line that changes on a terminal, a line now and then without one."""
    before: list[Moment] = []

    def line(now: Moment) -> str | None:
        interval_s = 0.5 if live is not None else PLAIN_INTERVAL_S
        if before and now.elapsed_s - before[-1].elapsed_s < interval_s:
            return None
        text = progress_line(now, before[-1], planned_total, language) if before else None
        before[:] = [now]
        return text

    live = Live(console=console, transient=True, auto_refresh=False) if sys.stdout.isatty() else None
    with live or contextlib.nullcontext():

        def tell(now: Moment) -> None:
            text = line(now)
            if text is None:
                return
            if live is not None:
                live.update(Text(text), refresh=True)
            else:
                print(text, flush=True)

        yield tell
