"""What a run left in its folder, read back: result.json, and what lies beside it if the run made it.

result.json      the judgement and everything needed to repeat the run (docs/RESULT.md)
series.parquet   a row a second
histograms.json  each stage's latencies, mergeable
traffic.json     deliveries by sender and recipient
registry.csv     the agencies, where some are not in the package's registry
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from docaxis.domain.errors import UsageError
from docaxis.files import write_whole
from monitor.histogram import BUCKETS, Histogram
from monitor.result import SCHEMA_VERSION

Floats = npt.NDArray[np.float64]

RESULT, SERIES, HISTOGRAMS, TRAFFIC = "result.json", "series.parquet", "histograms.json", "traffic.json"
REGISTRY = "registry.csv"


@dataclass(frozen=True, slots=True)
class Traffic:
    """Deliveries by pair; `pairs` holds (sender, recipient, deliveries), the first two being indices of `agencies`."""

    agencies: tuple[str, ...]
    pairs: tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True)
class RunFolder:
    """One run. Parts that it did not make are empty."""

    path: Path
    result: Mapping[str, Any]
    series: Mapping[str, Floats] = field(default_factory=dict)  # column -> a value a second, NaN where there is none
    phase_of_second: tuple[str, ...] = ()
    histograms: Mapping[str, Histogram] = field(default_factory=dict)
    traffic: Traffic | None = None

    def measured(self, column: str) -> Floats:
        """Return a column in the seconds of the measured phases only; empty if the run has no such column."""
        values = self.series.get(column)
        if values is None:
            return np.empty(0)
        names = {phase["name"] for phase in self.result.get("phases", ()) if is_measured(phase)}
        chosen = np.array([name in names for name in self.phase_of_second], bool)
        return np.asarray(values[chosen], np.float64)


def is_measured(phase: Mapping[str, Any]) -> bool:
    """Return whether objectives are judged in this phase: warm-up and drain are told, and never judged."""
    return bool(phase.get("measured", phase.get("kind") in {"load", "soak"}))


def find_run(name: str, runs: Path) -> Path:
    """Return the folder that `name` means: a path, or an id (or its unmistakable beginning) in the folder of runs.

    Raises UsageError where there is none, or more than one.
    """
    path = Path(name)
    path = path.parent if path.name == RESULT else path
    if (path / RESULT).is_file():
        return path
    if (runs / name / RESULT).is_file():
        return runs / name
    known = run_ids(runs)
    begun = [run for run in known if run.startswith(name)] if name else []
    if len(begun) == 1:
        return runs / begun[0]
    if begun:
        shown = ", ".join(begun[:5]) + (", ..." if len(begun) > 5 else "")
        raise UsageError(f"{name!r} may mean {len(begun)} runs: {shown}", next_step="give more of the name")
    newest = f"; the newest is {known[-1]}" if known else ""
    raise UsageError(
        f"there is no run {name!r} in {runs}{newest}",
        next_step="`docaxis runs` lists what is there; a folder with a result.json will do, too",
    )


def run_ids(runs: Path) -> list[str]:
    """Return the ids of the runs in a folder, the oldest first; a run without result.json did not come to its end."""
    if not runs.is_dir():
        return []
    folders = [file.parent for file in runs.glob(f"*/{RESULT}") if not file.parent.is_symlink()]
    return [folder.name for folder in sorted(folders, key=lambda one: ((one / RESULT).stat().st_mtime_ns, one.name))]


def load_result(path: Path) -> dict[str, Any]:
    """Read a run's result.json. Raises UsageError for what is none, or is newer than this program."""
    file = path / RESULT
    result = _json(file)
    if not isinstance(result, dict) or not {"schema_version", "run", "verdict"} <= result.keys():
        raise UsageError(f"{file} is no result of a run", next_step="name the folder of a run, as in runs/latest")
    version = result["schema_version"]
    if not isinstance(version, int) or version > SCHEMA_VERSION:
        raise UsageError(
            f"{file} has schema_version {version!r}, and this docaxis knows {SCHEMA_VERSION}",
            next_step="read it with the docaxis that wrote it, or a newer one",
        )
    return result


