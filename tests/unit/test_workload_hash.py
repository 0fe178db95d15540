"""The hash of a load: the same for the same load, wherever its files lie; another one when any of them changes."""

from collections.abc import Callable
from pathlib import Path

import pytest

from docaxis.commands.load_test import prepare
from docaxis.commands.replay_end import hash_of_replay
from docaxis.domain.agency import Registry
from docaxis.domain.errors import UsageError
from docaxis.recording.replay_plan import ReplayPlan
from docaxis.workload.file import parse_workload, shipped

PLAIN = """name = "trial"
[[phases]]
name = "load"
duration = "10 s"
rate = "300 documents/s"
"""

NAMING = """name = "trial"
registry = "agencies.csv"
[[phases]]
name = "load"
duration = "10 s"
arrivals = "trace"
file = "trace.txt"
[[traffic]]
like = "table.json"
"""

TABLE = """{"agencies": ["G22", "H35"], "pairs": [[0, 1, 3, 0]], "fan_outs": [[0, 1, 3]], "kinds": [[1, 0, 0, 3]],
"sizes": [1, 2]}
"""

FILES = {"load.toml": NAMING, "trace.txt": "0.5\n1.5\n", "table.json": TABLE, "agencies.csv": Registry.load().to_csv()}

Laid = Callable[..., Path]


@pytest.fixture
def laid(tmp_path: Path) -> Laid:
    """Give a function that lays the files into a folder and returns the workload's; some with other content."""

    def lay(folder: str, **others: str) -> Path:
        (tmp_path / folder).mkdir()
        for name, content in FILES.items():
            (tmp_path / folder / name).write_text(others.get(name.partition(".")[0], content), encoding="utf-8")
        return tmp_path / folder / "load.toml"

    return lay


def hash_of(workload: Path | str, registry: Path | None = None) -> str:
    return prepare(str(workload), registry=registry).workload_hash


def test_it_is_of_the_content_and_not_of_its_layout() -> None:
    registry = Registry.load()
    first, second, other = (
        parse_workload(text, "a", None).hash(registry)
        for text in (PLAIN, "# remark\n" + PLAIN.replace(" = ", "="), PLAIN.replace("300", "301"))
    )
    assert first == second != other


def test_the_same_files_elsewhere_give_the_same_hash(laid: Laid) -> None:
    here, there = laid("here"), laid("there")
    absolute = NAMING.replace('"trace.txt"', f'"{here.parent / "trace.txt"}"')
    renamed = laid("renamed", load=absolute)
    assert hash_of(here) == hash_of(there) == hash_of(renamed)


@pytest.mark.parametrize(
    "changed",
    [
        {"trace": "0.5\n1.6\n"},
        {"table": TABLE.replace("3", "4")},
        {"agencies": FILES["agencies.csv"].replace("H53", "H99")},
    ],
    ids=["trace", "table", "agencies"],
)
def test_another_content_of_a_file_gives_another_hash(changed: dict[str, str], laid: Laid) -> None:
    assert hash_of(laid("here")) != hash_of(laid("there", **changed))


def test_a_file_that_is_written_anew_gives_another_hash(laid: Laid) -> None:
    file = laid("here")
    before = hash_of(file)
    (file.parent / "trace.txt").write_text("0.25\n", encoding="utf-8")
    assert hash_of(file) != before


def test_the_agencies_count_and_not_how_their_file_is_written(tmp_path: Path, laid: Laid) -> None:
    text = FILES["agencies.csv"]
    other = tmp_path / "other.csv"
    other.write_text("\ufeff" + text.replace("\n", "\r\n"), encoding="utf-8", newline="")
    assert hash_of("steady", registry=other) == hash_of("steady"), "the package's own, from another file"
    assert hash_of(laid("here"), registry=other) == hash_of(laid("there"))
    fewer = tmp_path / "fewer.csv"
    fewer.write_text("".join(text.splitlines(keepends=True)[:41]), encoding="utf-8")
    assert hash_of("steady", registry=fewer) != hash_of("steady")


@pytest.mark.parametrize("name", sorted(shipped()))
def test_that_of_a_shipped_workload_is_the_same_each_time(name: str) -> None:
    assert hash_of(name) == hash_of(name)
    assert hash_of(name) != prepare(name, seed=987).workload_hash


def test_a_file_that_is_not_there_is_named(laid: Laid) -> None:
    file = laid("here")
    (file.parent / "table.json").unlink()
    with pytest.raises(UsageError, match=r"here/table\.json: No such file"):
        prepare(str(file))


def test_that_of_a_replay_is_of_its_recordings(tmp_path: Path) -> None:
    registry = Registry.load()

    def plan(folder: str, manifest: str, seed: int = 1) -> ReplayPlan:
        (tmp_path / folder / "rec").mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / "rec" / "manifest.json").write_text(manifest)
        return ReplayPlan(recordings=[str(tmp_path / folder / "rec")], run=folder, created_us=1, seed=seed)

    first = hash_of_replay(plan("a", "one"), registry)
    assert hash_of_replay(plan("b", "one"), registry) == first, "elsewhere, in another run"
    assert hash_of_replay(plan("b", "two"), registry) != first, "another recording of the same name"
    assert hash_of_replay(plan("b", "one", seed=2), registry) != first
    few = Registry(registry.agencies[:40])
    assert hash_of_replay(plan("b", "one"), few) != first
