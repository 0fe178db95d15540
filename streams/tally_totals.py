"""What a worker has counted since it began, from tallies that come and go with their partitions.

A tally is cumulative over the life of its run and comes back from the snapshot when a partition is opened; exported as
it is, a rebalance or a restart would look to Prometheus like millions of new documents. So the totals here only take
in what is *added* to a tally while this process owns it: they begin at 0, only grow, and stay when a partition leaves.

Only tallies that changed since the last look are read again, which makes a scrape independent of how many runs there
have been.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from docaxis.domain.run import is_canary
from monitor.agency_labels import AgencyLabels
from monitor.catalogue import (
    STREAM_ACCEPTANCE,
    STREAM_DELIVERY,
    STREAM_DELIVERY_OF_PRIORITY,
    STREAM_PICKUP,
    STREAM_ROUTING,
    STREAM_SEND_DELAY,
    STREAM_UNCORRECTED,
)
from monitor.histogram import ROWS_MAX
from monitor.metric import Spec
from monitor.reading import Tally
from streams.keys import Codes
from streams.state import PartitionState

Int64s = npt.NDArray[np.int64]

#: Stages with a histogram of their own; `delivery` is the sum of its breakdown by recipient.
STAGE_SPECS: Mapping[str, Spec] = {
    "send_delay": STREAM_SEND_DELAY,
    "routing": STREAM_ROUTING,
    "acceptance": STREAM_ACCEPTANCE,
    "pickup": STREAM_PICKUP,
    "delivery_uncorrected": STREAM_UNCORRECTED,
}
BREAKDOWN_SPECS: Mapping[str, Spec] = {"recipient": STREAM_DELIVERY, "priority": STREAM_DELIVERY_OF_PRIORITY}

#: An agency that is in no registry and silent for so long has left: four days outlast a long weekend.
QUIET_NS = 4 * 86_400 * 1_000_000_000

#: The wire allows one digit.
PRIORITIES = 10

#: Something counted: what it is, then its name in the tally.
Key = tuple[str, ...]


class Totals:
    """Sums since the process began. Histograms are rows of cumulative bucket counts with the sum in us behind them."""

    def __init__(self, named: AgencyLabels) -> None:
        self._rows = named.other + 1
        self.counts: defaultdict[Key, int] = defaultdict(int)  # (topic, name)
        self.agencies: dict[Key, Int64s] = {}  # (topic, name) -> by slot
        self.stages: dict[str, Int64s] = {name: _zeros(1, spec) for name, spec in STAGE_SPECS.items()}
        self.breakdowns: dict[str, Int64s] = {
            "recipient": _zeros(self._rows, STREAM_DELIVERY),
            "priority": _zeros(PRIORITIES, STREAM_DELIVERY_OF_PRIORITY),
        }

    def by_agency(self, key: Key) -> Int64s:
        """Return the counts of one name by slot."""
        return self.agencies.setdefault(key, np.zeros(self._rows, np.int64))


def _zeros(rows: int, spec: Spec) -> Int64s:
    return np.zeros((rows, len(spec.bounds_us) + 2), np.int64)


class _Slots:
    """Where a partition's own agency numbers are among the labels."""

    def __init__(self, codes: Codes) -> None:
        self.codes = codes
        self._slots = np.zeros(0, np.int64)
        self._generation = -1

    def of(self, count: int, named: AgencyLabels) -> Int64s:
        """Return the slots of the first `count` agency numbers."""
        if self._generation != named.generation:
            self._slots, self._generation = np.zeros(0, np.int64), named.generation
        if new := self.codes.codes[len(self._slots) : count]:
            self._slots = np.concatenate((self._slots, np.array([named.slot(code) for code in new], np.int64)))
        if count > len(self._slots):  # numbers beyond all codes: agencies that no code is kept for
            return np.concatenate((self._slots, np.full(count - len(self._slots), named.other, np.int64)))
        return self._slots[:count]


