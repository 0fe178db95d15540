"""What a workload offers depends on its seed alone: not on how many fleets share it, nor on who asks first."""

from datetime import datetime
from typing import Any

import numpy as np
import pytest

from docaxis.domain.agency import Registry
from docaxis.domain.calendar import date_of, vietnam_calendar
from docaxis.domain.errors import UsageError
from docaxis.domain.event import Delivered
from docaxis.workload.file import load_workload, shipped, workload_of
from docaxis.workload.model import Workload
from producers.drafting import Drafter
from producers.life_cycle import plan_statuses
from producers.offering import Offering, phase_calendar, read_trace
from producers.traffic import DraftBatch

REGISTRY = Registry.load()
START_MS = 1_657_674_000_000  # 13/07/2022, 8:00 in Vietnam


def _workload(**more: Any) -> Workload:
    phases = [
        {"name": "warm", "kind": "warm-up", "duration": "2 s", "rate": "200 documents/s"},
        {"name": "load", "duration": "4 s", "rate": "300 documents/s"},
    ]
    return workload_of({"name": "t", "phases": phases, **more}, "t").workload


def _documents(workload: Workload) -> list[tuple[int, DraftBatch]]:
    """Return every block of documents of a workload that is due in its phase, in order."""
    offering = Offering(workload, REGISTRY, START_MS, read_trace)
    drafted = []
    for number, phase in enumerate(workload.offering):
        load = offering.load(number)
        for block in load.blocks():
            count = int(np.searchsorted(load.times_us(block.points, ((0, 1.0),)), phase.duration))
            if not count:
                break
            drafted.append((number, block.draft(0, count)))
    return drafted


def _heads(batches: list[tuple[int, DraftBatch]]) -> list[bytes]:
    drafter = Drafter("r", REGISTRY, 4)
    return [head for _, batch in batches for head in drafter.draft(batch).heads]


def test_the_same_seed_gives_the_same_documents_and_another_one_others() -> None:
    first = _heads(_documents(_workload()))
    assert first == _heads(_documents(_workload()))
    assert first != _heads(_documents(_workload(seed=2)))
    assert len(first) == len({head.split(b'"document_id"')[1] for head in first})


def test_fleets_share_documents_without_loss_or_repetition() -> None:
    whole = _documents(_workload())
    heads = _heads(whole)
    for of in (2, 3):
        parts = [
            _heads([(n, batch.ordered(np.flatnonzero(batch.sender % of == k))) for n, batch in whole])
            for k in range(of)
        ]
        assert sorted(head for part in parts for head in part) == sorted(heads)


def test_kinds_of_traffic_come_in_their_shares_from_whom_to_whom_they_say() -> None:
    workload = _workload(
        traffic=[
            {"name": "routine", "share": 3, "priorities": {"0": 1}},
            {"name": "storm", "share": 1, "senders": ["ministry"], "fan_out": "all", "priorities": {"2": 1}},
        ]
    )
    batch = DraftBatch.joined([batch for _, batch in _documents(workload)])
    storm = batch.priority == 2
    assert 0.15 < storm.mean() < 0.35
    assert (batch.fan_out[storm] == len(REGISTRY) - 1).all()
    assert {REGISTRY[sender].kind for sender in batch.sender[storm].tolist()} == {"ministry"}
    for row in range(len(batch)):
        recipients = batch.recipient[batch.recipient_from[row] : batch.recipient_from[row + 1]].tolist()
        assert len(set(recipients)) == len(recipients)
        assert batch.sender[row] not in recipients


def test_recalls_follow_their_documents_to_the_same_recipients_once() -> None:
    workload = _workload(documents={"recalls": {"share": 0.3, "after": "500 ms"}})
    batch = DraftBatch.joined([batch for _, batch in _documents(workload)])
    known: dict[tuple[int, int, int], list[int]] = {}
    followed = set()
    for row in range(len(batch)):
        document = (int(batch.sender[row]), int(batch.year[row]), int(batch.ordinal[row]))
        recipients = batch.recipient[batch.recipient_from[row] : batch.recipient_from[row + 1]].tolist()
        if batch.business[row]:
            assert known[document] == recipients
            assert batch.serials[row] == 1
            assert document not in followed
            followed.add(document)
        else:
            assert document not in known
            assert batch.serials[row] == 0
            known[document] = recipients
    assert 0.1 < len(followed) / len(batch) < 0.35


def test_a_working_day_is_that_day_in_the_calendar() -> None:
    phase = {
        "name": "day",
        "duration": "4 s",
        "rate": "200 documents/s",
        "arrivals": "working-day",
        "day": "2022-07-29",
    }
    batch = DraftBatch.joined([b for _, b in _documents(workload_of({"name": "t", "phases": [phase]}, "t").workload)])
    assert {date_of(instant).isoformat() for instant in batch.calendar_ms.tolist()} == {"2022-07-29"}


