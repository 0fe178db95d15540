"""Reading a run's folder: everything comes back, and what is broken is named."""

from pathlib import Path

import numpy as np
import orjson
import pytest

from docaxis.domain.errors import UsageError
from monitor.histogram import Histogram
from monitor.run_folder import find_run, histogram_of, load_result, load_run, run_ids, stored_of
from tests.support.sample_runs import Sample, write_demo_sample, write_sample


def test_everything_comes_back(tmp_path: Path) -> None:
    run = load_run(write_sample(tmp_path / "a", Sample(seconds=60)))
    assert run.result["run"] == "run-sample"
    assert len(run.series["second"]) == len(run.phase_of_second) == 60
    assert run.histograms["delivery"].count == run.result["latency_seconds"]["delivery"]["count"]
    assert run.traffic is not None
    assert len(run.traffic.agencies) == 95
    load = run.measured("received")
    assert len(load) == run.phase_of_second.count("load") == 45
    assert (load == run.series["received"][10:55]).all()
    assert len(run.measured("no such column")) == 0
    drained = run.series["delivery_p99_s"][-1]
    assert np.isnan(drained), "a second without samples is no second without latency"


def test_a_demo_has_only_its_result(tmp_path: Path) -> None:
    run = load_run(write_demo_sample(tmp_path / "demo"))
    assert (run.series, run.histograms, run.traffic) == ({}, {}, None)


def test_a_stored_histogram_comes_back() -> None:
    histogram = Histogram()
    histogram.observe(np.array([3, 70_000, 70_001, 5_000_000, -4]))
    back = histogram_of(orjson.loads(orjson.dumps(stored_of(histogram))))
    assert (back.counts == histogram.counts).all()
    assert (back.count, back.negative, back.max_us) == (4, 1, 5_000_000)
    assert back.quantile_us(0.5) == histogram.quantile_us(0.5)
    with pytest.raises(IndexError):
        histogram_of({"max_us": 1, "buckets": [[99_999, 1]]})


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("result.json", b"{", "is no JSON"),
        ("result.json", b"[]", "is no result of a run"),
        ("result.json", b'{"schema_version": 99, "run": "x", "verdict": "pass"}', "schema_version 99"),
        ("series.parquet", b"PAR1", "is no series"),
        ("histograms.json", b'{"delivery": 3}', "holds no histograms"),
        ("histograms.json", b'{"delivery": {"max_us": 1, "buckets": [[-1, 1]]}}', "holds no histograms"),
        ("traffic.json", b'{"agencies": ["H01"]}', "holds no traffic"),
        ("traffic.json", b'{"agencies": ["H01"], "pairs": [[0, 7, 1]]}', "beyond its list of 1"),
    ],
)
def test_what_is_broken_is_named(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    folder = write_sample(tmp_path / "a", Sample(seconds=24))
    (folder / name).write_bytes(content)
    with pytest.raises(UsageError, match=said) as caught:
        load_run(folder)
    assert str(folder / name) in caught.value.message
    assert caught.value.next_step


def test_a_run_is_found_by_path_id_or_unmistakable_beginning(tmp_path: Path) -> None:
    assert run_ids(tmp_path / "runs") == []
    for name in ("run-1a", "run-1b", "demo-2"):
        write_sample(tmp_path / "runs" / name, Sample(run=name, seconds=24))
    (tmp_path / "runs" / "unfinished").mkdir()
    (tmp_path / "runs" / "latest").symlink_to("demo-2")
    runs = tmp_path / "runs"
    assert run_ids(runs) == ["run-1a", "run-1b", "demo-2"]
    for name in ("run-1a", str(runs / "run-1a"), str(runs / "run-1a" / "result.json")):
        assert find_run(name, runs) == runs / "run-1a"
    assert find_run("latest", runs) == runs / "latest"
    assert find_run("de", runs) == runs / "demo-2"
    with pytest.raises(UsageError, match="may mean 2 runs: run-1a, run-1b"):
        find_run("run", runs)
    with pytest.raises(UsageError, match=r"no run 'x'.*the newest is demo-2"):
        find_run("x", runs)
    with pytest.raises(UsageError, match="cannot be read"):
        load_result(runs / "unfinished")


def test_the_samples_repeat_and_add_up(tmp_path: Path) -> None:
    first, second = (write_sample(tmp_path / name, Sample(seconds=36, lost=3)) for name in "ab")
    for file in first.iterdir():
        assert file.read_bytes() == (second / file.name).read_bytes(), file.name
    ledger = orjson.loads((first / "result.json").read_bytes())["ledger"]
    parts = ("delivered_once", "duplicated", "lost", "refused", "outstanding")
    assert sum(ledger[part] for part in parts) == ledger["deliveries_expected"]
