"""What the report says, before it is put on a page: the verdict in words, rankings, checks against bounds. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from docaxis.domain.agency import Registry
from monitor.report_charts import percentile_chart, series_chart, traffic_chart
from monitor.run_folder import RunFolder, Traffic
from monitor.verdict import STAGES
from monitor.words import Language

#: Agencies in the chart, and pairs in the table beside the map.
SLOWEST, BUSIEST = 20, 10

#: How the parts of the whole are called, in the order in which they are shown.
LEDGER_PARTS = ("delivered_once", "duplicated", "lost", "refused", "outstanding")
LEDGER_FLAGS = ("documents", "late", "misrouted", "failed", "receipts_repeated", "contradictions")
ARRIVAL_PARTS = ("scheduled", "acked", "dropped", "failed", "unknown", "in_flight")
PRIORITIES = ("normal", "urgent", "very urgent", "express", "express at a set time")


@dataclass(frozen=True, slots=True)
class Headline:
    """The verdict: `state` is pass, fail or invalid; `word` and `sentence` are phrases, `reasons` say why."""

    state: str
    word: str
    sentence: str
    reasons: tuple[str, ...]
    missed: tuple[Mapping[str, Any], ...] = ()  # objectives

    @property
    def blames_ledger(self) -> bool:
        """Whether lost or doubled deliveries are among the reasons: those injected on purpose are not."""
        return any(name in reason for reason in self.reasons for name in ("lost", "duplicated"))


#: How the answers of an onboarding test are shown: state, and the sentence beside the word.
ANSWERS = {
    "ready": ("pass", "they may be connected: every objective is met with them, and nobody waits much longer"),
    "ready with conditions": ("pass", "every objective is met with them; what is told below should be settled first"),
    "not ready": ("fail", "they should not be connected yet"),
    "cannot tell": ("invalid", "these runs do not carry a judgement"),
}


def headline(result: Mapping[str, Any]) -> Headline:
    """Return the verdict of a result; an invalid run is neither pass nor fail."""
    if (onboarding := result.get("onboarding")) is not None:
        state, meaning = ANSWERS[onboarding["answer"]]
        return Headline(state, onboarding["answer"], meaning, tuple(one["text"] for one in onboarding["reasons"]))
    faults = tuple(result.get("faults", ()))
    missed = tuple(one for one in result.get("objectives", ()) if one.get("met") is False)
    if result.get("valid") is False:
        reasons = (*result.get("invalid_reasons", ()), *faults)
        return Headline("invalid", "Invalid", "the figures of this run must not be believed", reasons, missed)
    if result["verdict"] != "pass":
        return Headline("fail", "Not met", "what was asked for was not reached", faults, missed)
    judged = any(one.get("met") is not None for one in result.get("objectives", ()))
    said = "all objectives met, every delivery accounted for" if judged else None
    return Headline("pass", "Met", said or "every delivery accounted for, exactly once", ())


@dataclass(frozen=True, slots=True)
class AgencyRow:
    """An agency as a recipient; times in seconds."""

    rank: int
    code: str
    name: str
    count: int
    p50: float
    p99: float
    max: float


def stages_in_order(result: Mapping[str, Any]) -> dict[str, Mapping[str, float]]:
    """Return the stages' figures in the order in which they add up; in the file they stand in the alphabet's."""
    figures = result.get("latency_seconds", {})
    order = (*STAGES, "publish")
    return {
        stage: figures[stage] for stage in (*order, *(one for one in figures if one not in order)) if stage in figures
    }


class Names:
    """Agencies by name, in the report's language; a code that the registry lacks is shown as it is."""

    def __init__(self, registry: Registry, language: Language) -> None:
        self._registry = registry
        self._language = language

    def name(self, code: str) -> str:
        """Return the name, or the code of an agency that is not in the registry."""
        index = self._registry.find(code)
        if index is None:
            return code
        agency = self._registry[index]
        return agency.name_vi if self._language is Language.VI else agency.name_en

    def code(self, code: str) -> str:
        """Return the code for people's eyes: one that was invented to have a key says so."""
        index = self._registry.find(code)
        return code if index is None or not self._registry[index].is_placeholder else f"{code}*"