def load_run(path: Path) -> RunFolder:
    """Read a run. Raises UsageError naming the file and what is wrong with it."""
    result = load_result(path)
    phases, series = _read_series(path / SERIES)
    return RunFolder(path, result, series, phases, _read_histograms(path / HISTOGRAMS), _read_traffic(path / TRAFFIC))


def _json(file: Path) -> Any:
    try:
        return orjson.loads(file.read_bytes())
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}", next_step="name the folder of a run") from error
    except ValueError as error:
        raise UsageError(
            f"{file} is no JSON: {error}", next_step="the file was cut or changed: run it again"
        ) from error


def _read_series(file: Path) -> tuple[tuple[str, ...], dict[str, Floats]]:
    if not file.exists():
        return (), {}
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # Opened as a file: pyarrow takes a path with "=" in it for a partitioned data set.
        with file.open("rb") as opened:
            table = pq.read_table(opened)
        phases = table.column("phase").to_pylist()
        columns = {
            name: np.asarray(table.column(name).cast(pa.float64()).fill_null(float("nan")).to_numpy(), np.float64)
            for name in table.column_names
            if name != "phase"
        }
    except (OSError, KeyError, ValueError, pa.ArrowException) as error:
        raise UsageError(f"{file} is no series of a run: {error}", next_step="remove it, or run again") from error
    return tuple(str(phase) for phase in phases), columns


def _read_histograms(file: Path) -> dict[str, Histogram]:
    if not file.exists():
        return {}
    try:
        return {str(stage): histogram_of(stored) for stage, stored in _json(file).items()}
    except (AttributeError, KeyError, TypeError, ValueError, IndexError) as error:
        raise UsageError(f"{file} holds no histograms: {error!r}", next_step="remove it, or run again") from error


def histogram_of(stored: Mapping[str, Any]) -> Histogram:
    """Rebuild a histogram from {count, negative, max_us, buckets: [[index, count], ...]}."""
    histogram = Histogram(negative=int(stored.get("negative", 0)), max_us=int(stored["max_us"]))
    for index, count in stored["buckets"]:
        if not 0 <= index < BUCKETS:
            raise IndexError(f"bucket {index} of {BUCKETS}")
        histogram.counts[index] += count
    return histogram


def stored_of(histogram: Histogram) -> dict[str, Any]:
    """Return what `histogram_of` reads."""
    used: Sequence[int] = np.flatnonzero(histogram.counts).tolist()
    return {
        "count": histogram.count,
        "negative": histogram.negative,
        "max_us": histogram.max_us,
        "buckets": [[index, int(histogram.counts[index])] for index in used],
    }


def write_histograms(folder: Path, stages: Mapping[str, Histogram]) -> None:
    """Write histograms.json into the run's folder, whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    stored = {stage: stored_of(histogram) for stage, histogram in stages.items()}
    write_whole(folder / HISTOGRAMS, orjson.dumps(stored) + b"\n")


def write_traffic(folder: Path, traffic: Mapping[str, Any]) -> None:
    """Write traffic.json (agencies; sender, recipient, deliveries by their positions), whole or not at all."""
    write_whole(folder / TRAFFIC, orjson.dumps(traffic) + b"\n")


def _read_traffic(file: Path) -> Traffic | None:
    if not file.exists():
        return None
    try:
        stored = _json(file)
        agencies = tuple(str(code) for code in stored["agencies"])
        pairs = tuple((int(sender), int(recipient), int(count)) for sender, recipient, count in stored["pairs"])
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"{file} holds no traffic: {error!r}", next_step="remove it, or run again") from error
    if any(not 0 <= index < len(agencies) for pair in pairs for index in pair[:2]):
        raise UsageError(
            f"{file} names an agency beyond its list of {len(agencies)}", next_step="remove it, or run again"
        )
    return Traffic(agencies, pairs)
