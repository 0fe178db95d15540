"""The ledger against a naive model: any interleaving of sends, receipts and refusals, in any batches.

The model keeps one object a delivery and reads like the ledger's docstring: no packed keys, no batches, no frontier.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from docaxis.domain.event import Receipt, Refusal, Sent
from streams.keys import Codes
from streams.ledger import Ledger, LedgerBounds
from tests.support import events
from tests.support.events import SENT_US
from tests.support.laws import law

LATE_AFTER_US = 1000
BOUNDS = LedgerBounds(late_after_us=LATE_AFTER_US)
LAW = law(100)
ANY_KEY = (-(1 << 63), (1 << 63) - 1)

Event = Sent | Receipt | Refusal
Delivery = tuple[str, str, str]  # sender as spelled, packet id, agency of the recipient

#: Packets of one registry: all ids of one width, so that batches take the vectorised way.
PLAIN = [
    ("G22", "G22.2021.0000001.0"),
    ("G22", "G22.2021.0000002.0"),
    ("G22", "G22.2021.0000002.1"),
    ("G22", "G22.2020.0000003.0"),
    ("H53", "H53.2021.0000001.0"),
]
#: Packets as strangers may name them; several differ from a plain one only in a way that must not be overlooked.
STRANGE = [
    ("H53", "G22.2021.0000001.0"),
    ("000.00.00.G22", "G22.2021.0000001.0"),
    ("G22.01", "G22.01.2021.0000001.0"),
    ("G22", "G22.2021.0000001.00"),
    ("G22", "G22.2021.0000001.63"),
    ("G22", "G22.2021.0000001.64"),
    ("G22", "G22.1999.0000001.0"),
    ("G22", "G22.2021.1.0"),
    ("T00001", "T00001.2021.0000001.0"),
    ("G22", "1f0c7f6e-6f0b-4ab4-b9ad-0f7c8e5d1a2b"),
    ("H53", "1f0c7f6e-6f0b-4ab4-b9ad-0f7c8e5d1a2b"),
    ("Bộ", "Bộ.2021.0000001.0"),
]
PLAIN_SPELLINGS = {"H01": "H01", "H02": "H02", "H53": "H53"}
SPELLINGS = PLAIN_SPELLINGS | {"000.00.00.H01": "H01", "H02.05": "H02", "000.00.13.H02": "H02", "Bộ": "Bộ"}


# --- the model


@dataclass
class Fate:
    """What became of one expected delivery."""

    sent_us: int
    places: list[tuple[int, int]] = field(default_factory=list)
    refused: bool = False


class Model:
    """What the ledger's docstring says, one delivery after the other."""

    def __init__(self) -> None:
        self.fates: dict[Delivery, Fate] = {}
        self.waiting_receipts: dict[Delivery, list[Receipt]] = {}
        self.waiting_refusals: set[tuple[str, ...]] = set()  # deliveries, and packets refused as a whole
        self.counts: Counter[str] = Counter()

    def take(self, event: Event) -> None:
        if isinstance(event, Sent):
            self.send(event)
        elif isinstance(event, Receipt):
            self.receive((event.sender, event.packet_id, SPELLINGS[event.recipient]), event)
        elif event.recipient:
            self.refuse((event.sender, event.packet_id, SPELLINGS[event.recipient]))
        else:
            self.refuse_packet((event.sender, event.packet_id))

    def send(self, event: Sent) -> None:
        packet = (event.sender, event.packet_id)
        deliveries = [(*packet, agency) for agency in dict.fromkeys(SPELLINGS[one] for one in event.recipients)]
        self.counts["documents"] += 1
        self.counts["packets_repeated"] += any(delivery in self.fates for delivery in deliveries)
        whole_refused = packet in self.waiting_refusals
        self.waiting_refusals.discard(packet)
        for delivery in deliveries:
            if delivery in self.fates:
                continue
            self.fates[delivery] = Fate(event.sent_us)
            if whole_refused or delivery in self.waiting_refusals:
                self.waiting_refusals.discard(delivery)
                self.refuse(delivery)
            for receipt in self.waiting_receipts.pop(delivery, ()):
                self.receive(delivery, receipt)

    def receive(self, delivery: Delivery, receipt: Receipt) -> None:
        fate = self.fates.get(delivery)
        place = (receipt.partition, receipt.offset)
        if fate is None:
            self.waiting_receipts.setdefault(delivery, []).append(receipt)
        elif place in fate.places:
            self.counts["receipts_repeated"] += 1
        else:
            if not fate.places:
                self.counts["late"] += receipt.received_us - receipt.sent_us > LATE_AFTER_US
                self.counts["failed"] += receipt.state == "FAIL"
                self.counts["contradictions"] += fate.refused
            fate.places.append(place)

    def refuse(self, delivery: Delivery) -> None:
        fate = self.fates.get(delivery)
        if fate is None:
            self.hold(delivery)
        elif fate.refused:
            self.counts["refusals_repeated"] += 1
        else:
            fate.refused = True
            self.counts["contradictions"] += bool(fate.places)

    def refuse_packet(self, packet: tuple[str, str]) -> None:
        mine = [delivery for delivery in self.fates if delivery[:2] == packet]
        still_open = [one for one in mine if not self.fates[one].places and not self.fates[one].refused]
        for delivery in still_open or mine:
            self.refuse(delivery)
        if not mine:
            self.hold(packet)

    def hold(self, refused: tuple[str, ...]) -> None:
        self.counts["refusals_repeated"] += refused in self.waiting_refusals
        self.waiting_refusals.add(refused)

    def owed(self) -> Counter[str]:
        return Counter(agency for (_, _, agency), fate in self.fates.items() if not fate.refused and not fate.places)

    def outstanding(self) -> list[Fate]:
        return [fate for fate in self.fates.values() if not fate.places and not fate.refused]

    def totals(self) -> dict[str, int]:
        fates = self.fates.values()
        tables = {
            "deliveries_expected": len(fates),
            "delivered_once": sum(len(fate.places) == 1 for fate in fates),
            "duplicated": sum(len(fate.places) > 1 for fate in fates),
            "refused": sum(fate.refused and not fate.places for fate in fates),
            "outstanding": len(self.outstanding()),
            "remembered": len(fates) - len(self.outstanding()),
            "misrouted": len(self.waiting_receipts),
            "receipts_unmatched": sum(map(len, self.waiting_receipts.values())),
        }
        bounds_not_reached = {"misrouted_forgotten": 0, "evicted": 0, "forgotten": 0}
        counted = (
            "documents", "packets_repeated", "late", "failed", "receipts_repeated", "refusals_repeated",
            "contradictions",
        )  # fmt: skip
        return tables | bounds_not_reached | {name: self.counts[name] for name in counted}


