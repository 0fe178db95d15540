"""Routing: what the hub makes of one document. Pure: a `Sent` in, deliveries or refusals out.

A fault of the envelope refuses the whole packet; a fault of one recipient refuses only that delivery. The error codes
are the axis's own (connection guide 2.2): 10 invalid file, 18 recipient unknown, 19 sender not registered, 22 invalid
envelope, 23 recipient locked. The hub keeps no memory of ids: a packet sent twice is routed twice, and the ledger
counts the duplicates.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from docaxis.domain.codec import INVALID_ENVELOPE
from docaxis.domain.event import Delivered, Sent
from streams.keys import normalised

RECIPIENT_UNKNOWN, SENDER_UNKNOWN, RECIPIENT_LOCKED = 18, 19, 23

#: A document from further ahead than this comes from a clock that cannot be trusted.
FUTURE_MAX_US = 300_000_000


class Fault(NamedTuple):
    """Why a packet, or its delivery to one recipient, is refused."""

    code: int
    reason: str
    recipient: str = ""  # empty: the whole packet


class Directory:
    """Who may send and receive."""

    def __init__(self, codes: Iterable[str], locked: Iterable[str] = ()) -> None:
        self.codes = frozenset(codes)
        self.locked = frozenset(locked)
        self.open = self.codes - self.locked

    def code_of(self, spelling: str) -> str:
        """Return the registered code that a spelling means, or what it normalises to."""
        return spelling if spelling in self.codes else normalised(spelling)


class Routing(NamedTuple):
    """What becomes of a packet: the codes it is delivered to, and what is refused of it."""

    recipients: Sequence[str]
    faults: Sequence[Fault]


def route(event: Sent, directory: Directory, now_us: int) -> Routing:
    """Decide to whom a packet goes.

    What a real hub checks (domain notes, section 3): a registered sender, at least one recipient, none twice.
    """
    recipients: Sequence[str] = event.recipients
    all_open = directory.open.issuperset(recipients)
    if not all_open:
        recipients = [directory.code_of(spelling) for spelling in recipients]
    fault = _envelope_fault(event, recipients, directory, now_us)
    if fault is not None:
        return Routing((), (fault,))
    if all_open:
        return Routing(recipients, ())
    served = [code for code in recipients if code in directory.open]
    return Routing(served, [_recipient_fault(code, directory) for code in recipients if code not in directory.open])


def _envelope_fault(event: Sent, recipients: Sequence[str], directory: Directory, now_us: int) -> Fault | None:
    """Return why the whole packet must be refused, or None."""
    if event.sender not in directory.codes and directory.code_of(event.sender) not in directory.codes:
        return Fault(SENDER_UNKNOWN, f"sender {event.sender!r} is not registered")
    if not recipients:
        return Fault(INVALID_ENVELOPE, "no recipient")
    if len(recipients) > 1 and len(set(recipients)) != len(recipients):
        return Fault(INVALID_ENVELOPE, "a recipient is named twice")
    if event.sent_us > now_us + FUTURE_MAX_US:
        return Fault(INVALID_ENVELOPE, f"sent {(event.sent_us - now_us) / 1e6:.0f} s in the future")
    return None


def _recipient_fault(code: str, directory: Directory) -> Fault:
    if code in directory.locked:
        return Fault(RECIPIENT_LOCKED, f"recipient {code!r} is locked", code)
    return Fault(RECIPIENT_UNKNOWN, f"recipient {code!r} is unknown", code)


def delivered_head(event: Sent, accepted_us: int, sent_partition: int) -> Delivered:
    """Return the delivery of `event` to nobody yet: the recipient is filled in for each copy."""
    return Delivered(
        version=1,
        run=event.run,
        packet_id=event.packet_id,
        document_id=event.document_id,
        sender=event.sender,
        type=event.type,
        priority=event.priority,
        steering=event.steering,
        business=event.business,
        size=event.size,
        calendar_ms=event.calendar_ms,
        intended_us=event.intended_us,
        sent_us=event.sent_us,
        accepted_us=accepted_us,
        sent_partition=sent_partition,
        sha256=event.sha256,
        recipient="",
    )
