"""`docaxis run`: a workload against the hub, measured honestly and judged by its objectives."""

import contextlib
import json
import logging
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live

from docaxis.commands.axis import Axis
from docaxis.commands.conduct_load import LoadConductor, LoadMoment
from docaxis.commands.interrupts import Interrupts
from docaxis.commands.join import joined_of
from docaxis.commands.kafka_for_run import kafka_for_run
from docaxis.commands.load_end import Finished, conclude
from docaxis.commands.load_faults import needs_broker
from docaxis.commands.load_test import LoadTest, offered_content, prepare
from docaxis.commands.objective_watch import ObjectiveWatch
from docaxis.commands.options import (
    AsJson,
    BootstrapServers,
    RegistryFile,
    SettingsFile,
    TopicPrefix,
    new_app,
    progress,
    settings_from,
)
from docaxis.commands.page_options import PagePort, TokenFile, live_settings
from docaxis.commands.preview import preview
from docaxis.domain.control import Offer
from docaxis.domain.errors import UsageError
from docaxis.files import make_folder
from docaxis.kafka.broker import EmbeddedBroker
from docaxis.kafka.client import client_kwargs
from docaxis.kafka.topics import Topics, ensure_topics, plan_topics
from docaxis.settings import Settings
from monitor.live.page import LivePage, LiveSettings
from monitor.load_figures import LoadFigures
from monitor.load_result import write_load_files
from monitor.load_view import Now, load_closing_view, load_line, load_partial, load_table
from monitor.report import REPORT, write_report
from monitor.run_folder import load_run
from monitor.series import with_outstanding
from monitor.service_objectives import ServiceObjectives
from monitor.verdict import ledger_totals
from monitor.words import Language

app = new_app(__doc__)

#: Without a terminal: seconds between lines.
PLAIN_INTERVAL_S = 2.0


@app.command()
def run(
    workload: Annotated[str, typer.Argument(help="A shipped workload's name, or a TOML file.")],
    check: Annotated[bool, typer.Option("--check", help="Only read it, and show what would happen.")] = False,
    bootstrap_servers: BootstrapServers = None,
    prefix: TopicPrefix = None,
    registry: RegistryFile = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Another seed than the workload's.")] = None,
    hub: Annotated[str | None, typer.Option(help="external: start no hub, test whoever routes.")] = None,
    fleets: Annotated[int, typer.Option(min=1, max=64, help="Processes that share the agencies.")] = 1,
    external_fleets: Annotated[
        int, typer.Option(min=0, max=64, help="Further fleets that join from other machines.")
    ] = 0,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the broker running, with all topics.")] = False,
    lang: Annotated[Language, typer.Option(help="Language of the views and of the report.")] = Language.EN,
    page_port: PagePort = 0,
    token_file: TokenFile = None,
    as_json: AsJson = False,
    settings_file: SettingsFile = None,
) -> None:
    """Offer a workload and judge what comes of it: exit code 0 all met, 1 missed, 3 the generator was at fault."""
    settings = settings_from(settings_file, {"kafka.bootstrap_servers": bootstrap_servers, "topics.prefix": prefix})
    if hub not in (None, "external", "reference"):
        raise UsageError(f"--hub {hub} is not known", next_step="leave it out, or give --hub external")
    page = live_settings("127.0.0.1", page_port, None, token_file)
    test = prepare(workload, registry=registry, seed=seed, hub=hub, fleets=fleets, external_fleets=external_fleets)
    expected = preview(test.loaded.workload, test.registry, test.started_ms)
    joined_of(Offer(test.run, 1, test.started_ms, offered_content(test)), test.registry)  # fleets can make a load of it
    if check:
        print(json.dumps(expected.as_data()) if as_json else expected.text())
        return
    if needs_broker(test.loaded.workload.faults) and settings.kafka.bootstrap_servers:
        raise UsageError(
            "the workload stops the broker, and --bootstrap-servers names a cluster that is not ours to stop",
            next_step="leave it out: a broker is started for the run",
        )
    documents, deliveries = expected.documents, expected.deliveries
    telling = partial(progress, language=lang)
    with (
        Interrupts() as interrupts,
        kafka_for_run(settings, documents, deliveries, keep=keep, tell=telling) as (reachable, broker),
    ):
        console = Console(stderr=as_json)
        newest: deque[LoadMoment] = deque(maxlen=1)
        offered = partial(run_load_test, reachable, test, broker, page, language=lang, console=console)
        try:
            finished = interrupts.run(partial(offered, observe=newest.append))
        except KeyboardInterrupt:
            _show_partial(settings.paths.runs / test.run, test.run, newest, console, lang)
            raise
        _show(finished, console, lang, as_json=as_json)
    path = write_report(load_run(finished.folder), test.registry, lang, finished.folder / REPORT)
    progress(os.path.relpath(path))
    raise typer.Exit(finished.exit_code)


