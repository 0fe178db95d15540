"""Inboxes and progress: nothing is lost, every agency polls at its own moments, offsets are committed in order."""

from random import Random

from aiokafka import TopicPartition
from hypothesis import example, given
from hypothesis import strategies as st

from producers.inbox import Fetched, Inboxes, Progress, Waiting
from tests.support import events
from tests.support.laws import law

INTERVAL_US = 1000
AGENCIES = ["H01", "H02", "G22", "T00001", "Bộ"]
TP = TopicPartition("axis.delivered", 0)


def waiting(agency: str = "H01", available_us: int = 0, *, partition: int = 0, offset: int = 0) -> Waiting:
    return Waiting(events.delivered(agency), partition, offset, available_us, Fetched(0, 0))


# --- polling


def test_with_interval_zero_everything_is_due_at_once_and_once() -> None:
    inboxes = Inboxes(0)
    deliveries = [waiting(agency, offset=offset) for offset, agency in enumerate(AGENCIES)]
    inboxes.put(deliveries)
    assert inboxes.waiting == 0
    assert inboxes.due(0) == deliveries
    assert inboxes.due(10**12) == []


@law(60)
@given(st.lists(st.tuples(st.sampled_from(AGENCIES), st.integers(0, 60)), max_size=20), st.integers(1, 50))
def test_nothing_is_lost_or_given_twice_and_every_delivery_waits_for_the_next_poll_of_its_agency(
    arrivals: list[tuple[str, int]], interval_us: int
) -> None:
    inboxes, moment_us, expected, polled_at = Inboxes(interval_us), 0, dict[int, int](), dict[int, int]()
    by_moment: dict[int, list[Waiting]] = {}
    for offset, (agency, gap_us) in enumerate(arrivals):
        moment_us += gap_us
        expected[offset] = inboxes.next_poll_us(agency, moment_us)
        by_moment.setdefault(moment_us, []).append(waiting(agency, moment_us, offset=offset))
    for now_us in range(moment_us + interval_us + 1):  # the loop that drives the inboxes misses no moment
        inboxes.put(by_moment.get(now_us, ()))
        for one in inboxes.due(now_us):
            assert one.offset not in polled_at
            polled_at[one.offset] = now_us
        assert inboxes.waiting == sum(
            one.offset not in polled_at for at, ones in by_moment.items() for one in ones if at <= now_us
        )
    assert polled_at == expected


@law(60)
@given(st.sampled_from(AGENCIES), st.integers(0, 10**16), st.integers(1, 10**9))
def test_an_agency_polls_once_an_interval_at_its_own_phase(agency: str, now_us: int, interval_us: int) -> None:
    inboxes = Inboxes(interval_us)
    poll_us = inboxes.next_poll_us(agency, now_us)
    assert now_us <= poll_us < now_us + interval_us
    assert inboxes.next_poll_us(agency, poll_us) == poll_us
    assert inboxes.next_poll_us(agency, poll_us + 1) == poll_us + interval_us


def test_the_polls_of_many_agencies_are_spread_over_the_interval() -> None:
    inboxes = Inboxes(900_000_000)
    tenths = {inboxes.next_poll_us(f"H{number:02d}", 0) * 10 // 900_000_000 for number in range(95)}
    assert len(tenths) >= 8


def test_one_poll_takes_all_that_waits_for_the_agency_in_order_and_nothing_of_others() -> None:
    inboxes = Inboxes(INTERVAL_US)
    mine = [waiting("H01", 0, offset=offset) for offset in range(3)]
    inboxes.put([mine[0], waiting("H02", 0, offset=9), *mine[1:]])
    poll_us = inboxes.next_poll_us("H01", 0)
    assert [one for one in inboxes.due(poll_us) if one.event.recipient == "H01"] == mine
    assert inboxes.due(poll_us + 3 * INTERVAL_US) != mine


def test_a_fetch_waits_no_longer_than_the_next_poll() -> None:
    inboxes = Inboxes(5_000_000)
    assert inboxes.wait_ms(0, 700) == 700
    inboxes.put([waiting("H01", 0)])
    poll_us = inboxes.next_poll_us("H01", 0)
    assert inboxes.wait_ms(poll_us - 300_000, 700) == 300
    assert inboxes.wait_ms(poll_us + 10**9, 700) == 1


def test_partitions_that_went_elsewhere_take_their_deliveries_along() -> None:
    for interval_us in (0, INTERVAL_US):
        inboxes = Inboxes(interval_us)
        inboxes.put([waiting("H01", 0, partition=0), waiting("H01", 0, partition=1), waiting("H02", 0, partition=1)])
        inboxes.forget([TopicPartition("axis.delivered", 1)])
        assert inboxes.waiting == (1 if interval_us else 0)
        assert [one.partition for one in inboxes.due(INTERVAL_US)] == [0]


def test_after_a_partition_went_and_came_back_each_delivery_is_given_once() -> None:
    inboxes = Inboxes(INTERVAL_US)
    inboxes.put([waiting("H01", 0)])
    inboxes.forget([TP])
    inboxes.put([waiting("H01", 0, offset=5)])
    assert inboxes.waiting == 1
    assert [one.offset for one in inboxes.due(2 * INTERVAL_US)] == [5]
    assert inboxes.due(10 * INTERVAL_US) == []
    assert inboxes.waiting == 0


# --- progress


def test_an_offset_is_committable_once_its_fetch_and_all_before_are_answered() -> None:
    progress = Progress()
    first, second = progress.begin(TP, 10, 2), progress.begin(TP, 20, 1)
    second.unanswered = 0
    assert progress.take_committable() == {}
    first.unanswered = 1
    assert progress.take_committable() == {}
    first.unanswered = 0
    assert progress.take_committable() == {TP: 20}
    assert progress.take_committable() == {}


@law(60)
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(1, 3)), max_size=12), st.randoms(use_true_random=False))
@example([(0, 1), (0, 1), (1, 1)], Random(0))
def test_committed_offsets_are_the_contiguous_answered_prefix_whatever_the_order_of_answers(
    fetches: list[tuple[int, int]], random: Random
) -> None:
    progress = Progress()
    begun: dict[TopicPartition, list[Fetched]] = {}
    answers: list[Fetched] = []
    for partition, records in fetches:
        tp = TopicPartition("axis.delivered", partition)
        mine = begun.setdefault(tp, [])
        mine.append(progress.begin(tp, sum(one.unanswered for one in mine) + records, records))
        answers += [mine[-1]] * records
    random.shuffle(answers)
    committed: dict[TopicPartition, int] = {}
    for answered in answers:
        answered.unanswered -= 1
        committed |= progress.take_committable()
        for tp, mine in begun.items():
            prefix = [one.next_offset for one in mine[: next((i for i, f in enumerate(mine) if f.unanswered), None)]]
            assert committed.get(tp) == (prefix[-1] if prefix else None)


def test_written_answers_are_told_once_for_every_fetch() -> None:
    progress = Progress()
    first, second = progress.begin(TP, 10, 5), progress.begin(TP, 20, 5)
    first.written, second.written = 3, 0
    assert progress.written() == [(first, 3)]
    assert progress.written() == []
    second.written = 1
    assert progress.written() == [(second, 1)]


def test_partitions_that_went_elsewhere_are_committed_no_more() -> None:
    progress = Progress()
    elsewhere = progress.begin(TP, 10, 1)
    kept = progress.begin(TopicPartition("axis.delivered", 1), 7, 1)
    progress.forget([TP])
    elsewhere.unanswered = kept.unanswered = 0
    assert progress.take_committable() == {TopicPartition("axis.delivered", 1): 7}
