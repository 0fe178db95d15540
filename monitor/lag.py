"""Consumer lag, in records and in seconds, from what a consumer knows anyway: its positions and the ends it was told.

The time lag is the age of the oldest unread record. Without asking the broker it follows from the growth of the end:
the record at `position` was written between the last moment at which the end was not beyond it and the next one, and
between the two the end is taken to have grown evenly. So it is exact to the time between two scrapes, for a stall of
any length, and needs no timestamp of any record.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from docaxis.domain.clock import Clock
from monitor.catalogue import LAG_RECORDS, LAG_SECONDS
from monitor.metric import Family

#: Moments remembered of one partition; when there are more, every second one is forgotten.
MOMENTS_MAX = 64


class Progress(NamedTuple):
    """How far a consumer is in one partition."""

    topic: str  # without the prefix
    partition: int
    position: int  # the next offset to be read
    end: int  # the next offset to be written, as far as known


@dataclass(slots=True)
class PartitionLag:
    """What is known about the growth of one partition's end."""

    moments: list[tuple[int, int]] = field(default_factory=list)  # (monotonic ns, end), oldest first
    position: int = 0

    def observe(self, now_ns: int, position: int, end: int) -> tuple[int, int]:
        """Note position and end; return (lag in records, age in ns of the oldest unread record)."""
        moments, end = self.moments, max(end, position)  # the end may be older news than the position
        if position < self.position or (moments and end < moments[-1][1]):
            moments.clear()  # another history: the topic was made anew, or the group went back
        self.position = position
        moments.append((now_ns, end))
        # Of the moments at which the record at `position` was not written yet, only the last is still of use.
        passed = sum(known <= position for _, known in moments)
        del moments[: max(0, passed - 1)]
        if len(moments) > MOMENTS_MAX:
            del moments[1:-1:2]
        if end <= position:
            return 0, 0
        return end - position, now_ns - self._written_ns()

    def _written_ns(self) -> int:
        """Return when the record at `position` was written; the latest possible moment if that was before we looked."""
        (before_ns, before), *later = self.moments
        if before > self.position or not later:  # it was there when we began to look
            return before_ns
        after_ns, after = later[0]
        return before_ns + (after_ns - before_ns) * (self.position - before) // max(1, after - before)


class LagMetrics:
    """Lag of one consumer group in this process, by topic: records summed, seconds the worst of the partitions."""

    def __init__(self, group: str, progress: Callable[[], Iterable[Progress]], clock: Clock) -> None:
        self._group = group
        self._progress = progress
        self._clock = clock
        self._partitions: dict[tuple[str, int], PartitionLag] = {}

    def families(self) -> Iterable[Family]:
        """Return both lags of each topic that the process reads now."""
        now_ns = self._clock.monotonic_ns()
        kept: dict[tuple[str, int], PartitionLag] = {}
        topics: dict[str, tuple[int, int]] = {}
        for topic, partition, position, end in self._progress():
            lag = kept[topic, partition] = self._partitions.get((topic, partition)) or PartitionLag()
            records, age_ns = lag.observe(now_ns, position, end)
            known_records, known_ns = topics.get(topic, (0, 0))
            topics[topic] = (known_records + records, max(known_ns, age_ns))
        self._partitions = kept
        in_records, in_seconds = Family(LAG_RECORDS), Family(LAG_SECONDS)
        for topic, (records, age_ns) in sorted(topics.items()):
            in_records.add(records, self._group, topic)
            in_seconds.add(age_ns / 1e9, self._group, topic)
        return in_records, in_seconds
