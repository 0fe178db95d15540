"""`docaxis onboard`: who joins, what its runs offer, and what is made of them, on runs that never were."""

import asyncio
import io
import math
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import orjson
import pytest
from rich.console import Console

from docaxis.cli import main
from docaxis.commands import onboard
from docaxis.commands.load_end import Finished
from docaxis.commands.onboard_agencies import joining_agencies, registry_with
from docaxis.commands.onboard_runs import Baseline, OnboardingRuns, Ran, limit_text
from docaxis.domain.agency import Registry
from docaxis.domain.errors import UsageError
from docaxis.settings import Settings
from docaxis.workload.model import Newcomer
from monitor.capacity import Limit
from monitor.histogram import Histogram
from monitor.load_figures import LoadFigures
from monitor.onboarding import Answer, Headroom
from monitor.onboarding_figures import NewcomerRun
from monitor.onboarding_view import onboarding_view
from monitor.report import report_html
from monitor.report_words import is_translated, report_word
from monitor.result_schema import Result
from monitor.run_folder import load_run
from monitor.words import Language
from tests.support.sample_runs import Sample, write_sample

REGISTRY = Registry.load()


def _csv(*codes: str) -> str:
    header = "seq,code,organ_id_qcvn102_2016,name_vi,name_en,kind,abbr,code_certainty\n"
    return header + "".join(
        f"{n},{code},000.00.00.{code},Sở,Office,province,S,derived\n" for n, code in enumerate(codes, 1)
    )


def _newcomers(*codes: str, like: str = "H35", factor: float = 2.0) -> list[Newcomer]:
    return [Newcomer(code=code, like=like, factor=factor) for code in codes]


# --- who joins


def test_codes_are_counted_on_past_those_that_are_there() -> None:
    joining = joining_agencies("000.00.00.H98", "H35", 3, REGISTRY)
    assert [one.code for one in joining] == ["H98", "H99", "H100"]
    assert {one.kind for one in joining} == {REGISTRY.agency("H35").kind}
    whole = registry_with(REGISTRY, joining)
    assert Registry.parse(whole.to_csv(), "again").agencies == whole.agencies
    assert whole.agencies[: len(REGISTRY)] == REGISTRY.agencies


def test_a_file_may_have_one_agency_alone(tmp_path: Path) -> None:
    file = tmp_path / "new.csv"
    file.write_text(_csv("H95"), encoding="utf-8")
    assert [one.code for one in joining_agencies(str(file), "H35", None, REGISTRY)] == ["H95"]
    file.write_text(_csv("H95", "H96", "H97"), encoding="utf-8")
    assert [one.code for one in joining_agencies(str(file), "H35", 2, REGISTRY)] == ["H95", "H96"]


