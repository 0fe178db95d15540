"""How a load test ends: judged, written into its folder, and what came of it."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from docaxis.commands.command_line import typed_command_line
from docaxis.commands.conduct import process_figures
from docaxis.commands.conduct_load import ConductedLoad
from docaxis.commands.load_test import LoadTest, registry_field
from docaxis.domain.control import Ready
from docaxis.kafka.broker import kafka_version
from docaxis.settings import Settings
from monitor.generator_check import GeneratorCheck, check_generator
from monitor.load_figures import LoadFigures
from monitor.load_result import (
    Injected,
    account_faults,
    faults_asked,
    faults_found,
    faults_injected,
    load_test_fields,
    write_load_files,
)
from monitor.objectives import Judgement, judge_objectives, not_judged
from monitor.reading import ARRIVALS
from monitor.result import result_of, write_result
from monitor.series import with_outstanding
from monitor.verdict import Verdict, ledger_totals


@dataclass(frozen=True, slots=True)
class Finished:
    """A load test that came to its end."""

    exit_code: int
    folder: Path
    result: dict[str, Any]
    figures: LoadFigures
    judgements: list[Judgement]


def conclude(settings: Settings, test: LoadTest, conducted: ConductedLoad, started_us: int, folder: Path) -> Finished:
    """Judge a run, write its files, return what came of it."""
    workload, readings, run_id = test.loaded.workload, conducted.readings, test.run
    ledger = ledger_totals(readings, run_id, drained=conducted.drained or conducted.lost_after_passed)
    figures = LoadFigures(readings, run_id, conducted.plan, ledger, list(with_outstanding(conducted.series.rows())))
    arrivals, injected = readings.counts(run_id, ARRIVALS), Injected.of(readings, run_id, conducted.faults)
    judgements = judge_objectives(workload.objectives, figures, test.registry, arrivals.get("dropped", 0))
    generator = check_generator(figures, workload.generator, workload.objectives, judgements)
    asked = {} if conducted.cut_short else faults_asked(workload.faults)
    faults = account_faults(ledger, arrivals, injected, conducted.unreadable, asked)
    faults += [f"ended early: {conducted.aborted}"] if conducted.aborted else []
    faults += not_judged(judgements, figures)
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
        extra_versions=kafka_version(settings),
        processes=process_figures(conducted.peak_rss_bytes, conducted.cpu_seconds),
        command_line=typed_command_line(),
        registry=registry_field(test.registry, test.registry_file, test.registry_content),
    )
    result |= load_test_fields(figures, workload, judgements, generator, rows)
    result |= {
        "fleets": {"here": test.fleets, "external": test.external_fleets},
        "files": {name: asdict(one) for name, one in test.loaded.files.items()},
        "started_ms": test.started_ms,
        "verdict": "pass" if not exit_code else "fail",
        "workload_hash": test.workload_hash,
        "faults_found": faults_found(verdict.ledger, conducted.unreadable, injected),
        "controls": conducted.controls,
        "clock": clock_of(conducted.ready.values()),
        "series_second0_us": write_load_files(folder, figures, conducted.observed.columns()),
    }
    return result


def clock_of(ready: Iterable[Ready]) -> dict[str, Any]:
    """Return how far the fleets' clocks were from the conductor's; null of those that had no answer."""
    fleets = {one.source: {"skew_us": one.skew_us, "uncertainty_us": one.uncertainty_us} for one in ready}
    known = [abs(one["skew_us"]) for one in fleets.values() if one["skew_us"] is not None]
    return {"skew_us": max(known, default=None), "fleets": fleets}
