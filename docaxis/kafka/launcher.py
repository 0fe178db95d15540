"""Two ways to start a broker's process: to stay when the command ends, or to end with it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Protocol

from docaxis.domain.errors import InfrastructureError
from docaxis.kafka import keeper


class Launcher(Protocol):
    """Starts processes; what becomes of them when the owner ends is what implementations differ in."""

    def launch(self, argv: list[str], output: Path) -> int:
        """Start a process that writes to the file `output`; return its pid."""

    def close(self) -> None:
        """The processes have been stopped; let go of what was needed to watch them."""

    def release(self) -> None:
        """Let the processes live on without the owner."""


class DetachedLauncher:
    """The processes stay: `docaxis broker up` ends, its brokers do not."""

    def launch(self, argv: list[str], output: Path) -> int:
        """Start a process in a session of its own."""
        try:
            with output.open("ab") as stream:
                process = subprocess.Popen(
                    argv, stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT, start_new_session=True
                )
        except OSError as error:
            raise _cannot_start(argv, error) from error
        process.returncode = 0  # not ours to collect: silences Popen's warning about a child that still runs
        return process.pid

    def close(self) -> None:
        """Nothing is held."""

    def release(self) -> None:
        """They are free already."""


class OwnedLauncher:
    """The processes end with their owner, even when it is killed: a keeper sees to it (`docaxis.kafka.keeper`)."""

    def __init__(self, stop_timeout_s: float) -> None:
        self._keeper = subprocess.Popen(
            [sys.executable, "-I", "-S", keeper.__file__, str(stop_timeout_s)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        self._stop_timeout_s = stop_timeout_s

    def launch(self, argv: list[str], output: Path) -> int:
        """Start a process under the keeper."""
        self._write({"start": argv, "output": str(output)})
        assert self._keeper.stdout is not None
        answer = json.loads(self._keeper.stdout.readline() or b'{"error": "the keeper process has ended"}')
        if "error" in answer:
            raise _cannot_start(argv, answer["error"])
        return int(answer["pid"])

    def close(self) -> None:
        """Close the pipe and wait for the keeper, which stops whatever still runs."""
        assert self._keeper.stdin is not None
        assert self._keeper.stdout is not None
        self._keeper.stdin.close()
        self._keeper.wait(self._stop_timeout_s + 10)
        self._keeper.stdout.close()

    def release(self) -> None:
        """Send the keeper away; the processes stay."""
        self._write({"release": True})
        self.close()

    def _write(self, request: dict[str, Any]) -> None:
        assert self._keeper.stdin is not None
        try:
            self._keeper.stdin.write(json.dumps(request).encode() + b"\n")
            self._keeper.stdin.flush()
        except BrokenPipeError as error:
            raise _cannot_start(request.get("start", ["keeper"]), "the keeper process has ended") from error


def _cannot_start(argv: list[str], reason: object) -> InfrastructureError:
    return InfrastructureError(f"{argv[0]} could not be started: {reason}", next_step="check the file and its rights")
