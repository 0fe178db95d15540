"""Results of runs that never were: synthetic, for tests of what reads results. Nothing here comes from a real axis.

`write_sample` makes a folder as `docaxis run` leaves it, `write_demo_sample` one as `docaxis demo` does. The same seed
gives the same folder.
"""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from docaxis.domain.agency import Registry
from monitor.histogram import Histogram
from monitor.onboarding import Headroom, Newcomer, OnboardingRun, judge_onboarding
from monitor.onboarding_figures import Compared, Onboarding
from monitor.run_folder import HISTOGRAMS, SERIES, TRAFFIC, stored_of
from monitor.statistics import Change, Judgement

START_US = 1_764_032_400_000_000
STAGES = ("delivery", "send_delay", "routing", "pickup", "delivery_uncorrected", "acceptance", "publish")


@dataclass(frozen=True, slots=True)
class Sample:
    """What the run shall look like."""

    run: str = "run-sample"
    seed: int = 1
    seconds: int = 120
    rate: float = 400.0  # documents/s in the load phase
    slowness: float = 1.0  # of the hub: a factor on routing
    stall_s: tuple[int, int] | None = None  # the hub stands still from the first second to the second
    lost: int = 0
    duplicated: int = 0
    invalid: tuple[str, ...] = ()
    workload_name: str = "steady"
    workload_hash: str = "9f2c51d04e7ab836"
    settings: dict[str, Any] = field(default_factory=lambda: {"topics": {"prefix": "axis", "partitions": 4}})
    fleets: int = 1
    registry_file: str | None = None


def write_sample(folder: Path, sample: Sample) -> Path:
    """Write a load test's folder and return it."""
    rng = np.random.default_rng(sample.seed)
    folder.mkdir(parents=True)
    series = _series(rng, sample)
    histograms = _histograms(rng, series)
    registry = Registry.load()
    pq.write_table(pa.table(series), folder / SERIES)
    stored = {stage: stored_of(histogram) for stage, histogram in histograms.items()}
    (folder / HISTOGRAMS).write_bytes(orjson.dumps(stored))
    (folder / TRAFFIC).write_bytes(orjson.dumps(_traffic(rng, registry, int(sum(series["received"])))))
    result = _result(rng, sample, series, histograms, registry)
    (folder / "result.json").write_bytes(orjson.dumps(result))
    return folder


def _phase_names(seconds: int) -> list[str]:
    warm, drain = seconds // 6, seconds // 12
    return ["warm-up"] * warm + ["load"] * (seconds - warm - drain) + ["drain"] * drain


