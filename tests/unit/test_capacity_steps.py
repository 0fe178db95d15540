"""What a step of a capacity search offers, what is made of its result, and what the answer says."""

import io
from math import inf
from pathlib import Path
from typing import Any

import orjson
import pytest
from rich.console import Console

from docaxis.cli import main
from docaxis.commands import capacity
from docaxis.commands.capacity import CapacityTest
from docaxis.commands.capacity_result import Circumstances, answer_content
from docaxis.commands.capacity_steps import StepWatch, limit_of, outcome_of, searched_with, step_content
from docaxis.commands.conduct_load import LoadMoment
from docaxis.commands.load_test import prepare
from docaxis.domain.plan import Plan, PlannedPhase
from docaxis.settings import Settings
from docaxis.workload.file import load_workload, parse_workload, shipped, workload_of
from monitor.capacity import Capacity, CapacitySearch, Finding, Limit, SearchedWith, Step, StepKind, StepOutcome
from monitor.capacity import Plan as SearchPlan
from monitor.capacity_view import answer_sentences, capacity_view, step_begins, step_ended, told_before
from monitor.reading import LEDGER, Reading, Readings
from monitor.result_schema import Result
from monitor.sentences import sentence
from monitor.series import Series
from monitor.words import Language

BUSY = {"hub": 0.95, "stream": 0.3}
STEP = Step(StepKind.CLIMB, 1234.5, 2.0, 8.0)
UNDER = Circumstances("capacity-1", prepare("steady", seed=7), Settings(), 1_764_000_000_000_000, 12.5, 0)


@pytest.mark.parametrize("name", sorted(shipped()))
def test_a_step_is_a_sound_workload_of_one_rate(name: str) -> None:
    content = load_workload(name).content
    workload = workload_of(step_content(content, STEP), name).workload
    assert [(phase.kind, phase.duration) for phase in workload.offering] == [
        ("warm-up", 2_000_000),
        ("load", 8_000_000),
    ]
    assert {phase.rate.value for phase in workload.offering if phase.rate} == {1234.5}
    assert workload.objectives[-1].backlog_slope == pytest.approx(24.69)
    assert not any(one.abort for one in workload.objectives)
    assert workload.traffic == load_workload(name).workload.traffic


MIXED = """
name = "mixed"
[[phases]]
name = "warm"
kind = "warm-up"
duration = "5 s"
rate = "100 deliveries/s"
[[phases]]
name = "peak"
duration = "10 s"
rate = "100 deliveries/s"
to = "200 deliveries/s"
arrivals = "ramp"
[[faults]]
kind = "limited-hub"
rate = "150 deliveries/s"
[[faults]]
kind = "duplicate"
count = 5
[[objectives]]
name = "fast"
stage = "delivery"
percentile = 99
at_most = "1 s"
[[objectives]]
name = "enough"
at_least = "120 deliveries/s"
"""


def test_what_a_search_leaves_out_of_a_workload_is_told() -> None:
    loaded = parse_workload(MIXED, "mixed", None)
    told = searched_with(loaded.content)
    assert told == SearchedWith(
        ("fast", "hub keeps up"), ("limited-hub",), ("enough",), ("duplicate",), ("warm (poisson)", "peak (ramp)")
    )
    step = step_content(loaded.content, STEP)
    assert tuple(one["name"] for one in step["objectives"]) == told.objectives
    assert tuple(one["kind"] for one in step["faults"]) == told.faults
    said = told_before(told)
    for name in ("fast", "hub keeps up", "limited-hub", "enough", "duplicate", "warm (poisson), peak (ramp)"):
        assert any(name in one for one in said), name
    assert [one for one in said if sentence(one, Language.VI) == one] == []
    calm = searched_with(load_workload("steady").content)
    assert (calm.objectives_left_out, calm.faults_left_out, len(told_before(calm))) == ((), (), 2)


def test_a_workload_that_asks_for_a_rate_alone_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = MIXED.replace(MIXED[MIXED.index("[[objectives]]") : MIXED.rindex("[[objectives]]")], "")
    (tmp_path / "mine.toml").write_text(text, encoding="utf-8")
    monkeypatch.setattr(capacity, "kafka_for_run", lambda *_, **__: pytest.fail("started"))
    assert main(["capacity", str(tmp_path / "mine.toml")]) == 2
    assert "all that the workload asks for is a rate (at_least: enough)" in capsys.readouterr().err


def test_a_workload_may_have_an_objective_of_the_name_that_a_step_adds() -> None:
    content = load_workload("steady").content
    mine = {"name": "hub keeps up", "achieved": 0.9}
    told = workload_of(step_content({**content, "objectives": [mine]}, STEP), "mine").workload.objectives
    assert [one.name for one in told] == ["hub keeps up", "hub keeps up (2)"]


