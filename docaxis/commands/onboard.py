"""`docaxis onboard`: may these agencies be connected? The same baseline without and with them, and a clear answer."""

import asyncio
import os
import secrets
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console

from docaxis.commands.capacity_steps import limit_of
from docaxis.commands.kafka_for_run import kafka_for_run
from docaxis.commands.onboard_agencies import joining_agencies, registry_with
from docaxis.commands.onboard_runs import Baseline, OnboardingRuns, Ran, limit_text, median_share
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
from docaxis.commands.preview import preview
from docaxis.domain.agency import Registry
from docaxis.domain.errors import UsageError
from docaxis.files import make_folder
from docaxis.workload.model import Newcomer
from monitor.onboarding import PAIRS_MAX, PAIRS_MIN, SLOWDOWN_SHARE, Answer, Headroom, judge_onboarding
from monitor.onboarding_figures import Onboarding, compared, newcomer_of, run_of, seriously_worse
from monitor.onboarding_view import onboarding_view
from monitor.report import REPORT, write_report
from monitor.result import write_result
from monitor.run_folder import HISTOGRAMS, REGISTRY, SERIES, TRAFFIC, load_run
from monitor.words import Language

app = new_app(__doc__)

#: How a test ends: they may be connected, they may not, or the runs do not carry a judgement.
EXIT_CODES = {Answer.READY: 0, Answer.CONDITIONS: 0, Answer.NOT_READY: 1, Answer.CANNOT_TELL: 3}

#: Runs of a search for headroom, at most, in pairs' worth of traffic.
_HEADROOM_PAIRS = 8


@dataclass(frozen=True, slots=True)
class Found:
    """What the runs came to."""

    told: Onboarding
    last: Ran  # the last run with the newcomers: the rest of the report is about it


@app.command()
def onboard(
    agency: Annotated[str, typer.Option(help="Who joins: a code that is not there yet, as H95, or a registry file.")],
    like: Annotated[str, typer.Option(help="Code of an agency that is there, and that they are like.")],
    factor: Annotated[float, typer.Option(min=0.01, max=1000, help="So many times as busy as that one, each.")] = 1.0,
    count: Annotated[
        int | None, typer.Option(min=1, max=1000, help="How many join; default: one, or all of the file.")
    ] = None,
    baseline: Annotated[
        str, typer.Option(help="The workload without them: a shipped name, or a TOML file.")
    ] = "steady",
    repeat: Annotated[
        int, typer.Option(min=PAIRS_MIN, max=PAIRS_MAX, help="Pairs of runs, without and with them.")
    ] = 5,
    measure: Annotated[
        float | None, typer.Option(min=3, help="Seconds measured of each run; default: as the baseline has them.")
    ] = None,
    headroom: Annotated[
        bool, typer.Option("--headroom/--no-headroom", help="Also search for how much more the hub would carry.")
    ] = True,
    bootstrap_servers: BootstrapServers = None,
    prefix: TopicPrefix = None,
    registry: RegistryFile = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Another seed than the baseline's.")] = None,
    hub: Annotated[str | None, typer.Option(help="external: start no hub, test whoever routes.")] = None,
    fleets: Annotated[int, typer.Option(min=1, max=64, help="Processes that share the agencies.")] = 1,
    lang: Annotated[Language, typer.Option(help="Language of the views and of the report.")] = Language.EN,
    as_json: AsJson = False,
    settings_file: SettingsFile = None,
) -> None:
    """Judge whether new agencies may be connected: exit code 0 ready, 1 not ready, 3 cannot tell."""
    settings = settings_from(settings_file, {"kafka.bootstrap_servers": bootstrap_servers, "topics.prefix": prefix})
    if hub not in (None, "external", "reference"):
        raise UsageError(f"--hub {hub} is not known", next_step="leave it out, or give --hub external")
    base = Baseline.of(baseline, registry=registry, seed=seed, hub=hub, measure_s=measure)
    before = Registry.load(base.registry_file)
    joining = joining_agencies(agency, like, count, before)
    after = registry_with(before, joining)
    newcomers = [Newcomer(code=one.code, like=like, factor=factor) for one in joining]
    name = f"onboard-{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
    folder = settings.paths.runs / name
    make_folder(folder, "DOCAXIS_PATHS_RUNS")
    file = (folder / REGISTRY).absolute()
    file.write_text(after.to_csv(), encoding="utf-8")
    tell = partial(progress, language=lang)
    try:
        test = OnboardingRuns(settings, base, newcomers, file, fleets, None, tell).load_test(joined=True)
        expected = preview(test.loaded.workload, after, test.started_ms)  # whatever is wrong is said before any start
    except BaseException:
        shutil.rmtree(folder)
        raise
    pairs = 2 * repeat + (_HEADROOM_PAIRS if headroom else 0)
    started_s = time.time()
    with kafka_for_run(settings, expected.documents * pairs, expected.deliveries * pairs, keep=False, tell=tell) as (
        reachable,
        broker,
    ):
        runs = OnboardingRuns(reachable, base, newcomers, file, fleets, broker, tell)
        found = asyncio.run(_find(runs, after, repeat, headroom=headroom))
    result = conclude(folder, found, started_s)
    write_result(folder, result)
    report = write_report(load_run(folder), after, lang, folder / REPORT)
    if as_json:
        print(orjson.dumps(result).decode())
    else:
        Console().print(onboarding_view(result["onboarding"], after, lang))
        print(f"{os.path.relpath(folder / 'result.json')}   {os.path.relpath(report)}")
    raise typer.Exit(EXIT_CODES[found.told.verdict.answer])


