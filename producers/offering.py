"""What a workload offers: for each phase its arrivals, and the documents that arrive.

`PhaseLoad` is all that a fleet asks of a load: blocks of points, when those are due, and the documents at them. A
recorded trace fits the same form. Documents depend on seed, phase and position only: not on how many fleets share the
work, and not on when somebody changed the rate.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from docaxis.domain.agency import Registry
from docaxis.domain.calendar import DAY_MS, FIRST_YEAR, HOUR_MS, LAST_YEAR, VIETNAM_OFFSET_MS, midnight_ms
from docaxis.domain.errors import UsageError
from docaxis.workload.model import Traffic, Workload
from producers.arrival_process import ArrivalProcess, Intensity, arrival_process, day_shape
from producers.arrivals_weekly import phase_days
from producers.newcomers import Admission, NewcomerModel, superposed
from producers.recalls import RecallMixer
from producers.traffic import DraftBatch, Ordinals, TrafficModel, document_tables
from producers.traffic_recorded import RecordedTraffic

Int64s = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

#: Documents drafted together: about a millisecond of work, so that no schedule waits for it.
BLOCK = 200

#: Streams of randomness under the workload's seed.
_KINDS_STREAM, _DOCUMENTS_STREAM = 8, 9
_SAMPLE_STREAM, _ADDED_STREAM, _ADDED_DOCUMENTS_STREAM = 17, 18, 19


@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive arrivals: their points, ascending, and the documents from one position to another.

    Documents are numbered when they are drafted, so each is drafted once and in order, and only if it will be due.
    """

    points: Floats
    draft: Callable[[int, int], DraftBatch]


class PhaseLoad(Protocol):
    """The arrivals of one phase and their documents."""

    def blocks(self) -> Iterator[Block]:
        """Yield blocks of arrivals; a load may go on beyond its phase, the fleet stops at the phase's end."""
        ...

    def times_us(self, points: Floats, factors: Sequence[tuple[int, float]]) -> Floats:
        """Return when points are due after the phase's beginning; infinity: never."""
        ...


@dataclass(frozen=True, slots=True)
class MixedModel:
    """The kinds of documents in the mix, each with its own model."""

    shares: Floats
    models: tuple[TrafficModel | RecordedTraffic, ...]

    @property
    def fan_out_mean(self) -> float:
        """Mean number of recipients over the mix."""
        return float(self.shares @ [model.fan_out.mean for model in self.models])

    @classmethod
    def of(cls, traffic: Sequence[Traffic], registry: Registry, seed: int) -> "MixedModel":
        """Build the models. Raises UsageError for agencies that the registry does not have."""
        shares = np.array([kind.share for kind in traffic])
        return cls(shares / shares.sum(), tuple(model_of(kind, registry, seed) for kind in traffic))

    def draft(self, rng: np.random.Generator, calendar_ms: Int64s) -> DraftBatch:
        """Draft documents; their ordinals are still to be taken."""
        if len(self.models) == 1:
            return self.models[0].draft(rng, calendar_ms, _NoOrdinals())
        kinds = np.searchsorted(np.cumsum(self.shares)[:-1], rng.random(len(calendar_ms)), side="right")
        parts, places = [], []
        for kind, model in enumerate(self.models):
            where = np.flatnonzero(kinds == kind)
            if len(where):
                parts.append(model.draft(rng, calendar_ms[where], _NoOrdinals()))
                places.append(where)
        return DraftBatch.joined(parts).ordered(np.argsort(np.concatenate(places)))


class _NoOrdinals(Ordinals):
    """Stands in where documents are numbered later."""

    def __init__(self) -> None:
        super().__init__(0)

    def take(self, sender: npt.NDArray[np.int32], year: npt.NDArray[np.int16]) -> npt.NDArray[np.int32]:
        return np.zeros(len(sender), np.int32)


