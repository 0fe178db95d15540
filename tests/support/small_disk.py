"""A disk that is soon full: a small file system of its own where that may be mounted, else the system's own refusal."""

import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(folder: Path, kilobytes: int) -> Iterator[Path]:
    """Give a folder on which no more than so much can be written."""
    folder.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder)]
    if shutil.which("mount") and subprocess.run(mounting, capture_output=True, check=False).returncode == 0:
        try:
            yield folder
        finally:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)
        return
    real = os.fsync

    def fsync(descriptor: int) -> None:  # what every durable write ends with
        path = Path(f"/proc/self/fd/{descriptor}").resolve()
        held = sum(one.stat().st_size for one in folder.rglob("*") if one.is_file())
        if path.is_relative_to(folder) and held > kilobytes * 1024:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "fsync", fsync)
        yield folder
