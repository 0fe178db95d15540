"""Was the generator itself on time? Pure: what the fleets measured of themselves in, reasons for doubt out."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from docaxis.workload.model import GeneratorBounds
from docaxis.workload.objectives import Objective
from docaxis.workload.units import duration_text
from monitor.histogram import Histogram
from monitor.load_figures import LoadFigures
from monitor.objectives import Judgement
from monitor.reading import GENERATOR, MEASURED, Reading

#: Names in a fleet's readings, of the measured phases.
LAG, HELD = f"loop_lag{MEASURED}", f"held_us{MEASURED}"

#: A fleet that was held at its in-flight bound while its processor was this busy may have been the reason itself; and
#: where receivers that are a process of their own were this busy, what waited for them looks like a slow hub.
BUSY_SHARE = 0.9


@dataclass(frozen=True, slots=True)
class GeneratorCheck:
    """The generator's figures over the measured phases, and why the run is invalid.

    A generator is one process or several, which send, receive, or both: what is late in one must not look on time for
    being mixed with another.
    """

    schedule_error: Histogram
    loop_lag: Histogram  # of the process that was late most
    gc_seconds: float
    cpu_share: float  # of the busiest process
    clock_steps: int  # as seen by the process that saw most: each sees those of its machine
    clock_step_seconds: float
    held_seconds: float
    held_busy_share: float  # of the processor: the busiest process that was held
    receivers_busy_share: float  # the busiest process that only receives
    reasons: tuple[str, ...]

    def as_data(self, bounds: GeneratorBounds) -> dict[str, Any]:
        """Return what the result says of the generator."""
        error, lag = self.schedule_error, self.loop_lag
        return {
            "schedule_error_seconds": {
                "p50": error.quantile_us(0.5) / 1e6,
                "p99": error.quantile_us(0.99) / 1e6,
                "p999": error.quantile_us(0.999) / 1e6,
                "max": error.max_us / 1e6,
            },
            "loop_lag_seconds": {"p99": lag.quantile_us(0.99) / 1e6, "max": lag.max_us / 1e6},
            "gc_seconds": round(self.gc_seconds, 6),
            "cpu_share": round(self.cpu_share, 4),
            "clock_steps": self.clock_steps,
            "held_seconds": round(self.held_seconds, 6),
            "bounds": {
                "schedule_error_p99_seconds": bounds.schedule_error_p99 / 1e6,
                "loop_lag_p99_seconds": bounds.loop_lag_p99 / 1e6,
                "clock_step_seconds": bounds.clock_step / 1e6,
            },
        }


def check_generator(
    figures: LoadFigures,
    bounds: GeneratorBounds,
    objectives: Sequence[Objective] = (),
    judgements: Sequence[Judgement] = (),
) -> GeneratorCheck:
    """Judge the fleets by the workload's bounds, and by what became of its objectives."""
    readings = figures.readings.of(figures.run, GENERATOR)
    counts = figures.readings.counts(figures.run, GENERATOR)
    lags = [Histogram.from_sparse(one.stages[LAG]) for one in readings if LAG in one.stages]
    check = GeneratorCheck(
        schedule_error=figures.stage("schedule_error"),
        loop_lag=max(lags, key=lambda lag: (lag.quantile_us(0.99), lag.max_us), default=Histogram()),
        gc_seconds=counts.get(f"gc_us{MEASURED}", 0) / 1e6,
        cpu_share=max(map(_busy_share, readings), default=0.0),
        clock_steps=max((one.counts.get("clock_steps", 0) for one in readings), default=0),
        clock_step_seconds=max((one.counts.get("clock_step_us", 0) for one in readings), default=0) / 1e6,
        held_seconds=counts.get(HELD, 0) / 1e6,
        held_busy_share=max((_busy_share(one) for one in readings if one.counts.get(HELD)), default=0.0),
        receivers_busy_share=max((_busy_share(one) for one in readings if not _offers(one)), default=0.0),
        reasons=(),
    )
    reasons = (*_reasons(check, bounds), *who_was_slow(objectives, judgements, check))
    return replace(check, reasons=reasons)


def who_was_slow(
    objectives: Sequence[Objective], judgements: Sequence[Judgement], check: GeneratorCheck
) -> tuple[str, ...]:
    """Return why a missed objective says nothing of the hub: at its percentile the generator itself was late enough.

    A bound on the generator's p99 lets it stand still for a hundredth of the time, and an objective on p99.9 shows just
    that. So the generator's own lateness is looked at where the objective looks: if the objective would have been met
    without it, who was slow cannot be told.
    """
    reasons = []
    for one, judgement in zip(objectives, judgements, strict=True):
        if judgement.met is not False or judgement.value is None or one.percentile is None:
            continue
        own_s = max((_at(histogram, one.percentile) for histogram in _own(str(one.stage), check)), default=0.0)
        if judgement.value - own_s <= judgement.limit:
            reasons.append(
                f"objective {one.name!r} was missed by less than the generator itself was late at its percentile "
                f"({own_s * 1000:,.1f} ms): who was slow cannot be told"
            )
    return tuple(reasons)


def _own(stage: str, check: GeneratorCheck) -> tuple[Histogram, ...]:
    """Return what the generator was late by itself in a stage: sending, or taking notice of what came."""
    return {
        "send_delay": (check.schedule_error,),
        "delivery": (check.schedule_error, check.loop_lag),
        "delivery_uncorrected": (check.loop_lag,),
        "pickup": (check.loop_lag,),
        "publish": (check.loop_lag,),
    }.get(stage, ())


def _at(histogram: Histogram, percentile: float) -> float:
    """Return the seconds at a percentile."""
    return (histogram.max_us if percentile == 100 else histogram.quantile_us(percentile / 100)) / 1e6


def _busy_share(reading: Reading) -> float:
    wall_us = reading.counts.get("wall_us", 0)
    return reading.counts.get("cpu_us", 0) / wall_us if wall_us else 0.0


def _offers(reading: Reading) -> bool:
    return any(name.startswith("offered@") for name in reading.counts)


def _reasons(check: GeneratorCheck, bounds: GeneratorBounds) -> Sequence[str]:
    reasons = []
    for what, histogram, bound_us in (
        ("sent late by itself", check.schedule_error, bounds.schedule_error_p99),
        ("event loop was late", check.loop_lag, bounds.loop_lag_p99),
    ):
        p99_us = histogram.quantile_us(0.99)
        if p99_us > bound_us:
            reasons.append(
                f"the generator's {what} by {p99_us / 1000:,.1f} ms (p99); the bound is {duration_text(bound_us)}"
                if what.startswith("event")
                else f"the generator {what} by {p99_us / 1000:,.1f} ms (p99); the bound is {duration_text(bound_us)}"
            )
    if check.held_busy_share > BUSY_SHARE:
        reasons.append(
            f"the generator was held for {check.held_seconds:,.1f} s at its in-flight bound with its processor "
            f"{check.held_busy_share:.0%} busy: who was slow cannot be told; use more fleets"
        )
    if check.receivers_busy_share > BUSY_SHARE:
        reasons.append(
            f"the receivers' processor was {check.receivers_busy_share:.0%} busy: what waited for them looks like a "
            "slow hub; use more fleets"
        )
    if check.clock_step_seconds * 1e6 > bounds.clock_step:
        reasons.append(
            f"the wall clock stepped by {check.clock_step_seconds * 1000:,.1f} ms; "
            f"the bound is {duration_text(bounds.clock_step)}"
        )
    return reasons
