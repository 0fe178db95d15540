"""Conducting a replay: the same roles, ledger and verdict as for any load, and then how faithful it was."""

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from docaxis.commands.axis import Axis
from docaxis.commands.conduct import STALLED_S, Conducted, Conductor, RoleCommand
from docaxis.commands.options import progress
from docaxis.domain.agency import Registry
from docaxis.kafka.broker import EmbeddedBroker, broker_status
from docaxis.kafka.client import client_kwargs
from docaxis.kafka.jars import KAFKA_VERSION
from docaxis.kafka.topics import Topics, ensure_topics, plan_topics
from docaxis.recording.replay_plan import Extent, ReplayPlan
from docaxis.recording.schedule import ReplaySchedule
from docaxis.settings import Settings
from monitor.fidelity import Fidelity, fidelity_faults
from monitor.fidelity_view import fidelity_result, fidelity_table
from monitor.progress import Moment, closing_view, progress_line
from monitor.result import result_of, write_result
from monitor.verdict import Verdict, judge, stage_histograms
from monitor.words import Language
from producers.replayed import measure_fidelity

#: Seconds between lines of progress.
LINE_INTERVAL_S = 2.0


@dataclass(frozen=True, slots=True)
class Objectives:
    """What a replay must reach to pass, besides that everything is accounted for."""

    error_p99_us_max: int | None = None
    ks_max: float | None = None
    refused_allowed: bool = False


@contextlib.contextmanager
def kafka_for_replay(settings: Settings, *, keep: bool) -> Iterator[Settings]:
    """Give settings that reach a cluster. A broker started here leaves its data if the replay did not come to its end.

    So a replay that was killed can be gone on with.
    """
    status = broker_status(settings)
    if settings.kafka.bootstrap_servers:
        yield settings
        return
    if status.running:
        yield settings.with_servers(status.bootstrap_servers)
        return
    fresh = not status.data_dir.exists()
    broker = EmbeddedBroker(settings, owned=True, report=progress)
    broker.start()
    ended = False
    try:
        yield settings.with_servers(broker.bootstrap_servers)
        ended = True
    finally:
        if keep:
            broker.release()
            progress(f"The broker goes on at {broker.bootstrap_servers}; `docaxis broker down` stops it")
        else:
            broker.stop(remove_data=fresh and ended)


async def run_replay(
    settings: Settings,
    plan: ReplayPlan,
    extent: Extent,
    longest_gap_s: float,
    objectives: Objectives,
    language: Language,
) -> int:
    """Replay a plan to its end; show and write the result; return the exit code."""
    await ensure_topics(settings.kafka, plan_topics(settings.topics))
    folder = settings.paths.runs / plan.run
    registry = ["--registry", plan.registry] if plan.registry else []
    agencies = Registry.load(Path(plan.registry) if plan.registry else None)
    started_us = time.time_ns() // 1000
    progress(f"Replaying {extent.documents:,} documents to {extent.deliveries:,} recipients ({plan.run}) ...")
    async with Axis(settings, folder / "logs") as axis:
        apart = not (plan.as_recorded or plan.closed)
        conductor = Conductor(settings, axis, plan.run, fleets=1 + apart, stalled_s=STALLED_S + longest_gap_s)
        processors = [RoleCommand("stream", ["stream", "--snapshot-interval", "1", *registry])]
        sending = ["fleet", "--run", plan.run, "--replay", str(folder / "replay.json"), *registry]
        if not plan.as_recorded:
            processors.insert(0, RoleCommand("hub", ["hub", *registry]))
        if plan.as_recorded or not plan.closed:
            sending.append("--no-receive")
        if apart:
            # A receiver at work would hold back documents that are due in the same process, by up to 20 ms.
            processors.append(RoleCommand("receivers", ["fleet", "--run", plan.run, *registry]))
        fleet = RoleCommand("fleet", sending)
        total = extent.documents + extent.deliveries
        conducted = await conductor.conduct(processors, [fleet], teller(total, language))
    progress("Reading back what was sent, to hold it against the recording ...")
    client, topics = client_kwargs(settings.kafka), Topics(settings.topics.prefix)
    fidelity, schedule, senders = await measure_fidelity(
        client, topics.sent, settings.topics.partitions, plan, agencies.codes
    )
    judged = judge(conducted.readings, plan.run, drained=conducted.drained, refused_allowed=objectives.refused_allowed)
    faults = fidelity_faults(fidelity, error_p99_us_max=objectives.error_p99_us_max, ks_max=objectives.ks_max)
    verdict = Verdict(judged.ledger, judged.arrivals, judged.milestones, judged.faults + faults)
    worst = senders[fidelity.ks_worst_sender] if fidelity.ks_worst_sender >= 0 else ""
    return _conclude(
        settings, plan, conducted, verdict, (fidelity, changed_by(plan, schedule), worst), started_us, folder, language
    )


def changed_by(plan: ReplayPlan, schedule: ReplaySchedule) -> dict[str, Any]:
    """Return what the plan changed of the recorded times, on purpose."""
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
    }


def _conclude(
    settings: Settings,
    plan: ReplayPlan,
    conducted: Conducted,
    verdict: Verdict,
    faithful: tuple[Fidelity, Mapping[str, Any], str],
    started_us: int,
    folder: Path,
    language: Language,
) -> int:
    exit_code = 0 if verdict.passed else 1
    stages = stage_histograms(conducted.readings, plan.run)
    result = result_of(
        verdict,
        stages,
        run=plan.run,
        exit_code=exit_code,
        seed=plan.seed,
        workload=workload_of(plan),
        settings=settings.shown(),
        wall_seconds=conducted.wall_seconds,
        started_us=started_us,
        extra_versions={"kafka": KAFKA_VERSION},
        processes={
            name: {"peak_rss_bytes": peak, "cpu_seconds": round(conducted.cpu_seconds[name], 2)}
            for name, peak in conducted.peak_rss_bytes.items()
        },
    )
    result["fidelity"] = fidelity_result(*faithful)
    path = write_result(folder, result)
    console = Console()
    console.print(fidelity_table(faithful[0], faithful[1], language))
    if plan.as_recorded:
        console.print("[bold]The latencies are those of the recording.[/]")
    console.print(closing_view(verdict, stages, result["rates"], language, closed=plan.closed))
    console.print(f"{conducted.wall_seconds:,.1f} s   {os.path.relpath(path)}", highlight=False)
    return exit_code


def workload_of(plan: ReplayPlan) -> dict[str, Any]:
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


def teller(planned_total: int, language: Language) -> Callable[[Moment], None]:
    """Return a function that shows moments: both clocks, share done, rates; one line that changes on a terminal."""
    before: list[Moment] = []
    interval_s = 0.5 if sys.stderr.isatty() else LINE_INTERVAL_S

    def tell(now: Moment) -> None:
        if before and now.elapsed_s - before[-1].elapsed_s < interval_s:
            return
        if before:
            line = progress_line(now, before[-1], planned_total, language)
            print(f"\r{line}\x1b[K" if sys.stderr.isatty() else line, file=sys.stderr, flush=True,
                  end="" if sys.stderr.isatty() else "\n")  # fmt: skip
        before[:] = [now]

    return tell


def replay(
    settings: Settings,
    plan: ReplayPlan,
    extent: Extent,
    longest_gap_s: float,
    objectives: Objectives,
    language: Language,
    *,
    keep: bool,
) -> int:
    """Run a replay on the cluster that the settings reach, or on a broker of its own."""
    with kafka_for_replay(settings, keep=keep) as reachable:
        return asyncio.run(run_replay(reachable, plan, extent, longest_gap_s, objectives, language))
