"""Reading recordings: opened and checked once, then queried by DuckDB in bounded memory."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from docaxis.domain.agency import Registry
from docaxis.domain.errors import UsageError
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


def attach(connection: duckdb.DuckDBPyConnection, recordings: Sequence[Recording], name: str = "events") -> None:
    """Make the rows of recordings one view; `recording` numbers them in the order given."""
    selects = [
        f"SELECT *, {number} AS recording FROM read_parquet([{', '.join(_quoted(file) for file in recording.files)}])"
        for number, recording in enumerate(recordings)
        if recording.files
    ]
    connection.execute(f"CREATE OR REPLACE TEMP VIEW {name} AS {' UNION ALL '.join(selects)}")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
