"""The ledger: what became of every delivery of one run in one partition. Pure: events in, counts out.

A delivery is (packet, recipient). It is *expected* once its `Sent` was read, and from then on always exactly one of

    outstanding --receipt--> delivered once --receipt of another delivered record--> duplicated
         |                         ^
         +------refusal--> refused-+  (a receipt after a refusal contradicts it, and the receipt wins)

so that expected = delivered once + duplicated + refused + outstanding; *lost* is a judgement upon what is outstanding
(older than `lost_after`, or left when everything is drained) and is taken back by itself when a receipt still comes.
A receipt that names the delivered record of an earlier one is a *repeat* and changes nothing. A receipt or refusal
that comes before its `Sent` waits for it; if none ever comes it was delivered to somebody it was not for (*misrouted*).

Reprocessing is not this module's matter: its owner gives each record once, by offset.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from operator import attrgetter

import numpy as np
import numpy.typing as npt

from docaxis.domain.event import Receipt, Refusal, Sent
from streams.closed import Closed
from streams.keys import CODES_MAX, FOREIGN, Codes, Int64s, foreign_key, packet_base, packet_bases, sequence_slots
from streams.open import Open

Bools = npt.NDArray[np.bool_]

#: A place packs the partition and offset of a delivered record; a refusal has the negative of its error code instead.
PLACE_SHIFT = 48
PARTITION_MASK = (1 << 15) - 1  # keeps a place positive whatever a receipt says
OFFSET_MASK = (1 << PLACE_SHIFT) - 1
#: Place of a delivery whose history was forgotten: its verdict stands, a further receipt counts as a repeat.
SETTLED = -(1 << 62)

#: Places remembered, or receipts waiting, of one delivery: a hub gone mad must not fill the memory with one.
HISTORY_MAX = 64


@dataclass(frozen=True, slots=True)
class LedgerBounds:
    """What the ledger holds at most, per run and partition; what is beyond is counted, never silent."""

    late_after_us: int = 60_000_000  # a delivery is late when received more than this after it was sent
    closed_horizon: int = 16_000_000  # closed deliveries remembered (16 bytes each); older duplicates are not seen
    unmatched_max: int = 500_000  # receipts and refusals that wait for their document
    overlay_max: int = 500_000  # deliveries with a history: duplicated, or delivered after a refusal


@dataclass(slots=True)
class LedgerCounts:
    """Running totals; together with the lengths of the ledger's tables they make the whole picture."""

    documents: int = 0  # packets read
    packets_repeated: int = 0  # packets whose id had been read before
    deliveries_expected: int = 0
    delivered_once: int = 0
    duplicated: int = 0
    refused: int = 0
    late: int = 0  # flag on delivered ones
    failed: int = 0  # deliveries answered FAIL: arrived, then failed in transport
    receipts_repeated: int = 0
    refusals_repeated: int = 0
    contradictions: int = 0  # delivered after a refusal, or refused after a delivery
    misrouted_forgotten: int = 0  # unmatched deliveries beyond their bound: counted on, no longer matched
    evicted: int = 0  # histories, places, waiting receipts and refusals forgotten beyond their bounds

    @property
    def closed(self) -> int:
        """Deliveries that are no longer outstanding."""
        return self.delivered_once + self.duplicated + self.refused


