"""The JSON Schema of workloads, as an editor uses it: what is shipped or documented fits, what is faulty does not."""

import re
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import orjson
import pytest

from docaxis.domain.errors import UsageError
from docaxis.workload.file import parse_workload, shipped
from docaxis.workload.schema import TABLES, descriptions

ROOT = Path(__file__).parents[2]
SCHEMA: dict[str, Any] = orjson.loads((ROOT / "docs" / "workload.schema.json").read_bytes())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA, format_checker=jsonschema.FormatChecker())

SOUND = """name = "trial"
[[phases]]
name = "load"
duration = "10 s"
rate = "300 documents/s"
"""


def documented() -> dict[str, str]:
    """Return the workloads of the documentation, files and examples in the text, by where they stand."""
    found = {file.name: file.read_text(encoding="utf-8") for file in sorted((ROOT / "docs").glob("*.toml"))}
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))):
        blocks = re.findall(r"^```\w*\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
        workloads = [block for block in blocks if re.search(r"^(\[\[phases\]\]|phases = )", block, re.MULTILINE)]
        found |= {f"{page.name} {number}": block for number, block in enumerate(workloads, 1)}
    return found


def complaints(text: str) -> list[str]:
    """Return what the schema finds wrong. It is of JSON, which writes a date as a string."""
    content = orjson.loads(orjson.dumps(tomllib.loads(text)))
    return [f"{error.json_path}: {error.message}" for error in VALIDATOR.iter_errors(content)]


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == jsonschema.Draft202012Validator.META_SCHEMA["$id"]


@pytest.mark.parametrize("table", [SCHEMA, *SCHEMA["$defs"].values()], ids=lambda table: str(table["title"]))
def test_no_table_takes_a_key_that_it_does_not_know(table: dict[str, Any]) -> None:
    assert table["type"] == "object"
    assert table["additionalProperties"] is False


WORKLOADS = dict(shipped()) | documented()


@pytest.mark.parametrize("where", WORKLOADS)
def test_a_workload_that_is_shipped_or_documented_fits(where: str) -> None:
    assert complaints(WORKLOADS[where]) == []
    parse_workload(WORKLOADS[where], where, ROOT / "docs")


def test_the_documentation_shows_workloads() -> None:
    assert {"limited-hub.toml", "limited-onboarding.toml", "README.md 1", "OPERATING.md 1"} <= documented().keys()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('name = "trial"\n', 'name = "trial"\nsed = 3\n', "$: Additional properties are not allowed ('sed'"),
        ('rate = "300', 'kind = "warmup"\nrate = "300', "$.phases[0].kind: 'warmup' is not one of"),
        ('"10 s"', '"10"', "$.phases[0].duration: '10' does not match"),
        ("300 documents/s", "300 docs/s", "$.phases[0].rate: '300 docs/s' is not valid"),
        ('name = "trial"\n', "", "$: 'name' is a required property"),
        ('rate = "300', 'day = "2022-02-30"\narrivals = "working-day"\nrate = "300', "$.phases[0].day: '2022-02-30'"),
    ],
    ids=["unknown key", "unknown word", "no unit", "unknown unit", "no name", "no such day"],
)
def test_a_faulty_workload_fits_neither_the_schema_nor_docaxis(old: str, new: str, said: str) -> None:
    assert complaints(SOUND) == []
    faulty = SOUND.replace(old, new)
    (found,) = complaints(faulty)
    assert found.startswith(said)
    with pytest.raises(UsageError):
        parse_workload(faulty, "trial.toml", None)


#: What a bare number may be of; a duration or a rate has its unit in its text.
UNITS = re.compile(
    r"documents|deliveries|receipts|recipients|steps|days|hours|times|percent|0 to|how much|relative|weight|seed",
    re.IGNORECASE,
)


def _properties() -> dict[str, dict[str, Any]]:
    tables = {"Workload": SCHEMA, **SCHEMA["$defs"]}
    return {f"{table}.{name}": one for table, of in tables.items() for name, one in of["properties"].items()}


def _kinds(described: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what a value may be: lists by what is in them, and null left out."""
    kinds = [one for one in described.get("anyOf", [described]) if one.get("type") != "null"]
    return [inner for one in kinds for inner in (_kinds(one["items"]) if "items" in one else [one])]


@pytest.mark.parametrize("name", _properties())
def test_every_key_says_what_it_is_and_in_which_unit(name: str) -> None:
    described = _properties()[name]
    text = described.get("description", "")
    assert text[:1].isupper()
    assert text.endswith(".")
    assert "#:" not in text
    assert "\n" not in text
    for kind in _kinds(described):
        if kind.get("type") in ("integer", "number"):
            assert UNITS.search(text), text
        if "x July 2022" in kind.get("pattern", ""):
            assert "a second" in text
        if "ms|s|min|h" in kind.get("pattern", ""):
            assert kind["examples"]


def test_every_table_of_the_schema_is_described() -> None:
    assert {table.__name__ for table in TABLES} == {"Workload", *SCHEMA["$defs"]}
    for table in TABLES:
        assert descriptions(table).keys() == table.model_fields.keys()
    assert all(table.get("description") for table in (SCHEMA, *SCHEMA["$defs"].values()))
