"""Files that are there whole or not at all: written beside their place first, then put into it."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from docaxis.domain.errors import InfrastructureError

#: What a run writes into its folder besides Kafka's data: its series, its report, its logs.
ROOM_BYTES = 32 << 20


def make_folder(folder: Path, variable: str) -> None:
    """Make a folder for what a run leaves, which the environment variable could name.

    Raises:
        InfrastructureError: it cannot be made or written to, or there is no room in it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(13, "Permission denied")
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise InfrastructureError(
            f"The folder {folder} cannot be made: {error.strerror or error}",
            next_step=f"make room or give rights there, or choose another: {variable}=/path",
        ) from error
    if free < ROOM_BYTES:
        raise InfrastructureError(
            f"The folder {folder} has room for {free / 1e6:,.0f} MB, and {ROOM_BYTES / 1e6:,.0f} are needed",
            next_step=f"make room there, or choose another: {variable}=/path",
        )


@contextlib.contextmanager
def telling(path: Path) -> Iterator[None]:
    """Turn a failure of writing (disk full, no permission) into a message that names the place."""
    try:
        yield
    except OSError as error:  # pyarrow raises subclasses of it
        raise InfrastructureError(
            f"{path} could not be written: {error.strerror or error}",
            next_step="make room or choose another folder, and give the same command again",
        ) from error


@contextlib.contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Give a path to write to; what is there at the end takes the file's place, and after an error nothing does.

    Raises:
        InfrastructureError: it could not be written.
    """
    unfinished = path.with_name(f".{path.name}.unfinished")
    with telling(path):
        try:
            yield unfinished
            with unfinished.open("rb") as file:
                os.fsync(file.fileno())
            unfinished.replace(path)
        finally:
            with contextlib.suppress(OSError):
                unfinished.unlink(missing_ok=True)
        sync_folder(path.parent)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that it is there with all its content, or not at all, whatever happens."""
    with whole(path) as unfinished:
        unfinished.write_bytes(content)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder outlive a failure of the machine."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
