"""Two runs side by side: is the second better or worse, or can it not be told? Pure.

Each row has a series per second and is judged by its mean over the measured phases, with a block-bootstrap interval
(`monitor.statistics`): a stall counts for as long as it lasted. A latency's series is its percentile of what came in
each second, of the stage, agencies or priorities it is about; a rate's is what was received; the backlog's is what was
left over, as a share of what was offered. Counts that must be zero (lost, refused, arrivals dropped and so on) are
compared exactly, unless both runs injected them on purpose and found what they injected. A fault of the second run that
the first did not have is worse. Where a run has no such series, or one of a few seconds, there is one figure a run, of
which no noise is known: it is shown, and called the same only if it is equal. An objective that was met before and is
missed after is worse, however noisy.

Nothing is judged where a run is invalid, or where the workloads differ: such differences say nothing of the system.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from monitor.objective_series import COLUMN
from monitor.run_folder import Floats, RunFolder
from monitor.statistics import MINIMUM_EFFECT, Change, Judgement, change_of_series, decide

#: The series behind a stage's tail and the quantiles that it speaks for.
_STAGE_SERIES = {
    "delivery": "delivery_p99_s",
    "delivery_uncorrected": "uncorrected_p99_s",
    "send_delay": "send_delay_p99_s",
    "routing": "routing_p99_s",
    "pickup": "pickup_p99_s",
    "publish": "publish_p99_s",
}
#: Of the intervals. A comparison has a dozen rows and is made at every change of a system: at 95 % each, false alarms
#: would be ordinary.
CONFIDENCE = 0.99

#: Units of what should be high.
_RATES = ("ratio", "documents/s", "deliveries/s")

#: Counts of the ledger, and of the senders' own account, that must be zero.
_FAULTS = ("lost", "duplicated", "misrouted", "contradictions", "refused", "outstanding")
_ARRIVAL_FAULTS = ("dropped", "failed", "unknown")

#: Which injected fault the ledger finds as which count.
_INJECTED_AS = {"duplicated": "duplicate", "lost": "withhold-receipts"}

#: Faults that say a count and nothing else: the count has a row of its own.
_COUNTED = re.compile(
    rf"[\d,]+ (?:{'|'.join(_FAULTS)})(?:, [\d,]+ were injected)?"
    rf"|[\d,]+ arrivals (?:{'|'.join(_ARRIVAL_FAULTS)})"
    r"|not drained: [\d,]+ deliveries outstanding"
)


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of both runs. `change` is None where there is no interval; `note` says what else is to be known."""

    name: str
    unit: str
    before: float | None
    after: float | None
    change: Change | None
    judgement: Judgement
    note: str = ""
    is_objective: bool = False
    is_fault: bool = False  # its name is the sentence of a fault; before and after: whether the run had it


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is known of both; `obstacles` say why nothing is judged, `differences` what differs in the settings."""

    rows: tuple[Row, ...]
    obstacles: tuple[str, ...]
    differences: tuple[str, ...]

    @property
    def worse(self) -> tuple[Row, ...]:
        """What got worse."""
        return tuple(row for row in self.rows if row.judgement is Judgement.WORSE)


def compare(
    before: RunFolder,
    after: RunFolder,
    *,
    minimum_effect: float = MINIMUM_EFFECT,
    any_workload: bool = False,
    seed: int = 0,
) -> Comparison:
    """Compare two runs; `any_workload` judges although the workloads differ."""
    obstacles = tuple(_obstacles(before.result, after.result, any_workload=any_workload))
    rows = [
        *_stage_rows(before, after, minimum_effect, seed),
        *_objective_rows(before, after, minimum_effect, seed),
        *_count_rows(before.result, after.result),
        *_fault_rows(before.result, after.result),
        *_verdict_rows(before.result, after.result),
    ]
    if obstacles:
        rows = [replace(row, judgement=Judgement.CANNOT_TELL) for row in rows]
    return Comparison(tuple(rows), obstacles, tuple(_differences(before.result, after.result)))


def _obstacles(before: Mapping[str, Any], after: Mapping[str, Any], *, any_workload: bool) -> Iterable[str]:
    for result in (before, after):
        if result.get("valid") is False:
            yield f"{result['run']} is invalid: {'; '.join(result.get('invalid_reasons', ())) or 'no reason given'}"
    if any_workload:
        return
    name = "workload_hash" if {"workload_hash"} <= before.keys() & after.keys() else "workload"
    if before.get(name) != after.get(name):
        yield f"the workloads differ ({_shown(before)}, {_shown(after)}): what differs in the figures may be theirs"


def _shown(result: Mapping[str, Any]) -> str:
    name = result.get("workload", {}).get("name", "unnamed")
    return f"{name} {result['workload_hash'][:12]}" if result.get("workload_hash") else str(name)


def _differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterable[str]:
    """Name every setting, version, file and property of the machine that differs: often the very thing compared."""
    for part in ("settings", "versions", "machine", "seed", "fleets", "registry", "files"):
        if part in before and part in after:  # an older result does not say all
            yield from _differing(part, before[part], after[part])


def _differing(name: str, before: Any, after: Any) -> Iterable[str]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in sorted({*before, *after}):
            yield from _differing(f"{name}.{key}", before.get(key), after.get(key))
    elif before != after:
        yield f"{name}: {before} → {after}"


def _change(before: RunFolder, after: RunFolder, column: str, seed: int) -> Change | None:
    return change_of_series(before.measured(column), after.measured(column), seed=seed, confidence=CONFIDENCE)


def _stage_rows(before: RunFolder, after: RunFolder, effect: float, seed: int) -> Iterable[Row]:
    for stage, column in _STAGE_SERIES.items():
        first, second = (run.result.get("latency_seconds", {}).get(stage, {}).get("p99") for run in (before, after))
        if first is None or second is None:
            continue
        change = _change(before, after, column, seed)
        yield Row(f"{stage} p99", "s", first, second, change, decide(change, minimum_effect=effect))
    first, second = (run.result.get("rates", {}).get("deliveries_per_second") for run in (before, after))
    change = _change(before, after, "received", seed)
    judgement = decide(change, minimum_effect=effect, lower_is_better=False)
    yield Row("deliveries/s", "count", first, second, change, judgement)


def _objective_rows(before: RunFolder, after: RunFolder, effect: float, seed: int) -> Iterable[Row]:
    earlier = {one["name"]: one for one in before.result.get("objectives", ())}
    later = {one["name"]: one for one in after.result.get("objectives", ())}
    for name in [*earlier, *(name for name in later if name not in earlier)]:
        one, other = earlier.get(name), later.get(name)
        if one is None or other is None:
            first, second = (None if side is None else side["value"] for side in (one, other))
            unit = (one or other or {})["unit"]
            yield Row(name, unit, first, second, None, Judgement.CANNOT_TELL, "in one run only", is_objective=True)
            continue
        series = [_objective_series(run, one) for run in (before, after)]
        change = change_of_series(*series, seed=seed, confidence=CONFIDENCE)
        judgement = _objective(one, other, change, effect)
        note = _met(one["met"], other["met"])
        yield Row(name, one["unit"], one["value"], other["value"], change, judgement, note, is_objective=True)


def _objective_series(run: RunFolder, objective: Mapping[str, Any]) -> Floats:
    """Return what an objective is judged by, second by second; nothing where the run has no such series."""
    unit = objective["unit"]
    if unit == "s":
        own = run.measured(COLUMN + objective["name"])
        everybody = objective["scope"] in ("all", "", None)
        return own if len(own) or not everybody else run.measured(_STAGE_SERIES.get(objective["stage"], ""))
    received, offered = run.measured("received"), run.measured("offered_deliveries")
    if unit in ("documents/s", "deliveries/s"):
        return received
    if unit not in ("ratio", "deliveries/s2") or not offered.sum():
        return np.empty(0)
    share: Floats = received / offered.mean()
    if unit == "deliveries/s2":
        # A slope of nothing has no relative change. All that was there in a second, offered or left over, has one.
        share = 1 + (offered - received - run.measured("refused")) / offered.mean()
    return share


def _objective(before: Mapping[str, Any], after: Mapping[str, Any], change: Change | None, effect: float) -> Judgement:
    """Judge one objective by its series, where it has one. Met before and missed after is worse, and that is a fact,
    unless the figure moved by less than anybody cares about.
    """
    first, second = before["value"], after["value"]
    if first is None or second is None:
        return Judgement.CANNOT_TELL
    if before["unit"] == "count":
        return _exactly(first, second)
    told = decide(change, minimum_effect=effect, lower_is_better=before["unit"] not in _RATES)
    if told is not Judgement.CANNOT_TELL:
        return told
    if first == second:
        return Judgement.SAME if change is None else told
    if {before["met"], after["met"]} == {True, False} and abs(second - first) >= effect * abs(first):
        return Judgement.WORSE if before["met"] else Judgement.BETTER
    return told


def _met(before: bool | None, after: bool | None) -> str:
    words = {True: "met", False: "missed", None: "not judged"}
    return words[before] if before == after else f"{words[before]} → {words[after]}"


def _count_rows(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterable[Row]:
    for name in _FAULTS:
        one, other = (result["ledger"].get(name, 0) for result in (before, after))
        if one or other:
            injected = _as_injected(before, name) and _as_injected(after, name)
            judgement, note = (Judgement.SAME, "as injected") if injected else (_exactly(one, other), "")
            yield Row(name, "count", one, other, None, judgement, note)
    for name in _ARRIVAL_FAULTS:
        one, other = (result.get("arrivals", {}).get(name, 0) for result in (before, after))
        if one or other:
            yield Row(f"arrivals {name}", "count", one, other, None, _exactly(one, other))
    one, other = (result["ledger"].get("late", 0) for result in (before, after))
    if one or other:
        yield Row("late", "count", one, other, None, _late(before, after))


def _as_injected(result: Mapping[str, Any], name: str) -> bool:
    """Return whether a count of the ledger was caused on purpose and is as large as it was meant to be."""
    kinds = {one["kind"] for one in result.get("faults_injected", ())}
    said = re.compile(rf"[\d,]+ {name}\b.*")
    return _INJECTED_AS.get(name) in kinds and not any(said.fullmatch(fault) for fault in result.get("faults", ()))


def _late(before: Mapping[str, Any], after: Mapping[str, Any]) -> Judgement:
    """Judge deliveries that came late: the first is a fact; how many more has the noise of the latencies.

    Where both runs injected faults, these may have made them late.
    """
    one, other = (result["ledger"].get("late", 0) for result in (before, after))
    if one != other and ((one and other) or (before.get("faults_injected") and after.get("faults_injected"))):
        return Judgement.CANNOT_TELL
    return _exactly(one, other)


def _fault_rows(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterable[Row]:
    """Yield a row for each fault that no count says: one that was not there before is worse."""
    earlier, later = (
        {_kind_of(fault): fault for fault in result.get("faults", ()) if not _COUNTED.fullmatch(fault)}
        for result in (before, after)
    )
    for kind in [*later, *(kind for kind in earlier if kind not in later)]:
        one, other = int(kind in earlier), int(kind in later)
        name = later.get(kind) or earlier[kind]
        yield Row(name, "count", one, other, None, _exactly(one, other), is_fault=True)


def _kind_of(fault: str) -> str:
    """Return a fault without its figures, which differ from run to run; a date is no figure."""
    return re.sub(r"(?<![\w/])\d[\d,.]*(?![\w/])", "#", fault)


def _verdict_rows(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterable[Row]:
    """Yield a row if the verdicts differ.

    Where objectives alone made the difference, their own rows say whether it is more than noise.
    """
    if before["verdict"] == after["verdict"]:
        return
    failed, judgement = (after, Judgement.WORSE) if before["verdict"] == "pass" else (before, Judgement.BETTER)
    missed = any(one.get("met") is False for one in failed.get("objectives", ()))
    if missed and not failed.get("faults"):
        judgement = Judgement.CANNOT_TELL
    yield Row("verdict", "", None, None, None, judgement, f"{before['verdict']} → {after['verdict']}")


def _exactly(before: float, after: float) -> Judgement:
    """Judge a count of what must not be: one more is worse, whatever the noise."""
    if before == after:
        return Judgement.SAME
    return Judgement.WORSE if after > before else Judgement.BETTER
