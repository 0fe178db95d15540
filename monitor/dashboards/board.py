"""What a dashboard is: rows of panels, each titled by the question that it answers, in Vietnamese and English.

Queries may hold Grafana's variables: `$agency`, `$run`, `$before`, and `$__rate_interval` as the window of a rate. The
variable `environment` chooses the data source: one Prometheus watches one environment, so its rules need not tell
environments apart.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

#: Panels' kinds by Grafana's names.
Kind = Literal["timeseries", "stat", "bargauge", "table"]

#: Units by Grafana's names.
Unit = Literal["short", "s", "bytes", "Bps", "reqps", "percentunit", "ops", "bool_on_off", "none"]

RATE = "$__rate_interval"


class Query(NamedTuple):
    """One query of a panel and what its series are called."""

    expr: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """One question and its answer."""

    vi: str
    en: str
    queries: tuple[Query, ...]
    unit: Unit = "short"
    kind: Kind = "timeseries"
    width: int = 8  # of 24
    height: int = 8
    help: str = ""
    thresholds: tuple[tuple[float, str], ...] = ()  # from this value on, this colour
    now: bool = False  # of this moment alone, whatever time is shown
    zero: str = ""  # shown instead of a 0

    @property
    def title(self) -> str:
        """Both languages."""
        return f"{self.vi} · {self.en}"


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under one heading."""

    vi: str
    en: str
    panels: tuple[Panel, ...]


class Variable(NamedTuple):
    """A choice at the head of a dashboard: the values of a label, or a fixed list."""

    name: str
    vi: str
    en: str
    query: str = ""  # as label_values(metric, label)
    values: tuple[str, ...] = ()
    all: bool = False
    help: str = ""


class Annotation(NamedTuple):
    """Moments marked in every panel."""

    name: str
    expr: str
    text: str
    colour: str


@dataclass(frozen=True, slots=True)
class Board:
    """One dashboard."""

    uid: str
    vi: str
    en: str
    rows: tuple[Row, ...]
    variables: tuple[Variable, ...] = ()
    annotations: tuple[Annotation, ...] = ()
    span: str = "now-6h"
    refresh: str = "30s"
    help: str = ""  # shown beside the title

    @property
    def title(self) -> str:
        """Both languages."""
        return f"docaxis · {self.vi} · {self.en}"

    def panels(self) -> Iterator[Panel]:
        """Yield every panel."""
        for row in self.rows:
            yield from row.panels


def q(expr: str, legend: str = "") -> Query:
    """Return a query."""
    return Query(expr, legend)


def quantile(share: float, name: str, chosen: str = "", by: str = "") -> str:
    """Return a quantile of a histogram over the rate's window."""
    group = f"le, {by}" if by else "le"
    return f"histogram_quantile({share:g}, sum by ({group}) (rate({name}_bucket{chosen}[{RATE}])))"


AGENCY = Variable("agency", "Cơ quan", "Agency", "label_values(docaxis_stream_documents_total, sender)")
RUN = Variable(
    "run", "Lượt chạy", "Run", "label_values(docaxis_run_info, run)", all=True,
    help="Fleets of these runs; what hub and workers export is of all runs together",
)  # fmt: skip

#: Marked on every dashboard: what called somebody, and what began anew.
COMMON = (
    Annotation("Alerts", 'ALERTS{alertstate="firing"}', "{{alertname}}", "red"),
    Annotation(
        "Restarts",
        "sum by (instance) (changes(process_start_time_seconds{job=\"docaxis\"}[1m])) > 0",
        "{{instance}} was started", "orange",
    ),
)  # fmt: skip
