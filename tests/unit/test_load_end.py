"""What the result of a load test says, from what its parts told: nothing of it needs a broker."""

import hashlib
import io
import os
import re
from contextvars import ContextVar
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console, RenderableType

from docaxis.commands import command_line
from docaxis.commands.conduct_load import ConductedLoad
from docaxis.commands.load_end import conclude
from docaxis.commands.load_test import LoadTest, prepare
from docaxis.domain.agency import Registry
from docaxis.domain.control import Ready, encode_control
from docaxis.domain.plan import first_plan
from docaxis.kafka.broker_files import Layout, Running
from docaxis.kafka.control import ControlFeed
from docaxis.kafka.process import mark_process
from docaxis.kafka.topics import Topics
from docaxis.settings import load_settings
from monitor.load_view import load_closing_view
from monitor.objective_series import ObjectiveSeries
from monitor.reading import GENERATOR, LEDGER, Readings, Tally
from monitor.report import report_html
from monitor.result_schema import Result
from monitor.run_folder import load_run
from monitor.series import Series
from monitor.words import Language

SECOND_US = 1_000_000
BEGIN_US = 1_000 * SECOND_US
PHASES = [
    {"name": "warm", "kind": "warm-up", "duration": "10 s", "rate": "5 documents/s"},
    {"name": "load", "duration": "10 s", "rate": "5 documents/s"},
]


def load_test(content: dict[str, Any] | None = None, **options: Any) -> LoadTest:
    return prepare("t", content={"name": "t", "phases": PHASES, **(content or {})}, **options)


def result_of(test: LoadTest, folder: Path, *, readings: Readings | None = None, **parts: Any) -> dict[str, Any]:
    """Conclude a run of which nothing is known but what is given."""
    phases = [("warm", "warm-up", 10 * SECOND_US, False, False), ("load", "load", 10 * SECOND_US, True, False)]
    told: dict[str, Any] = {"faults": [], "ready": {}, "controls": [], "aborted": "", "unreadable": 0, **parts}
    conducted = ConductedLoad(
        readings=readings or Readings(),
        plan=first_plan(test.run, BEGIN_US, phases),
        series=Series(test.run),
        observed=ObjectiveSeries(test.loaded.workload.objectives, test.registry),
        drained=True,
        lost_after_passed=False,
        wall_seconds=20.0,
        peak_rss_bytes={},
        cpu_seconds={},
        **told,
    )
    overrides = {"kafka.bootstrap_servers": "127.0.0.1:9", "paths.home": str(folder.parent / "home")}
    settings = load_settings(None, overrides)
    result = conclude(settings, test, conducted, BEGIN_US, folder).result
    Result.model_validate(result)
    return result


def ready_as_heard(run: str, *said: Ready) -> dict[str, Ready]:
    """Return what the conductor knows after these were said on the control topic."""
    feed = ControlFeed({}, Topics("axis"))
    for one in said:
        feed._read(encode_control(one)[1])
    return feed.ready[run]


@pytest.mark.parametrize(
    ("skews", "known"),
    [([5000], 5000), ([120, -7000], 7000), ([None, 30], 30), ([None], None)],
    ids=["ahead", "behind", "one not known", "none known"],
)
def test_the_largest_skew_is_told_and_one_that_is_not_known_is_not_zero(
    skews: list[int | None], known: int | None, tmp_path: Path
) -> None:
    test = load_test()
    said = [Ready(test.run, f"fleet-{number}", skew, None if skew is None else 60) for number, skew in enumerate(skews)]
    result = result_of(test, tmp_path / "run", ready=ready_as_heard(test.run, *said))
    assert result["clock"]["skew_us"] == known
    assert [one["skew_us"] for one in result["clock"]["fleets"].values()] == skews
    page = report_html(load_run(tmp_path / "run"), Registry.load(), Language.EN)
    (row,) = (line for line in page.splitlines() if "clock skew between machines" in line)
    assert ("not known" in row) == (known is None)


def test_it_holds_what_repeats_the_run_besides_workload_seed_and_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trace, agencies = tmp_path / "trace.txt", tmp_path / "agencies.csv"
    trace.write_text("0.5\n", encoding="utf-8")
    few = "".join(Registry.load().to_csv().splitlines(keepends=True)[:41])
    agencies.write_text(few, encoding="utf-8")
    recorded = {"name": "recorded", "duration": "2 s", "arrivals": "trace", "file": str(trace)}
    test = load_test({"phases": [PHASES[1], recorded]}, registry=agencies, fleets=2, external_fleets=1)
    trace.write_text("1.5\n", encoding="utf-8")  # meanwhile: what counts is what was offered
    monkeypatch.setattr(command_line, "TYPED", ContextVar("typed", default=("run", "my load.toml")))
    result = result_of(test, tmp_path / "run")
    assert result["command_line"] == "docaxis run 'my load.toml'"
    assert result["command"] == "run"
    assert result["fleets"] == {"here": 2, "external": 1}
    registry = {"sha256": hashlib.sha256(few.encode()).hexdigest(), "size_bytes": len(few.encode())}
    assert result["registry"] == {"file": "agencies.csv", "agencies": 40, **registry}
    assert result["files"] == {str(trace): {"sha256": hashlib.sha256(b"0.5\n").hexdigest(), "size_bytes": 4}}
    assert result["started_ms"] == test.started_ms
    assert result["machine"]["kernel"] == os.uname().release
    assert result["machine"]["memory_bytes"] > 1 << 28
    assert "cpu" in result["machine"]


