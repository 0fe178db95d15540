"""`docaxis capacity` from its first step to its answer, on a simulated hub of a known capacity."""

import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import orjson
import pytest

from docaxis.cli import main
from docaxis.commands import capacity
from docaxis.commands.load_end import Finished
from docaxis.commands.load_test import LoadTest
from docaxis.settings import Settings
from monitor.load_figures import LoadFigures

#: What the simulated hub carries.
CARRIES = 1_000.0
#: A backlog that it clears before anybody notices, in seconds of what it carries: a step that did not settle first
#: would be forgiven its excess.
FORGIVES_S = 0.8
SETTLE_S, MEASURE_S, CONFIRM_S = 5.0, 10.0, 30.0


@dataclass
class SimulatedHub:
    """Stands for all load tests: a queue served at a known rate, offered by a generator that may have an end."""

    generator_max: float = float("inf")
    steps: list[tuple[float, float, float]] = field(default_factory=list)  # rate, settling and measured seconds
    runs: list[str] = field(default_factory=list)

    async def run_load_test(self, settings: Settings, test: LoadTest, broker: Any, **watching: Any) -> Finished:
        """Return what the run would have come to."""
        settle, step = test.loaded.workload.offering
        assert (settle.measured, step.measured, settle.rate) == (False, True, step.rate)
        assert step.rate is not None
        rate, settle_s, measure_s = step.rate.value, settle.duration / 1e6, step.duration / 1e6
        self.steps.append((rate, settle_s, measure_s))
        self.runs.append(test.run)
        result = self._result(test, rate, settle_s, measure_s)
        return Finished(result["exit_code"], Path(), result, cast(LoadFigures, None), [])

    def _result(self, test: LoadTest, rate: float, settle_s: float, measure_s: float) -> dict[str, Any]:
        excess = max(0.0, rate - CARRIES)
        # What is forgiven is used up by settling first, so that it hides nothing of what is measured.
        backlog = max(0.0, excess * (settle_s + measure_s) - FORGIVES_S * CARRIES)
        slope, late = backlog / measure_s, rate > self.generator_max
        keeps_up = slope <= next(one.backlog_slope for one in test.loaded.workload.objectives if one.backlog_slope)
        wait_s = 0.02 + backlog / CARRIES
        return {
            "run": test.run,
            "exit_code": 3 if late else 0 if keeps_up else 1,
            "valid": not late,
            "invalid_reasons": ["the wall clock stepped by 90 ms; the bound is 50 ms"] if late else [],
            "faults": [],
            "workload": test.loaded.content,
            "objectives": [{"name": "hub keeps up", "stage": "", "unit": "deliveries/s2", "met": keeps_up}],
            "latency_by_agency": {"H53": {"p99": wait_s / 2}, "G22": {"p99": wait_s}},
            "latency_seconds": {"delivery": {"p99": wait_s}, "routing": {"p99": wait_s}, "pickup": {"p99": 0.01}},
            "rates": {"deliveries_per_second": min(rate, CARRIES), "offered_deliveries_per_second": rate},
        }


def _searched(
    hub: SimulatedHub, folder: Path, monkeypatch: pytest.MonkeyPatch, *options: str, expected_code: int = 0
) -> dict[str, Any]:
    """Search on it and return what capacity.json has."""

    @contextlib.contextmanager
    def no_kafka(settings: Settings, *_: Any, **__: Any) -> Iterator[tuple[Settings, None]]:
        yield settings, None

    @contextlib.asynccontextmanager
    async def no_topics(settings: Settings, run: str) -> AsyncIterator[Settings]:
        yield settings

    monkeypatch.chdir(folder)
    monkeypatch.setenv("DOCAXIS_PATHS_HOME", str(folder / "home"))
    monkeypatch.setattr(capacity, "kafka_for_run", no_kafka)
    monkeypatch.setattr(capacity, "topics_of_its_own", no_topics)
    monkeypatch.setattr(capacity, "run_load_test", hub.run_load_test)
    times = ["--settle", f"{SETTLE_S}", "--measure", f"{MEASURE_S}", "--confirm", f"{CONFIRM_S}"]
    assert main(["capacity", "steady", "--start", "300", *times, *options]) == expected_code
    (file,) = folder.glob("runs/capacity-*/capacity.json")
    content: dict[str, Any] = orjson.loads(file.read_bytes())
    return content


