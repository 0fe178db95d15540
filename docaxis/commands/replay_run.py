"""Running a replay: the roles, the ledger, the live page and the controls of any load test, with recorded documents."""

import asyncio
import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from docaxis.commands.axis import Axis
from docaxis.commands.conduct import RoleCommand
from docaxis.commands.conduct_load import LoadMoment
from docaxis.commands.conduct_replay import PHASE, ReplayConductor, longest_us
from docaxis.commands.kafka_for_run import DELIVERY_BYTES, DOCUMENT_BYTES, FULL_BATCHES_SHARE, check_room
from docaxis.commands.load_test import LoadTest, registry_content
from docaxis.commands.named import not_there
from docaxis.commands.objective_watch import ObjectiveWatch
from docaxis.commands.options import progress
from docaxis.commands.recording_options import left_out
from docaxis.commands.replay_end import Objectives, Replayed, conclude_replay
from docaxis.commands.run import log_into
from docaxis.domain.agency import Registry
from docaxis.kafka.broker import EmbeddedBroker, broker_status
from docaxis.kafka.client import client_kwargs
from docaxis.kafka.topics import Topics, ensure_topics, plan_topics
from docaxis.recording.replay_plan import Extent, ReplayPlan
from docaxis.settings import Settings
from docaxis.workload.consistency import DURATION_MAX_US
from docaxis.workload.file import workload_of
from monitor.live.page import LivePage, LiveSettings
from monitor.progress import Moment, progress_line
from monitor.words import Language

#: Seconds between lines of progress.
LINE_INTERVAL_S = 2.0

#: Nothing moving for so long after all was sent: what is outstanding will not come.
QUIET = "30 s"


@contextlib.contextmanager
def kafka_for_replay(
    settings: Settings, language: Language, *, keep: bool, needed_bytes: float = 0.0
) -> Iterator[Settings]:
    """Give settings that reach a cluster. A broker started here leaves its data if the replay did not come to its end.

    So a replay that was killed can be gone on with. Raises InfrastructureError if what a broker of this machine would
    have to keep does not fit on its disk.
    """
    status = broker_status(settings)
    if settings.kafka.bootstrap_servers:
        yield settings
        return
    check_room(settings.paths.home, needed_bytes)
    if status.running:
        yield settings.with_servers(status.bootstrap_servers)
        return
    fresh = not status.data_dir.exists()
    broker = EmbeddedBroker(settings, owned=True, report=partial(progress, language=language))
    broker.start()
    ended = False
    try:
        yield settings.with_servers(broker.bootstrap_servers)
        ended = True
    finally:
        if keep:
            broker.release()
            progress(f"The broker goes on at {broker.bootstrap_servers}; `docaxis broker down` stops it", language)
        else:
            broker.stop(remove_data=fresh and ended)


def bytes_needed(plan: ReplayPlan, extent: Extent) -> float:
    """Return about how much a replay writes to Kafka. One that is gone on with has written most of it already."""
    if plan.resumed:
        return 0.0
    if plan.as_recorded:
        return float(extent.events * DOCUMENT_BYTES + extent.deliveries * (DELIVERY_BYTES - DOCUMENT_BYTES))
    share = FULL_BATCHES_SHARE if plan.closed else 1.0
    return share * (extent.documents * DOCUMENT_BYTES + extent.deliveries * DELIVERY_BYTES)


