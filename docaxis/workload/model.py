"""What a workload may say: the keys, their units and what they mean. Frozen; anything unknown is refused.

Read with `docaxis.workload.file`; its JSON Schema, for editors, is made from these classes, and the text below a field
is its description there (`docaxis.workload.schema`).
"""

from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from docaxis.workload.faults import Fault
from docaxis.workload.objectives import Objective
from docaxis.workload.refusing import Mistake, refuse
from docaxis.workload.units import Duration, RateText, parse_duration_us

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=40)]
Share = Annotated[float, Field(ge=0, le=1)]
Weight = Annotated[float, Field(ge=0)]
HoursOfDay = Annotated[tuple[Weight, ...], Field(min_length=24, max_length=24)]

PhaseKind = Literal["warm-up", "load", "soak", "drain"]
ArrivalsName = Literal[
    "constant", "poisson", "ramp", "steps", "spike", "working-day", "weekly", "bursts", "trace", "closed"
]

#: Keys that each kind of arrivals needs beside `rate`, and those it may have.
ARRIVAL_KEYS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "constant": (("rate",), ()),
    "poisson": (("rate",), ()),
    "ramp": (("rate", "to"), ("even",)),
    "steps": (("rate", "to", "steps"), ("even",)),
    "spike": (("rate", "peak", "spike_at", "spike_for"), ("even",)),
    "working-day": (("rate",), ("day", "hours", "even")),
    "weekly": (("rate", "week", "day"), ("days", "holiday_factor", "burst_factor", "burst_for", "calm_for", "even")),
    "bursts": (("rate",), ("burst_factor", "burst_for", "calm_for")),
    "trace": (("file",), ()),
    "closed": (("in_flight",), ()),
}
_SHAPE_KEYS = tuple(dict.fromkeys(key for needed, allowed in ARRIVAL_KEYS.values() for key in needed + allowed))

#: Years in which weekly arrivals may begin: Tết goes by the moon, and its days are known of these.
WEEKLY_YEARS = (1901, 2098)

#: Most documents of a run: beyond, an ordinal would outgrow its seven digits.
DOCUMENTS_MAX = 50_000_000


class Section(BaseModel):
    """What all tables share."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


class Phase(Section):
    """A stretch of the run. Only load and soak phases are measured; a drain waits for what is outstanding."""

    name: Name
    """What the views, the faults and the result call it; each name once."""
    kind: PhaseKind = "load"
    """A warm-up is measured apart, load and soak are judged, a drain is last and sends nothing."""
    duration: Duration
    """How long it lasts; of a drain, how long what is outstanding is waited for."""
    arrivals: ArrivalsName = "poisson"
    """The shape of the load over the phase."""
    rate: RateText | None = None
    """Documents or deliveries a second: of the whole phase on average, or where the shape begins."""
    to: RateText | None = None
    """Documents or deliveries a second where a ramp or the steps end."""
    steps: int | None = Field(None, ge=2, le=100)
    """How many even steps, the first and the last rate included."""
    peak: RateText | None = None
    """Documents or deliveries a second of a spike."""
    spike_at: Duration | None = None
    """When a spike begins, after the phase's beginning."""
    spike_for: Duration | None = None
    """How long a spike lasts."""
    day: date | None = None
    """The day that is squeezed into the phase, or the first of several; `rate` is the mean of ordinary ones."""
    hours: tuple[int, int] | None = None
    """Which hours of a working day, from 0 to 24, as in [7, 18]; all unless given."""
    week: tuple[HoursOfDay, ...] | None = Field(None, min_length=7, max_length=7)
    """How busy each hour of a week is, relative to the others: seven lists of 24 numbers, Monday first."""
    days: int | None = Field(None, ge=1, le=366)
    """How many days are squeezed into a weekly phase, from `day` on; 1 unless given."""
    holiday_factor: float | None = Field(None, ge=0, le=100)
    """How much of its weekday's traffic a holiday has: 0.1 is a tenth; 0.015 unless given."""
    burst_factor: float | None = Field(None, gt=1, le=1000)
    """How many times busier bursts are than the calm between them; 5 unless given."""
    burst_for: Duration | None = None
    """How long a burst lasts on average; 2 s unless given."""
    calm_for: Duration | None = None
    """How long the calm between bursts lasts on average; 8 s unless given."""
    file: Path | None = None
    """A trace: the seconds of the arrivals after the phase's beginning, one a line, ascending."""
    in_flight: int | None = Field(None, ge=1, le=10_000_000)
    """A closed loop: deliveries on their way at most. Such latencies are shown and never judged."""
    even: bool | None = None
    """Arrivals exactly as often as the shape says, instead of by chance (Poisson)."""

    @property
    def measured(self) -> bool:
        """Whether the phase counts for objectives."""
        return self.kind in ("load", "soak")

    @property
    def closed(self) -> bool:
        """Whether the load waits for the system."""
        return self.arrivals == "closed"

    @model_validator(mode="after")
    def _possible(self) -> Self:
        refuse("phase", list(self._mistakes()))
        return self

    def _mistakes(self) -> Iterator[Mistake]:
        given = [key for key in _SHAPE_KEYS if getattr(self, key) is not None]
        if not self.duration:
            yield ("duration",), "a phase lasts longer than nothing"
        if self.kind == "drain":
            yield from (((key,), f"a drain sends nothing: it has no {key}") for key in given)
            return
        needed, allowed = ARRIVAL_KEYS[self.arrivals]
        if missing := [key for key in needed if key not in given]:
            yield (), f"arrivals {self.arrivals!r} need {', '.join(missing)}"
        surplus = [key for key in given if key not in needed + allowed]
        yield from (((key,), f"arrivals {self.arrivals!r} have no {key}") for key in surplus)
        if self.arrivals == "spike" and (self.spike_at or 0) + (self.spike_for or 0) > self.duration:
            yield ("spike_for",), "the spike ends after the phase"
        if self.week is not None and not any(any(hours) for hours in self.week):
            yield ("week",), "a week needs an hour above zero"
        if self.week is not None and self.day is not None and not WEEKLY_YEARS[0] <= self.day.year <= WEEKLY_YEARS[1]:
            yield ("day",), f"holidays are known of the years {WEEKLY_YEARS[0]} to {WEEKLY_YEARS[1]}"
        if self.hours is not None and not 0 <= self.hours[0] < self.hours[1] <= 24:
            yield ("hours",), "hours of the day are expected, the earlier first, as in [7, 18]"


