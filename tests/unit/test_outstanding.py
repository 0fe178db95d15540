"""What is open: counted by recipient and pair, listed oldest first, and told apart by the stage it is stuck at."""

from typing import Any

import numpy as np
import pytest

from monitor.reading import Readings
from monitor.stuck import ORDER_US, Fronts, Stage
from streams.keys import Codes
from streams.ledger import Ledger, LedgerBounds
from streams.outstanding import OpenDelivery, Outstanding
from streams.state import Duties, PartitionState, StateBounds
from streams.store import ledger_readings
from tests.support.events import RUN, SENT_US, delivered, receipt, records, sent

FOREIGN = "0b5e-uuid"


def ledger() -> Ledger:
    """Five deliveries sent, one of them received; one packet has an id of somebody else's making."""
    ledger = Ledger(Codes(), LedgerBounds())
    ledger.send([sent("G22.2021.0000001.0", ["H53", "H01"], sent_us=SENT_US)])
    ledger.send([sent("G22.2021.0000002.0", ["H53"], sent_us=SENT_US + 2)])
    ledger.send([sent("H01.2021.0000001.0", ["H53"], sender="H01", sent_us=SENT_US + 1)])
    ledger.send([sent(FOREIGN, ["T01"], sent_us=SENT_US + 3)])
    ledger.receive([receipt("G22.2021.0000001.0", "H01")])
    return ledger


def test_what_is_open_is_counted_by_recipient_and_pair() -> None:
    outstanding = Outstanding.of(ledger())
    assert outstanding.by_recipient() == {"H53": 3, "T01": 1}
    assert outstanding.oldest_by_recipient() == {"H53": SENT_US, "T01": SENT_US + 3}
    assert outstanding.pairs().counts.sum() == 3  # the foreign id does not tell its sender
    assert outstanding.ages(SENT_US + 2).max_us == 2


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, ["G22.2021.0000001.0", "H01.2021.0000001.0", "G22.2021.0000002.0", FOREIGN]),
        ({"recipient": "T01"}, [FOREIGN]),
        ({"sender": "G22"}, ["G22.2021.0000001.0", "G22.2021.0000002.0"]),
        ({"before_us": SENT_US + 1}, ["G22.2021.0000001.0"]),
        ({"recipient": "H99"}, []),
    ],
)
def test_the_list_is_oldest_first_and_of_what_was_asked(asked: dict[str, Any], found: list[str]) -> None:
    chosen = Outstanding.of(ledger()).chosen(**asked)
    assert len(chosen.keys) == len(found)
    assert [row.packet_id for row in chosen.oldest(10)] == found
    assert [row.packet_id for row in chosen.oldest(2)] == found[:2]


def test_a_row_names_packet_document_and_agencies() -> None:
    rows = Outstanding.of(ledger()).oldest(10)
    assert rows[1] == OpenDelivery("H01.2021.0000001.0", "H01.2021.0000001", "H01", "H53", SENT_US + 1)
    assert (rows[3].document_id, rows[3].sender, rows[3].recipient) == (FOREIGN, "", "T01")


def test_an_empty_ledger_has_nothing_open() -> None:
    outstanding = Outstanding.of(Ledger(Codes(), LedgerBounds()))
    assert outstanding.by_recipient() == outstanding.oldest_by_recipient() == {}
    assert outstanding.oldest(10) == []


def test_the_stage_follows_from_how_far_hub_and_recipient_have_come() -> None:
    fronts = Fronts({0: SENT_US}, {"H53": SENT_US + 2 * ORDER_US})
    assert fronts.stage(0, "H53", SENT_US + 1) is Stage.HUB
    assert fronts.stage(1, "H53", SENT_US) is Stage.HUB  # nothing of that partition was ever routed
    assert fronts.stage(0, "H01", SENT_US) is Stage.INBOX
    assert fronts.stage(0, "H53", SENT_US) is Stage.RECEIPT
    assert Fronts({0: SENT_US}, {"H53": SENT_US + ORDER_US}).stage(0, "H53", SENT_US) is Stage.INBOX


def test_the_fronts_are_in_the_readings_of_what_was_folded() -> None:
    state = PartitionState(0, Duties(1), StateBounds())
    state.fold("delivered", records("delivered", [delivered("H53")]), 0)
    state.fold("status", records("status", [receipt(recipient="H53", place=(0, 0))]), 0)
    readings = Readings()
    for (run, topic), tally in state.tallies.items():
        readings.put(
            tally.to_reading(state.codes.codes, version=1, run=run, topic=topic, partition=0, offset=1, at_us=1)
        )
    fronts = Fronts.of(readings, RUN, 1)
    assert fronts.routed_us == {0: SENT_US}
    assert fronts.answered_us == {"H53": SENT_US}


def test_the_ledgers_reading_tells_what_is_open_of_each_agency() -> None:
    state = PartitionState(0, Duties(1), StateBounds())
    state.fold("sent", records("sent", [sent(recipients=["H53", "H01"])]), 0)
    (reading,) = ledger_readings(state, {"sent": 1}, SENT_US + 1000)
    readings = Readings()
    readings.put(reading)
    assert readings.agencies(RUN, "ledger", "outstanding") == {"H53": 1, "H01": 1}
    assert readings.oldest(RUN, "ledger", "outstanding_sent_us") == {"H53": SENT_US, "H01": SENT_US}
    assert readings.stage(RUN, "ledger", "open_age").count_at_most(1000) == 2
    square = readings.pairs(RUN, "ledger", "outstanding", ["G22", "H01", "H53"].index).counts
    assert square.tolist() == np.array([[0, 1, 1], [0, 0, 0], [0, 0, 0]]).tolist()
