"""The ledgers of a worker as gauges: what became of the deliveries it knows of, over all its partitions and runs."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import compress, islice
from operator import attrgetter

import numpy as np
import numpy.typing as npt

from monitor.agency_labels import OTHER, AgencyLabels
from monitor.catalogue import (
    LEDGER_ANOMALIES,
    LEDGER_DELIVERIES,
    LEDGER_DOCUMENTS,
    LEDGER_EXPECTED,
    LEDGER_FLAGS,
    LEDGER_FORGOTTEN,
    LEDGER_OLDEST,
    LEDGER_OVERDUE,
    LEDGER_OWED,
    LEDGER_OWED_LATE,
    LEDGER_REMEMBERED,
    LEDGER_WAITING,
    OWED_LATE_OVER_S,
    WAITING_OVER_S,
)
from monitor.metric import Family, Spec
from streams.keys import Int64s
from streams.ledger import Ledger

#: Most outstanding deliveries looked at in one scrape (some milliseconds): beyond that "many" is enough to know.
LOOKED_AT_MAX = 100_000

#: So many are looked at together, those read first before the others.
BLOCK = 1_000

_STATES = ("delivered_once", "duplicated", "refused", "outstanding")
_FLAGS = ("late", "failed")
_ANOMALIES = ("contradictions", "receipts_repeated", "refusals_repeated", "packets_repeated", "evicted")
_SUMMED = ("documents", "deliveries_expected", *_STATES[:3], *_FLAGS, *_ANOMALIES)
_summed = attrgetter(*_SUMMED)


def ledger_families(
    ledgers: Sequence[Ledger], now_us: int, lost_after_us: int, named: AgencyLabels
) -> Iterator[Family]:
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
    yield from _outstanding(ledgers, now_us, lost_after_us, named)
    yield _owed(ledgers, named)
    yield Family(LEDGER_REMEMBERED, sum(len(ledger.closed) for ledger in ledgers))
    yield Family(LEDGER_FORGOTTEN, sum(ledger.closed.forgotten for ledger in ledgers))


def _outstanding(ledgers: Sequence[Ledger], now_us: int, lost_after_us: int, named: AgencyLabels) -> Iterator[Family]:
    """Yield how long what is outstanding has been so, of those read first: no look at all of them."""
    young_us = now_us - min(WAITING_OVER_S[0] * 1_000_000, lost_after_us)
    late_us = now_us - OWED_LATE_OVER_S * 1_000_000
    looked_at, owed, left = [np.zeros(0, np.int64)], np.zeros(named.other + 1, np.int64), LOOKED_AT_MAX
    for ledger in ledgers:
        sent_us = _sent_us(ledger, young_us, left)
        looked_at.append(sent_us)
        left -= len(sent_us)
        _add_by_label(owed, _late_by_recipient(ledger, sent_us < late_us), ledger, named)
    ages_us = now_us - np.concatenate(looked_at)
    yield Family(LEDGER_OVERDUE, int((ages_us > lost_after_us).sum()))
    waiting = Family(LEDGER_WAITING)
    for over_s in WAITING_OVER_S:
        waiting.add(int((ages_us > over_s * 1_000_000).sum()), str(over_s))
    yield waiting
    yield _by_recipient(LEDGER_OWED_LATE, owed, named)
    yield Family(LEDGER_OLDEST, max(0, now_us - min(_first_sent_us(ledgers), default=now_us)) / 1e6)


def _sent_us(ledger: Ledger, young_us: int, most: int) -> Int64s:
    """Return when what is outstanding was sent, as far as some of it was sent before `young_us`.

    Outstanding deliveries are in the order in which they were read. Where a block has none that is old, those after it
    are younger still; one that was stamped long before it was written is seen as soon as those before it are closed.
    """
    looked_at, left = [np.zeros(0, np.int64)], most
    values = iter(ledger.open.sent_us.values())
    while left > 0 and len(block := np.fromiter(islice(values, min(BLOCK, left)), np.int64)):
        looked_at.append(block)
        left -= len(block)
        if block.min() >= young_us:
            break
    return np.concatenate(looked_at)


def _late_by_recipient(ledger: Ledger, is_late: npt.NDArray[np.bool_]) -> Int64s:
    """Return how many of the outstanding deliveries looked at are late, by number of the recipient."""
    late = int(is_late.sum())
    if not late:
        return np.zeros(0, np.int64)
    keys = np.fromiter(compress(ledger.open.sent_us, is_late.tolist()), np.int64, late)
    return ledger.open.owed_of(keys)


def _first_sent_us(ledgers: Iterable[Ledger]) -> Iterator[int]:
    return (next(iter(ledger.open.sent_us.values())) for ledger in ledgers if ledger.open)


def _owed(ledgers: Iterable[Ledger], named: AgencyLabels) -> Family:
    """Return what is outstanding by recipient."""
    owed = np.zeros(named.other + 1, np.int64)
    for ledger in ledgers:
        _add_by_label(owed, ledger.open.owed, ledger, named)
    return _by_recipient(LEDGER_OWED, owed, named)


def _add_by_label(sums: Int64s, counts: Int64s, ledger: Ledger, named: AgencyLabels) -> None:
    """Add counts by the number that a ledger gives an agency to the sums by slot of its label."""
    codes, counting = ledger.codes.codes, np.flatnonzero(counts)
    labels = (named.slot(codes[row]) if row < len(codes) else named.other for row in counting.tolist())
    np.add.at(sums, np.fromiter(labels, np.int64, len(counting)), counts[counting])


def _by_recipient(spec: Spec, sums: Int64s, named: AgencyLabels) -> Family:
    family, counted, shown = Family(spec), sums.tolist(), named.shown
    for slot, label in shown:
        family.add(counted[slot], label)
    if counted[named.other] and (named.other, OTHER) not in shown:  # owed to agencies that nothing has reached yet
        family.add(counted[named.other], OTHER)
    return family
