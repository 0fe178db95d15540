"""What a load test shows: a live table while it runs, and its closing view. Pure: figures in, renderables out."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from docaxis.domain.plan import NO_PHASE, Plan
from monitor.objectives import Judgement
from monitor.reading import ARRIVALS, LEDGER, Readings
from monitor.report_view import fault_rows
from monitor.report_words import report_sentence, report_word
from monitor.series import Row
from monitor.words import Language

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


@dataclass(frozen=True, slots=True)
class Now:
    """What the live view shows: the plan, the newest seconds, the totals, the clock and the memory."""

    plan: Plan
    rows: Sequence[tuple[int, Row]]
    readings: Readings
    run: str
    now_us: int
    memory_bytes: int
    language: Language = Language.EN

    @property
    def elapsed_s(self) -> float:
        """Since the first phase began; before it a number below zero."""
        return (self.now_us - self.plan.begin_us) / 1e6

    def say(self, text: str) -> str:
        """Return a phrase in the view's language."""
        return report_word(text, self.language)


def load_line(now: Now) -> str:
    """Return one line: where the run is, offered against achieved, latency now, in flight, outstanding, refusals."""
    row, say = now_figures(now.rows, now.now_us), now.say
    ledger, arrivals = now.readings.counts(now.run, LEDGER), now.readings.counts(now.run, ARRIVALS)
    return (
        f"{now.elapsed_s:6.0f} s  {_phase(now):<12} "
        f"{say('offered')} {row.get('offered_deliveries', 0):>7,.0f}  "
        f"{say('received')} {row.get('received', 0):>7,.0f} {say('deliveries/s')}  "
        f"p50 {_ms(row.get('delivery_p50_s'))} p99 {_ms(row.get('delivery_p99_s'))}  "
        f"{say('in flight')} {arrivals.get('in_flight', 0):,}  {say('outstanding')} {ledger.get('outstanding', 0):,}  "
        f"{say('refused')} {ledger.get('refused', 0):,}  {say('late by')} {_ms(row.get('lateness_max_s'))}  "
        f"{now.memory_bytes / 2**20:,.0f} MiB"
    )


def load_table(now: Now) -> RenderableType:
    """Return the live table."""
    row = now_figures(now.rows, now.now_us)
    ledger, arrivals = now.readings.counts(now.run, LEDGER), now.readings.counts(now.run, ARRIVALS)
    table = Table(box=box.SIMPLE, show_header=False, title_justify="left")
    table.title = f"{now.run}   {now.elapsed_s:,.0f} s   {_phase(now)}"
    for _ in range(3):
        table.add_column(style="dim")
        table.add_column(justify="right", min_width=12)
    cells = (
        ("offered documents/s", f"{row.get('offered', 0):,.0f}"),
        ("delivery p50", _ms(row.get("delivery_p50_s"))),
        ("in flight", f"{arrivals.get('in_flight', 0):,}"),
        ("offered deliveries/s", f"{row.get('offered_deliveries', 0):,.0f}"),
        ("delivery p99", _ms(row.get("delivery_p99_s"))),
        ("outstanding", f"{ledger.get('outstanding', 0):,}"),
        ("received deliveries/s", f"{row.get('received', 0):,.0f}"),
        ("uncorrected p99", _ms(row.get("uncorrected_p99_s"))),
        ("refused", f"{ledger.get('refused', 0):,}"),
        ("schedule error max", _ms(row.get("schedule_error_max_s"))),
        ("routing p99", _ms(row.get("routing_p99_s"))),
        ("late deliveries", f"{ledger.get('late', 0):,}"),
        ("send delay max", _ms(row.get("lateness_max_s"))),
        ("pickup p99", _ms(row.get("pickup_p99_s"))),
        ("memory", f"{now.memory_bytes / 2**20:,.0f} MiB"),
    )
    for first in range(0, len(cells), 3):
        table.add_row(*(part for name, value in cells[first : first + 3] for part in (now.say(name), value)))
    return table


def load_partial(now: Now) -> str:
    """Return what a run had come to when it was interrupted: one line, and no verdict."""
    say, ledger, arrivals = now.say, *(now.readings.counts(now.run, topic) for topic in (LEDGER, ARRIVALS))
    figures = {
        "documents offered": arrivals.get("scheduled", 0),
        "documents sent": arrivals.get("acked", 0),
        "deliveries expected": ledger.get("deliveries_expected", 0),
        "delivered once": ledger.get("delivered_once", 0),
        "duplicated": ledger.get("duplicated", 0),
        "refused": ledger.get("refused", 0),
        "outstanding": ledger.get("outstanding", 0),
    }
    counted = "  ".join(f"{say(name)} {count:,}" for name, count in figures.items())
    return f"{say('interrupted, no verdict')}: {now.elapsed_s:,.0f} s  {_phase(now)}  {counted}"


def _phase(now: Now) -> str:
    plan, now_us = now.plan, now.now_us
    if now_us < plan.begin_us:
        return now.say("starting")
    if plan.pauses and plan.pauses[-1][0] <= now_us < plan.pauses[-1][1]:
        return now.say("paused")
    number = int(plan.phase_of(np.array([now_us], np.int64))[0])
    return plan.phases[number].name if number != NO_PHASE else now.say("drain")


def _ms(seconds: float | None) -> str:
    if seconds is None or math.isnan(seconds):
        return "–"
    return f"{seconds * 1000:,.1f} ms" if seconds < 1 else f"{seconds:,.2f} s"


