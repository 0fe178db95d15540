"""The model of result.json fits what is written, refuses what is not, and its JSON Schema is the one checked in."""

from pathlib import Path

import orjson
import pytest
from pydantic import ValidationError

from docaxis.cli import main
from monitor.result import SCHEMA_VERSION
from monitor.result_schema import Result
from tests.support.sample_runs import Sample, write_demo_sample, write_sample

ROOT = Path(__file__).parents[2]


def test_results_of_load_tests_and_demos_fit(tmp_path: Path) -> None:
    for folder in (
        write_sample(tmp_path / "run", Sample(seconds=24, stall_s=(10, 12), duplicated=2)),
        write_sample(tmp_path / "late", Sample(seconds=24, invalid=("late",))),
        write_demo_sample(tmp_path / "demo"),
    ):
        stored = orjson.loads((folder / "result.json").read_bytes())
        result = Result.model_validate(stored)
        assert result.schema_version == SCHEMA_VERSION
        assert result.ledger.deliveries_expected == stored["ledger"]["deliveries_expected"]
        assert set(stored) <= set(Result.model_fields), "a field that docs/RESULT.md and the schema do not have"


def test_a_result_with_a_wrong_field_does_not_fit(tmp_path: Path) -> None:
    stored = orjson.loads((write_sample(tmp_path / "run", Sample(seconds=24)) / "result.json").read_bytes())
    wrongs: tuple[dict[str, object], ...] = (
        {"verdict": "maybe"},
        {"ledger": {**stored["ledger"], "lost": -1}},
        {"rates": {}},
    )
    for wrong in wrongs:
        with pytest.raises(ValidationError):
            Result.model_validate({**stored, **wrong})


def test_the_schema_checked_in_is_current(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    schema = ROOT / "docs" / "result.schema.json"
    assert main(["generate", "result-schema", "--check", "--output", str(schema)]) == 0
    assert main(["generate", "result-schema", "--check", "--output", str(tmp_path / "none.json")]) == 2


def test_every_field_is_documented() -> None:
    pages = (ROOT / "docs" / "RESULT.md").read_text() + (ROOT / "README.md").read_text()
    assert {name for name in Result.model_fields if f"`{name}`" not in pages} == set()
