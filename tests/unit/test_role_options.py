"""Values of the roles' options that cannot be meant: refused with exit code 2 before anything is started."""

from pathlib import Path

import pytest

from docaxis.cli import main
from docaxis.domain.event import RUN_LENGTH_MAX


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
