"""The agencies as rows and as a square of counts, in the order of the registry. Pure.

Codes that the registry does not know get a row of their own, up to a bound; what is beyond shares the last one. So a
stranger is seen as a stranger, and a flood of invented codes costs nothing.
"""

from collections.abc import Mapping

from monitor.pairs import PAIRED_MAX
from monitor.reading import LEDGER, Readings

#: Rows for codes that are not in the registry; one more holds all others.
UNKNOWN_MAX = 20

#: What a row holds.
COLUMNS = ("sent", "received", "waiting", "inbox", "p99_us", "oldest_us", "seen_us", "refused")


class AgencyRows:
    """Numbers codes: the registry's by position, then strangers as they come, then one row for all others."""

    def __init__(self, positions: Mapping[str, int]) -> None:
        self._positions = positions
        self._strangers: dict[str, int] = {}
        self.strangers_beyond = 0

    @property
    def strangers(self) -> list[str]:
        """The codes that are not in the registry and have a row."""
        return list(self._strangers)

    def index_of(self, code: str) -> int:
        """Return the row of a code."""
        known = self._positions.get(code)
        if known is None:
            known = self._strangers.get(code)
        if known is not None:
            return known
        if len(self._strangers) == UNKNOWN_MAX:
            self.strangers_beyond += 1
            return len(self._positions) + UNKNOWN_MAX
        self._strangers[code] = len(self._positions) + len(self._strangers)
        return self._strangers[code]

    def rows(self, readings: Readings, run: str, slowest_us: Mapping[int, int]) -> dict[int, list[int]]:
        """Return the row of each agency that has any figure; `slowest_us` is the p99 latency by row."""
        rows: dict[int, list[int]] = {}
        sums = (
            (0, readings.agencies(run, "sent", "documents"), 1),
            (1, readings.agencies(run, "status", "receipts"), 1),
            (2, readings.agencies(run, LEDGER, "outstanding"), 1),
            (3, readings.agencies(run, "delivered", "deliveries"), 1),
            (3, readings.agencies(run, "status", "receipts"), -1),
            (7, readings.agencies(run, "refused", "refusals"), 1),
        )
        for column, by_code, sign in sums:
            for code, count in by_code.items():
                rows.setdefault(self.index_of(code), [0] * len(COLUMNS))[column] += sign * count
        for topic, name in (("sent", "sent_us"), ("status", "received_us")):
            for code, instant in readings.newest(run, topic, name).items():
                row = rows.setdefault(self.index_of(code), [0] * len(COLUMNS))
                row[6] = max(row[6], instant)
        for code, instant in readings.oldest(run, LEDGER, "outstanding_sent_us").items():
            row = rows.setdefault(self.index_of(code), [0] * len(COLUMNS))
            row[5] = min(row[5] or instant, instant)
        for index, row in rows.items():
            row[3] = min(max(row[3], 0), row[2])
            row[4] = slowest_us.get(index, 0)
        return rows

    def slowest_us(self, readings: Readings, run: str) -> dict[int, int]:
        """Return the p99 delivery latency of each recipient over the whole run."""
        return {
            self.index_of(code): histogram.quantile_us(0.99)
            for code, histogram in readings.latencies(run, "status", "recipient").items()
        }

    def square(self, readings: Readings, run: str) -> dict[str, list[list[int]]]:
        """Return [sender, recipient, received] and [sender, recipient, waiting] of all pairs with a count."""
        numbered = {"received": ("status", "receipts"), "waiting": (LEDGER, "outstanding")}
        squares = {}
        for name, (topic, counted) in numbered.items():
            counts = readings.pairs(run, topic, counted, self._paired).counts
            senders, recipients = counts.nonzero()
            values = counts[senders, recipients]
            squares[name] = [senders.tolist(), recipients.tolist(), values.tolist()]
        return squares

    def _paired(self, code: str) -> int:
        """Return the row in the square: the registry's agencies as far as they fit, everybody else in the last."""
        return min(self._positions.get(code, PAIRED_MAX - 1), PAIRED_MAX - 1)
