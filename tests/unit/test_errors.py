"""Errors and their exit codes, and what the command makes of them."""

import sys
import types

import pytest
import typer

from docaxis import cli
from docaxis.cli import COMMANDS, Command, main
from docaxis.domain import errors
from docaxis.domain.errors import DocaxisError, InfrastructureError, SettingsError, UsageError


def _run(monkeypatch: pytest.MonkeyPatch, raised: BaseException | int) -> int:
    """Run `docaxis fails` whose only act is to raise, or to exit with a code."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

    @app.command()
    def fails() -> None:
        raise typer.Exit(raised) if isinstance(raised, int) else raised

    module = types.ModuleType("docaxis.commands.fails")
    module.app = app  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(cli, "COMMANDS", (*COMMANDS, Command("fails", "Fails", module.__name__)))
    return main(["fails"])


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ("DocaxisError", 4),
        ("UsageError", 2),
        ("RunInvalidError", 3),
        ("InfrastructureError", 4),
        ("ClusterError", 4),
        ("UnreachableError", 4),
    ],
)
def test_each_error_ends_with_its_code_and_without_a_traceback(
    error: str, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(monkeypatch, getattr(errors, error)("port 9092 is taken", next_step="choose another")) == code
    shown = capsys.readouterr()
    assert shown.err == "docaxis: port 9092 is taken\n  → choose another\n"
    assert shown.out == ""


def test_ctrl_c_ends_with_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(monkeypatch, KeyboardInterrupt()) == 130
    assert capsys.readouterr().err == "docaxis: interrupted\n"


def test_a_command_chooses_other_codes_by_exit(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _run(monkeypatch, 3) == 3
    assert _run(monkeypatch, 0) == 0


def test_a_fault_of_our_own_shows_a_traceback_and_a_code_that_is_no_verdict(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(monkeypatch, ZeroDivisionError("ours")) == 70
    assert "ZeroDivisionError: ours" in capsys.readouterr().err


def test_unknown_command_and_option_name_the_next_step(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["borker"]) == 2
    assert "did you mean broker?" in capsys.readouterr().err
    assert main(["--frob"]) == 2
    assert "options follow the command" in capsys.readouterr().err
    assert main(["broker", "up", "--frob"]) == 2
    assert "--frob" in capsys.readouterr().err


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    listed = capsys.readouterr().out
    assert all(row.name in listed and row.help in listed for row in COMMANDS)
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("docaxis 0.")


def test_faults_of_settings_are_listed_together() -> None:
    error = SettingsError(["a = 1: too small", "b: unknown key"], next_step="correct them")
    assert error.render() == ("The settings have 2 faults:\n  - a = 1: too small\n  - b: unknown key\n  → correct them")
    assert isinstance(error, UsageError)
    assert error.exit_code == 2


def test_only_the_unreachable_is_worth_another_try() -> None:
    retriable = {name for name, value in vars(errors).items() if getattr(value, "retriable", False) is True}
    assert retriable == {"UnreachableError"}
    assert not DocaxisError.retriable
    assert issubclass(errors.UnreachableError, InfrastructureError)
