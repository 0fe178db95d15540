"""What became of every arrival: scheduled = acked + dropped + failed + unknown + in flight, per partition.

Published as ARRIVALS readings, so that the verdict can hold the sender's own account against what the topic has.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from monitor.reading import ARRIVALS, Reading


@dataclass(slots=True)
class PartitionArrivals:
    """Counts of one partition."""

    scheduled: int = 0
    acked: int = 0  # the broker confirmed it
    dropped: int = 0  # never sent: it was too late when there was room
    failed: int = 0  # the broker refused it
    unknown: int = 0  # no answer: it may or may not be in the topic

    @property
    def in_flight(self) -> int:
        """Sent and not answered yet."""
        return self.scheduled - self.acked - self.dropped - self.failed - self.unknown


@dataclass(slots=True)
class Arrivals:
    """All partitions of one fleet."""

    partitions: list[PartitionArrivals] = field(default_factory=list)

    @classmethod
    def of(cls, partitions: int) -> "Arrivals":
        """Return zeroed counts."""
        return cls([PartitionArrivals() for _ in range(partitions)])

    def total(self, name: str) -> int:
        """Return one count over all partitions."""
        return sum(getattr(partition, name) for partition in self.partitions)

    def to_readings(
        self, run: str, source: str, at_us: int, *, ended: bool, statuses_pending: int = 0
    ) -> Sequence[Reading]:
        """Return a reading a partition; what is counted only grows, so its sum is the offset that orders readings.

        `statuses_pending` are business statuses still to be stated. `ended`: no further arrival will be scheduled and
        every answer that was due has come.
        """
        return [
            Reading(
                version=1,
                run=run,
                topic=ARRIVALS,
                partition=number,
                offset=sum(getattr(counts, name) for name in _NAMES) + ended,
                at_us=at_us,
                source=source,
                counts={name: getattr(counts, name) for name in (*_NAMES, "in_flight")}
                | {"ended": int(ended), "statuses_pending": 0 if number else statuses_pending},
            )
            for number, counts in enumerate(self.partitions)
        ]


_NAMES = ("scheduled", "acked", "dropped", "failed", "unknown")
