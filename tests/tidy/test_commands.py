"""Every row of the command table holds what it says, and asking for help costs nothing."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from docaxis.cli import COMMANDS, Command, main

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("row", COMMANDS, ids=lambda row: row.name)
def test_every_row_imports_and_has_help(row: Command, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([row.name, "--help"]) == 0
    shown = capsys.readouterr().out
    assert f"docaxis {row.name}" in shown
    assert re.search(r"\w{4}", row.help)
    assert not row.help.endswith(".")


def test_names_are_distinct_and_every_command_module_has_a_row() -> None:
    assert len({row.name for row in COMMANDS}) == len(COMMANDS)
    modules = {path.stem for path in (ROOT / "docaxis" / "commands").glob("*.py")}
    with_app = {
        name
        for name in modules
        if re.search(
            r"^app = ", (ROOT / "docaxis" / "commands" / f"{name}.py").read_text(encoding="utf-8"), re.MULTILINE
        )
    }
    assert {row.module.rpartition(".")[2] for row in COMMANDS} == with_app


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], []])
def test_the_overview_loads_no_kafka_client_no_faust_and_no_typer(arguments: list[str]) -> None:
    script = f"""
import sys
from docaxis.cli import main
code = main({arguments!r})
loaded = [name for name in ("aiokafka", "faust", "aiohttp", "numpy", "typer", "pydantic") if name in sys.modules]
sys.exit(f"loaded {{loaded}}" if loaded else code)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_the_module_runs_as_the_command_does() -> None:
    done = subprocess.run([sys.executable, "-m", "docaxis", "--version"], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout[:8]) == (0, "docaxis ")


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--check", "steady"]])
def test_the_readers_leaving_is_no_error(arguments: list[str]) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "docaxis", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    with process.stderr:
        assert process.stderr.read() == b""
    assert process.wait() == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_an_output_that_is_full_is_told() -> None:
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "docaxis", "run", "--check", "steady"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert done.returncode == 4
    assert done.stderr.startswith("docaxis: standard output could not be written: No space left")
