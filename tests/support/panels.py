"""What every query of every dashboard has to come to after a run, from what the ledger knows of that run.

Each panel has an entry, each of its queries an expectation; `tests/unit/test_dashboards.py` holds the list complete.
Where a value is known, it is given (exactly, or within what Prometheus's extrapolation and a missed scrape may cost); a
quantile must lie in the bucket that the exact histogram puts it in. What no reading knows, such as the memory of a
process, must keep a law, while traffic flows.
"""

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from monitor.catalogue import BROKER_BOUNDS, DELIVERY_BOUNDS, LATENESS_BOUNDS, STAGE_BOUNDS
from monitor.histogram import Histogram, merged
from monitor.metrics import SERIES_MAX
from monitor.reading import ARRIVALS, LEDGER, Readings

HOUR_S = 3600.0
#: Of a process; far above any that works.
CORES_MAX, MEMORY_MAX_BYTES = 64.0, 1e11
#: Documents of one pass of the hub.
PASS_MAX = 2000.0


class Known(NamedTuple):
    """The sum of a query's series, times `scale`, once everything is settled."""

    low: float
    high: float
    scale: float = 1
    variables: tuple[tuple[str, str], ...] = ()


class Law(NamedTuple):
    """What holds for each series while traffic flows."""

    low: float
    high: float
    whole: bool = False


Expected = Known | Law
ANY_TIME = Law(0, 1e6)
YES_OR_NO, YES = Law(0, 1, whole=True), Law(1, 1)


#: A registered agency that writes to one whom nobody knows, in a run of its own: each delivery is refused with 18.
WRONG_RUN, WRONG_SENDER, NOBODY = "wrong", "G22", "Y99"


@dataclass(frozen=True)
class Facts:
    """Settled runs, as the readings tell them: one whose deliveries all came, and the one of what was refused."""

    readings: Readings
    run: str
    partitions: int

    @property
    def busiest(self) -> str:
        """The agency that both sends and receives most."""
        sent, received = self.sent, self.received
        return max(sent, key=lambda code: min(sent[code], received.get(code, 0)))

    @property
    def sent(self) -> Mapping[str, int]:
        """Documents by sender."""
        right, wrong = (self.readings.agencies(run, "sent", "documents") for run in (self.run, WRONG_RUN))
        return {code: right.get(code, 0) + wrong.get(code, 0) for code in {**right, **wrong}}

    @property
    def received(self) -> Mapping[str, int]:
        """Receipts by recipient."""
        return self.readings.agencies(self.run, "status", "receipts")

    @property
    def refused(self) -> int:
        """Deliveries refused, each its document's only one."""
        return self.readings.counts(WRONG_RUN, "refused").get("refusals", 0)

    def count(self, topic: str, name: str) -> int:
        """Return one count of both runs."""
        return sum(self.readings.counts(run, topic).get(name, 0) for run in (self.run, WRONG_RUN))

    def stage(self, name: str) -> Histogram:
        """Return the latencies of a stage."""
        return self.readings.stage(self.run, "status", name)

    def of(self, breakdown: str, chosen: Callable[[str], bool]) -> Histogram:
        """Return the delivery latencies of the chosen rows of a breakdown."""
        rows = self.readings.latencies(self.run, "status", breakdown)
        return merged(histogram for row, histogram in rows.items() if chosen(row))


def exactly(value: float, agency: str = ".*") -> Known:
    """Return a value that must be told as it is."""
    return Known(value, value, 1, (("agency", agency),))


def about(total: float, scale: float = HOUR_S, agency: str = ".*", before: str = "1h") -> Known:
    """Return a total that a rate over an hour, in which everything happened, comes to when `scale` is an hour.

    Prometheus extrapolates to the edges of what it saw, and a busy machine misses scrapes.
    """
    slack = max(3, 0.07 * total)
    variables = (("agency", agency), ("__rate_interval", "1h"), ("before", before))
    return Known(total - slack, total + slack, scale, variables)


def quantile(
    histogram: Histogram, bounds_us: Sequence[int], share: float, agency: str = ".*", before: str = "1h"
) -> Known:
    """Return the exported buckets that a quantile lies in."""
    low, high = _bucket(histogram, bounds_us, share - 0.02)[0], _bucket(histogram, bounds_us, min(1, share + 0.009))[1]
    return Known(low, high, 1, (("agency", agency), ("__rate_interval", "1h"), ("before", before)))


