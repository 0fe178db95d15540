"""The processes of one axis: roles as child processes that end with this one, however it ends."""

import asyncio
import logging
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp
import orjson

from docaxis.commands.log_limit import bounded
from docaxis.domain.clock import SystemClock
from docaxis.domain.errors import InfrastructureError
from docaxis.files import make_folder
from docaxis.settings import Settings

#: A role is up when it has said where its endpoints are; imports alone take seconds on a busy machine.
START_WITHIN_S = 60.0
#: A role is at work when it has taken over what a killed one left open; transactions and groups take their time for it.
READY_WITHIN_S = 180.0
STOP_WITHIN_S = 45.0

#: Lines of a dead role's log that its error shows.
_LINES_SHOWN = 6


@dataclass(slots=True)
class Child:
    """One role's process."""

    name: str
    process: asyncio.subprocess.Process
    log: Path
    url: str = ""

    @property
    def pid(self) -> int:
        """The process's number."""
        return self.process.pid


class Axis:
    """Starts roles, watches them and ends them; each holds a pipe to this process and stops when it breaks.

    While it is open, what the clients of this process itself log goes to `command.log` beside the logs of the roles:
    a client says "not leader" when topics are new, and then goes on, which would only disturb the view.
    """

    def __init__(self, settings: Settings, logs: Path) -> None:
        self._settings = settings
        self._logs = logs
        self._log = bounded(logging.FileHandler(logs / "command.log", delay=True), SystemClock())
        self.children: list[Child] = []
        self.peak_rss_bytes: dict[str, int] = {}
        self.cpu_seconds: dict[str, float] = {}

    async def __aenter__(self) -> Self:
        make_folder(self._logs, "DOCAXIS_PATHS_RUNS")
        logging.getLogger().addHandler(self._log)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        try:
            await self.stop(list(self.children))
        finally:
            logging.getLogger().removeHandler(self._log)
            self._log.close()

    async def start(self, name: str, *arguments: str) -> Child:
        """Start `docaxis ARGUMENTS`, a role, and wait until it says where its endpoints are."""
        log = self._logs / f"{name}.log"
        with log.open("ab") as stderr:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "docaxis",
                *arguments,
                "--owned",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=stderr,
                env={**os.environ, **self._settings.to_environment()},
                start_new_session=True,  # Ctrl-C reaches this process alone, which ends its roles in order
            )
        child = Child(name, process, log)
        self.children.append(child)
        assert process.stdout is not None
        try:
            line = await asyncio.wait_for(process.stdout.readline(), START_WITHIN_S)
        except TimeoutError:
            line = b""
        if not line:
            raise self._ended(child)
        child.url = orjson.loads(line)["url"]
        return child

    async def wait_ready(self, children: Sequence[Child]) -> None:
        """Wait until every role says on /readyz that it does its work."""
        deadline_s = asyncio.get_running_loop().time() + READY_WITHIN_S
        async with aiohttp.ClientSession() as session:
            for child in children:
                while not await _is_ready(session, child.url):
                    self.check()
                    if asyncio.get_running_loop().time() > deadline_s:
                        raise self._ended(child, READY_WITHIN_S)
                    await asyncio.sleep(0.1)

    def check(self) -> None:
        """Raise if a role has ended by itself; note each role's memory."""
        for child in self.children:
            if child.process.returncode is not None:
                raise self._ended(child)
            peak = peak_rss_bytes(child.pid)
            if peak:
                self.peak_rss_bytes[child.name] = peak
                self.cpu_seconds[child.name] = cpu_seconds(child.pid)

    async def stop(self, children: list[Child]) -> None:
        """End roles in order of their starting, each by closing its lifeline; by force after a bound."""
        for child in children:
            if child.process.stdin is not None:
                child.process.stdin.close()
        for child in children:
            try:
                await asyncio.wait_for(child.process.wait(), STOP_WITHIN_S)
            except TimeoutError:
                child.process.kill()
                await child.process.wait()
            if child in self.children:
                self.children.remove(child)

    def _ended(self, child: Child, within_s: float = START_WITHIN_S) -> InfrastructureError:
        lines = child.log.read_text(encoding="utf-8", errors="replace").splitlines() if child.log.exists() else []
        said = "\n".join(f"    {line}" for line in lines[-_LINES_SHOWN:])
        code = child.process.returncode
        how = f"ended with code {code}" if code is not None else f"was not ready within {within_s:.0f} s"
        return InfrastructureError(
            f"The role {child.name} {how}" + (f"; it said last:\n{said}" if said else ""),
            next_step=f"read {child.log}",
        )


async def _is_ready(session: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with session.get(f"{url}/readyz", timeout=aiohttp.ClientTimeout(total=5)) as answer:
            return answer.status == 200
    except (aiohttp.ClientError, TimeoutError):
        return False


def peak_rss_bytes(pid: int) -> int:
    """Return the most memory a process has had resident; 0 where the system does not tell (only Linux does)."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM")), 0)


def cpu_seconds(pid: int) -> float:
    """Return the processor time a process has used; 0 where the system does not tell (only Linux does)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
