"""Readings: the workers' totals, small and mergeable. Whoever needs the whole picture sums them.

A reading is the cumulative total of one (run, topic, partition) up to an offset: a reader keeps the highest offset of
each, a restarted worker goes on from its own, and nothing is counted twice. `Tally` is the same thing as it is counted.
Ledger readings (topic name LEDGER) carry the audit's counts instead; what senders did with their arrivals comes as
ARRIVALS readings, one a fleet and partition; what a fleet measured of itself as GENERATOR readings, and
who wrote to whom, at its end, as TRAFFIC readings; how far workers have read comes as POSITIONS readings, of no run.
CLOSING readings tell how many deliveries are closed before that is stored: for pacing a load, never for judging one.

In a load test some totals are kept once more by phase: the name of the stage, count or breakdown, `@` and the number of
the phase, or MEASURED for all phases that count.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np
import numpy.typing as npt

from monitor.histogram import Histogram, HistogramRows
from monitor.pairs import PAIRED_MAX, Pairs, paired_names
from monitor.seconds import SecondReading, Seconds

Int64s = npt.NDArray[np.int64]

#: Names in a reading's `topic` that are no event topic.
LEDGER, ARRIVALS, POSITIONS, CLOSING = "ledger", "arrivals", "positions", "closing"
GENERATOR, TRAFFIC = "generator", "traffic"

#: Behind a name: of all measured phases of a load test.
MEASURED = "@measured"

#: Seconds of a load test that a tally keeps; a reading is written about every second.
SECONDS_KEPT = 30

#: Numbers an agency code.
IndexOf = Callable[[str], int]

DAY_MS = 86_400_000

#: The last day that is counted by itself, in the year 2134; what is dated later counts as of that day.
DAY_MAX = 60_000
VIETNAM_MS = 7 * 3_600_000  # UTC+7, no daylight saving


class Reading(msgspec.Struct, frozen=True, tag_field="kind", tag="reading", omit_defaults=True):
    """A total as it is written to the readings topic; see `Tally` for the parts."""

    version: int
    run: str
    topic: str  # without the prefix: sent, delivered, status, refused; or one of the names above
    partition: int
    offset: int  # the first record that is not counted
    at_us: int
    source: str = ""  # the fleet, where several of them report on one partition
    counts: dict[str, int] = {}
    agencies: dict[str, dict[str, int]] = {}  # agency code -> count
    days: dict[str, dict[int, int]] = {}  # days since the epoch in Vietnam -> count
    stages: dict[str, list[int]] = {}  # stage -> sparse histogram
    latencies: dict[str, dict[str, list[int]]] = {}  # breakdown -> row -> sparse histogram of delivery latency
    spans: dict[str, tuple[int, int]] = {}  # name -> first and last instant
    seconds: dict[int, SecondReading] = {}  # of a load test: the newest seconds
    newest: dict[str, dict[str, int]] = {}  # name -> agency code -> last instant
    oldest: dict[str, dict[str, int]] = {}  # name -> agency code -> first instant
    paired: list[str] = []  # agency codes of the rows and columns of `pairs`; "" is everybody beyond their bound
    pairs: dict[str, bytes] = {}  # name -> packed counts by sender and recipient
    url: str = ""  # of a POSITIONS reading: where the worker that owns the partition answers


decode_reading = msgspec.json.Decoder(Reading).decode


def encode_reading(reading: Reading) -> tuple[bytes, bytes]:
    """Return key and value of a reading's record: compaction keeps the newest of each key."""
    identity = f"{reading.run}|{reading.topic}|{reading.partition}|{reading.source}"
    return identity.encode(), msgspec.json.encode(reading)


