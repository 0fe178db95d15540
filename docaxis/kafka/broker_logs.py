"""Reading the brokers' logs: the last lines, and those that come, through the rotation of the files."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

_POLL_S = 0.3


def log_files(data_dir: Path) -> dict[str, Path]:
    """Return each broker's log by its name, those that exist."""
    return {path.parent.name: path for path in sorted(data_dir.glob("node-*/server.log"))}


def last_lines(files: Mapping[str, Path], count: int) -> Iterator[tuple[str, str]]:
    """Yield the last `count` lines of each file, one file after the other."""
    for name, path in files.items():
        with path.open(encoding="utf-8", errors="replace") as stream:
            for line in deque(stream, maxlen=count):
                yield name, line.rstrip("\n")


def follow(files: Mapping[str, Path], sleep: Callable[[float], None]) -> Iterator[tuple[str, str]]:
    """Yield the lines written from now on, for ever. A file that became shorter was rotated and is read anew."""
    positions = {name: path.stat().st_size for name, path in files.items()}
    while True:
        quiet = True
        for name, path in files.items():
            if not path.exists():
                continue
            with path.open("rb") as stream:
                if path.stat().st_size < positions[name]:
                    positions[name] = 0
                stream.seek(positions[name])
                for raw in stream:
                    if not raw.endswith(b"\n"):
                        break  # still being written
                    positions[name] += len(raw)
                    quiet = False
                    yield name, raw.decode(errors="replace").rstrip("\n")
        if quiet:
            sleep(_POLL_S)
