"""Who sends to whom: counts by (sender, recipient), as one square of integers.

A square is small (95 agencies: 9,025 numbers) and bounded: agencies from number PAIRED_MAX - 1 on share its last row
and column. It travels in readings only, never as labels of a metric.
"""

import zlib

import numpy as np
import numpy.typing as npt

Int64s = npt.NDArray[np.int64]

#: Rows and columns at most; the last ones are everybody beyond.
PAIRED_MAX = 128

#: Most squares hold small numbers, so even the fastest level shrinks them tenfold.
_LEVEL = 1


class Pairs:
    """A square that grows with the agencies it meets: row is the sender, column the recipient."""

    def __init__(self, counts: Int64s | None = None) -> None:
        self.counts: Int64s = np.zeros((0, 0), np.int64) if counts is None else counts

    def observe(self, senders: Int64s, recipients: Int64s) -> None:
        """Add one to each (sender, recipient), both numbered."""
        if not len(senders):
            return
        rows, columns = np.minimum(senders, PAIRED_MAX - 1), np.minimum(recipients, PAIRED_MAX - 1)
        side = self._grow(max(int(rows.max()), int(columns.max())) + 1)
        self.counts += np.bincount(rows * side + columns, minlength=side * side).reshape(side, side)

    def add(self, other: "Pairs", numbers: Int64s) -> None:
        """Add another square whose agency i is agency `numbers[i]` here."""
        if not len(other.counts):
            return
        places = np.minimum(numbers, PAIRED_MAX - 1)
        self._grow(int(places.max()) + 1)
        np.add.at(self.counts, np.ix_(places, places), other.counts)

    def _grow(self, side: int) -> int:
        missing = side - len(self.counts)
        if missing > 0:
            self.counts = np.pad(self.counts, (0, missing))
        return len(self.counts)

    def to_bytes(self) -> bytes:
        """Return the square packed."""
        return zlib.compress(self.counts.astype("<i8").tobytes(), _LEVEL)

    @classmethod
    def from_bytes(cls, packed: bytes) -> "Pairs":
        """Rebuild what `to_bytes` gave.

        Raises:
            ValueError: the bytes are no square of at most PAIRED_MAX rows.
        """
        size_max = PAIRED_MAX * PAIRED_MAX * 8
        try:
            raw = zlib.decompressobj().decompress(packed, size_max + 1)
        except zlib.error as error:
            raise ValueError(f"not packed pairs: {error}") from error
        side = int((len(raw) // 8) ** 0.5)
        if len(raw) > size_max or side * side * 8 != len(raw):
            raise ValueError(f"{len(raw)} bytes are no square of at most {PAIRED_MAX} rows")
        return cls(np.frombuffer(raw, "<i8").astype(np.int64).reshape(side, side))


def paired_names(codes: list[str], side: int) -> list[str]:
    """Return the agency of each row; "" is everybody beyond PAIRED_MAX."""
    names = list(codes[:side])
    if side == PAIRED_MAX < len(codes):
        names[-1] = ""
    return names
