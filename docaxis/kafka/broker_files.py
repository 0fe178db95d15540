"""What an embedded broker leaves on disk: its layout, which stays with the data, and who runs, while it runs.

<home>/broker/layout.json     cluster node_id, Kafka version, each broker's ports: kept from one start to the next
<home>/broker/running.json    the processes, by pid and start; gone after a clean stop, stale after a crash
<home>/broker/lock            held while somebody starts or stops it
<home>/broker/node-1/...      one broker: its data, its properties, its logs
"""

import fcntl
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from docaxis.domain.errors import InfrastructureError
from docaxis.kafka.broker_config import Node
from docaxis.kafka.process import ProcessMark


@dataclass(frozen=True, slots=True)
class Layout:
    """What belongs to the data: the same at every start, so that clients find the brokers where they were."""

    cluster_id: str
    version: str
    #: (port, controller port) by broker id.
    ports: Mapping[int, tuple[int, int]]

    def nodes(self, folder: Path) -> tuple[Node, ...]:
        """Return the brokers, in order of id."""
        return tuple(
            Node(node_id, port, controller_port, folder / f"node-{node_id}")
            for node_id, (port, controller_port) in sorted(self.ports.items())
        )

    @classmethod
    def load(cls, folder: Path) -> Self | None:
        """Read layout.json; None where no broker was ever started."""
        content = _read(folder / "layout.json")
        if content is None:
            return None
        ports = {int(node_id): (pair[0], pair[1]) for node_id, pair in content["ports"].items()}
        return cls(content["cluster_id"], content["version"], ports)

    def save(self, folder: Path) -> None:
        """Write layout.json."""
        _write(
            folder / "layout.json",
            {"cluster_id": self.cluster_id, "version": self.version, "ports": dict(self.ports)},
        )


@dataclass(frozen=True, slots=True)
class Running:
    """The processes of a broker that was started; whether they still live is asked of the system."""

    #: By broker id.
    processes: Mapping[int, ProcessMark]
    #: The command with which they end; None for a broker that stays.
    owner: ProcessMark | None

    @classmethod
    def load(cls, folder: Path) -> Self | None:
        """Read running.json; None after a clean stop."""
        content = _read(folder / "running.json")
        if content is None:
            return None
        owner = content["owner"]
        return cls(
            {int(node_id): ProcessMark(**mark) for node_id, mark in content["processes"].items()},
            ProcessMark(**owner) if owner else None,
        )

    def save(self, folder: Path) -> None:
        """Write running.json."""
        owner = self.owner and {"pid": self.owner.pid, "started": self.owner.started}
        processes = {node_id: {"pid": mark.pid, "started": mark.started} for node_id, mark in self.processes.items()}
        _write(folder / "running.json", {"processes": processes, "owner": owner})

    @staticmethod
    def clear(folder: Path) -> None:
        """Remove running.json: nothing runs any more."""
        (folder / "running.json").unlink(missing_ok=True)


@contextmanager
def locked(folder: Path, timeout_s: float) -> Iterator[None]:
    """Let one command at a time start or stop this broker; the system frees the lock when its holder dies."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        stream = (folder / "lock").open("w")
    except OSError as error:
        raise InfrastructureError(
            f"The broker's folder {folder} cannot be used: {error}",
            next_step="make room or give rights there, or choose another: DOCAXIS_PATHS_HOME=/path",
        ) from error
    with stream:
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise InfrastructureError(
                        f"Another docaxis has been starting or stopping the broker in {folder} for {timeout_s:g} s",
                        next_step="wait for it to end, then try again",
                    ) from None
                time.sleep(0.1)
        yield


def _read(path: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):  # the latter where the home folder cannot be one
        return None
    except (OSError, ValueError) as error:
        raise InfrastructureError(
            f"{path} cannot be read: {error}",
            next_step="stop the broker's Java process if one runs, then remove that file",
        ) from error
    assert isinstance(content, dict)
    return content


def _write(path: Path, content: Mapping[str, Any]) -> None:
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    partial.replace(path)
