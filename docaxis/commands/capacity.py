"""`docaxis capacity`: the highest rate at which all objectives of a workload hold, and what gives way beyond it."""

import asyncio
import os
import secrets
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from math import inf
from typing import Annotated

import orjson
import typer
from rich.console import Console

from docaxis.commands.capacity_result import Circumstances, answer_content
from docaxis.commands.capacity_steps import StepWatch, outcome_of, searched_with, step_content
from docaxis.commands.exhausted import BusyWatch, broker_pids
from docaxis.commands.kafka_for_run import kafka_for_run, topics_of_its_own
from docaxis.commands.load_end import Finished
from docaxis.commands.load_test import LoadTest, offered_content, prepare
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
from docaxis.commands.run import run_load_test
from docaxis.domain.errors import UsageError
from docaxis.files import make_folder, write_whole
from docaxis.kafka.broker import EmbeddedBroker
from docaxis.settings import Settings
from monitor.capacity import Capacity, CapacitySearch, Finding, Plan, Step
from monitor.capacity_view import capacity_view, step_begins, step_ended, told_before
from monitor.words import Language

app = new_app(__doc__)

#: How a search ends: with an answer, with "not even the least", or without one.
_EXIT_CODES = {Finding.FOUND: 0, Finding.AT_LEAST: 0, Finding.BELOW_MINIMUM: 1, Finding.UNDECIDED: 3}


@dataclass(frozen=True, slots=True)
class CapacityTest:
    """What is searched for."""

    workload: str
    plan: Plan
    given: LoadTest  # the workload with its own phases

    def at(self, step: Step) -> LoadTest:
        """Return the load test of one step: this rate, unchanged, from its first second to its last."""
        given = {key: value for key, value in offered_content(self.given).items() if key != "registry"}
        content = step_content(given, step)
        return prepare(self.workload, registry=self.given.registry_file, fleets=self.given.fleets, content=content)


@app.command()
def capacity(
    workload: Annotated[str, typer.Argument(help="A shipped workload's name, or a TOML file.")],
    start: Annotated[float, typer.Option(min=1, help="Deliveries a second of the first step.")] = 500,
    least: Annotated[float, typer.Option(min=0.1, help="Below so many deliveries a second nobody looks.")] = 10,
    most: Annotated[float | None, typer.Option(min=1, help="Above so many nobody looks.")] = None,
    precision: Annotated[float, typer.Option(min=0.01, max=0.5, help="Width of the answer, relative.")] = 0.05,
    settle: Annotated[float, typer.Option(min=1, help="Seconds before each measured part.")] = 5,
    measure: Annotated[float, typer.Option(min=3, help="Seconds of a step.")] = 20,
    confirm: Annotated[float, typer.Option(min=3, help="Seconds of the run that confirms the answer.")] = 60,
    bootstrap_servers: BootstrapServers = None,
    prefix: TopicPrefix = None,
    registry: RegistryFile = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Another seed than the workload's.")] = None,
    hub: Annotated[str | None, typer.Option(help="external: start no hub, test whoever routes.")] = None,
    fleets: Annotated[int, typer.Option(min=1, max=64, help="Processes that share the agencies.")] = 1,
    lang: Annotated[Language, typer.Option(help="Language of the views.")] = Language.EN,
    as_json: AsJson = False,
    settings_file: SettingsFile = None,
) -> None:
    """Search for the highest rate at which all objectives hold: steps up, bisection, a longer run to confirm."""
    settings = settings_from(settings_file, {"kafka.bootstrap_servers": bootstrap_servers, "topics.prefix": prefix})
    try:
        plan = Plan(
            start,
            least,
            most if most is not None else inf,
            precision=precision,
            settle_s=settle,
            measure_s=measure,
            confirm_s=max(confirm, measure),
        )
    except ValueError as error:
        raise UsageError(str(error), next_step="give --least, --start and --most in rising order") from error
    given = prepare(workload, registry=registry, seed=seed, hub=hub, fleets=fleets)
    test = CapacityTest(workload, plan, given)
    told = searched_with(given.loaded.content)
    first = CapacitySearch(plan).step
    assert first is not None
    test.at(first)  # whatever is wrong with the workload is said before anything is started
    deliveries = round(start * 4 * plan.confirm_s)
    tell = partial(progress, language=lang)
    for text in told_before(told):
        tell(text)
    started_us, started_s = time.time_ns() // 1000, time.monotonic()
    with kafka_for_run(settings, deliveries // 3, deliveries, keep=False, tell=tell) as (reachable, broker):
        answer, search = asyncio.run(_search(reachable, test, broker, lang))
    folder = settings.paths.runs / f"capacity-{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
    code = _EXIT_CODES[answer.finding]
    under = Circumstances(folder.name, given, reachable, started_us, time.monotonic() - started_s, code)
    content = answer_content(answer, search, under)
    make_folder(folder, "DOCAXIS_PATHS_RUNS")
    file = folder / "capacity.json"
    write_whole(file, orjson.dumps(content, option=orjson.OPT_INDENT_2) + b"\n")
    if as_json:
        print(orjson.dumps(content).decode())
    else:
        console = Console()
        console.print(capacity_view(answer, search, lang))
        console.print(os.path.relpath(file), highlight=False)
    raise typer.Exit(code)


async def _search(
    settings: Settings, test: CapacityTest, broker: EmbeddedBroker | None, language: Language
) -> tuple[Capacity, CapacitySearch]:
    """Run step after step until there is an answer."""
    search = CapacitySearch(test.plan)
    while (step := search.step) is not None:
        progress(step_begins(step), language)
        busy = BusyWatch(broker_pids(settings))
        finished = await _run_step(settings, test.at(step), step, broker, busy)
        outcome = outcome_of(step, finished.result, busy.busy)
        progress(step_ended(outcome, next(iter(finished.result["invalid_reasons"]), "")), language)
        search = search.after(outcome)
    answer = search.answer
    assert answer is not None
    return answer, search


async def _run_step(
    settings: Settings, load_test: LoadTest, step: Step, broker: EmbeddedBroker | None, busy: BusyWatch
) -> Finished:
    """Run a step, on topics of its own where the hub is ours: what one leaves undelivered must not load the next."""
    watch = StepWatch(load_test.run, step.rate)
    async with AsyncExitStack() as stack:
        if load_test.loaded.workload.hub == "reference":
            settings = await stack.enter_async_context(topics_of_its_own(settings, load_test.run))
        return await run_load_test(settings, load_test, broker, observe=busy.observe, why_end=watch.why_end)
