"""The command line in a result: as it was typed, to be given to a shell again, without secrets."""

import shlex
from importlib import import_module
from pathlib import Path

import pytest
import typer

from docaxis import cli
from docaxis.commands.command_line import MASK, masked, typed_command_line
from docaxis.commands.options import new_app


def test_it_is_what_was_typed_while_a_command_runs_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    app, seen = new_app("A command."), list[str | None]()

    @app.command()
    def note(where: str, seed: int = 0) -> None:
        seen.append(typed_command_line())
        raise typer.Exit(seed)

    monkeypatch.setattr("docaxis.cli.importlib.import_module", lambda name: type("Module", (), {"app": app}))
    assert cli.main(["run", "a folder/load.toml", "--seed", "3"]) == 3
    assert seen == ["docaxis run 'a folder/load.toml' --seed 3"]
    assert shlex.split(seen[0] or "") == ["docaxis", "run", "a folder/load.toml", "--seed", "3"]
    assert typed_command_line() is None, "a program that calls us has none"


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        (["run", "steady", "--token-file", "t.txt"], ["run", "steady", "--token-file", "t.txt"]),
        (["run", "--sasl-password", "hush", "steady"], ["run", "--sasl-password", MASK, "steady"]),
        (["run", "--token=hush", "--seed", "1"], ["run", f"--token={MASK}", "--seed", "1"]),
        (["run", "--secret", "--seed", "1"], ["run", "--secret", "--seed", "1"]),
        (["run", "--prefix", "https://me:hush@host/x"], ["run", "--prefix", f"https://{MASK}@host/x"]),
    ],
)
def test_secrets_are_masked_and_names_of_files_are_not(typed: list[str], shown: list[str]) -> None:
    assert masked(typed) == shown


def test_no_option_takes_a_secret(tmp_path: Path) -> None:
    """Whoever adds one must see that a process list and a shell's history show it."""
    for row in cli.COMMANDS:
        command = typer.main.get_command(import_module(row.module).app)
        for one in (command, *getattr(command, "commands", {}).values()):
            names = [name for parameter in one.params for name in parameter.opts]
            assert [name for name in names if MASK in masked([name, "x"])] == []
