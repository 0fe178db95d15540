"""The rules that judge a lag, one by one, and the laws that hold for all of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docaxis.domain.clock import ManualClock
from monitor.lag import LagMetrics, Progress
from monitor.lag_state import WINDOW_NS, LagState, Moment, judge_lag, worst
from tests.support.metrics import value

S = 1_000_000_000


def _window(positions: list[int], ends: list[int], gap_s: int = 15) -> list[Moment]:
    return [Moment(i * gap_s * S, *pair) for i, pair in enumerate(zip(positions, ends, strict=True))]


@pytest.mark.parametrize(
    ("positions", "ends", "state"),
    [
        ([0, 10, 20, 30, 40], [0, 10, 20, 30, 40], LagState.CAUGHT_UP),
        ([5] * 5, [5] * 5, LagState.CAUGHT_UP),  # nothing to read is no stall
        ([0, 9, 20, 29, 39], [1, 10, 20, 30, 40], LagState.CAUGHT_UP),  # all read at one moment lately
        ([0, 10, 20, 30, 40], [500, 510, 520, 530, 540], LagState.KEEPING_UP),  # a steady lag
        ([0, 100, 200, 300, 400], [500, 510, 520, 530, 540], LagState.KEEPING_UP),  # a lag that shrinks
        ([0, 0, 0, 0, 0], [1, 1, 1, 1, 1], LagState.STALLED),  # one unread record is enough
        ([7, 7, 7, 7, 7], [8, 90, 200, 900, 5000], LagState.STALLED),  # not merely rising: it does not read
        ([0, 10, 20, 30, 40], [100, 210, 320, 430, 540], LagState.RISING),
        ([0, 60, 60, 160, 160, 260], [100, 200, 300, 400, 500, 600], LagState.RISING),  # a saw-tooth that climbs
        ([0, 100, 100, 200, 200, 300], [90, 150, 200, 250, 300, 350], LagState.KEEPING_UP),  # one that does not
    ],
)
def test_a_window_is_judged(positions: list[int], ends: list[int], state: LagState) -> None:
    window = _window(positions, ends)
    assert judge_lag(window, window[-1].at_ns) is state


def test_one_nothing_is_heard_of_has_stopped_whatever_its_last_figures_were() -> None:
    for window in ([], _window([5] * 5, [5] * 5), _window([0] * 5, [9] * 5)):
        assert judge_lag(window, 60 * S + WINDOW_NS) is LagState.STOPPED


@pytest.mark.parametrize("gap_s", [0, 1, 10, 59])
def test_no_rule_complains_before_half_a_window_is_known(gap_s: int) -> None:
    assert judge_lag([], 0) is LagState.STOPPED  # nobody at all
    assert judge_lag([Moment(0, 0, 9), Moment(gap_s * S, 0, 99)], gap_s * S) is LagState.KEEPING_UP


def test_a_stall_ends_with_the_first_record_read() -> None:
    window = [*_window([0] * 6, [10] * 6), Moment(80 * S, 3, 10)]
    assert judge_lag(window[:-1], 75 * S) is LagState.STALLED
    assert judge_lag(window, 80 * S) is LagState.KEEPING_UP


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=9), st.integers(0, 10**12))
def test_the_judgement_depends_on_the_lag_and_not_on_where_the_topic_began(
    steps: list[tuple[int, int]], offset: int
) -> None:
    position = end = 0
    near, far = [], []
    for number, (written, read) in enumerate(steps):
        end += written
        position = min(end, position + read)
        near.append(Moment(number * 15 * S, position, end))
        far.append(Moment(number * 15 * S, position + offset, end + offset))
    state = judge_lag(near, near[-1].at_ns)
    assert judge_lag(far, far[-1].at_ns) is state
    if near[-1].lag == 0:
        assert state is LagState.CAUGHT_UP


def test_the_worst_partition_speaks_for_its_topic() -> None:
    assert worst([LagState.CAUGHT_UP, LagState.STALLED, LagState.RISING]) is LagState.STALLED
    assert worst([]) is LagState.CAUGHT_UP


def test_the_state_is_exported_and_goes_when_the_partitions_have_gone() -> None:
    clock = ManualClock()
    progress = [Progress("sent", 0, 5, 9), Progress("sent", 1, 9, 9)]
    lag = LagMetrics("hub", lambda: progress, clock, partitions=2, rebalances=lambda: 3)

    def shown() -> dict[str, float | None]:
        labels = {"group": "hub", "topic": "sent"}
        return {str(s): value(lag, "docaxis_monitor_lag_state", **labels, state=s) for s in LagState}

    def one(state: LagState) -> dict[str, float | None]:
        return {str(s): float(s is state) for s in LagState}

    assert shown() == one(LagState.KEEPING_UP)
    for _ in range(30):
        clock.advance_us(5_000_000)
        now = shown()
    assert now == one(LagState.STALLED)
    progress[0] = Progress("sent", 0, 9, 9)
    clock.advance_us(5_000_000)
    assert shown() == one(LagState.CAUGHT_UP)
    del progress[1]  # handed over: the rest goes on
    assert shown() == one(LagState.CAUGHT_UP)
    progress.clear()
    clock.advance_us(61_000_000)
    assert shown() == one(LagState.STOPPED)
    clock.advance_us(120_000_000)
    assert set(shown().values()) == {None}
    assert value(lag, "docaxis_monitor_topic_partitions", group="hub") == 2
    assert value(lag, "docaxis_monitor_rebalances_total", group="hub") == 3