def model_of(kind: Traffic, registry: Registry, seed: int) -> TrafficModel | RecordedTraffic:
    """Return the model of one kind of traffic."""
    if kind.like is not None:
        return RecordedTraffic.load(kind.like, registry)
    tables = dict(document_tables())
    if kind.priorities:
        tables["priorities"] = {"shares": dict(kind.priorities)}
    everybody = len(registry) - 1
    fan_out_mean = float(everybody) if kind.fan_out == "all" else min(float(kind.fan_out), float(everybody))
    recipients = agencies_named(kind.recipients, registry) if kind.recipients else None
    if recipients is not None:
        fan_out_mean = min(fan_out_mean, float(max(1, recipients.sum() - 1)))
    model = TrafficModel.build(registry, seed, fan_out_mean, tables)
    if kind.senders:
        senders = agencies_named(kind.senders, registry)
        weights = model.sender_weights * senders
        model = replace(model, sender_weights=weights / weights.sum(), broadcast_weights=weights / weights.sum())
    if recipients is not None:
        # Others keep a weight that is next to nothing: a document always finds enough recipients.
        model = replace(model, recipient_weights=np.where(recipients, model.recipient_weights, 1e-12))
    return model


def agencies_named(names: Sequence[str], registry: Registry) -> npt.NDArray[np.bool_]:
    """Return which agencies have one of these codes or kinds. Raises UsageError naming what is neither."""
    kinds = {agency.kind for agency in registry}
    named = np.zeros(len(registry), np.bool_)
    for name in names:
        if name in kinds:
            named |= np.array([agency.kind == name for agency in registry])
        elif (position := registry.find(name)) is not None:
            named[position] = True
        else:
            raise UsageError(
                f"{name!r} is neither a code nor a kind of agency in the registry",
                next_step=f"give a code as in H53, or one of the kinds {', '.join(sorted(kinds))}",
            )
    return named


@dataclass(slots=True)
class Offering:
    """The loads of all phases of a workload; documents are numbered on through all of them."""

    workload: Workload
    registry: Registry
    started_ms: int  # the business calendar's beginning if the workload names none
    trace_times: Callable[[Path], Floats]
    model: MixedModel = field(init=False)
    ordinals: Ordinals = field(init=False)
    admission: Admission = field(init=False)
    newcomers: NewcomerModel | None = field(init=False, default=None)
    _calendar: list[tuple[float, float]] = field(init=False)

    def __post_init__(self) -> None:
        self._calendar = phase_calendar(self.workload, self.started_ms)
        joining, seed = self.workload.newcomers, self.workload.seed
        self.admission = Admission.of(joining, self.registry)
        self.model = MixedModel.of(self.workload.traffic, self.admission.before, seed)
        self.ordinals = Ordinals(len(self.registry))
        if joining:
            rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_SAMPLE_STREAM,)))
            self.newcomers = NewcomerModel.of(joining, self.registry, self.admission, partial(self.model.draft, rng))

    @property
    def documents_per_arrival(self) -> float:
        """Documents for each one that the phases' rates name: more than 1 where newcomers come on top."""
        return 1.0 + (self.newcomers.per_document if self.newcomers else 0.0)

    @property
    def fan_out_mean(self) -> float:
        """Mean number of recipients of a document, newcomers' included."""
        added = self.newcomers.deliveries_per_document if self.newcomers else 0.0
        return (self.model.fan_out_mean + added) / self.documents_per_arrival

    def process(self, number: int) -> ArrivalProcess:
        """Return the arrivals of an open phase."""
        phase = self.workload.offering[number]
        if phase.file is not None:
            return trace_process(self.trace_times(phase.file))
        return arrival_process(phase, self.model.fan_out_mean, self.workload.seed, number)

    def load(self, number: int) -> "WorkloadPhase":
        """Return the load of a phase."""
        return WorkloadPhase(self, number)

    def calendar_ms(self, number: int, phase_us: Floats) -> Int64s:
        """Return where in the business calendar moments of a phase are."""
        begin_ms, end_ms = self._calendar[number]
        share = phase_us / self.workload.offering[number].duration
        return (begin_ms + share * (end_ms - begin_ms)).astype(np.int64)


