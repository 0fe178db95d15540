"""Recordings for tests: made of events as a recorder would get them, or imported from text."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from docaxis.domain.agency import Registry
from docaxis.domain.calendar import VIETNAM_OFFSET_MS
from docaxis.domain.codec import encode
from docaxis.domain.event import Sent
from docaxis.recording.columns import columns_of
from docaxis.recording.import_map import load_map
from docaxis.recording.importer import Imported, import_file
from docaxis.recording.manifest import write_manifest
from docaxis.recording.reader import Recording, open_recording
from docaxis.recording.summary import summarise
from docaxis.recording.writer import RecordingWriter

#: An ordinary week of `history`: working days of February 2021, documents by hour.
DAYS = (23, 24, 25)  # of February 2021: Tuesday to Thursday
PER_HOUR = {8: 120, 9: 200, 11: 60, 14: 160, 15: 40}
#: Of the first eight other agencies as recipients.
WEIGHTS = np.array([8, 4, 4, 2, 2, 1, 1, 1]) / 23


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
    allow_backwards: bool = False,
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
        allow_backwards=allow_backwards,
    )


def history(seed: int = 1) -> list[Sent]:
    """Return some days of documents, and a Sunday that must not count for the hours."""
    rng = np.random.default_rng(seed)
    events: list[Sent] = []
    for day in (*DAYS, 28):
        midnight_ms = round(datetime(2021, 2, day, tzinfo=UTC).timestamp() * 1000) - VIETNAM_OFFSET_MS
        for hour, count in ({3: 50} if day == 28 else PER_HOUR).items():
            for at_ms in np.sort(rng.integers(0, 3_600_000, count)).tolist():
                sender = ("H53", "G22")[int(rng.random() < 0.25)]
                fan_out = int(rng.choice([1, 2, 3, 6, 94], p=[0.6, 0.2, 0.1, 0.09, 0.01]))
                others = [code for code in Registry.load().codes if code != sender]
                some = rng.choice(others[:8], size=min(fan_out, 8), replace=False, p=WEIGHTS).tolist()
                recipients = others if fan_out == 94 else sorted(some)
                instant_us = (midnight_ms + hour * 3_600_000 + at_ms) * 1000
                size, priority = int(rng.lognormal(13, 1)), int(rng.random() < 0.3)
                one = sent(len(events) + 1, instant_us, sender, recipients)
                events.append(msgspec.structs.replace(one, size=size, priority=priority))
    return events