class Traffic(Section):
    """One kind of documents in the mix: who sends it, to whom, how urgent."""

    name: Name = "routine"
    """What this kind is called."""
    share: Weight = 1.0
    """Part of all documents, relative to the other kinds."""
    senders: tuple[str, ...] = ()
    """Codes or kinds of the agencies that send it; empty: all, as busy as documents.toml says."""
    recipients: tuple[str, ...] = ()
    """Codes or kinds of the agencies that receive it; empty: all, as documents.toml says."""
    fan_out: Annotated[float, Field(ge=1, le=10_000)] | Literal["all"] = 3.59
    """Mean number of recipients of a document, or "all" for everybody else."""
    like: Path | None = None
    """A file of `docaxis fit`: senders, recipients, kinds and sizes as a recording had them; it excludes the others."""
    priorities: dict[Literal["0", "1", "2", "3", "4"], Weight] = Field(default_factory=dict)
    """Weight of each priority, 0 (normal) to 4 (express at a set time); empty: as documents.toml has them."""

    @model_validator(mode="after")
    def _some(self) -> Self:
        if self.priorities and not any(self.priorities.values()):
            raise ValueError("priorities need a weight above zero")
        given = self.model_fields_set - {"name", "share", "like"}
        if self.like is not None and given:
            raise ValueError(f"like says it all: leave {', '.join(sorted(given))} out")
        return self


def _recall_kinds() -> "dict[Literal['1', '2', '3'], float]":
    return {"1": 0.5, "2": 0.3, "3": 0.2}


class Recalls(Section):
    """Documents that are recalled, updated or replaced some time after they were sent: business kinds 1 to 3."""

    share: Share = 0.05
    """Part of all documents that are such packets, 0 to 1."""
    after: Duration = Field("5 s", validate_default=True)
    """How long after the document at the earliest."""
    kinds: dict[Literal["1", "2", "3"], Weight] = Field(default_factory=_recall_kinds)
    """Weight of each business kind: 1 recall, 2 update, 3 replacement."""

    @model_validator(mode="after")
    def _some(self) -> Self:
        if not any(self.kinds.values()):
            raise ValueError("kinds need a weight above zero")
        return self


