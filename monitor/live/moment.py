"""One run at one moment, as sums of the readings; and what two moments say about the time between them. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from monitor.histogram import Histogram
from monitor.reading import ARRIVALS, LEDGER, Readings
from monitor.verdict import STAGES


@dataclass(frozen=True, slots=True)
class Moment:
    """Cumulative totals of one run, and what is open now."""

    at_us: int
    counts: Mapping[str, Mapping[str, int]]  # topic -> counts
    stages: Mapping[str, Histogram] = field(default_factory=dict)
    open_late: int = 0  # open for longer than the bound
    oldest_open_us: int = 0  # when the oldest open delivery was sent; 0 if none is open

    @classmethod
    def of(cls, readings: Readings, run: str, at_us: int, late_after_us: int) -> "Moment":
        """Take a run's moment from the readings."""
        topics = ("sent", "delivered", "status", "refused", LEDGER, ARRIVALS)
        return cls(
            at_us,
            {topic: readings.counts(run, topic) for topic in topics},
            {stage: readings.stage(run, "status", stage) for stage in STAGES},
            open_late(readings, run, at_us, late_after_us),
            min(readings.oldest(run, LEDGER, "outstanding_sent_us").values(), default=0),
        )

    def count(self, topic: str, name: str) -> int:
        """Return one count, 0 where nothing was counted."""
        return self.counts.get(topic, {}).get(name, 0)

    @property
    def waiting(self) -> int:
        """Deliveries that are open in the ledger."""
        return self.count(LEDGER, "outstanding")

    @property
    def at_hub(self) -> int:
        """Of those, how many the hub has not made available: asked for, and neither delivered nor refused.

        A packet refused as a whole counts all its deliveries in the ledger, so that is where refusals are taken from.
        """
        asked, refused = self.count(LEDGER, "deliveries_expected"), self.count(LEDGER, "refused")
        return min(max(asked - refused - self.count("delivered", "deliveries"), 0), self.waiting)

    @property
    def in_inboxes(self) -> int:
        """Of those, how many are delivered and not answered."""
        return self.waiting - self.at_hub


def open_late(readings: Readings, run: str, now_us: int, late_after_us: int) -> int:
    """Return how many open deliveries wait for longer than the bound.

    Ages were taken with each reading; they have grown since, which matters most when nothing moves any more.
    """
    late = 0
    for reading in readings.of(run, LEDGER):
        if sparse := reading.stages.get("open_age"):
            ages = Histogram.from_sparse(sparse)
            late += ages.count - ages.count_at_most(max(late_after_us - max(now_us - reading.at_us, 0), -1))
    return late


def per_second(now: Moment, before: Moment, topic: str, name: str) -> float:
    """Return how fast a count grows."""
    seconds = (now.at_us - before.at_us) / 1e6
    return max(now.count(topic, name) - before.count(topic, name), 0) / seconds if seconds > 0 else 0.0


def between(now: Moment, before: Moment, stage: str) -> Histogram:
    """Return the latencies of a stage that were counted between two moments. Their maximum is not known: 0 if none."""
    newer, older = now.stages[stage], before.stages.get(stage)
    if older is None:
        return newer
    return Histogram(newer.counts - older.counts, newer.negative - older.negative, max_us=newer.max_us)