def _show(finished: Finished, console: Console, language: Language, *, as_json: bool) -> None:
    """Show what a run came to."""
    if as_json:
        print(json.dumps(finished.result))
        return
    console.print(load_closing_view(finished.result, finished.judgements, language))
    path = os.path.relpath(finished.folder / "result.json")
    console.print(f"{finished.result['wall_seconds']:,.1f} s   {path}", highlight=False)


def _show_partial(
    folder: Path, run_id: str, newest: Iterable[LoadMoment], console: Console, language: Language
) -> None:
    """Show what an interrupted run had come to, and keep its series; it has no verdict."""
    for moment in newest:
        now = _now(moment, run_id, language)
        ledger = ledger_totals(moment.readings, run_id, drained=False)
        rows = list(with_outstanding(moment.series.rows()))
        write_load_files(folder, LoadFigures(moment.readings, run_id, moment.plan, ledger, rows), {})
        console.print(load_partial(now), highlight=False, soft_wrap=True)
    if folder.exists():
        console.print(os.path.relpath(folder), highlight=False, soft_wrap=True)


def _now(moment: LoadMoment, run_id: str, language: Language) -> Now:
    """Return what the views show of a moment."""
    newest, now_us = moment.series.newest(10), moment.plan.begin_us + round(moment.elapsed_s * 1e6)
    return Now(moment.plan, newest, moment.readings, run_id, now_us, moment.memory_bytes, language)


def log_into(file: Path) -> None:
    """Let what the clients complain of go into a file: a broker that has just made its topics makes them complain."""
    make_folder(file.parent, "DOCAXIS_PATHS_RUNS")
    logging.basicConfig(
        filename=file, level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s", force=True
    )


async def run_load_test(
    settings: Settings,
    test: LoadTest,
    broker: EmbeddedBroker | None,
    page_settings: LiveSettings | None = None,
    *,
    language: Language = Language.EN,
    console: Console | None = None,
    observe: Callable[[LoadMoment], None] = lambda moment: None,
    why_end: Callable[[LoadMoment], str] = lambda moment: "",
) -> Finished:
    """Run it and write its result; `observe` is told of every moment, whoever else looks on.

    Without a console nothing is shown. The run ends early when an objective says so, or when `why_end` returns why.
    """
    if needs_broker(test.loaded.workload.faults) and broker is None:
        raise UsageError(
            "the workload stops the broker, and one that runs already is not the run's own",
            next_step="`docaxis broker down` first: a broker is started for the run",
        )
    await ensure_topics(settings.kafka, plan_topics(settings.topics))
    folder = settings.paths.runs / test.run
    log_into(folder / "logs" / "conductor.log")
    started_us = time.time_ns() // 1000
    if console is not None:
        progress(f"{test.loaded.workload.name} ({test.run}); roles are starting ...", language)
        for command in test.joining_commands(settings):
            progress(f"on another machine: {command}", language)
    watch = ObjectiveWatch(test.loaded.workload.objectives, test.run, test.registry)
    async with Axis(settings, folder / "logs") as axis:
        conductor = LoadConductor(
            settings,
            axis,
            test.run,
            test.loaded.workload,
            offered_content(test),
            test.registry,
            test.started_ms,
            test.all_fleets,
            broker,
            lambda moment: watch.why_abort(moment) or why_end(moment),
        )
        cluster = (client_kwargs(settings.kafka), Topics(settings.topics.prefix), settings.topics.partitions)
        promises = replace(page_settings or LiveSettings(), objectives=ServiceObjectives.load())
        async with LivePage(*cluster, conductor.feed, test.registry, promises) as page:
            if console is not None:
                progress(f"Live page: {page.url}/?run={test.run}&lang={language}", language)
            with _teller(console, test.run, language) as tell:

                def look(moment: LoadMoment) -> None:
                    observe(moment)
                    tell(moment)

                conducted = await conductor.conduct(test.processors(), test.fleet_roles(), look)
    return conclude(settings, test, conducted, started_us, folder)


@contextlib.contextmanager
def _teller(console: Console | None, run_id: str, language: Language) -> Iterator[Callable[[LoadMoment], None]]:
    """Give a function that shows moments: a table that changes on a terminal, a line now and then without one."""
    if console is None:
        yield lambda moment: None
        return
    shown_s = [0.0]
    live = Live(console=console, transient=True, auto_refresh=False) if sys.stdout.isatty() else None
    interval_s = 0.5 if live is not None else PLAIN_INTERVAL_S
    with live or contextlib.nullcontext():

        def tell(now: LoadMoment) -> None:
            if time.monotonic() - shown_s[0] < interval_s:
                return
            shown_s[0] = time.monotonic()
            shown = _now(now, run_id, language)
            if live is not None:
                live.update(load_table(shown), refresh=True)
            else:
                console.print(load_line(shown), highlight=False, soft_wrap=True)

        yield tell
