"""The fidelity of a replay for people, and for result.json. Pure."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from rich import box
from rich.table import Table

from monitor.fidelity import Fidelity
from monitor.words import Language, word


def fidelity_rows(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the fidelity section of a replay's end, as (phrase, figures), from what result.json says of it."""
    changed = result["changed"]
    errors_s = result["send_error_seconds"]
    error = ", ".join(f"{errors_s[name] * 1000:,.3f}" for name in ("p50", "p99", "max"))
    rows = [
        ("documents planned", f"{result['documents_planned']:,}"),
        ("documents sent once", f"{result['documents_sent']:,}"),
        ("doubled, not in the plan", f"{result['documents_doubled']:,}, {result['documents_strange']:,}"),
        ("pairs equal", _equal(result["pairs"], result["pairs_differing"])),
        ("hours equal", _equal(result["hours"], result["hours_differing"])),
    ]
    if not changed["closed"]:
        rows += [
            ("speed", " → ".join(f"{speed:,.6g}" for speed in _speeds(changed))),
            ("send-time error p50, p99, max", f"{error} ms"),
            ("Kolmogorov-Smirnov distance", f"{result['ks_pooled']:.4f} ({result['gaps_compared']:,} ≥ 10 ms)"),
            ("documents in another second", f"{result['seconds_moved_share']:.3%}"),
            ("gaps skipped", f"{changed['gaps_skipped']:,} ({changed['skipped_seconds']:,.1f} s)"),
            ("shifted by the rate limit", f"{changed['capped']:,} (≤ {changed['capped_seconds_max']:,.3f} s)"),
        ]
    rows.append(("copies of each", f"{changed['amplify']:,}"))
    if result["lives"] > 1 and not changed["closed"]:
        rows.append(("lives", f"{result['lives']:,}"))
    if changed.get("controls"):
        rows.append(("changes while it ran", f"{changed['controls']:,}"))
    return rows


def _speeds(changed: Mapping[str, Any]) -> list[float]:
    """Return the speed at the beginning, and each that was asked for while it ran."""
    return [changed["speed"], *(one["speed"] for one in changed.get("speeds", []))]


def fidelity_table(result: Mapping[str, Any], language: Language) -> Table:
    """Return the rows as a table for the terminal."""
    table = Table(title=word("Fidelity", language), title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    table.show_header = False
    table.add_column()
    table.add_column(justify="right")
    for name, value in fidelity_rows(result):
        table.add_row(word(name, language), value)
    return table


def _equal(all_of: int, differing: int) -> str:
    return f"{all_of - differing:,} / {all_of:,}"


def fidelity_result(fidelity: Fidelity, changed: Mapping[str, Any], worst_sender: str) -> dict[str, Any]:
    """Return the fidelity as result.json has it; times in seconds."""
    content = asdict(fidelity)
    error = content.pop("send_error_us")
    content.pop("ks_worst_sender")
    return {
        **content,
        "complete": fidelity.complete,
        "intended_error_us_max": fidelity.intended_error_us_max,
        "send_error_seconds": {name: us / 1e6 for name, us in error.items()},
        "ks_worst_sender": worst_sender,
        "changed": dict(changed),
    }
