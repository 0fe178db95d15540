"""Closed deliveries: key and place of each, in sorted arrays, 16 bytes a delivery.

The place (partition and offset of the delivered record) tells a receipt that is repeated from a second delivery. New
entries gather as the columns they come in and are sealed into a segment at each snapshot; segments merge
geometrically, so there are few, a lookup is a handful of binary searches, and each entry is written again only a
logarithmic number of times. Nobody looks for most entries before they are sealed: only a lookup makes a dict of them.
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Int64s = npt.NDArray[np.int64]

#: Neighbouring segments merge when the older is less than this many times the newer.
GROWTH = 4

#: No merged segment exceeds this part of the horizon: whole segments are forgotten, and most must be remembered; and a
#: merge holds its segments three times over for a moment, which should not show in a worker's memory.
HORIZON_PARTS = 64


@dataclass(frozen=True, slots=True)
class Segment:
    """Sorted keys and their places; immutable, so it is stored once, under its number."""

    number: int
    keys: Int64s
    places: Int64s

    def find(self, key: int) -> int | None:
        """Return the place of `key`, or None."""
        index = int(self.keys.searchsorted(key))
        return int(self.places[index]) if index < len(self.keys) and self.keys[index] == key else None


@dataclass(slots=True)
class Closed:
    """All closed deliveries of one run in one partition."""

    _fresh: list[tuple[Int64s, Int64s]] = field(default_factory=list)  # keys and places, newer than all others
    _recent: dict[int, int] = field(default_factory=dict)  # key: place, not sealed yet
    segments: list[Segment] = field(default_factory=list)  # older first
    next_number: int = 0
    forgotten: int = 0  # entries dropped beyond the horizon

    def __len__(self) -> int:
        unsealed = len(self._recent) + sum(len(keys) for keys, _ in self._fresh)
        return unsealed + sum(len(segment.keys) for segment in self.segments)

    def add(self, keys: Int64s, places: Int64s) -> None:
        """Close deliveries that were not closed before: distinct keys, and the place of each."""
        if len(keys):
            self._fresh.append((keys, places))

    def put(self, key: int, place: int) -> None:
        """Close one delivery, or give it another place."""
        self._unsealed()[key] = place

    def _unsealed(self) -> dict[int, int]:
        """Return what is not sealed yet, by key."""
        for keys, places in self._fresh:
            self._recent.update(zip(keys.tolist(), places.tolist(), strict=True))
        self._fresh.clear()
        return self._recent

    def find(self, key: int) -> int | None:
        """Return the place at which `key` was delivered, or None if it is not closed."""
        place = self._unsealed().get(key)
        if place is not None:
            return place
        for segment in reversed(self.segments):
            if (place := segment.find(key)) is not None:
                return place
        return None

    def between(self, first: int, end: int) -> list[tuple[int, int]]:
        """Return (key, place) of every remembered delivery with first <= key < end: those of one document."""
        found = {key: place for key, place in self._unsealed().items() if first <= key < end}
        for segment in reversed(self.segments):
            low, high = (int(edge) for edge in segment.keys.searchsorted([first, end]))
            for key, place in zip(segment.keys[low:high].tolist(), segment.places[low:high].tolist(), strict=True):
                found.setdefault(key, place)
        return sorted(found.items())

    def seal(self, horizon: int) -> None:
        """Turn the recent entries into a segment, merge where due, and forget the oldest beyond `horizon` entries."""
        if self._recent or self._fresh:
            count = len(self._recent)
            recent = (
                np.fromiter(self._recent.keys(), np.int64, count),
                np.fromiter(self._recent.values(), np.int64, count),
            )
            columns = [recent, *self._fresh]
            self._recent, self._fresh = {}, []
            self._append(
                np.concatenate([keys for keys, _ in columns]), np.concatenate([places for _, places in columns])
            )
        while self._merge_is_due(horizon // HORIZON_PARTS):
            newer, older = self.segments.pop(), self.segments.pop()
            # The newer entry of a key comes first, so it is the one that is found.
            self._append(np.concatenate((newer.keys, older.keys)), np.concatenate((newer.places, older.places)))
        while len(self.segments) > 1 and len(self) > horizon:
            self.forgotten += len(self.segments.pop(0).keys)

    def _merge_is_due(self, length_max: int) -> bool:
        if len(self.segments) < 2:
            return False
        older, newer = len(self.segments[-2].keys), len(self.segments[-1].keys)
        return older < GROWTH * newer and older + newer <= length_max

    def _append(self, keys: Int64s, places: Int64s) -> None:
        order = np.argsort(keys, kind="stable")
        self.segments.append(Segment(self.next_number, keys[order], places[order]))
        self.next_number += 1
