"""What a load test shows: a live table while it runs, and its closing view. Pure: figures in, renderables out."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from docaxis.domain.plan import NO_PHASE, Plan
from monitor.objectives import Judgement
from monitor.reading import ARRIVALS, LEDGER, Readings
from monitor.series import Row, phase_number

#: The newest second is still being counted: the view shows figures of seconds that are this old.
BEHIND_S = 3

#: Columns of the series that the stream workers fill.
_COUNTED = ("received", "delivery_p50_s", "delivery_p99_s", "uncorrected_p99_s", "routing_p99_s", "pickup_p99_s")


def now_figures(rows: Sequence[tuple[int, Row]], now_us: int) -> dict[str, float]:
    """Return the figures of the newest second that is nearly complete, zeros before there is one."""
    wanted = now_us // 1_000_000 - BEHIND_S
    row = next((row for second, row in reversed(rows) if second <= wanted), None)
    # What workers count comes with their snapshots; of the seconds with receipts the newest may be half counted.
    received = [row for _, row in rows if row["received"]][-2:-1]
    return {**(row or {}), **{name: received[0][name] for name in _COUNTED if received}}


def load_line(
    plan: Plan, rows: Sequence[tuple[int, Row]], readings: Readings, run: str, now_us: int, memory_bytes: int
) -> str:
    """Return one line: where the run is, offered against achieved, latency now, in flight, outstanding, refusals."""
    row = now_figures(rows, now_us)
    ledger, arrivals = readings.counts(run, LEDGER), readings.counts(run, ARRIVALS)
    return (
        f"{(now_us - plan.begin_us) / 1e6:6.0f} s  {_phase(plan, now_us):<12} "
        f"offered {row.get('offered_deliveries', 0):>7,.0f}  received {row.get('received', 0):>7,.0f} deliveries/s  "
        f"p50 {_ms(row.get('delivery_p50_s'))} p99 {_ms(row.get('delivery_p99_s'))}  "
        f"in flight {arrivals.get('in_flight', 0):,}  outstanding {ledger.get('outstanding', 0):,}  "
        f"refused {ledger.get('refused', 0):,}  late {_ms(row.get('lateness_max_s'))}  {memory_bytes / 2**20:,.0f} MiB"
    )


def load_table(
    plan: Plan, rows: Sequence[tuple[int, Row]], readings: Readings, run: str, now_us: int, memory_bytes: int
) -> RenderableType:
    """Return the live table."""
    row = now_figures(rows, now_us)
    ledger, arrivals = readings.counts(run, LEDGER), readings.counts(run, ARRIVALS)
    table = Table(box=box.SIMPLE, show_header=False, title_justify="left")
    table.title = f"{run}   {(now_us - plan.begin_us) / 1e6:,.0f} s   {_phase(plan, now_us)}"
    for _ in range(3):
        table.add_column(style="dim")
        table.add_column(justify="right", min_width=12)
    table.add_row(
        "offered documents/s", f"{row.get('offered', 0):,.0f}",
        "delivery p50", _ms(row.get("delivery_p50_s")),
        "in flight", f"{arrivals.get('in_flight', 0):,}",
    )  # fmt: skip
    table.add_row(
        "offered deliveries/s", f"{row.get('offered_deliveries', 0):,.0f}",
        "delivery p99", _ms(row.get("delivery_p99_s")),
        "outstanding", f"{ledger.get('outstanding', 0):,}",
    )  # fmt: skip
    table.add_row(
        "received deliveries/s", f"{row.get('received', 0):,.0f}",
        "uncorrected p99", _ms(row.get("uncorrected_p99_s")),
        "refused", f"{ledger.get('refused', 0):,}",
    )  # fmt: skip
    table.add_row(
        "schedule error max", _ms(row.get("schedule_error_max_s")),
        "routing p99", _ms(row.get("routing_p99_s")),
        "late deliveries", f"{ledger.get('late', 0):,}",
    )  # fmt: skip
    table.add_row(
        "send delay max", _ms(row.get("lateness_max_s")),
        "pickup p99", _ms(row.get("pickup_p99_s")),
        "memory", f"{memory_bytes / 2**20:,.0f} MiB",
    )  # fmt: skip
    return table


def _phase(plan: Plan, now_us: int) -> str:
    if now_us < plan.begin_us:
        return "starting"
    if plan.pauses and plan.pauses[-1][0] <= now_us < plan.pauses[-1][1]:
        return "paused"
    number = phase_number(plan, now_us // 1_000_000)
    return plan.phases[number].name if number != NO_PHASE else "drain"


def _ms(seconds: float | None) -> str:
    if seconds is None or math.isnan(seconds):
        return "–"
    return f"{seconds * 1000:,.1f} ms" if seconds < 1 else f"{seconds:,.2f} s"


def load_closing_view(result: Mapping[str, Any], judgements: Sequence[Judgement]) -> RenderableType:
    """Return what a load test ends with: latencies, objectives, ledger, faults, generator, verdict."""
    parts: list[RenderableType] = [_latencies(result), _phases(result)]
    if judgements:
        parts.append(objectives_table(judgements))
    if result["faults_injected"]:
        parts.append(_faults(result))
    parts += [_ledger(result), _generator(result), _verdict(result)]
    return Group(*parts)


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left")
    return table


def _latencies(result: Mapping[str, Any]) -> Table:
    closed = any(phase["closed"] for phase in result["phases"] if phase["measured"])
    title = "Latency by stage, measured phases" + (" (closed loop: shown, not judged)" if closed else "")
    table = _table(title, "stage", "samples", "median", "p99", "p99.9", "max")
    for stage, row in result["latency_seconds"].items():
        cells = (_ms(row[name]) for name in ("p50", "p99", "p999", "max"))
        table.add_row(stage.replace("_", " "), f"{row['count']:,}", *cells)
    return table


def _phases(result: Mapping[str, Any]) -> Table:
    table = _table("Phases", "phase", "kind", "seconds", "offered", "sent", "deliveries", "received")
    for phase in result["phases"]:
        table.add_row(
            phase["name"],
            phase["kind"] + (" (closed)" if phase["closed"] else ""),
            f"{(phase['end_us'] - phase['start_us']) / 1e6:,.1f}",
            *(f"{phase[name]:,}" for name in ("offered", "sent", "offered_deliveries", "received")),
        )
    return table


def objectives_table(judgements: Sequence[Judgement]) -> Table:
    table = _table("Objectives", "objective", "scope", "value", "")
    for one in judgements:
        value = "–" if one.value is None else _ms(one.value) if one.unit == "s" else f"{one.value:,.4g}"
        mark = {True: "[green]met[/]", False: "[red]missed[/]", None: "not judged"}[one.met]
        table.add_row(f"{one.name}: {one.text}", one.scope, value, mark)
    return table


def _faults(result: Mapping[str, Any]) -> Table:
    table = _table("Faults injected", "fault", "count", "detail", "found")
    for fault in result["faults_injected"]:
        found = result["faults_found"].get(fault["kind"])
        table.add_row(fault["kind"], f"{fault['count']:,}", fault["detail"], "" if found is None else f"{found:,}")
    return table


def _ledger(result: Mapping[str, Any]) -> Table:
    table = _table("Ledger", "", "")
    table.show_header = False
    names = ("documents", "deliveries_expected", "delivered_once", "late", "duplicated", "lost", "refused")
    for name in (*names, "outstanding"):
        table.add_row(name.replace("_", " "), f"{result['ledger'][name]:,}")
    table.add_section()
    for name, rate in result["rates"].items():
        table.add_row(name.replace("_", " "), f"{rate:,.1f}")
    return table


def _generator(result: Mapping[str, Any]) -> Text:
    own = result["generator"]
    return Text(
        f"Generator: schedule error p99 {_ms(own['schedule_error_seconds']['p99'])}, "
        f"max {_ms(own['schedule_error_seconds']['max'])}; "
        f"event loop p99 {_ms(own['loop_lag_seconds']['p99'])}; processor {own['cpu_share']:.0%}; "
        f"held at the in-flight bound {own['held_seconds']:,.1f} s"
    )


def _verdict(result: Mapping[str, Any]) -> Text:
    missed = [one["name"] for one in result["objectives"] if one["met"] is False]
    lines = [*(f"objective missed: {name}" for name in missed), *result["faults"]]
    if not result["valid"]:
        return Text(
            "\n".join(["INVALID: the figures must not be believed", *_bulleted(result["invalid_reasons"])]), "bold red"
        )
    if result["verdict"] == "pass":
        return Text("PASS: all objectives met, every delivery accounted for", "bold green")
    return Text("\n".join(["FAIL:", *_bulleted(lines)]), "bold red")


def _bulleted(lines: Sequence[str]) -> list[str]:
    return [f"  - {line}" for line in lines]