def test_an_agency_that_is_not_there_is_named() -> None:
    with pytest.raises(UsageError, match="Z99"):
        Offering(_workload(traffic=[{"senders": ["Z99"]}]), REGISTRY, START_MS, read_trace)


def test_a_trace_is_read_and_offered_as_it_is(tmp_path: Any) -> None:
    file = tmp_path / "trace.txt"
    file.write_text("# seconds\n0.5\n0.5\n1.25\n\n3\n")
    phases = [{"name": "load", "duration": "2 s", "arrivals": "trace", "file": str(file)}]
    offering = Offering(workload_of({"name": "t", "phases": phases}, "t").workload, REGISTRY, START_MS, read_trace)
    (block,) = offering.load(0).blocks()
    assert offering.load(0).times_us(block.points, ((0, 1.0),)).tolist() == [500_000, 500_000, 1_250_000, 3_000_000]
    assert offering.load(0).times_us(block.points, ((0, 1.0), (1_000_000, 2.0))).tolist()[-1] == 2_000_000
    assert offering.process(0).count(2_000_000) == 3
    file.write_text("1\n0.5\n")
    with pytest.raises(UsageError, match=r":2: 0\.5 is earlier"):
        read_trace(file)


def test_a_recall_is_asked_for_and_answered() -> None:
    event = Delivered(
        version=1, run="r", packet_id="H53.2022.0000001.1", document_id="H53.2022.0000001", sender="H53", type=18,
        priority=0, steering=1, business=1, size=1, calendar_ms=START_MS, intended_us=1, sent_us=1, accepted_us=1,
        sent_partition=0, recipient="G22",
    )  # fmt: skip
    codes = [code for code, _ in plan_statuses(event, 1, vietnam_calendar())]
    assert codes[0] == "13"
    assert codes[1:] in (["15"], ["16"])


@pytest.mark.parametrize("name", shipped())
def test_what_is_shipped_can_be_drafted_phase_after_phase(name: str) -> None:
    """Whenever it is run: a working day of the past may follow a warm-up of today."""
    workload = load_workload(name).workload
    offering = Offering(workload, REGISTRY, 1_800_000_000_000, read_trace)  # in 2027
    newest_ms = 0
    for number in range(len(workload.offering)):
        block = next(offering.load(number).blocks())
        batch = block.draft(0, min(20, len(block.points)))
        assert newest_ms <= batch.calendar_ms[0]
        newest_ms = int(batch.calendar_ms[-1])


def test_the_calendar_leads_up_to_a_working_day_and_goes_on_from_it() -> None:
    day = {
        "duration": "10 s",
        "rate": "100 documents/s",
        "arrivals": "working-day",
        "day": "2022-07-29",
        "hours": [7, 18],
    }
    phases = [
        {"name": "warm", "kind": "warm-up", "duration": "2 s", "rate": "200 documents/s"},
        {"name": "day", **day},
        {"name": "after", "duration": "3 s", "rate": "200 documents/s"},
    ]
    spans = phase_calendar(_workload(phases=phases), 1_800_000_000_000)
    seven_ms = 1_659_052_800_000  # 29/07/2022, 7:00 in Vietnam
    evening_ms = seven_ms + 11 * 3_600_000
    assert spans == [(seven_ms - 2000, seven_ms), (seven_ms, evening_ms), (evening_ms, evening_ms + 3000)]
    with pytest.raises(UsageError, match="lies in 2022"):
        phase_calendar(_workload(phases=phases, documents={"calendar_start": "2023-01-02T08:00:00"}), 0)


@pytest.mark.parametrize(
    ("documents", "life_cycle", "told"),
    [
        ({"calendar_start": datetime(2031, 1, 2)}, True, "the years 2018 to 2030 of the business calendar"),  # noqa: DTZ001
        ({"calendar_speed": 1e6}, True, "the working days that life_cycle needs are known"),
        ({"calendar_start": datetime(9999, 12, 30), "calendar_speed": 1e6}, False, "the years 1000 to 9999"),  # noqa: DTZ001
    ],
)
def test_a_phase_that_leaves_the_calendar_is_refused(documents: dict[str, Any], life_cycle: bool, told: str) -> None:
    workload = _workload(
        phases=[{"name": "load", "duration": "10 h", "rate": "1 documents/s"}],
        documents=documents,
        receipts={"life_cycle": life_cycle},
    )
    with pytest.raises(UsageError, match=told):
        phase_calendar(workload, START_MS)
