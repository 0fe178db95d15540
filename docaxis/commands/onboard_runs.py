"""The runs of an onboarding test: a baseline without and with the newcomers, each on topics of its own, and headroom.

What an overloaded hub leaves behind would be the next run's load: so each run has topics that no other has, which are
deleted after it. A hub that is not ours reads the topics it reads, and keeps them.
"""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from docaxis.commands.capacity_steps import limit_of
from docaxis.commands.conduct_load import LoadMoment
from docaxis.commands.exhausted import HUB_LIMIT, BusyWatch, broker_pids
from docaxis.commands.kafka_for_run import topics_of_its_own
from docaxis.commands.load_end import Finished
from docaxis.commands.load_test import LoadTest, offered_content, prepare
from docaxis.commands.run import run_load_test
from docaxis.domain.errors import UsageError
from docaxis.kafka.broker import EmbeddedBroker
from docaxis.settings import Settings
from docaxis.workload.model import Newcomer
from docaxis.workload.units import Rate, duration_text, parse_duration_us, parse_rate
from monitor.capacity import CapacitySearch, Finding, Limit, Plan, StepOutcome
from monitor.histogram import Histogram, merged
from monitor.onboarding import HEADROOM_MIN, Headroom
from monitor.onboarding_figures import NewcomerRun, growth, latencies_missed
from monitor.reading import MEASURED

#: Headroom beyond this many times the load is not looked for, and need not be known closer than this.
HEADROOM_MAX, HEADROOM_PRECISION = 2.0, 0.1

#: Keys of a phase that are moments in it, and those that are rates.
_MOMENTS, _RATES = ("duration", "spike_at", "spike_for"), ("rate", "to", "peak")


@dataclass(frozen=True, slots=True)
class Baseline:
    """The workload that is run without and with the newcomers."""

    name: str
    content: Mapping[str, Any]  # paths absolute
    registry_file: Path | None

    @classmethod
    def of(
        cls, name: str, *, registry: Path | None, seed: int | None, hub: str | None, measure_s: float | None
    ) -> "Baseline":
        """Read it. Raises UsageError for what is wrong with it, or if it asks for nothing."""
        test = prepare(name, registry=registry, seed=seed, hub=hub, named=False)  # it may be about the newcomers
        content = {key: value for key, value in offered_content(test).items() if key != "registry"}
        if not content.get("objectives"):
            raise UsageError(
                f"the baseline {name} has no objectives: nothing could be missed", next_step="add some, or take steady"
            )
        objectives = [{**one, "abort": False} for one in content["objectives"]]
        measured_us = sum(phase.duration for phase in test.loaded.workload.offering if phase.measured)
        if not measured_us:
            raise UsageError(f"the baseline {name} measures nothing", next_step="give it a phase of kind load")
        stretch = 1.0 if measure_s is None else measure_s * 1e6 / measured_us
        return cls(
            name,
            {**content, "phases": _stretched(content["phases"], stretch), "objectives": objectives},
            test.registry_file,
        )

    def busier(self, ratio: float) -> dict[str, Any]:
        """Return the content with all rates so many times as high."""
        phases = [
            {key: str(_times(value, ratio)) if key in _RATES else value for key, value in phase.items()}
            for phase in self.content["phases"]
        ]
        return {**self.content, "phases": phases}

    @property
    def latencies(self) -> list[dict[str, Any]]:
        """The objectives for the delivery latency of everybody."""
        return [
            {"name": one["name"], "percentile": one["percentile"], "at_most_s": parse_duration_us(one["at_most"]) / 1e6}
            for one in self.content["objectives"]
            if one.get("stage") == "delivery" and not one.get("agencies") and not one.get("priorities")
        ]


def _stretched(phases: Sequence[Mapping[str, Any]], stretch: float) -> list[dict[str, Any]]:
    """Return the phases so many times as long; a drain keeps its length, for it is a promise of its own."""
    return [
        dict(phase)
        if phase.get("kind") == "drain"
        else {
            key: duration_text(max(1000, round(parse_duration_us(value) * stretch / 1000) * 1000))
            if key in _MOMENTS
            else value
            for key, value in phase.items()
        }
        for phase in phases
    ]


def _times(text: str, ratio: float) -> Rate:
    rate = parse_rate(text)
    return Rate(rate.value * ratio, rate.unit)


@dataclass(slots=True)
class InboxWatch:
    """Notes every agency's latencies when half of the measured time is over."""

    run: str
    first_half: dict[str, Histogram] | None = None

    def observe(self, moment: LoadMoment) -> None:
        """Look at one moment of the run."""
        now_us = moment.plan.begin_us + moment.elapsed_s * 1e6
        spans = [(phase.begin_us, phase.end_us) for phase in moment.plan.phases if phase.measured]
        over = sum(max(0.0, min(now_us, end) - begin) for begin, end in spans)
        if self.first_half is None and 2 * over >= sum(end - begin for begin, end in spans):
            self.first_half = moment.readings.latencies(self.run, "status", f"recipient{MEASURED}")


@dataclass(frozen=True, slots=True)
class Ran:
    """One run, and what it tells of the newcomers in it."""

    finished: Finished
    newcomers: Mapping[str, NewcomerRun]
    busy: Mapping[str, float] = field(default_factory=dict)  # processors, as `limit_of` takes them

    @property
    def result(self) -> dict[str, Any]:
        """Its result."""
        return self.finished.result


