"""The result of a run as a file: everything needed to judge it and to repeat it."""

import os
import platform
from collections.abc import Mapping
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

import orjson

from docaxis.files import write_whole
from monitor.histogram import Histogram
from monitor.verdict import Verdict

SCHEMA_VERSION = 1

#: Packages whose versions shape a result.
PACKAGES = ("docaxis", "aiokafka", "faust-streaming", "mode-streaming", "msgspec", "orjson", "uvloop", "numpy")


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that matter; those not installed are left out."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, Any]:
    """Return what is known of the machine; null where the system does not tell."""
    return {
        "system": platform.system(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "cpu": _cpu_model(),
        "memory_bytes": _memory_bytes(),
        "kernel": platform.release(),
    }


def _cpu_model(cpuinfo: Path = Path("/proc/cpuinfo")) -> str | None:
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    found = (
        value.strip() for name, _, value in (line.partition(":") for line in lines) if name.strip() == "model name"
    )
    return next(found, None) or platform.processor() or None


def _memory_bytes() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return None


def latency_seconds(stages: Mapping[str, Histogram]) -> dict[str, dict[str, float]]:
    """Return count and percentiles of each stage, in seconds; percentiles are within 1.6 %, the maximum exact."""
    return {
        stage: {
            "count": histogram.count,
            "negative": histogram.negative,
            "p50": histogram.quantile_us(0.5) / 1e6,
            "p99": histogram.quantile_us(0.99) / 1e6,
            "p999": histogram.quantile_us(0.999) / 1e6,
            "max": histogram.max_us / 1e6,
        }
        for stage, histogram in stages.items()
    }


def result_of(
    verdict: Verdict,
    stages: Mapping[str, Histogram],
    *,
    run: str,
    exit_code: int,
    seed: int,
    workload: Mapping[str, Any],
    settings: Mapping[str, Any],
    wall_seconds: float,
    started_us: int,
    extra_versions: Mapping[str, str],
    processes: Mapping[str, Any],
    command_line: str | None,
    registry: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the content of result.json. `settings` and `command_line` must have their secrets masked already."""
    ledger = verdict.ledger
    return {
        "schema_version": SCHEMA_VERSION,
        "run": run,
        "verdict": "pass" if verdict.passed else "fail",
        "faults": list(verdict.faults),
        "exit_code": exit_code,
        "seed": seed,
        "started_us": started_us,
        "wall_seconds": round(wall_seconds, 3),
        "command_line": command_line,
        "registry": dict(registry),
        "versions": {**versions(), **extra_versions},
        "machine": machine(),
        "workload": dict(workload),
        "settings": dict(settings),
        "ledger": asdict(ledger),
        "arrivals": dict(verdict.arrivals),
        "milestones": [
            {
                "date": one.date.isoformat(),
                "sent_published": one.sent_published,
                "received_published": one.received_published,
                "total_published": one.total_published,
                "sent": one.sent,
                "received": one.received,
            }
            for one in verdict.milestones
        ],
        "latency_seconds": latency_seconds(stages),
        "rates": {
            "documents_per_second": round(ledger.documents / wall_seconds, 1),
            "deliveries_per_second": round(ledger.delivered_once / wall_seconds, 1),
            "sent_and_received_per_second": round((ledger.documents + ledger.delivered_once) / wall_seconds, 1),
        },
        "processes": dict(processes),
    }


def write_result(folder: Path, result: Mapping[str, Any]) -> Path:
    """Write result.json into the run's folder, whole or not at all, and point `latest` beside it to the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "result.json"
    write_whole(path, orjson.dumps(result, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n")
    _point_latest(folder)
    return path


def _point_latest(folder: Path) -> None:
    link = folder.parent / "latest"
    new = folder.parent / f".latest-{os.getpid()}"
    new.unlink(missing_ok=True)
    new.symlink_to(folder.name, target_is_directory=True)
    new.replace(link)
