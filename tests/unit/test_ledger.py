"""The ledger's transitions by example: each way a delivery can go, and what each bound does."""

import numpy as np
import pytest

from docaxis.domain.event import Receipt
from streams.keys import CODES_MAX, Codes
from streams.ledger import HISTORY_MAX, Ledger, LedgerBounds
from tests.support.events import SENT_US, receipt, refusal, sent

FOREIGN_ID = "1f0c7f6e-6f0b-4ab4-b9ad-0f7c8e5d1a2b"


def new_ledger(**bounds: int) -> Ledger:
    return Ledger(Codes(), LedgerBounds(**bounds))


def sent_before(ledger: Ledger, instant_us: int) -> int:
    """Return how many outstanding deliveries were sent before an instant: lost, if that is the deadline."""
    return sum(sent_us < instant_us for sent_us in ledger.open.sent_us.values())


def shown(ledger: Ledger) -> dict[str, int]:
    """Return the totals that are not zero."""
    return {name: count for name, count in ledger.totals().items() if count}


@pytest.fixture(params=["G22.2021.0000001.0", FOREIGN_ID])
def packet_id(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_a_delivery_is_outstanding_until_its_receipt(packet_id: str) -> None:
    ledger = new_ledger()
    ledger.send([sent(packet_id, ["H01", "H02"])])
    assert shown(ledger) == {"documents": 1, "deliveries_expected": 2, "outstanding": 2}
    ledger.receive([receipt(packet_id, "H02")])
    assert shown(ledger) == {
        "documents": 1, "deliveries_expected": 2, "delivered_once": 1, "outstanding": 1, "remembered": 1,
    }  # fmt: skip


def test_the_same_record_reported_twice_is_a_repeat_and_another_record_a_duplicate(packet_id: str) -> None:
    ledger = new_ledger()
    ledger.send([sent(packet_id)])
    ledger.receive([receipt(packet_id, place=(1, 7)), receipt(packet_id, place=(1, 7))])
    assert (ledger.counts.delivered_once, ledger.counts.receipts_repeated) == (1, 1)
    ledger.receive([receipt(packet_id, place=(2, 7))])
    assert (ledger.counts.delivered_once, ledger.counts.duplicated) == (0, 1)
    ledger.receive([receipt(packet_id, place=(1, 8)), receipt(packet_id, place=(2, 7))])
    assert (ledger.counts.duplicated, ledger.counts.receipts_repeated) == (1, 2)


def test_a_packet_sent_twice_is_expected_once_and_its_second_delivery_a_duplicate(packet_id: str) -> None:
    ledger = new_ledger()
    ledger.send([sent(packet_id)])
    ledger.send([sent(packet_id)])
    ledger.receive([receipt(packet_id, place=(0, 1)), receipt(packet_id, place=(0, 2))])
    assert shown(ledger) == {
        "documents": 2, "packets_repeated": 1, "deliveries_expected": 1, "duplicated": 1, "remembered": 1,
    }  # fmt: skip


def test_a_packet_sent_twice_in_one_batch_is_expected_once(packet_id: str) -> None:
    ledger = new_ledger()
    ledger.send([sent(packet_id), sent(packet_id)])
    assert (ledger.counts.deliveries_expected, ledger.counts.packets_repeated) == (1, 1)


def test_a_recipient_named_twice_expects_one_delivery(packet_id: str) -> None:
    ledger = new_ledger()
    ledger.send([sent(packet_id, ["H01", "H01", "000.00.00.H01", "H01.02"])])
    assert ledger.counts.deliveries_expected == 1


def test_a_refused_delivery_is_closed_and_a_receipt_after_it_wins(packet_id: str) -> None:
    ledger = new_ledger()
    ledger.send([sent(packet_id)])
    ledger.refuse([refusal(packet_id, "H53", code=23)])
    assert (ledger.counts.refused, ledger.outstanding) == (1, 0)
    ledger.receive([receipt(packet_id, failed=True)])
    counts = ledger.counts
    assert (counts.refused, counts.delivered_once, counts.contradictions, counts.failed) == (0, 1, 1, 1)


def test_a_refusal_after_a_delivery_contradicts_it_and_changes_nothing_else(packet_id: str) -> None:
    ledger = new_ledger()
    ledger.send([sent(packet_id)])
    ledger.receive([receipt(packet_id)])
    ledger.refuse([refusal(packet_id, "H53"), refusal(packet_id, "H53")])
    counts = ledger.counts
    assert (counts.refused, counts.delivered_once) == (0, 1)
    assert (counts.contradictions, counts.refusals_repeated) == (1, 1)


def test_a_packet_refused_as_a_whole_refuses_what_is_open_of_it_and_nothing_of_others(packet_id: str) -> None:
    ledger = new_ledger()
    ledger.send([sent(packet_id, ["H01", "H02", "H53"]), sent("G22.2021.0000009.0", ["H01"])])
    ledger.receive([receipt(packet_id, "H02")])
    ledger.refuse([refusal(packet_id)])
    counts = ledger.counts
    assert (counts.refused, counts.delivered_once, ledger.outstanding, counts.contradictions) == (2, 1, 1, 0)


def test_what_comes_before_its_document_waits_for_it(packet_id: str) -> None:
    ledger = new_ledger()
    ledger.receive([receipt(packet_id, "H01", place=(0, 1)), receipt(packet_id, "H01", place=(0, 2))])
    ledger.refuse([refusal(packet_id, "H02")])
    assert shown(ledger) == {"misrouted": 1, "receipts_unmatched": 2}
    ledger.send([sent(packet_id, ["H01", "H02", "H53"])])
    counts = ledger.counts
    assert (counts.duplicated, counts.refused, ledger.outstanding, ledger.misrouted) == (1, 1, 1, 0)


def test_a_receipt_from_an_agency_that_was_not_addressed_is_misrouted_for_ever(packet_id: str) -> None:
    ledger = new_ledger()
    ledger.send([sent(packet_id, ["H01"])])
    ledger.receive([receipt(packet_id, "H02")])
    ledger.send([sent("G22.2021.0000002.0", ["H02"])])
    assert (ledger.misrouted, ledger.outstanding) == (1, 2)


def test_late_is_a_flag_of_the_first_receipt_alone_and_the_deadline_itself_is_in_time() -> None:
    ledger = new_ledger(late_after_us=1000)
    ledger.send([sent(recipients=["H01", "H02", "H53"])])
    ledger.receive([receipt(recipient="H01", received_us=SENT_US + 1000)])
    assert ledger.counts.late == 0
    ledger.receive([receipt(recipient="H02", received_us=SENT_US + 1001)])
    assert ledger.counts.late == 1
    ledger.receive([receipt(recipient="H01", place=(0, 5), received_us=SENT_US + 10**9)])
    assert ledger.counts.late == 1


def test_lost_is_a_judgement_by_age_and_is_taken_back_when_the_receipt_comes() -> None:
    ledger = new_ledger()
    ledger.send([sent(recipients=["H01"]), sent("G22.2021.0000002.0", ["H01"], sent_us=SENT_US + 10)])
    assert [sent_before(ledger, SENT_US + age) for age in (0, 1, 10, 11)] == [0, 1, 1, 2]
    ledger.receive([receipt(recipient="H01")])
    assert sent_before(ledger, SENT_US + 11) == 1
    assert sent_before(new_ledger(), SENT_US) == 0


def test_refusals_of_unreadable_records_concern_no_delivery() -> None:
    ledger = new_ledger()
    ledger.refuse([refusal(packet_id="", sender="")])
    assert shown(ledger) == {}


@pytest.mark.parametrize("partition", [32_767, 32_768, 65_536, (1 << 53) - 1])
def test_a_nonsense_partition_in_a_receipt_is_never_taken_for_a_refusal(partition: int) -> None:
    ledger = new_ledger()
    ledger.send([sent()])
    ledger.receive([receipt(place=(partition, 1))])
    ledger.receive([receipt(place=(partition, 1))])
    ledger.receive([receipt(place=(partition, 2))])
    counts = ledger.counts
    assert (counts.duplicated, counts.receipts_repeated, counts.refused, counts.contradictions) == (1, 1, 0, 0)


def test_offsets_far_beyond_any_log_still_tell_deliveries_apart() -> None:
    ledger = new_ledger()
    ledger.send([sent()])
    ledger.receive([receipt(place=(0, (1 << 48) - 1)), receipt(place=(0, (1 << 48) - 2))])
    assert ledger.counts.duplicated == 1


def test_agencies_beyond_the_numbers_are_audited_by_hash() -> None:
    ledger = Ledger(Codes([f"A{number:05d}" for number in range(CODES_MAX)]), LedgerBounds())
    ledger.send([sent("A00001.2021.0000001.0", ["B00001", "B00002", "A00002"], sender="A00001")])
    packet = {"packet_id": "A00001.2021.0000001.0", "sender": "A00001"}
    ledger.receive([receipt(recipient="B00001", **packet), receipt(recipient="A00002", **packet)])  # type: ignore[arg-type]
    ledger.receive([receipt(recipient="B00003", **packet)])  # type: ignore[arg-type]
    assert (ledger.counts.delivered_once, ledger.outstanding, ledger.misrouted) == (2, 1, 1)
    assert [name for _, _, name in ledger.open.names.values()] == ["B00002"]


def test_names_of_open_foreign_deliveries_are_kept_and_dropped_when_closed() -> None:
    ledger = new_ledger()
    ledger.send([sent(FOREIGN_ID, ["000.00.00.H01", "H02"])])
    assert sorted(name[2] for name in ledger.open.names.values()) == ["H01", "H02"]
    ledger.receive([receipt(FOREIGN_ID, "H01"), receipt(recipient="H02")])
    ledger.refuse([refusal(FOREIGN_ID, "H02")])
    assert not ledger.open.names


def test_waiting_receipts_beyond_their_bound_are_counted_on_and_no_longer_matched() -> None:
    ledger = new_ledger(unmatched_max=2)
    ids = [f"G22.2021.{number:07d}.0" for number in range(4)]
    ledger.receive([receipt(one) for one in ids])
    assert (ledger.misrouted, len(ledger.unmatched), ledger.counts.misrouted_forgotten) == (4, 2, 2)
    ledger.send([sent(one) for one in ids])
    assert (ledger.counts.delivered_once, ledger.outstanding, ledger.misrouted) == (2, 2, 2)


def test_waiting_refusals_beyond_their_bound_are_counted_as_evicted() -> None:
    ledger = new_ledger(unmatched_max=2)
    ids = [f"G22.2021.{number:07d}.0" for number in range(4)]
    ledger.refuse([refusal(one, "H53") for one in ids])
    ledger.send([sent(one) for one in ids])
    assert (ledger.counts.refused, ledger.outstanding, ledger.counts.evicted) == (2, 2, 2)


def test_beyond_the_horizon_a_packet_sent_again_is_expected_again() -> None:
    ledger = new_ledger(closed_horizon=1)
    for number in range(3):
        packet = f"G22.2021.{number:07d}.0"
        ledger.send([sent(packet)])
        ledger.receive([receipt(packet, place=(0, number))])
        ledger.closed.seal(ledger.bounds.closed_horizon)
    assert ledger.totals()["forgotten"] == 2
    ledger.send([sent("G22.2021.0000000.0"), sent("G22.2021.0000002.0")])
    assert (ledger.counts.deliveries_expected, ledger.outstanding, ledger.counts.packets_repeated) == (4, 1, 1)


def test_one_delivery_repeated_without_end_takes_bounded_memory() -> None:
    ledger = new_ledger()
    endless = [receipt(place=(0, offset)) for offset in range(3 * HISTORY_MAX)]
    ledger.receive(endless)
    assert sum(map(len, ledger.unmatched.values())) == HISTORY_MAX
    ledger.send([sent()])
    ledger.receive(endless)
    assert [len(places) for places in ledger.overlay.values()] == [HISTORY_MAX]
    assert (ledger.counts.duplicated, ledger.counts.delivered_once) == (1, 0)
    assert ledger.counts.evicted == 4 * HISTORY_MAX


def test_a_batch_may_mix_senders_widths_and_foreign_ids() -> None:
    ledger = new_ledger()
    packets = [("G22", "G22.2021.0000001.0"), ("T00001", "T00001.2021.0000001.12"), ("G22", FOREIGN_ID)]
    ledger.send([sent(packet, ["H01", "H02"], sender=sender) for sender, packet in packets])
    receipts: list[Receipt] = [
        receipt(packet, recipient, sender=sender) for sender, packet in packets for recipient in ("H01", "H02")
    ]
    ledger.receive(receipts)
    assert (ledger.counts.delivered_once, ledger.outstanding) == (6, 0)


@pytest.mark.parametrize("refusal_first", [True, False])
def test_a_refused_packet_for_nobody_leaves_nothing_that_waits(packet_id: str, refusal_first: bool) -> None:
    ledger = new_ledger()
    if refusal_first:
        ledger.refuse([refusal(packet_id)])
    ledger.send([sent(packet_id, recipients=[])])
    if not refusal_first:
        ledger.refuse([refusal(packet_id)])
    assert not ledger.unmatched_refusals, "it would slow down every packet of the run"
    assert shown(ledger) == {"documents": 1}


def test_packets_for_nobody_beyond_their_bound_are_forgotten() -> None:
    ledger = new_ledger(unmatched_max=2)
    for number in range(4):
        ledger.send([sent(f"G22.2021.{number + 1:07d}.0", recipients=[])])
    assert len(ledger.empty) == 2


def test_what_some_open_deliveries_owe_is_told_by_number_of_the_recipient() -> None:
    """Of keys that tell it and of those that do not, also where several agencies have no number of their own."""
    codes = Codes([f"A{number:05d}" for number in range(CODES_MAX)])
    ledger = Ledger(codes, LedgerBounds())
    ledger.send(
        [
            sent("A00000.2021.0000001.0", ["A00001", "A00002", "beyond", "beyond too"], sender="A00000"),
            sent("a foreign id", ["A00002", "beyond"], sender="A00000"),
        ]
    )
    owed = ledger.open.owed_of(np.fromiter(ledger.open.sent_us, np.int64))
    assert {number: int(owed[number]) for number in np.flatnonzero(owed)} == {1: 1, 2: 2, CODES_MAX: 3}
    assert (owed == ledger.open.owed).all()
    assert not ledger.open.owed_of(np.zeros(0, np.int64)).any()