@dataclass(slots=True)
class OnboardingRuns:
    """Makes the runs of one onboarding test."""

    settings: Settings
    baseline: Baseline
    newcomers: Sequence[Newcomer]
    registry_file: Path  # with the newcomers
    fleets: int
    broker: EmbeddedBroker | None
    tell: Callable[[str], None]

    def load_test(self, *, joined: bool, ratio: float = 1.0) -> LoadTest:
        """Return the load test without or with the newcomers, all rates `ratio` times as high."""
        content = self.baseline.busier(ratio) if ratio != 1.0 else dict(self.baseline.content)
        if joined:
            content["newcomers"] = [one.model_dump(mode="json") for one in self.newcomers]
        else:
            content |= {key: self._without(content.get(key, ())) for key in ("faults", "objectives")}
        registry = self.registry_file if joined else self.baseline.registry_file
        return prepare(self.baseline.name, registry=registry, fleets=self.fleets, content=content, named=joined)

    def _without(self, rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """Return faults or objectives but those of newcomers alone: a slow newcomer is slow only where it is."""
        codes = {one.code for one in self.newcomers}
        return [row for row in rows if not row.get("agencies") or set(row["agencies"]) - codes]

    async def run(self, *, joined: bool, ratio: float = 1.0) -> Ran:
        """Make one run."""
        test = self.load_test(joined=joined, ratio=ratio)
        watch, busy = InboxWatch(test.run), BusyWatch(broker_pids(self.settings))

        def observe(moment: LoadMoment) -> None:
            watch.observe(moment)
            busy.observe(moment)

        async with contextlib.AsyncExitStack() as stack:
            settings = self.settings
            if test.loaded.workload.hub == "reference":
                settings = await stack.enter_async_context(topics_of_its_own(settings, test.run))
            finished = await run_load_test(settings, test, self.broker, observe=observe)
        self.tell(f"  {_short(finished)}")
        return Ran(finished, self._newcomers_in(finished, watch) if joined else {}, busy.busy)

    def _newcomers_in(self, finished: Finished, watch: InboxWatch) -> dict[str, NewcomerRun]:
        figures = finished.figures
        whole, first = figures.by_agency(), watch.first_half or {}
        pickup_max_s = figures.stage("pickup").max_us / 1e6
        of_all = growth(merged(first.values()), merged(whole.values()), figures.measured_s)
        return {
            one.code: NewcomerRun(
                (deliveries := whole.get(one.code, Histogram())),
                growth(first.get(one.code, Histogram()), deliveries, figures.measured_s),
                of_all,
                pickup_max_s,
                figures.measured_s,
                latencies_missed(self.baseline.latencies, deliveries),
            )
            for one in self.newcomers
        }

    async def headroom(self) -> tuple[Headroom | None, list[dict[str, Any]]]:
        """Search for how many times the load with the newcomers is carried; that it is once is known already."""
        measure_s = sum(phase.duration for phase in self.load_test(joined=True).loaded.workload.offering) / 1e6
        plan = Plan(
            1.0,
            1.0,
            HEADROOM_MAX,
            factor=HEADROOM_MIN,
            precision=HEADROOM_PRECISION,
            settle_s=0,
            measure_s=measure_s,
            confirm_s=measure_s,
            steps_max=8,
        )
        search, steps = CapacitySearch(plan, held=(1.0,), confirmed=1.0), []
        while (step := search.step) is not None:
            self.tell(f"headroom: {step.rate:.2f} times the load with the newcomers ...")
            ran = await self.run(joined=True, ratio=step.rate)
            result = ran.result
            held, late = result["exit_code"] == 0, not result["valid"]
            search = search.after(StepOutcome(step, held, late, None if held else limit_of(result, ran.busy)))
            steps.append({"ratio": round(step.rate, 3), "held": held, "valid": not late, "run": result["run"]})
        answer = search.answer
        if answer is None:
            return None, steps
        limit = limit_text(answer.limit, {}) if answer.limit is not None else ""
        return Headroom(answer.rate, answer.finding is not Finding.FOUND and answer.upper == np.inf, limit), steps


def limit_text(limit: Limit, result: Mapping[str, Any]) -> str:
    """Return what gave way in a phrase: the objective, its stage, the agency that waited longest, the resource."""
    told = [(limit.stage, "stage "), (limit.agency, "slowest agency "), (limit.resource, "")]
    details = [f"{word}{value}" for value, word in told if value]
    on_purpose = next((one for one in result.get("faults_injected", ()) if one["kind"] == "limited-hub"), None)
    if on_purpose is not None and limit.resource == HUB_LIMIT:
        details.append(str(on_purpose["detail"]))
    return limit.objective + (f" ({', '.join(details)})" if details else "")


def _short(finished: Finished) -> str:
    result = finished.result
    p99 = f"delivery p99 {result['latency_seconds']['delivery']['p99'] * 1000:,.1f} ms"
    if not result["valid"]:
        return f"{result['run']}: invalid, {result['invalid_reasons'][0]}"
    missed = [one["name"] for one in result["objectives"] if one["met"] is False] + list(result["faults"])
    return f"{result['run']}: {p99}" + (f"; missed: {', '.join(missed)}" if missed else ", all met")


def median_share(runs: Sequence[Ran]) -> float:
    """Return the share of what was offered that was received in time, the median of the runs."""
    rates = [one.result["rates"] for one in runs]
    return float(np.median([r["deliveries_per_second"] / (r["offered_deliveries_per_second"] or 1.0) for r in rates]))