def load_test_of(plan: ReplayPlan, extent: Extent, objectives: Objectives, started_us: int) -> LoadTest:
    """Return the load test that a replay is: one phase, whose arrivals are the recording's. Raises UsageError."""
    lasts_us = min(longest_us(plan, extent), DURATION_MAX_US // 2)
    rate = max(extent.documents / (longest_us(plan, extent) / 1e6), 0.001)
    arrivals = {"arrivals": "closed", "in_flight": 200_000} if plan.closed else {"rate": f"{rate:.6f} documents/s"}
    content = {
        "name": "replay",
        "seed": plan.seed,
        "phases": [
            {"name": PHASE, "duration": f"{lasts_us / 1000:.0f} ms", **arrivals},
            {"name": "drain", "kind": "drain", "duration": QUIET},
        ],
        "objectives": list(objectives.of_load),
    }
    file = Path(plan.registry) if plan.registry else None
    loaded = workload_of(content, "the objectives", look=partial(not_there, registry_file=file))
    registry = Registry.load(file)
    return LoadTest(plan.run, loaded, registry, file, started_us // 1000, 1, 0, registry_content(file))


def roles_of(test: LoadTest, plan: ReplayPlan, folder: Path) -> tuple[list[RoleCommand], RoleCommand, bool]:
    """Return what routes, counts and receives; what sends; whether receivers are in a process of their own."""
    registry = test.registry_arguments()
    processors = [RoleCommand("stream", ["stream", "--snapshot-interval", "1", *registry])]
    sending = ["fleet", "--run", plan.run, "--replay", str(folder / "replay.json"), *registry]
    apart = not (plan.as_recorded or plan.closed)
    if not plan.as_recorded:
        processors.insert(0, RoleCommand("hub", ["hub", *registry]))
    if apart or plan.as_recorded:
        sending.append("--no-receive")
    if apart:
        # A receiver at work would hold back documents that are due in the same process, by up to 20 ms.
        processors.append(RoleCommand("receivers", ["fleet", "--run", plan.run, *registry]))
    return processors, RoleCommand("fleet", sending), apart


async def run_replay(
    settings: Settings,
    plan: ReplayPlan,
    extent: Extent,
    objectives: Objectives,
    page_settings: LiveSettings,
    language: Language,
) -> int:
    """Replay a plan to its end; show and write the result; return the exit code."""
    started_us = time.time_ns() // 1000
    test = load_test_of(plan, extent, objectives, started_us)
    await ensure_topics(settings.kafka, plan_topics(settings.topics))
    folder = settings.paths.runs / plan.run
    log_into(folder / "logs" / "conductor.log")
    if plan.as_recorded and page_settings.objectives is not None:  # their stamps tell of the days of the recording
        page_settings = replace(page_settings, objectives=page_settings.objectives.without_latencies())
    if extent.canaries:
        progress(left_out(extent.canaries), language)
    progress(f"Replaying {extent.documents:,} documents to {extent.deliveries:,} recipients ({plan.run}) ...", language)
    processors, fleet, apart = roles_of(test, plan, folder)
    watch = ObjectiveWatch(test.loaded.workload.objectives, plan.run, test.registry)
    cluster = (client_kwargs(settings.kafka), Topics(settings.topics.prefix), settings.topics.partitions)
    async with Axis(settings, folder / "logs") as axis:
        conductor = ReplayConductor(
            settings,
            axis,
            plan.run,
            test.loaded.workload,
            test.loaded.content,
            test.registry,
            test.started_ms,
            1,
            aborts=watch.why_abort,
            replay=plan,
            extent=extent,
            folder=folder,
            receivers=int(apart),
        )
        async with LivePage(*cluster, conductor.feed, test.registry, page_settings) as page:
            progress(f"Live page: {page.url}/?lang={language}&run={plan.run}", language)
            tell = teller(plan.run, extent.documents + extent.deliveries, language)
            conducted = await conductor.conduct(processors, [fleet], tell)
    progress("Reading back what was sent, to hold it against the recording ...", language)
    replayed = Replayed(plan, test, conducted, objectives, started_us, folder)
    return await conclude_replay(settings, replayed, language)


def teller(run: str, planned_total: int, language: Language) -> Callable[[LoadMoment], None]:
    """Return a function that shows moments: both clocks, share done, rates; one line that changes on a terminal."""
    before: list[Moment] = []
    terminal = sys.stderr.isatty()
    interval_s = 0.5 if terminal else LINE_INTERVAL_S

    def tell(moment: LoadMoment) -> None:
        if before and moment.elapsed_s - before[-1].elapsed_s < interval_s:
            return
        now = Moment.of(moment.readings, run, moment.elapsed_s, moment.memory_bytes)
        if before:
            line = progress_line(now, before[-1], planned_total, language, with_time=True)
            text, end = (f"\r{line}\x1b[K", "") if terminal else (line, "\n")
            print(text, file=sys.stderr, flush=True, end=end)
        before[:] = [now]

    return tell


def replay(
    settings: Settings,
    plan: ReplayPlan,
    extent: Extent,
    objectives: Objectives,
    page_settings: LiveSettings,
    language: Language,
    *,
    keep: bool,
) -> int:
    """Run a replay on the cluster that the settings reach, or on a broker of its own."""
    load_test_of(plan, extent, objectives, time.time_ns() // 1000)  # refuses wrong objectives before all else
    needed = bytes_needed(plan, extent)
    with kafka_for_replay(settings, language, keep=keep, needed_bytes=needed) as reachable:
        try:
            return asyncio.run(run_replay(reachable, plan, extent, objectives, page_settings, language))
        except KeyboardInterrupt:
            progress(f"What was sent is kept: go on with docaxis replay --resume {plan.run}", language)
            raise
