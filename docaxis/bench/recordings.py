"""Recording, importing, looking into what was recorded: how fast, and in how much memory."""

import asyncio
import random
import time
from pathlib import Path

from docaxis.bench.command import docaxis
from docaxis.bench.generated import generate
from docaxis.bench.prepared import prepared
from docaxis.bench.session import Session
from docaxis.bench.table import Row, Target
from docaxis.domain.agency import Registry
from docaxis.kafka.client import client_kwargs
from docaxis.kafka.topics import Topics
from docaxis.recording.import_map import load_map
from docaxis.recording.importer import import_file
from docaxis.recording.recorder import Recorder, Selection
from docaxis.recording.writer import RecordingWriter

RECORD_PER_CPU_S, IMPORT_S, MEMORY_MB = 200_000, 2.0, 1536

#: Participants of the edge list.
PARTICIPANTS = 800


async def measure(session: Session) -> list[Row]:
    """Record the prepared topics; import an edge list; look into a large recording."""
    with session.scratch("recordings") as folder:
        return [await _record(session, folder), _import(session, folder), await _look_into(session, folder)]


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


def import_edges(folder: Path, rows: int) -> int:
    """Write an edge list and import it to `edges`; return how many documents the recording holds."""
    write_edges(folder / "edges.txt", rows, PARTICIPANTS)
    done = import_file(
        folder / "edges.txt", load_map("edge-list"), folder / "edges", known=Registry.load(),
        rejects=folder / "rejected", rejects_share_max=0,
    )  # fmt: skip
    assert done.manifest is not None
    return done.manifest.documents


def _import(session: Session, folder: Path) -> Row:
    count = session.volume.edge_rows
    session.tell(f"import: an edge list of {count:,} rows ...")
    began_s = time.perf_counter()
    documents = import_edges(folder, count)
    took_s = time.perf_counter() - began_s
    note = f"{documents:,} rows of {PARTICIPANTS} participants, written and imported to a whole recording"
    return Row("import", took_s, "s", None, Target(IMPORT_S, at_most=True, of_ratio=False), note)


async def _look_into(session: Session, folder: Path) -> Row:
    count = session.volume.generated_rows
    session.tell(f"recording of {count:,} rows: generate, then inspect, filter, dry run ...")
    await asyncio.to_thread(generate, folder / "large", count)
    large = str(folder / "large")
    began_s = time.perf_counter()
    peaks = [
        (await docaxis(folder, "inspect", large))[0],
        (await docaxis(folder, "inspect", large, "--where", "sender = 'G22' AND size > 1e6"))[0],
        (await docaxis(folder, "replay", large, "--duration", "1h", "--dry-run"))[0],
    ]
    took_s = time.perf_counter() - began_s
    note = f"inspect {peaks[0]:,.0f}, filtered {peaks[1]:,.0f}, dry run {peaks[2]:,.0f} MiB; {took_s:,.0f} s in all"
    target = Target(MEMORY_MB, at_most=True, of_ratio=False)
    return Row("recording_memory", max(peaks), "MiB", None, target, f"{count:,} rows: {note}")