def agency_rows(result: Mapping[str, Any], names: Names) -> list[AgencyRow]:
    """Return the agencies that received something, the slowest first."""
    figures = result.get("latency_by_agency", {})
    ranked = sorted(figures, key=lambda code: (-figures[code]["p99"], code))
    return [
        AgencyRow(rank, names.code(code), names.name(code), one["count"], one["p50"], one["p99"], one["max"])
        for rank, code in enumerate((code for code in ranked if figures[code]["count"]), 1)
        for one in (figures[code],)
    ]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that the generator watches itself for; `within` is None where there is no bound.

    `value` is None if it was looked for and is not known.
    """

    label: str
    value: float | None
    unit: str
    bound: float | None = None

    @property
    def within(self) -> bool | None:
        """Whether the bound is kept."""
        return None if self.bound is None or self.value is None else abs(self.value) <= self.bound


def generator_checks(result: Mapping[str, Any]) -> list[Check]:
    """Return what the generator measured of itself, beside its bounds."""
    generator = result.get("generator") or {}
    bounds = generator.get("bounds", {})
    schedule, lag = generator.get("schedule_error_seconds", {}), generator.get("loop_lag_seconds", {})
    told = [
        ("schedule error, p99", schedule.get("p99"), "s", bounds.get("schedule_error_p99_seconds")),
        ("schedule error, p99.9", schedule.get("p999"), "s", None),
        ("schedule error, maximum", schedule.get("max"), "s", None),
        ("event loop lag, p99", lag.get("p99"), "s", bounds.get("loop_lag_p99_seconds")),
        ("event loop lag, maximum", lag.get("max"), "s", None),
        ("garbage collection", generator.get("gc_seconds"), "s", None),
        ("share of a core", generator.get("cpu_share"), "ratio", None),
        ("clock steps", generator.get("clock_steps"), "count", None),
        ("held back by the bound on documents in flight", generator.get("held_seconds"), "s", None),
    ]
    checks = [Check(label, value, unit, bound) for label, value, unit, bound in told if value is not None]
    if "skew_us" in result.get("clock", {}):
        skew_us = result["clock"]["skew_us"]
        checks.append(Check("clock skew between machines", None if skew_us is None else skew_us / 1e6, "s"))
    return checks


@dataclass(frozen=True, slots=True)
class FaultRow:
    """What was injected beside what the ledger found of it, in one unit; None where there is no such count."""

    kind: str
    at_us: int
    until_us: int | None
    documents: int | None
    deliveries: int | None
    found: int | None
    found_unit: str  # "documents" or "deliveries"
    detail: str


def fault_rows(result: Mapping[str, Any]) -> list[FaultRow]:
    """Return what was injected, in order of time. Of a corrupt document the ledger sees no deliveries."""
    found = result.get("faults_found", {})
    return [
        FaultRow(
            one["kind"],
            one["at_us"],
            one.get("until_us"),
            one.get("documents"),
            one.get("deliveries"),
            found.get(one["kind"]),
            "documents" if one["kind"] == "corrupt" else "deliveries",
            one.get("detail") or "",
        )
        for one in result.get("faults_injected", ())
    ]


def busiest_pairs(traffic: Traffic, names: Names) -> list[tuple[str, str, int]]:
    """Return sender, recipient and deliveries of the pairs with the most."""
    ranked = sorted(traffic.pairs, key=lambda pair: -pair[2])[:BUSIEST]
    codes = traffic.agencies
    return [(names.name(codes[sender]), names.name(codes[recipient]), count) for sender, recipient, count in ranked]


def milestone_rows(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the milestones with their totals and whether what was published was counted."""
    rows = []
    for one in result.get("milestones", ()):
        total = one["sent"] + one["received"]
        pairs = ((one["sent_published"], one["sent"]), (one["received_published"], one["received"]))
        agrees = all(told is None or told == seen for told, seen in (*pairs, (one["total_published"], total)))
        rows.append({**one, "total": total, "agrees": agrees, "day": f"{date.fromisoformat(one['date']):%d/%m/%Y}"})
    return rows


def is_closed_loop(result: Mapping[str, Any]) -> bool:
    """Return whether nothing was offered on an open schedule, so that latencies are shown and not judged."""
    if result.get("workload", {}).get("closed_loop"):
        return True
    phases = [phase for phase in result.get("phases", ()) if phase.get("measured", True)]
    return bool(phases) and all(phase.get("closed") for phase in phases)


def in_registry_order(traffic: Traffic, registry: Registry) -> Traffic:
    """Return the traffic with all agencies of the registry in its order; those it lacks follow."""
    others = [code for code in traffic.agencies if registry.find(code) is None]
    codes = (*registry.codes, *others)
    place = {code: number for number, code in enumerate(codes)}
    moved = [place[code if code in place else registry.agency(code).code] for code in traffic.agencies]
    return Traffic(codes, tuple((moved[sender], moved[recipient], count) for sender, recipient, count in traffic.pairs))


def chart_data(run: RunFolder, rows: list[AgencyRow], names: Names, registry: Registry) -> dict[str, Any]:
    """Return everything that the charts draw."""
    traffic = traffic_chart(in_registry_order(run.traffic, registry)) if run.traffic and run.traffic.pairs else None
    if traffic is not None:
        traffic["names"] = [names.name(code) for code in traffic["codes"]]
    return {
        "series": series_chart(run),
        "percentiles": percentile_chart(run),
        "agencies": [{"name": row.name, "code": row.code, "p50": row.p50, "p99": row.p99} for row in rows[:SLOWEST]],
        "traffic": traffic,
    }
