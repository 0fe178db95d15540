"""Processes that outlive the command that started them: recognised by more than their number, ended with patience.

A pid alone says little: numbers are used again, and a state file may be older than the last reboot. A mark joins the
pid with the moment the process started, so that a stranger who inherited the number is never signalled.
"""

import os
import signal
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil

_POLL_S = 0.05
_HAS_PROC = sys.platform == "linux"


@dataclass(frozen=True, slots=True)
class ProcessMark:
    """One process for ever: its pid, and when it started in the system's own words."""

    pid: int
    started: str

    @property
    def running(self) -> bool:
        """True while exactly this process lives; one that ended and was not yet collected does not."""
        return _started(self.pid) == self.started

    def signal(self, number: int) -> bool:
        """Send a signal if the process still lives; return whether it was sent."""
        if not self.running:
            return False
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            return False
        return True


def mark_process(pid: int) -> ProcessMark | None:
    """Return the mark of a living process, None when there is none of that number."""
    started = _started(pid)
    return None if started is None else ProcessMark(pid, started)


def end_processes(marks: Iterable[ProcessMark], timeout_s: float) -> list[ProcessMark]:
    """End all: SIGTERM, and SIGKILL for those alive after `timeout_s`. Return those that had to be killed."""
    living = [mark for mark in marks if mark.signal(signal.SIGTERM)]
    for mark in living:
        mark.signal(signal.SIGCONT)  # a process stopped by SIGSTOP would never read its SIGTERM
    living = wait_ended(living, timeout_s)
    for mark in living:
        mark.signal(signal.SIGKILL)
    wait_ended(living, 5.0)
    return living


def wait_ended(marks: Iterable[ProcessMark], timeout_s: float) -> list[ProcessMark]:
    """Wait until all have ended; return those that live after `timeout_s`."""
    living = list(marks)
    deadline = time.monotonic() + timeout_s
    while living := [mark for mark in living if mark.running]:
        if time.monotonic() > deadline:
            break
        time.sleep(_POLL_S)
    return living


def _started(pid: int) -> str | None:
    """Return the start of a living process, None for a dead one or a zombie."""
    return _started_linux(pid) if _HAS_PROC else _started_elsewhere(pid)


def _started_elsewhere(pid: int) -> str | None:
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else f"{process.create_time():.2f}"
    except psutil.Error:
        return None


def _started_linux(pid: int) -> str | None:
    # Ticks since boot, with the boot's id: psutil's time of day moves when the clock is set.
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()  # the command's name before it may hold anything
    state, start_ticks = fields[0], fields[19]
    return None if state in "ZX" else f"{boot}:{start_ticks}"
