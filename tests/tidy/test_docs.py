"""Documents and code agree: commands, options, identifiers, links, and the fields of result.json."""

import re
import tomllib
from dataclasses import fields
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import orjson
import pytest

from docaxis.cli import COMMANDS, main
from docaxis.commands.generate import demo_svg
from docaxis.domain.errors import EXIT_INTERNAL, EXIT_INTERRUPTED
from docaxis.settings import Settings
from docaxis.workload.faults import FAULT_KEYS, Fault
from docaxis.workload.model import (
    ARRIVAL_KEYS,
    Documents,
    GeneratorBounds,
    Newcomer,
    Phase,
    Receipts,
    Traffic,
    Workload,
)
from docaxis.workload.objectives import Objective
from monitor.catalogue import CATALOGUE
from monitor.histogram import Histogram
from monitor.result import result_of
from monitor.service_objectives import ServiceObjectives
from monitor.verdict import STAGES, CountedMilestone, LedgerTotals, Verdict
from tests.support.promql import exported, recorded

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
#: A command, as a page writes it.
COMMAND = re.compile(r"\bdocaxis ([a-z][a-z-]+)")
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
ARRIVALS = {"scheduled": 44, "acked": 44, "dropped": 0, "failed": 0, "unknown": 0, "in_flight": 0, "ended": 4}


def _text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@cache
def _code() -> str:
    """Return all of the program's source and data."""
    files = (path for part in ("docaxis", "producers", "streams", "monitor") for path in (ROOT / part).rglob("*"))
    return "\n".join(path.read_text(encoding="utf-8") for path in files if path.suffix in {".py", ".toml"})


def _code_of(text: str) -> str:
    """Return only what a page sets as code: blocks that are no Python or TOML, and words in backticks."""
    inline = re.findall(r"`([^`\n]+)`", FENCED.sub("", text))
    return "\n".join([block for language, block in FENCED.findall(text) if not language] + inline)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_named_is_a_row_of_the_table(page: Path) -> None:
    named = set(COMMAND.findall(_code_of(page.read_text(encoding="utf-8"))))
    assert named <= {row.name for row in COMMANDS}


def test_the_readme_names_every_command_and_every_target() -> None:
    readme = _text("README.md")
    for row in COMMANDS:
        assert f"`docaxis {row.name}`" in readme or f"`make {row.name}`" in readme, row.name
    for target in re.findall(r"^([a-z]+):.*## ", _text("Makefile"), re.MULTILINE):
        assert target == "help" or re.search(rf"`(?:make )?{target}\b|^make {target}\b", readme, re.MULTILINE), target