def _bucket(histogram: Histogram, bounds_us: Sequence[int], share: float) -> tuple[float, float]:
    """Return the bounds in seconds of the bucket that a quantile lies in; beyond the last, that one is told."""
    bounds = (0, *bounds_us)
    number = min(bisect_left(bounds_us, histogram.quantile_us(share)), len(bounds_us) - 1)
    return bounds[number] / 1e6, bounds[number + 1] / 1e6


def expectations(facts: Facts) -> dict[str, tuple[Expected, ...]]:
    """Return what each query of each panel comes to, by the panel's English title."""
    return axis(facts) | agency(facts) | hub(facts) | load_test(facts) | onboarding(facts) | pipeline(facts)


def axis(facts: Facts) -> dict[str, tuple[Expected, ...]]:
    """The dashboard Axis."""
    documents, deliveries = facts.count("sent", "documents"), facts.count("status", "receipts")
    delivery = facts.stage("delivery")
    urgent = facts.of("priority", lambda priority: priority in ("1", "2", "3", "4"))
    return {
        "How many documents are in the ledger?": (exactly(documents),),
        "How many deliveries came exactly once?": (exactly(deliveries),),
        "How many are on their way?": (exactly(0),),
        "Is anything lost?": (exactly(0),),
        "Is anything doubled?": (exactly(0),),
        "Is traffic expected?": (YES_OR_NO,),
        "At what rate are documents sent, delivered, received?": (
            about(documents),
            about(deliveries + facts.refused),
            about(deliveries),
            about(deliveries),
        ),
        "How long do deliveries take?": (
            quantile(delivery, DELIVERY_BOUNDS, 0.5),
            quantile(delivery, DELIVERY_BOUNDS, 0.99),
            quantile(urgent, DELIVERY_BOUNDS, 0.99),
        ),
        "Where does the time go?": (
            quantile(facts.stage("send_delay"), STAGE_BOUNDS, 0.99),
            quantile(facts.stage("routing"), STAGE_BOUNDS, 0.99),
            quantile(facts.stage("pickup"), DELIVERY_BOUNDS, 0.99),
        ),
        "How many wait, and for how long?": (exactly(0),),
        "How old is the oldest?": (exactly(0),),
        "Who is affected?": (exactly(0),),
        "Who is behind?": (ANY_TIME,),
        "Does anybody stand still?": (exactly(0),),
        "What is refused, and why?": (about(facts.refused),),
        "How much budget is left?": (Law(-1e6, 1),),
        "Is the promise of no loss kept?": (exactly(0),),
        "How fast does the budget burn?": (Law(0, 1000), Law(0, 1000)),  # all bad, of a budget of a thousandth
        "Does the canary arrive?": (Law(0, 1e4, whole=True),),
        "How long does the canary take?": (Law(0, DELIVERY_BOUNDS[-1] / 1e6),),
    }


def agency(facts: Facts) -> dict[str, tuple[Expected, ...]]:
    """The dashboard Agency, of the busiest one."""
    who, sent, received = facts.busiest, facts.sent, facts.received
    its, delivery = facts.of("recipient", lambda code: code == who), facts.stage("delivery")
    most = sum(sorted(sent.values())[-15:])
    return {
        "What does it send?": (about(sent[who], agency=who),),
        "What does it receive?": (about(received[who], agency=who), about(received[who], agency=who)),
        "What is it owed?": (exactly(0, who),),
        "How long until it receives?": (
            quantile(its, DELIVERY_BOUNDS, 0.5, who),
            quantile(its, DELIVERY_BOUNDS, 0.99, who),
            quantile(delivery, DELIVERY_BOUNDS, 0.99, who),
        ),
        "How much of what it sends is refused?": (about(facts.refused, agency=WRONG_SENDER),),
        "What share comes late?": (exactly(0, who),),
        "Who sends most?": (about(most, scale=1),),
        "Who receives slowest?": (Law(0, DELIVERY_BOUNDS[-1] / 1e6),),
        "Who has most waiting?": (exactly(0),),
    }


def hub(facts: Facts) -> dict[str, tuple[Expected, ...]]:
    """The dashboard Hub: it routes canaries as everything else."""
    canaries = facts.readings.counts("canary-main", "sent")["documents"]
    documents, deliveries = facts.count("sent", "documents"), facts.count("status", "receipts")
    routing = facts.stage("routing")
    commit = Law(0, BROKER_BOUNDS[-1] / 1e6)
    return {
        "How fast does it route?": (about(documents + canaries), about(deliveries + canaries)),
        "How long does routing take?": (
            quantile(routing, STAGE_BOUNDS, 0.5),
            quantile(routing, STAGE_BOUNDS, 0.99),
            quantile(facts.stage("acceptance"), STAGE_BOUNDS, 0.99),
        ),
        "What does it refuse, by code?": (about(facts.refused),),
        "How long does a commit take?": (commit, commit),
        "How many documents are in a pass?": (Law(0, PASS_MAX),),
        "How far behind is it?": (exactly(0),),
        "How old is what it has not read?": (exactly(0),),
        "What does the lag mean?": (exactly(1),),  # one state holds
        "Is every partition owned?": (exactly(facts.partitions), exactly(facts.partitions), Known(1, 100)),
    }