SAID = {
    "en": [
        "Latency against rate",
        "deliveries/s (it holds there, confirmed; at",
        "First to give way: hub keeps up, stage routing, slowest agency G22.",
    ],
    "vi": [
        "Độ trễ theo tốc độ",
        "lượt giao/giây (chịu được, đã xác nhận; ở",
        "Chịu không nổi trước tiên: hub keeps up, chặng chuyển qua trục, cơ quan chậm nhất G22.",
    ],
}


@pytest.mark.parametrize("language", ["en", "vi"])
def test_a_search_finds_what_the_hub_carries_and_tells_how(
    language: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hub = SimulatedHub()
    told = _searched(hub, tmp_path, monkeypatch, "--lang", language)
    # The interval holds what the hub carries, but for the growth that counts as keeping up and for what is forgiven.
    assert told["finding"] == "found"
    assert 0.95 * CARRIES <= told["rate"] < told["upper"] <= 1.07 * CARRIES
    assert told["rate"] < told["upper"] <= told["rate"] * 1.051
    # Every step settled first; the answer held in a longer run, and what failed was looked at once more.
    assert {settle_s for _, settle_s, _ in hub.steps} == {SETTLE_S}
    kinds = [one["kind"] for one in told["steps"]]
    assert kinds[0] == "climb"
    assert (told["rate"], CONFIRM_S) in {(one["rate"], one["measure_seconds"]) for one in told["steps"] if one["held"]}
    assert kinds[-1] == "recheck"
    assert told["confirmed"]
    assert (told["limit"]["objective"], told["limit"]["stage"], told["limit"]["agency"]) == (
        "hub keeps up",
        "routing",
        "G22",
    )
    assert [one["run"] for one in told["steps"]] == hub.runs
    # The curve rises where the hub is beyond what it carries, in the file and on the terminal.
    assert [one["rate"] for one in told["curve"]] == pytest.approx(sorted(rate for rate, _, _ in hub.steps), abs=1e-5)
    assert told["curve"][0]["delivery_p99_seconds"] < 0.03 < 1 < told["curve"][-1]["delivery_p99_seconds"]
    output = capsys.readouterr()
    shown = " ".join(output.out.split())
    assert [one for one in SAID[language] if one not in shown] == []
    bars = [line.count("█") for line in output.out.splitlines() if "█" in line]
    assert (len(bars), bars[0], max(bars)) == (len(hub.steps), 1, bars[-1])
    assert len([line for line in output.err.splitlines() if line.endswith("...")]) == len(hub.steps)


def test_a_generator_that_comes_to_its_end_first_leads_to_at_least(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told = _searched(SimulatedHub(generator_max=700), tmp_path, monkeypatch)
    assert (told["finding"], told["generator_limited"], told["upper"], told["limit"]) == ("at least", True, None, None)
    assert 700 / 1.051 <= told["rate"] <= 700
    output = capsys.readouterr()
    assert "generator-limited: use more fleets" in " ".join(output.out.split())
    assert "generator-limited: the wall clock stepped" in output.err


def test_where_not_even_the_least_rate_holds_the_exit_code_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "below"
    folder.mkdir()
    told = _searched(
        SimulatedHub(), folder, monkeypatch, "--least", "2000", "--start", "3000", "--most", "9000", expected_code=1
    )
    assert (told["finding"], told["rate"], told["exit_code"]) == ("below minimum", 0, 1)
