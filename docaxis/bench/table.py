"""Rows of a benchmark run: a value, what it is held against, the target, and both ways to show them. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import orjson
from rich.console import Group, RenderableType
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Target:
    """What a row has to reach: its ratio to the baseline, or its own value."""

    bound: float
    at_most: bool  # False: at least
    of_ratio: bool = True  # False: of the value itself

    def __str__(self) -> str:
        return f"{'ratio' if self.of_ratio else 'value'} {'≤' if self.at_most else '≥'} {self.bound:g}"


@dataclass(frozen=True, slots=True)
class Row:
    """One figure."""

    name: str
    value: float
    unit: str
    baseline: float | None = None  # in the same unit, from the same run
    target: Target | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """Value by baseline; None without a baseline."""
        return self.value / self.baseline if self.baseline else None

    @property
    def met(self) -> bool | None:
        """Whether the target is reached; None where there is nothing to reach."""
        if self.target is None:
            return None
        figure = self.ratio if self.target.of_ratio else self.value
        if figure is None:
            return None
        return figure <= self.target.bound if self.target.at_most else figure >= self.target.bound

    def as_dict(self) -> dict[str, Any]:
        """Return the row as it stands in bench.json."""
        return {
            "name": self.name,
            "value": _rounded(self.value),
            "unit": self.unit,
            "baseline": _rounded(self.baseline),
            "ratio": _rounded(self.ratio),
            "target": str(self.target) if self.target else None,
            "met": self.met,
            "note": self.note,
        }


def median_of(values: Iterable[float]) -> float:
    """Return the median: one disturbed round of several changes nothing."""
    return float(median(values))


def view_of(rows: Sequence[Row]) -> RenderableType:
    """Return the rows for the terminal: a table, and below it what each figure is about."""
    notes = Table.grid(padding=(0, 2))
    for row in rows:
        notes.add_row(row.name, row.note)
    return Group(_table(rows), notes)


def _table(rows: Sequence[Row]) -> Table:
    table = Table(title="Benchmarks: each against a baseline of the same run", title_justify="left", title_style="bold")
    table.add_column("name", no_wrap=True)
    table.add_column("value", justify="right")
    table.add_column("unit")
    for column in ("baseline", "ratio"):
        table.add_column(column, justify="right")
    table.add_column("target")
    table.add_column("")
    marks = {True: "[green]✓[/]", False: "[red]✗[/]", None: ""}
    for row in rows:
        table.add_row(
            row.name,
            _shown(row.value),
            row.unit,
            _shown(row.baseline),
            "" if row.ratio is None else f"{row.ratio:.2f}",
            str(row.target or ""),
            marks[row.met],
        )
    return table


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    """Write the rows as a JSON list, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.part")
    unfinished.write_bytes(orjson.dumps([row.as_dict() for row in rows], option=orjson.OPT_INDENT_2) + b"\n")
    unfinished.replace(path)


def _rounded(figure: float | None) -> float | None:
    """Keep four significant figures below ten thousand, whole numbers above: more would be noise."""
    if figure is None:
        return None
    return float(round(figure)) if abs(figure) >= 10_000 else float(f"{figure:.4g}")


def _shown(figure: float | None) -> str:
    if figure is None:
        return ""
    return f"{figure:,.0f}" if abs(figure) >= 1000 else f"{figure:.3g}"
