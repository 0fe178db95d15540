"""What a ledger still knows of one document: the state of each of its deliveries, in bits. Pure.

A closed delivery is a key and a place here, nothing more; its times are in the records. The place of a delivered
record, or the moment of sending of an open delivery, says where in the topics to look for them.
"""

from dataclasses import dataclass

from docaxis.domain.document import parse_document_id
from streams.keys import (
    ORDINAL_BITS,
    ORDINAL_SHIFT,
    RECIPIENT_MASK,
    SENDER_SHIFT,
    YEAR_BITS,
    YEAR_SHIFT,
    YEAR_ZERO,
    read_packet,
)
from streams.ledger import OFFSET_MASK, PLACE_SHIFT, SETTLED, Ledger


@dataclass(frozen=True, slots=True)
class Remembered:
    """One delivery as the ledger has it."""

    packet_id: str
    recipient: str
    state: str  # outstanding, delivered_once, duplicated, refused
    sent_us: int = 0  # of an open one
    places: tuple[tuple[int, int], ...] = ()  # partition and offset of each delivered record that was answered
    code: int = 0  # of a refusal


def remembered(ledger: Ledger, document_id: str) -> list[Remembered]:
    """Return all that is known of a document's deliveries; those of ids that do not pack only while they are open."""
    named = [
        Remembered(packet_id, recipient, "outstanding", ledger.open.sent_us[key])
        for key, (packet_id, document, recipient) in ledger.open.names.items()
        if document == document_id and key in ledger.open
    ]
    try:
        code, year, ordinal = parse_document_id(document_id)
        sender = ledger.codes.codes.index(code)
    except ValueError:  # no such form, or never met
        return named
    first = _first_key(sender, year, ordinal)
    if first is None:
        return named
    end = first + (1 << ORDINAL_SHIFT)
    opened = [(key, sent_us) for key, sent_us in ledger.open.sent_us.items() if first <= key < end]
    packets = [_known(ledger, key, "outstanding", sent_us) for key, sent_us in opened]
    packets += [_closed(ledger, key, place) for key, place in ledger.closed.between(first, end)]
    return named + sorted(packets, key=lambda one: (one.packet_id, one.recipient))


def _first_key(sender: int, year: int, ordinal: int) -> int | None:
    if not (0 <= year - YEAR_ZERO < 1 << YEAR_BITS and ordinal < 1 << ORDINAL_BITS):
        return None
    return sender << SENDER_SHIFT | (year - YEAR_ZERO) << YEAR_SHIFT | ordinal << ORDINAL_SHIFT


def _known(
    ledger: Ledger, key: int, state: str, sent_us: int = 0, code: int = 0, places: tuple[int, ...] = ()
) -> Remembered:
    sender, year, ordinal, serial = read_packet(key)
    codes = ledger.codes.codes
    packet_id = f"{codes[sender]}.{year:04d}.{ordinal:07d}.{serial}"
    where = tuple((place >> PLACE_SHIFT, place & OFFSET_MASK) for place in places)
    return Remembered(packet_id, codes[key & RECIPIENT_MASK], state, sent_us, where, code)


def _closed(ledger: Ledger, key: int, first: int) -> Remembered:
    places = ledger.overlay.get(key, [first])
    delivered = tuple(place for place in places if place >= 0)
    code = next((-place for place in places if SETTLED < place < 0), 0)
    if len(delivered) > 1:
        return _known(ledger, key, "duplicated", code=code, places=delivered)
    if delivered or places[:1] == [SETTLED]:
        return _known(ledger, key, "delivered_once", code=code, places=delivered)
    return _known(ledger, key, "refused", code=code)
