"""From results of load tests to what an onboarding verdict is made of, and the verdict as a field of a result. Pure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from monitor.histogram import Histogram
from monitor.onboarding import SLOWDOWN_SERIOUS, Headroom, Newcomer, OnboardingRun, OnboardingVerdict
from monitor.onboarding_words import few_reasons, reason_text
from monitor.run_folder import RunFolder
from monitor.statistics import MINIMUM_EFFECT, Change, Judgement, change_of_series, decide

Floats = npt.NDArray[np.float64]

#: What is compared over all agencies, second by second: the column of the series, and how it is called.
COMPARED = (("delivery_p50_s", "delivery p50"), ("delivery_p99_s", "delivery p99"), ("routing_p99_s", "routing p99"))


def run_of(result: Mapping[str, Any]) -> OnboardingRun:
    """Return what is judged of a load test's result."""
    return OnboardingRun(
        valid=result["valid"],
        missed=tuple(one["name"] for one in result["objectives"] if one["met"] is False),
        # How many were lost differs from run to run; that some were is the fault.
        faults=tuple(dict.fromkeys(re.sub(r"^[\d,]+ ", "", fault) for fault in result["faults"])),
        p99_s={code: row["p99"] for code, row in result["latency_by_agency"].items() if row["count"]},
    )


def growth(first_half: Histogram, whole: Histogram, measured_s: float) -> float:
    """Return how many seconds of latency come upon each second of the measured phases.

    The median of the second half less that of the first; the middles of the halves lie half of the time apart. A queue
    that is served at a share m of what comes into it grows by 1/m - 1; one that is kept up with does not grow.
    """
    second_half = Histogram(counts=np.maximum(whole.counts - first_half.counts, 0), max_us=whole.max_us)
    if not first_half.count or not second_half.count or not measured_s:
        return 0.0
    return (second_half.quantile_us(0.5) - first_half.quantile_us(0.5)) / 1e6 / (measured_s / 2)


@dataclass(frozen=True, slots=True)
class NewcomerRun:
    """A newcomer in one run: what it was sent, and how its latency grew beside everybody's."""

    deliveries: Histogram
    growth: float
    growth_of_all: float
    pickup_max_s: float  # the longest that anything waited in anybody's inbox
    measured_s: float
    missed: tuple[str, ...] = ()


def newcomer_of(code: str, runs: Sequence[NewcomerRun]) -> Newcomer:
    """Return how a newcomer did over its runs.

    What grows for everybody is the hub's doing and judged by the objectives; only what grows beyond that can be in the
    newcomer's own inbox, and no more than the longest that anything waited in one. Over several runs the median counts,
    and objectives missed in most of them.
    """
    offered_per_s = float(np.median([one.deliveries.count / one.measured_s for one in runs]))
    own = float(np.median([_own_growth(one) for one in runs]))
    names = {name for one in runs for name in one.missed}
    missed = tuple(sorted(name for name in names if sum(name in one.missed for one in runs) * 2 > len(runs)))
    return Newcomer(code, offered_per_s, offered_per_s / (1 + own), missed)


def _own_growth(run: NewcomerRun) -> float:
    beyond = max(0.0, run.growth - max(0.0, run.growth_of_all))
    return min(beyond, run.pickup_max_s / (run.measured_s / 2))


def latencies_missed(objectives: Iterable[Mapping[str, Any]], deliveries: Histogram) -> tuple[str, ...]:
    """Return the names of the objectives for all deliveries that a newcomer's own miss.

    `objectives`: name, percentile and `at_most_s` each.
    """
    return tuple(
        one["name"]
        for one in objectives
        if deliveries.count and deliveries.quantile_us(one["percentile"] / 100) / 1e6 > one["at_most_s"]
    )


@dataclass(frozen=True, slots=True)
class Compared:
    """One latency over all agencies, without and with the newcomers; seconds."""

    name: str
    before: float
    after: float
    change: Change | None
    judgement: Judgement


def compared(before: Sequence[RunFolder], after: Sequence[RunFolder], *, seed: int = 0) -> list[Compared]:
    """Compare the measured seconds of all runs without and with the newcomers, by block bootstrap."""
    rows = []
    for column, name in COMPARED:
        first, second = (_seconds(runs, column) for runs in (before, after))
        if len(first) and len(second):
            change = change_of_series(first, second, seed=seed)
            rows.append(Compared(name, float(first.mean()), float(second.mean()), change, decide(change)))
    return rows


def seriously_worse(rows: Iterable[Compared], accepted_s: float) -> dict[str, Change]:
    """Return by how much latencies over all agencies got worse by more than anybody should have to accept, by name.

    As of a single agency: beyond noise, by SLOWDOWN_SERIOUS, and by `accepted_s` seconds. What is less is told in the
    comparison, and speaks against nobody: a hub that gathers documents because more come takes milliseconds longer.
    """
    worse = [one for one in rows if one.judgement is Judgement.WORSE and one.after - one.before >= accepted_s]
    serious = {one.name: one.change for one in worse if one.change is not None}
    return {name: change for name, change in serious.items() if change.estimate >= SLOWDOWN_SERIOUS}


def _seconds(runs: Sequence[RunFolder], column: str) -> Floats:
    values = np.concatenate([np.empty(0), *(run.measured(column) for run in runs)])
    return np.asarray(values[np.isfinite(values)], np.float64)


@dataclass(frozen=True, slots=True)
class Onboarding:
    """A whole onboarding test, as it is told."""

    verdict: OnboardingVerdict
    newcomers: Sequence[tuple[Newcomer, Mapping[str, Any]]]  # with name_vi, name_en, like, factor
    compared: Sequence[Compared]
    headroom: Headroom | None
    pairs: Sequence[tuple[str, str]]  # ids of the runs without and with
    agencies: int  # compared one by one
    baseline: str
    headroom_runs: Sequence[Mapping[str, Any]] = ()  # ratio, held, run

    def as_data(self) -> dict[str, Any]:
        """Return the field `onboarding` of the result."""
        verdict = self.verdict
        return {
            "answer": verdict.answer.value,
            "reasons": [{**asdict(reason), "text": reason_text(reason)} for reason in few_reasons(verdict.reasons)],
            "baseline": self.baseline,
            "newcomers": [
                {
                    **told,
                    "code": one.code,
                    "offered_per_second": round(one.offered_per_s, 3),
                    "received_per_second": round(one.received_per_s, 3),
                    "keeps_up": one.keeps_up,
                    "missed": list(one.missed),
                }
                for one, told in self.newcomers
            ],
            "slower": [
                {"code": one.code, "before": one.before_s, "after": one.after_s, **asdict(one.change)}
                for one in verdict.slower
            ],
            "agencies_compared": self.agencies,
            "smallest_slowdown": asdict(verdict.resolution) if verdict.resolution else None,
            "compared": [asdict(one) for one in self.compared],
            "headroom": asdict(self.headroom) if self.headroom else None,
            "headroom_runs": [dict(one) for one in self.headroom_runs],
            "pairs": [{"without": without, "with": with_} for without, with_ in self.pairs],
            "minimum_effect": MINIMUM_EFFECT,
        }
