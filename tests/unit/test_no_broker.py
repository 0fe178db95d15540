"""Commands that need a cluster, where none answers: one message with the next step, and exit code 4."""

import pytest

from docaxis.cli import main


@pytest.mark.parametrize(
    "arguments",
    [
        ["control", "run-1", "pause"],
        ["fleet", "--run", "run-1", "--join"],
        ["record", "out"],
        ["topics", "check"],
        ["capacity", "steady"],
        ["demo", "--scale", "0.001"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_it_says_so(
    arguments: list[str],
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("user"))
    assert main([*arguments, "--bootstrap-servers", "127.0.0.1:9"]) == 4
    said = capsys.readouterr().err
    assert "docaxis: Kafka does not answer (127.0.0.1:9" in said
    assert "\n  → " in said
    assert "Traceback" not in said
