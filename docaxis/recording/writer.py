"""Writing a recording: whole parts only, each sorted by time and carrying where its source had been read to.

A part appears under its name only when all of it is on disk, with the positions of the source *in it*: after SIGKILL
at any moment the parts that are there are whole, and the last one says where to go on. Nothing is lost or doubled.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from docaxis.domain.errors import UsageError
from docaxis.files import sync_folder, telling, write_whole
from docaxis.recording.manifest import BEGUN, MANIFEST, Part
from docaxis.recording.schema import SCHEMA, SCHEMA_VERSION

#: Rows gathered before a part is written: bounds memory (about 300 bytes a row, twice while sorting).
PART_ROWS = 250_000

#: Rows of a group, the smallest piece that a reader can skip by its times.
GROUP_ROWS = 62_500

#: zstd's fastest level packs events within a few percent of its slower ones.
_LEVEL = 1

#: Columns in which few values come often; ids and times are all different, and a dictionary of them costs time only.
_REPEATED = [
    "kind", "run", "sender", "recipient", "recipients.list.element", "partition", "type", "priority", "steering",
    "business", "sent_partition", "state", "code", "reason", "place_topic", "place_partition", "sha256", "value",
]  # fmt: skip

#: Whole numbers that differ little from row to row.
_RISING = [
    "sequence", "time_us", "offset", "record_ms", "calendar_ms", "intended_us", "sent_us", "accepted_us",
    "available_us", "received_us",
]  # fmt: skip

_NOTE = b"docaxis"


class PartNote(msgspec.Struct, frozen=True):
    """What a part says of itself, in its Parquet metadata."""

    schema_version: int
    first_sequence: int
    rows: int
    positions: dict[str, int]  # "<topic>/<partition>" -> next offset of the source after this part


class RecordingWriter:
    """Appends tables of the schema to a folder. `flush` makes what was added durable together with its positions."""

    def __init__(self, folder: Path, begun: Mapping[str, Any], *, part_rows: int = PART_ROWS) -> None:
        """Begin a recording, or go on with one that has the same beginning. Raises UsageError for any other folder."""
        self._folder = folder
        self._part_rows = part_rows
        self._tables: list[pa.Table] = []
        self._waiting = 0
        self.parts: list[Part] = []
        self.positions: dict[str, int] = {}
        self.rows = 0  # of whole parts
        self._begin(dict(begun))

    def _begin(self, begun: dict[str, Any]) -> None:
        folder = self._folder
        if (folder / MANIFEST).exists():
            raise UsageError(f"{folder} holds a whole recording already", next_step="choose another folder")
        with telling(folder):
            folder.mkdir(parents=True, exist_ok=True)
        before = folder / BEGUN
        if not before.exists():
            if any(folder.iterdir()):
                raise UsageError(f"{folder} is not empty and no recording", next_step="choose another folder")
            write_whole(before, msgspec.json.format(msgspec.json.encode(begun), indent=1) + b"\n")
            return
        known = msgspec.json.decode(before.read_bytes())
        wanted = msgspec.json.decode(msgspec.json.encode(begun))
        differing = sorted(name for name in {*known, *wanted} if known.get(name) != wanted.get(name))
        if differing:
            name = differing[0]
            raise UsageError(
                f"{folder} was begun with {name} {known.get(name)!r}, now it is {wanted.get(name)!r}",
                next_step="give the same options to go on, or another folder to begin anew",
            )
        for leftover in folder.glob(".*.unfinished"):
            leftover.unlink()
        for path in sorted(folder.glob("part-*.parquet")):
            self._take_over(path)

    def _take_over(self, path: Path) -> None:
        note, part = read_part(path)
        if note.first_sequence != self.rows:
            raise UsageError(
                f"{path} begins with row {note.first_sequence}, and {self.rows} rows stand before it",
                next_step="restore the parts that are missing, or begin anew in another folder",
            )
        self.parts.append(part)
        self.rows += note.rows
        self.positions = dict(note.positions)

    @property
    def waiting(self) -> int:
        """Rows that were added and are not in a part yet."""
        return self._waiting

    @property
    def full(self) -> bool:
        """Whether a part's worth of rows waits."""
        return self._waiting >= self._part_rows

    def add(self, tables: Sequence[pa.Table]) -> None:
        """Take the tables of one batch; their `sequence` orders the rows within it, and is numbered on from here."""
        order = np.concatenate([np.asarray(table.column("sequence")) for table in tables] or [np.empty(0, np.int64)])
        numbers = np.empty(len(order), np.int64)
        numbers[np.argsort(order, kind="stable")] = np.arange(len(order)) + self.rows + self._waiting
        first = 0
        for table in tables:
            at = table.schema.get_field_index("sequence")
            mine = pa.array(numbers[first : first + table.num_rows])
            self._tables.append(table.set_column(at, SCHEMA.field(at), mine))
            first += table.num_rows
        self._waiting += first

    def flush(self, positions: Mapping[str, int]) -> None:
        """Write what waits as a part that says how far the source was read; nothing if nothing waits."""
        if not self._waiting:
            return
        table = pa.concat_tables(self._tables)
        order = np.lexsort((np.asarray(table.column("sequence")), np.asarray(table.column("time_us"))))
        table = table.take(pa.array(order)).combine_chunks()
        note = PartNote(SCHEMA_VERSION, self.rows, table.num_rows, dict(positions))
        path = self._folder / f"part-{len(self.parts):06d}.parquet"
        write_part(path, table, note)
        times = np.asarray(table.column("time_us"))
        self.parts.append(Part(path.name, table.num_rows, path.stat().st_size, int(times[0]), int(times[-1])))
        self.rows += table.num_rows
        self.positions = dict(positions)
        self._tables, self._waiting = [], 0