def test_options_named_in_the_readme_exist(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    shown = ""
    for arguments in [[row.name] for row in COMMANDS] + [["broker", "up"], ["broker", "status"], ["broker", "down"]]:
        assert main([*arguments, "--help"]) == 0
        shown += capsys.readouterr().out
    named = set(re.findall(r"--[a-z][a-z-]+", _code_of(_text("README.md"))))
    assert {option for option in named if not re.search(rf"{option}(?![\w-])", shown)} == set()


def test_every_key_of_the_settings_example_exists() -> None:
    example = re.search(r"```toml\n(.*?)```", _text("README.md"), re.DOTALL)
    assert example is not None
    content = tomllib.loads(example[1])
    assert set(content) <= set(Settings.model_fields)
    content["kafka"]["sasl_password"] = "from the environment"
    settings = Settings.model_validate(content)
    assert settings.topics.partitions == 12


def test_every_identifier_of_the_glossary_occurs_in_the_code() -> None:
    named: set[str] = set()
    for row in re.findall(r"^\|.*\|$", _text("docs/GLOSSARY.md"), re.MULTILINE):
        named |= set(re.findall(r"`([A-Za-z]\w+)`", row))
    assert len(named) > 80
    assert {word for word in named if not re.search(rf"\b{word}\b", _code())} == set()


def test_every_bound_and_identifier_of_the_architecture_occurs_in_the_code() -> None:
    bounds = _text("docs/ARCHITECTURE.md").partition("## Bounds")[2].partition("\n## ")[0]
    named = set(re.findall(r"`([A-Za-z_]\w+)`", bounds))
    assert len(named) > 15
    assert {word for word in named if not re.search(rf"\b{word}\b", _code())} == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_relative_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name}: {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_metric_named_is_exported_or_recorded(page: Path) -> None:
    named = set(
        re.findall(
            r"\bdocaxis_[a-z]+_[a-z_]+[a-z]\b(?!_?\.\.\.)|\bdocaxis:\w+:\w+", _code_of(page.read_text(encoding="utf-8"))
        )
    )
    known = exported() | recorded(ServiceObjectives.load()) | {spec.name for spec in CATALOGUE}
    assert named <= known


def _result() -> dict[str, Any]:
    histogram = Histogram()
    for latency_us in (900, 1_000, 5_000, 2_000_000):
        histogram.observe_one(latency_us)
    milestone = CountedMilestone(date(2019, 9, 30), 10, 34, 44, 10, 34)
    ledger = LedgerTotals(documents=10, deliveries_expected=34, delivered_once=34)
    return result_of(
        Verdict(ledger, ARRIVALS, (milestone,)),
        dict.fromkeys(STAGES, histogram),
        run="demo-1",
        exit_code=0,
        seed=1,
        workload={},
        settings={},
        wall_seconds=2.0,
        started_us=1,
        extra_versions={},
        processes={},
        command_line="docaxis demo",
        registry={},
    )


def test_the_fields_of_the_result_are_those_documented() -> None:
    table = _text("README.md").partition("## The result")[2].partition("Always:")[0]
    rows: dict[str, str] = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", table, re.MULTILINE))
    result = _result()
    assert set(rows) == set(result)
    for name, inner in (
        ("ledger", {one.name for one in fields(LedgerTotals)}),
        ("arrivals", set(ARRIVALS) - {"ended"}),
        ("milestones", set(result["milestones"][0])),
        ("latency_seconds", {*STAGES, *result["latency_seconds"]["delivery"]}),
        ("rates", set(result["rates"])),
    ):
        assert set(re.findall(r"`(\w+)`", rows[name])) == inner, name


def test_the_exit_codes_of_the_readme_are_those_of_the_errors() -> None:
    listed = _text("README.md").partition("Exit codes:")[2].partition("\n\n")[0]
    assert set(re.findall(r"\*\*(\d+)\*\*", listed)) == {*"01234", str(EXIT_INTERNAL), str(EXIT_INTERRUPTED)}


def test_the_picture_shows_a_result_as_the_demo_does() -> None:
    picture = demo_svg(orjson.loads(orjson.dumps(_result())))
    text = re.sub(r"&#160;", " ", re.sub(r"<[^>]+>", "\n", picture))
    for said in ("30/09/2019", "PASS: every delivery accounted for, exactly once", "2.00 s", "runs/demo-1/result.json"):
        assert said in text, said
    assert "@font-face" not in picture


def test_every_key_of_a_workload_is_documented_with_what_it_needs() -> None:
    text = (ROOT / "docs" / "WORKLOAD.md").read_text(encoding="utf-8")
    sections = (Workload, Phase, Traffic, Newcomer, Documents, Receipts, GeneratorBounds, Fault, Objective)
    keys = {key for section in sections for key in section.model_fields}
    tables = {"phases", "traffic", "newcomers", "documents", "receipts", "generator", "faults", "objectives"}
    assert {key for key in keys if f"`{key}`" not in text} - tables == set()
    assert {table for table in tables if f"[{table}]" not in text} == set()
    for kinds in (ARRIVAL_KEYS, FAULT_KEYS):
        for kind, (needed, allowed) in kinds.items():
            row = next(
                line for line in text.splitlines() if line.startswith("| `") and f"`{kind}`" in line.split("|")[1]
            )
            told = [re.findall(r"`(\w+)`", cell) for cell in row.split("|")[2:4]]
            assert told == [list(needed), list(allowed)], kind
