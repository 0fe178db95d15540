"""What became of a canary's documents. Pure: what was sent and seen goes in, counts and latencies come out.

A document that is late stays in the histogram: one given up as lost that arrives after all is observed with its whole
latency and is lost no longer.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from monitor.histogram import Histogram

#: Documents waited for; beyond it the oldest is forgotten and counted. At one in ten seconds that is a day.
WAITING_MAX = 10_000


class CanaryStage(StrEnum):
    """Where a document is seen on its way."""

    INBOX = "inbox"  # committed, readable by its recipient
    RECEIPT = "receipt"  # its recipient received it


@dataclass(slots=True)
class CanaryStats:
    """Totals of one canary; read by the metrics collector."""

    documents: int = 0
    received: int = 0
    forgotten: int = 0
    errors: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    refused: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    latency: dict[CanaryStage, Histogram] = field(default_factory=lambda: {stage: Histogram() for stage in CanaryStage})


class CanaryWatch:
    """The documents on their way, by packet."""

    def __init__(self, stats: CanaryStats, until: CanaryStage, lost_after_us: int, waiting_max: int = WAITING_MAX):
        """A document is received at the stage `until`, and overdue when it has not been `lost_after_us` later."""
        self.stats = stats
        self._until = until
        self._lost_after_us = lost_after_us
        self._waiting_max = waiting_max
        self._waiting: dict[str, int] = {}  # packet -> intended_us, oldest first
        self._seen: set[str] = set()  # of these, what has been in its inbox

    def sent(self, packet_id: str, intended_us: int) -> None:
        """Wait for a document."""
        self.stats.documents += 1
        self._waiting[packet_id] = intended_us
        while len(self._waiting) > self._waiting_max:
            self._end(next(iter(self._waiting)))
            self.stats.forgotten += 1

    def failed(self, packet_id: str, error: str) -> None:
        """Wait no longer for a document that the broker did not take."""
        self.stats.errors[error] += 1
        self._end(packet_id)

    def refused(self, packet_id: str, code: int) -> None:
        """Wait no longer for a document that the hub refused."""
        if self._end(packet_id):
            self.stats.refused[code] += 1

    def reached(self, packet_id: str, stage: CanaryStage, at_us: int) -> None:
        """Note that a document was seen at a stage; only the first time counts, and only of those waited for."""
        intended_us = self._waiting.get(packet_id)
        if intended_us is None or (stage is CanaryStage.INBOX and packet_id in self._seen):
            return
        self.stats.latency[stage].observe_one(at_us - intended_us)
        self._seen.add(packet_id)
        if stage is self._until:
            self.stats.received += 1
            self._end(packet_id)

    def _end(self, packet_id: str) -> bool:
        self._seen.discard(packet_id)
        return self._waiting.pop(packet_id, None) is not None

    @property
    def outstanding(self) -> int:
        """Documents on their way."""
        return len(self._waiting)

    def overdue(self, now_us: int) -> int:
        """Return how many are on their way for too long."""
        return sum(now_us - intended_us > self._lost_after_us for intended_us in self._waiting.values())

    def oldest_us(self, now_us: int) -> int:
        """Return the age of the oldest on its way, 0 if none is."""
        return max((now_us - intended_us for intended_us in self._first()), default=0)

    def _first(self) -> Iterator[int]:
        yield from list(self._waiting.values())[:1]