class _Counted:
    """One tally, and what of it has been taken in."""

    def __init__(self, topic: str, tally: Tally, slots: _Slots) -> None:
        self.topic = topic
        self.tally = tally
        self.slots = slots
        self._events = 0  # fingerprint: every fold adds to some count
        self._counts: dict[Key, int] = {}
        self._arrays: dict[Key, Int64s] = {}

    def changed(self) -> bool:
        """Return whether anything was counted since the last look, and note it."""
        events = sum(self.tally.counts.values())
        changed, self._events = events != self._events, events
        return changed

    def active(self) -> Iterator[tuple[str, int]]:
        """Yield code and count of the agencies that did anything since the last look."""
        codes = self.slots.codes.codes
        for name, values in self.tally.agencies.items():
            added = self._difference(("agencies", name), values)
            for number in np.flatnonzero(added[: len(codes)]).tolist():
                yield codes[number], int(added[number])

    def take_in(self, totals: Totals, named: AgencyLabels) -> None:
        """Add what is new to the totals."""
        for key, count in self._current_counts().items():
            totals.counts[key] += count - self._counts.get(key, 0)
            self._counts[key] = count
        for name, values in self.tally.agencies.items():
            added = self._added(("agencies", name), values)
            np.add.at(totals.by_agency((self.topic, name)), self.slots.of(len(added), named), added)
        for stage, row in self._stages():
            totals.stages[stage] += self._added(("stage", stage), row)
        for breakdown, rows in self._breakdowns():
            added = self._added(("breakdown", breakdown), rows)
            np.add.at(totals.breakdowns[breakdown], self._rows_of(breakdown, len(added), named), added)

    def _added(self, key: Key, current: Int64s) -> Int64s:
        """Return what was added since the last look, and note it."""
        added = self._difference(key, current)
        self._arrays[key] = current.copy()
        return added

    def _difference(self, key: Key, current: Int64s) -> Int64s:
        """Return what was added since the last look; the arrays of a tally only grow, in values and in rows."""
        added = current.copy()
        if (known := self._arrays.get(key)) is not None:
            added[: len(known)] -= known
        return added

    def _current_counts(self) -> dict[Key, int]:
        counts: dict[Key, int] = {(self.topic, name): count for name, count in self.tally.counts.items()}
        counts |= {("negative", stage): histogram.negative for stage, histogram in self.tally.stages.items()}
        return counts

    def _stages(self) -> Iterator[tuple[str, Int64s]]:
        for stage, spec in STAGE_SPECS.items():
            if (histogram := self.tally.stages.get(stage)) is not None:
                yield stage, np.append(spec.cumulative(histogram.counts), histogram.sum_us)[None]

    def _breakdowns(self) -> Iterator[tuple[str, Int64s]]:
        for breakdown, spec in BREAKDOWN_SPECS.items():
            if (rows := self.tally.latencies.get(breakdown)) is not None:
                yield breakdown, np.column_stack((spec.cumulative(rows.counts), rows.sum_us))

    def _rows_of(self, breakdown: str, count: int, named: AgencyLabels) -> Int64s:
        if breakdown == "priority":
            return np.minimum(np.arange(count), PRIORITIES - 1)
        slots = self.slots.of(count, named)
        if count == ROWS_MAX:  # the last row is shared by all agencies beyond it
            slots = np.append(slots[:-1], named.other)
        return slots


class TallyTotals:
    """Follows the tallies of all owned partitions."""

    def __init__(self, named: AgencyLabels) -> None:
        self.named = named
        self.totals = Totals(named)
        self._counted: dict[int, dict[Key, _Counted]] = {}  # by partition, then (run, topic)
        self._activity = np.zeros(named.other + 1, np.int64)  # by slot: all that was ever counted
        self._active_ns = np.zeros(named.other + 1, np.int64)  # when that last changed

    def begin(self, number: int, state: PartitionState) -> None:
        """Take what a state holds as counted by somebody before."""
        self._retire(number)
        counted = self._follow(number, state).values()
        self._admit(counted)  # named by what they did before, although none of it is counted again
        for one in counted:
            one.changed()
            one.take_in(Totals(self.named), self.named)

    def update(self, states: Mapping[int, PartitionState]) -> Totals:
        """Take in everything that was counted since the last call, of partitions that have left too."""
        for number in self._counted.keys() - states.keys():
            self._retire(number)
        changed = [
            one for number, state in states.items() for one in self._follow(number, state).values() if one.changed()
        ]
        self._take_in(changed)
        return self.totals

    def retire_silent(self, now_ns: int) -> None:
        """End the series of agencies that are in no registry and have done nothing for `QUIET_NS`."""
        activity = sum(self.totals.agencies.values(), np.zeros_like(self._activity))
        self._active_ns[activity != self._activity] = now_ns
        for code, slot in self.named.leavable:
            if now_ns - self._active_ns[slot] > QUIET_NS:
                self.named.retire(code)
                for counts in (*self.totals.agencies.values(), self.totals.breakdowns["recipient"]):
                    counts[slot] = 0
                activity[slot] = 0
        self._activity = activity

    def _follow(self, number: int, state: PartitionState) -> dict[Key, _Counted]:
        """Return the tallies of a state as followed; those it no longer has are taken in for the last time."""
        known = self._counted.setdefault(number, {})
        gone = [key for key, one in known.items() if state.tallies.get((key[0], key[1])) is not one.tally]
        self._take_in([one for one in (known.pop(key) for key in gone) if one.changed()])
        if len(known) < len(state.tallies):
            slots = next(iter(known.values())).slots if known else _Slots(state.codes)
            for (run, topic), tally in state.tallies.items():
                if (run, topic) not in known and not is_canary(run):
                    known[run, topic] = _Counted(topic, tally, slots)
        return known

    def _retire(self, number: int) -> None:
        self._take_in([one for one in self._counted.pop(number, {}).values() if one.changed()])

    def _take_in(self, changed: Sequence[_Counted]) -> None:
        self._admit(changed)
        for one in changed:
            one.take_in(self.totals, self.named)

    def _admit(self, tallies: Iterable[_Counted]) -> None:
        """Name the agencies that did something and have no name yet, the busiest first."""
        activity: dict[str, int] = {}
        for one in tallies:
            for code, count in one.active():
                activity[code] = activity.get(code, 0) + count
        if activity:
            self.named.admit(activity)