def test_the_packages_own_registry_has_no_file_and_a_hash(tmp_path: Path) -> None:
    registry = result_of(load_test(), tmp_path / "run")["registry"]
    own = resources.files("docaxis").joinpath("data/agencies.csv").read_bytes()
    assert (registry["file"], registry["agencies"]) == (None, 95)
    assert registry["sha256"] == hashlib.sha256(own).hexdigest()


@pytest.mark.parametrize(("port", "version"), [(9, "4.9.9"), (10, None)], ids=["ours", "another cluster"])
def test_the_version_of_kafka_is_told_of_our_own_broker_alone(port: int, version: str | None, tmp_path: Path) -> None:
    folder, mark = tmp_path / "home" / "broker", mark_process(os.getpid())
    assert mark is not None
    folder.mkdir(parents=True)
    Layout("id", "4.9.9", {1: (port, 11)}).save(folder)
    Running({1: mark}, None).save(folder)
    assert result_of(load_test(), tmp_path / "run")["versions"].get("kafka") == version


def test_each_phase_tells_its_own_latencies_the_warm_up_too(tmp_path: Path) -> None:
    test, tally, readings = load_test(), Tally(), Readings()
    tally.observe("delivery@0", np.array([2 * SECOND_US] * 50 + [4 * SECOND_US], np.int64))
    tally.observe("delivery@1", np.array([1000] * 200, np.int64))
    readings.put(
        tally.to_reading(["H53"], version=1, run=test.run, topic="status", partition=0, offset=1, at_us=1, source="")
    )
    result = result_of(test, tmp_path / "run", readings=readings)
    warm, load = (phase["latency_seconds"] for phase in result["phases"])
    assert (warm["count"], warm["max"]) == (51, 4.0)
    assert warm["p50"] == pytest.approx(2.0, rel=0.02)
    assert warm["p99"] == pytest.approx(4.0, rel=0.02)
    assert (load["count"], load["max"]) == (200, 0.001)
    assert result["latency_seconds"]["delivery"]["max"] == 0.001, "the run's are those of its measured phases"
    page = report_html(load_run(tmp_path / "run"), Registry.load(), Language.EN)
    (row,) = (line for line in page.splitlines() if line.startswith('<tr><th scope="row">warm</th>'))
    assert ">4.00 s</td>" in row


def test_a_phase_without_deliveries_has_no_latencies(tmp_path: Path) -> None:
    result = result_of(load_test(), tmp_path / "run")
    assert [phase["latency_seconds"] for phase in result["phases"]] == [None, None]
    assert report_html(load_run(tmp_path / "run"), Registry.load(), Language.VI)


def test_faults_are_told_in_the_unit_in_which_the_ledger_finds_them(tmp_path: Path) -> None:
    """Five documents that were sent twice have more recipients than five."""
    kinds = {"duplicate": (5, 18), "corrupt": (3, 11), "withhold-receipts": (6, 0)}
    test = load_test({"faults": [{"kind": kind, "count": count} for kind, (count, _) in kinds.items()]})
    tally, ledger, readings = Tally(), Tally(), Readings()
    for kind, (befallen, deliveries) in kinds.items():
        tally.counts.update({f"fault_{kind}": befallen, f"fault_{kind}_deliveries": deliveries})
    ledger.counts.update({"duplicated": 18, "outstanding": 6})
    for topic, told in ((GENERATOR, tally), (LEDGER, ledger)):
        readings.put(
            told.to_reading(["H53"], version=1, run=test.run, topic=topic, partition=0, offset=1, at_us=1, source="")
        )
    folder = tmp_path / "run"
    paused = {"kind": "paused-hub", "at_us": BEGIN_US, "until_us": BEGIN_US + 1, "count": 1, "detail": "begun"}
    result = result_of(test, folder, readings=readings, unreadable=3, faults=[paused])
    rows = {one["kind"]: (one["documents"], one["deliveries"]) for one in result["faults_injected"]}
    assert rows == {
        "duplicate": (5, 18),
        "corrupt": (3, 11),
        "withhold-receipts": (None, 6),
        "paused-hub": (None, None),
    }
    page = report_html(load_run(folder), Registry.load(), Language.EN)
    shown = re.findall(r'<tr><th scope="row">([\w -]+)</th><td>[\d:]+</td><td>[\d:]+</td>(.*)<td class="text">', page)
    assert {kind: re.findall(r"<td>(.*?)</td>", cells) for kind, cells in shown} == {
        "duplicate": ["5", "18", "18 deliveries"],
        "corrupt": ["3", "11", "3 documents"],
        "withhold-receipts": ["–", "6", "6 deliveries"],
        "paused-hub": ["–", "–", "–"],
    }
    closing = plain(load_closing_view(result, []))
    assert re.search(r"duplicate +5 documents, 18 deliveries +18 deliveries", closing), closing


def plain(view: RenderableType) -> str:
    console = Console(width=160, file=io.StringIO(), color_system=None)
    console.print(view)
    return str(console.file.getvalue())  # type: ignore[attr-defined]
