"""`docaxis fit`: a workload from a recording, and how well it fits."""

from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
import typer

from docaxis.commands.inspect import WEEKDAYS, Where, columns
from docaxis.commands.options import RegistryFile, new_app
from docaxis.commands.recording_options import AllowBackwards, left_out
from docaxis.commands.replay import parse_duration_us
from docaxis.domain.agency import Registry
from docaxis.domain.errors import UsageError
from docaxis.files import write_whole
from docaxis.recording.clocks import check_clocks
from docaxis.recording.engine import engine
from docaxis.recording.fitted_workload import workload_toml
from docaxis.recording.fitting import Fitted, distance, fit, share_moved
from docaxis.recording.profile import profile
from docaxis.recording.reader import attach, open_recording
from docaxis.recording.traffic_table import TrafficTable, traffic_table
from docaxis.workload.file import load_workload, workload_of
from docaxis.workload.model import Phase, Workload
from monitor.fidelity import ks_distance
from producers.arrivals_weekly import phase_days, weekly_weights
from producers.fitted_day import OfferedDay, offered_day

app = new_app(__doc__)

#: Business kinds that follow a document up.
BUSINESS = {1: "recalls", 2: "updates", 3: "replacements"}


@app.command("fit")
def fit_workload(
    file: Annotated[Path, typer.Argument(help="Folder of the recording.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The workload file (TOML) to write.")],
    where: Where = "",
    clock: Annotated[str, typer.Option(help="Clock of days and hours: calendar or sent.")] = "calendar",
    day: Annotated[str, typer.Option(help="How long a fitted day takes in the workload, as 4m.")] = "4m",
    days: Annotated[
        int, typer.Option(min=1, max=366, help="Days it runs: 1, a working day; 7, a week from Monday on.")
    ] = 1,
    allow_backwards: AllowBackwards = False,
    registry: RegistryFile = None,
) -> None:
    """Fit a week: hours, holidays, bursts, who writes what to whom, recalls, receipts; tell how well it fits."""
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
        if canaries := attach(connection, [recording]):
            print(left_out(canaries))
        profile(connection, "calendar" if clock == "calendar" else "sent", where)
        fitted, table = fit(connection), traffic_table(connection)
    _refuse_unknown(table, known)
    used = registry or (file / recording.manifest.registry if recording.manifest.registry else None)
    named = str(used.absolute()) if used else ""
    text = workload_toml(fitted, beside.name, "fitted", day_us / 1e6, days, named)
    try:
        write_whole(beside, msgspec.json.encode(table))
        write_whole(out, text.encode())
        workload = fitted_workload(out)
        _tell(fitted, table, offered_day(workload, known), expected_hours(workload.phases[0]), out)
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


def expected_hours(phase: Phase) -> "np.ndarray[tuple[int, int], np.dtype[np.float64]]":
    """Return the documents that the recording has in the hours of the days that a phase runs, one row a weekday."""
    assert phase.week is not None
    weights = weekly_weights(phase).reshape(-1, 24) * np.array(phase.week).mean()
    found = np.zeros((7, 24))
    for day, hours in zip(phase_days(phase), weights, strict=True):
        found[day.weekday()] += hours
    return found


def _tell(fitted: Fitted, table: TrafficTable, day: OfferedDay, expected: "np.ndarray[Any, Any]", out: Path) -> None:
    """Print the fit beside what was recorded, over one run of the workload's own seed."""
    hours = dict(enumerate(expected.sum(axis=0).tolist()))
    weekdays = dict(enumerate(expected.sum(axis=1).tolist()))
    pairs: dict[object, float] = {
        (table.agencies[sender], table.agencies[to]): few + more for sender, to, few, more in table.pairs
    }
    by_fan_out = table.by_fan_out()
    mean = sum(number * count for number, count in by_fan_out.items()) / sum(by_fan_out.values())
    documents = day.hours.total()
    print(f"{out}: {sum(fitted.by_hour):,.1f} documents a working day, the mean of {fitted.working_days:,}")
    print(f"  {_week(fitted)}")
    print(_plot("Documents by hour", [f"{hour:02d}" for hour in range(24)], hours, day.hours))
    if sum(1 for count in weekdays.values() if count) > 1:
        print(_plot("Documents by weekday", list(WEEKDAYS), weekdays, day.weekdays))
    print(f"Fitted against recorded, in one run of {documents:,} documents (0: the same; by chance it is not 0):")
    print(f"  hours                distance {distance(hours, day.hours):.3f}")
    shown = f"mean {mean:.3f} recorded, {day.pairs.total() / max(1, documents):.3f} fitted"
    print(f"  recipients           distance {distance(by_fan_out, day.fan_outs):.3f}   {shown}")
    print(f"  sizes                distance {ks_distance(_array(table.sizes), _array(day.sizes)):.3f}")
    print(f"  who writes to whom   moved {share_moved(pairs, dict(day.pairs)):.1%} of {day.pairs.total():,} deliveries")
    factor = fitted.burst_factor
    told = f"bursts {factor:,.1f} times busier" if factor is not None else "no bursts beyond chance"
    print(f"  a minute             variance / mean {fitted.dispersion:.2f} (1: by chance): {told}")
    if fitted.recalls is not None:
        named = ", ".join(f"{BUSINESS[kind]} {count:,}" for kind, count in fitted.recalls.kinds.items())
        offered = (documents - day.business[0]) / max(1, documents)
        print(f"  follow-ups           {fitted.recalls.share:.1%} recorded ({named}), {offered:.1%} fitted")
    if fitted.pickup_us is None:
        print("  receipts             none recorded: fetched at once")
    else:
        print(f"  receipts             fetched every {2 * fitted.pickup_us / 1e6:,.3f} s")


def _week(fitted: Fitted) -> str:
    """Return in a line how busy each weekday is, and holidays."""
    shown = [
        f"{name} {sum(hours):,.1f}" + ("" if days else "*")
        for name, hours, days in zip(WEEKDAYS, fitted.week, fitted.weekdays, strict=True)
    ]
    if not all(fitted.weekdays):
        shown.append("* not recorded")
    if fitted.holiday_factor is None:
        return ", ".join([*shown, "no holiday was recorded: the workload's default is assumed"])
    return ", ".join([*shown, f"{fitted.holidays:,} holidays: {fitted.holiday_factor:.3f} of their weekdays"])


def _array(values: list[int]) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    return np.array(values, np.int64)


def _plot(title: str, names: list[str], recorded: dict[int, float], fitted: Counter[int]) -> str:
    """Return recorded and fitted counts side by side."""
    import plotext

    plotext.clear_figure()
    plotext.theme("clear")
    plotext.plotsize(min(100, columns()), 14)
    values = [[float(counts.get(number, 0)) for number in range(len(names))] for counts in (recorded, fitted)]
    plotext.multiple_bar(names, values, labels=["recorded", "fitted"])
    plotext.title(title)
    return str(plotext.uncolorize(plotext.build()))
