"""`docaxis bench`: every part against its floor, as ratios taken in one run."""

import logging
import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from docaxis.commands.options import SettingsFile, new_app, progress, settings_from

app = new_app(__doc__)


@app.command()
def bench(
    names: Annotated[
        list[str] | None, typer.Argument(help="Rows to measure, as in history, hub; default: all.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Small volumes: shows that it works, not how fast.")] = False,
    out: Annotated[Path | None, typer.Option(help="Where the JSON goes; default: runs/bench.json.")] = None,
    settings_file: SettingsFile = None,
) -> None:
    """Measure on a broker started for it; print a table and write runs/bench.json. A target missed is no error."""
    from docaxis.bench.runner import run
    from docaxis.bench.table import view_of, write_rows

    # New topics and brokers make clients say "not leader", then go on: what really fails is raised.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    settings = settings_from(settings_file)
    rows = run(settings, names or (), quick=quick, tell=progress)
    path = out or settings.paths.runs / "bench.json"
    write_rows(path, rows)
    Console().print(view_of(rows), highlight=False)
    print(os.path.relpath(path))
