"""Burn rates: how fast an error budget is spent, over two windows at once.

With budget b (the share that may be bad over the period) and a share e of bad events in a window, the burn rate is
e / b: at 1 the budget lasts exactly the period. An alert wants a high rate in a long window, so that it means
something, and in a short one (a twelfth), so that it ends soon after the trouble does. The rates 14.4, 6, 3 and 1 spend
2 %, 5 %, 10 % and 10 % of a 30-day budget within 1 h, 6 h, 1 d and 3 d (usual in site reliability engineering).

All objectives share the same recorded series, told apart by the label `objective`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from monitor import catalogue
from monitor.alerting.rule import Rule, alert, record
from monitor.service_objectives import HISTOGRAMS, Indicator, Objective, ServiceObjectives

PAGE, TICKET = "page", "ticket"


@dataclass(frozen=True, slots=True)
class BurnWindow:
    """A pair of windows, the rate that is too high in both, and whom it calls."""

    long: str
    short: str
    factor: float
    severity: str
    wait: str  # how long it must hold


WINDOWS: tuple[BurnWindow, ...] = (
    BurnWindow("1h", "5m", 14.4, PAGE, "1m"),
    BurnWindow("6h", "30m", 6, PAGE, "2m"),
    BurnWindow("1d", "2h", 3, TICKET, "5m"),
    BurnWindow("3d", "6h", 1, TICKET, "15m"),
)

#: Recorded series.
RATIO, BAD, TOTAL = (
    "docaxis:objective_errors:ratio",
    "docaxis:objective_errors:increase",
    "docaxis:objective_events:increase",
)
AGENCY_RATIO, AGENCY_BAD = "docaxis:agency_errors:ratio", "docaxis:agency_errors:increase"
BUDGET_LEFT, BUDGET, FRESH = (
    "docaxis:objective_budget_left:ratio",
    "docaxis:objective_budget:ratio",
    "docaxis:fresh:bool",
)

#: An agency is nobody's outage at night: only the slower pairs look at single ones, and only as tickets.
_AGENCY_FACTORS_MAX = 6.0


def lengths(windows: Sequence[BurnWindow]) -> list[str]:
    """Return every window's length once, in order of appearance."""
    return list(dict.fromkeys(length for window in windows for length in (window.short, window.long)))


def events(objective: Objective, window: str, by: str = "") -> tuple[str, str]:
    """Return the queries of (bad, total) events in a window; `by` keeps a label apart."""
    group = f"sum by ({by}) " if by else "sum"
    match objective.indicator:
        case Indicator.AVAILABILITY:
            failed = f"sum(increase({catalogue.STREAM_RECEIPTS_FAILED.name}[{window}]))"
            codes = "|".join(catalogue.AXIS_FAULT_CODES)
            refused = f'sum(increase({catalogue.STREAM_REFUSALS.name}{{code=~"{codes}"}}[{window}]) or vector(0))'
            total = f"sum(increase({catalogue.STREAM_RECEIPTS.name}[{window}]))"
            return f"{failed} + {refused}", f"{total} + {refused}"
        case Indicator.FRESHNESS:
            return f"1 - avg_over_time({FRESH}[{window}])", f"avg_over_time({FRESH}[{window}]) * 0 + 1"
        case _:
            name = HISTOGRAMS[objective.indicator].name
            chosen = 'priority=~"[1-4]"' if objective.indicator is Indicator.URGENT else ""
            bucket = ",".join(filter(None, (f'le="{objective.le}"', chosen)))
            count = f"{{{chosen}}}" if chosen else ""
            total = f"{group}(increase({name}_count{count}[{window}]))"
            bad = f"{total} - {group}(increase({name}_bucket{{{bucket}}}[{window}]))"
            if by and objective.owed_late:
                late = f"sum by ({by}) ({catalogue.LEDGER_OWED_LATE.name})"
                # An agency to which nothing is told to be owed is owed nothing.
                waiting = f"on ({by}) ({late} or ({total}) * 0)"
                return f"({bad}) + {waiting}", f"{total} + {waiting}"
            # Of what waits nobody knows the priority, nor whether a hub has routed it: the budgets of urgent deliveries
            # and of routing burn when it arrives. That the hub stands still, plain alerts tell.
            if objective.waiting_over is None or by:
                return bad, total
            # Where no worker tells what waits, the latencies of the window are still known.
            waiting = f'(sum({catalogue.LEDGER_WAITING.name}{{over="{objective.waiting_over}"}}) or vector(0))'
            return f"{bad} + {waiting}", f"{total} + {waiting}"


