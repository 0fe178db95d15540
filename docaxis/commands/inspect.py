"""`docaxis inspect`: what a recording holds, with plots in the terminal."""

import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import orjson
import typer

from docaxis.commands.options import AsJson, new_app
from docaxis.commands.recording_options import AllowBackwards, described, left_out
from docaxis.recording.clocks import check_clocks
from docaxis.recording.engine import engine
from docaxis.recording.profile import SIZE_CLASSES, ClockName, Profile, profile
from docaxis.recording.reader import attach, open_recording

app = new_app(__doc__)

Where = Annotated[str, typer.Option(help="Only rows for which this holds: a DuckDB expression over the columns.")]

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")

#: Fan-outs shown one by one; what is above shares the last bar.
_FAN_OUTS = 12

_HEIGHT = 9


@app.command("inspect")
def inspect_recording(
    file: Annotated[Path, typer.Argument(help="Folder of the recording.")],
    where: Where = "",
    clock: Annotated[
        str, typer.Option(help="Clock of months, weekdays and hours: calendar (of business) or sent (the wall's).")
    ] = "calendar",
    allow_backwards: AllowBackwards = False,
    as_json: AsJson = False,
) -> None:
    """Show volume by month, weekday and hour, fan-out, sizes, the busiest pairs, and latency as recorded."""
    if clock not in ("calendar", "sent"):
        raise typer.BadParameter("choose calendar or sent", param_hint="--clock")
    recording = open_recording(file)
    if not allow_backwards:
        check_clocks(recording)
    name: ClockName = "calendar" if clock == "calendar" else "sent"
    with engine() as connection:
        canaries = attach(connection, [recording])
        found = profile(connection, name, where)
    if as_json:
        manifest = _without_parts(recording.manifest)
        content = {"manifest": manifest, "canaries_left_out": canaries, "profile": asdict(found)}
        print(orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS).decode())
        return
    print(described(file, recording.manifest))
    if canaries:
        print(f"  {left_out(canaries)}")
    print(shown(found, name, colour=sys.stdout.isatty()))


def _without_parts(manifest: object) -> dict[str, object]:
    import msgspec

    content: dict[str, object] = msgspec.to_builtins(manifest)
    content["parts"] = len(content["parts"])  # type: ignore[arg-type]
    return content


def shown(found: Profile, clock: ClockName, *, colour: bool) -> str:
    """Return the profile as text and plots, for a terminal of at least 60 columns."""
    if not found.documents:
        return "no document fits"
    named = "business calendar" if clock == "calendar" else "wall clock"
    fan_outs = {str(number): found.by_fan_out.get(number, 0) for number in range(1, _FAN_OUTS)}
    more = sum(count for number, count in found.by_fan_out.items() if number >= _FAN_OUTS)
    plots = [
        _plot(f"Documents by month ({named})", found.by_month, colour),
        _plot("By weekday", dict(zip(WEEKDAYS, found.by_weekday, strict=True)), colour),
        _plot("By hour, Vietnam time", {f"{hour:02d}": count for hour, count in enumerate(found.by_hour)}, colour),
        _plot("By number of recipients", {**fan_outs, f"{_FAN_OUTS}+": more}, colour),
    ]
    if set(found.by_size) != {0}:
        plots.append(_plot("By size", {_class_name(one): found.by_size.get(one, 0) for one in _classes(found)}, colour))
    lines = [
        f"Busiest second: {found.busiest_second:,} documents ({named})",
        f"Busiest of {found.pairs_total:,} pairs:",
    ]
    lines += [f"  {sender:>10} → {recipient:<10} {count:>12,}" for sender, recipient, count in found.pairs]
    if found.latency_us:
        quantiles = ", ".join(
            f"{'max' if q == 1 else f'p{q * 100:g}'} {us / 1e6:,.3f} s" for q, us in found.latency_us.items()
        )
        lines.append(f"Latency as recorded (received − sent): {quantiles}; {found.latency_negative:,} negative")
    if found.statuses:
        lines.append(", ".join(f"{what}: {count:,}" for what, count in found.statuses.items()))
    return "\n".join([*plots, *lines])


def _classes(found: Profile) -> range:
    return range(min(found.by_size), max(found.by_size) + 1)


def _class_name(one: int) -> str:
    if one == len(SIZE_CLASSES):
        return f">{SIZE_CLASSES[-1] // 1_000_000}MB"
    bound = SIZE_CLASSES[one]
    return f"≤{bound // 1_000_000}MB" if bound >= 1_000_000 else f"≤{bound // 1000}kB" if bound else "0"


def _plot(title: str, counts: dict[str, int], colour: bool) -> str:
    import plotext

    plotext.clear_figure()
    plotext.theme("clear")
    plotext.plotsize(min(100, columns()), _HEIGHT)
    plotext.bar(list(counts), list(counts.values()), width=0.8)
    plotext.title(f"{title} ({sum(counts.values()):,})")
    built: str = plotext.build()
    return built if colour else str(plotext.uncolorize(built))


def columns() -> int:
    try:
        return max(60, os.get_terminal_size().columns)
    except OSError:
        return 80
