"""Faults on both sides befall exactly as many as they should, and whom they should."""

import numpy as np
import pytest

from docaxis.domain.plan import Plan, first_plan
from docaxis.kafka.partitioner import partition_of
from docaxis.workload.faults import Fault, is_for_recipients
from producers.drafting import Drafts, stamped
from producers.receiver_faults import ReceiverFaults
from producers.sender_faults import NONE, SenderFaults

SECOND = 1_000_000
SEED = 7
PLAN = first_plan("r", SECOND, [("warm", "warm-up", SECOND, False, False), ("load", "load", 10 * SECOND, True, False)])


def _drafts(count: int) -> Drafts:
    heads = [b'{"n":%d,' % number for number in range(count)]
    keys = [b"%d" % number for number in range(count)]
    return Drafts(heads, keys, np.zeros(count, np.int32), np.ones(count, np.int64), np.zeros(count, np.int64))


def _fault(**keys: object) -> Fault:
    return Fault.model_validate(keys)


def test_each_fault_takes_the_next_documents_from_its_moment_on() -> None:
    faults = SenderFaults(
        [
            _fault(kind="duplicate", count=2, at="1 s"),
            _fault(kind="corrupt", count=3),
            _fault(kind="delay", count=1, by="1 s"),
        ],
        ["warm", "load"],
        "load",
        SEED,
    )
    assert (faults.marks(0, np.arange(10) * SECOND, list) == NONE).all()
    first, later = np.array([0, SECOND // 2, SECOND]), np.arange(2, 8) * SECOND
    marks = [*faults.marks(1, first, list), *faults.marks(1, later, list)]
    assert marks == [1, 1, 0, 0, 1, 2, NONE, NONE, NONE]


def test_what_becomes_of_documents() -> None:
    faults = SenderFaults(
        [
            _fault(kind="duplicate", count=1),
            _fault(kind="corrupt", count=1),
            _fault(kind="delay", count=1, by="1500 ms"),
            _fault(kind="reorder", count=1),
        ],
        ["load"],
        "load",
        SEED,
    )
    due = np.arange(6, dtype=np.int64) * SECOND
    marks = faults.marks(0, due, list)
    faulted = faults.apply(_drafts(6), due, marks, due + SECOND)
    assert [key.decode() for key in faulted.drafts.keys] == ["0", "0", "1", "2", "4", "3", "5"]
    assert len(faulted.due_us) == 7
    assert (np.diff(faulted.due_us) >= 0).all()
    broken = [head for head in faulted.drafts.heads if not head.startswith(b"{")]
    assert len(broken) == 1
    assert not stamped(broken[0], 1, 2).startswith(b"{")
    delayed = faulted.due_us - faulted.intended_us
    assert delayed.max() == 3 * SECOND // 2
    assert (delayed == 0).sum() == 5


def test_documents_without_faults_are_left_alone() -> None:
    drafts, due = _drafts(3), np.arange(3, dtype=np.int64)
    faulted = SenderFaults([], ["load"], "load", SEED).apply(drafts, due, np.full(3, NONE), due)
    assert faulted.drafts is drafts
    assert faulted.due_us is due


def _receivers(
    *faults: tuple[Fault, frozenset[str]], share: tuple[int, int] = (0, 1), inboxes: int = 1
) -> tuple[ReceiverFaults, list[str]]:
    noted: list[str] = []

    def plan() -> Plan | None:
        return PLAN

    def note(kind: str, count: int) -> None:
        noted.extend([kind] * count)

    return ReceiverFaults(faults, plan, "load", note, SEED, share, inboxes), noted


def test_a_silent_agency_takes_everything_when_it_comes_back() -> None:
    faults, noted = _receivers(
        (_fault(kind="silent-agency", agencies=["H53"], at="1 s", lasts="2 s"), frozenset({"H53"}))
    )
    begin = PLAN.phases[1].begin_us
    assert faults.restricted == {"H53"}
    assert faults.opens_us("H53", begin + SECOND // 2) == begin + SECOND // 2
    assert faults.opens_us("H53", begin + 2 * SECOND) == begin + 3 * SECOND
    assert faults.opens_us("G22", begin + 2 * SECOND) == begin + 2 * SECOND
    assert noted == ["silent-agency"]


def test_a_slow_consumer_takes_so_many_a_second() -> None:
    faults, _ = _receivers((_fault(kind="slow-consumer", agencies=["H53"], rate="10 deliveries/s"), frozenset({"H53"})))
    begin = PLAN.phases[1].begin_us
    opened = [faults.opens_us("H53", begin) for _ in range(5)]
    assert np.diff(opened).tolist() == [SECOND // 10] * 4


def test_withheld_receipts_are_exactly_as_many_over_all_fleets() -> None:
    fault = (_fault(kind="withhold-receipts", count=5), frozenset[str]())
    withheld = 0
    for index in range(3):
        faults, noted = _receivers(fault, share=(index, 3))
        at_us = PLAN.phases[1].begin_us
        assert not faults.withhold("P.0", "H53", at_us - 1)
        withheld += sum(faults.withhold(f"P.{number}", "H53", at_us) for number in range(20))
        assert noted
    assert withheld == 5


@pytest.mark.parametrize("codes", [["H53"], ["H53", "G22", "H35"]])
def test_agencies_that_are_named_withhold_all_that_is_asked_for_whoever_has_their_inboxes(codes: list[str]) -> None:
    fault = (_fault(kind="withhold-receipts", count=6, agencies=codes), frozenset(codes))
    at_us, inboxes, withheld = PLAN.phases[1].begin_us, 4, 0
    for index in range(2):
        faults, _ = _receivers(fault, share=(index, 2), inboxes=inboxes)
        for code in ("H53", "G22", "H35", "H01"):
            if partition_of(code.encode(), inboxes) % 2 == index:  # this fleet has the inbox
                withheld += sum(faults.withhold(f"P.{number}", code, at_us) for number in range(20))
    assert withheld == 6


def test_what_is_withheld_stays_withheld_when_it_is_fetched_again() -> None:
    """A receiver that begins anew fetches what it had not committed: the same deliveries stay without an answer."""
    faults, noted = _receivers((_fault(kind="withhold-receipts", count=2), frozenset[str]()))
    at_us = PLAN.phases[1].begin_us
    first = [faults.withhold(f"P.{number}", "H53", at_us) for number in range(4)]
    again = [faults.withhold(f"P.{number}", "H53", at_us) for number in range(4)]
    assert first == again == [True, True, False, False]
    assert noted == ["withhold-receipts"] * 2


def test_no_document_is_befallen_on_both_sides() -> None:
    """Whatever the seed: a document that a sender marks is never among those whose receipts are withheld."""
    packets = [f"G22.2022.{number:07}.0" for number in range(400)]
    both = [_fault(kind="duplicate", count=30), _fault(kind="corrupt", count=20), _fault(kind="reorder", count=10)]
    withheld = _fault(kind="withhold-receipts", count=50)
    for seed in (*range(20), 1 << 62):
        sender = SenderFaults([*both, withheld], ["load"], "load", seed)
        marks = sender.marks(0, np.arange(400) * SECOND // 100, lambda: packets)
        assert np.bincount(marks[marks != NONE]).tolist() == [30, 20, 10]
        receiver = ReceiverFaults(
            [(fault, frozenset()) for fault in (*both, withheld)], lambda: PLAN, "load", lambda kind, count: None, seed
        )
        at_us = PLAN.phases[1].begin_us
        silent = {number for number, packet in enumerate(packets) if receiver.withhold(packet, "H53", at_us)}
        assert len(silent) == 50
        assert silent.isdisjoint(np.flatnonzero(marks != NONE).tolist())
        assert all(is_for_recipients(packets[number], seed) for number in silent)
