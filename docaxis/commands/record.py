"""`docaxis record`: the axis's committed events from Kafka into a recording, a folder of Parquet parts."""

import asyncio
import gc
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
import uvloop

from docaxis.commands.options import BootstrapServers, SettingsFile, TopicPrefix, new_app, progress, settings_from
from docaxis.commands.recording_options import FromTime, ToTime, described, left_out, parse_moment_us
from docaxis.commands.role import GC_THRESHOLD
from docaxis.domain.agency import Registry
from docaxis.domain.errors import UsageError
from docaxis.files import write_whole
from docaxis.kafka.broker import reachable_kafka
from docaxis.kafka.client import client_kwargs
from docaxis.kafka.cluster import probe
from docaxis.kafka.topics import EVENTS, Topics, require_topics
from docaxis.recording.manifest import REGISTRY, write_manifest
from docaxis.recording.recorder import Recorder, RecorderStats, Selection
from docaxis.recording.summary import summarise
from docaxis.recording.writer import PART_ROWS, RecordingWriter
from docaxis.settings import Settings

app = new_app(__doc__)

LINE_INTERVAL_S = 2.0

Agencies = Annotated[str | None, typer.Option(help="Only what these send or receive, as H53,G22.")]


@app.command()
def record(
    out: Annotated[Path, typer.Argument(help="Folder of the recording; one that was not finished is gone on with.")],
    bootstrap_servers: BootstrapServers = None,
    prefix: TopicPrefix = None,
    from_time: FromTime = None,
    to_time: ToTime = None,
    topics: Annotated[str, typer.Option(help="Which topics, as sent,status.")] = ",".join(EVENTS),
    agencies: Agencies = None,
    run: Annotated[
        list[str] | None,
        typer.Option("--run", help="Only the events of this run; may be repeated. Canaries' are only recorded so."),
    ] = None,
    live: Annotated[bool, typer.Option("--live", help="Go on after the end of the log, until Ctrl-C.")] = False,
    registry: Annotated[Path | None, typer.Option(help="Registry of the agencies, kept beside the recording.")] = None,
    sensitive: Annotated[bool, typer.Option("--sensitive", help="Mark it: replay must pseudonymise it.")] = False,
    part_rows: Annotated[int, typer.Option(min=1, hidden=True)] = PART_ROWS,
    settings_file: SettingsFile = None,
) -> None:
    """Record what is in the topics, or (--live) what comes. Killed and started again, it loses and doubles nothing."""
    settings = settings_from(settings_file, {"kafka.bootstrap_servers": bootstrap_servers, "topics.prefix": prefix})
    chosen = Selection(
        topics=_topics(topics),
        from_us=parse_moment_us(from_time) if from_time else None,
        to_us=parse_moment_us(to_time) if to_time else None,
        agencies=tuple(sorted(agencies.split(","))) if agencies else (),
        runs=tuple(run or ()),
    )
    kafka = reachable_kafka(settings)
    reachable = settings.model_copy(update={"kafka": kafka})
    if registry is not None:
        Registry.load(registry)  # its faults are told before anything is written
    source = {"prefix": settings.topics.prefix, **chosen.described()}
    asyncio.run(probe(kafka))
    asyncio.run(require_topics(kafka, [f"{settings.topics.prefix}.{topic}" for topic in chosen.topics]))
    writer = RecordingWriter(out, source, part_rows=part_rows)
    if writer.rows:
        progress(f"Going on after {writer.rows:,} rows in {len(writer.parts)} parts")
    gc.set_threshold(*GC_THRESHOLD)
    stats = uvloop.run(_record(reachable, chosen, writer, live=live))
    if stats.canaries and not chosen.runs:
        progress(f"{left_out(stats.canaries)}; --run canary-NAME records them")
    beside = ""
    if registry is not None:
        write_whole(out / REGISTRY, registry.read_bytes())
        beside = REGISTRY
    manifest = summarise(out, writer.parts, source, sensitive=sensitive, registry=beside)
    write_manifest(out, manifest)
    print(described(out, manifest))


async def _record(settings: Settings, chosen: Selection, writer: RecordingWriter, *, live: bool) -> RecorderStats:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    recorder = Recorder(
        client_kwargs(settings.kafka),
        Topics(settings.topics.prefix),
        settings.topics.partitions,
        chosen,
        live=live,
    )
    await recorder.record(writer, stop, _teller())
    return recorder.stats


def _teller() -> Callable[[RecorderStats], None]:
    told_s = time.monotonic()

    def tell(stats: RecorderStats) -> None:
        nonlocal told_s
        now_s = time.monotonic()
        if now_s - told_s >= LINE_INTERVAL_S:
            told_s = now_s
            rate = stats.events / max(now_s - stats.began_s, 1e-9)
            progress(
                f"{stats.events:>12,} events read  {rate:>9,.0f}/s  {stats.recorded:>12,} rows  {stats.left:,} left"
            )

    return tell


def _topics(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    for name in names:
        if name not in EVENTS:
            raise UsageError(f"--topics {name}: no such topic", next_step=f"choose among {', '.join(EVENTS)}")
    return tuple(name for name in EVENTS if name in names)
