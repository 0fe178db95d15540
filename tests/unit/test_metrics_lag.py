"""Lag in records and seconds, from positions and ends alone."""

from hypothesis import given
from hypothesis import strategies as st

from docaxis.domain.clock import ManualClock
from monitor.lag import MOMENTS_MAX, LagMetrics, PartitionLag, Progress
from tests.support.metrics import value

S = 1_000_000_000


def test_no_lag_has_no_age() -> None:
    lag = PartitionLag()
    assert lag.observe(0, 0, 0) == (0, 0)
    assert lag.observe(10 * S, 500, 500) == (0, 0)
    assert lag.observe(20 * S, 500, 490) == (0, 0)  # the end is older news than the position


def test_the_age_is_that_of_the_first_unread_record_while_the_end_grows_evenly() -> None:
    lag = PartitionLag()
    lag.observe(0, 100, 100)
    assert lag.observe(10 * S, 600, 1100) == (500, 5 * S)
    assert lag.observe(20 * S, 1600, 2100) == (500, 5 * S)
    assert lag.observe(20 * S + 1, 2100, 2100) == (0, 0)


def test_the_age_grows_with_a_stall_of_any_length() -> None:
    lag = PartitionLag()
    lag.observe(0, 100, 100)
    for second in range(1, 10_000):
        records, age_ns = lag.observe(second * S, 100, 100 + 10 * second)
        assert (records, age_ns) == (10 * second, second * S)
    assert len(lag.moments) <= MOMENTS_MAX + 1


def test_what_was_there_before_the_first_look_is_at_least_as_old_as_the_look() -> None:
    lag = PartitionLag()
    assert lag.observe(0, 0, 1000) == (1000, 0)
    assert lag.observe(3 * S, 10, 1000) == (990, 3 * S)


def test_a_topic_made_anew_begins_a_new_history() -> None:
    lag = PartitionLag()
    lag.observe(0, 0, 1000)
    assert lag.observe(5 * S, 1000, 1000) == (0, 0)
    assert lag.observe(6 * S, 0, 10) == (10, 0)
    assert lag.observe(7 * S, 0, 10) == (10, S)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 50), st.integers(0, 50)), max_size=200))
def test_lag_is_never_negative_nor_older_than_the_first_look(steps: list[tuple[int, int, int]]) -> None:
    lag, now_s, position, end = PartitionLag(), 0, 0, 0
    for seconds, written, read in steps:
        now_s, end = now_s + seconds, end + written
        position = min(end, position + read)
        records, age_ns = lag.observe(now_s * S, position, end)
        assert records == end - position
        assert 0 <= age_ns <= now_s * S
        assert len(lag.moments) <= MOMENTS_MAX + 1


def test_a_topics_lag_sums_records_and_takes_the_oldest_partition() -> None:
    clock = ManualClock()
    progress = [Progress("sent", 0, 0, 0), Progress("sent", 1, 0, 0), Progress("status", 0, 4, 4)]
    lag = LagMetrics("hub", lambda: progress, clock)

    def shown(topic: str) -> tuple[float | None, ...]:
        units = ("records", "seconds")
        return tuple(value(lag, f"docaxis_monitor_lag_{unit}", group="hub", topic=topic) for unit in units)

    assert shown("sent") == (0, 0)
    clock.advance_us(10_000_000)
    progress[:2] = [Progress("sent", 0, 0, 100), Progress("sent", 1, 50, 100)]
    # Read twice by `shown`, once a value: the second look is of the same moment.
    assert shown("sent") == (150, 10)
    assert shown("status") == (0, 0)
    del progress[:2]
    assert shown("sent") == (None, None)