def load_test(facts: Facts) -> dict[str, tuple[Expected, ...]]:
    """The dashboard Load test."""
    delivery, late = facts.stage("delivery"), Law(0, LATENESS_BOUNDS[-1] / 1e6)
    publish = Law(0, BROKER_BOUNDS[-1] / 1e6)
    return {
        "Is the load offered achieved?": (
            about(facts.count(ARRIVALS, "scheduled")),
            about(facts.count(ARRIVALS, "acked")),
        ),
        "Did any arrival not go out?": (exactly(0), exactly(0), exactly(0)),
        "Does the generator keep its schedule?": (late, late),
        "Which phase is it in?": (YES_OR_NO,),
        "How much is in flight?": (exactly(0), exactly(0)),  # the window is a closed loop's
        "How fast does the broker take it?": (publish, publish),
        "What is the honest latency?": (
            quantile(delivery, DELIVERY_BOUNDS, 0.99),
            quantile(facts.stage("delivery_uncorrected"), DELIVERY_BOUNDS, 0.99),
            quantile(delivery, DELIVERY_BOUNDS, 0.999),
        ),
        "What became of every delivery?": (exactly(facts.count("status", "receipts") + facts.refused),),
        "Is anything wrong?": (exactly(facts.count(LEDGER, "late") + facts.count(LEDGER, "failed")), exactly(0)),
    }


def onboarding(facts: Facts) -> dict[str, tuple[Expected, ...]]:
    """The dashboard Onboarding; the time before is a second ago."""
    who, documents, half_hour_s = facts.busiest, facts.count("sent", "documents"), HOUR_S / 2
    others = facts.of("recipient", lambda code: code != who)
    senders = len(facts.sent)
    return {
        "How much more traffic is there?": (
            about(documents, scale=half_hour_s),
            about(documents, scale=half_hour_s, before="1s"),
        ),
        "How many agencies send?": (exactly(senders), Known(senders, senders, 1, (("before", "1s"),))),
        "Are the others slower?": (
            quantile(others, DELIVERY_BOUNDS, 0.99, who),
            quantile(others, DELIVERY_BOUNDS, 0.99, who, before="1s"),
        ),
        "Does it send and receive?": (
            about(facts.sent[who], scale=1, agency=who),
            about(facts.received[who], scale=1, agency=who),
        ),
        "Is it refused, and why?": (
            about(facts.refused, scale=1, agency=WRONG_SENDER),
            about(facts.refused, scale=1, agency=WRONG_SENDER),
        ),
        "Is there headroom?": (ANY_TIME,),
    }


def pipeline(facts: Facts) -> dict[str, tuple[Expected, ...]]:
    """The dashboard Pipeline."""
    canaries = facts.readings.counts("canary-main", "sent")["documents"]
    documents, deliveries = facts.count("sent", "documents"), facts.count("status", "receipts")
    several = Law(0, 1e9)
    return {
        "Who is up?": (YES,),
        "How much CPU do they use?": (Law(0, CORES_MAX),),
        "How much memory do they use?": (Law(1e6, MEMORY_MAX_BYTES),),
        "How fast do they count?": (about(documents + 2 * deliveries + 3 * canaries), exactly(0)),
        "How much state is kept?": (
            exactly(deliveries + facts.refused),  # canaries' are no traffic
            Known(facts.partitions, 3 * facts.partitions),  # the run, the wrong one, and the canary's
            exactly(0),
        ),
        "Are the figures complete?": (Law(1, SERIES_MAX, whole=True), exactly(0)),
        "How far behind is each group?": (several,),
        "How old is what is unread?": (ANY_TIME,),
        "Are partitions shared out anew?": (several, several),
        "Is every partition counted?": (exactly(facts.partitions), exactly(facts.partitions)),
        "Is the state stored in time?": (Law(0, BROKER_BOUNDS[-1] / 1e6), ANY_TIME),
        "How much state is written?": (several,),
        "Are there bad records?": (exactly(0), several),  # markers of transactions are skipped, and no records
        "What does a scrape cost?": (Law(0, 1e3),),
    }