def _result(**more: Any) -> dict[str, Any]:
    return {
        "run": "run-1",
        "exit_code": 1,
        "valid": True,
        "faults": [],
        "workload": {},
        "objectives": [
            {"name": "fast", "stage": "routing", "unit": "s", "met": False},
            {"name": "other", "stage": "", "unit": "count", "met": False},
        ],
        "latency_by_agency": {"H53": {"p99": 0.5}, "G22": {"p99": 2.5}},
        "latency_seconds": {"delivery": {"p99": 1.5}, "routing": {"p99": 1.2}, "pickup": {"p99": 0.3}},
        "rates": {"deliveries_per_second": 900.0, "offered_deliveries_per_second": 1_210.0},
    } | more


def test_what_gave_way_is_named_with_stage_agency_and_part() -> None:
    assert limit_of(_result(), BUSY) == Limit("fast", "routing", "G22", "processor of hub")
    assert limit_of(_result()).resource == ""
    assert limit_of(_result(objectives=[], faults=["3 lost"])).objective == "3 lost"


@pytest.mark.parametrize(
    ("stage", "unit", "named"),
    [("", "deliveries/s2", "routing"), ("delivery", "s", "routing"), ("pickup", "s", "pickup")],
)
def test_a_wait_is_named_before_what_it_lost_and_with_the_part_it_lies_in(stage: str, unit: str, named: str) -> None:
    lost = {"name": "nothing lost", "stage": "", "unit": "count", "met": False}
    wait = {"name": "wait", "stage": stage, "unit": unit, "met": False}
    assert limit_of(_result(objectives=[lost, wait]), BUSY) == Limit("wait", named, "G22", "processor of hub")
    assert limit_of(_result(objectives=[lost]), BUSY) == Limit("nothing lost", "", "", "processor of hub")


def test_what_one_step_leaves_with_a_hub_that_is_not_ours_is_waited_for() -> None:
    content = {**load_workload("steady").content, "hub": "external"}
    drain = workload_of(step_content(content, STEP), "steady").workload.phases[-1]
    assert (drain.kind, drain.duration) == ("drain", 40_000_000)


def _ended_at(growth_per_s: float) -> float | None:
    """Return the second at which the watch ends a step of 100 deliveries/s whose backlog grows so from the start."""
    settle = PlannedPhase("settle", "warm-up", 1_000_000_000, 1_002_000_000, False, False)
    plan = Plan("run-1", 1, [settle, PlannedPhase("step", "load", 1_002_000_000, 1_022_000_000, True, False)])
    watch, readings = StepWatch("run-1", 100), Readings()
    for tick in range(22 * 5):
        second = tick / 5
        counts = {"outstanding": round(second * growth_per_s)}
        readings.put(Reading(1, "run-1", LEDGER, 0, tick + 1, tick, counts=counts))
        moment = LoadMoment(second, plan, Series("run-1"), readings, 0)
        if watch.why_end(moment):
            return second
    return None


def test_only_a_step_that_clearly_fails_ends_early_and_only_in_its_measured_part() -> None:
    assert _ended_at(0) is None
    assert _ended_at(14) is None, "a small excess is judged by the whole step"
    assert _ended_at(100) == 6
    assert _ended_at(20) is not None


def test_outcomes_tell_a_late_generator_from_a_hub_that_gave_way() -> None:
    assert outcome_of(STEP, _result()).held is False
    assert outcome_of(STEP, _result(exit_code=0)).limit is None
    assert (outcome_of(STEP, _result()).achieved_rate, outcome_of(STEP, _result()).offered_rate) == (900.0, 1_210.0)
    late = outcome_of(STEP, _result(exit_code=3, valid=False))
    assert (late.held, late.generator_limited) == (False, True)


def test_a_search_that_the_generator_ends_never_speaks_of_the_hub() -> None:
    search = CapacitySearch(SearchPlan(100, 10, precision=0.3, measure_s=8, confirm_s=8))
    while (step := search.step) is not None:
        code = 3 if step.rate > 200 else 0
        search = search.after(outcome_of(step, _result(exit_code=code, valid=not code)))
    answer = search.answer
    assert answer is not None
    assert answer.finding is Finding.AT_LEAST
    assert "at least" in answer_sentences(answer, search)[0]
    assert "generator-limited" in answer_sentences(answer, search)[0]
    content = answer_content(answer, search, UNDER)
    assert (content["upper"], content["search"]["rate_max"]) == (None, None)
    assert len(content["steps"]) == len(search.outcomes)


