"""A step of a capacity search: what it offers, when it need not go on, what its result says of the limit."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from docaxis.commands.conduct_load import LoadMoment
from docaxis.commands.exhausted import resource_of
from docaxis.domain.errors import UsageError
from monitor.capacity import Limit, SearchedWith, Step, StepOutcome
from monitor.reading import LEDGER
from monitor.series import phase_number, slope_of

#: What is outstanding may grow by this share of the rate before the hub counts as not keeping up.
GROWTH_SHARE = 0.02

#: A backlog that has grown by this share of the rate for so many seconds, and is worth a second of it by then, will not
#: have settled when the step ends: it ends early, at the rate at which it began.
CLEAR_GROWTH_SHARE, CLEAR_AFTER_S = 0.15, 4.0

#: What the objective is called that each step has: its backlog does not grow.
KEEPS_UP = "hub keeps up"

#: Faults that every step has: a limit is what is searched for. What befalls documents or processes at a moment would be
#: what gives way, at whatever rate.
FAULTS_KEPT = ("limited-hub",)

#: Parts of a delivery's time, in one of which a backlog lies.
PARTS = ("send_delay", "routing", "pickup")

#: A hub that is not ours finds the next step's documents behind the last one's, in the same topics: what a step left is
#: waited for this many times as long as the step.
EXTERNAL_DRAIN = 4


def step_content(content: Mapping[str, Any], step: Step) -> dict[str, Any]:
    """Return a workload's content with its phases replaced by a step, and the objective that the hub keeps up."""
    rate = {"rate": f"{step.rate:.6f} deliveries/s", "arrivals": "constant"}
    drain = [phase for phase in content["phases"] if phase.get("kind") == "drain"]
    if content.get("hub") == "external":
        drain = [
            {"name": "drain", "kind": "drain", "duration": f"{EXTERNAL_DRAIN * (step.settle_s + step.measure_s):g} s"}
        ]
    phases = [
        {"name": "settle", "kind": "warm-up", "duration": f"{step.settle_s:g} s", **rate},
        {"name": "step", "kind": "load", "duration": f"{step.measure_s:g} s", **rate},
        *drain,
    ]
    objectives = [{**one, "abort": False} for one in content.get("objectives", []) if _is_searched_with(one)]
    keeps_up = {"name": _free_name(objectives), "backlog_slope": GROWTH_SHARE * step.rate}
    faults = [fault for fault in content.get("faults", []) if fault["kind"] in FAULTS_KEPT]
    return {**content, "phases": phases, "objectives": [*objectives, keeps_up], "faults": faults}


def searched_with(content: Mapping[str, Any]) -> SearchedWith:
    """Return what a search among a workload's rates leaves of it.

    Raises UsageError if the workload asks for a rate and nothing else: a search would answer another question.
    """
    objectives = content.get("objectives", [])
    kept = [one for one in objectives if _is_searched_with(one)]
    left_out = tuple(one["name"] for one in objectives if not _is_searched_with(one))
    if left_out and not kept:
        raise UsageError(
            f"all that the workload asks for is a rate (at_least: {', '.join(left_out)}), and a search lowers it",
            next_step="give it an objective that holds at any rate, such as a latency, or use `docaxis run`",
        )
    faults = [fault["kind"] for fault in content.get("faults", [])]
    return SearchedWith(
        (*(one["name"] for one in kept), _free_name(kept)),
        _each_once(kind for kind in faults if kind in FAULTS_KEPT),
        left_out,
        _each_once(kind for kind in faults if kind not in FAULTS_KEPT),
        tuple(
            f"{phase['name']} ({phase.get('arrivals', 'poisson')})"
            for phase in content["phases"]
            if phase.get("kind") != "drain"
        ),
    )


def _is_searched_with(objective: Mapping[str, Any]) -> bool:
    """Whether an objective can hold at any rate: one that asks for a rate is missed below it, whatever the hub does."""
    return objective.get("at_least") is None


def _each_once(kinds: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(kinds))


def _free_name(objectives: Sequence[Mapping[str, Any]]) -> str:
    """Return what the objective that the hub keeps up is called: a workload may have one of that name, and no two."""
    taken = {one["name"] for one in objectives}
    names = (KEEPS_UP, *(f"{KEEPS_UP} ({number})" for number in range(2, len(taken) + 3)))
    return next(name for name in names if name not in taken)


def outcome_of(step: Step, result: Mapping[str, Any], busy: Mapping[str, float] | None = None) -> StepOutcome:
    """Return what a step came to; `busy` as in `limit_of`."""
    return StepOutcome(
        step,
        held=result["exit_code"] == 0,
        generator_limited=not result["valid"],
        limit=None if result["exit_code"] == 0 else limit_of(result, busy),
        latency_p99_s=result["latency_seconds"]["delivery"]["p99"],
        achieved_rate=result["rates"]["deliveries_per_second"],
        offered_rate=result["rates"]["offered_deliveries_per_second"],
        run=result["run"],
        busy=busy or {},
    )


def limit_of(result: Mapping[str, Any], busy: Mapping[str, float] | None = None) -> Limit:
    """Return what gave way: the objective, its stage, the agency that waited longest, and what was exhausted.

    `busy`: processors that each process kept busy while it was measured (`BusyWatch`), if that is known.
    """
    resource = resource_of(result, busy or {})
    missed = [one for one in result["objectives"] if one["met"] is False]
    if not missed:
        return Limit(result["faults"][0] if result["faults"] else "unknown", resource=resource)
    # What was not delivered in time counts as lost too: the wait, if there was one, came first.
    first = next((one for one in missed if _is_wait(one)), missed[0])
    stage = _stage(first, result)
    agencies = result["latency_by_agency"]
    slowest = max(agencies, key=lambda code: agencies[code]["p99"]) if stage and agencies else ""
    return Limit(first["name"], stage, slowest, resource)


def _is_wait(objective: Mapping[str, Any]) -> bool:
    return bool(objective["stage"]) or objective["unit"] == "deliveries/s2"


def _stage(objective: Mapping[str, Any], result: Mapping[str, Any]) -> str:
    """Return the stage that is missed; where that is a whole delivery, or a backlog, the part that took longest."""
    if not _is_wait(objective) or objective["stage"] not in ("", "delivery", "delivery_uncorrected"):
        return str(objective["stage"])
    latencies = result["latency_seconds"]
    return max((part for part in PARTS if part in latencies), key=lambda part: latencies[part]["p99"], default="")


@dataclass(slots=True)
class StepWatch:
    """Looks at the backlog of a step while it is measured, and tells when the step clearly fails."""

    run: str
    rate: float
    _points: list[tuple[float, float]] = field(default_factory=list)  # (second of the run, outstanding), one a second

    def why_end(self, moment: LoadMoment) -> str:
        """Return why the rest of the step would tell nothing more, or nothing."""
        phase = phase_number(moment.plan, int(moment.plan.begin_us / 1e6 + moment.elapsed_s))
        if phase < 0 or not moment.plan.phases[phase].measured:
            return ""
        if self._points and moment.elapsed_s < self._points[-1][0] + 1:
            return ""
        outstanding = moment.readings.counts(self.run, LEDGER).get("outstanding", 0)
        self._points.append((moment.elapsed_s, outstanding))
        growth = slope_of(*np.array(self._points, np.float64).T)
        long_enough = moment.elapsed_s - self._points[0][0] >= CLEAR_AFTER_S
        if growth is None or not long_enough or outstanding < self.rate or growth < CLEAR_GROWTH_SHARE * self.rate:
            return ""
        return f"{outstanding:,} deliveries wait, and {growth:,.0f} more each second"
