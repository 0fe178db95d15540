"""Judging the objectives of a workload. Pure: figures in, one judgement an objective out."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from docaxis.domain.agency import Registry
from docaxis.workload.objectives import Objective
from docaxis.workload.units import duration_text
from monitor.histogram import Histogram, merged
from monitor.load_figures import LoadFigures


@dataclass(frozen=True, slots=True)
class Judgement:
    """What became of an objective. `met` is None where nothing could be judged: no samples, or a closed loop."""

    name: str
    text: str
    stage: str
    scope: str
    unit: str
    limit: float
    value: float | None
    met: bool | None


def judge_objectives(
    objectives: Iterable[Objective], figures: LoadFigures, registry: Registry, dropped: int
) -> list[Judgement]:
    """Judge every objective. `dropped`: arrivals that could not be sent in time."""
    return [_judge(one, figures, registry, dropped) for one in objectives]


def not_judged(judgements: Iterable[Judgement], figures: LoadFigures) -> list[str]:
    """Return the objectives of which nothing was seen, as faults of the run: what was not judged did not hold.

    Of a closed loop latencies are shown and not judged, and nobody expects them to be.
    """
    if any(figures.plan.phases[number].closed for number in figures.measured):
        return []
    return [
        f"objective {one.name!r} could not be judged: nothing of it was seen" for one in judgements if one.met is None
    ]


def _judge(one: Objective, figures: LoadFigures, registry: Registry, dropped: int) -> Judgement:
    if one.stage is not None:
        return _judge_latency(one, figures, registry)
    if one.count is not None:
        value = dropped if one.count == "dropped" else int(getattr(figures.ledger, one.count))
        text = f"{one.count} at most {one.at_most_count:,}"
        return Judgement(one.name, text, "", "whole run", "count", one.at_most_count, value, value <= one.at_most_count)
    if one.achieved is not None:
        offered = figures.offered("offered_deliveries")
        share = figures.received_in_time() / offered if offered else None
        text = f"received at least {one.achieved:.1%} of what was offered"
        return _at_least(one.name, text, "ratio", one.achieved, share)
    if one.at_least is not None:
        per_s = figures.received_in_time() / figures.measured_s if figures.measured_s else None
        if per_s is not None and one.at_least.unit == "documents/s":
            offered = figures.offered("offered_deliveries")
            per_s = per_s * figures.offered("offered") / offered if offered else None
        return _at_least(one.name, f"at least {one.at_least}", one.at_least.unit, one.at_least.value, per_s)
    assert one.backlog_slope is not None
    slope = figures.slope()
    text = f"backlog grows by at most {one.backlog_slope:g} deliveries/s"
    met = None if slope is None else slope <= one.backlog_slope
    return Judgement(one.name, text, "", "measured phases", "deliveries/s2", one.backlog_slope, slope, met)


def _at_least(name: str, text: str, unit: str, limit: float, value: float | None) -> Judgement:
    met = None if value is None else value >= limit
    return Judgement(name, text, "", "measured phases", unit, limit, value, met)


def _judge_latency(one: Objective, figures: LoadFigures, registry: Registry) -> Judgement:
    assert one.stage is not None
    assert one.percentile is not None
    assert one.at_most is not None
    histogram, scope = latencies_of(one, figures, registry)
    limit, value = one.at_most / 1e6, None
    if histogram.count:
        value = (histogram.max_us if one.percentile == 100 else histogram.quantile_us(one.percentile / 100)) / 1e6
    met = value <= limit if value is not None and figures.judged else None
    text = f"{one.stage} p{one.percentile:g} at most {duration_text(one.at_most)}"
    return Judgement(one.name, text, one.stage, scope, "s", limit, value, met)


def latencies_of(one: Objective, figures: LoadFigures, registry: Registry) -> tuple[Histogram, str]:
    """Return the latencies that an objective about a stage is judged by, and whose they are."""
    if one.agencies:
        return merged(figures.by_agency(set(codes_named(one.agencies, registry))).values()), ", ".join(one.agencies)
    if one.priorities:
        names = [str(priority) for priority in one.priorities]
        return merged(figures.by_priority(names).values()), "priority " + ", ".join(names)
    assert one.stage is not None
    return figures.stage(one.stage), "all"


def codes_named(names: Sequence[str], registry: Registry) -> list[str]:
    """Return the codes of the agencies that have one of these codes or kinds."""
    wanted = set(names)
    found = {registry.codes[index] for name in names if (index := registry.find(name)) is not None}
    return [agency.code for agency in registry if agency.code in found or agency.kind in wanted]
