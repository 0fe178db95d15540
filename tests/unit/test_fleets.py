"""Fleets: how those that share a run divide what the ledger has closed, and how few agencies can be driven."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docaxis.commands.fleet import source_name
from docaxis.domain.agency import Registry
from producers.load import fitting_mean
from producers.traffic import TrafficModel
from producers.window_feed import closed_of
from tests.support.laws import law


def test_one_fleet_alone_takes_all_even_before_the_meter_has_counted_it() -> None:
    assert closed_of(mine=500, closed=200, expected=300) == 200
    assert closed_of(mine=0, closed=0, expected=0) == 0


def test_a_busier_fleet_takes_more() -> None:
    assert [closed_of(mine, closed=500, expected=1000) for mine in (700, 200, 100)] == [350, 100, 50]


@law(50)
@given(st.lists(st.integers(0, 4_000_000), min_size=1, max_size=5))
def test_when_all_is_closed_each_fleet_has_what_it_sent(sent: list[int]) -> None:
    assert [closed_of(mine, sum(sent), sum(sent)) for mine in sent] == sent


@law(50)
@given(st.lists(st.integers(0, 1000), min_size=1, max_size=5), st.floats(0, 1))
def test_together_they_never_take_more_than_was_closed(sent: list[int], share: float) -> None:
    closed = int(sum(sent) * share)
    assert sum(closed_of(mine, closed, sum(sent)) for mine in sent) <= closed


@pytest.mark.parametrize("agencies", [2, 3, 4, 5, 800])
def test_a_registry_of_any_size_can_send_at_a_rate(agencies: int) -> None:
    header = "seq,code,organ_id_qcvn102_2016,name_vi,name_en,kind,abbr,code_certainty\n"
    rows = (
        f"{n},K{n:03},000.00.00.K{n:03},Cơ quan {n},Agency {n},province,A,derived\n" for n in range(1, agencies + 1)
    )
    model = TrafficModel.build(Registry.parse(header + "".join(rows), "here"), 1, fitting_mean(3.4, agencies))
    assert 1 <= model.fan_out.mean <= agencies - 1
    if agencies > 4:
        assert model.fan_out.mean == pytest.approx(3.4)


def test_receivers_that_state_have_names_of_their_own() -> None:
    """Two in one run would overwrite what the other has still to state; a successor of one that states nothing may."""
    assert source_name(2, sends=True, states=True) == "fleet-2"
    assert str(os.getpid()) in source_name(0, sends=False, states=True)
    assert source_name(0, sends=False, states=False) == "receivers-0"
