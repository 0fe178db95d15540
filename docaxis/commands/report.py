"""`docaxis report`: the report of a run as one HTML file that opens anywhere, without a network."""

import os
from pathlib import Path
from typing import Annotated

import typer

from docaxis.commands.options import SettingsFile, new_app, settings_from
from docaxis.domain.agency import Registry
from docaxis.domain.errors import UsageError
from monitor.report import REPORT, write_report
from monitor.run_folder import REGISTRY, find_run, load_run
from monitor.words import Language

app = new_app(__doc__)


@app.command()
def report(
    run: Annotated[str, typer.Argument(help="Id of a run, its beginning, or its folder.")] = "latest",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help=f"The file to write; default: {REPORT} in the run's folder.")
    ] = None,
    lang: Annotated[Language, typer.Option(help="Language of the report.")] = Language.EN,
    registry: Annotated[
        Path | None,
        typer.Option(help="Registry file that names the agencies (CSV); default: the run's own, or the 95."),
    ] = None,
    settings_file: SettingsFile = None,
) -> None:
    """Write the report of a run."""
    settings = settings_from(settings_file)
    found = load_run(find_run(run, settings.paths.runs))
    target = output or found.path / REPORT
    own = found.path / REGISTRY
    named = registry or (own if own.exists() else None)
    if not target.parent.is_dir() or target.is_dir():
        why = "it is a folder" if target.is_dir() else f"there is no folder {target.parent}"
        raise UsageError(f"{target} cannot be written: {why}", next_step="name another file: --output")
    path = write_report(found, Registry.load(named), lang, target)
    print(os.path.relpath(path))
