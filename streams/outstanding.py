"""What is open in a ledger, as columns: whose it is, since when, and the list of it. Pure.

The counts go into the ledger's reading at every snapshot, so a monitor knows for each agency what it waits for without
asking; the list is what a stream worker answers when somebody asks which documents they are.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from monitor.histogram import Histogram
from monitor.pairs import Pairs
from streams.keys import RECIPIENT_MASK, SENDER_SHIFT, Int64s, read_packet
from streams.ledger import Ledger

#: Rows of one answer at most.
LISTED_MAX = 5_000


@dataclass(frozen=True, slots=True)
class OpenDelivery:
    """One delivery that is outstanding."""

    packet_id: str
    document_id: str
    sender: str  # "" where the packet id does not tell
    recipient: str
    sent_us: int


@dataclass(frozen=True, slots=True)
class Outstanding:
    """The open deliveries of one ledger: a key, the moment of sending and the recipient's number of each."""

    ledger: Ledger
    keys: Int64s
    sent_us: Int64s
    recipients: Int64s

    @classmethod
    def of(cls, ledger: Ledger) -> "Outstanding":
        """Take the columns of what is open now."""
        count = len(ledger.open)
        keys = np.fromiter(ledger.open.sent_us.keys(), np.int64, count)
        sent_us = np.fromiter(ledger.open.sent_us.values(), np.int64, count)
        recipients = keys & RECIPIENT_MASK
        for row in np.flatnonzero(keys < 0).tolist():  # hashed: the name is kept beside
            recipients[row] = ledger.codes.index(ledger.open.names[int(keys[row])][2])
        return cls(ledger, keys, sent_us, recipients)

    def by_recipient(self) -> dict[str, int]:
        """Return how many are open for each recipient."""
        return self._by_code(np.bincount(self.recipients)) if len(self.keys) else {}

    def oldest_by_recipient(self) -> dict[str, int]:
        """Return when the oldest open delivery of each recipient was sent."""
        if not len(self.keys):
            return {}
        oldest = np.full(int(self.recipients.max()) + 1, np.iinfo(np.int64).max)
        np.minimum.at(oldest, self.recipients, self.sent_us)
        return self._by_code(np.where(oldest == np.iinfo(np.int64).max, 0, oldest))

    def _by_code(self, values: Int64s) -> dict[str, int]:
        codes = self.ledger.codes.codes
        return {codes[row]: int(values[row]) for row in np.flatnonzero(values).tolist() if row < len(codes)}

    def pairs(self) -> Pairs:
        """Return how many are open by sender and recipient, as far as the packet ids tell the sender."""
        packed = self.keys >= 0
        pairs = Pairs()
        pairs.observe(self.keys[packed] >> SENDER_SHIFT, self.recipients[packed])
        return pairs

    def ages(self, now_us: int) -> Histogram:
        """Return how long they have been open; those sent after `now_us` by another clock are 0 old."""
        ages = Histogram()
        ages.observe(np.maximum(now_us - self.sent_us, 0))
        return ages

    def chosen(self, recipient: str = "", sender: str = "", before_us: int = 1 << 62) -> "Outstanding":
        """Return those of one recipient, of one sender, sent before an instant; of everybody's where none is named."""
        chosen = self.sent_us < before_us
        if recipient:
            chosen &= self.recipients == self._number(recipient)
        if sender:
            chosen &= (self.keys >= 0) & (self.keys >> SENDER_SHIFT == self._number(sender))
        return Outstanding(self.ledger, self.keys[chosen], self.sent_us[chosen], self.recipients[chosen])

    def oldest(self, limit: int) -> list[OpenDelivery]:
        """Return the oldest, beginning with the very oldest; no more than `limit`."""
        rows = np.arange(len(self.keys))
        if len(rows) > limit:
            rows = np.argpartition(self.sent_us, limit - 1)[:limit]
        rows = rows[np.argsort(self.sent_us[rows], kind="stable")]
        return list(self._rows(rows.tolist()))

    def _number(self, spelling: str) -> int:
        """Return an agency's number, -1 if it was never met: asking must not make it known."""
        codes: Sequence[str] = self.ledger.codes.codes
        return codes.index(spelling) if spelling in codes else -1

    def _rows(self, rows: Sequence[int]) -> Iterator[OpenDelivery]:
        codes = self.ledger.codes.codes
        for row in rows:
            key, sent_us = int(self.keys[row]), int(self.sent_us[row])
            if key < 0:
                packet_id, document_id, recipient = self.ledger.open.names[key]
                yield OpenDelivery(packet_id, document_id, "", recipient, sent_us)
            else:
                sender, year, ordinal, serial = read_packet(key)
                document_id = f"{codes[sender]}.{year:04d}.{ordinal:07d}"
                recipient = codes[int(self.recipients[row])]
                yield OpenDelivery(f"{document_id}.{serial}", document_id, codes[sender], recipient, sent_us)
