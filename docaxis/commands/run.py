"""`docaxis run`: a workload against the hub, measured honestly and judged by its objectives."""

import asyncio
import contextlib
import json
import logging
import os
import secrets
import shlex
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.live import Live

from docaxis.commands.axis import Axis
from docaxis.commands.conduct import RoleCommand, process_figures
from docaxis.commands.conduct_load import ConductedLoad, LoadConductor, LoadMoment
from docaxis.commands.join import joined_of
from docaxis.commands.kafka_for_run import kafka_for_run
from docaxis.commands.load_faults import needs_broker
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
from docaxis.domain.agency import Registry
from docaxis.domain.control import Offer
from docaxis.domain.errors import UsageError
from docaxis.files import make_folder
from docaxis.kafka.broker import EmbeddedBroker
from docaxis.kafka.client import client_kwargs
from docaxis.kafka.jars import KAFKA_VERSION
from docaxis.kafka.topics import Topics, ensure_topics, plan_topics
from docaxis.settings import Settings
from docaxis.workload.file import LoadedWorkload, load_workload, workload_of
from monitor.generator_check import GeneratorCheck, check_generator
from monitor.live.page import LivePage, LiveSettings
from monitor.load_figures import LoadFigures
from monitor.load_result import (
    Injected,
    account_faults,
    faults_found,
    faults_injected,
    load_test_fields,
    write_load_files,
)
from monitor.load_view import Now, load_closing_view, load_line, load_table
from monitor.objectives import Judgement, judge_objectives
from monitor.reading import ARRIVALS
from monitor.report import REPORT, write_report
from monitor.result import result_of, write_result
from monitor.run_folder import load_run
from monitor.series import with_outstanding
from monitor.service_objectives import ServiceObjectives
from monitor.verdict import Verdict, ledger_totals
from monitor.words import Language

app = new_app(__doc__)

#: Without a terminal: seconds between lines.
PLAIN_INTERVAL_S = 2.0


@dataclass(frozen=True, slots=True)
class LoadTest:
    """What will be run."""

    run: str
    loaded: LoadedWorkload
    registry: Registry
    registry_file: Path | None
    started_ms: int
    fleets: int
    external_fleets: int

    @property
    def all_fleets(self) -> int:
        """Fleets of all machines."""
        return self.fleets + self.external_fleets

    @property
    def receives_apart(self) -> bool:
        """Whether the agencies receive in processes of their own, as many as those that send.

        A receiver at work would hold back documents that are due in the same process. A closed loop has none that are
        due; those who state business statuses go by the calendar of the documents they send; and where other machines
        take part, each fleet there is both.
        """
        workload = self.loaded.workload
        closed = any(phase.closed for phase in workload.offering)
        return not (closed or workload.receipts.life_cycle or self.external_fleets)

    def processors(self) -> list[RoleCommand]:
        """Return the roles that route, count and, if that is apart, receive."""
        workload, registry = self.loaded.workload, self.registry_arguments()
        late_s, lost_s = workload.receipts.late_after / 1e6, workload.lost_after_us / 1e6
        stream = ["stream", "--snapshot-interval", "1", "--late-after", str(late_s), "--lost-after", str(lost_s)]
        roles = [RoleCommand("stream", [*stream, *registry])]
        if workload.hub == "reference":
            limit = next((fault.rate for fault in workload.faults if fault.kind == "limited-hub"), None)
            limited = ["--deliveries-max", str(limit.value)] if limit is not None else []
            roles.insert(0, RoleCommand("hub", ["hub", *limited, *registry]))
        if self.receives_apart:
            roles += [
                RoleCommand(f"receivers-{number}", self._joins(number, "--no-send")) for number in range(self.fleets)
            ]
        return roles

    def fleet_roles(self) -> list[RoleCommand]:
        """Return the fleets that this command starts."""
        apart = ["--no-receive"] if self.receives_apart else []
        return [RoleCommand(f"fleet-{number}", self._joins(number, *apart)) for number in range(self.fleets)]

    def joining_commands(self, settings: Settings) -> list[str]:
        """Return what to type on other machines, a line for each fleet that this command does not start."""
        where = ["--bootstrap-servers", settings.kafka.bootstrap_servers, "--prefix", settings.topics.prefix]
        return [shlex.join(["docaxis", *self._joins(number), *where]) for number in range(self.fleets, self.all_fleets)]

    def _joins(self, number: int, *only: str) -> list[str]:
        share = f"{number + 1}/{self.all_fleets}"
        return ["fleet", "--join", "--run", self.run, "--share", share, *only, *self.registry_arguments()]

    def registry_arguments(self) -> list[str]:
        """Return the option that names the registry, if it is not the package's own."""
        return ["--registry", str(self.registry_file)] if self.registry_file else []


@dataclass(frozen=True, slots=True)
class Finished:
    """A load test that came to its end."""

    exit_code: int
    folder: Path
    result: dict[str, Any]
    figures: LoadFigures
    judgements: list[Judgement]


