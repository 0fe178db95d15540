"""The benchmark tool's own arithmetic and form; what it measures is not for a test to judge."""

from pathlib import Path

import orjson
import pytest
from rich.console import Console

from docaxis.bench.lap import Lap
from docaxis.bench.memory import MemoryWatch
from docaxis.bench.runner import BENCHMARKS, chosen
from docaxis.bench.table import Row, Target, median_of, view_of, write_rows
from docaxis.cli import COMMANDS
from docaxis.domain.errors import UsageError


@pytest.mark.parametrize(
    ("value", "baseline", "target", "met"),
    [
        (32.0, 20.0, Target(1.6, at_most=True), True),
        (32.1, 20.0, Target(1.6, at_most=True), False),
        (80.0, 100.0, Target(0.8, at_most=False), True),
        (79.9, 100.0, Target(0.8, at_most=False), False),
        (1.0, None, Target(1.0, at_most=True, of_ratio=False), True),
        (1.01, None, Target(1.0, at_most=True, of_ratio=False), False),
        (1.0, None, Target(1.0, at_most=True), None),  # no baseline: nothing to say
        (1.0, 2.0, None, None),
    ],
)
def test_a_row_knows_whether_its_target_is_met(
    value: float, baseline: float | None, target: Target | None, met: bool | None
) -> None:
    assert Row("history", value, "s", baseline, target).met is met


def test_ratio_is_value_by_baseline() -> None:
    assert Row("history", 33.0, "s", 24.0).ratio == 1.375
    assert Row("memory", 33.0, "MB").ratio is None
    assert Row("history", 33.0, "s", 0.0).ratio is None


def test_the_file_holds_one_object_a_row_with_all_fields(tmp_path: Path) -> None:
    path = tmp_path / "new" / "bench.json"
    rows = [
        Row("history", 33.333333, "s", 24.0, Target(1.6, at_most=True), "turns"),
        Row("hub", 236_123.4, "deliveries/s", 300_000.0, Target(0.7, at_most=False)),
        Row("memory", 457.0, "MB", None, Target(500, at_most=True, of_ratio=False)),
        Row("ledger", 1.0, "records/s"),
    ]
    write_rows(path, rows)
    assert orjson.loads(path.read_bytes()) == [
        {"name": "history", "value": 33.33, "unit": "s", "baseline": 24.0, "ratio": 1.389, "target": "ratio ≤ 1.6",
         "met": True, "note": "turns"},
        {"name": "hub", "value": 236123.0, "unit": "deliveries/s", "baseline": 300000.0, "ratio": 0.7871,
         "target": "ratio ≥ 0.7", "met": True, "note": ""},
        {"name": "memory", "value": 457.0, "unit": "MB", "baseline": None, "ratio": None, "target": "value ≤ 500",
         "met": True, "note": ""},
        {"name": "ledger", "value": 1.0, "unit": "records/s", "baseline": None, "ratio": None, "target": None,
         "met": None, "note": ""},
    ]  # fmt: skip
    assert [entry.name for entry in path.parent.iterdir()] == ["bench.json"]


def test_the_view_names_every_row_its_ratio_and_its_note() -> None:
    console = Console(width=100, record=True, force_terminal=False)
    console.print(view_of([Row("hub", 210_000, "deliveries/s", 300_000, Target(0.7, at_most=False), "unchecked loop")]))
    shown = console.export_text()
    for part in ("hub", "210,000", "300,000", "0.70", "ratio ≥ 0.7", "✓", "unchecked loop"):
        assert part in shown


def test_one_disturbed_round_of_three_changes_nothing() -> None:
    assert median_of([30.0, 31.0, 300.0]) == 31.0


def test_benchmarks_are_chosen_by_the_rows_they_give() -> None:
    assert [one.module for one in chosen([])] == [one.module for one in BENCHMARKS]
    assert [one.module for one in chosen(["memory"])] == ["history"]
    assert [one.module for one in chosen(["scrapes", "meter", "ledger"])] == ["streams", "scrapes"]
    with pytest.raises(UsageError, match="no benchmark 'speed'"):
        chosen(["speed"])


def test_rows_have_names_of_their_own_and_those_of_the_contract() -> None:
    names = [row for one in BENCHMARKS for row in one.rows]
    assert len(names) == len(set(names))
    assert {"history", "meter", "ledger", "hub"} <= set(names)
    assert "bench" in {command.name for command in COMMANDS}


def test_a_lap_runs_from_the_first_result_to_the_last() -> None:
    lap = Lap(total=30)
    lap.note(0)
    lap.note(10)
    assert not lap.done.is_set()
    lap.note(30)
    assert lap.done.is_set()
    assert lap.result()["per_second"] > 0


def test_a_lap_of_one_step_has_no_rate() -> None:
    lap = Lap(total=10)
    lap.note(10)
    with pytest.raises(ValueError, match="nothing between"):
        lap.result()


def test_growth_compares_the_peaks_of_both_halves() -> None:
    watch = MemoryWatch()
    for done, size in ((0.1, 100), (0.4, 200), (0.5, 220), (0.9, 210)):
        watch.note("stream", done, size)
    watch.note("hub", 0.1, 100)  # seen in one half only
    watch.note("gone", 0.1, 0)  # not told by the system
    assert watch.growth() == {"stream": pytest.approx(1.1)}


def test_a_lap_that_begins_at_once_counts_what_is_done_before_the_first_result() -> None:
    lap = Lap(10)
    lap.begin()
    lap.note(10)
    assert lap.done.is_set()
    assert lap.result()["per_second"] > 0  # in one go, and yet there is something to be timed