async def _find(runs: OnboardingRuns, registry: Registry, repeat: int, *, headroom: bool) -> Found:
    """Make all runs and judge them."""
    without, together = await _pairs(runs, repeat)
    before, after = ([run_of(one.result) for one in side] for side in (without, together))
    codes = [one.code for one in runs.newcomers]
    newcomers = [newcomer_of(code, [one.newcomers[code] for one in together]) for code in codes]
    failed = [one for one in together if one.result["exit_code"] == 1]
    room: Headroom | None = None
    steps: list[dict[str, Any]] = []
    limit = ""
    if 2 * len(failed) > len(together):
        limit = limit_text(limit_of(failed[-1].result, failed[-1].busy), failed[-1].result)
        share = median_share(together)
        room = Headroom(share, limit=limit) if share < 1 else None
    elif headroom and not failed and all(one.valid for one in (*before, *after)):
        room, steps = await runs.headroom()
    allowed_s = min((one["at_most_s"] for one in runs.baseline.latencies), default=0.0)
    rows = compared(*([load_run(one.finished.folder) for one in side] for side in (without, together)))
    worse = seriously_worse(rows, SLOWDOWN_SHARE * allowed_s)
    verdict = judge_onboarding(before, after, newcomers, room, limit=limit, allowed_s=allowed_s, together=worse)
    in_all = set.intersection(*(set(one.p99_s) for one in (*before, *after)))
    told = [
        {
            "name_vi": registry.agency(one.code).name_vi,
            "name_en": registry.agency(one.code).name_en,
            "like": one.like,
            "factor": one.factor,
        }
        for one in runs.newcomers
    ]
    onboarding = Onboarding(
        verdict,
        list(zip(newcomers, told, strict=True)),
        rows,
        room,
        [(a.result["run"], b.result["run"]) for a, b in zip(without, together, strict=True)],
        len(in_all),
        runs.baseline.name,
        steps,
    )
    return Found(onboarding, together[-1])


async def _pairs(runs: OnboardingRuns, repeat: int) -> tuple[list[Ran], list[Ran]]:
    """Make the runs without the newcomers and those with them, in turn."""
    without: list[Ran] = []
    together: list[Ran] = []
    for number in range(repeat):
        # The order alternates: what drifts meanwhile, such as a disk that fills, favours neither.
        for joined in (False, True) if number % 2 == 0 else (True, False):
            runs.tell(f"pair {number + 1} of {repeat}, {'with' if joined else 'without'} the newcomers ...")
            (together if joined else without).append(await runs.run(joined=joined))
    return without, together


def conclude(folder: Path, found: Found, started_s: float) -> dict[str, Any]:
    """Return the result: the answer, and beside it the last run with the newcomers, whose files are copied."""
    for name in (SERIES, HISTOGRAMS, TRAFFIC):
        if (source := found.last.finished.folder / name).exists():
            shutil.copyfile(source, folder / name)
    answer = found.told.verdict.answer
    code = EXIT_CODES[answer]
    reasons = _texts(found.told.as_data()["reasons"]) if code == 3 else []
    return {
        **found.last.result,
        "run": folder.name,
        "command": "onboard",
        "verdict": "pass" if code == 0 else "fail",
        "exit_code": code,
        "valid": code != 3,
        "invalid_reasons": reasons,
        "started_us": round(started_s * 1e6),
        "wall_seconds": round(time.time() - started_s, 3),
        "onboarding": found.told.as_data(),
    }


def _texts(reasons: Sequence[dict[str, Any]]) -> list[str]:
    return [reason["text"] for reason in reasons]
