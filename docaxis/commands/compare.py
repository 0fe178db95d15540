"""`docaxis compare`: two runs side by side, with what can be told from noise and what cannot."""

from collections import Counter
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from docaxis.commands.options import AsJson, SettingsFile, new_app, settings_from
from docaxis.domain.errors import RunInvalidError
from monitor.comparison import Comparison, Row, compare
from monitor.report_format import quantity
from monitor.run_folder import find_run, load_run
from monitor.statistics import MINIMUM_EFFECT, Judgement
from monitor.words import Language, word

app = new_app(__doc__)

_COLOURS = {Judgement.BETTER: "green", Judgement.SAME: "", Judgement.WORSE: "bold red", Judgement.CANNOT_TELL: "yellow"}

#: Differences shown one by one.
_DIFFERENCES_MAX = 12


@app.command("compare")
def compare_runs(
    before: Annotated[str, typer.Argument(help="The run to compare with: id, its beginning, or folder.")],
    after: Annotated[str, typer.Argument(help="The run to judge.")] = "latest",
    effect: Annotated[
        float, typer.Option(help="Relative changes smaller than this are nobody's concern.", min=0.0, max=10.0)
    ] = MINIMUM_EFFECT,
    any_workload: Annotated[bool, typer.Option("--any-workload", help="Judge although the workloads differ.")] = False,
    lang: Annotated[Language, typer.Option(help="Language of the table.")] = Language.EN,
    as_json: AsJson = False,
    settings_file: SettingsFile = None,
) -> None:
    """Compare two runs. Exit code 1: something got worse; 3: nothing can be judged."""
    runs = settings_from(settings_file).paths.runs
    first, second = (load_run(find_run(name, runs)) for name in (before, after))
    comparison = compare(first, second, minimum_effect=effect, any_workload=any_workload)
    names = str(first.result["run"]), str(second.result["run"])
    if as_json:
        print(_json(comparison, names))
    else:
        _show(comparison, names, lang)
    if comparison.obstacles:
        raise RunInvalidError(
            "nothing was judged: " + "; ".join(comparison.obstacles),
            next_step="compare valid runs of one workload, or give --any-workload if that is what you want to know",
        )
    raise typer.Exit(1 if comparison.worse else 0)


def _show(comparison: Comparison, names: tuple[str, str], language: Language) -> None:
    console = Console()
    table = Table(box=box.SIMPLE_HEAD, title=f"{names[0]} → {names[1]}", title_justify="left", title_style="bold")
    table.padding = (0, 1)
    table.add_column("", no_wrap=True)
    for heading in ("before", "after", "change (99 %)"):
        table.add_column(word(heading, language), justify="right", no_wrap=True)
    table.add_column(word("judgement", language), no_wrap=True)
    table.add_column("")
    parted = False
    for row in comparison.rows:
        if row.is_objective and not parted:
            table.add_section()
            parted = True
        colour = _COLOURS[row.judgement]
        said = word(row.judgement.value, language)
        note = " → ".join(word(part, language) for part in row.note.split(" → "))
        table.add_row(*map(escape, _cells(row, language)), f"[{colour}]{said}[/]" if colour else said, escape(note))
    console.print(table)
    counts = Counter(row.judgement for row in comparison.rows)
    told = (f"{word(one.value, language)}: {counts[one]}" for one in Judgement if counts[one])
    console.print("   ".join(told), style="bold", highlight=False)
    if comparison.differences:
        console.print(word("What differs between the runs:", language), style="bold")
        for difference in comparison.differences[:_DIFFERENCES_MAX]:
            console.print(f"  {difference}", markup=False, highlight=False)
        if len(comparison.differences) > _DIFFERENCES_MAX:
            console.print(f"  ... {len(comparison.differences) - _DIFFERENCES_MAX}", highlight=False)


def _cells(row: Row, language: Language) -> list[str]:
    values = [quantity(value, row.unit, language) for value in (row.before, row.after)]
    if row.change is None:
        return [_name(row.name, language), *values, ""]
    change = row.change
    estimate, low, high = (
        f"{value * 100:+.{0 if abs(value) >= 1 else 1}f}" for value in (change.estimate, change.low, change.high)
    )
    return [_name(row.name, language), *values, f"{estimate} % ({low} … {high})"]


def _name(name: str, language: Language) -> str:
    stage, space, rest = name.partition(" ")
    spoken = word(stage, language)
    return f"{spoken if spoken != stage else stage.replace('_', ' ')}{space}{rest}"


def _json(comparison: Comparison, names: tuple[str, str]) -> str:
    from dataclasses import asdict

    import orjson

    told = {"before": names[0], "after": names[1], **asdict(comparison)}
    return orjson.dumps(told, option=orjson.OPT_INDENT_2).decode()
