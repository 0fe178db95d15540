"""Reading recordings: opened and checked once, then queried by DuckDB in bounded memory."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from docaxis.domain.agency import Registry
from docaxis.domain.errors import UsageError
from docaxis.domain.run import is_canary
from docaxis.recording.manifest import Manifest, read_manifest
from docaxis.recording.writer import read_part


@dataclass(frozen=True, slots=True)
class Recording:
    """A whole recording: its folder and what it holds."""

    folder: Path
    manifest: Manifest

    @property
    def files(self) -> list[str]:
        """The files of rows, in order."""
        return [str(self.folder / part.file) for part in self.manifest.parts]

    @property
    def canaries(self) -> list[str]:
        """The runs of canaries that it holds."""
        return [run for run in self.manifest.runs if is_canary(run)]

    def registry(self) -> Registry:
        """Return the registry beside the recording, or the package's own where there is none."""
        name = self.manifest.registry
        return Registry.load(self.folder / name if name else None)


def open_recording(folder: Path) -> Recording:
    """Return a recording whose parts are all there and whole. Raises UsageError naming the first fault."""
    manifest = read_manifest(folder)
    for part in manifest.parts:
        path = folder / part.file
        if not path.exists():
            raise UsageError(f"{path} is missing", next_step="restore it, or record again")
        size = path.stat().st_size
        if size != part.bytes:
            raise UsageError(
                f"{path} has {size:,} bytes, the manifest says {part.bytes:,}: it was truncated or changed",
                next_step="restore it, or record again",
            )
        read_part(path)
    return Recording(folder, manifest)


def attach(connection: duckdb.DuckDBPyConnection, recordings: Sequence[Recording], name: str = "events") -> int:
    """Make the rows of recordings one view, without canaries' events: those are no traffic. Return how many these are.

    The column `recording` numbers the recordings in the order given.
    """
    selects, left_out = [], 0
    for number, recording in enumerate(recordings):
        if recording.files:
            rows = f"read_parquet([{', '.join(_quoted(file) for file in recording.files)}])"
            canaries = ", ".join(map(_quoted, recording.canaries))
            kept = f" WHERE run IS NULL OR run NOT IN ({canaries})" if canaries else ""
            selects.append(f"SELECT *, {number} AS recording FROM {rows}{kept}")
            if canaries:
                counted = connection.execute(f"SELECT count(*) FROM {rows} WHERE run IN ({canaries})").fetchall()
                left_out += int(counted[0][0])
    connection.execute(f"CREATE OR REPLACE TEMP VIEW {name} AS {' UNION ALL '.join(selects)}")
    return left_out


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