def prepare(
    name: str,
    *,
    registry: Path | None = None,
    seed: int | None = None,
    hub: str | None = None,
    fleets: int = 1,
    external_fleets: int = 0,
    content: dict[str, Any] | None = None,
) -> LoadTest:
    """Read a workload and whatever it names, before anything is started. Raises UsageError for all faults."""
    loaded = load_workload(name) if content is None else workload_of(content, name)
    changes = {key: value for key, value in (("seed", seed), ("hub", hub)) if value is not None}
    if changes:
        loaded = replace(workload_of({**loaded.content, **changes}, loaded.place), folder=loaded.folder)
    phases = [dict(phase) for phase in loaded.content["phases"]]
    for phase in phases:
        if "file" in phase:
            phase["file"] = str(loaded.path(Path(phase["file"])).absolute())
    traffic = [dict(kind) for kind in loaded.content.get("traffic", ())]
    for kind in traffic:
        if "like" in kind:
            kind["like"] = str(loaded.path(Path(kind["like"])).absolute())
    named = loaded.workload.registry
    registry_file = registry or (loaded.path(named) if named is not None else None)
    pathed = {**loaded.content, "phases": phases} | ({"traffic": traffic} if traffic else {})
    loaded = replace(loaded, workload=workload_of(pathed, loaded.place).workload)
    return LoadTest(
        f"run-{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}",
        loaded,
        Registry.load(registry_file),
        registry_file and registry_file.absolute(),
        time.time_ns() // 1_000_000,
        fleets,
        external_fleets,
    )


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
    if check:
        print(json.dumps(expected.as_data()) if as_json else expected.text())
        return
    joined_of(Offer(test.run, 1, test.started_ms, offered_content(test)), test.registry)  # names and traces exist
    if needs_broker(test.loaded.workload.faults) and settings.kafka.bootstrap_servers:
        raise UsageError(
            "the workload stops the broker, and --bootstrap-servers names a cluster that is not ours to stop",
            next_step="leave it out: a broker is started for the run",
        )
    documents, deliveries = expected.documents, expected.deliveries
    with kafka_for_run(settings, documents, deliveries, keep=keep, tell=partial(progress, language=lang)) as (
        reachable,
        broker,
    ):
        console = Console(stderr=as_json)
        finished = asyncio.run(run_load_test(reachable, test, broker, page, language=lang, console=console))
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


def log_into(file: Path) -> None:
    """Let what the clients complain of go into a file: a broker that has just made its topics makes them complain."""
    make_folder(file.parent, "DOCAXIS_PATHS_RUNS")
    logging.basicConfig(
        filename=file, level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s", force=True
    )


def offered_content(test: LoadTest) -> dict[str, Any]:
    """Return the workload as fleets are told it: files by absolute paths."""
    dumped: dict[str, Any] = test.loaded.workload.model_dump(mode="json", exclude_none=True, exclude_unset=True)
    return dumped


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


def conclude(settings: Settings, test: LoadTest, conducted: ConductedLoad, started_us: int, folder: Path) -> Finished:
    """Judge a run, write its files, return what came of it."""
    workload, readings, run_id = test.loaded.workload, conducted.readings, test.run
    ledger = ledger_totals(readings, run_id, drained=conducted.drained or conducted.lost_after_passed)
    figures = LoadFigures(readings, run_id, conducted.plan, ledger, list(with_outstanding(conducted.series.rows())))
    arrivals, injected = readings.counts(run_id, ARRIVALS), Injected.of(readings, run_id)
    judgements = judge_objectives(workload.objectives, figures, test.registry, arrivals.get("dropped", 0))
    generator = check_generator(figures, workload.generator)
    faults = account_faults(ledger, arrivals, injected, conducted.unreadable)
    faults += [f"ended early: {conducted.aborted}"] if conducted.aborted else []
    met = not faults and all(one.met is not False for one in judgements)
    exit_code = 3 if generator.reasons else 0 if met else 1
    result = load_test_result(
        settings,
        test,
        conducted,
        Verdict(ledger, arrivals, (), tuple(faults)),
        (figures, judgements, generator),
        exit_code,
        started_us,
        folder,
    )
    write_result(folder, result)
    return Finished(exit_code, folder, result, figures, judgements)


def load_test_result(
    settings: Settings,
    test: LoadTest,
    conducted: ConductedLoad,
    verdict: Verdict,
    judged: tuple[LoadFigures, list[Judgement], GeneratorCheck],
    exit_code: int,
    started_us: int,
    folder: Path,
) -> dict[str, Any]:
    """Write what lies beside the result, and return the result."""
    workload, run_id = test.loaded.workload, test.run
    figures, judgements, generator = judged
    injected = Injected.of(conducted.readings, run_id)
    rows = faults_injected(workload.faults, conducted.plan, workload.first_phase, injected, conducted.faults)
    result = result_of(
        verdict,
        figures.stages(),
        run=run_id,
        exit_code=exit_code,
        seed=workload.seed,
        workload=test.loaded.content,
        settings=settings.shown(),
        wall_seconds=conducted.wall_seconds,
        started_us=started_us,
        extra_versions={"kafka": KAFKA_VERSION},
        processes=process_figures(conducted.peak_rss_bytes, conducted.cpu_seconds),
    )
    result |= load_test_fields(figures, workload, judgements, generator, rows)
    result |= {
        "verdict": "pass" if not exit_code else "fail",
        "workload_hash": test.loaded.hash,
        "faults_found": faults_found(verdict.ledger, conducted.unreadable, injected),
        "controls": conducted.controls,
        "clock": {
            "skew_us": max((abs(one.skew_us) for one in conducted.ready.values()), default=0),
            "fleets": {
                one.source: {"skew_us": one.skew_us, "uncertainty_us": one.uncertainty_us}
                for one in conducted.ready.values()
            },
        },
        "series_second0_us": write_load_files(folder, figures),
    }
    return result


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
            now_us = time.time_ns() // 1000
            shown = Now(now.plan, now.series.newest(10), now.readings, run_id, now_us, now.memory_bytes, language)
            if live is not None:
                live.update(load_table(shown), refresh=True)
            else:
                console.print(load_line(shown), highlight=False, soft_wrap=True)

        yield tell
