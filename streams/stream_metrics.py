"""What a stream worker exports: the meter's counts, the ledger's states and its own doings. Reads, never writes."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Protocol, TypeVar

from docaxis.domain.calendar import OfficeCalendar
from docaxis.domain.clock import Clock
from docaxis.domain.run import is_canary
from docaxis.kafka.topics import Topics
from monitor import catalogue
from monitor.agency_labels import AgencyLabels
from monitor.histogram import Histogram
from monitor.lag import Progress
from monitor.metric import Family, Spec
from streams.ledger_metrics import ledger_families
from streams.state import OF_FORGOTTEN_RUNS, PartitionState
from streams.tally_totals import BREAKDOWN_SPECS, STAGE_SPECS, TallyTotals, Totals

#: Counters without a label: (topic, name in the tally).
_PLAIN: Mapping[tuple[str, str], Spec] = {
    ("sent", "deliveries_addressed"): catalogue.STREAM_ADDRESSED,
    ("sent", "bytes"): catalogue.STREAM_PAYLOAD,
    ("status", "failed"): catalogue.STREAM_RECEIPTS_FAILED,
}
#: Counters by agency: (topic, name in the tally).
_BY_AGENCY: Mapping[tuple[str, str], Spec] = {
    ("sent", "documents"): catalogue.STREAM_DOCUMENTS,
    ("delivered", "deliveries"): catalogue.STREAM_DELIVERIES,
    ("status", "receipts"): catalogue.STREAM_RECEIPTS,
    ("refused", "refusals"): catalogue.STREAM_REFUSALS_OF_SENDER,
}
#: Counters whose label is the rest of a name in the tally: (topic, beginning of the name), and what is shown from the
#: start so that the first increase is seen as one.
_BY_CODE: Mapping[tuple[str, str], tuple[Spec, tuple[str, ...]]] = {
    ("status", "status_"): (catalogue.STREAM_STATUSES, ("01", "02", "03", "04", "05", "06", "13", "15", "16")),
    ("refused", "code_"): (catalogue.STREAM_REFUSALS, catalogue.REFUSAL_CODES),
}
_TOPICS = ("sent", "delivered", "status", "refused")
_UNREADABLE = "unreadable_"
_BY_TOPIC = (
    (catalogue.STREAM_MISPLACED, "misplaced"),
    (catalogue.STREAM_SKIPPED, "offsets_skipped"),
    (catalogue.STREAM_FORGOTTEN, OF_FORGOTTEN_RUNS),
)


class WorkerFigures(Protocol):
    """What the worker keeps about itself (`streams.worker.WorkerStats`)."""

    records: int
    redelivered: int
    sessions: int
    snapshot: Histogram
    snapshot_at_us: int


class ReadPosition(Protocol):
    """How far the worker is in one partition (`streams.batch.Position`)."""

    @property
    def processed(self) -> int | None: ...

    @property
    def stable_end(self) -> int | None: ...


TopicPartition = TypeVar("TopicPartition", bound=tuple[str, int])


def stream_progress(positions: Mapping[TopicPartition, ReadPosition], topics: Topics) -> Iterator[Progress]:
    """Yield the worker's progress for `monitor.lag.LagMetrics`; partitions not fetched from yet are not known.

    The end is the last stable offset: records of open transactions cannot be read, so nobody lags behind them.
    """
    for (topic, partition), position in positions.items():
        if position.processed is not None and position.stable_end is not None:
            yield Progress(topics.short_name(topic), partition, position.processed, position.stable_end)


class StreamMetrics:
    """Collector of one stream worker; register it with `monitor.metrics.Metrics`."""

    def __init__(
        self,
        states: Callable[[], Mapping[int, PartitionState]],
        figures: WorkerFigures,
        clock: Clock,
        agencies: Iterable[str] = (),
        lost_after_us: int = catalogue.LOST_AFTER_S * 1_000_000,
        snapshot_bytes: Callable[[], int] = lambda: 0,
        texts: Mapping[str, str] | None = None,
        calendar: OfficeCalendar | None = None,
    ) -> None:
        """Collect from `states`, the partitions owned now; `agencies` are shown from the start, at 0.

        With a `calendar` the worker tells whether offices are open. Canaries' runs are in none of the figures of
        traffic (documents, deliveries, latencies, ledger): they are measured by the canary itself.
        """
        self._states = states
        self._figures = figures
        self._clock = clock
        self._began_us = clock.wall_us()
        self._lost_after_us = lost_after_us
        self._snapshot_bytes = snapshot_bytes
        self._calendar = calendar
        self._named = AgencyLabels(agencies, texts=texts)
        self._tallies = TallyTotals(self._named)

    def begin(self, number: int, state: PartitionState) -> None:
        """Take what a partition's state holds as counted before: call it when a state was opened, before any fold."""
        self._tallies.begin(number, state)

    def runs(self) -> Iterator[str]:
        """Yield the runs known, those that were quiet longest first."""
        return iter(dict.fromkeys(run for state in self._states().values() for run in state.runs()))

    def families(self) -> Iterator[Family]:
        """Yield everything."""
        states = self._states()
        totals = self._tallies.update(states)
        self._tallies.retire_silent(self._clock.monotonic_ns())
        yield from self._counters(totals)
        yield from self._histograms(totals)
        ledgers = [ledger for state in states.values() for run, ledger in state.ledgers.items() if not is_canary(run)]
        yield from ledger_families(ledgers, self._clock.wall_us(), self._lost_after_us, self._named)
        yield from self._worker(states.values())

    def _counters(self, totals: Totals) -> Iterator[Family]:
        for key, spec in _PLAIN.items():
            yield Family(spec, totals.counts.get(key, 0))
        shown = self._named.shown
        for key, spec in _BY_AGENCY.items():
            family, values = Family(spec), totals.by_agency(key).tolist()
            for slot, label in shown:
                family.add(values[slot], label)
            yield family
        for (topic, beginning), (spec, codes) in _BY_CODE.items():
            yield _labelled(spec, dict.fromkeys(codes, 0) | _by_code(totals, topic, beginning))
        negative = {stage: totals.counts.get(("negative", stage), 0) for stage in ("delivery", *STAGE_SPECS)}
        yield _labelled(catalogue.STREAM_NEGATIVE, negative)
        for spec, name in _BY_TOPIC:
            yield _labelled(spec, {topic: totals.counts.get((topic, name), 0) for topic in _TOPICS})
        unreadable = Family(catalogue.STREAM_UNREADABLE)
        for topic in _TOPICS:
            for code, count in ({"10": 0, "22": 0} | _by_code(totals, topic, _UNREADABLE)).items():
                unreadable.add(count, topic, code)
        yield unreadable

    def _histograms(self, totals: Totals) -> Iterator[Family]:
        labels = {"recipient": self._named.shown, "priority": [(number, str(number)) for number in range(5)]}
        for breakdown, spec in BREAKDOWN_SPECS.items():
            family, rows = Family(spec), totals.breakdowns[breakdown].tolist()
            for row, label in labels[breakdown]:
                family.add_cumulative(rows[row][:-1], rows[row][-1], label)
            yield family
        for stage, spec in STAGE_SPECS.items():
            family, row = Family(spec), totals.stages[stage][0].tolist()
            family.add_cumulative(row[:-1], row[-1])
            yield family

    def _worker(self, states: Iterable[PartitionState]) -> Iterator[Family]:
        figures, states = self._figures, list(states)
        yield Family(catalogue.STREAM_RECORDS, figures.records)
        yield Family(catalogue.STREAM_REDELIVERED, figures.redelivered)
        yield Family(catalogue.STREAM_SESSIONS, figures.sessions)
        office = Family(catalogue.OFFICE_OPEN)
        if self._calendar is not None:
            office.add(int(self._calendar.is_open(self._clock.wall_us() // 1000)))
        yield office
        yield Family(catalogue.STREAM_PARTITIONS, len(states))
        yield Family(catalogue.STREAM_RUNS, sum(len(state.runs()) for state in states))
        yield Family(catalogue.STREAM_RUNS_FORGOTTEN, sum(state.runs_forgotten for state in states))
        yield Family(catalogue.STREAM_LETTERS_WAITING, sum(len(state.dead_letters) for state in states))
        snapshots = Family(catalogue.STREAM_SNAPSHOT)
        snapshots.add_histogram(figures.snapshot)
        yield snapshots
        yield Family(catalogue.STREAM_SNAPSHOT_BYTES, self._snapshot_bytes())
        stored_us = max(figures.snapshot_at_us, self._began_us)  # none yet: since it could have been
        yield Family(catalogue.STREAM_SNAPSHOT_AGE, (self._clock.wall_us() - stored_us) / 1e6)


def _labelled(spec: Spec, values: Mapping[str, int]) -> Family:
    family = Family(spec)
    for label, value in values.items():
        family.add(value, label)
    return family


def _by_code(totals: Totals, topic: str, beginning: str) -> dict[str, int]:
    """Return the counts of a topic whose names begin so, by the rest of the name."""
    return {
        key[1].removeprefix(beginning): count
        for key, count in sorted(totals.counts.items())
        if key[0] == topic and key[1].startswith(beginning)
    }