@pytest.mark.parametrize(
    ("agency", "like", "count", "said"),
    [
        ("H53", "H35", None, "is in the registry already"),
        ("H95", "H77", None, "--like H77: no such agency"),
        ("nobody", "H35", None, "neither a file nor a code"),
        ("missing.csv", "H35", None, "cannot read"),
        ("H95", "H35", 9_999, "more than 10000"),
        ("few.csv", "H35", 2, "few.csv has 1 agencies"),
        ("known.csv", "H35", None, "H53 is in the registry already"),
    ],
)
def test_who_cannot_join_is_told(
    agency: str, like: str, count: int | None, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("few.csv").write_text(_csv("H95"), encoding="utf-8")
    Path("known.csv").write_text(_csv("H53"), encoding="utf-8")
    with pytest.raises(UsageError) as told:
        joining_agencies(agency, like, count, REGISTRY)
    assert said in told.value.message


# --- what its runs offer

BASELINE = """
name = "base"
[[phases]]
name = "warm"
kind = "warm-up"
duration = "10 s"
rate = "1x July 2022"
[[phases]]
name = "load"
duration = "20 s"
rate = "100 documents/s"
peak = "300 documents/s"
spike_at = "5 s"
spike_for = "2 s"
arrivals = "spike"
[[phases]]
name = "drain"
kind = "drain"
duration = "7 s"
[[faults]]
kind = "slow-consumer"
agencies = ["H95"]
rate = "20 deliveries/s"
[[faults]]
kind = "limited-hub"
rate = "200 deliveries/s"
[[objectives]]
name = "fast"
stage = "delivery"
percentile = 99
at_most = "1 s"
abort = true
[[objectives]]
name = "newcomer fast"
stage = "delivery"
percentile = 99
at_most = "2 s"
agencies = ["H95"]
"""


def _runs(tmp_path: Path, measure_s: float | None = None) -> OnboardingRuns:
    (tmp_path / "base.toml").write_text(BASELINE, encoding="utf-8")
    base = Baseline.of(str(tmp_path / "base.toml"), registry=None, seed=7, hub=None, measure_s=measure_s)
    file = tmp_path / "registry.csv"
    file.write_text(registry_with(REGISTRY, joining_agencies("H95", "H35", 1, REGISTRY)).to_csv(), encoding="utf-8")
    return OnboardingRuns(Settings(), base, _newcomers("H95"), file, 1, None, lambda text: None)


def test_without_the_newcomers_all_is_the_same_but_they_and_what_befalls_them(tmp_path: Path) -> None:
    runs = _runs(tmp_path)
    without, together = (runs.load_test(joined=joined).loaded.workload for joined in (False, True))
    assert [one.code for one in together.newcomers] == ["H95"]
    assert (without.phases, without.traffic, without.seed) == (together.phases, together.traffic, 7)
    assert not without.newcomers
    assert [fault.kind for fault in together.faults] == ["slow-consumer", "limited-hub"]
    assert [fault.kind for fault in without.faults] == ["limited-hub"]
    assert [one.name for one in without.objectives] == ["fast"]
    assert not any(one.abort for one in together.objectives), "a run that ended early cannot be compared"
    assert "H95" in runs.load_test(joined=True).registry
    assert "H95" not in runs.load_test(joined=False).registry
    assert runs.baseline.latencies == [{"name": "fast", "percentile": 99.0, "at_most_s": 1.0}]


def test_runs_can_be_shorter_and_busier(tmp_path: Path) -> None:
    runs = _runs(tmp_path, measure_s=4)
    warm, load, drain = runs.load_test(joined=True, ratio=1.5).loaded.workload.phases
    assert (warm.duration, load.duration, drain.duration) == (2_000_000, 4_000_000, 7_000_000)
    assert (load.spike_at, load.spike_for) == (1_000_000, 400_000)
    assert [str(rate) for rate in (warm.rate, load.rate, load.peak)] == [
        "1.5x July 2022",
        "150 documents/s",
        "450 documents/s",
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--agency", "H53", "--like", "H35"], "in the registry already"),
        (["--agency", "H95", "--like", "H35", "--baseline", "stedy"], "did you mean steady"),
        (["--agency", "H95", "--like", "H35", "--repeat", "2"], "Invalid value for '--repeat'"),
        (["--agency", "H95", "--like", "H35", "--baseline", "bare.toml"], "has no objectives"),
        (["--agency", "H95", "--like", "H35", "--hub", "mine"], "--hub mine is not known"),
        (["--agency", "H95", "--like", "H35", "--baseline", "closed.toml"], "phase 'a' (closed) has none"),
    ],
)
def test_mistakes_are_told_before_anything_is_started(
    arguments: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    phase = '[[phases]]\nname = "a"\nduration = "1 s"\n'
    Path("bare.toml").write_text(f'name = "bare"\n{phase}rate = "1 documents/s"\n', encoding="utf-8")
    asked = '[[objectives]]\nname = "n"\ncount = "lost"\n'
    Path("closed.toml").write_text(f'name = "c"\n{phase}arrivals = "closed"\nin_flight = 5\n{asked}', encoding="utf-8")
    monkeypatch.setattr(onboard, "kafka_for_run", lambda *_, **__: pytest.fail("started"))
    assert main(["onboard", *arguments]) == 2
    assert said in capsys.readouterr().err
    assert not list((tmp_path / "runs").glob("*")), "nothing is left behind"


# --- what is made of them


class ToldRuns:
    """Runs whose results are made up: those with the newcomers are slower by `slowness`, and miss what is said.

    `noise`: by how much the agencies' p99s differ from run to run, relative.
    """

    def __init__(
        self,
        folder: Path,
        *,
        slowness: float = 1.0,
        missed: bool = False,
        invalid: bool = False,
        room: Any = None,
        noise: float = 0.002,
    ) -> None:
        self.newcomers = _newcomers("H95")
        self.baseline = Baseline("steady", {"objectives": []}, None)
        self.told: list[str] = []
        self._folder, self._slowness, self._missed, self._invalid, self._room = folder, slowness, missed, invalid, room
        self._made, self._noise = 0, noise

    def tell(self, text: str) -> None:
        self.told.append(text)

    async def run(self, *, joined: bool) -> Ran:
        self._made += 1
        invalid = ("late",) if self._invalid and joined else ()
        sample = Sample(
            f"run-{self._made}", self._made, 48, slowness=self._slowness if joined else 1.0, invalid=invalid
        )
        folder = write_sample(self._folder / sample.run, sample)
        result = orjson.loads((folder / "result.json").read_bytes())
        missed = self._missed and joined
        for one in result["objectives"]:
            one["met"] = not missed
        result["faults"], result["exit_code"] = [], 3 if invalid else int(missed)
        rng = np.random.default_rng(self._made)
        for row in result["latency_by_agency"].values():
            row["p99"] = 0.08 * (self._slowness if joined else 1.0) * math.exp(rng.normal(0, self._noise))
        result["latency_by_agency"]["H95"] = {"count": 100, "p50": 0.1, "p99": 0.2, "max": 0.3}
        deliveries = Histogram()
        deliveries.observe_one(1000)
        finished = Finished(result["exit_code"], folder, result, cast(LoadFigures, None), [])
        return Ran(finished, {"H95": NewcomerRun(deliveries, 0.0, 0.0, 0.0, 20.0)} if joined else {})

    async def headroom(self) -> tuple[Headroom | None, list[dict[str, Any]]]:
        return self._room, []


def _concluded(tmp_path: Path, **how: Any) -> tuple[dict[str, Any], list[str]]:
    runs = ToldRuns(tmp_path / "runs", **how)
    registry = registry_with(REGISTRY, joining_agencies("H95", "H35", 1, REGISTRY))
    found = asyncio.run(onboard._find(cast(OnboardingRuns, runs), registry, 3, headroom=True))
    folder = tmp_path / "onboard-1"
    folder.mkdir()
    (folder / "registry.csv").write_text(registry.to_csv(), encoding="utf-8")
    result = onboard.conclude(folder, found, 0.0)
    (folder / "result.json").write_bytes(orjson.dumps(result))
    return result, runs.told


@pytest.mark.parametrize(
    ("how", "answer", "code", "kinds"),
    [
        ({"room": Headroom(2.0, at_least=True)}, Answer.READY, 0, set()),
        ({"room": Headroom(2.0, at_least=True), "noise": 0.2}, Answer.CONDITIONS, 0, {"slowdowns unseen"}),
        ({"room": Headroom(1.1, limit="routed fast")}, Answer.CONDITIONS, 0, {"little headroom"}),
        ({"missed": True}, Answer.NOT_READY, 1, {"missed", "limit"}),
        ({"invalid": True}, Answer.CANNOT_TELL, 3, {"invalid runs"}),
    ],
)
def test_each_answer_with_its_exit_code_its_page_and_its_report(
    how: dict[str, Any], answer: Answer, code: int, kinds: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result, told = _concluded(tmp_path, **how)
    assert (result["onboarding"]["answer"], result["exit_code"]) == (answer.value, code)
    found = {reason["kind"] for reason in result["onboarding"]["reasons"]}
    assert kinds <= found
    assert Result.model_validate(orjson.loads(orjson.dumps(result))).onboarding is not None
    # In turn, the order alternating: what drifts favours neither side.
    sides = ["with" if " with the" in line else "without" for line in told if line.startswith("pair")]
    assert sides == ["without", "with", "with", "without", "without", "with"]
    assert len(result["onboarding"]["pairs"]) == 3
    folder = tmp_path / "onboard-1"
    registry = Registry.load(folder / "registry.csv")
    shown: set[str] = set()

    def spy(text: str, language: Language) -> str:
        shown.add(text)
        return report_word(text, language)

    monkeypatch.setattr("monitor.report.report_word", spy)
    monkeypatch.setattr("monitor.onboarding_view.report_word", spy)
    page = report_html(load_run(folder), registry, Language.VI)
    assert f'id="verdict-word">{report_word(answer.value, Language.VI)}' in page
    assert '<section id="onboarding"' in page
    assert "Cơ quan mới H95" in page
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(onboarding_view(result["onboarding"], registry, Language.VI))
    text = console.export_text()
    assert report_word(answer.value, Language.VI).upper() in text
    could_not_see = "không thể thấy mức chậm đi dưới"
    assert (could_not_see in page.lower(), could_not_see in text.lower()) == (code != 3, code != 3)
    assert {one for one in shown if one and not is_translated(one)} == set(), "no Vietnamese for these"


def test_many_that_got_slower_are_told_in_few_lines(tmp_path: Path) -> None:
    result, _ = _concluded(tmp_path, slowness=4.0, room=Headroom(2.0, at_least=True))
    told = result["onboarding"]
    assert told["answer"] == Answer.CONDITIONS.value
    assert len(told["slower"]) > 80
    together = [reason for reason in told["reasons"] if reason["kind"] == "slower together"]
    assert [reason["subject"] for reason in together] == ["delivery p50", "delivery p99", "routing p99"]
    assert len([reason for reason in told["reasons"] if "slower" in reason["kind"]]) == 3 + 4
    assert told["reasons"][-1]["text"].endswith("more agencies wait longer")
    assert {one["judgement"] for one in told["compared"]} == {"worse"}


@pytest.mark.parametrize(
    ("allowed_s", "conditions"), [(600.0, set()), (0.001, {"slower together", "slower", "more slower"})]
)
def test_all_together_slower_is_a_condition_by_what_the_objectives_allow(
    allowed_s: float, conditions: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is met by far forgives them all their five times as long; but that is told in any case."""
    monkeypatch.setattr(Baseline, "latencies", [{"name": "fast", "percentile": 99, "at_most_s": allowed_s}])
    result, _ = _concluded(tmp_path, slowness=5.0, room=Headroom(2.0, at_least=True))
    told = result["onboarding"]
    assert (told["answer"], result["exit_code"]) == ((Answer.CONDITIONS if conditions else Answer.READY).value, 0)
    assert {reason["kind"] for reason in told["reasons"]} == conditions
    assert {one["judgement"] for one in told["compared"]} == {"worse"}
    if conditions:
        assert told["reasons"][0]["value"] == pytest.approx(told["compared"][0]["change"]["estimate"])
        assert told["reasons"][0]["text"].startswith("all agencies together: delivery p50 is ")


def test_the_report_of_an_onboarding_names_those_who_joined(tmp_path: Path) -> None:
    _concluded(tmp_path, room=Headroom(2.0, at_least=True))
    output = tmp_path / "out.html"
    assert main(["report", str(tmp_path / "onboard-1"), "--lang", "en", "-o", str(output)]) == 0
    assert "New agency H95" in output.read_text(encoding="utf-8")


def test_an_onboarding_of_before_the_smallest_slowdown_was_told_has_a_report_too(tmp_path: Path) -> None:
    result, _ = _concluded(tmp_path, room=Headroom(2.0, at_least=True))
    told = result["onboarding"]
    assert told.pop("smallest_slowdown")["agencies"] == told["agencies_compared"]
    folder = tmp_path / "onboard-1"
    (folder / "result.json").write_bytes(orjson.dumps(result))
    registry = Registry.load(folder / "registry.csv")
    assert "could not have been seen" not in report_html(load_run(folder), registry, Language.EN)
    Console(file=io.StringIO()).print(onboarding_view(told, registry, Language.EN))


def test_headroom_is_searched_for_above_the_load_alone(tmp_path: Path) -> None:
    """A hub that carries 1.5 times the load, and a generator that gives way at 1.5: found, and at least."""
    for late in (False, True):
        runs, ratios = _runs(tmp_path), list[float]()

        async def run(*, joined: bool, ratio: float = 1.0, late: bool = late, ratios: list[float] = ratios) -> Ran:
            ratios.append(ratio)
            beyond = ratio > 1.5
            result = {
                "run": f"r{len(ratios)}",
                "exit_code": (3 if late else 1) if beyond else 0,
                "valid": not (late and beyond),
                "objectives": [{"name": "fast", "stage": "delivery", "met": not beyond}],
                "latency_seconds": {"send_delay": {"p99": 0.1}, "routing": {"p99": 2.9}, "pickup": {"p99": 0.2}},
                "latency_by_agency": {"G22": {"p99": 3.0}},
                "workload": {},
                "rates": {"deliveries_per_second": 100.0},
            }
            return Ran(Finished(0, tmp_path, result, cast(LoadFigures, None), []), {})

        runs = cast(OnboardingRuns, _Replaced(runs, run))
        room, steps = asyncio.run(OnboardingRuns.headroom(runs))
        assert room is not None
        assert 1.5 / 1.1 <= room.ratio <= 1.5
        assert room.at_least is late
        assert room.limit == ("" if late else "fast (stage routing, slowest agency G22)")
        assert [one["ratio"] for one in steps] == [round(ratio, 3) for ratio in ratios]
        assert min(ratios) > 1


class _Replaced:
    """Onboarding runs that are made by somebody else."""

    def __init__(self, runs: OnboardingRuns, run: Any) -> None:
        self.run = run
        self.load_test, self.tell, self.broker = runs.load_test, runs.tell, None


def test_a_limit_set_on_purpose_is_told_with_its_figure() -> None:
    injected = {"faults_injected": [{"kind": "limited-hub", "detail": "limited to 200 deliveries/s"}]}
    limit = Limit("keeps up", "", "G22", "the hub's limit, set on purpose")
    assert limit_text(limit, injected) == (
        "keeps up (slowest agency G22, the hub's limit, set on purpose, limited to 200 deliveries/s)"
    )
    assert limit_text(replace(limit, agency="", resource=""), {}) == "keeps up"
    # A limit that was not reached did not give way.
    assert limit_text(replace(limit, resource="processor of stream"), injected) == (
        "keeps up (slowest agency G22, processor of stream)"
    )
