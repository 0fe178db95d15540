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
from monitor.catalogue import LAG_RECORDS, LAG_SECONDS, LAG_STATE, REBALANCES, TOPIC_PARTITIONS
from monitor.lag_state import SPAN_MIN_NS, WINDOW_NS, LagState, Moment, judge_lag, worst
from monitor.metric import Family

#: Moments remembered of one partition; when there are more, every second one is forgotten.
MOMENTS_MAX = 64

#: Moments of a window are at least so far apart, however often somebody looks.
MOMENT_GAP_NS = 1_000_000_000


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


class LagWindow:
    """The recent moments of one partition, which `monitor.lag_state` judges."""

    def __init__(self) -> None:
        self.moments: list[Moment] = []

    def observe(self, now_ns: int, position: int, end: int) -> None:
        """Note a moment; one too close to the last replaces it unless that began the window."""
        moments = self.moments
        if moments and position < moments[-1].position:
            moments.clear()  # another history
        if len(moments) > 1 and now_ns - moments[-2].at_ns < MOMENT_GAP_NS:
            moments.pop()
        moments.append(Moment(now_ns, position, max(position, end)))
        while now_ns - moments[0].at_ns > WINDOW_NS:
            del moments[0]


class LagMetrics:
    """Lag of one consumer group in this process, by topic: records summed; seconds and state the worst partition's."""

    def __init__(
        self,
        group: str,
        progress: Callable[[], Iterable[Progress]],
        clock: Clock,
        partitions: int = 1,
        rebalances: Callable[[], int] = lambda: 0,
    ) -> None:
        """`partitions` is how many each topic has; `rebalances` counts how often the group shared them out anew."""
        self._group = group
        self._progress = progress
        self._clock = clock
        self._topic_partitions = partitions
        self._rebalances = rebalances
        self._partitions: dict[tuple[str, int], PartitionLag] = {}
        self._windows: dict[tuple[str, int], LagWindow] = {}

    def families(self) -> Iterable[Family]:
        """Return the lags and state of each topic that the process reads now or has just stopped reading."""
        now_ns = self._clock.monotonic_ns()
        kept: dict[tuple[str, int], PartitionLag] = {}
        topics: dict[str, tuple[int, int]] = {}
        for topic, partition, position, end in self._progress():
            lag = kept[topic, partition] = self._partitions.get((topic, partition)) or PartitionLag()
            records, age_ns = lag.observe(now_ns, position, end)
            self._windows.setdefault((topic, partition), LagWindow()).observe(now_ns, position, end)
            known_records, known_ns = topics.get(topic, (0, 0))
            topics[topic] = (known_records + records, max(known_ns, age_ns))
        self._partitions = kept
        in_records, in_seconds = Family(LAG_RECORDS), Family(LAG_SECONDS)
        for topic, (records, age_ns) in sorted(topics.items()):
            in_records.add(records, self._group, topic)
            in_seconds.add(age_ns / 1e9, self._group, topic)
        partitions, rebalances = Family(TOPIC_PARTITIONS), Family(REBALANCES)
        partitions.add(self._topic_partitions, self._group)
        rebalances.add(self._rebalances(), self._group)
        return in_records, in_seconds, self._states(now_ns), partitions, rebalances

    def _states(self, now_ns: int) -> Family:
        """Judge every topic; one of which nothing is read here any more is "stopped" for a while, then forgotten."""
        states: dict[str, list[LagState]] = {}
        for (topic, partition), window in list(self._windows.items()):
            if (topic, partition) not in self._partitions:
                silent_ns = now_ns - window.moments[-1].at_ns
                others = any(read == topic for read, _ in self._partitions)  # handed over, and the rest goes on
                if others or silent_ns > SPAN_MIN_NS + WINDOW_NS:
                    del self._windows[topic, partition]
                    continue
            states.setdefault(topic, []).append(judge_lag(window.moments, now_ns))
        family = Family(LAG_STATE)
        for topic, found in sorted(states.items()):
            now = worst(found)
            for state in LagState:
                family.add(int(state is now), self._group, topic, state)
        return family
