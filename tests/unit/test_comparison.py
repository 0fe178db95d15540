"""Comparing runs whose difference is known."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from docaxis.cli import main
from monitor.comparison import Comparison, compare
from monitor.run_folder import RunFolder, load_run
from monitor.statistics import Judgement
from tests.support.sample_runs import Sample, write_demo_sample, write_sample

SAME, WORSE, BETTER, CANNOT_TELL = Judgement.SAME, Judgement.WORSE, Judgement.BETTER, Judgement.CANNOT_TELL
Compare = Callable[..., Comparison]


@pytest.fixture
def compared(tmp_path: Path) -> Compare:
    """Give a function that compares two samples."""

    def run(before: Sample, after: Sample, **options: Any) -> Comparison:
        paths = [write_sample(tmp_path / name, one) for name, one in (("before", before), ("after", after))]
        return compare(load_run(paths[0]), load_run(paths[1]), **options)

    return run


def judged(comparison: Comparison) -> dict[str, Judgement]:
    return {row.name: row.judgement for row in comparison.rows}


def test_a_slower_hub_is_worse_where_it_is_slower_and_nowhere_else(compared: Compare) -> None:
    found = judged(compared(Sample(seed=1), Sample(seed=2, slowness=1.5)))
    assert {found[name] for name in ("routing p99", "delivery p99", "routing-p99")} == {WORSE}
    assert WORSE not in {found[name] for name in ("send delay p99", "publish p99", "deliveries/s") if name in found}
    assert found["deliveries/s"] is SAME
    assert found["loss"] is SAME


def test_each_objective_has_an_effect_and_an_interval_and_is_judged_by_them(compared: Compare) -> None:
    """A hub that carries less than is offered is slower for a class of agencies, too, and leaves more over."""
    slow = compared(Sample(seed=1), Sample(seed=2, slowness=2.5))
    rows = {row.name: row for row in slow.rows if row.is_objective}
    noisy = ("delivery-p99", "routing-p99", "delivery-p999", "ministries-p95", "carried", "rate", "backlog")
    assert {name for name, row in rows.items() if row.change is not None} == set(noisy)
    assert {rows[name].judgement for name in noisy} == {WORSE}
    carried, backlog = rows["carried"], rows["backlog"]
    assert carried.change is not None
    assert backlog.change is not None
    assert carried.change.estimate == pytest.approx((carried.after or 0) / (carried.before or 1) - 1, abs=0.01)
    assert carried.change.high < 0 < backlog.change.low
    assert backlog.change.estimate == pytest.approx(1 - (carried.after or 0), abs=0.02), "what is not carried is left"


@pytest.mark.parametrize("seed", range(4))
def test_no_objective_of_the_same_system_is_worse_and_its_rates_are_the_same(compared: Compare, seed: int) -> None:
    again = compared(Sample(seed=30 + seed), Sample(seed=40 + seed), seed=seed)
    found = {row.name: row.judgement for row in again.rows if row.is_objective}
    assert {found[name] for name in ("carried", "rate", "backlog")} == {SAME}
    assert WORSE not in found.values()


def test_a_faster_hub_is_better(compared: Compare) -> None:
    comparison = compared(Sample(seed=1, slowness=1.5), Sample(seed=2))
    assert judged(comparison)["routing p99"] is BETTER
    assert comparison.worse == ()


@pytest.mark.parametrize("seed", range(6))
def test_the_same_system_again_is_not_worse(compared: Compare, seed: int) -> None:
    assert compared(Sample(seed=10 + seed), Sample(seed=20 + seed), seed=seed).worse == ()


def test_one_stall_is_no_trend_but_the_objective_it_broke_is_worse(compared: Compare) -> None:
    comparison = compared(Sample(seed=1), Sample(seed=2, stall_s=(60, 64)))
    found = judged(comparison)
    assert found["routing p99"] is CANNOT_TELL
    assert found["routing-p99"] is WORSE
    assert {row.note for row in comparison.rows if row.name == "routing-p99"} == {"met → missed"}


def test_one_duplicate_more_is_worse_whatever_the_noise(compared: Compare) -> None:
    found = judged(compared(Sample(seed=1), Sample(seed=1, duplicated=1)))
    assert (found["duplicated"], found["duplicates"]) == (WORSE, WORSE)


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return load_run(write_sample(tmp_path / "run", Sample()))


def changed(run: RunFolder, **parts: Any) -> RunFolder:
    """Return the run with parts of its result changed; of ledger and arrivals, those counts that are given."""
    told = {name: {**run.result[name], **part} if isinstance(part, Mapping) else part for name, part in parts.items()}
    return replace(run, result={**run.result, **told})


def test_a_run_that_went_from_pass_to_fail_is_worse_and_every_reason_is_named(run: RunFolder) -> None:
    faults = ["300 refused", "12 arrivals dropped", "the ledger does not add up"]
    after = changed(run, verdict="fail", exit_code=1, faults=faults, ledger={"refused": 300}, arrivals={"dropped": 12})
    worse = {row.name for row in compare(run, after).worse}
    assert worse == {"refused", "arrivals dropped", "the ledger does not add up", "verdict"}
    better = {row.name for row in compare(after, run).rows if row.judgement is BETTER}
    assert better == worse, "and mended, it is better"


@pytest.mark.parametrize("name", ["lost", "duplicated", "misrouted", "contradictions", "refused", "outstanding"])
def test_one_more_of_what_must_not_be_is_worse(run: RunFolder, name: str) -> None:
    before, after = (changed(run, ledger={name: count}, faults=[f"{count} {name}"]) for count in (7, 8))
    assert {row.name for row in compare(before, after).worse} == {name}
    assert compare(before, before).worse == ()


@pytest.mark.parametrize("name", ["dropped", "failed", "unknown"])
def test_one_more_arrival_that_came_to_nothing_is_worse(run: RunFolder, name: str) -> None:
    before, after = (changed(run, arrivals={name: count}, faults=[f"{count} arrivals {name}"]) for count in (7, 8))
    assert {row.name for row in compare(before, after).worse} == {f"arrivals {name}"}
    assert compare(before, before).worse == ()


def test_a_fault_that_both_runs_had_is_the_same_whatever_its_figures(run: RunFolder) -> None:
    said = "{} documents acknowledged to the senders, {} in the topic"
    before, after = (changed(run, verdict="fail", faults=[said.format(*pair)]) for pair in (("9", "8"), ("1,200", "7")))
    assert judged(compare(before, after))[said.format("1,200", "7")] is SAME
    days = (changed(run, faults=[f"milestone {day} counted differently from published"]) for day in ("1/9", "2/9"))
    assert [row.name for row in compare(*days).worse] == ["milestone 2/9 counted differently from published"]


@pytest.mark.parametrize(("kind", "name"), [("duplicate", "duplicated"), ("withhold-receipts", "lost")])
def test_what_both_runs_injected_and_found_is_no_fault(run: RunFolder, kind: str, name: str) -> None:
    injected = [{"kind": kind, "at_us": 0, "until_us": 1, "count": 5, "detail": ""}]
    before, after = (changed(run, ledger={name: count}, faults_injected=injected) for count in (16, 18))
    (row,) = (row for row in compare(before, after).rows if row.name == name)
    assert (row.judgement, row.note) == (SAME, "as injected")
    found_more = changed(after, faults=[f"18 {name}, 17 were injected"])
    assert judged(compare(before, found_more))[name] is WORSE
    assert judged(compare(changed(run, ledger={name: 16}), after))[name] is WORSE, "not injected in both"


def test_the_first_late_delivery_is_worse_and_how_many_more_is_noise(run: RunFolder) -> None:
    some, more = (changed(run, ledger={"late": count}) for count in (40, 60))
    assert judged(compare(run, some))["late"] is WORSE
    assert judged(compare(some, run))["late"] is BETTER
    assert judged(compare(some, more))["late"] is CANNOT_TELL
    assert "late" not in judged(compare(run, run))
    stalled = [{"kind": "paused-hub", "at_us": 0, "until_us": 1, "count": 1, "detail": ""}]
    before, after = (changed(one, faults_injected=stalled) for one in (run, some))
    assert judged(compare(before, after))["late"] is CANNOT_TELL


def test_a_verdict_that_objectives_alone_changed_is_left_to_their_rows(run: RunFolder) -> None:
    missed = [{**one, "met": False} if one["name"] == "delivery-p99" else one for one in run.result["objectives"]]
    comparison = compare(run, changed(run, verdict="fail", exit_code=1, objectives=missed))
    (row,) = (row for row in comparison.rows if row.name == "verdict")
    assert (row.judgement, row.note) == (CANNOT_TELL, "pass → fail")
    assert comparison.worse == (), "the figure is the same"


@pytest.mark.parametrize(
    ("after", "said"),
    [
        (Sample(invalid=("late",)), "run-sample is invalid: late"),
        (Sample(workload_hash="0" * 16), "the workloads differ .steady 9f2c51d04e7a, steady 000000000000."),
    ],
)
def test_nothing_is_judged_of_what_cannot_be_compared(compared: Compare, after: Sample, said: str) -> None:
    comparison = compared(Sample(), after)
    assert set(judged(comparison).values()) == {CANNOT_TELL}
    assert len(comparison.obstacles) == 1
    assert re.match(said, comparison.obstacles[0])


def test_other_workloads_can_be_compared_on_request(compared: Compare) -> None:
    other = Sample(seed=2, workload_hash="0" * 16, slowness=1.5)
    assert judged(compared(Sample(), other, any_workload=True))["routing p99"] is WORSE


def test_what_differs_in_the_settings_is_named(compared: Compare) -> None:
    after = Sample(settings={"topics": {"prefix": "axis", "partitions": 12}})
    assert compared(Sample(), after).differences == ("settings.topics.partitions: 4 → 12",)


def test_other_fleets_and_agencies_are_named(compared: Compare) -> None:
    assert compared(Sample(), Sample(fleets=2, registry_file="ours.csv")).differences == (
        "fleets.here: 1 → 2",
        "registry.file: None → ours.csv",
    )


def test_what_an_older_result_does_not_say_is_no_difference(run: RunFolder) -> None:
    older = replace(run, result={name: part for name, part in run.result.items() if name not in ("fleets", "registry")})
    assert compare(older, run).differences == ()


def test_the_command_says_it_with_its_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = tmp_path / "runs"
    monkeypatch.setenv("DOCAXIS_PATHS_RUNS", str(runs))
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.chdir(tmp_path)
    for name, sample in (("a", Sample(run="a")), ("b", Sample(run="b", seed=2)), ("c", Sample(run="c", slowness=1.5))):
        write_sample(runs / name, sample)
    write_sample(runs / "d", Sample(run="d", invalid=("late",)))
    write_demo_sample(runs / "demo")
    assert main(["compare", "a", "b"]) == 0
    assert main(["compare", "a", "c"]) == 1
    assert "worse" in capsys.readouterr().out
    assert main(["compare", "a", "c", "--lang", "vi"]) == 1
    assert "kém hơn" in capsys.readouterr().out
    assert main(["compare", "a", "c", "--effect", "2"]) == 0
    broken = orjson.loads((runs / "a" / "result.json").read_bytes())
    broken |= {"run": "e", "verdict": "fail", "exit_code": 1, "faults": ["the ledger does not add up"]}
    broken["arrivals"]["dropped"] = 12
    write_sample(runs / "e", Sample(run="e"))
    (runs / "e" / "result.json").write_bytes(orjson.dumps(broken))
    capsys.readouterr()
    assert main(["compare", "a", "e"]) == 1
    assert "the ledger does not add up" in re.sub(r"\s+", " ", capsys.readouterr().out)
    assert main(["compare", "a", "e", "--lang", "vi"]) == 1
    shown = re.sub(r"\s+", " ", capsys.readouterr().out)
    assert re.search("văn bản bị bỏ qua.*12.*sổ đối soát không cân.*kết luận.*đạt → không đạt", shown), shown
    assert main(["compare", "a", "d"]) == 3
    assert "d is invalid: late" in capsys.readouterr().err
    assert main(["compare", "a", "demo"]) == 3
    assert main(["compare", "a", "nobody"]) == 2
    capsys.readouterr()
    assert main(["compare", "a", "c", "--json"]) == 1
    told = orjson.loads(capsys.readouterr().out)
    assert (told["before"], told["after"]) == ("a", "c")
    assert {row["name"]: row["judgement"] for row in told["rows"]}["routing p99"] == "worse"


def test_runs_lists_what_is_there_and_a_broken_one_hides_no_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = tmp_path / "runs"
    monkeypatch.setenv("DOCAXIS_PATHS_RUNS", str(runs))
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.chdir(tmp_path)
    assert main(["runs"]) == 0
    assert "no run in" in capsys.readouterr().out
    write_sample(runs / "run-good", Sample(run="run-good", seconds=24))
    write_sample(runs / "run-late", Sample(run="run-late", seconds=24, invalid=("late",)))
    write_demo_sample(runs / "demo-1")
    (runs / "broken").mkdir()
    (runs / "broken" / "result.json").write_text("{")
    assert main(["runs"]) == 0
    shown = capsys.readouterr().out
    for line in ("run-good .*steady.* PASS", "run-late .* INVALID", "demo-1 .*history.* PASS", "broken .*UNREADABLE"):
        assert re.search(line, shown), shown
    assert main(["runs", "--json", "--last", "2"]) == 0
    told = orjson.loads(capsys.readouterr().out)
    assert [one["run"] for one in told] == ["broken", "demo-1"]
    assert main(["runs", "--lang", "vi", "--last", "1"]) == 0
    assert "KHÔNG ĐỌC ĐƯỢC" in capsys.readouterr().out
