"""What a workload names and is not there is told with its other mistakes, each at its line with the nearest word."""

from pathlib import Path

import pytest

from docaxis.cli import main
from docaxis.commands.load_test import prepare
from docaxis.commands.named import not_there
from docaxis.domain.errors import UsageError

PHASE = 'name = "trial"\n[[phases]]\nname = "load"\nduration = "10 s"\nrate = "3 documents/s"\n'

#: Line by line: what is wrong there, and what the file's reader is told.
NAMES = """name = "trial"
seed = -1
[[phases]]
name = "load"
duration = "10 s"
arrivals = "trace"
file = "trase.txt"
[[traffic]]
senders = ["minstry", "H53"]
recipients = [
  "h35", "no such agency at all",
]
[[traffic]]
name = "like"
like = "traffik.json"
[[faults]]
kind = "silent-agency"
agencies = ["provnce"]
lasts = "1 s"
[[objectives]]
name = "fast"
stage = "delivery"
percentile = 99
at_most = "1 s"
agencies = ["minstry"]
"""


def _said(path: Path) -> list[str]:
    with pytest.raises(UsageError) as caught:
        prepare(str(path))
    return caught.value.render().splitlines()


def test_names_are_told_with_all_other_mistakes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "trial.toml"
    file.write_text(NAMES, encoding="utf-8")
    tmp_path.joinpath("trace.txt").write_text("1\n", encoding="utf-8")
    tmp_path.joinpath("traffic.json").write_text("{}", encoding="utf-8")
    said = _said(file)
    rows = [row.removeprefix(f"  - {file}:") for row in said if row.startswith("  - ")]
    assert len(rows) == 8
    for row, (line, words) in zip(
        rows,
        [
            (2, "seed = -1"),
            (7, "did you mean trace.txt?"),
            (9, "'minstry' is neither a code nor a kind of agency in the registry; did you mean ministry?"),
            (10, "'h35' is neither a code nor a kind of agency in the registry; did you mean H35?"),
            (10, "'no such agency at all' is neither a code nor a kind of agency in the registry; give a code"),
            (15, "did you mean traffic.json?"),
            (18, "'provnce' is neither a code nor a kind of agency in the registry; did you mean province?"),
            (25, "'minstry' is neither a code nor a kind of agency in the registry; did you mean ministry?"),
        ],
        strict=True,
    ):
        assert row.startswith(f"{line}: "), row
        assert words in row
    assert main(["run", "--check", str(file)]) == 2
    assert "8 faults" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "line", "said"),
    [
        ('[[newcomers]]\ncode = "X99"\nlike = "H53"', 7, "'X99' is not an agency of the registry (95 agencies)"),
        ('[[newcomers]]\ncode = "H53"\nlike = "h35"', 8, "did you mean H35?"),
        (
            '[[traffic]]\nsenders = ["H53"]\n[[newcomers]]\ncode = "H53"\nlike = "H35"',
            7,
            "'H53' is a newcomer, whose documents come on top of the traffic",
        ),
        ('[[traffic]]\nlike = "table.json"', 7, "table.json is no table of traffic"),
    ],
)
def test_newcomers_and_tables(more: str, line: int, said: str, tmp_path: Path) -> None:
    file = tmp_path / "trial.toml"
    file.write_text(PHASE + more, encoding="utf-8")
    tmp_path.joinpath("table.json").write_text("{}", encoding="utf-8")
    assert any(row.startswith(f"  - {file}:{line}: ") and said in row for row in _said(file))


def test_a_registry_that_cannot_be_read_is_a_mistake_among_the_others(tmp_path: Path) -> None:
    file = tmp_path / "trial.toml"
    file.write_text(f'registry = "none.csv"\nseed = -1\n{PHASE}', encoding="utf-8")
    said = _said(file)
    assert said[1].startswith(f"  - {file}:1: registry: cannot read the registry {tmp_path}/none.csv")
    assert said[2].startswith(f"  - {file}:2: seed")


def test_newcomers_may_be_named_wherever_something_befalls_them(tmp_path: Path) -> None:
    file = tmp_path / "trial.toml"
    fault = '[[faults]]\nkind = "silent-agency"\nagencies = ["H53", "000.00.13.H35", "ministry"]\nlasts = "1 s"\n'
    file.write_text(f'{PHASE}{fault}[[newcomers]]\ncode = "H53"\nlike = "H35"\n', encoding="utf-8")
    assert prepare(str(file)).loaded.workload.newcomers


def test_whatever_the_content_is_it_is_looked_at() -> None:
    odd = {"phases": [3, {"arrivals": "trace", "file": 1}], "traffic": "?", "newcomers": [{"code": []}], "registry": 7}
    odd |= {"faults": [{"agencies": "H53"}], "objectives": [{"agencies": [1, None]}]}
    assert not not_there(odd, None, None)
