"""`docaxis fit`: a workload from a recording, and how well it fits."""

from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
import typer

from docaxis.commands.inspect import Where, columns
from docaxis.commands.options import RegistryFile, new_app
from docaxis.commands.recording_options import AllowBackwards
from docaxis.commands.replay import parse_duration_us
from docaxis.domain.agency import Registry
from docaxis.domain.errors import UsageError
from docaxis.recording.clocks import check_clocks
from docaxis.recording.engine import engine
from docaxis.recording.fitting import Fitted, distance, fit, share_moved, workload_toml
from docaxis.recording.manifest import write_whole
from docaxis.recording.profile import profile
from docaxis.recording.reader import attach, open_recording
from docaxis.recording.traffic_table import TrafficTable, traffic_table
from docaxis.workload.file import load_workload, workload_of
from docaxis.workload.model import Workload
from monitor.fidelity import ks_distance
from producers.fitted_day import OfferedDay, offered_day

app = new_app(__doc__)


@app.command("fit")
def fit_workload(
    file: Annotated[Path, typer.Argument(help="Folder of the recording.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The workload file (TOML) to write.")],
    where: Where = "",
    clock: Annotated[str, typer.Option(help="Clock of days and hours: calendar or sent.")] = "calendar",
    day: Annotated[str, typer.Option(help="How long the fitted day takes in the workload, as 4m.")] = "4m",
    allow_backwards: AllowBackwards = False,
    registry: RegistryFile = None,
) -> None:
    """Fit an ordinary working day: hours, bursts, who writes what to whom, receipts; tell how well it fits."""
    if clock not in ("calendar", "sent"):
        raise UsageError(f"--clock {clock!r} is not known", next_step="choose calendar or sent")
    day_us = parse_duration_us("--day", day)
    if day_us < 2_400_000:
        raise UsageError(f"--day {day} is too short", next_step="give 3s or more")
    beside = out.with_name(f"{out.stem}.traffic.json")
    for path in (out, beside):
        if path.exists():
            raise UsageError(f"{path} exists already", next_step="choose another name, or remove it")
    recording = open_recording(file)
    if not allow_backwards:
        check_clocks(recording)
    known = Registry.load(registry) if registry else recording.registry()
    with engine() as connection:
        attach(connection, [recording])
        profile(connection, "calendar" if clock == "calendar" else "sent", where)
        fitted, table = fit(connection), traffic_table(connection)
    _refuse_unknown(table, known)
    used = registry or (file / recording.manifest.registry if recording.manifest.registry else None)
    named = str(used.absolute()) if used else ""
    text = workload_toml(fitted, beside.name, "fitted", day_us / 1e6, named)
    try:
        write_whole(beside, msgspec.json.encode(table))
        write_whole(out, text.encode())
        _tell(fitted, table, offered_day(fitted_workload(out), known), out)
    except BaseException:  # half of it would look like a workload
        for path in (out, beside):
            path.unlink(missing_ok=True)
        raise


def _refuse_unknown(table: TrafficTable, known: Registry) -> None:
    unknown = [code for code in table.agencies if known.find(code) is None]
    if unknown:
        raise UsageError(
            f"{len(unknown):,} agencies of the recording are not in the registry: {', '.join(unknown[:5])}"
            + (" ..." if len(unknown) > 5 else ""),
            next_step="give a registry that has them (--registry)",
        )


def fitted_workload(path: Path) -> Workload:
    """Return a workload whose traffic is found beside it."""
    loaded = load_workload(str(path))
    traffic = [
        {**kind, "like": str(loaded.path(Path(kind["like"])))} if "like" in kind else kind
        for kind in loaded.content.get("traffic", ())
    ]
    content = {**loaded.content, "traffic": traffic} if traffic else loaded.content
    return workload_of(content, loaded.place).workload


def _tell(fitted: Fitted, table: TrafficTable, day: OfferedDay, out: Path) -> None:
    """Print the fit beside what was recorded, over one run of the workload's own seed."""
    hours = dict(enumerate(fitted.by_hour))
    pairs: dict[object, float] = {
        (table.agencies[sender], table.agencies[to]): few + more for sender, to, few, more in table.pairs
    }
    by_fan_out = table.by_fan_out()
    mean = sum(number * count for number, count in by_fan_out.items()) / sum(by_fan_out.values())
    documents = day.hours.total()
    bursts = [factor for hour in hours if (factor := fitted.burst_factor(hour)) is not None]
    print(f"{out}: {sum(fitted.by_hour):,.1f} documents a working day, the mean of {fitted.working_days:,}")
    print(_plot(fitted, day))
    print(f"Fitted against recorded, in one run of {documents:,} documents (0: the same; by chance it is not 0):")
    print(f"  hours                distance {distance(hours, day.hours):.3f}")
    shown = f"mean {mean:.3f} recorded, {day.pairs.total() / max(1, documents):.3f} fitted"
    print(f"  recipients           distance {distance(by_fan_out, day.fan_outs):.3f}   {shown}")
    print(f"  sizes                distance {ks_distance(_array(table.sizes), _array(day.sizes)):.3f}")
    print(f"  who writes to whom   moved {share_moved(pairs, dict(day.pairs)):.1%} of {day.pairs.total():,} deliveries")
    told = f"bursts {min(bursts):,.1f} to {max(bursts):,.1f} times busier" if bursts else "no bursts beyond chance"
    print(f"  a minute             variance / mean {fitted.dispersion:.2f} (1: by chance): {told}")
    if fitted.pickup_us is None:
        print("  receipts             none recorded: fetched at once")
    else:
        print(f"  receipts             fetched every {2 * fitted.pickup_us / 1e6:,.3f} s")


def _array(values: list[int]) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    return np.array(values, np.int64)


def _plot(fitted: Fitted, day: OfferedDay) -> str:
    """Return documents by hour, recorded and fitted side by side."""
    import plotext

    plotext.clear_figure()
    plotext.theme("clear")
    plotext.plotsize(min(100, columns()), 14)
    hours = [f"{hour:02d}" for hour in range(24)]
    offered = [float(day.hours.get(hour, 0)) for hour in range(24)]
    plotext.multiple_bar(hours, [list(fitted.by_hour), offered], labels=["recorded", "fitted"])
    plotext.title("Documents by hour of a working day")
    return str(plotext.uncolorize(plotext.build()))
