"""The roles' options: what cannot be meant is refused with exit code 2, and defaults serve this machine only."""

import importlib
import inspect
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from docaxis.cli import COMMANDS, main
from docaxis.commands.role import Role, run_role
from docaxis.domain.event import RUN_LENGTH_MAX
from monitor.exposition import Exposition
from monitor.live.page import LiveSettings
from monitor.standstill import LoopWatch

LOOPBACK = "127.0.0.1"

#: Options that say where something of ours listens, by command.
SERVING = {
    ("up", "--listen"),
    ("monitor", "--listen"),
    ("hub", "--metrics-host"),
    ("stream", "--metrics-host"),
    ("fleet", "--metrics-host"),
    ("canary", "--metrics-host"),
}


@pytest.mark.parametrize(
    "arguments",
    [
        ["fleet", "--run", ""],
        ["fleet", "--run", " trial"],
        ["fleet", "--run", "a\nb"],
        ["fleet", "--run", "x" * (RUN_LENGTH_MAX + 1)],
        ["fleet", "--run", "x", "--rate", "inf"],
        ["fleet", "--run", "x", "--rate", "nan"],
        ["fleet", "--run", "x", "--rate", "0"],
        ["fleet", "--run", "x", "--poll-interval", "inf"],
        ["fleet", "--run", "x", "--metrics-port", "65536"],
        ["fleet", "--run", "x", "--history", "--rate", "5"],
        ["fleet", "--run", "x", "--share", "0/3"],
        ["fleet", "--run", "x", "--share", "4/3"],
        ["fleet", "--run", "x", "--no-send", "--rate", "5"],
        ["hub", "--metrics-port", "-1"],
        ["hub", "--locked", "H99"],
        ["stream", "--late-after", "inf"],
        ["stream", "--lost-after", "inf"],
        ["stream", "--snapshot-interval", "inf"],
        ["monitor", "--lost-after", "inf"],
        ["stream", "--remember", "0"],
        ["up", "--rate", "inf"],
        ["up", "--metrics-port", "65535"],
    ],
    ids=" ".join,
)
def test_a_value_out_of_bounds_is_a_usage_error(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "Traceback" not in shown.err
    assert arguments[-2] in shown.err, "the message names the option"


@pytest.mark.parametrize("variable", ["DOCAXIS_PATHS_RUNS", "DOCAXIS_PATHS_HOME"])
def test_a_folder_that_cannot_be_made_is_named_before_anything_is_started(
    variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("DOCAXIS_PATHS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DOCAXIS_PATHS_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv(variable, str(tmp_path / "file" / "inside"))
    assert main(["demo", "--scale", "0.001"]) == 4
    shown = capsys.readouterr().err
    assert variable in shown
    assert "Traceback" not in shown
    assert "starting" not in shown


@pytest.mark.parametrize(
    ("arguments", "bearable_s"),
    [
        (["hub"], 60),
        (["stream"], 60),
        (["fleet", "--run", "x"], 60),
        (["fleet", "--run", "x", "--poll-interval", "9"], 69),
    ],
)
def test_a_role_that_reads_tells_when_it_stands_still(
    arguments: list[str], bearable_s: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Role] = []
    module = importlib.import_module(f"docaxis.commands.{arguments[0]}")
    monkeypatch.setattr(module, "run_role", lambda role, **options: started.append(role))
    monkeypatch.setattr(os, "nice", lambda niceness: niceness)
    assert main([*arguments, "--owned", "--bootstrap-servers", "127.0.0.1:9"]) == 0
    (role,) = started
    assert role.progress is not Role.__dataclass_fields__["progress"].default
    assert list(role.progress()) == []
    assert role.still_ns == bearable_s * 1_000_000_000
    assert isinstance(getattr(role.health, "__self__", None), LoopWatch) == (arguments[0] == "stream")
    assert role.health() is None


def options() -> Iterator[tuple[str, str, Any]]:
    """Yield (command, option, default) of all commands, those below others too."""

    def walk(command: Any, name: str) -> Iterator[tuple[str, str, Any]]:
        for below, more in getattr(command, "commands", {}).items():
            yield from walk(more, f"{name} {below}")
        for parameter in command.params:
            for option in parameter.opts:
                yield name, option, parameter.default

    for row in COMMANDS:
        yield from walk(typer.main.get_command(importlib.import_module(row.module).app), row.name)


def test_what_a_command_serves_is_served_on_loopback_unless_told_otherwise() -> None:
    found = {
        (command, option): default
        for command, option, default in options()
        if option != "--allow-host" and any(word in option for word in ("host", "listen", "bind", "address"))
    }
    assert found == dict.fromkeys(SERVING, LOOPBACK), "an option of this kind that is new is to be loopback too"


def test_no_option_listens_on_every_address_by_default() -> None:
    assert [one for one in options() if one[2] in ("0.0.0.0", "::", "*")] == []


def test_who_names_no_address_serves_on_loopback() -> None:
    assert LiveSettings().host == LOOPBACK
    for served, name in ((run_role, "metrics_host"), (Exposition, "host")):
        assert inspect.signature(served).parameters[name].default == LOOPBACK
