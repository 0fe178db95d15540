"""The end of a replay: the load test's result and report, and beside it how faithful it was."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import orjson
from rich.console import Console

from docaxis.commands.conduct_load import ConductedLoad
from docaxis.commands.load_end import load_test_result
from docaxis.commands.load_test import LoadTest
from docaxis.domain.agency import Registry
from docaxis.domain.plan import Plan
from docaxis.kafka.client import client_kwargs
from docaxis.kafka.topics import Topics
from docaxis.recording.manifest import MANIFEST
from docaxis.recording.replay_plan import ReplayPlan
from docaxis.recording.schedule import ReplaySchedule
from docaxis.settings import Settings
from docaxis.workload.file import NamedFile
from monitor.fidelity import Fidelity, fidelity_faults
from monitor.fidelity_view import fidelity_result, fidelity_table
from monitor.generator_check import check_generator
from monitor.load_figures import LoadFigures
from monitor.load_view import objectives_table
from monitor.objectives import Judgement, judge_objectives, not_judged
from monitor.progress import closing_view
from monitor.report import write_report
from monitor.result import latency_seconds, write_result
from monitor.run_folder import load_run
from monitor.sentences import sentence
from monitor.series import with_outstanding
from monitor.verdict import Verdict, counted_within, judge, stage_histograms
from monitor.words import Language
from producers.history import History
from producers.replayed import measure_fidelity


@dataclass(frozen=True, slots=True)
class Objectives:
    """What a replay must reach to pass, besides that everything is accounted for."""

    error_p99_us_max: int | None = None
    ks_max: float | None = None
    refused_allowed: bool = False
    #: As a workload has them, in the form of its file.
    of_load: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Replayed:
    """A replay that has come to its end."""

    plan: ReplayPlan
    test: LoadTest
    conducted: ConductedLoad
    objectives: Objectives
    started_us: int
    folder: Path

    @property
    def lives(self) -> list[Plan]:
        """How each life of the replay was steered, as far as it got so far as to begin."""
        paths = [self.plan.steps(self.folder, life) for life in range(self.plan.resumed + 1)]
        return [msgspec.json.decode(path.read_bytes(), type=Plan) for path in paths if path.exists()]


async def conclude_replay(settings: Settings, replayed: Replayed, language: Language) -> int:
    """Measure, judge, write result and report, show all; return the exit code."""
    plan, conducted, folder = replayed.plan, replayed.conducted, replayed.folder
    fidelity, schedule, senders = await measure_fidelity(
        client_kwargs(settings.kafka),
        Topics(settings.topics.prefix).sent,
        settings.topics.partitions,
        plan,
        replayed.test.registry.codes,
        replayed.lives,
    )
    verdict = verdict_of(replayed, fidelity)
    worst = senders[fidelity.ks_worst_sender] if fidelity.ks_worst_sender >= 0 else ""
    changed = changed_by(plan, schedule, conducted, replayed.lives)
    result, judgements = result_of_replay(settings, replayed, verdict)
    result["fidelity"] = fidelity_result(fidelity, changed, worst)
    path = write_result(folder, result)
    report = write_report(load_run(folder), replayed.test.registry, language)
    console = Console()
    console.print(fidelity_table(result["fidelity"], language))
    if plan.as_recorded:
        console.print(sentence("The latencies are those of the recording.", language), style="bold")
    if judgements:
        console.print(objectives_table(judgements, language))
    stages = stage_histograms(conducted.readings, plan.run)
    # The last line must not say less than the exit code: what is missed or invalid stands among the faults there.
    reasons = [
        *result["invalid_reasons"],
        *(f"objective {one.name!r} missed" for one in judgements if one.met is False),
    ]
    shown_verdict = replace(verdict, milestones=(), faults=(*result["faults"], *reasons))
    console.print(closing_view(shown_verdict, stages, result["rates"], language, closed=plan.closed))
    shown = f"{os.path.relpath(path)}   {os.path.relpath(report)}"
    console.print(f"{conducted.wall_seconds:,.1f} s   {shown}", highlight=False)
    return int(result["exit_code"])


def verdict_of(replayed: Replayed, fidelity: Fidelity) -> Verdict:
    """Judge what any run is judged for, and the fidelity."""
    conducted, objectives, run = replayed.conducted, replayed.objectives, replayed.plan.run
    judged = judge(
        conducted.readings,
        run,
        drained=conducted.drained or conducted.lost_after_passed,
        refused_allowed=objectives.refused_allowed,
    )
    faults = [
        *judged.faults,
        *fidelity_faults(fidelity, error_p99_us_max=objectives.error_p99_us_max, ks_max=objectives.ks_max),
        *([f"ended early: {conducted.aborted}"] if conducted.aborted else []),
    ]
    milestones = counted_within(conducted.readings, run, (fact.date for fact in History.load().facts))
    return Verdict(judged.ledger, judged.arrivals, milestones, tuple(faults))


def result_of_replay(
    settings: Settings, replayed: Replayed, verdict: Verdict
) -> tuple[dict[str, Any], list[Judgement]]:
    """Return the load test's result as it is for a replay, and what became of the objectives."""
    plan, test, conducted = replayed.plan, replayed.test, replayed.conducted
    readings, ledger, workload = conducted.readings, verdict.ledger, test.loaded.workload
    # Recorded stamps are old: no second of the run's own belongs to them.
    rows = [] if plan.as_recorded else list(with_outstanding(conducted.series.rows()))
    figures = LoadFigures(readings, plan.run, conducted.plan, ledger, rows)
    judgements = judge_objectives(workload.objectives, figures, test.registry, verdict.arrivals.get("dropped", 0))
    generator = check_generator(figures, workload.generator, workload.objectives, judgements)
    # Without objectives no latency is judged, and how late the sender was is told by the fidelity.
    reasons = generator.reasons if any(one.met is not None for one in judgements) else ()
    if not plan.as_recorded:  # recorded latencies are of no phase of this run
        verdict = replace(verdict, faults=(*verdict.faults, *not_judged(judgements, figures)))
    missed = verdict.faults or any(one.met is False for one in judgements)
    exit_code = 3 if reasons else 1 if missed else 0
    judged = (figures, judgements, generator)
    result = load_test_result(
        settings, test, conducted, verdict, judged, exit_code, replayed.started_us, replayed.folder
    )
    content = traffic_of(plan)
    result |= {
        "command": "replay",
        "valid": not reasons,
        "invalid_reasons": list(reasons),
        "workload": content,
        "files": {f"{name}/{MANIFEST}": asdict(one) for name, one in _manifests(plan)},
        "workload_hash": hash_of_replay(plan, test.registry),
        "rates": rates_of(verdict, conducted.wall_seconds),
    }
    if plan.as_recorded:
        result["latency_seconds"] = latency_seconds(stage_histograms(readings, plan.run))
    return result, judgements