# --- any history


@st.composite
def histories(draw: st.DrawFn) -> list[Event]:
    """Draw events about few packets, so that they meet: a packet's recipients are the same each time it is sent."""
    is_plain = draw(st.booleans())
    spellings = sorted(PLAIN_SPELLINGS if is_plain else SPELLINGS)
    packets = draw(
        st.lists(st.sampled_from(PLAIN if is_plain else PLAIN + STRANGE), min_size=1, max_size=5, unique=True)
    )
    recipients = [draw(st.lists(st.sampled_from(spellings), max_size=4)) for _ in packets]
    number = st.integers(0, len(packets) - 1)
    step = st.one_of(
        st.tuples(st.just("sent"), number, st.integers(0, 3)),
        st.tuples(
            st.just("receipt"), number, st.sampled_from(spellings), st.integers(0, 2), st.integers(0, 3),
            st.sampled_from([0, LATE_AFTER_US, LATE_AFTER_US + 1]), st.booleans(),
        ),
        st.tuples(st.just("refusal"), number, st.sampled_from(["", *spellings])),
    )  # fmt: skip
    return [event_of(packets, recipients, *one) for one in draw(st.lists(step, max_size=40))]


def event_of(packets: list[tuple[str, str]], recipients: list[list[str]], kind: str, number: int, *rest: Any) -> Event:
    sender, packet_id = packets[number]
    if kind == "sent":
        return events.sent(packet_id, recipients[number], sender=sender, sent_us=SENT_US + rest[0])
    if kind == "refusal":
        return events.refusal(packet_id, rest[0], sender=sender)
    recipient, partition, offset, lag_us, failed = rest
    place = (partition, offset)
    return events.receipt(packet_id, recipient, sender=sender, place=place, failed=failed, received_us=SENT_US + lag_us)


