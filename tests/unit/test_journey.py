"""The journey of a document: what a ledger remembers of it, filled in with what its records say."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.closed import Closed
from streams.journey import Located, assemble
from streams.keys import Codes
from streams.ledger import Ledger, LedgerBounds
from streams.remembered import Remembered, remembered
from tests.support.events import RUN, SENT_US, delivered, document_of, receipt, refusal, sent, status
from tests.support.laws import law

DOCUMENT = "G22.2021.0000001"
FIRST, SECOND = f"{DOCUMENT}.0", f"{DOCUMENT}.1"


def ledger() -> Ledger:
    """One document sent twice, with every fate of a delivery; and others around it."""
    ledger = Ledger(Codes(), LedgerBounds())
    ledger.send([sent(FIRST, ["H01", "H02", "H03", "H04"])])
    ledger.send([sent(SECOND, ["H01"], sent_us=SENT_US + 9)])
    ledger.send([sent("G22.2021.0000000.0", ["H01"]), sent("G22.2021.0000002.0", ["H01"])])
    ledger.receive([receipt(FIRST, "H01", place=(1, 10)), receipt(FIRST, "H02", place=(2, 20))])
    ledger.receive([receipt(FIRST, "H02", place=(2, 21)), receipt("G22.2021.0000002.0", "H01", place=(1, 11))])
    ledger.refuse([refusal(FIRST, "H03", code=23)])
    return ledger


@pytest.mark.parametrize("sealed", [False, True])
def test_every_delivery_of_the_document_is_remembered_and_of_no_other(sealed: bool) -> None:
    one = ledger()
    if sealed:
        one.closed.seal(1000)
    assert remembered(one, DOCUMENT) == [
        Remembered(FIRST, "H01", "delivered_once", places=((1, 10),)),
        Remembered(FIRST, "H02", "duplicated", places=((2, 20), (2, 21))),
        Remembered(FIRST, "H03", "refused", code=23),
        Remembered(FIRST, "H04", "outstanding", SENT_US),
        Remembered(SECOND, "H01", "outstanding", SENT_US + 9),
    ]


@pytest.mark.parametrize("document", ["G22.2021.0000009", "G99.2021.0000001", "no id", "", "G22.9999.0000001"])
def test_what_was_never_met_is_not_remembered_and_asking_makes_nothing_known(document: str) -> None:
    one = ledger()
    codes = list(one.codes.codes)
    assert remembered(one, document) == []
    assert one.codes.codes == codes


def test_ids_of_others_are_remembered_while_they_are_open() -> None:
    one = Ledger(Codes(), LedgerBounds())
    one.send([sent("a-uuid", ["H01"])])
    assert remembered(one, document_of("a-uuid")) == [Remembered("a-uuid", "H01", "outstanding", SENT_US)]


@law(100)
@given(st.lists(st.lists(st.integers(0, 60), max_size=8), max_size=6), st.integers(0, 60), st.integers(0, 60))
def test_a_range_of_closed_keys_is_what_a_search_one_by_one_finds(
    batches: list[list[int]], first: int, end: int
) -> None:
    closed = Closed()
    for number, batch in enumerate(batches):
        for key in batch:
            closed.put(key, number * 100 + key)
        if number % 2 == 0:
            closed.seal(10_000)
    found = [(key, place) for key in range(61) if first <= key < end and (place := closed.find(key)) is not None]
    assert closed.between(first, end) == found


def located(*events: Any) -> list[Located]:
    return [(event, 0, place) for place, event in enumerate(events)]


def told(known: list[Remembered], *events: Any) -> dict[str, dict[str, Any]]:
    """Return the deliveries of the first packet by recipient."""
    packets = assemble(RUN, DOCUMENT, known, located(*events))["packets"]
    return {one["recipient"]: one for one in packets[0]["deliveries"]}


def test_each_stage_is_told_by_its_records() -> None:
    found = told(
        [],
        sent(FIRST, ["H01", "H02", "H03", "000.00.00.H04"]),
        delivered("H02", FIRST),
        delivered("H03", FIRST),
        receipt(FIRST, "H03", place=(0, 2)),
        refusal(FIRST, "H04", code=18),
        status(FIRST, "H03"),
    )
    assert {code: (one["state"], one["stage"]) for code, one in found.items()} == {
        "H01": ("outstanding", "hub"),
        "H02": ("outstanding", "inbox"),
        "H03": ("delivered_once", "received"),
        "H04": ("refused", "refused"),
    }
    assert found["H03"]["received_us"] == SENT_US + 3000
    assert found["H03"]["places"] == [[0, 2]]
    assert [one["code"] for one in found["H03"]["statuses"]] == ["01"]
    assert found["H04"]["reason"] == "a reason"


def test_a_refusal_of_the_packet_is_told_of_each_of_its_deliveries() -> None:
    found = told([], sent(FIRST, ["H01", "H02"]), refusal(FIRST, code=19))
    assert [(one["state"], one["code"]) for one in found.values()] == [("refused", 19)] * 2


def test_a_receipt_of_somebody_it_was_not_for_is_told_as_misrouted() -> None:
    found = told([], sent(FIRST, ["H01"]), receipt(FIRST, "H09"))
    assert found["H09"]["state"] == "misrouted"


def test_the_ledgers_word_stands_where_records_are_gone() -> None:
    found = told([Remembered(FIRST, "H01", "delivered_once", places=((1, 10),))])
    assert found == {"H01": {"recipient": "H01", "state": "delivered_once", "places": [[1, 10]]}}


def test_what_the_ledger_knows_as_doubled_stays_doubled() -> None:
    known = [Remembered(FIRST, "H01", "duplicated", places=((0, 1), (0, 2)))]
    found = told(known, sent(FIRST, ["H01"]), receipt(FIRST, "H01", place=(0, 1)))
    assert (found["H01"]["state"], found["H01"]["places"]) == ("duplicated", [[0, 1], [0, 2]])
