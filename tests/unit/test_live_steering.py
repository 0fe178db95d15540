"""A load test on the live page: its plan as phases, and controls that say what `docaxis control` says."""

import pytest

from docaxis.domain.plan import first_plan, paused, with_factor
from monitor.live.steering import command_of, shown

S = 1_000_000
PLAN = first_plan("run", 100 * S, [("warm-up", "warm-up", 10 * S, False, False), ("load", "load", 60 * S, True, False)])


@pytest.mark.parametrize(
    ("now_s", "states"),
    [(99, ["next", "next"]), (100, ["running", "next"]), (110, ["done", "running"]), (170, ["done", "done"])],
)
def test_each_phase_is_done_running_or_next(now_s: int, states: list[str]) -> None:
    told = shown(PLAN, now_s * S, steerable=False)
    assert [phase["state"] for phase in told["phases"]] == states
    assert [phase["seconds"] for phase in told["phases"]] == [10, 60]


def test_a_pause_and_another_rate_are_told_once_they_are_in_force() -> None:
    plan = paused(with_factor(PLAN, 120 * S, 1.5), 130 * S)
    assert [
        (told["paused"], told["percent"]) for told in (shown(plan, at * S, steerable=False) for at in (119, 125))
    ] == [
        (False, 100),
        (False, 150),
    ]
    standing = shown(plan, 140 * S, steerable=False)
    assert standing["paused"]
    assert standing["phases"][1]["seconds"] is None


def test_controls_are_shown_only_to_who_may_steer_and_while_there_is_something_to_steer() -> None:
    names = ["rate", "pause", "resume", "end-phase", "stop"]
    assert [one["name"] for one in shown(PLAN, 120 * S, steerable=True)["controls"]] == names
    assert shown(PLAN, 120 * S, steerable=False)["controls"] == []
    assert shown(PLAN, 170 * S, steerable=True)["controls"] == []


def test_a_control_becomes_a_command() -> None:
    assert command_of("pause", None) == ("pause", "")
    assert command_of("rate", 150) == ("rate", "150%")
    assert command_of("rate", 12.5) == ("rate", "12.5%")


@pytest.mark.parametrize(("name", "value"), [("nothing", None), ("rate", None), ("rate", 0), ("rate", 1001)])
def test_a_control_that_makes_no_sense_is_refused(name: str, value: float | None) -> None:
    with pytest.raises(ValueError, match=r"control|rate"):
        command_of(name, value)
