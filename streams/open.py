"""Open deliveries of one ledger: since when each is outstanding, and how many are owed to whom.

Deliveries stay in the order in which their documents were read. What is owed is counted as it changes: a scrape must
not look at every open delivery, of which there are as many as the axis is behind.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import repeat
from operator import itemgetter

import numpy as np

from streams.keys import RECIPIENT_MASK, Codes, Int64s


class Open:
    """Outstanding deliveries by key; those whose key is a hash (negative) have their names kept beside."""

    def __init__(self, codes: Codes) -> None:
        self._codes = codes
        self.sent_us: dict[int, int] = {}
        self.names: dict[int, tuple[str, str, str]] = {}  # of hashed keys: packet, document, recipient
        self.owed = np.zeros(0, np.int64)  # by number of the recipient; beyond the last one: nothing

    def __len__(self) -> int:
        return len(self.sent_us)

    def __contains__(self, key: int) -> bool:
        return key in self.sent_us

    def put(self, key: int, sent_us: int, name: tuple[str, str, str]) -> None:
        """Open one delivery that is not open; its name is kept if the key does not tell it."""
        self.sent_us[key] = sent_us
        if key < 0:
            self.names[key] = name
        self._owe(np.array([self._recipient(key)], np.int64), 1)

    def put_all(self, keys: Int64s, sent_us: Int64s) -> None:
        """Open distinct deliveries that are not open, with keys that tell their names."""
        self.sent_us.update(zip(keys.tolist(), sent_us.tolist(), strict=True))
        self._owe(keys & RECIPIENT_MASK, 1)

    def take(self, key: int) -> None:
        """Close one delivery that is open."""
        self._owe(np.array([self._recipient(key)], np.int64), -1)
        del self.sent_us[key]
        self.names.pop(key, None)

    def take_all(self, keys: Int64s) -> list[int]:
        """Close every delivery that is open; return the positions of the keys that were not, or no longer."""
        found = list(map(self.sent_us.pop, keys.tolist(), repeat(None)))
        missed = [i for i, sent_us in enumerate(found) if sent_us is None] if None in found else []
        taken = np.delete(keys, missed) if missed else keys
        if not self.names:
            self._owe(taken & RECIPIENT_MASK, -1)
            return missed
        hashed = taken[taken < 0].tolist()
        self._owe(taken[taken >= 0] & RECIPIENT_MASK, -1)
        self._owe(np.array([self._recipient(key) for key in hashed], np.int64), -1)
        for key in hashed:
            del self.names[key]
        return missed

    def restore(self, keys: Sequence[int], sent_us: Sequence[int], names: dict[int, tuple[str, str, str]]) -> None:
        """Take over what was stored."""
        self.sent_us, self.names = dict(zip(keys, sent_us, strict=True)), names
        self.owed = np.zeros(0, np.int64)
        self._owe(np.array([self._recipient(key) for key in keys], np.int64), 1)

    def owed_of(self, keys: Int64s) -> Int64s:
        """Return how many of these open deliveries are owed to whom, by number of the recipient."""
        hashed = Counter(map(itemgetter(2), map(self.names.__getitem__, keys[keys < 0].tolist())))
        # Few agencies, many deliveries: each is looked up once. Those beyond the last number share one.
        numbers = np.fromiter(map(self._codes.index, hashed), np.int64, len(hashed))
        owed = np.bincount(keys[keys >= 0] & RECIPIENT_MASK, minlength=int(numbers.max(initial=-1)) + 1)
        np.add.at(owed, numbers, np.fromiter(hashed.values(), np.int64, len(hashed)))
        return owed

    def _recipient(self, key: int) -> int:
        return key & RECIPIENT_MASK if key >= 0 else self._codes.index(self.names[key][2])

    def _owe(self, recipients: Int64s, change: int) -> None:
        """Change by so much, for each of these, what its recipient is owed."""
        counts = np.bincount(recipients)
        if len(counts) > len(self.owed):
            self.owed = np.concatenate((self.owed, np.zeros(len(counts) - len(self.owed), np.int64)))
        self.owed[: len(counts)] += change * counts