def write_part(path: Path, table: pa.Table, note: PartNote) -> None:
    """Write one part: all of it, or nothing under its name."""
    unfinished = path.with_name(f".{path.name}.unfinished")
    with telling(path):
        try:
            with unfinished.open("wb") as file:
                pq.write_table(
                    table.replace_schema_metadata({_NOTE: msgspec.json.encode(note)}),
                    file,
                    compression="zstd",
                    compression_level=_LEVEL,
                    row_group_size=GROUP_ROWS,
                    use_dictionary=_REPEATED,
                    column_encoding=dict.fromkeys(_RISING, "DELTA_BINARY_PACKED"),
                    write_statistics=["time_us", "sequence", "calendar_ms", "kind", "sender"],
                )
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
        sync_folder(path.parent)


def read_part(path: Path) -> tuple[PartNote, Part]:
    """Return what a part says of itself. Raises UsageError if it is truncated or no part."""
    try:
        footer = pq.read_metadata(path)
        note = msgspec.json.decode((footer.metadata or {})[_NOTE], type=PartNote)
    except (OSError, pa.ArrowException, msgspec.MsgspecError, KeyError) as error:
        raise UsageError(
            f"{path} is no whole part of a recording: {error}", next_step="restore it, or record again"
        ) from error
    _check_columns(path, footer.schema.to_arrow_schema())
    at = footer.schema.names.index("time_us")
    groups = [footer.row_group(number).column(at).statistics for number in range(footer.num_row_groups)]
    times = [bound for group in groups for bound in (group.min, group.max)]
    return note, Part(path.name, footer.num_rows, path.stat().st_size, min(times), max(times))


def _check_columns(path: Path, schema: pa.Schema) -> None:
    """Raise UsageError for the first column that is missing or of another type; further ones do no harm."""
    for field in SCHEMA:
        found = str(schema.field(field.name).type) if field.name in schema.names else "missing"
        # Parquet and Arrow call the values of a list by different names.
        if found.replace("element", "item") != str(field.type).replace("element", "item"):
            raise UsageError(
                f"{path}: column {field.name!r} is {found}, expected {field.type}: no part of a recording, or changed",
                next_step="restore it, or record again",
            )
