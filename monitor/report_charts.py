"""The figures behind the report's charts, small enough for any length of run. Pure."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from monitor.histogram import Histogram
from monitor.run_folder import Floats, RunFolder, Traffic, is_measured

#: Points of a line: more than a screen has pixels; longer runs get several seconds in a point.
POINTS_MAX = 1_500

#: Columns that are summed up by their mean; of all others (latencies) the largest counts, so that no stall is smoothed.
_MEANS = {"offered", "sent", "received", "refused", "offered_deliveries", "sent_deliveries"}

_LATENCIES = (
    *("delivery_p50_s", "delivery_p99_s", "delivery_max_s", "uncorrected_p99_s"),
    *("send_delay_p99_s", "routing_p99_s", "pickup_p99_s", "publish_p99_s"),
)


def series_chart(run: RunFolder) -> dict[str, Any] | None:
    """Return the series as lists, at most `POINTS_MAX` points each, with phases and faults in seconds of the series."""
    if not run.phase_of_second:
        return None
    seconds = len(run.phase_of_second)
    per_point = math.ceil(seconds / POINTS_MAX)
    columns = {
        name: _thinned(values, per_point, mean=name in _MEANS)
        for name, values in run.series.items()
        if name in _MEANS or name in _LATENCIES or name in ("outstanding", "in_flight")
    }
    return {
        "per_point": per_point,
        "second": list(range(0, seconds, per_point)),
        "columns": columns,
        "phases": _phases(run),
        "faults": _faults(run.result, seconds),
    }


def _thinned(values: Floats, per_point: int, *, mean: bool) -> list[float | None]:
    filled = np.concatenate((values, np.full(-len(values) % per_point, np.nan))).reshape(-1, per_point)
    known = np.isfinite(filled)
    if mean:
        points = np.where(known, filled, 0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    else:
        points = np.where(known, filled, -np.inf).max(axis=1)
    some = known.any(axis=1)
    return [_short(value) if there else None for value, there in zip(points.tolist(), some.tolist(), strict=True)]


def _short(value: float) -> float:
    """Return a value with five significant figures: a page need not carry more."""
    return float(f"{value:.5g}")


def _phases(run: RunFolder) -> list[dict[str, Any]]:
    measured = {phase["name"] for phase in run.result.get("phases", ()) if is_measured(phase)}
    found: list[dict[str, Any]] = []
    for second, name in enumerate(run.phase_of_second):
        if not found or found[-1]["name"] != name:
            found.append({"name": name, "from": second, "until": second + 1, "measured": name in measured})
        found[-1]["until"] = second + 1
    return found


def _faults(result: Mapping[str, Any], seconds: int) -> list[dict[str, Any]]:
    origin_us = result.get("series_second0_us")
    if origin_us is None:
        origin_us = min((phase["start_us"] for phase in result.get("phases", ())), default=result["started_us"])
    found = []
    for fault in result.get("faults_injected", ()):
        first = (fault["at_us"] - origin_us) / 1e6
        last = (fault["until_us"] - origin_us) / 1e6 if fault.get("until_us") else first
        if last >= 0 and first <= seconds:
            found.append({"kind": fault["kind"], "from": round(first, 2), "until": round(max(last, first), 2)})
    return found


def percentile_chart(run: RunFolder) -> dict[str, list[tuple[float, float]]]:
    """Return for each stage points (k, seconds): the value that a share 10^-k of the samples exceeds."""
    if run.histograms:
        return {stage: _curve(histogram) for stage, histogram in run.histograms.items() if histogram.count}
    known = {"p50": 0.5, "p99": 0.99, "p999": 0.999}
    return {
        stage: [(_short(-math.log10(1 - q)), figures[name]) for name, q in known.items() if name in figures]
        for stage, figures in run.result.get("latency_seconds", {}).items()
        if figures.get("count")
    }


def _curve(histogram: Histogram) -> list[tuple[float, float]]:
    depth = math.log10(histogram.count)
    steps = [*np.arange(0, depth, 0.1).tolist(), depth]
    points = [(_short(k), histogram.quantile_us(1 - 10**-k) / 1e6) for k in steps[:-1]]
    return [*points, (_short(depth), histogram.max_us / 1e6)]


def traffic_chart(traffic: Traffic) -> dict[str, Any]:
    """Return the pairs as [recipient, sender, deliveries], for a map with senders as rows."""
    return {
        "codes": list(traffic.agencies),
        "cells": [[recipient, sender, count] for sender, recipient, count in traffic.pairs if count],
        "max": max((count for _, _, count in traffic.pairs), default=0),
    }
