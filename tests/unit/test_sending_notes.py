"""What the sender notes: counted many at a time it comes to the same as counted one by one."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from docaxis.domain.clock import SystemClock
from docaxis.domain.plan import first_plan
from monitor.histogram import Histogram
from producers.generator_watch import GeneratorWatch
from producers.sending_notes import NOTED_MAX, SendingNotes
from tests.support.laws import law

BEGIN_US = 1_700_000_000_000_000
SECOND_US = 1_000_000
PLAN = first_plan("r", BEGIN_US, [("a", "load", 3 * SECOND_US, True, False), ("b", "load", 3 * SECOND_US, True, False)])

#: Documents that a wake-up found due: intended times after the beginning, and how much later something happened.
wakes = st.lists(
    st.tuples(
        st.sampled_from(["due", "sent", "acked", "dropped"]),
        st.lists(st.integers(-SECOND_US, 7 * SECOND_US), min_size=1, max_size=5),
        st.integers(0, 2 * SECOND_US),
    ),
    max_size=20,
)


def noted(history: list[tuple[str, list[int], int]], every: int) -> tuple[Histogram, Histogram, GeneratorWatch]:
    """Note a history, counting after so many notes and at its end."""
    watch = GeneratorWatch(SystemClock(), lambda: PLAN)
    notes = SendingNotes(Histogram(), Histogram(), watch)
    for number, (what, after_us, later_us) in enumerate(history, 1):
        intended_us = [BEGIN_US + one for one in after_us]
        instants_us, fan_out = np.array(intended_us, np.int64), np.arange(1, len(intended_us) + 1, dtype=np.int64)
        match what:
            case "due":
                notes.due(instants_us, np.full(len(intended_us), later_us, np.int64))
            case "sent":
                notes.sent(intended_us, max(intended_us) + later_us, fan_out)
            case "acked":
                notes.acked(intended_us, max(intended_us) + later_us)
            case _:
                notes.dropped(intended_us, fan_out)
        if number % every == 0:
            notes.count()
    notes.count()
    return notes.lateness, notes.publish, watch


def sparse(one: Histogram) -> list[int]:
    return one.to_sparse()


@law(100)
@given(wakes, st.integers(2, 20))
def test_counting_together_changes_nothing(history: list[tuple[str, list[int], int]], every: int) -> None:
    apart, together = noted(history, 1), noted(history, every)
    assert sparse(apart[0]) == sparse(together[0])
    assert sparse(apart[1]) == sparse(together[1])
    tallies = [one[2].tally for one in (apart, together)]
    assert tallies[0].counts == tallies[1].counts
    assert {name: sparse(one) for name, one in tallies[0].stages.items()} == {
        name: sparse(one) for name, one in tallies[1].stages.items()
    }
    assert tallies[0].seconds.to_reading() == tallies[1].seconds.to_reading()


def test_what_is_noted_is_bounded() -> None:
    notes = SendingNotes(Histogram(), Histogram(), None)
    for number in range(NOTED_MAX):
        notes.sent([number], number + 7, np.ones(1, np.int64))
    assert notes.lateness.count == NOTED_MAX
    assert notes.lateness.max_us == 7
