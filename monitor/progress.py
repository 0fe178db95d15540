"""The progress of a run, as a line of text; and the views of its end. Pure: readings and a verdict in, text out."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from monitor.histogram import Histogram
from monitor.reading import VIETNAM_MS, Readings
from monitor.sentences import sentence
from monitor.verdict import Verdict
from monitor.words import Language, word


@dataclass(frozen=True, slots=True)
class Moment:
    """How far a run is at one moment."""

    elapsed_s: float
    calendar_ms: int  # of the newest document counted; 0 before the first
    documents: int
    deliveries: int  # receipts counted
    delivery: Histogram
    memory_bytes: int

    @classmethod
    def of(cls, readings: Readings, run: str, elapsed_s: float, memory_bytes: int) -> "Moment":
        """Take the moment from the readings."""
        span = readings.span(run, "sent", "calendar_ms")
        return cls(
            elapsed_s,
            span[1] if span else 0,
            readings.counts(run, "sent").get("documents", 0),
            readings.counts(run, "status").get("receipts", 0),
            readings.stage(run, "status", "delivery"),
            memory_bytes,
        )


def progress_line(
    now: Moment, before: Moment, planned_total: int, language: Language, *, with_time: bool = False
) -> str:
    """Return one line: calendar, share done, documents, rate and latency since the moment before, memory.

    `with_time`: the calendar to the second, for runs that do not hurry through days.
    """
    duration_s = max(now.elapsed_s - before.elapsed_s, 1e-9)
    recent = Histogram(now.delivery.counts - before.delivery.counts, max_us=now.delivery.max_us)
    done = (now.documents + now.deliveries) / planned_total if planned_total else 0.0
    form, unknown = ("%d/%m/%Y %H:%M:%S", "--/--/---- --:--:--") if with_time else ("%d/%m/%Y", "--/--/----")
    day = f"{_vietnam_date(now.calendar_ms):{form}}" if now.calendar_ms else unknown
    return (
        f"{now.elapsed_s:5.0f} s  {word('calendar', language)} {day}  {done:4.0%}  "
        f"{now.documents:>9,} {word('documents', language)}  "
        f"{(now.deliveries - before.deliveries) / duration_s:>8,.0f} {word('deliveries/s', language)}  "
        f"{word('latency', language)} p50 {_quantile(recent, 0.5)} p99 {_quantile(recent, 0.99)}  "
        f"{word('memory', language)} {now.memory_bytes / 2**20:,.0f} MiB"
    )


def _vietnam_date(instant_ms: int) -> datetime:
    return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=instant_ms + VIETNAM_MS)


def _ms(duration_us: int) -> str:
    return f"{duration_us / 1000:,.1f} ms" if duration_us < 1_000_000 else f"{duration_us / 1e6:,.2f} s"


def _quantile(histogram: Histogram, q: float) -> str:
    return _ms(histogram.quantile_us(q)) if histogram.count else "–"


def closing_view(
    verdict: Verdict,
    stages: Mapping[str, Histogram],
    rates: Mapping[str, float],
    language: Language,
    *,
    closed: bool = True,
) -> RenderableType:
    """Return what a run ends with: milestones, latencies (`closed`: of a closed loop), ledger, rates, verdict."""
    parts: list[RenderableType] = []
    if verdict.milestones:
        parts.append(_milestones(verdict, language))
    parts += [
        _latencies(stages, language, closed=closed),
        _ledger(verdict, rates, language),
        _judgement(verdict, language),
    ]
    return Group(*parts)


def _table(title: str, first: str, *others: str, language: Language) -> Table:
    # No padding: with nine-digit figures the widest table still fits 80 columns.
    table = Table(title=word(title, language), title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    table.padding = (0, 1 if len(others) < 6 else 0)
    table.add_column(word(first, language), no_wrap=True)
    for name in others:
        table.add_column(" ".join(word(part, language) for part in name.split(" ")), justify="right")
    return table


def _milestones(verdict: Verdict, language: Language) -> Table:
    columns = [f"{what} {how}" for what in ("sent", "received", "total") for how in ("published", "counted")]
    table = _table("Milestones: published and counted", "until", *columns, "", language=language)
    for one in verdict.milestones:
        cells = (
            *(one.sent_published, one.sent),
            *(one.received_published, one.received),
            *(one.total_published, one.sent + one.received),
        )
        table.add_row(
            f"{one.date:%d/%m/%Y}",
            *("–" if value is None else f"{value:,}" for value in cells),
            "[green]✓[/]" if one.agrees else "[red]✗[/]",
        )
    return table


def _latencies(stages: Mapping[str, Histogram], language: Language, *, closed: bool) -> Table:
    title = "Latency by stage (closed loop: shown, not judged)" if closed else "Latency by stage"
    table = _table(title, "stage", "samples", "median", "p99", "p99.9", "max", language=language)
    for stage, histogram in stages.items():
        quantiles = [_quantile(histogram, q) for q in (0.5, 0.99, 0.999)]
        longest = _ms(histogram.max_us) if histogram.count else "–"
        table.add_row(word(stage.replace("_", " "), language), f"{histogram.count:,}", *quantiles, longest)
    return table


def _ledger(verdict: Verdict, rates: Mapping[str, float], language: Language) -> Table:
    ledger = verdict.ledger
    table = _table("Ledger", "", "", language=language)
    table.show_header = False
    names = ("documents", "deliveries_expected", "delivered_once", "late", "duplicated", "misrouted", "lost", "refused")
    for name in (*names, "outstanding"):
        table.add_row(word(name.replace("_", " "), language), f"{getattr(ledger, name):,}")
    table.add_section()
    for name, rate in rates.items():
        table.add_row(word(name.replace("_", " "), language), f"{rate:,.0f}")
    return table


def _judgement(verdict: Verdict, language: Language) -> Text:
    if verdict.passed:
        said = word("every delivery accounted for, exactly once", language)
        return Text(f"{word('PASS', language)}: {said}", style="bold green")
    lines = [f"{word('FAIL', language)}:", *(f"  - {sentence(fault, language)}" for fault in verdict.faults)]
    return Text("\n".join(lines), style="bold red")
