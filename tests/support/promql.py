"""PromQL read by a parser of its own: is it a query, and which metrics does it name?"""

from collections.abc import Iterator

import promql_parser as promql

from monitor.alerting.rules_file import rule_groups
from monitor.catalogue import CATALOGUE
from monitor.dashboards.board import Board, Panel
from monitor.service_objectives import ServiceObjectives

#: Series that Prometheus itself has: of every target, and of alerts.
OWN = {"up", "ALERTS"}


def metrics_of(query: str) -> set[str]:
    """Return the names of the metrics in a query; raises ValueError where it is none."""
    found: set[str] = set()

    def visit(node: object) -> bool:
        if isinstance(node, promql.MatrixSelector):
            node = node.vector_selector
        if isinstance(node, promql.VectorSelector):
            found.add(str(node.name))
        return True

    promql.walk(promql.parse(query), visit)
    return found


def exported() -> set[str]:
    """Return the names of all series that the roles export."""
    names: set[str] = set()
    for spec in CATALOGUE:
        names |= {spec.name + suffix for suffix in ("_bucket", "_count", "_sum")} if spec.bounds_us else {spec.name}
    return names


def recorded(objectives: ServiceObjectives) -> set[str]:
    """Return the names that the recording rules make."""
    return {rule["record"] for group in rule_groups(objectives) for rule in group["rules"] if "record" in rule}


def concrete(query: str, **variables: str) -> str:
    """Return a panel's query with Grafana's variables filled in."""
    values = {"__rate_interval": "1m", "agency": ".*", "run": ".*", "before": "1h"} | variables
    for name in sorted(values, key=len, reverse=True):
        query = query.replace(f"${name}", values[name])
    return query


def queries(board: Board) -> Iterator[tuple[Panel, str]]:
    """Yield every query of a dashboard with its panel."""
    for panel in board.panels():
        for query in panel.queries:
            yield panel, query.expr
