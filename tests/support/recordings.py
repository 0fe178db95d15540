"""Recordings for tests: made of events as a recorder would get them, or imported from text."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from docaxis.domain.agency import Registry
from docaxis.domain.codec import encode
from docaxis.domain.event import Sent
from docaxis.recording.columns import columns_of
from docaxis.recording.import_map import load_map
from docaxis.recording.importer import Imported, import_file
from docaxis.recording.manifest import write_manifest
from docaxis.recording.reader import Recording, open_recording
from docaxis.recording.summary import summarise
from docaxis.recording.writer import RecordingWriter


class Stored(NamedTuple):
    """A record as Kafka gives it."""

    offset: int
    timestamp: int
    value: bytes | None


def stored(events: Iterable[object], first: int = 0) -> list[Stored]:
    """Return events as records, one after the other."""
    return [Stored(first + number, 1_600_000_000_000 + number, encode(event)) for number, event in enumerate(events)]


def sent(number: int, at_us: int, sender: str = "H53", recipients: Sequence[str] = ("G22",)) -> Sent:
    """Return one document."""
    document = f"{sender}.2021.{number:07d}"
    return Sent(
        1, "old", f"{document}.0", document, sender, list(recipients), 18, 0, 1, 0, 1000, at_us // 1000, at_us, at_us
    )


def record_events(folder: Path, events: Sequence[Sent], *, part_rows: int = 100, sensitive: bool = False) -> Recording:
    """Return a whole recording of documents."""
    writer = RecordingWriter(folder, {"prefix": "axis"}, part_rows=part_rows)
    for first in range(0, len(events), part_rows):
        writer.add(columns_of("sent", 0, stored(events[first : first + part_rows], first)))
        writer.flush({"sent/0": first + part_rows})
    write_manifest(folder, summarise(folder, writer.parts, {"prefix": "axis"}, sensitive=sensitive))
    return open_recording(folder)


def import_text(
    folder: Path,
    text: str | bytes,
    map_name: str,
    *,
    name: str = "in.txt",
    share_max: float = 0.01,
    in_order: bool = False,
) -> Imported:
    """Import a text to `folder`/out."""
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return import_file(
        path,
        load_map(map_name),
        folder / "out",
        known=Registry.load(),
        rejects=folder / "rejected.ndjson",
        rejects_share_max=share_max,
        in_order=in_order,
    )
