"""Closed deliveries against a plain dict."""

from collections.abc import Collection
from itertools import pairwise

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from streams.closed import GROWTH, Closed
from tests.support.laws import law

FOREVER = 1 << 40

keys = st.integers(-(1 << 63), (1 << 63) - 1) | st.integers(-3, 20)
#: A batch of new deliveries, or None for a seal.
#: A delivery whose history was forgotten gets another place: the newest counts.
steps = st.lists(st.dictionaries(keys, st.integers(-99, 1 << 62), max_size=12) | st.none(), max_size=25)


def close(closed: Closed, step: dict[int, int], known: Collection[int]) -> None:
    """Close deliveries as the ledger does: those that are new in one stroke, the others one by one."""
    new = [key for key in step if key not in known]
    closed.add(np.array(new, np.int64), np.array([step[key] for key in new], np.int64))
    for key in step.keys() - set(new):
        closed.put(key, step[key])


@law(80)
@given(steps)
@example([{1: 5}, None, {2: 6}, None, {0: 7}, None])
@example([{-(1 << 63): 1, (1 << 63) - 1: 2}, None, {0: 3}])
def test_everything_closed_is_found_at_its_place_whatever_was_sealed_when(steps: list[dict[int, int] | None]) -> None:
    closed, model = Closed(), dict[int, int]()
    for step in steps:
        if step is None:
            closed.seal(FOREVER)
            assert sum(len(segment.keys) for segment in closed.segments) == len(closed)
        else:
            close(closed, step, model)
            model |= step
        assert len(closed) >= len(model)
    for key in {*model, 0, 1, 19, -1}:
        assert closed.find(key) == model.get(key)
    assert closed.forgotten == 0


@law(60)
@given(st.lists(st.integers(0, 60), max_size=25), st.integers(0, 200))
@example([30, 1, 1, 1, 100, 1], 50)
def test_segments_stay_few_sorted_and_numbered_anew(sizes: list[int], horizon: int) -> None:
    closed, taken = Closed(), 0
    known: dict[int, list[int]] = {}
    for size in sizes:
        closed.add(np.arange(taken, taken + size), np.arange(size))
        taken += size
        closed.seal(horizon)
        lengths = [len(segment.keys) for segment in closed.segments]
        assert len(closed) + closed.forgotten == taken
        assert len(lengths) <= 1 or sum(lengths) <= horizon
        for segment in closed.segments:
            content = segment.keys.tolist()
            assert content == sorted(content)
            assert known.setdefault(segment.number, content) == content, "a number stands for one content for ever"


def test_segments_grow_geometrically() -> None:
    closed = Closed()
    for key in range(5000):
        closed.put(key, key)
        closed.seal(FOREVER)
    lengths = [len(segment.keys) for segment in closed.segments]
    assert sum(lengths) == 5000
    assert all(older >= GROWTH * newer for older, newer in pairwise(lengths))
    assert len(lengths) <= 8


def test_sealing_nothing_changes_nothing() -> None:
    closed = Closed()
    closed.put(7, 1)
    closed.seal(FOREVER)
    before = closed.segments[0]
    closed.seal(FOREVER)
    assert closed.segments == [before]
    assert closed.next_number == 1


def test_the_newest_half_of_the_horizon_is_always_remembered() -> None:
    """Whole segments are forgotten: they must be small against the horizon, or one seal would forget nearly all."""
    horizon, step = 1000, 7
    closed, taken = Closed(), 0
    for _ in range(1500):
        closed.add(np.arange(taken, taken + step), np.arange(step))
        taken += step
        closed.seal(horizon)
        oldest_due = max(0, taken - horizon // 2)
        assert all(closed.find(key) is not None for key in np.linspace(oldest_due, taken - 1, 9).astype(int).tolist())
        assert len(closed) <= horizon
    assert closed.forgotten == taken - len(closed) > 0
