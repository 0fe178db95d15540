"""What was exhausted is told only where it was: a limit that was reached, a processor busy while it was measured."""

import os
from typing import Any

import pytest

from docaxis.commands.conduct_load import LoadMoment
from docaxis.commands.exhausted import HUB_LIMIT, BusyWatch, resource_of
from docaxis.domain.plan import Plan, PlannedPhase
from monitor.onboarding_words import reason_said
from monitor.reading import Readings
from monitor.series import Series
from monitor.words import Language

PLAN = Plan(
    "run-1",
    1,
    [
        PlannedPhase("settle", "warm-up", 1_000_000_000, 1_015_000_000, False, False),
        PlannedPhase("step", "load", 1_015_000_000, 1_035_000_000, True, False),
        PlannedPhase("drain", "drain", 1_035_000_000, 1_055_000_000, False, False),
    ],
)


def _result(received: float, limit: str = "") -> dict[str, Any]:
    faults = [{"kind": "limited-hub", "rate": limit}] if limit else []
    return {"workload": {"faults": faults}, "rates": {"deliveries_per_second": received}}


@pytest.mark.parametrize(
    ("received", "limit", "busy", "told"),
    [
        (195, "200 deliveries/s", {"stream": 0.99}, HUB_LIMIT),
        (181, "200 deliveries/s", {}, HUB_LIMIT),
        (179, "200 deliveries/s", {}, ""),
        (5_000, "1000000000 deliveries/s", {"hub": 0.5, "stream": 0.99}, "processor of stream"),
        (5_000, "", {"hub": 0.5, "stream": 0.89}, ""),
        (5_000, "", {"hub": 0.5, "stream": 0.6, "broker": 2.9}, "all processors of this machine, mostly broker"),
        (5_000, "", {"hub": 0.1, "stream": 0.1, "broker": 3.7}, "processor of broker"),
        (5_000, "", {"hub": 0.5, "stream": 0.6, "broker": 1.5}, ""),
    ],
)
def test_a_resource_is_named_only_if_it_was_exhausted(
    received: float, limit: str, busy: dict[str, float], told: str
) -> None:
    assert resource_of(_result(received, limit), busy, cores=4) == told
    assert not told or told == HUB_LIMIT or reason_said(told, Language.VI) != told


def _watched(used_s: Any, brokers: tuple[int, ...] = ()) -> dict[str, float]:
    watch = BusyWatch(brokers)
    for tick in range(55 * 5):
        second = tick / 5
        moment = LoadMoment(second, PLAN, Series("run-1"), Readings(), 0, {"hub": used_s(second)})
        watch.observe(moment)
    return watch.busy


def test_settling_and_draining_do_not_hide_a_saturation() -> None:
    """20 s of 55 with a processor all in use: 36 % of the wall time, and all of what was measured."""
    assert _watched(lambda second: min(max(second - 15, 0), 20))["hub"] == pytest.approx(1.0, abs=0.02)
    assert _watched(lambda second: 0.5 * min(second, 15))["hub"] == pytest.approx(0.0, abs=0.02)


def test_a_process_that_was_started_again_counts_on() -> None:
    assert _watched(lambda second: second if second < 25 else second - 25)["hub"] == pytest.approx(1.0, abs=0.05)


def test_the_broker_is_among_the_processes_and_nothing_is_told_of_what_was_not_measured() -> None:
    assert _watched(lambda second: second, (os.getpid(),))["broker"] >= 0
    assert BusyWatch().busy == {}