def apply(ledger: Ledger, batch: Sequence[Any]) -> None:
    if isinstance(batch[0], Sent):
        ledger.send(batch)
    elif isinstance(batch[0], Receipt):
        ledger.receive(batch)
    else:
        ledger.refuse(batch)


def ledger_of(history: Sequence[Event], batch_max: int, codes: Codes | None = None) -> Ledger:
    """Feed a history to a new ledger, neighbours of one kind in batches."""
    ledger = Ledger(codes or Codes(), BOUNDS)
    for _, same_kind in groupby(history, type):
        batch = list(same_kind)
        for first in range(0, len(batch), batch_max):
            apply(ledger, batch[first : first + batch_max])
            assert_balanced(ledger)
    return ledger


def assert_balanced(ledger: Ledger) -> None:
    totals = ledger.totals()
    parts = [totals[name] for name in ("delivered_once", "duplicated", "refused", "outstanding")]
    assert sum(parts) == totals["deliveries_expected"]
    assert min(totals.values()) >= 0


def owed(ledger: Ledger) -> Counter[str]:
    """Return how many deliveries each agency waits for, by the ledger's running count."""
    counts = enumerate(ledger.open.owed.tolist())
    return Counter({ledger.codes.codes[number]: count for number, count in counts if count})


A_TO_B = ("G22.2021.0000001.0", ["H01", "H02"])


@LAW
@given(histories(), st.sampled_from([1, 2, 3, 100]))
@example([events.refusal(), events.refusal(), events.sent()], 1)  # a refusal said twice while it waited
@example([events.sent(), events.refusal(), events.receipt(), events.receipt(place=(0, 1))], 1)
@example([events.receipt(recipient="H01", place=(0, 1))] * 2 + [events.sent(*A_TO_B)], 100)
@example([events.sent(*A_TO_B), events.receipt(recipient="H01"), events.refusal(), events.refusal()], 1)
@example([events.sent(recipients=[]), events.refusal(), events.sent(recipients=["H01"])], 100)
def test_totals_equal_the_model_for_any_history_in_any_batches(history: list[Event], batch_max: int) -> None:
    model = Model()
    for event in history:
        model.take(event)
    ledger = ledger_of(history, batch_max)
    assert ledger.totals() == model.totals()
    assert owed(ledger) == model.owed()
    for before_us in (SENT_US, SENT_US + 1, SENT_US + 3, SENT_US + 4):
        overdue = sum(sent_us < before_us for sent_us in ledger.open.sent_us.values())
        assert overdue == sum(fate.sent_us < before_us for fate in model.outstanding())


@LAW
@given(histories())
@example([events.sent(recipients=[])] * 4 + [events.sent(recipients=["H01"]), events.sent(recipients=[])])
def test_batches_leave_the_same_tables_as_single_events(history: list[Event]) -> None:
    agencies = sorted({*SPELLINGS.values(), "G22"})  # numbered beforehand: new ones are numbered as they appear
    together, apart = ledger_of(history, 1000, Codes(agencies)), ledger_of(history, 1, Codes(agencies))
    for name in ("counts", "overlay", "unmatched", "unmatched_refusals", "frontier", "empty"):
        assert getattr(together, name) == getattr(apart, name), name
    assert (together.open.sent_us, together.open.names) == (apart.open.sent_us, apart.open.names)
    assert owed(together) == owed(apart)
    assert together.closed.between(*ANY_KEY) == apart.closed.between(*ANY_KEY)


