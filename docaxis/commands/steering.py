"""How a plan is changed while it runs: what is asked for, as a user wrote it, and the plan that follows. Pure."""

import re

import msgspec

from docaxis.domain.control import Command
from docaxis.domain.plan import Plan, paused, phase_ended, resumed, with_factor

#: Factors of the rate beside 0, which is a rate too.
FACTOR_MIN, FACTOR_MAX = 0.01, 1000.0


def steered(plan: Plan, command: Command, at_us: int, before_pause: Plan | None) -> Plan:
    """Return the plan as a command changes it from `at_us` on; the same plan if the command asks for nothing new.

    `before_pause`: the plan that a pause interrupted, if one did.
    """
    match command.verb:
        case "pause":
            return paused(plan, at_us)
        case "resume":
            return resumed(plan, before_pause, at_us) if before_pause is not None else plan
        case "rate":
            factor = factor_of(command.value)
            return with_factor(plan, at_us, factor) if factor is not None else plan
        case "speed":
            speed = speed_of(command.value)
            return with_factor(plan, at_us, speed / plan.speed) if speed and plan.speed else plan
        case "end-phase":
            return phase_ended(plan, at_us)
        case "stop":
            return phases_ended(plan, at_us)


def phases_ended(plan: Plan, at_us: int) -> Plan:
    """Return the plan with nothing being sent from `at_us` on."""
    phases = [
        msgspec.structs.replace(phase, begin_us=min(phase.begin_us, at_us), end_us=min(phase.end_us, at_us))
        for phase in plan.phases
    ]
    return msgspec.structs.replace(plan, number=plan.number + 1, phases=phases)


def factor_of(text: str) -> float | None:
    """Return the factor that "1.5x" or "150%" means; None for anything else."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(x|%)", text.strip())
    if match is None:
        return None
    factor = float(match[1]) / (100 if match[2] == "%" else 1)
    return factor if factor == 0 or FACTOR_MIN <= factor <= FACTOR_MAX else None


def speed_of(text: str) -> float | None:
    """Return the speed of a replay that a user wrote, in recorded seconds a second; None for anything else."""
    match = re.fullmatch(r"\d+(?:\.\d+)?", text.strip())
    speed = float(match[0]) if match else 0.0
    return speed if 0 < speed < 1e12 else None
