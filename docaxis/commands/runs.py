"""`docaxis runs`: the runs that are here, the newest first."""

import sys
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from docaxis.commands.options import AsJson, SettingsFile, new_app, settings_from
from docaxis.domain.errors import UsageError
from monitor.report_format import duration, instant, number
from monitor.report_view import headline
from monitor.run_folder import load_result, run_ids
from monitor.words import Language, word

app = new_app(__doc__)

#: Columns of the table where it is no terminal's.
WIDTH = 200

_COLOURS = {"pass": "green", "fail": "red", "invalid": "yellow"}
_WORDS = {"pass": "PASS", "fail": "FAIL", "invalid": "INVALID", "unreadable": "UNREADABLE"}


@app.command()
def runs(
    last: Annotated[int, typer.Option(help="How many of the newest to list; 0 lists all.", min=0)] = 20,
    lang: Annotated[Language, typer.Option(help="Language of the table.")] = Language.EN,
    as_json: AsJson = False,
    settings_file: SettingsFile = None,
) -> None:
    """List the runs that came to an end."""
    folder = settings_from(settings_file).paths.runs
    known = run_ids(folder)
    rows = [_row(folder / run) for run in reversed(known[-last:] if last else known)]
    if as_json:
        print(orjson.dumps(rows, option=orjson.OPT_INDENT_2).decode())
    elif not rows:
        print(f"no run in {folder}; `docaxis demo` makes one")
    else:
        _show(rows, len(known), lang)


def _row(folder: Path) -> dict[str, Any]:
    """Return what is listed of a run; one that cannot be read is listed as such, and hides no other."""
    try:
        result = load_result(folder)
        latency = result.get("latency_seconds", {}).get("delivery", {})
        return {
            "run": folder.name,
            "started_us": result["started_us"],
            "command": result.get("command") or folder.name.partition("-")[0],
            "workload": result.get("workload", {}).get("name"),
            "verdict": headline(result).state,
            "exit_code": result.get("exit_code"),
            "wall_seconds": result["wall_seconds"],
            "documents_per_second": result["rates"]["documents_per_second"],
            "deliveries_per_second": result["rates"]["deliveries_per_second"],
            "delivery_p99_seconds": latency.get("p99"),
            "report": (folder / "report.html").exists(),
        }
    except (UsageError, KeyError, TypeError, AttributeError) as error:
        return {"run": folder.name, "verdict": "unreadable", "error": str(error)}


def _show(rows: list[dict[str, Any]], known: int, language: Language) -> None:
    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("run", "started", "workload", "verdict"):
        table.add_column(word(heading, language), no_wrap=heading != "workload")
    for heading in ("duration", "documents/s", "deliveries/s", "p99"):
        table.add_column(word(heading, language), justify="right", no_wrap=True)
    for row in rows:
        colour = _COLOURS.get(row["verdict"], "yellow")
        verdict = f"[{colour}]{word(_WORDS[row['verdict']], language)}[/]"
        if "error" in row:
            table.add_row(escape(row["run"]), "", "", verdict)
            continue
        rates = [number(row[name], language) for name in ("documents_per_second", "deliveries_per_second")]
        told = [escape(row["run"]), instant(row["started_us"]), escape(str(row["workload"] or "")), verdict]
        table.add_row(
            *told, duration(row["wall_seconds"], language), *rates, duration(row["delivery_p99_seconds"], language)
        )
    # An id that is cut is of no use: without a terminal there is no width to keep to.
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    console.print(table)
    if known > len(rows):
        console.print(f"{len(rows)} / {known}; --last 0", highlight=False)
