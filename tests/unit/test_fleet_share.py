"""How fleets that share a run divide what the ledger has closed: by what each sent, not by their number."""

from hypothesis import given
from hypothesis import strategies as st

from producers.fleet import closed_of
from tests.support.laws import law


def test_one_fleet_alone_takes_all_even_before_the_meter_has_counted_it() -> None:
    assert closed_of(mine=500, closed=200, addressed=300) == 200
    assert closed_of(mine=0, closed=0, addressed=0) == 0


def test_a_busier_fleet_takes_more() -> None:
    assert [closed_of(mine, closed=500, addressed=1000) for mine in (700, 200, 100)] == [350, 100, 50]


@law(50)
@given(st.lists(st.integers(0, 4_000_000), min_size=1, max_size=5))
def test_when_all_is_closed_each_fleet_has_what_it_sent(sent: list[int]) -> None:
    assert [closed_of(mine, sum(sent), sum(sent)) for mine in sent] == sent


@law(50)
@given(st.lists(st.integers(0, 1000), min_size=1, max_size=5), st.floats(0, 1))
def test_together_they_never_take_more_than_was_closed(sent: list[int], share: float) -> None:
    closed = int(sum(sent) * share)
    assert sum(closed_of(mine, closed, sum(sent)) for mine in sent) <= closed
