"""Processes are known by pid and start, and end with patience; ports are found outside the system's own range."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from docaxis.kafka.launcher import OwnedLauncher
from docaxis.kafka.ports import find_free_ports, is_free
from docaxis.kafka.process import ProcessMark, end_processes, mark_process, wait_ended

SLEEP = [sys.executable, "-S", "-c", "import time; print('up', flush=True); time.sleep(60)"]
STUBBORN = [
    sys.executable,
    "-S",
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)",
]


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[str]]]:
    """Collect processes that the test starts, and end them with it."""
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for process in processes:
        process.kill()
        process.communicate()


def _start(started: list[subprocess.Popen[str]], argv: list[str]) -> ProcessMark:
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    started.append(process)
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    mark = mark_process(process.pid)
    assert mark is not None
    return mark


def test_a_stranger_with_the_same_number_is_never_signalled(started: list[subprocess.Popen[str]]) -> None:
    mark = _start(started, SLEEP)
    stranger = ProcessMark(mark.pid, "another start")
    assert mark.running
    assert not stranger.running
    assert not stranger.signal(signal.SIGKILL)
    assert end_processes([stranger], 1.0) == []
    assert mark.running


def test_a_dead_process_that_nobody_collected_does_not_run(started: list[subprocess.Popen[str]]) -> None:
    mark = _start(started, SLEEP)
    os.kill(mark.pid, signal.SIGKILL)
    assert wait_ended([mark], 5.0) == []  # it is a zombie now: the fixture has not waited for it
    assert mark_process(mark.pid) is None


def test_processes_end_by_sigterm_and_by_force_only_when_they_must(started: list[subprocess.Popen[str]]) -> None:
    willing, stubborn = _start(started, SLEEP), _start(started, STUBBORN)
    assert end_processes([willing, stubborn], 0.3) == [stubborn]
    assert not willing.running
    assert not stubborn.running


def test_a_stopped_process_is_continued_to_end(started: list[subprocess.Popen[str]]) -> None:
    mark = _start(started, SLEEP)
    mark.signal(signal.SIGSTOP)
    assert end_processes([mark], 5.0) == []
    assert not mark.running


def _wait_for(text: str, path: Path) -> None:
    deadline = time.monotonic() + 10
    while text not in (path.read_text(encoding="utf-8") if path.exists() else ""):
        assert time.monotonic() < deadline, f"{text!r} never came to {path}"
        time.sleep(0.02)


def test_owned_processes_end_when_the_owner_closes(tmp_path: Path) -> None:
    launcher = OwnedLauncher(stop_timeout_s=0.3)
    pids = [launcher.launch(argv, tmp_path / str(n)) for n, argv in enumerate((SLEEP, STUBBORN))]
    marks = [mark for pid in pids if (mark := mark_process(pid))]
    assert len(marks) == 2
    _wait_for("up", tmp_path / "1")
    launcher.close()
    assert not any(mark.running for mark in marks)


def test_released_processes_stay(tmp_path: Path) -> None:
    launcher = OwnedLauncher(stop_timeout_s=1)
    mark = mark_process(launcher.launch(SLEEP, tmp_path / "out"))
    assert mark is not None
    launcher.release()
    assert mark.running
    assert end_processes([mark], 5.0) == []


def test_owned_processes_end_when_the_owner_is_killed(tmp_path: Path, started: list[subprocess.Popen[str]]) -> None:
    owner = f"""
import time
from pathlib import Path
from docaxis.kafka.launcher import OwnedLauncher
launcher = OwnedLauncher(1)
Path({str(tmp_path / "pid")!r}).write_text(str(launcher.launch({SLEEP!r}, Path({str(tmp_path / "out")!r}))) + "!")
print("up", flush=True)
time.sleep(60)
"""
    mark = _start(started, [sys.executable, "-c", owner])
    _wait_for("!", tmp_path / "pid")
    child = mark_process(int((tmp_path / "pid").read_text(encoding="utf-8").rstrip("!")))
    assert child is not None
    mark.signal(signal.SIGKILL)
    assert wait_ended([child], 5.0) == []


def test_ports_are_free_distinct_and_the_same_for_the_same_folder(tmp_path: Path) -> None:
    ports = find_free_ports(4, tmp_path)
    assert len(set(ports)) == 4
    assert ports == find_free_ports(4, tmp_path)
    assert all(19_000 <= port < 32_768 for port in ports)
    assert not set(ports[:2]) & set(find_free_ports(4, tmp_path, taken=ports[:2]))


def test_a_port_that_somebody_listens_on_is_passed_over(tmp_path: Path) -> None:
    (port,) = find_free_ports(1, tmp_path)
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", port))
        taken.listen(1)
        assert not is_free(port)
        assert port not in find_free_ports(2, tmp_path)
    assert is_free(port)