class Documents(Section):
    """Where in the business calendar the run takes place, and further packets about earlier documents."""

    calendar_start: datetime | None = None
    """When the run begins in the business calendar, Vietnam time without a zone; now unless given."""
    calendar_speed: float = Field(1.0, ge=0.001, le=1e6)
    """How many times faster than the wall clock the business calendar runs."""
    recalls: Recalls | None = None
    """Further packets about earlier documents: recalls, updates, replacements; none unless given."""
    drafted_ahead: bool = False
    """Draft everything before the start: for measuring the schedule alone."""

    @model_validator(mode="after")
    def _local(self) -> Self:
        if self.calendar_start is not None and self.calendar_start.tzinfo is not None:
            raise ValueError("calendar_start is Vietnam time: write it without a zone, as in 2022-07-01T08:00:00")
        return self


class Receipts(Section):
    """How recipients fetch and answer."""

    poll_interval: Duration = Field("0 s", validate_default=True)
    """How long an agency waits between its polls; "0 s": it receives at once."""
    life_cycle: bool = False
    """Also state the business statuses 01 to 06 (and 13, 15, 16 about recalls) on the calendar."""
    late_after: Duration = Field("60 s", validate_default=True)
    """A delivery that took longer from sent to received is late."""


class Newcomer(Section):
    """An agency of the registry that joins: what everybody else sends to each other stays as it is without it."""

    code: Annotated[str, Field(min_length=1, max_length=12)]
    """Its code, as the registry has it."""
    like: Annotated[str, Field(min_length=1, max_length=12)]
    """Code of an agency that was there before: it sends and receives `factor` times what that one does."""
    factor: Annotated[float, Field(gt=0, le=1000)] = 1.0
    """How many times as much as `like`."""


class GeneratorBounds(Section):
    """Beyond these the generator itself was at fault, and the run is invalid."""

    schedule_error_p99: Duration = Field("25 ms", validate_default=True)
    """How late the generator itself may send: 99 % of the documents."""
    loop_lag_p99: Duration = Field("100 ms", validate_default=True)
    """How long the generator's event loop may be kept: 99 % of the looks at it."""
    clock_step: Duration = Field("50 ms", validate_default=True)
    """How far the wall clock may be set while the run goes on."""
    in_flight: int = Field(200_000, ge=1, le=10_000_000)
    """Documents sent and not acknowledged at most; at the bound sending waits, and the wait is latency."""


# Whether its tables fit together is looked at in `docaxis.workload.consistency`, by whoever reads one.
class Workload(Section):
    """A whole workload."""

    name: Name
    """What the workload is called: small letters, digits and hyphens."""
    purpose: str = ""
    """What the workload is for, one sentence."""
    seed: int = Field(1, ge=0, lt=1 << 63)
    """The same seed gives the same documents at the same moments."""
    registry: Path | None = None
    """Registry of agencies (CSV), relative to this file; the 95 unless given."""
    hub: Literal["reference", "external"] = "reference"
    """Whose hub: "external" starts none, whoever routes between the topics is under test."""
    phases: tuple[Phase, ...] = Field(min_length=1, max_length=64)
    """Stretches of the run, one after the other in the order of the file."""
    traffic: tuple[Traffic, ...] = Field((Traffic(),), min_length=1, max_length=16)
    """The mix: kinds of documents, by who sends them and to whom."""
    newcomers: tuple[Newcomer, ...] = Field((), max_length=1000)
    """Agencies that join: their traffic comes on top of the phases' rates."""
    documents: Documents = Field(default_factory=Documents)
    """The business calendar, and further packets about earlier documents."""
    receipts: Receipts = Field(default_factory=Receipts)
    """How recipients fetch and answer."""
    generator: GeneratorBounds = Field(default_factory=GeneratorBounds)
    """Beyond which bounds the generator itself is at fault."""
    faults: tuple[Fault, ...] = Field((), max_length=64)
    """What is injected; the report lists it, and the audit finds exactly that."""
    objectives: tuple[Objective, ...] = Field((), max_length=64)
    """What must hold in the measured phases."""

    @property
    def first_phase(self) -> str:
        """The phase in which faults happen that name none: the first that is measured, else the first."""
        return next((phase.name for phase in self.offering if phase.measured), self.offering[0].name)

    @property
    def offering(self) -> tuple[Phase, ...]:
        """The phases that send."""
        return tuple(phase for phase in self.phases if phase.kind != "drain")

    @property
    def lost_after_us(self) -> int:
        """How long after the last document what is still outstanding is waited for; then it is lost."""
        drain = self.phases[-1]
        return drain.duration if drain.kind == "drain" else parse_duration_us("30 s")
