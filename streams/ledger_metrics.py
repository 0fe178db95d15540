"""The ledgers of a worker as gauges: what became of the deliveries it knows of, over all its partitions and runs."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from operator import attrgetter

from monitor.catalogue import (
    LEDGER_ANOMALIES,
    LEDGER_DELIVERIES,
    LEDGER_DOCUMENTS,
    LEDGER_EXPECTED,
    LEDGER_FLAGS,
    LEDGER_FORGOTTEN,
    LEDGER_OLDEST,
    LEDGER_OVERDUE,
    LEDGER_REMEMBERED,
)
from monitor.metric import Family
from streams.ledger import Ledger

#: Most overdue deliveries counted at one scrape (about a millisecond): beyond that "many" is enough to know.
OVERDUE_MAX = 20_000

_STATES = ("delivered_once", "duplicated", "refused", "outstanding")
_FLAGS = ("late", "failed")
_ANOMALIES = ("contradictions", "receipts_repeated", "refusals_repeated", "packets_repeated", "evicted")
_SUMMED = ("documents", "deliveries_expected", *_STATES[:3], *_FLAGS, *_ANOMALIES)
_summed = attrgetter(*_SUMMED)


def ledger_families(ledgers: Sequence[Ledger], now_us: int, lost_after_us: int) -> Iterator[Family]:
    """Yield the gauges of these ledgers; `now_us` is the wall clock."""
    columns = zip(*(_summed(ledger.counts) for ledger in ledgers), strict=True)
    sums = dict.fromkeys(_SUMMED, 0) | dict(zip(_SUMMED, map(sum, columns), strict=False))
    sums["outstanding"] = sum(ledger.outstanding for ledger in ledgers)
    sums["misrouted"] = sum(ledger.misrouted for ledger in ledgers)
    yield Family(LEDGER_DOCUMENTS, sums["documents"])
    yield Family(LEDGER_EXPECTED, sums["deliveries_expected"])
    for spec, names in (
        (LEDGER_DELIVERIES, _STATES),
        (LEDGER_FLAGS, _FLAGS),
        (LEDGER_ANOMALIES, ("misrouted", *_ANOMALIES)),
    ):
        family = Family(spec)
        for name in names:
            family.add(sums[name], name)
        yield family
    yield Family(LEDGER_OVERDUE, _overdue(ledgers, now_us - lost_after_us))
    yield Family(LEDGER_OLDEST, max(0, now_us - min(_first_sent_us(ledgers), default=now_us)) / 1e6)
    yield Family(LEDGER_REMEMBERED, sum(len(ledger.closed) for ledger in ledgers))
    yield Family(LEDGER_FORGOTTEN, sum(ledger.closed.forgotten for ledger in ledgers))


def _first_sent_us(ledgers: Iterable[Ledger]) -> Iterator[int]:
    return (next(iter(ledger.open.values())) for ledger in ledgers if ledger.open)


def _overdue(ledgers: Iterable[Ledger], before_us: int) -> int:
    """Count outstanding deliveries sent before `before_us` among those read first: no look at all of them."""
    looked_at = islice(chain.from_iterable(ledger.open.values() for ledger in ledgers), OVERDUE_MAX)
    return sum(sent_us < before_us for sent_us in looked_at)