@dataclass(slots=True)
class Tally:
    """Running totals of one run's events in one partition of one topic."""

    counts: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    agencies: dict[str, Int64s] = field(default_factory=dict)  # name -> count by agency number
    days: dict[str, dict[int, int]] = field(default_factory=dict)
    stages: dict[str, Histogram] = field(default_factory=dict)
    latencies: dict[str, HistogramRows] = field(default_factory=dict)  # breakdown -> a histogram a row
    spans: dict[str, tuple[int, int]] = field(default_factory=dict)  # name -> first and last instant
    seconds: Seconds = field(default_factory=lambda: Seconds(SECONDS_KEPT))
    newest: dict[str, Int64s] = field(default_factory=dict)  # name -> last instant by agency number
    pairs: dict[str, Pairs] = field(default_factory=dict)  # name -> counts by sender and recipient

    def count_agencies(self, name: str, indices: Int64s) -> None:
        """Add one to each agency numbered in `indices`."""
        added = np.bincount(indices)
        known = self._agency_row(name, len(added))
        known[: len(added)] += added

    def _agency_row(self, name: str, length: int) -> Int64s:
        """Return the counts called `name`, grown to at least `length`."""
        known = self.agencies.get(name, np.zeros(0, np.int64))
        if len(known) < length:
            known = np.concatenate((known, np.zeros(length - len(known), np.int64)))
        self.agencies[name] = known
        return known

    def count_pairs(self, name: str, senders: Int64s, recipients: Int64s) -> None:
        """Add one to each pair of agencies."""
        self.pairs.setdefault(name, Pairs()).observe(senders, recipients)

    def note_newest(self, name: str, indices: Int64s, instants: Int64s) -> None:
        """Note for each agency numbered in `indices` the instant that something of it was seen."""
        known = self.newest.get(name, np.zeros(0, np.int64))
        missing = int(indices.max()) + 1 - len(known)
        if missing > 0:
            known = np.concatenate((known, np.zeros(missing, np.int64)))
        np.maximum.at(known, indices, instants)
        self.newest[name] = known

    def count_days(self, name: str, calendar_ms: Int64s, weights: Int64s | None = None) -> None:
        """Add one (or its weight) to the Vietnamese calendar day of each instant."""
        numbers = np.minimum((calendar_ms + VIETNAM_MS) // DAY_MS, DAY_MAX)
        first = int(numbers.min())
        totals = np.bincount(numbers - first, weights).astype(np.int64)
        used = np.flatnonzero(totals)
        days = self.days.setdefault(name, {})
        for day, count in zip((used + first).tolist(), totals[used].tolist(), strict=True):
            days[day] = days.get(day, 0) + count

    def observe(self, stage: str, latencies_us: Int64s) -> None:
        """Count latencies of a stage."""
        self.stages.setdefault(stage, Histogram()).observe(latencies_us)

    def observe_rows(self, breakdown: str, rows: Int64s, latencies_us: Int64s) -> None:
        """Count delivery latencies in the rows of a breakdown (by recipient, by priority)."""
        self.latencies.setdefault(breakdown, HistogramRows()).observe(rows, latencies_us)

    def note_span(self, name: str, instants: Int64s) -> None:
        """Widen a span to hold these instants."""
        self._widen(name, int(instants.min()), int(instants.max()))

    def _widen(self, name: str, first: int, last: int) -> None:
        known = self.spans.get(name, (first, last))
        self.spans[name] = (min(known[0], first), max(known[1], last))

    def to_reading(self, codes: Sequence[str], **identity: object) -> Reading:
        """Return the tally as a reading; `codes` names the agencies by number."""
        return Reading(
            counts=dict(self.counts),
            agencies={name: _by_code(values, codes) for name, values in self.agencies.items()},
            days={name: dict(by_day) for name, by_day in self.days.items()},
            stages={stage: histogram.to_sparse() for stage, histogram in self.stages.items()},
            latencies={name: _rows_by_name(name, rows, codes) for name, rows in self.latencies.items()},
            spans=dict(self.spans),
            seconds=self.seconds.to_reading(),
            newest={name: _by_code(values, codes) for name, values in self.newest.items()},
            paired=paired_names(list(codes), max((len(one.counts) for one in self.pairs.values()), default=0)),
            pairs={name: one.to_bytes() for name, one in self.pairs.items()},
            **identity,  # type: ignore[arg-type]
        )

    @classmethod
    def from_reading(cls, reading: Reading, index_of: IndexOf) -> "Tally":
        """Rebuild a tally; `index_of` numbers the agencies."""
        tally = cls()
        tally.add(reading, index_of)
        return tally

    def add(self, reading: Reading, index_of: IndexOf) -> None:
        """Add a reading's totals."""
        for name, count in reading.counts.items():
            self.counts[name] += count
        for name, by_code in reading.agencies.items():
            for code, count in by_code.items():
                number = index_of(code)
                self._agency_row(name, number + 1)[number] += count
        for name, by_day in reading.days.items():
            days = self.days.setdefault(name, {})
            for day, count in by_day.items():
                days[day] = days.get(day, 0) + count
        for stage, sparse in reading.stages.items():
            self.stages.setdefault(stage, Histogram()).merge(Histogram.from_sparse(sparse))
        for breakdown, by_row in reading.latencies.items():
            rows = self.latencies.setdefault(breakdown, HistogramRows())
            for label, sparse in by_row.items():
                index = index_of(label) if _by_agency(breakdown) else int(label)
                row = Histogram.from_sparse(sparse)
                row.merge(rows.row(index))
                rows.put(index, row)
        for name, (first, last) in reading.spans.items():
            self._widen(name, first, last)
        self.seconds.add(reading.seconds)
        for name, by_code in reading.newest.items():
            if by_code:
                indices = np.array([index_of(code) for code in by_code], np.int64)
                self.note_newest(name, indices, np.array(list(by_code.values()), np.int64))
        numbers = np.array([index_of(code) if code else PAIRED_MAX for code in reading.paired], np.int64)
        for name, packed in reading.pairs.items():
            square = Pairs.from_bytes(packed)
            self.pairs.setdefault(name, Pairs()).add(square, numbers[: len(square.counts)])


def _by_agency(breakdown: str) -> bool:
    return breakdown.partition("@")[0] == "recipient"


def _by_code(values: Int64s, codes: Sequence[str]) -> dict[str, int]:
    used = np.flatnonzero(values)
    return {codes[index]: int(values[index]) for index in used.tolist() if index < len(codes)}


def _rows_by_name(breakdown: str, rows: HistogramRows, codes: Sequence[str]) -> dict[str, list[int]]:
    used = np.flatnonzero(rows.counts.any(axis=1) | (rows.negative > 0)).tolist()
    names = codes if _by_agency(breakdown) else [str(row) for row in range(len(rows.counts))]
    return {names[row]: rows.row(row).to_sparse() for row in used if row < len(names)}


#: Runs whose readings are kept; the topic has all there ever were.
RUNS_MAX = 1000


class Readings:
    """The newest reading of each (run, topic, partition, source): the whole picture, whatever order they came in."""

    def __init__(self, runs_max: int = RUNS_MAX) -> None:
        self._runs_max = runs_max
        self._newest: dict[str, dict[str, dict[tuple[int, str], Reading]]] = {}  # run -> topic -> place
        self._activity: dict[str, None] = {}  # runs, the one that was quiet longest first
        self._active_us: dict[str, int] = {}
        self.runs_forgotten = 0

    def put(self, reading: Reading) -> None:
        """Keep a reading unless a newer one of the same thing is known."""
        places = self._newest.setdefault(reading.run, {}).setdefault(reading.topic, {})
        key = (reading.partition, reading.source)
        known = places.get(key)
        if known is None or (reading.offset, reading.at_us) >= (known.offset, known.at_us):
            places[key] = reading
            happened_us = reading.spans.get("wall_us", (0, 0))[1]
            self._active_us[reading.run] = max(happened_us, self._active_us.get(reading.run, 0))
        if reading.run:
            self._activity.pop(reading.run, None)
            self._activity[reading.run] = None
            while len(self._activity) > self._runs_max:
                quietest = next(iter(self._activity))
                del self._activity[quietest], self._newest[quietest], self._active_us[quietest]
                self.runs_forgotten += 1

    def of(self, run: str, topic: str) -> list[Reading]:
        """Return the newest readings of one run and topic, one a partition (and source)."""
        return list(self._newest.get(run, {}).get(topic, {}).values())

    def runs(self) -> list[str]:
        """Return the runs that were read of, in order of first appearance."""
        return list(self._newest)

    def active_us(self, run: str) -> int:
        """Return when the newest event of a run happened that was counted; 0 if none was.

        Not when it was last read of: workers publish what they know of all runs together.
        """
        return self._active_us.get(run, 0)

    def counts(self, run: str, topic: str) -> dict[str, int]:
        """Return the summed counts of one run and topic."""
        totals: dict[str, int] = defaultdict(int)
        for reading in self.of(run, topic):
            for name, count in reading.counts.items():
                totals[name] += count
        return totals

    def positions(self) -> dict[tuple[str, int], int]:
        """Return the offset up to which each (topic, partition) is counted."""
        return {
            (topic, reading.partition): offset
            for reading in self.of("", POSITIONS)
            for topic, offset in reading.counts.items()
        }

    def days(self, run: str, topic: str, name: str) -> dict[int, int]:
        """Return summed counts by calendar day."""
        totals: dict[int, int] = defaultdict(int)
        for reading in self.of(run, topic):
            for day, count in reading.days.get(name, {}).items():
                totals[day] += count
        return dict(sorted(totals.items()))

    def stage(self, run: str, topic: str, stage: str) -> Histogram:
        """Return the merged histogram of one stage."""
        return _sum_sparse(reading.stages.get(stage) for reading in self.of(run, topic))

    def agencies(self, run: str, topic: str, name: str) -> dict[str, int]:
        """Return summed counts by agency code."""
        totals: dict[str, int] = defaultdict(int)
        for reading in self.of(run, topic):
            for code, count in reading.agencies.get(name, {}).items():
                totals[code] += count
        return dict(totals)

    def span(self, run: str, topic: str, name: str) -> tuple[int, int] | None:
        """Return the first and last instant over all partitions, or None before the first event."""
        spans = [reading.spans[name] for reading in self.of(run, topic) if name in reading.spans]
        return (min(first for first, _ in spans), max(last for _, last in spans)) if spans else None

    def newest(self, run: str, topic: str, name: str) -> dict[str, int]:
        """Return the last instant by agency code."""
        instants: dict[str, int] = {}
        for reading in self.of(run, topic):
            for code, instant in reading.newest.get(name, {}).items():
                instants[code] = max(instant, instants.get(code, 0))
        return instants

    def oldest(self, run: str, topic: str, name: str) -> dict[str, int]:
        """Return the first instant by agency code."""
        instants: dict[str, int] = {}
        for reading in self.of(run, topic):
            for code, instant in reading.oldest.get(name, {}).items():
                instants[code] = min(instant, instants.get(code, instant))
        return instants

    def pairs(self, run: str, topic: str, name: str, index_of: IndexOf) -> Pairs:
        """Return summed counts by sender and recipient, numbered by `index_of`."""
        total = Pairs()
        for reading in self.of(run, topic):
            if (packed := reading.pairs.get(name)) is not None:
                square = Pairs.from_bytes(packed)
                names = reading.paired[: len(square.counts)]
                total.add(square, np.array([index_of(code) if code else PAIRED_MAX for code in names], np.int64))
        return total

    def owners(self) -> dict[int, str]:
        """Return where the stream worker of each partition answers."""
        return {reading.partition: reading.url for reading in self.of("", POSITIONS) if reading.url}

    def latencies(
        self, run: str, topic: str, breakdown: str, only: Collection[str] | None = None
    ) -> dict[str, Histogram]:
        """Return merged delivery-latency histograms by row of a breakdown; of some rows, if `only` names them."""
        rows: dict[str, Histogram] = defaultdict(Histogram)
        for reading in self.of(run, topic):
            for row, sparse in reading.latencies.get(breakdown, {}).items():
                if only is None or row in only:
                    rows[row].merge(Histogram.from_sparse(sparse))
        return dict(rows)


def _sum_sparse(sparse: Iterable[list[int] | None]) -> Histogram:
    total = Histogram()
    for one in sparse:
        if one:
            total.merge(Histogram.from_sparse(one))
    return total
