"""Newcomers come on top: nobody else's document moves, and each is as busy as its factor says."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from docaxis.domain.agency import Agency, Registry
from docaxis.domain.errors import UsageError
from docaxis.workload.file import workload_of
from docaxis.workload.model import Workload
from producers.newcomers import superposed
from producers.offering import Offering, read_trace
from producers.traffic import DraftBatch

BEFORE = Registry.load()
PROVINCE = BEFORE.agency("H35")
START_MS = 1_657_674_000_000  # 13/07/2022, 8:00 in Vietnam


def _joining(code: str, index: int) -> Agency:
    return replace(PROVINCE, index=index, code=code, organ_id=f"000.00.00.{code}")


#: One newcomer before all others and one behind: positions of the others move.
REGISTRY = Registry(
    [
        replace(agency, index=index)
        for index, agency in enumerate([_joining("A90", 0), *BEFORE.agencies, _joining("Y90", 0)])
    ]
)
JOINING: list[dict[str, Any]] = [
    {"code": "A90", "like": "H35", "factor": 10},
    {"code": "Y90", "like": "G22", "factor": 0.5},
]


def _workload(newcomers: list[dict[str, Any]], **more: Any) -> Workload:
    phases = [
        {"name": "warm", "kind": "warm-up", "duration": "1 s", "rate": "200 documents/s"},
        {"name": "load", "duration": "10 s", "rate": "600 documents/s", "to": "900 documents/s", "arrivals": "ramp"},
    ]
    return workload_of({"name": "t", "phases": phases, "newcomers": newcomers, **more}, "t").workload


def _documents(workload: Workload, registry: Registry) -> Iterator[tuple[int, float, DraftBatch]]:
    """Yield (phase, due time, document) of everything that is due."""
    offering = Offering(workload, registry, START_MS, read_trace)
    for number, phase in enumerate(workload.offering):
        load = offering.load(number)
        for block in load.blocks():
            times_us = load.times_us(block.points, ((0, 1.0),))
            count = int(np.searchsorted(times_us, phase.duration))
            if not count:
                break
            half = count // 2  # drafted in pieces, as a changed plan makes a fleet do
            batch = DraftBatch.joined([block.draft(0, half), block.draft(half, count)])
            yield from ((number, float(times_us[row]), batch.rows(row, row + 1)) for row in range(count))


def _told(documents: Iterator[tuple[int, float, DraftBatch]], registry: Registry) -> list[tuple[Any, ...]]:
    """Return each document as others know it: all but its ordinal."""
    return [
        (
            phase,
            time_us,
            registry.codes[int(one.sender[0])],
            tuple(registry.codes[index] for index in one.recipient.tolist()),
            *(int(getattr(one, name)[0]) for name in ("year", "type", "priority", "size", "calendar_ms")),
        )
        for phase, time_us, one in documents
    ]


def test_no_document_of_the_others_moves_and_newcomers_are_as_busy_as_told() -> None:
    alone = _told(_documents(_workload([]), BEFORE), BEFORE)
    together = _told(_documents(_workload(JOINING), REGISTRY), REGISTRY)
    codes = {one["code"] for one in JOINING}
    added = [one for one in together if one[2] in codes or codes & set(one[3])]
    apart = set(added)
    assert [one for one in together if one not in apart] == alone
    assert [one[:2] for one in together] == sorted(one[:2] for one in together)
    assert not any(one[2] in codes and codes & set(one[3]) for one in added)

    def sent(documents: list[tuple[Any, ...]], code: str) -> int:
        return sum(one[2] == code for one in documents)

    def received(documents: list[tuple[Any, ...]], code: str) -> int:
        return sum(code in one[3] for one in documents)

    for one in JOINING:
        for count in (sent, received):
            expected = one["factor"] * count(alone, one["like"])
            found = count(together, one["code"])
            assert abs(found - expected) < 5 * np.sqrt(expected * (1 + one["factor"])) + 0.05 * expected, (one, count)


def test_documents_are_numbered_without_gaps_whoever_sends_them() -> None:
    ordinals: dict[int, list[int]] = {}
    for _, _, one in _documents(_workload(JOINING, documents={"recalls": {"share": 0.0}}), REGISTRY):
        ordinals.setdefault(int(one.sender[0]), []).append(int(one.ordinal[0]))
    assert {tuple(found) == tuple(range(1, len(found) + 1)) for found in ordinals.values()} == {True}


def test_expected_numbers_are_those_that_come() -> None:
    offering = Offering(_workload(JOINING), REGISTRY, START_MS, read_trace)
    documents = [one for _, _, one in _documents(_workload(JOINING), REGISTRY)]
    base = sum(1 for _ in _documents(_workload([]), BEFORE))
    assert len(documents) == pytest.approx(base * offering.documents_per_arrival, rel=0.03)
    assert sum(one.deliveries for one in documents) == pytest.approx(len(documents) * offering.fan_out_mean, rel=0.05)
    assert Offering(_workload([]), BEFORE, START_MS, read_trace).documents_per_arrival == 1


def test_added_points_lie_among_the_others_at_their_rate() -> None:
    blocks = iter([np.arange(0, 100.0), np.arange(100.0, 200), np.arange(200.0, 300)])
    points, added = zip(*superposed(blocks, 3.0, np.random.default_rng(1)), strict=True)
    whole, marks = np.concatenate(points), np.concatenate(added)
    assert np.array_equal(whole, np.sort(whole))
    assert np.array_equal(whole[~marks], np.arange(300.0))
    assert not any(marks[-1] for marks in added)
    assert marks.sum() == pytest.approx(900, rel=0.1)


@pytest.mark.parametrize(
    ("newcomers", "more", "said"),
    [
        ([{"code": "X99", "like": "H35"}], {}, "'X99' is not an agency of the registry"),
        ([{"code": "A90", "like": "X99"}], {}, "'X99' is not an agency of the registry"),
        ([{"code": "A90", "like": "H35"}] * 2, {}, "two newcomers are called 'A90'"),
        ([{"code": "A90", "like": "Y90"}, {"code": "Y90", "like": "H35"}], {}, "which is one itself"),
        (
            [{"code": "A90", "like": "H35"}],
            {"traffic": [{"senders": ["G22"], "recipients": ["G01", "G02"]}]},
            "neither sends nor receives",
        ),
        (
            [{"code": "A90", "like": "H35"}],
            {"phases": [{"name": "a", "duration": "1 s", "arrivals": "closed", "in_flight": 9}]},
            "phase 'a' (closed) has none",
        ),
        ([{"code": "A90", "like": "H35", "factor": 0}], {}, "factor"),
    ],
)
def test_what_cannot_join_is_told(newcomers: list[dict[str, Any]], more: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as told:
        Offering(_workload(newcomers, **more), REGISTRY, START_MS, read_trace)
    assert said in told.value.message
