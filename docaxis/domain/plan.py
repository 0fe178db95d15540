"""The plan of a load test: when each phase begins and ends on the wall clock, as it stands now. Pure.

The conductor of a run alone writes it, ahead of time; fleets send by it and stream workers sort what they count by it.
A change (pause, another rate, the end of a phase) lies in the future when it is written, so nobody has to take back
what was counted: an event whose intended time is past belongs to the same phase under the old plan and the new.
"""

from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt

Int64s = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

#: A phase that stands still does not end yet.
NEVER_US = 1 << 60

#: Number of "no phase": before the first, or after the last.
NO_PHASE = -1


class PlannedPhase(msgspec.Struct, frozen=True):
    """One phase on the wall clock, `[begin_us, end_us)`."""

    name: str
    kind: str
    begin_us: int
    end_us: int
    measured: bool
    closed: bool


class Plan(msgspec.Struct, frozen=True, tag_field="kind", tag="plan"):
    """All phases of a run, the pauses in them and the changes of rate."""

    run: str
    number: int  # a later plan has a higher one
    phases: list[PlannedPhase]
    pauses: list[tuple[int, int]] = []  # [from, until), in order; NEVER_US while it lasts
    factors: list[tuple[int, float]] = []  # from when on the rate is multiplied by what
    speed: float = 0.0  # of a replay: recorded seconds in one second, at factor 1; 0 where there is no such thing

    @property
    def begin_us(self) -> int:
        """When the first phase begins."""
        return self.phases[0].begin_us

    @property
    def speeds(self) -> list[tuple[int, float]]:
        """From when on a replay goes how fast, changes alone."""
        return [(at_us, self.speed * factor) for at_us, factor in self.factors] if self.speed else []

    @property
    def end_us(self) -> int:
        """When the last phase that sends ends."""
        return self.phases[-1].end_us

    def phase_of(self, instants_us: Int64s) -> Int64s:
        """Return the number of the phase that each instant lies in, NO_PHASE outside all."""
        begins = np.array([phase.begin_us for phase in self.phases], np.int64)
        numbers = np.searchsorted(begins, instants_us, side="right") - 1
        return np.where(instants_us < self.end_us, numbers, NO_PHASE)

    def wall_us(self, number: int, phase_us: Int64s) -> Int64s:
        """Return the instants at which so much time of a phase has passed, pauses left out."""
        walls = self.phases[number].begin_us + phase_us
        for begin_us, end_us in self._pauses_of(number):
            walls = np.where(walls >= begin_us, np.minimum(walls + (end_us - begin_us), NEVER_US), walls)
        return walls

    def due_us(self, number: int, offered_us: Int64s) -> Int64s:
        """Return the instants of what is offered so long after a phase's beginning, by its rates and pauses."""
        factors = self.factors_of(number)
        if factors != [(0, 1.0)]:
            offered_us = stretched(offered_us, factors)
        return self.wall_us(number, offered_us)

    def phase_us(self, number: int, wall_us: int) -> int:
        """Return how much time of a phase has passed at an instant, pauses left out."""
        begin_us = self.phases[number].begin_us
        stood = sum(max(0, min(end_us, wall_us) - start_us) for start_us, end_us in self._pauses_of(number))
        return max(0, wall_us - begin_us - stood)

    def factors_of(self, number: int) -> list[tuple[int, float]]:
        """Return (time in the phase, factor from then on), beginning at 0."""
        phase = self.phases[number]
        known = [(0, 1.0)]
        for at_us, factor in self.factors:
            if at_us <= phase.begin_us:
                known = [(0, factor)]
            elif at_us < phase.end_us:
                known.append((self.phase_us(number, at_us), factor))
        return known

    def _pauses_of(self, number: int) -> list[tuple[int, int]]:
        phase = self.phases[number]
        return [pause for pause in self.pauses if phase.begin_us <= pause[0] < phase.end_us]


