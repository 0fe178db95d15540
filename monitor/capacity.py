"""The search for the capacity, as a state machine: step outcomes in, the next rate out. Pure: it never waits or reads.

    climb     from the start rate up by a factor until a step fails (or down until one holds)
    bisect    between the highest rate that held and the lowest that failed, until they are within the precision; where
              the failed step tells how much got through, the first tries are just below and just above that rate
    confirm   the highest rate that held, in a longer run; if it fails there, the search goes on below it, in long steps
    recheck   the lowest rate that failed, once more: a single unlucky step must not decide the answer

A step has one rate, offered unchanged from its first second to its last; the search is told only of whole steps. A step
that the generator itself could not offer says nothing about the hub: from then on such rates are out of reach, and the
answer is "at least", never a figure for the hub.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from math import inf, sqrt

#: A step of which less than this share got through failed because the hub fell behind.
BEHIND_SHARE = 0.98


class StepKind(StrEnum):
    """What a step is for."""

    CLIMB = "climb"
    BISECT = "bisect"
    CONFIRM = "confirm"
    RECHECK = "recheck"


@dataclass(frozen=True, slots=True)
class Plan:
    """How to search. Rates in deliveries/s or whatever the steps are offered in; durations in seconds."""

    start_rate: float
    rate_min: float  # an axis that cannot even do this has no capacity worth a figure
    rate_max: float = inf  # beyond this nobody wants to know
    factor: float = 2.0  # of the climb; what is far too much is told early, and tells where to look
    precision: float = 0.05  # how far apart, relatively, the two ends of the answer may be
    settle_s: float = 5.0  # offered and not judged, before each measured part
    measure_s: float = 20.0
    confirm_s: float = 60.0
    steps_max: int = 40
    aims_max: int = 4  # tries near the rate that got through, before the interval is halved whatever that was

    def __post_init__(self) -> None:
        if not 0 < self.rate_min <= self.start_rate <= self.rate_max:
            raise ValueError(
                f"rates must rise from rate_min {self.rate_min} over start_rate {self.start_rate} "
                f"to rate_max {self.rate_max}, above 0"
            )
        if self.factor <= 1 or not 0 < self.precision < 1 or self.steps_max < 1:
            raise ValueError("factor must be above 1, precision between 0 and 1, steps_max at least 1")


@dataclass(frozen=True, slots=True)
class Step:
    """One measured step: this rate, unchanged, for settle_s + measure_s."""

    kind: StepKind
    rate: float
    settle_s: float
    measure_s: float


@dataclass(frozen=True, slots=True)
class Limit:
    """What gave way first."""

    objective: str
    stage: str = ""
    agency: str = ""  # code, where it was one agency's objective
    resource: str = ""  # what was exhausted, if that is known: "hub cpu", "broker disk"


@dataclass(frozen=True, slots=True)
class StepOutcome:
    """What a whole step came to. `latency_p99_s` is for the curve of latency against rate."""

    step: Step
    held: bool  # all objectives met
    generator_limited: bool = False  # the generator was late: the step says nothing about the hub
    limit: Limit | None = None
    latency_p99_s: float | None = None
    achieved_rate: float | None = None  # what got through while it was measured
    offered_rate: float | None = None  # as counted: recipients are drawn, so it is near the step's rate, not equal
    run: str = ""  # id of the load test that was the step
    busy: Mapping[str, float] = field(default_factory=dict)  # processors that each process kept busy, where known


@dataclass(frozen=True, slots=True)
class SearchedWith:
    """What of a workload every step has, and what none has."""

    objectives: tuple[str, ...]  # names, with the one that the hub keeps up
    faults: tuple[str, ...]  # kinds
    objectives_left_out: tuple[str, ...]
    faults_left_out: tuple[str, ...]
    phases_left_out: tuple[str, ...]  # each with its arrivals
    arrivals: str = "constant"


class Finding(StrEnum):
    """How a search ended."""

    FOUND = "found"
    AT_LEAST = "at least"  # the generator, or rate_max, came first
    BELOW_MINIMUM = "below minimum"
    UNDECIDED = "undecided"  # steps_max was reached before the answer was as narrow as asked for


@dataclass(frozen=True, slots=True)
class Capacity:
    """The answer: the highest rate at which everything held, and the lowest known at which it did not."""

    finding: Finding
    rate: float  # 0 below the minimum
    upper: float  # inf where nothing above was seen to fail
    generator_limited: bool
    confirmed: bool
    limit: Limit | None


@dataclass(frozen=True, slots=True)
class CapacitySearch:
    """The state. `step` is to be run next, `after` takes its outcome and gives the state that follows."""

    plan: Plan
    outcomes: tuple[StepOutcome, ...] = ()
    held: tuple[float, ...] = ()  # rates that held, all below those that failed
    failed: tuple[float, ...] = ()
    reach: float = inf  # lowest rate that the generator could not offer
    confirmed: float = 0.0  # highest rate that held in a longer run
    rechecked: float = inf  # rate that failed a second time
    only_long: bool = False  # a short step was overturned by a longer one: from then on all are long

    @property
    def lower(self) -> float:
        """The highest rate that held; 0 if none did."""
        return max(self.held, default=0.0)

    @property
    def upper(self) -> float:
        """The lowest rate that failed; infinite if none did."""
        return min(self.failed, default=inf)

    @property
    def ceiling(self) -> float:
        """No rate at or above this is worth a step."""
        return min(self.upper, self.reach)

    @property
    def step(self) -> Step | None:
        """The next step, or None when there is an answer."""
        plan = self.plan
        if len(self.outcomes) >= plan.steps_max or self.ceiling <= plan.rate_min:
            return None
        if self.lower == 0.0:
            first = plan.start_rate if self.ceiling == inf else max(plan.rate_min, self.ceiling / plan.factor)
            return self._step(StepKind.CLIMB, first)
        if self.ceiling == inf and self.lower < plan.rate_max:
            return self._step(StepKind.CLIMB, min(self.lower * plan.factor, plan.rate_max))
        if self.ceiling < inf and self.ceiling > self.lower * (1 + plan.precision):
            return self._step(StepKind.BISECT, self._aim() or sqrt(self.lower * self.ceiling))
        if self.confirmed < self.lower:
            return self._step(StepKind.CONFIRM, self.lower)
        if self.upper < self.reach and self.rechecked != self.upper:
            return self._step(StepKind.RECHECK, self.upper)
        return None

    def _aim(self) -> float | None:
        """Return a rate just below, or else just above, what got through of the lowest rate that failed.

        A hub that falls behind passes on what it can: that rate is near the limit, and the two tries around it are as
        far apart as the answer may be wide. None where the step failed for another reason, or too many tries missed.
        """
        failed = [one for one in self.outcomes if not one.held and one.step.rate == self.upper]
        through = failed[-1].achieved_rate if failed else None
        tries = sum(one.step.kind is StepKind.BISECT for one in self.outcomes)
        if through is None or through >= BEHIND_SHARE * self.upper or tries >= self.plan.aims_max:
            return None
        apart = (1 + self.plan.precision) ** 0.49  # not quite the half, so that two of them are surely near enough
        return next((rate for rate in (through / apart, through * apart) if self.lower < rate < self.ceiling), None)

    def _step(self, kind: StepKind, rate: float) -> Step:
        is_long = kind is StepKind.CONFIRM or self.only_long
        return Step(kind, rate, self.plan.settle_s, self.plan.confirm_s if is_long else self.plan.measure_s)

    def after(self, outcome: StepOutcome) -> "CapacitySearch":
        """Return the state after the step that was asked for. Raises ValueError for the outcome of any other step."""
        asked = self.step
        if asked is None or outcome.step != asked:
            raise ValueError(f"{asked} was asked for, and {outcome.step} was done: a step is never changed on the way")
        told = replace(self, outcomes=(*self.outcomes, outcome))
        if outcome.generator_limited:
            return told._out_of_reach(asked.rate)
        return told._holds(asked) if outcome.held else told._fails(asked)

    def _out_of_reach(self, rate: float) -> "CapacitySearch":
        below = tuple(one for one in self.held if one < rate)
        return replace(
            self, reach=min(self.reach, rate), held=below, confirmed=min(self.confirmed, max(below, default=0.0))
        )

    def _holds(self, step: Step) -> "CapacitySearch":
        """A rate that failed before and holds now had an unlucky step: it no longer bounds the search."""
        above = tuple(one for one in self.failed if one > step.rate)
        is_long = step.measure_s >= self.plan.confirm_s
        confirmed = max(self.confirmed, step.rate) if is_long else self.confirmed
        return replace(self, held=(*self.held, step.rate), failed=above, confirmed=confirmed)

    def _fails(self, step: Step) -> "CapacitySearch":
        """A rate that held before and fails now is to be doubted: the search falls back below it."""
        below = tuple(one for one in self.held if one < step.rate)
        return replace(
            self,
            held=below,
            failed=(*self.failed, step.rate),
            confirmed=min(self.confirmed, max(below, default=0.0)),
            rechecked=step.rate if step.kind is StepKind.RECHECK else self.rechecked,
            only_long=self.only_long or step.kind is StepKind.CONFIRM,
        )

    @property
    def answer(self) -> Capacity | None:
        """The answer, or None while there is another step to run."""
        if self.step is not None:
            return None
        confirmed = 0.0 < self.lower <= self.confirmed
        limited = self.reach <= self.upper and self.reach < inf
        return Capacity(
            self._finding(confirmed),
            self.lower,
            self.upper,
            limited,
            confirmed,
            _first_limit(self.outcomes, self.upper),
        )

    def _finding(self, confirmed: bool) -> Finding:
        if self.lower == 0.0:
            return Finding.BELOW_MINIMUM if self.upper <= self.plan.rate_min else Finding.UNDECIDED
        if not confirmed or (self.ceiling < inf and self.ceiling > self.lower * (1 + self.plan.precision)):
            return Finding.UNDECIDED
        if self.reach <= self.upper or self.upper == inf:
            return Finding.AT_LEAST
        return Finding.FOUND if self.rechecked == self.upper else Finding.UNDECIDED


def _first_limit(outcomes: Iterable[StepOutcome], upper: float) -> Limit | None:
    """Return what gave way at the lowest rate that is known to fail, as it was last seen there."""
    failed = [one for one in outcomes if not one.held and not one.generator_limited and one.limit is not None]
    at_upper = [one.limit for one in failed if one.step.rate == upper]
    return at_upper[-1] if at_upper else None


def curve(outcomes: Iterable[StepOutcome]) -> list[tuple[float, float]]:
    """Return (rate, p99 of the delivery latency in seconds) of every step that says something about the hub."""
    points = [
        (one.step.rate, one.latency_p99_s)
        for one in outcomes
        if one.latency_p99_s is not None and not one.generator_limited
    ]
    return sorted(points)