class Ledger:
    """The audit of one run in one partition."""

    def __init__(self, codes: Codes, bounds: LedgerBounds) -> None:
        self.codes = codes
        self.bounds = bounds
        self.counts = LedgerCounts()
        self.open = Open(codes)
        self.closed = Closed()
        self.overlay: dict[int, list[int]] = {}  # key -> places, of deliveries that are more than once closed
        self.unmatched: dict[int, list[tuple[int, bool, bool]]] = {}  # key -> (place, late, failed) of each receipt
        self.unmatched_refusals: dict[int, int] = {}  # delivery key, or packet key of a whole refusal -> code
        self.empty: dict[int, int | None] = {}  # packets that were for nobody -> code of their refusal, if it was read
        self.frontier: dict[int, int] = {}  # (sender, year) -> highest sequence read: above it all is new

    # --- documents

    def send(self, events: Sequence[Sent]) -> None:
        """Expect the deliveries of these packets."""
        bases = self._bases(events)
        fan_out = np.array([len(event.recipients) for event in events], np.int64)
        recipients = self.codes.indices([code for event in events for code in event.recipients])
        self.counts.documents += len(events)
        all_new = self._advance_frontier(bases)
        if all_new and not (self.unmatched or self.unmatched_refusals) and recipients.max(initial=0) < CODES_MAX:
            keys = np.repeat(bases, fan_out) | recipients
            if _distinct(keys):
                self._expect_new(events, keys, fan_out)
                for row in np.flatnonzero(fan_out == 0).tolist():
                    self._note_empty(self._packet_key(events[row].packet_id, events[row].sender))
                return
        for event, base in zip(events, bases.tolist(), strict=True):
            self._expect(event, base)

    def _note_empty(self, packet_key: int) -> None:
        self.empty[packet_key] = None
        if len(self.empty) > self.bounds.unmatched_max:
            del self.empty[next(iter(self.empty))]

    def _advance_frontier(self, bases: Int64s) -> bool:
        """Note how far each sender has come; return whether none of these packets can have been read before."""
        if not len(bases) or bases.min() == FOREIGN:
            bases = bases[bases != FOREIGN]
            all_new = False
        else:
            all_new = _distinct(bases)
        slots, sequences = sequence_slots(bases)
        frontier = self.frontier
        if all_new:
            before = np.array([frontier.get(slot, -1) for slot in slots.tolist()], np.int64)
            all_new = bool((sequences > before).all())
        if all_new:
            order = np.argsort(sequences)  # of several of one slot the last counts, so the highest comes last
            frontier.update(zip(slots[order].tolist(), sequences[order].tolist(), strict=True))
            return True
        for slot, sequence in zip(slots.tolist(), sequences.tolist(), strict=True):
            if sequence > frontier.get(slot, -1):
                frontier[slot] = sequence
        return False

    def _expect_new(self, events: Sequence[Sent], keys: Int64s, fan_out: Int64s) -> None:
        sent_us = np.repeat(np.array([event.sent_us for event in events], np.int64), fan_out)
        self.open.put_all(keys, sent_us)
        self.counts.deliveries_expected += len(keys)

    def _expect(self, event: Sent, base: int) -> None:
        repeated = False
        packet_key = self._packet_key(event.packet_id, event.sender)
        refused_whole = self.unmatched_refusals.pop(packet_key, None)
        if event.recipients:  # a refusal of the empty one refuses these, too
            refused_whole = self.empty.pop(packet_key, None) if refused_whole is None else refused_whole
        elif refused_whole is None:
            self._note_empty(packet_key)
        for recipient in dict.fromkeys(map(self.codes.name, event.recipients)):
            key = self._key(event.packet_id, event.sender, recipient, base)
            if self._places(key) is not None:
                repeated = True
                continue
            self.counts.deliveries_expected += 1
            self.open.put(key, event.sent_us, (event.packet_id, event.document_id, recipient))
            refused = self.unmatched_refusals.pop(key, refused_whole)
            if refused is not None:
                self._refuse(key, refused)
            waiting = self.unmatched.pop(key, None)
            for place, late, failed in waiting or ():
                self._receive(key, place, late, failed)
        self.counts.packets_repeated += repeated

    # --- receipts

    def receive(self, receipts: Sequence[Receipt]) -> None:
        """Close the deliveries these receipts are about."""
        bases = self._bases(receipts)
        recipients = self.codes.indices([receipt.recipient for receipt in receipts])
        count = len(receipts)
        partitions = np.fromiter(map(attrgetter("partition"), receipts), np.int64, count)
        offsets = np.fromiter(map(attrgetter("offset"), receipts), np.int64, count)
        places = (partitions & PARTITION_MASK) << PLACE_SHIFT | offsets & OFFSET_MASK
        waited_us = np.fromiter([receipt.received_us - receipt.sent_us for receipt in receipts], np.int64, count)
        late = waited_us > self.bounds.late_after_us
        failed = [receipt.state == "FAIL" for receipt in receipts]
        if bases.min() == FOREIGN or int(recipients.max()) == CODES_MAX:
            keys = np.array(
                [
                    self._key(receipt.packet_id, receipt.sender, receipt.recipient, base)
                    for receipt, base in zip(receipts, bases.tolist(), strict=True)
                ],
                np.int64,
            )
        else:
            keys = bases | recipients
        self._close(keys, places, late, failed)

    def _close(self, keys: Int64s, places: Int64s, late: Bools, failed: list[bool]) -> None:
        """Close what is open in one stroke; what is not goes the long way, after it and in order."""
        missed = self.open.take_all(keys)
        if missed:
            self.closed.add(np.delete(keys, missed), np.delete(places, missed))
        else:
            self.closed.add(keys, places)
        self.counts.delivered_once += len(keys) - len(missed)
        self.counts.late += int(late.sum()) - int(late[missed].sum())
        self.counts.failed += sum(failed) - sum(failed[i] for i in missed)
        for i in missed:
            self._receive(int(keys[i]), int(places[i]), bool(late[i]), failed[i])

    def _receive(self, key: int, place: int, late: bool, failed: bool) -> None:
        """Apply one receipt to one delivery, whatever its state."""
        places = self._places(key)
        if places is None:
            self._wait(key, place, late, failed)
        elif place in places or places[:1] == [SETTLED]:
            self.counts.receipts_repeated += 1
        else:
            delivered = sum(known >= 0 for known in places)
            if delivered == 0:
                self.counts.delivered_once += 1
                self.counts.late += late
                self.counts.failed += failed
            elif delivered == 1:
                self.counts.delivered_once -= 1
                self.counts.duplicated += 1
            if places and delivered == 0:  # the first receipt of a refused delivery
                self.counts.refused -= 1
                self.counts.contradictions += 1
            self._remember(key, places, place)

    def _places(self, key: int) -> list[int] | None:
        """Return what is known of a delivery: no place while it is open, None if it is not expected."""
        if key in self.open:
            return []
        if (places := self.overlay.get(key)) is not None:
            return places
        first = self.closed.find(key)
        return None if first is None else [first]

    def _remember(self, key: int, places: list[int], place: int) -> None:
        """Add a place to what is known: the first closes the delivery, a further one gives it a history."""
        if not places:
            self.open.take(key)
            self.closed.put(key, place)
            return
        if len(places) == HISTORY_MAX:
            self.counts.evicted += 1
            return
        self.overlay[key] = [*places, place]
        while len(self.overlay) > self.bounds.overlay_max:
            oldest = next(iter(self.overlay))
            del self.overlay[oldest]
            self.closed.put(oldest, SETTLED)
            self.counts.evicted += 1

    def _wait(self, key: int, place: int, late: bool, failed: bool) -> None:
        waiting = self.unmatched.setdefault(key, [])
        if len(waiting) == HISTORY_MAX:
            self.counts.evicted += 1
            return
        waiting.append((place, late, failed))
        while len(self.unmatched) > self.bounds.unmatched_max:
            del self.unmatched[next(iter(self.unmatched))]
            self.counts.misrouted_forgotten += 1

    # --- refusals

    def refuse(self, refusals: Sequence[Refusal]) -> None:
        """Close the deliveries these refusals are about; one without a packet is about an unreadable record."""
        for refusal in refusals:
            if not refusal.packet_id:
                continue
            base = self._base(refusal.packet_id, refusal.sender)
            if refusal.recipient:
                self._refuse(self._key(refusal.packet_id, refusal.sender, refusal.recipient, base), refusal.code)
            else:
                self._refuse_packet(refusal, base)

    def _refuse(self, key: int, code: int) -> None:
        places = self._places(key)
        if places is None:
            self._hold_refusal(key, code)
        elif not places:
            self.counts.refused += 1
            self._remember(key, places, -code)
        elif any(place < 0 for place in places):
            self.counts.refusals_repeated += 1
        else:
            self.counts.contradictions += 1
            self._remember(key, places, -code)

    def _refuse_packet(self, refusal: Refusal, base: int) -> None:
        """Refuse every delivery of a packet: those open, or else those closed, or else once its `Sent` is read."""
        keys = [self._key(refusal.packet_id, refusal.sender, code, base) for code in self.codes.codes]
        known = [key for key in keys if key in self.open] or [key for key in keys if self._places(key) is not None]
        for key in known:
            self._refuse(key, refusal.code)
        packet_key = self._packet_key(refusal.packet_id, refusal.sender)
        if not known and packet_key in self.empty:  # held apart: what waits here would slow down every packet
            self.counts.refusals_repeated += self.empty[packet_key] is not None
            self.empty[packet_key] = refusal.code
        elif not known:
            self._hold_refusal(packet_key, refusal.code)

    def _hold_refusal(self, key: int, code: int) -> None:
        self.counts.refusals_repeated += key in self.unmatched_refusals
        self.unmatched_refusals[key] = code
        while len(self.unmatched_refusals) > self.bounds.unmatched_max:
            del self.unmatched_refusals[next(iter(self.unmatched_refusals))]
            self.counts.evicted += 1

    # --- keys

    def _bases(self, events: Sequence[Sent] | Sequence[Receipt]) -> Int64s:
        senders = [event.sender for event in events]
        numbers = self.codes.indices(senders)
        return packet_bases([event.packet_id for event in events], senders, numbers, aliased=self.codes.aliased)

    def _base(self, packet_id: str, sender: str) -> int:
        return packet_base(packet_id, sender, self.codes.index(sender))

    def _key(self, packet_id: str, sender: str, recipient: str, base: int) -> int:
        index = self.codes.index(recipient)
        if base == FOREIGN or index >= CODES_MAX:
            return foreign_key(packet_id, sender, self.codes.name(recipient))
        return base | index

    def _packet_key(self, packet_id: str, sender: str) -> int:
        """Return a key of the whole packet, which no delivery of it has."""
        return foreign_key(packet_id, sender, "")

    # --- judgements

    @property
    def outstanding(self) -> int:
        """Deliveries expected and not closed."""
        return len(self.open)

    @property
    def misrouted(self) -> int:
        """Deliveries that were received and are not expected: misrouted, unless their `Sent` is still to be read."""
        return len(self.unmatched) + self.counts.misrouted_forgotten

    def totals(self) -> dict[str, int]:
        """Return all counts, with what follows from the tables."""
        totals = asdict(self.counts)
        totals["outstanding"] = self.outstanding
        totals["misrouted"] = self.misrouted
        totals["receipts_unmatched"] = sum(map(len, self.unmatched.values()))
        totals["remembered"] = len(self.closed)
        totals["forgotten"] = self.closed.forgotten
        return totals


def _distinct(values: Int64s) -> bool:
    """Whether no value comes twice; by sorting, which numpy does forty times as fast as it finds unique values."""
    ordered = np.sort(values)
    return not bool((ordered[1:] == ordered[:-1]).any())
