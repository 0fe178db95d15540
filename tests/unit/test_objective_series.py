"""The latencies of objectives second by second: what came between two looks, of whom it is about, and nothing else."""

import math
from collections.abc import Sequence

import numpy as np

from docaxis.domain.agency import Registry
from docaxis.domain.plan import first_plan
from docaxis.workload.objectives import Objective
from monitor.objective_series import ObjectiveSeries
from monitor.reading import MEASURED, Readings, Tally

RUN, REGISTRY = "run-1", Registry.load()
PLAN = first_plan(RUN, 1_000_000, [("warm", "warm-up", 60_000_000, False, False), ("load", "load", 10**9, True, False)])


class Worker:
    """Counts receipts, a partition by itself, and says so far."""

    def __init__(self, partition: int) -> None:
        self.partition = partition
        self.tally = Tally()
        self.offset = 0

    def count(self, code: str, priority: int, latencies_ms: Sequence[int], measured: bool = True) -> None:
        """Count deliveries of an agency."""
        latencies_us = np.array(latencies_ms, np.int64) * 1000
        self.offset += len(latencies_us)
        suffix = MEASURED if measured else "@0"
        agency = REGISTRY.find(code)
        assert agency is not None
        self.tally.observe_rows(f"recipient{suffix}", np.full(len(latencies_us), agency), latencies_us)
        self.tally.observe_rows(f"priority{suffix}", np.full(len(latencies_us), priority), latencies_us)
        self.tally.observe("routing@1" if measured else "routing@0", latencies_us)

    def tell(self, readings: Readings) -> None:
        """Give the reading of now."""
        identity = {"version": 1, "run": RUN, "topic": "status", "partition": self.partition, "offset": self.offset}
        readings.put(self.tally.to_reading(REGISTRY.codes, at_us=self.offset, **identity))


def objective(name: str, **what: object) -> Objective:
    return Objective.model_validate({"name": name, "at_most": "1 s", **what})


def test_a_second_has_what_became_known_in_it_of_those_the_objective_is_about() -> None:
    series = ObjectiveSeries(
        [
            objective("all", stage="routing", percentile=100),
            objective("one", stage="delivery", percentile=50, agencies=["H35"]),
            objective("ministries", stage="delivery", percentile=100, agencies=["ministry"]),
            objective("urgent", stage="delivery", percentile=100, priorities=[2, 3]),
            Objective.model_validate({"name": "lost", "count": "lost"}),
        ],
        REGISTRY,
    )
    readings, workers = Readings(), [Worker(0), Worker(1)]

    def look(second: int) -> None:
        for worker in workers:
            worker.tell(readings)
        series.look(readings, RUN, PLAN, second)

    workers[0].count("H35", 0, [900], measured=False)
    look(100)
    workers[0].count("H35", 0, [10, 20, 400])
    workers[1].count("G01", 3, [70])
    look(101)
    look(101)  # a second look in the same second tells nothing new
    workers[1].count("H35", 1, [30])
    look(103)
    told = series.columns()
    assert list(told) == ["objective all", "objective one", "objective ministries", "objective urgent"]
    expected = {
        "all": {100: None, 101: 0.4, 103: 0.03},
        "one": {100: None, 101: 0.02, 103: 0.03},
        "ministries": {100: None, 101: 0.07, 103: None},
        "urgent": {100: None, 101: 0.07, 103: None},
    }
    for name, seconds in expected.items():
        found = told[f"objective {name}"]
        assert list(found) == list(seconds)
        for second, value in seconds.items():
            if value is None:
                assert math.isnan(found[second]), (name, second)
            else:
                assert abs(found[second] / value - 1) < 0.033, (name, second, found[second])  # a bucket's width


def test_all_that_came_is_in_one_second_or_another() -> None:
    """Every look takes what came since the one before: nothing twice, nothing left out."""
    series = ObjectiveSeries([objective("slowest", stage="delivery", percentile=100, priorities=[0])], REGISTRY)
    readings, worker, rng = Readings(), Worker(0), np.random.default_rng(7)
    slowest: dict[int, int] = {}
    for second in range(1, 60):
        latencies_ms = rng.integers(1, 5000, int(rng.integers(0, 4))).tolist()
        if latencies_ms:
            worker.count("H35", 0, latencies_ms)
            slowest[second] = max(latencies_ms)
        worker.tell(readings)
        series.look(readings, RUN, PLAN, second)
    found = {second: value for second, value in series.columns()["objective slowest"].items() if not math.isnan(value)}
    assert found.keys() == slowest.keys()
    assert all(abs(found[second] * 1000 / slowest[second] - 1) < 0.033 for second in slowest)