def test_the_answer_can_be_repeated_and_traced() -> None:
    """It has what result.json has for this, under the same names, and the id of every step's run."""
    search = CapacitySearch(SearchPlan(100, 10, 100, measure_s=8, confirm_s=8))
    number = 0
    while (step := search.step) is not None:
        number += 1
        search = search.after(outcome_of(step, _result(exit_code=0, run=f"run-{number}")))
    assert search.answer is not None
    content = orjson.loads(orjson.dumps(answer_content(search.answer, search, UNDER)))
    shared = {"schema_version", "run", "command", "exit_code", "seed", "started_us", "wall_seconds", "versions"}
    shared |= {"machine", "workload", "workload_hash", "settings"}
    assert shared <= set(content)
    assert shared <= set(Result.model_fields)
    assert (content["seed"], content["workload"]["seed"]) == (7, 7)
    assert content["workload_hash"] == UNDER.given.workload_hash != prepare("steady").workload_hash
    assert [one["run"] for one in content["steps"]] == [f"run-{one + 1}" for one in range(number)]
    options = content["search"]
    repeated = SearchPlan(options["start_rate"], options["rate_min"], options["rate_max"], measure_s=8, confirm_s=8)
    assert repeated == search.plan
    assert "kafka" in content["versions"]
    text = Path("docs/RESULT.md").read_text(encoding="utf-8")
    section = text[text.index("## capacity.json") :]
    told = {*content, *content["steps"][0], *options, *content["searched_with"]}
    assert [name for name in sorted(told) if f"`{name}`" not in section] == []


def test_a_step_keeps_seed_registry_and_the_files_that_the_workload_names(tmp_path: Path) -> None:
    writers = (
        '{"agencies": ["G22", "H35"], "pairs": [[0, 1, 3, 0]], "fan_outs": [[0, 1, 3]], "kinds": [[1, 0, 0, 3]], '
        '"sizes": [1, 2]}'
    )
    (tmp_path / "writers.json").write_text(writers, encoding="utf-8")
    text = shipped()["steady"] + '\n[[traffic]]\nlike = "writers.json"\n'
    (tmp_path / "mine.toml").write_text(text, encoding="utf-8")
    name = str(tmp_path / "mine.toml")
    step = CapacityTest(name, SearchPlan(100, 1), prepare(name, seed=7, hub="external")).at(STEP).loaded.workload
    assert (step.seed, step.hub, step.registry) == (7, "external", None)
    assert step.traffic[-1].like == tmp_path / "writers.json"


def test_the_answer_names_the_interval_and_what_gave_way() -> None:
    search = CapacitySearch(SearchPlan(100, 1))
    answer = Capacity(Finding.FOUND, 190, 205, False, True, Limit("keeps up", "", "", "processor of hub"))
    said = " ".join(answer_sentences(answer, search))
    for word in ("190.0", "205.0", "keeps up", "processor of hub"):
        assert word in said
    assert "No answer" in answer_sentences(Capacity(Finding.UNDECIDED, 0, inf, False, False, None), search)[0]


def test_an_answer_whose_rate_was_not_really_offered_says_so() -> None:
    step = Step(StepKind.CONFIRM, 110, 1, 3)
    outcomes = (StepOutcome(step, True, offered_rate=55.0),)
    answer = Capacity(Finding.FOUND, 110, 120, False, True, None)
    search = CapacitySearch(SearchPlan(100, 1), outcomes=outcomes)
    assert "55.0 deliveries/s were offered there" in answer_sentences(answer, search)[-1]


@pytest.mark.parametrize("finding", list(Finding))
@pytest.mark.parametrize("generator_limited", [False, True])
def test_everything_that_a_search_says_is_said_in_vietnamese(finding: Finding, generator_limited: bool) -> None:
    limit = Limit("keeps up", "routing", "G22", "processor of hub")
    steps = [Step(kind, 1234.5, 1, 3) for kind in StepKind]
    outcomes = tuple(
        StepOutcome(steps[0], held, late, limit, 0.1, offered_rate=5.0)
        for held, late in ((True, False), (False, False), (False, True))
    )
    answer = Capacity(finding, 1234.5, 1300, generator_limited, True, limit)
    search = CapacitySearch(SearchPlan(100, 1), outcomes=outcomes)
    said = [
        *map(step_begins, steps),
        *(step_ended(one, "the generator was late") for one in outcomes),
        *answer_sentences(answer, search),
    ]
    assert [one for one in said if sentence(one, Language.VI) == one] == []
    console = Console(file=io.StringIO(), width=120)
    console.print(capacity_view(answer, search, Language.VI))


def test_rates_in_the_wrong_order_are_a_message() -> None:
    assert main(["capacity", "steady", "--start", "100", "--least", "200"]) == 2