# --- the order in which topics are read

#: What the facts alone decide. How often a refusal was repeated or contradicted depends on what came when.
DECIDED_BY_FACTS = (
    "documents", "packets_repeated", "deliveries_expected", "delivered_once", "duplicated", "refused", "outstanding",
    "late", "failed", "receipts_repeated", "misrouted", "receipts_unmatched",
)  # fmt: skip


@LAW
@given(histories(), st.randoms(use_true_random=False), st.sampled_from([1, 3, 100]))
def test_final_totals_do_not_depend_on_which_topic_is_read_ahead(
    history: list[Event], random: Any, batch_max: int
) -> None:
    """Order holds within a topic; between topics, any interleaving tells the same story in the end."""
    queues = [[event for event in history if isinstance(event, kind)] for kind in (Sent, Receipt, Refusal)]
    shuffled: list[Event] = []
    while queues := [queue for queue in queues if queue]:
        shuffled.append(random.choice(queues).pop(0))
    first, second = ledger_of(history, batch_max).totals(), ledger_of(shuffled, batch_max).totals()
    assert {name: first[name] for name in DECIDED_BY_FACTS} == {name: second[name] for name in DECIDED_BY_FACTS}


# --- bounds


@LAW
@given(histories(), st.integers(0, 3), st.integers(0, 4), st.lists(st.integers(0, 40), max_size=4))
@example([events.sent(), events.refusal(), events.receipt(), events.receipt(place=(0, 1))], 0, 0, [])
@example([events.sent(), *(events.receipt(place=(0, offset)) for offset in (0, 1, 1, 2))], 0, 0, [])
@example([events.sent(), *(events.receipt(place=(0, offset)) for offset in (0, 1, 1, 2))], 0, 9, [2, 3, 4])
def test_beyond_its_bounds_the_ledger_forgets_but_stays_balanced(
    history: list[Event], bound: int, horizon: int, seals: list[int]
) -> None:
    bounds = LedgerBounds(LATE_AFTER_US, closed_horizon=horizon, unmatched_max=bound, overlay_max=bound)
    ledger = Ledger(Codes(), bounds)
    for position, event in enumerate(history):
        if position in seals:
            ledger.closed.seal(horizon)
        apply(ledger, [event])
        totals = ledger.totals()
        parts = [totals[name] for name in ("delivered_once", "duplicated", "refused", "outstanding")]
        assert sum(parts) == totals["deliveries_expected"]
        assert min(totals.values()) >= 0
        assert len(ledger.overlay) <= bound
        assert len(ledger.unmatched) <= bound
        assert len(ledger.unmatched_refusals) <= bound


@pytest.mark.parametrize("kind", ["plain", "foreign"])
def test_a_closed_delivery_leaves_nothing_behind_but_its_place(kind: str) -> None:
    packet_id = "G22.2021.0000001.0" if kind == "plain" else "a-foreign-id"
    ledger = Ledger(Codes(), BOUNDS)
    ledger.send([events.sent(packet_id, ["H01", "H02", "H53"])])
    ledger.receive([events.receipt(packet_id, "H01"), events.receipt(packet_id, "H02", place=(0, 1))])
    ledger.refuse([events.refusal(packet_id, "H53")])
    tables = (ledger.open, ledger.open.names, ledger.overlay, ledger.unmatched, ledger.unmatched_refusals)
    assert [len(table) for table in tables] == [0] * 5
    assert len(ledger.closed) == 3
