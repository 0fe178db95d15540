"""The manifest of a recording: what it holds, written last, so that a folder with one is whole."""

from pathlib import Path
from typing import Any

import msgspec

from docaxis.domain.errors import UsageError
from docaxis.files import write_whole
from docaxis.recording.schema import SCHEMA_VERSION

MANIFEST, REGISTRY, BEGUN = "manifest.json", "registry.csv", "recording.json"


class Part(msgspec.Struct, frozen=True):
    """One file of rows."""

    file: str
    rows: int
    bytes: int
    time_us_min: int
    time_us_max: int


class Gap(msgspec.Struct, frozen=True):
    """A stretch in which nothing was sent."""

    from_us: int
    to_us: int


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a whole recording says of itself."""

    schema_version: int
    source: dict[str, Any]  # where it comes from: topics and filters, or the file imported and its map
    created_us: int
    rows: int
    kinds: dict[str, int]  # rows by kind
    documents: int  # rows of kind sent
    deliveries: int  # their recipients
    time_us_min: int | None  # of the documents sent
    time_us_max: int | None
    calendar_ms_min: int | None
    calendar_ms_max: int | None
    senders: int
    agencies: list[str]  # all that send or receive, in order
    runs: list[str]
    gaps: list[Gap]  # the longest in which nothing was sent, longest first
    parts: list[Part]
    sensitive: bool = False  # real traffic of real people: not to be sent anywhere as it is
    clock_backwards: int = 0  # rows of an imported file that stand after a later one
    received_before_sent: int = 0  # deliveries of which the clocks say so
    registry: str = ""  # file of the folder that lists the agencies; empty: the package's own


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Declare the recording whole."""
    write_whole(folder / MANIFEST, msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n")


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest of a whole recording; raises UsageError for anything else."""
    if not folder.is_dir():
        what = "is no recording" if folder.exists() else "does not exist"
        raise UsageError(
            f"{folder} {what}",
            next_step="give the folder that `docaxis record` or `docaxis import` wrote",
        )
    path = folder / MANIFEST
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except FileNotFoundError:
        begun = (folder / BEGUN).exists()
        raise UsageError(
            f"{folder} has no {MANIFEST}: " + ("its recording was not finished" if begun else "it is no recording"),
            next_step="run the same command again, which goes on where it stopped"
            if begun
            else "give the folder that `docaxis record` or `docaxis import` wrote",
        ) from None
    except (OSError, msgspec.MsgspecError) as error:
        raise UsageError(f"{path} cannot be read: {error}", next_step="restore it, or record again") from error
    if manifest.schema_version != SCHEMA_VERSION:
        raise UsageError(
            f"{path}: schema_version is {manifest.schema_version}, this docaxis reads {SCHEMA_VERSION}",
            next_step="use the docaxis that wrote it",
        )
    return manifest
