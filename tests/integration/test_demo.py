"""The demo as a user runs it, from the built wheel: what it ends with, and that no end of it leaves anything behind."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from docaxis.kafka.broker import EmbeddedBroker, broker_status, remove_stopped
from docaxis.kafka.broker_files import Running
from docaxis.kafka.process import wait_ended
from tests.conftest import settings_at

SMALL = ("--scale", "0.001")

#: `docaxis`, its signals as a terminal leaves them: whoever runs the tests in the background may have them ignored.
AS_FROM_A_TERMINAL = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
from docaxis.cli import main
sys.exit(main())
"""

PROJECT = Path(__file__).parents[2]

#: On a machine busy with other things a start alone can take a minute.
PATIENCE_S = 150


@contextlib.contextmanager
def start_demo(
    folder: Path, *arguments: str, port: int | None = None, python: str = sys.executable
) -> Iterator[subprocess.Popen[str]]:
    """Start `docaxis demo` in a folder of its own, without a terminal; it is killed if it outlives the block."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("DOCAXIS_")}
    environ |= {name: os.environ[name] for name in ("DOCAXIS_PATHS_CACHE",) if name in os.environ}
    if port is not None:
        environ["DOCAXIS_BROKER_PORT"] = str(port)
    with (
        (folder / "stderr.txt").open("w") as stderr,
        subprocess.Popen(
            [python, "-c", AS_FROM_A_TERMINAL, "demo", *arguments],
            cwd=folder,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        ) as demo,
    ):
        try:
            yield demo
        finally:
            demo.kill()


def stderr_of(folder: Path) -> str:
    return (folder / "stderr.txt").read_text(encoding="utf-8")


def wait_for(folder: Path, text: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while text not in stderr_of(folder):
        assert time.monotonic() < deadline, f"{text!r} never came: {stderr_of(folder)}"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Build the wheel, install it into an empty environment elsewhere, and give that environment's Python.

    The libraries are the tests' own, found by their path alone, so that no network is needed; the sources, which the
    tests' environment knows by a link, are not found that way: what the wheel lacks is missing.
    """
    home = tmp_path_factory.mktemp("installed")
    python = home / "venv" / "bin" / "python"
    uv = Path(sys.executable).with_name("uv")
    libraries = sysconfig.get_paths()["purelib"]
    build = ("build", "--quiet", "--wheel", "--offline", "--no-build-isolation", "--python", sys.executable)
    subprocess.run([uv, *build, "--out-dir", home, PROJECT], check=True)
    subprocess.run([uv, "venv", "--quiet", "--offline", "--python", sys.executable, home / "venv"], check=True)
    (wheel,) = home.glob("docaxis-*.whl")
    install = ("pip", "install", "--quiet", "--offline", "--no-deps", "--python", python)
    subprocess.run([uv, *install, wheel], check=True)
    (site,) = (home / "venv" / "lib").glob("python*/site-packages")
    (site / "libraries.pth").write_text(f"{libraries}\n", encoding="utf-8")
    return str(python)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_it_ends_with_a_table_a_verdict_and_a_result_and_frees_the_disk(installed: str, tmp_path: Path) -> None:
    where = (installed, "-c", "import deploy, docaxis, monitor; print(*deploy.__path__, docaxis.__file__)")
    found = subprocess.run(where, cwd=tmp_path, capture_output=True, text=True, check=True).stdout.split()
    assert all(Path(path).is_relative_to(Path(installed).parents[1]) for path in found), found
    docaxis = Path(installed).with_name("docaxis")
    overview = subprocess.run([docaxis, "--help"], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert "demo" in overview
    assert list(Path(found[-1]).parents[1].glob("monitor/runbooks/Docaxis*.md"))  # the live page serves them
    with start_demo(tmp_path, *SMALL, "--lang", "vi", python=installed) as demo:
        out, _ = demo.communicate(timeout=300)
    assert demo.returncode == 0, stderr_of(tmp_path)
    assert "ĐẠT: mọi lượt giao đều được đối soát" in out
    assert "23/02/2021" in out
    assert "NotLeader" not in stderr_of(tmp_path), "what clients say goes to a file"
    result = json.loads((tmp_path / "runs" / "latest" / "result.json").read_bytes())
    assert (result["verdict"], result["exit_code"], result["seed"]) == ("pass", 0, 1)
    last = result["milestones"][-1]
    assert last["sent"] + last["received"] == last["total_published"] == 4400
    assert "Trang trực tiếp: " in stderr_of(tmp_path)
    assert "các tiến trình đang khởi động" in stderr_of(tmp_path)
    # The report ranks the agencies and draws who writes to whom: every delivery, once.
    traffic = json.loads((tmp_path / "runs" / "latest" / "traffic.json").read_bytes())
    assert sum(count for *_, count in traffic["pairs"]) == result["ledger"]["delivered_once"] == last["received"]
    assert sum(one["count"] for one in result["latency_by_agency"].values()) == last["received"]
    report = (tmp_path / "runs" / "latest" / "report.html").read_text(encoding="utf-8")
    assert 'id="chart-agencies"' in report
    assert 'id="chart-traffic"' in report
    assert not (tmp_path / ".docaxis" / "broker").exists()


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_an_interrupted_one_stops_the_roles_and_the_broker_and_frees_the_disk(
    number: signal.Signals, tmp_path: Path
) -> None:
    settings = settings_at(tmp_path / ".docaxis")
    with start_demo(tmp_path, "--scale", "0.05") as demo:
        wait_for(tmp_path, "roles are starting")
        started = Running.load(broker_status(settings).data_dir)
        assert started is not None
        demo.send_signal(number)
        assert demo.wait(PATIENCE_S) == 130
    assert wait_ended(started.processes.values(), 1) == []
    assert "docaxis: interrupted" in stderr_of(tmp_path)
    assert "Traceback" not in stderr_of(tmp_path)
    assert not broker_status(settings).data_dir.exists()


@pytest.mark.timeout(400)
@pytest.mark.parametrize("keep", [(), ("--keep",)], ids=["freed", "keep"])
def test_one_that_cannot_start_its_broker_says_why_and_leaves_nothing(keep: tuple[str, ...], tmp_path: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        start_demo(tmp_path, *SMALL, *keep, port=taken.getsockname()[1]) as demo,
    ):
        demo.communicate(timeout=300)
    assert demo.returncode == 4
    assert "is taken" in stderr_of(tmp_path)
    assert "goes on" not in stderr_of(tmp_path)
    assert not (tmp_path / ".docaxis" / "broker").exists()


def test_data_is_never_removed_under_a_running_broker(broker: EmbeddedBroker) -> None:
    assert not remove_stopped(broker.settings)
    assert broker_status(broker.settings).running
    assert broker.data_dir.exists()
