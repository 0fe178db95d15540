"""`docaxis compare`: two runs side by side, with what can be told from noise and what cannot."""

import sys
from collections import Counter
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from docaxis.commands.options import AsJson, SettingsFile, new_app, settings_from
from docaxis.commands.runs import WIDTH
from docaxis.domain.errors import RunInvalidError
from monitor.comparison import Comparison, Row, compare
from monitor.report_format import quantity
from monitor.report_words import report_word
from monitor.run_folder import find_run, load_run
from monitor.sentences import sentence
from monitor.statistics import MINIMUM_EFFECT, Judgement
from monitor.words import Language, word

app = new_app(__doc__)

_COLOURS = {Judgement.BETTER: "green", Judgement.SAME: "", Judgement.WORSE: "bold red", Judgement.CANNOT_TELL: "yellow"}

#: Of a name, at least; of "cannot tell", and of what that is in Vietnamese.
_NAME_WIDTH, _JUDGEMENT_WIDTH = 14, 12

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
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    table = _table(comparison, language)
    table.title, table.title_justify, table.title_style = f"{names[0]} → {names[1]}", "left", "bold"
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


def _table(comparison: Comparison, language: Language) -> Table:
    """Return the rows as a table. On a narrow terminal names wrap; an interval that is cut says nothing."""
    rows = [(row, _cells(row, language)) for row in comparison.rows]
    table = Table(box=box.SIMPLE_HEAD, collapse_padding=True, pad_edge=False)
    table.add_column("", min_width=_NAME_WIDTH, overflow="fold")
    for heading in ("before", "after"):
        table.add_column(word(heading, language), justify="right")
    widest = max((len(cells[-1]) for _, cells in rows), default=0)
    table.add_column(word("change (99 %)", language), justify="right", no_wrap=True, min_width=widest)
    table.add_column(word("judgement", language), min_width=_JUDGEMENT_WIDTH)
    parted = False
    for row, cells in rows:
        if row.is_objective and not parted:
            table.add_section()
            parted = True
        colour, said = _COLOURS[row.judgement], word(row.judgement.value, language)
        note = " → ".join(word(part, language) for part in row.note.split(" → "))
        judged = f"[{colour}]{said}[/]" if colour else said
        table.add_row(*map(escape, cells), f"{judged}, {escape(note)}" if note else judged)
    return table


def _cells(row: Row, language: Language) -> list[str]:
    name = _name(row, language)
    values = [quantity(value, row.unit, language) for value in (row.before, row.after)]
    if row.change is None:
        # A count of what must not be has no noise: its effect is the difference itself.
        counted = row.unit == "count" and row.before is not None and row.after is not None
        difference = round((row.after or 0) - (row.before or 0)) if counted else 0
        return [name, *values, f"{difference:+,}" if difference else "0" if counted else ""]
    change = row.change
    estimate, low, high = (
        f"{value * 100:+.{0 if abs(value) >= 1 else 1}f}" for value in (change.estimate, change.low, change.high)
    )
    return [name, *values, f"{estimate} % ({low} … {high})"]


def _name(row: Row, language: Language) -> str:
    if row.is_objective:  # as its workload calls it
        return row.name
    if row.is_fault:
        return sentence(row.name, language)
    stage, space, rest = row.name.partition(" ")
    if stage == "arrivals":
        return report_word(row.name, language)
    return f"{report_word(stage, language)}{space}{rest}"


def _json(comparison: Comparison, names: tuple[str, str]) -> str:
    from dataclasses import asdict

    import orjson

    told = {"before": names[0], "after": names[1], **asdict(comparison)}
    return orjson.dumps(told, option=orjson.OPT_INDENT_2).decode()