def stretched(offered_us: Int64s, factors: Sequence[tuple[int, float]]) -> Int64s:
    """Return when so much of what is offered has passed, the rate being multiplied from each time on; NEVER_US: never.

    `factors`: (time in the phase, factor), in order of time, beginning at 0.
    """
    begins, rates = (np.array(column, np.float64) for column in zip(*factors, strict=True))
    passed = np.concatenate([[0.0], np.cumsum(np.diff(begins) * rates[:-1])])
    at = np.searchsorted(passed, offered_us, side="right") - 1
    rest = np.asarray(offered_us - passed[at], np.float64)
    walls = np.full(len(rest), NEVER_US, np.int64)
    finite = rates[at] > 0
    walls[finite] = np.floor(begins[at][finite] + rest[finite] / rates[at][finite]).astype(np.int64)
    return walls


def first_plan(run: str, begin_us: int, phases: Sequence[tuple[str, str, int, bool, bool]]) -> Plan:
    """Return the plan of phases (name, kind, duration_us, measured, closed) that follow each other."""
    planned = []
    for name, kind, duration_us, measured, closed in phases:
        planned.append(PlannedPhase(name, kind, begin_us, begin_us + duration_us, measured, closed))
        begin_us += duration_us
    return Plan(run, 1, planned)


def paused(plan: Plan, at_us: int) -> Plan:
    """Return the plan with everything standing still from `at_us` on; unchanged if it does already."""
    if (plan.pauses and plan.pauses[-1][1] >= NEVER_US) or not plan.begin_us <= at_us < plan.end_us:
        return plan
    phases = [_shifted(phase, at_us, NEVER_US) for phase in plan.phases]
    return msgspec.structs.replace(
        plan, number=plan.number + 1, phases=phases, pauses=[*plan.pauses, (at_us, NEVER_US)]
    )


def resumed(plan: Plan, before: Plan, at_us: int) -> Plan:
    """Return the plan going on at `at_us`; `before` is the plan as it was when it was paused."""
    if not plan.pauses or plan.pauses[-1][1] < NEVER_US:
        return plan
    began_us = plan.pauses[-1][0]
    at_us = max(at_us, began_us + 1)
    phases = [_shifted(phase, began_us, at_us - began_us) for phase in before.phases]
    return msgspec.structs.replace(
        plan, number=plan.number + 1, phases=phases, pauses=[*plan.pauses[:-1], (began_us, at_us)]
    )


def with_factor(plan: Plan, at_us: int, factor: float) -> Plan:
    """Return the plan with the rate multiplied by `factor` (of the workload's, not of the last one) from then on."""
    return msgspec.structs.replace(plan, number=plan.number + 1, factors=[*plan.factors, (at_us, factor)])


def phase_ended(plan: Plan, at_us: int) -> Plan:
    """Return the plan with the phase of `at_us` ending there and the later ones following at once."""
    number = int(plan.phase_of(np.array([at_us], np.int64))[0])
    if number == NO_PHASE:
        return plan
    early_us = plan.phases[number].end_us - at_us
    phases = [
        phase
        if index < number
        else PlannedPhase(
            phase.name,
            phase.kind,
            phase.begin_us if index == number else phase.begin_us - early_us,
            phase.end_us - early_us,
            phase.measured,
            phase.closed,
        )
        for index, phase in enumerate(plan.phases)
    ]
    return msgspec.structs.replace(plan, number=plan.number + 1, phases=phases)


def _shifted(phase: PlannedPhase, from_us: int, by_us: int) -> PlannedPhase:
    """Return a phase with what lies after `from_us` moved."""

    def moved(instant_us: int) -> int:
        return instant_us if instant_us <= from_us else min(instant_us + by_us, NEVER_US)

    return PlannedPhase(
        phase.name, phase.kind, moved(phase.begin_us), moved(phase.end_us), phase.measured, phase.closed
    )