def phase_calendar(workload: Workload, started_ms: int) -> list[tuple[float, float]]:
    """Return each phase's beginning and end in the business calendar, in ms.

    The calendar begins where the workload says, or at `started_ms`; but a working day is where its date is, and the
    phases before and after one lead up to it and go on from it. Raises UsageError where a year would come back.
    """
    documents, phases = workload.documents, workload.offering
    lasts_ms = [phase.duration / 1000 * documents.calendar_speed for phase in phases]
    spans: dict[int, tuple[float, float]] = {}
    for number, phase in enumerate(phases):
        if phase.arrivals == "working-day":
            first, last = phase.hours or (0, 24)
            midnight = midnight_ms(day_shape(phase)[0])
            spans[number] = (midnight + first * HOUR_MS, midnight + last * HOUR_MS)
        elif phase.arrivals == "weekly":
            days = phase_days(phase)
            spans[number] = (midnight_ms(days[0]), midnight_ms(days[0]) + len(days) * DAY_MS)
    start_ms: float = started_ms
    if documents.calendar_start is not None:
        start_ms = round(documents.calendar_start.replace(tzinfo=UTC).timestamp() * 1000) - VIETNAM_OFFSET_MS
    elif spans:
        first_day = min(spans)
        start_ms = spans[first_day][0] - sum(lasts_ms[:first_day])
    now_ms = start_ms
    for number, phase in enumerate(phases):
        begin_ms, end_ms = spans.setdefault(number, (now_ms, now_ms + lasts_ms[number]))
        if _year(begin_ms) < _year(now_ms):
            raise UsageError(
                f"phase {phase.name!r} lies in {_year(begin_ms)}, in the business calendar, and the phases before it "
                f"in {_year(now_ms)}: documents are numbered by year, and years do not go back",
                next_step="give it a later day, or leave calendar_start out",
            )
        _check_years(phase.name, begin_ms, end_ms, life_cycle=workload.receipts.life_cycle)
        now_ms = end_ms
    return [spans[number] for number in range(len(phases))]


def _check_years(phase: str, begin_ms: float, end_ms: float, *, life_cycle: bool) -> None:
    """Refuse a phase of years that document ids cannot name, or whose working days are not known and are needed."""
    first, last = (FIRST_YEAR, LAST_YEAR) if life_cycle else (1000, 9999)
    beginning_ms, ending_ms = midnight_ms(date(first, 1, 1)), midnight_ms(date(last, 12, 31))
    if begin_ms < beginning_ms or end_ms > ending_ms:
        why = "the working days that life_cycle needs are known" if life_cycle else "documents can be numbered"
        raise UsageError(
            f"phase {phase!r} leaves the years {first} to {last} of the business calendar, in which {why}",
            next_step="give another documents.calendar_start, or a lower calendar_speed",
        )


def _year(instant_ms: float) -> int:
    return datetime.fromtimestamp((instant_ms + VIETNAM_OFFSET_MS) / 1000, UTC).year


