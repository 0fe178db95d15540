"""Two runs side by side: is the second better or worse, or can it not be told? Pure.

Each row has a series per second and is judged by its mean over the measured phases, with a block-bootstrap interval
(`monitor.statistics`): a stall counts for as long as it lasted. A latency's series is its percentile of what came in
each second, of the stage, agencies or priorities it is about; a rate's is what was received; the backlog's is what was
left over, as a share of what was offered. Counts that must be zero (lost, duplicated, misrouted) are compared exactly.
Where a run has no such series, or one of a few seconds, there is one figure a run, of which no noise is known: it is
shown, and called the same only if it is equal. An objective that was met before and is missed after is worse, however
noisy.

Nothing is judged where a run is invalid, or where the workloads differ: such differences say nothing of the system.
"""

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

_FAULTS = ("lost", "duplicated", "misrouted", "contradictions")


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
    """Name every setting, version and property of the machine that differs: often the very thing that is compared."""
    for part in ("settings", "versions", "machine", "seed"):
        yield from _differing(part, before.get(part), after.get(part))


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
        one, other = before["ledger"].get(name, 0), after["ledger"].get(name, 0)
        if one or other:
            yield Row(name, "count", one, other, None, _exactly(one, other))


def _exactly(before: float, after: float) -> Judgement:
    """Judge a count of what must not be: one more is worse, whatever the noise."""
    if before == after:
        return Judgement.SAME
    return Judgement.WORSE if after > before else Judgement.BETTER
