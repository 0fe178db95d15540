"""The verdict: was every delivery accounted for, exactly once? Pure: readings in, judgement out."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Protocol

from monitor.histogram import Histogram
from monitor.reading import ARRIVALS, LEDGER, Readings

#: Stages in the order in which they add up, then the views beside them.
STAGES = ("delivery", "send_delay", "routing", "pickup", "delivery_uncorrected", "acceptance")

EPOCH = date(1970, 1, 1).toordinal()


class PlannedMilestone(Protocol):
    """A date with what was published for it; None where nothing was."""

    @property
    def date(self) -> date: ...
    @property
    def sent(self) -> int: ...
    @property
    def received(self) -> int: ...
    @property
    def sent_published(self) -> int | None: ...
    @property
    def received_published(self) -> int | None: ...
    @property
    def total_published(self) -> int | None: ...


@dataclass(frozen=True, slots=True)
class LedgerTotals:
    """The audit of a whole run. expected = delivered_once + duplicated + lost + refused + outstanding, always."""

    documents: int = 0
    deliveries_expected: int = 0
    delivered_once: int = 0
    late: int = 0
    duplicated: int = 0
    misrouted: int = 0
    lost: int = 0
    refused: int = 0
    outstanding: int = 0
    failed: int = 0
    receipts_repeated: int = 0
    contradictions: int = 0

    @property
    def adds_up(self) -> bool:
        """Whether the parts make the whole."""
        parts = self.delivered_once + self.duplicated + self.lost + self.refused + self.outstanding
        return parts == self.deliveries_expected


@dataclass(frozen=True, slots=True)
class CountedMilestone:
    """Cumulative totals up to a date: published (where they were) beside counted from the topics by send date."""

    date: date
    sent_published: int | None
    received_published: int | None
    total_published: int | None
    sent: int
    received: int

    @property
    def agrees(self) -> bool:
        """Whether every published figure was counted exactly."""
        pairs = (
            (self.sent_published, self.sent),
            (self.received_published, self.received),
            (self.total_published, self.sent + self.received),
        )
        return all(published is None or published == counted for published, counted in pairs)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judgement with its reasons; no reason, no fault."""

    ledger: LedgerTotals
    arrivals: Mapping[str, int]
    milestones: tuple[CountedMilestone, ...]
    faults: tuple[str, ...] = field(default=())

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults


def ledger_totals(readings: Readings, run: str, *, drained: bool) -> LedgerTotals:
    """Sum the ledgers of all partitions. When all is drained, what is still outstanding is lost."""
    counts = readings.counts(run, LEDGER)
    names = ("documents", "deliveries_expected", "delivered_once", "late", "duplicated", "misrouted", "refused")
    others = ("failed", "receipts_repeated", "contradictions")
    outstanding = counts.get("outstanding", 0)
    return LedgerTotals(
        lost=outstanding if drained else 0,
        outstanding=0 if drained else outstanding,
        **{name: counts.get(name, 0) for name in (*names, *others)},
    )


def count_milestones(readings: Readings, run: str, planned: Iterable[PlannedMilestone]) -> tuple[CountedMilestone, ...]:
    """Count what the topics hold up to each milestone, by the calendar day of sending."""
    sent, received = readings.days(run, "sent", "documents"), readings.days(run, "status", "receipts")
    return tuple(
        CountedMilestone(
            one.date,
            one.sent_published,
            one.received_published,
            one.total_published,
            _up_to(sent, one.date),
            _up_to(received, one.date),
        )
        for one in planned
    )


def counted_within(readings: Readings, run: str, dates: Iterable[date]) -> tuple[CountedMilestone, ...]:
    """Count a run of which nothing was published, such as a replay, up to those dates that lie within its calendar.

    The figures are to be held against those of the run that was recorded.
    """
    sent, received = readings.days(run, "sent", "documents"), readings.days(run, "status", "receipts")
    return tuple(
        CountedMilestone(one, None, None, None, _up_to(sent, one), _up_to(received, one))
        for one in dates
        if sent and min(sent) <= one.toordinal() - EPOCH <= max(sent)
    )


def _up_to(by_day: Mapping[int, int], last: date) -> int:
    return sum(count for day, count in by_day.items() if day <= last.toordinal() - EPOCH)


def judge(
    readings: Readings,
    run: str,
    planned: Iterable[PlannedMilestone] = (),
    *,
    drained: bool,
    refused_allowed: bool = False,
) -> Verdict:
    """Judge a run: all arrivals in the topic, all deliveries exactly once, all milestones as published."""
    ledger = ledger_totals(readings, run, drained=drained)
    arrivals = readings.counts(run, ARRIVALS)
    milestones = count_milestones(readings, run, planned)
    faults = [
        *_arrival_faults(arrivals, ledger),
        *_ledger_faults(ledger, drained=drained, refused_allowed=refused_allowed),
        *(f"milestone {one.date:%d/%m/%Y} counted differently from published" for one in milestones if not one.agrees),
    ]
    return Verdict(ledger, arrivals, milestones, tuple(faults))


def _arrival_faults(arrivals: Mapping[str, int], ledger: LedgerTotals) -> Iterable[str]:
    """Hold the senders' own account against what the topic has."""
    for name in ("dropped", "failed", "unknown"):
        if arrivals.get(name, 0):
            yield f"{arrivals[name]:,} arrivals {name}"
    acked, unknown = arrivals.get("acked", 0), arrivals.get("unknown", 0)
    if not acked <= ledger.documents <= acked + unknown:
        yield f"{acked:,} documents acknowledged to the senders, {ledger.documents:,} in the topic"


def _ledger_faults(ledger: LedgerTotals, *, drained: bool, refused_allowed: bool) -> Iterable[str]:
    if not ledger.adds_up:
        yield "the ledger does not add up"
    if not drained:
        yield f"not drained: {ledger.outstanding:,} deliveries outstanding"
    for name in ("duplicated", "misrouted", "lost", "contradictions"):
        if count := getattr(ledger, name):
            yield f"{count:,} {name}"
    if ledger.refused and not refused_allowed:
        yield f"{ledger.refused:,} refused"


def stage_histograms(readings: Readings, run: str) -> dict[str, Histogram]:
    """Return the merged histogram of every stage."""
    return {stage: readings.stage(run, "status", stage) for stage in STAGES}