class WorkloadPhase:
    """One phase of a workload as a load."""

    def __init__(self, offering: Offering, number: int) -> None:
        self._offering = offering
        self._number = number
        self._phase = offering.workload.offering[number]
        self._process = None if self._phase.closed else offering.process(number)
        recalls = offering.workload.documents.recalls
        seed = np.random.SeedSequence(offering.workload.seed, spawn_key=(_KINDS_STREAM, number))
        self._recalls = RecallMixer(recalls, seed) if recalls is not None else None

    def times_us(self, points: Floats, factors: Sequence[tuple[int, float]]) -> Floats:
        """Return when points are due after the phase's beginning. A closed phase has no due times."""
        assert self._process is not None
        return self._process.times_us(points, factors)

    def blocks(self) -> Iterator[Block]:
        """Yield blocks of arrivals."""
        for number, (points, added) in enumerate(self._points()):
            if not len(points):
                return
            yield Block(points, partial(self._draft, number, points, added))

    def _points(self) -> Iterator[tuple[Floats, npt.NDArray[np.bool_]]]:
        """Yield blocks of points, and which of them came with newcomers."""
        points = self._process.points(BLOCK) if self._process else (np.zeros(BLOCK) for _ in iter(int, 1))
        newcomers = self._offering.newcomers
        if newcomers is None:
            return ((block, np.zeros(len(block), np.bool_)) for block in points)
        return superposed(points, newcomers.per_document, self._rng(_ADDED_STREAM, self._number))

    def _rng(self, *stream: int) -> np.random.Generator:
        return np.random.default_rng(np.random.SeedSequence(self._offering.workload.seed, spawn_key=stream))

    def _draft(self, number: int, points: Floats, added: npt.NDArray[np.bool_], first: int, last: int) -> DraftBatch:
        times_us = self._process.times_us(points) if self._process else points
        times_us = np.where(np.isfinite(times_us), times_us, 0)
        calendar_ms = np.maximum.accumulate(self._offering.calendar_ms(self._number, times_us))
        batch = self._drafted(number, calendar_ms, added).rows(first, last)
        if self._recalls is None:
            return replace(batch, ordinal=self._offering.ordinals.take(batch.sender, batch.year))
        return self._recalls.mix(batch, times_us[first:last], self._offering.ordinals)

    def _drafted(self, number: int, calendar_ms: Int64s, added: npt.NDArray[np.bool_]) -> DraftBatch:
        """Draft a whole block: documents of those who were there before, and among them those that were added."""
        offering = self._offering
        rng = self._rng(_DOCUMENTS_STREAM, self._number, number)
        batch = offering.admission.placed(offering.model.draft(rng, calendar_ms[~added]))
        if offering.newcomers is None or not added.any():
            return batch
        rng = self._rng(_ADDED_DOCUMENTS_STREAM, self._number, number)
        further = offering.newcomers.draft(rng, calendar_ms[added])
        order = np.argsort(np.concatenate((np.flatnonzero(~added), np.flatnonzero(added))))
        return DraftBatch.joined([batch, further]).ordered(order)


def trace_process(times_s: Floats) -> ArrivalProcess:
    """Return the arrivals of a trace: so many seconds after the phase's beginning, ascending."""
    return Trace(Intensity(np.array([0.0, 1e6]), np.array([0.0, 1.0])), True, np.random.SeedSequence(0), times_s)


@dataclass(frozen=True)
class Trace(ArrivalProcess):
    """Points of a trace are its seconds, and one arrival's worth of intensity is one second."""

    trace_s: Floats = field(default_factory=lambda: np.zeros(0))

    def points(self, block: int) -> Iterator[Floats]:
        for first in range(0, len(self.trace_s), block):
            yield self.trace_s[first : first + block]

    def count(self, duration_us: int) -> int:
        return int(np.searchsorted(self.trace_s, duration_us / 1e6))

    def count_beyond(self, duration_us: int) -> int:
        """Return how many arrivals a phase of that length ends too early for."""
        return len(self.trace_s) - self.count(duration_us)


def read_trace(file: Path) -> Floats:
    """Read a trace: seconds, one a line, ascending; empty lines and those that begin with # say nothing.

    Raises UsageError for the first line that is at fault, or if there is no arrival at all.
    """
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the trace {file} cannot be read: {error}", next_step="give seconds, one a line") from error
    seconds: list[float] = []
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        try:
            value = float(text)
        except ValueError as error:
            raise UsageError(f"{file}:{number}: {text!r} is no number of seconds", next_step="correct it") from error
        if not value >= (seconds[-1] if seconds else 0.0) or value > 1e9:
            raise UsageError(f"{file}:{number}: {text} is earlier than the line before", next_step="sort the trace")
        seconds.append(value)
    if not seconds:
        raise UsageError(f"the trace {file} has no arrivals", next_step="give seconds, one a line")
    return np.array(seconds, np.float64)