def recordings(objectives: ServiceObjectives, windows: Sequence[BurnWindow] = WINDOWS) -> Iterator[Rule]:
    """Yield the recording rules that alerts and dashboards share."""
    for objective in objectives.objective:
        labels = {"objective": objective.name}
        if objective.indicator is Indicator.FRESHNESS:
            lag = f'max({catalogue.LAG_SECONDS.name}{{group=~".+-streams"}})'
            # Of workers that tell nothing nobody knows how fresh the figures are: they are not.
            yield record(FRESH, f"({lag} <= bool {objective.threshold_s:g}) or vector(0)", {})
        yield record(BUDGET, f"vector({objective.budget:g})", labels)
        for window in lengths(windows):
            bad, total = events(objective, window)
            yield record(f"{BAD}{window}", bad, labels)
            yield record(f"{TOTAL}{window}", total, labels)
            chosen = f'{{objective="{objective.name}"}}'
            yield record(f"{RATIO}{window}", f"{BAD}{window}{chosen} / ({TOTAL}{window}{chosen} > 0)", labels)
        if objective.per_agency:
            yield from _agency_recordings(objective, windows)


def _agency_recordings(objective: Objective, windows: Sequence[BurnWindow]) -> Iterator[Rule]:
    labels = {"objective": objective.name}
    for window in lengths(_agency_windows(windows)):
        bad, total = events(objective, window, by="recipient")
        yield record(f"{AGENCY_BAD}{window}", bad, labels)
        yield record(f"{AGENCY_RATIO}{window}", f"({bad}) / ({total} > 0)", labels)


def budget_recordings(objectives: ServiceObjectives) -> Iterator[Rule]:
    """Yield what is left of each budget over its period: 1 untouched, 0 spent, negative overspent."""
    for objective in objectives.objective:
        bad, total = events(objective, f"{objectives.period_days}d")
        left = f"1 - ({bad}) / (({total}) > 0) / {objective.budget:g}"
        yield record(BUDGET_LEFT, left, {"objective": objective.name})


def burn_alerts(objectives: ServiceObjectives, windows: Sequence[BurnWindow] = WINDOWS) -> Iterator[Rule]:
    """Yield the alerts on each budget, and on each agency's where an objective asks for that."""
    for objective in objectives.objective:
        for window in windows:
            severity = window.severity if objective.page else TICKET
            yield _burn_alert(objectives, objective, window, severity)
            if objective.per_agency and window in _agency_windows(windows):
                yield _agency_alert(objectives, objective, window)


def _burn_alert(objectives: ServiceObjectives, objective: Objective, window: BurnWindow, severity: str) -> Rule:
    chosen = f'{{objective="{objective.name}"}}'
    too_much = f"{window.factor * objective.budget:.6g}"
    conditions = [f"{RATIO}{length}{chosen} > {too_much}" for length in (window.long, window.short)]
    if objective.bad_min:  # with little traffic a share says nothing: so many must be bad, too
        conditions.append(f"{BAD}{window.long}{chosen} >= {objective.bad_min}")
    return alert(
        objective.alert,
        " and ".join(conditions),
        window.wait,
        {"severity": severity, "objective": objective.name, "window": window.long, "part": "objectives"},
        summary=f"{objective.title_en}: budget burns {window.factor:g} times too fast over {window.long} "
        "({{ $value | humanizePercentage }} bad)",
        summary_vi=f"{objective.title_vi}: ngân sách lỗi tiêu nhanh gấp {window.factor:g} lần trong {window.long}",
        description=f"{objective.description}: target {objective.target:.4g} over {objectives.period_days} days.",
        runbooks=objectives.runbooks,
    )


def _agency_windows(windows: Sequence[BurnWindow]) -> list[BurnWindow]:
    return [window for window in windows if window.factor <= _AGENCY_FACTORS_MAX and window.severity == TICKET]


def _agency_alert(objectives: ServiceObjectives, objective: Objective, window: BurnWindow) -> Rule:
    too_much = f"{window.factor * objective.budget:.6g}"
    conditions = [f"{AGENCY_RATIO}{length} > {too_much}" for length in (window.long, window.short)]
    conditions.append(f"{AGENCY_BAD}{window.long} >= {objective.bad_min}")
    return alert(
        "DocaxisAgencyDeliveryLate",
        " and ".join(conditions),
        window.wait,
        {"severity": TICKET, "window": window.long, "part": "agency"},
        summary="{{ $labels.recipient }} receives {{ $value | humanizePercentage }} of its documents late "
        f"(over {window.long})",
        summary_vi="{{ $labels.recipient }} nhận trễ {{ $value | humanizePercentage }} văn bản "
        f"({window.long})",
        description=f"{objective.description}; of this agency alone, and at least {objective.bad_min} were late.",
        runbooks=objectives.runbooks,
    )


def names(objectives: ServiceObjectives, windows: Sequence[BurnWindow] = WINDOWS) -> dict[str, Any]:
    """Return the names of everything recorded here, with nothing said of them."""
    rules = (*recordings(objectives, windows), *budget_recordings(objectives))
    return dict.fromkeys(rule["record"] for rule in rules)
