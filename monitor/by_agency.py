"""What a run without phases (the demo, a replay) tells of its agencies: as the meter counted it, over the whole run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from docaxis.domain.agency import Registry
from monitor.histogram import Histogram
from monitor.pairs import PAIRED_MAX
from monitor.reading import Readings
from monitor.run_folder import write_traffic


def short_latencies(rows: Mapping[str, Histogram]) -> dict[str, dict[str, float]]:
    """Return count and percentiles of each row, in seconds."""
    return {
        name: {
            "count": row.count,
            "p50": row.quantile_us(0.5) / 1e6,
            "p99": row.quantile_us(0.99) / 1e6,
            "max": row.max_us / 1e6,
        }
        for name, row in rows.items()
    }


def agency_fields(readings: Readings, run: str) -> dict[str, Any]:
    """Return the result's fields about recipients and priorities."""
    return {
        "latency_by_agency": short_latencies(readings.latencies(run, "status", "recipient")),
        "latency_by_priority": short_latencies(readings.latencies(run, "status", "priority")),
    }


def received_pairs(readings: Readings, run: str, registry: Registry) -> dict[str, Any] | None:
    """Return who received how much from whom, in the form of traffic.json.

    None where there are more agencies than the meter tells apart: the last row would be everybody else.
    """
    if len(registry) > PAIRED_MAX:
        return None
    numbers = {code: number for number, code in enumerate(registry.codes)}
    counts = readings.pairs(run, "status", "receipts", lambda code: numbers.get(code, PAIRED_MAX)).counts
    known = counts[: len(registry), : len(registry)]
    return {
        "agencies": list(registry.codes),
        "pairs": [
            [sender, recipient, int(known[sender, recipient])] for sender, recipient in np.argwhere(known).tolist()
        ],
    }


def write_received_pairs(folder: Path, readings: Readings, run: str, registry: Registry) -> None:
    """Write traffic.json into the run's folder, if there is something to tell."""
    traffic = received_pairs(readings, run, registry)
    if traffic is not None and traffic["pairs"]:
        write_traffic(folder, traffic)