def hash_of_replay(plan: ReplayPlan, registry: Registry) -> str:
    """Return the SHA-256 of what is replayed: the plan's traffic, the recordings' manifests, the agencies."""
    manifests = [one.sha256 for _, one in _manifests(plan)]
    agencies = hashlib.sha256(registry.to_csv().encode()).hexdigest()
    traffic = {**traffic_of(plan), "recordings": manifests, "seed": plan.seed}
    load = {"workload": traffic, "registry": agencies}
    return hashlib.sha256(orjson.dumps(load, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _manifests(plan: ReplayPlan) -> list[tuple[str, NamedFile]]:
    """Return the names of the recordings with their manifests."""
    folders = [Path(folder) for folder in plan.recordings]
    return [(folder.name, NamedFile.of_bytes((folder / MANIFEST).read_bytes())) for folder in folders]


def rates_of(verdict: Verdict, wall_seconds: float) -> dict[str, float]:
    """Return what was sent and received a second over the whole replay."""
    ledger = verdict.ledger
    return {
        "documents_per_second": round(ledger.documents / wall_seconds, 1),
        "deliveries_per_second": round(ledger.delivered_once / wall_seconds, 1),
        "sent_and_received_per_second": round((ledger.documents + ledger.delivered_once) / wall_seconds, 1),
    }


def changed_by(
    plan: ReplayPlan, schedule: ReplaySchedule, conducted: ConductedLoad, lives: list[Plan]
) -> dict[str, Any]:
    """Return what was changed of the recorded times, on purpose."""
    return {
        "closed": plan.closed,
        "speed": plan.speed,
        "gaps_skipped": schedule.gaps_skipped,
        "skipped_seconds": schedule.skipped_us / 1e6,
        "capped": schedule.capped,
        "capped_seconds_max": schedule.capped_us_max / 1e6,
        "amplify": plan.amplify,
        "jitter_seconds": plan.jitter_us / 1e6,
        "resumed": plan.resumed,
        "controls": len(conducted.controls),
        "speeds": [{"at_us": at_us, "speed": speed} for life in lives for at_us, speed in life.speeds],
    }


def traffic_of(plan: ReplayPlan) -> Mapping[str, Any]:
    """Return what identifies the traffic of a replay; a key's file is named by no one."""
    return {
        "name": "replay",
        "closed_loop": plan.closed,
        "as": "recorded" if plan.as_recorded else "traffic",
        "recordings": [Path(folder).name for folder in plan.recordings],
        "clock": plan.clock,
        "speed": plan.speed,
        "max_gap_us": plan.max_gap_us,
        "rate_per_s": plan.rate_per_s,
        "from_us": plan.from_us,
        "to_us": plan.to_us,
        "agencies": plan.agencies,
        "where": plan.where,
        "limit": plan.limit,
        "amplify": plan.amplify,
        "jitter_us": plan.jitter_us,
        "pseudonymised": bool(plan.key_file),
        "pairs": plan.pairs,
    }
