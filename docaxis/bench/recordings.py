"""Recording, importing, replaying: how fast, in how much memory, and how exactly recorded times are kept."""

import asyncio
import random
import re
import shutil
import sys
import time
from pathlib import Path

import orjson

from docaxis.bench.generated import generate
from docaxis.bench.prepared import prepared
from docaxis.bench.session import Session
from docaxis.bench.table import Row, Target
from docaxis.domain.agency import Registry
from docaxis.domain.errors import InfrastructureError
from docaxis.kafka.client import client_kwargs
from docaxis.kafka.topics import Topics
from docaxis.recording.import_map import load_map
from docaxis.recording.importer import import_file
from docaxis.recording.recorder import Recorder, Selection
from docaxis.recording.writer import RecordingWriter

RECORD_PER_CPU_S, IMPORT_S, ERROR_MS, KS, MEMORY_MB = 200_000, 2.0, 2.0, 0.01, 1536

#: The edge list: participants, and how many recorded seconds pass in one.
PARTICIPANTS, EDGE_SPEED = 800, 10_000


async def measure(session: Session) -> list[Row]:
    """Record the prepared topics; import and replay an edge list; look into a large recording."""
    folder = session.folder / "recordings"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        rows = [await _record(session, folder), _import(session, folder)]
        rows += await _replay(session, folder)
        return [*rows, await _look_into(session, folder)]
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _record(session: Session, folder: Path) -> Row:
    topics = await prepared(session)
    session.tell("record: the prepared topics, to the end of the log ...")
    writer = RecordingWriter(folder / "recorded", {})
    selection = Selection()
    client, partitions = client_kwargs(session.settings.kafka), session.settings.topics.partitions
    recorder = Recorder(client, Topics(topics.prefix), partitions, selection, live=False)
    began_s, began_cpu_s = time.perf_counter(), time.process_time()
    await recorder.record(writer, asyncio.Event())
    wall_s, cpu_s = time.perf_counter() - began_s, time.process_time() - began_cpu_s
    note = (
        f"{writer.rows:,} events in {len(writer.parts)} parts, by processor time; {writer.rows / wall_s:,.0f}/s of wall"
    )
    target = Target(RECORD_PER_CPU_S, at_most=False, of_ratio=False)
    return Row("record", writer.rows / cpu_s, "events/s a core", None, target, note)


def write_edges(path: Path, rows: int, participants: int, seed: int = 1) -> None:
    """Write an edge list with many ties, in whole seconds."""
    rng, at = random.Random(seed), 1_000_000_000
    with path.open("w", encoding="ascii") as file:
        for _ in range(rows):
            at += rng.choice((0, 0, 1, 2, 30))
            sender, recipient = rng.sample(range(participants), 2)
            file.write(f"{sender} {recipient} {at}\n")


def _import(session: Session, folder: Path) -> Row:
    count = session.volume.edge_rows
    session.tell(f"import: an edge list of {count:,} rows ...")
    write_edges(folder / "edges.txt", count, PARTICIPANTS)
    began_s = time.perf_counter()
    done = import_file(
        folder / "edges.txt", load_map("edge-list"), folder / "edges", known=Registry.load(),
        rejects=folder / "rejected", rejects_share_max=0,
    )  # fmt: skip
    took_s = time.perf_counter() - began_s
    assert done.manifest is not None
    note = f"{done.manifest.documents:,} rows of {PARTICIPANTS} participants, to a whole recording"
    return Row("import", took_s, "s", None, Target(IMPORT_S, at_most=True, of_ratio=False), note)


async def _replay(session: Session, folder: Path) -> list[Row]:
    session.tell(f"replay: the edge list at speed {EDGE_SPEED:,} ...")
    prefix = "bench-replay"
    servers = str(session.settings.kafka.bootstrap_servers)
    arguments = ["replay", str(folder / "edges"), "--speed", str(EDGE_SPEED), "--bootstrap-servers", servers]
    _, said = await _docaxis(folder, *arguments, "--prefix", prefix)
    await session.drop_topics(prefix)
    result = orjson.loads((folder / "runs" / "latest" / "result.json").read_bytes())
    fidelity = result["fidelity"]
    if not fidelity["complete"]:
        raise InfrastructureError(f"the replay was not complete: {said[-500:]}", next_step="read the logs")
    error_ms = fidelity["send_error_seconds"]["p99"] * 1000
    rate = fidelity["documents_sent"] / result["wall_seconds"]
    note = f"p99 of sent − intended, {fidelity['documents_sent']:,} documents, {rate:,.0f}/s on average"
    note_ks = f"{fidelity['gaps_compared']:,} gaps of 10 ms and more; every row delivered once, ties in order"
    return [
        Row("replay_error", error_ms, "ms", None, Target(ERROR_MS, at_most=True, of_ratio=False), note),
        Row("replay_ks", fidelity["ks_pooled"], "", None, Target(KS, at_most=True, of_ratio=False), note_ks),
    ]


async def _look_into(session: Session, folder: Path) -> Row:
    count = session.volume.generated_rows
    session.tell(f"recording of {count:,} rows: generate, then inspect, filter, dry run ...")
    await asyncio.to_thread(generate, folder / "large", count)
    large = str(folder / "large")
    began_s = time.perf_counter()
    peaks = [
        (await _docaxis(folder, "inspect", large))[0],
        (await _docaxis(folder, "inspect", large, "--where", "sender = 'G22' AND size > 1e6"))[0],
        (await _docaxis(folder, "replay", large, "--duration", "1h", "--dry-run"))[0],
    ]
    took_s = time.perf_counter() - began_s
    note = f"inspect {peaks[0]:,.0f}, filtered {peaks[1]:,.0f}, dry run {peaks[2]:,.0f} MiB; {took_s:,.0f} s in all"
    target = Target(MEMORY_MB, at_most=True, of_ratio=False)
    return Row("recording_memory", max(peaks), "MiB", None, target, f"{count:,} rows: {note}")


async def _docaxis(folder: Path, *arguments: str) -> tuple[float, str]:
    """Run a command; return the most memory it had resident, in MiB, and what it said."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _MEASURED, *arguments, cwd=folder,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said = (await process.communicate())[0].decode()
    peak = re.search(r"peak_kib (\d+)", said)
    if process.returncode or peak is None:
        raise InfrastructureError(f"docaxis {' '.join(arguments)} failed: {said[-500:]}", next_step="see above")
    return int(peak[1]) / 1024, said


_MEASURED = """
import resource, sys
from docaxis.cli import main
code = main(sys.argv[1:])
print("peak_kib", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
sys.exit(code)
"""