def _series(rng: np.random.Generator, sample: Sample) -> dict[str, Any]:
    """A queue a second: what the stalled hub left behind drains afterwards, and latencies tell of it."""
    phases = _phase_names(sample.seconds)
    share = {"warm-up": 0.4, "load": 1.0, "drain": 0.0}
    offered = rng.poisson([sample.rate * share[phase] for phase in phases])
    deliveries = np.round(offered * 3.4).astype(int)
    capacity = sample.rate * 3.4 * 2.2 / sample.slowness
    received, outstanding, routing = [], [], []
    queue = 0.0
    noise = np.exp(np.array(_correlated(rng, sample.seconds, 0.6)) * 0.12)
    for second in range(sample.seconds):
        stalled = sample.stall_s is not None and sample.stall_s[0] <= second < sample.stall_s[1]
        queue += float(deliveries[second])
        served = 0.0 if stalled else min(queue, capacity)
        queue -= served
        received.append(round(served))
        outstanding.append(round(queue))
        routing.append(0.018 * sample.slowness * noise[second] + queue / capacity + (1.0 if stalled else 0.0))
    p99 = np.array(routing) * 2.1 + 0.012
    quiet = np.array(received) == 0
    late = np.exp(rng.normal(math.log(0.0009), 0.25, sample.seconds)) * (40 if sample.invalid else 1)
    empty = {"delivery_p50_s": p99 * 0.42, "delivery_p99_s": p99, "delivery_max_s": p99 * 1.6}
    empty |= {"uncorrected_p99_s": p99 - late, "routing_p99_s": np.array(routing) * 2.05, "pickup_p99_s": p99 * 0.05}
    return {
        "second": list(range(sample.seconds)),
        "phase": phases,
        "offered": offered.tolist(),
        "sent": offered.tolist(),
        "offered_deliveries": deliveries.tolist(),
        "sent_deliveries": deliveries.tolist(),
        "received": received,
        "refused": [0] * sample.seconds,
        "in_flight": (offered // 50).tolist(),
        "outstanding": outstanding,
        **{name: [None if quiet[i] else float(v) for i, v in enumerate(values)] for name, values in empty.items()},
        "send_delay_p99_s": late.tolist(),
        "publish_p99_s": (late + 0.006).tolist(),
        "lateness_max_s": (late * 1.9).tolist(),
        "schedule_error_max_s": (late * 1.5).tolist(),
        "objective ministries-p95": [None if quiet[i] else float(v) * 0.8 for i, v in enumerate(p99)],
    }


def _correlated(rng: np.random.Generator, count: int, memory: float) -> list[float]:
    values = [0.0]
    for noise in rng.normal(0, 1, count - 1):
        values.append(memory * values[-1] + float(noise))
    return values


def _histograms(rng: np.random.Generator, series: dict[str, Any]) -> dict[str, Histogram]:
    found = {stage: Histogram() for stage in (*STAGES, "schedule_error")}
    columns = {"routing": "routing_p99_s", "pickup": "pickup_p99_s", "send_delay": "send_delay_p99_s"}
    for second, count in enumerate(series["received"]):
        if not count or series["phase"][second] != "load":
            continue
        drawn = {
            stage: (np.exp(rng.normal(0, 0.45, count)) * series[column][second] * 1e6 / 2.8).astype(np.int64)
            for stage, column in columns.items()
        }
        drawn["delivery_uncorrected"] = drawn["routing"] + drawn["pickup"]
        drawn["delivery"] = drawn["delivery_uncorrected"] + drawn["send_delay"]
        drawn["acceptance"] = drawn["routing"] // 3
        drawn["publish"] = drawn["send_delay"] + 4_000
        drawn["schedule_error"] = drawn["send_delay"] // 2
        for stage, values in drawn.items():
            found[stage].observe(values)
    return found


def _traffic(rng: np.random.Generator, registry: Registry, deliveries: int) -> dict[str, Any]:
    count = len(registry)
    weight = rng.pareto(1.2, count) + 0.2
    expected = np.outer(weight, weight)
    np.fill_diagonal(expected, 0)
    drawn = rng.poisson(expected / expected.sum() * deliveries)
    pairs = [[int(s), int(r), int(drawn[s, r])] for s, r in zip(*np.nonzero(drawn), strict=True)]
    return {"agencies": list(registry.codes), "pairs": pairs}


def _figures(histogram: Histogram) -> dict[str, float]:
    quantiles = {"p50": 0.5, "p99": 0.99, "p999": 0.999}
    told = {name: histogram.quantile_us(q) / 1e6 for name, q in quantiles.items()}
    return {"count": histogram.count, "negative": histogram.negative, **told, "max": histogram.max_us / 1e6}


def _result(
    rng: np.random.Generator,
    sample: Sample,
    series: dict[str, Any],
    histograms: dict[str, Histogram],
    registry: Registry,
) -> dict[str, Any]:
    latency = {stage: _figures(histograms[stage]) for stage in STAGES}
    expected = sum(series["offered_deliveries"])
    once = expected - sample.lost - sample.duplicated
    objectives = _objectives(sample, latency, series)
    faults = [f"{count} {word}" for word, count in (("duplicated", sample.duplicated), ("lost", sample.lost)) if count]
    documents = sum(series["sent"])
    failed = bool(faults or sample.invalid or any(one["met"] is False for one in objectives))
    exit_code = 3 if sample.invalid else int(failed)
    return {
        "schema_version": 1,
        "run": sample.run,
        "command": "run",
        "verdict": "fail" if failed else "pass",
        "valid": not sample.invalid,
        "invalid_reasons": list(sample.invalid),
        "faults": faults,
        "exit_code": exit_code,
        **_circumstances(sample, len(registry)),
        "ledger": _ledger(sample, documents, expected, once),
        "arrivals": {
            "scheduled": documents,
            "acked": documents,
            "dropped": 0,
            "failed": 0,
            "unknown": 0,
            "in_flight": 0,
        },
        "milestones": [],
        "latency_seconds": latency,
        "rates": _rates(sample, documents, expected, once),
        "processes": {
            name: {"peak_rss_bytes": peak << 20, "cpu_seconds": cpu}
            for name, peak, cpu in (("hub", 96, 14.2), ("stream", 180, 22.9), ("fleet", 130, 31.5))
        },
        "phases": _phases(sample, series),
        "objectives": objectives,
        "generator": _generator(sample),
        "latency_by_agency": _by_agency(rng, registry, latency["delivery"], once),
        "latency_by_priority": {
            str(priority): {"count": once // divisor, **{k: latency["delivery"][k] for k in ("p50", "p99", "max")}}
            for priority, divisor in enumerate((2, 6, 12, 30, 90))
        },
        **_faults_and_controls(sample),
        "lost_after_seconds": 30.0,
        "clock": {"skew_us": 140, "fleets": {"fleet-1": {"skew_us": 140, "uncertainty_us": 60}}},
    }


def _circumstances(sample: Sample, agencies: int) -> dict[str, Any]:
    return {
        "seed": sample.seed,
        "started_us": START_US + sample.seed * 60_000_000,
        "series_second0_us": START_US + sample.seed * 60_000_000 + 4_000_000,
        "wall_seconds": float(sample.seconds) + 3.2,
        "versions": {"docaxis": "0.1.0", "python": "3.11.2", "kafka": "4.3.1", "aiokafka": "0.14.0"},
        "machine": {"system": "Linux", "machine": "x86_64", "cores": 4, "cpu": "Sample CPU"}
        | {"memory_bytes": 8 << 30, "kernel": "6.1.0"},
        "command_line": "docaxis run steady",
        "fleets": {"here": sample.fleets, "external": 1},
        "registry": {"file": sample.registry_file, "agencies": agencies, "sha256": "c0ffee", "size_bytes": 20_000},
        "files": {"trace.txt": {"sha256": "decade", "size_bytes": 8}},
        "started_ms": START_US // 1000,
        "workload": {"name": sample.workload_name, "agencies": agencies, "seed": sample.seed},
        "workload_hash": sample.workload_hash,
        "settings": sample.settings,
    }


def _rates(sample: Sample, documents: int, expected: int, once: int) -> dict[str, float]:
    totals = {
        "documents": documents,
        "deliveries": once,
        "offered_documents": documents,
        "offered_deliveries": expected,
    }
    return {f"{name}_per_second": round(total / sample.seconds, 1) for name, total in totals.items()}


def _ledger(sample: Sample, documents: int, expected: int, once: int) -> dict[str, int]:
    told = {"documents": documents, "deliveries_expected": expected, "delivered_once": once}
    told |= {"duplicated": sample.duplicated, "lost": sample.lost}
    names = ("late", "misrouted", "refused", "outstanding", "failed", "receipts_repeated", "contradictions")
    return {**dict.fromkeys(names, 0), **told}


def _objectives(sample: Sample, latency: dict[str, dict[str, float]], series: dict[str, Any]) -> list[dict[str, Any]]:
    rows = [
        ("delivery-p99", "delivery p99 at most 250 ms", "delivery", "s", 0.25, latency["delivery"]["p99"]),
        ("routing-p99", "routing p99 at most 200 ms", "routing", "s", 0.2, latency["routing"]["p99"]),
        ("delivery-p999", "delivery p99.9 at most 1 s", "delivery", "s", 1.0, latency["delivery"]["p999"]),
        ("ministries-p95", "delivery p95 at most 300 ms", "delivery", "s", 0.3, latency["delivery"]["p99"] * 0.8),
        ("loss", "lost at most 0", "", "count", 0, float(sample.lost)),
        ("duplicates", "duplicated at most 0", "", "count", 0, float(sample.duplicated)),
    ]
    judged: list[dict[str, Any]] = [
        {"name": name, "text": text, "stage": stage, "unit": unit, "limit": limit, "value": value}
        | {"scope": "ministry" if name == "ministries-p95" else "all" if unit == "s" else "whole run"}
        | {"met": value <= limit}
        for name, text, stage, unit, limit, value in rows
    ]
    judged += _rates_judged(series)
    unjudged = {"name": "urgent", "text": "delivery p99 at most 100 ms", "stage": "delivery"}
    judged.append(unjudged | {"scope": "priority 4", "unit": "s", "limit": 0.1, "value": None, "met": None})
    return judged


def _rates_judged(series: dict[str, Any]) -> list[dict[str, Any]]:
    """What of the offered load was received, how much that was, and how fast the rest grew."""
    measured = [i for i, phase in enumerate(series["phase"]) if phase == "load"]
    received, offered = (sum(series[name][i] for i in measured) for name in ("received", "offered_deliveries"))
    grew = (series["outstanding"][measured[-1]] - series["outstanding"][measured[0]]) / len(measured)
    rows = [
        ("carried", "ratio", 0.98, received / offered),
        ("rate", "deliveries/s", 1000.0, received / len(measured)),
        ("backlog", "deliveries/s2", 20.0, grew),
    ]
    return [
        {"name": name, "text": name, "stage": "", "scope": "measured phases", "unit": unit, "limit": limit}
        | {"value": value, "met": value <= limit if name == "backlog" else value >= limit}
        for name, unit, limit, value in rows
    ]


def _phases(sample: Sample, series: dict[str, Any]) -> list[dict[str, Any]]:
    told, start_us = [], START_US + sample.seed * 60_000_000 + 4_000_000
    kinds = {"warm-up": "warm_up", "load": "load", "drain": "drain"}
    for name, kind in kinds.items():
        seconds = [i for i, phase in enumerate(series["phase"]) if phase == name]
        sums = {key: sum(series[key][i] for i in seconds) for key in ("offered", "sent", "received")}
        sums["offered_deliveries"] = sums["received"]
        took = {"count": sums["received"], "p50": 0.05, "p99": 0.2, "max": 0.3} if sums["received"] else None
        told.append(
            {"name": name, "kind": kind, "start_us": start_us + seconds[0] * 1_000_000}
            | {"end_us": start_us + (seconds[-1] + 1) * 1_000_000, "measured": kind == "load", "closed": False}
            | sums
            | {"latency_seconds": took}
        )
    return told


def _generator(sample: Sample) -> dict[str, Any]:
    late = 40.0 if sample.invalid else 1.0
    return {
        "schedule_error_seconds": {"p50": 1e-4 * late, "p99": 7e-4 * late, "p999": 1.3e-3 * late, "max": 3e-3 * late},
        "loop_lag_seconds": {"p99": 9e-4 * late, "max": 4e-3 * late},
        "gc_seconds": 0.031,
        "cpu_share": 0.26,
        "clock_steps": 0,
        "held_seconds": 0.0,
        "bounds": {"schedule_error_p99_seconds": 0.002, "loop_lag_p99_seconds": 0.02, "clock_step_seconds": 0.005},
    }


def _by_agency(rng: np.random.Generator, registry: Registry, latency: dict[str, float], once: int) -> dict[str, Any]:
    weight = rng.pareto(1.2, len(registry)) + 0.2
    counts = (weight / weight.sum() * once).astype(int)
    factors = np.exp(rng.normal(0, 0.22, len(registry)))
    return {
        agency.code: {
            "count": int(counts[agency.index]),
            "p50": latency["p50"] * float(factors[agency.index]),
            "p99": latency["p99"] * float(factors[agency.index]) ** 2,
            "max": latency["max"] * min(1.0, float(factors[agency.index])),
        }
        for agency in registry
    }


def _faults_and_controls(sample: Sample) -> dict[str, Any]:
    at_us = START_US + sample.seed * 60_000_000 + 4_000_000
    injected: list[dict[str, Any]] = []
    if sample.stall_s is not None:
        first, last = (at_us + second * 1_000_000 for second in sample.stall_s)
        injected.append({"kind": "paused-hub", "at_us": first, "until_us": last, "count": 1, "detail": "hub paused"})
    if sample.duplicated:
        # A document has several recipients; of a sample's duplicates all but the last have one each.
        documents = max(1, sample.duplicated - 1)
        detail = f"{documents} documents, {sample.duplicated} deliveries"
        moment = at_us + 50_000_000
        injected.append(
            {"kind": "duplicate", "at_us": moment, "until_us": moment, "count": documents, "detail": detail}
            | {"documents": documents, "deliveries": sample.duplicated}
        )
    controls = [{"at_us": at_us + 30_000_000, "verb": "rate", "value": sample.rate}]
    found = {"duplicate": sample.duplicated} if sample.duplicated else {}
    return {"faults_injected": injected, "faults_found": found, "controls": controls}


def write_demo_sample(folder: Path) -> Path:
    """Write the folder of a demo that kept nothing but result.json, and return it."""
    folder.mkdir(parents=True)
    full = write_sample(folder / "full", Sample(run="demo-sample"))
    result = orjson.loads((full / "result.json").read_bytes())
    kept = (
        *("schema_version", "run", "verdict", "faults", "exit_code", "seed", "started_us", "wall_seconds", "versions"),
        *(
            "command_line",
            "registry",
            "machine",
            "settings",
            "ledger",
            "arrivals",
            "latency_seconds",
            "rates",
            "processes",
        ),
    )
    demo = {name: result[name] for name in kept}
    demo["latency_seconds"].pop("publish")
    demo["workload"] = {"name": "history", "closed_loop": True, "until": "2021-02-23", "scale": 1.0, "agencies": 95}
    demo["milestones"] = [
        {"date": "2019-09-30", "sent_published": 115_310, "received_published": 387_200, "total_published": None}
        | {"sent": 115_310, "received": 387_200},
        {"date": "2021-02-23", "sent_published": None, "received_published": None, "total_published": 4_400_000}
        | {"sent": 1_000_000, "received": 3_400_000},
    ]
    (folder / "result.json").write_bytes(orjson.dumps(demo))
    for file in full.iterdir():
        file.unlink()
    full.rmdir()
    return folder


def write_onboarding_sample(folder: Path) -> Path:
    """Write the folder of an onboarding test with an answer of every part, and return it.

    H95 joins; three agencies take three times as long with it, all together twice, and of the others little could have
    been seen at so much noise.
    """
    write_sample(folder, Sample(run="onboard-sample"))
    registry = Registry.load()
    rng = np.random.default_rng(1)

    def runs(slowness: float) -> list[OnboardingRun]:
        p99s = [
            {
                one.code: 0.1 * (slowness if one.index < 3 else 1.0) * math.exp(rng.normal(0, 0.1 * (one.index >= 3)))
                for one in registry
            }
            for _ in range(5)
        ]
        return [OnboardingRun(True, (), (), p99_s) for p99_s in p99s]

    change = Change(1.0, 0.8, 1.2, 1e-6)
    newcomer = Newcomer("H95", 50.0, 49.9)
    headroom = Headroom(1.2, limit="fast (stage routing, slowest agency G22, processor of hub)")
    verdict = judge_onboarding(runs(1.0), runs(3.0), [newcomer], headroom, together={"delivery p99": change})
    told = Onboarding(
        verdict,
        [(newcomer, {"name_vi": "Cơ quan mới H95", "name_en": "New agency H95", "like": "H35", "factor": 2.0})],
        [Compared("delivery p99", 0.1, 0.2, change, Judgement.WORSE)],
        headroom,
        [(f"run-{number}a", f"run-{number}b") for number in range(5)],
        len(registry),
        "steady",
    )
    result = orjson.loads((folder / "result.json").read_bytes())
    result |= {"command": "onboard", "verdict": "pass", "exit_code": 0, "onboarding": told.as_data()}
    (folder / "result.json").write_bytes(orjson.dumps(result))
    return folder
