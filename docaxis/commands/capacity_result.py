"""capacity.json: the answer of a search, every step that led to it, and everything needed to repeat it."""

from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any

from docaxis.commands.capacity_steps import searched_with
from docaxis.commands.load_test import LoadTest
from docaxis.kafka.jars import KAFKA_VERSION
from docaxis.settings import Settings
from monitor.capacity import Capacity, CapacitySearch, Plan, StepOutcome, curve
from monitor.result import SCHEMA_VERSION, machine, versions


@dataclass(frozen=True, slots=True)
class Circumstances:
    """Under which a search was made."""

    run: str  # id of the search; its steps have ids of their own
    given: LoadTest  # the workload as it was given, seed and hub of the command line in it
    settings: Settings
    started_us: int
    wall_seconds: float
    exit_code: int


def answer_content(answer: Capacity, search: CapacitySearch, under: Circumstances) -> dict[str, Any]:
    """Return the answer for machines; what result.json has too, has the same name and meaning."""
    loaded, registry_file = under.given.loaded, under.given.registry_file
    return {
        "schema_version": SCHEMA_VERSION,
        "run": under.run,
        "command": "capacity",
        "exit_code": under.exit_code,
        "unit": "deliveries/s",
        **asdict(answer),
        "upper": _finite(answer.upper),
        "steps": [_step(one) for one in search.outcomes],
        "curve": [{"rate": rate, "delivery_p99_seconds": p99} for rate, p99 in curve(search.outcomes)],
        "search": _options(search.plan),
        "searched_with": asdict(searched_with(loaded.content)),
        "fleets": under.given.fleets,
        "registry": str(registry_file) if registry_file is not None else None,
        "seed": loaded.workload.seed,
        "workload": loaded.content,
        "workload_hash": under.given.workload_hash,
        "started_us": under.started_us,
        "wall_seconds": round(under.wall_seconds, 3),
        "versions": {**versions(), "kafka": KAFKA_VERSION},
        "machine": machine(),
        "settings": under.settings.shown(),
    }


def _step(one: StepOutcome) -> dict[str, Any]:
    return {
        "run": one.run,
        "kind": one.step.kind.value,
        "rate": one.step.rate,
        "settle_seconds": one.step.settle_s,
        "measure_seconds": one.step.measure_s,
        "held": one.held,
        "generator_limited": one.generator_limited,
        "limit": asdict(one.limit) if one.limit is not None else None,
        "delivery_p99_seconds": one.latency_p99_s,
        "achieved_rate": one.achieved_rate,
        "offered_rate": one.offered_rate,
        "busy": dict(one.busy),
    }


def _options(plan: Plan) -> dict[str, Any]:
    return {
        "start_rate": plan.start_rate,
        "rate_min": plan.rate_min,
        "rate_max": _finite(plan.rate_max),
        "factor": plan.factor,
        "precision": plan.precision,
        "settle_seconds": plan.settle_s,
        "measure_seconds": plan.measure_s,
        "confirm_seconds": plan.confirm_s,
        "steps_max": plan.steps_max,
        "aims_max": plan.aims_max,
    }


def _finite(value: float) -> float | None:
    return value if isfinite(value) else None