def load_closing_view(
    result: Mapping[str, Any], judgements: Sequence[Judgement], language: Language = Language.EN
) -> RenderableType:
    """Return what a load test ends with: latencies, objectives, ledger, faults, generator, verdict."""
    return _Closing(result, language).view(judgements)


def objectives_table(judgements: Sequence[Judgement], language: Language = Language.EN) -> Table:
    """Return the objectives with what they came to."""
    return _Closing({}, language).objectives(judgements)


@dataclass(frozen=True, slots=True)
class _Closing:
    """The closing view of one result in one language."""

    result: Mapping[str, Any]
    language: Language

    def view(self, judgements: Sequence[Judgement]) -> RenderableType:
        parts: list[RenderableType] = [self._latencies(), self._phases()]
        if judgements:
            parts.append(self.objectives(judgements))
        if self.result["faults_injected"]:
            parts.append(self._faults())
        parts += [self._ledger(), self._generator(), self._verdict()]
        return Group(*parts)

    def _say(self, text: str) -> str:
        return report_word(text, self.language)

    def _table(self, title: str, *columns: str) -> Table:
        table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
        for number, column in enumerate(columns):
            table.add_column(self._say(column), justify="right" if number else "left")
        return table

    def _latencies(self) -> Table:
        closed = any(phase["closed"] for phase in self.result["phases"] if phase["measured"])
        title = self._say("Latency by stage, measured phases")
        title += f" ({self._say('closed loop: shown, not judged')})" if closed else ""
        table = self._table(title, "stage", "samples", "median", "p99", "p99.9", "max")
        for stage, row in self.result["latency_seconds"].items():
            cells = (_ms(row[name]) for name in ("p50", "p99", "p999", "max"))
            table.add_row(self._say(stage), f"{row['count']:,}", *cells)
        return table

    def _phases(self) -> Table:
        columns = ("phase", "kind", "seconds", "offered", "sent", "deliveries", "received")
        table = self._table(self._say("Phases"), *columns)
        for phase in self.result["phases"]:
            table.add_row(
                phase["name"],
                self._say(phase["kind"]) + (f" ({self._say('closed')})" if phase["closed"] else ""),
                f"{(phase['end_us'] - phase['start_us']) / 1e6:,.1f}",
                *(f"{phase[name]:,}" for name in ("offered", "sent", "offered_deliveries", "received")),
            )
        return table

    def objectives(self, judgements: Sequence[Judgement]) -> Table:
        table = self._table(self._say("Objectives"), "objective", "scope", "value", "")
        colours = {True: "green", False: "red", None: "default"}
        for one in judgements:
            value = "–" if one.value is None else _ms(one.value) if one.unit == "s" else f"{one.value:,.4g}"
            mark = self._say({True: "met", False: "missed", None: "not judged"}[one.met])
            text = f"{one.name}: {report_sentence(one.text, self.language)}"
            table.add_row(text, self._say(one.scope), value, f"[{colours[one.met]}]{mark}[/]")
        return table

    def _faults(self) -> Table:
        table = self._table(self._say("Faults injected"), "fault", "detail", "found")
        for fault in fault_rows(self.result):
            name = fault.kind if self.language is Language.EN else self._say(fault.kind)
            found = "" if fault.found is None else f"{fault.found:,} {self._say(fault.found_unit)}"
            table.add_row(name, report_sentence(fault.detail, self.language), found)
        return table

    def _ledger(self) -> Table:
        table = self._table(self._say("Ledger"), "", "")
        table.show_header = False
        names = ("documents", "deliveries_expected", "delivered_once", "late", "duplicated", "lost", "refused")
        for name in (*names, "outstanding"):
            table.add_row(self._say(name.replace("_", " ")), f"{self.result['ledger'][name]:,}")
        table.add_section()
        for name, rate in self.result["rates"].items():
            table.add_row(self._say(name.replace("_", " ")), f"{rate:,.1f}")
        return table

    def _generator(self) -> Text:
        own, say = self.result["generator"], self._say
        return Text(
            f"{say('Generator')}: {say('schedule error')} p99 {_ms(own['schedule_error_seconds']['p99'])}, "
            f"{say('max')} {_ms(own['schedule_error_seconds']['max'])}; "
            f"{say('event loop')} p99 {_ms(own['loop_lag_seconds']['p99'])}; "
            f"{say('processor')} {own['cpu_share']:.0%}; "
            f"{say('held at the in-flight bound')} {own['held_seconds']:,.1f} s"
        )

    def _verdict(self) -> Text:
        missed = [f"objective missed: {one['name']}" for one in self.result["objectives"] if one["met"] is False]
        if not self.result["valid"]:
            said = f"{self._say('INVALID')}: {self._say('the figures must not be believed')}"
            return Text("\n".join([said, *self._bulleted(self.result["invalid_reasons"])]), "bold red")
        if self.result["verdict"] == "pass":
            said = self._say("all objectives met, every delivery accounted for")
            return Text(f"{self._say('PASS')}: {said}", "bold green")
        return Text(
            "\n".join([f"{self._say('FAIL')}:", *self._bulleted([*missed, *self.result["faults"]])]), "bold red"
        )

    def _bulleted(self, lines: Sequence[str]) -> list[str]:
        return [f"  - {report_sentence(line, self.language)}" for line in lines]
