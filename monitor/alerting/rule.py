"""One rule as Prometheus's rule files have it."""

from collections.abc import Mapping
from typing import Any

Rule = dict[str, Any]


def record(name: str, expr: str, labels: Mapping[str, str]) -> Rule:
    """Return a recording rule."""
    return {"record": name, "expr": expr} | ({"labels": dict(labels)} if labels else {})


def alert(
    name: str,
    expr: str,
    wait: str,
    labels: Mapping[str, str],
    *,
    summary: str,
    summary_vi: str,
    description: str,
    runbooks: str,
) -> Rule:
    """Return an alert; its runbook is the page of its own name under `runbooks`."""
    annotations = {
        "summary": summary,
        "summary_vi": summary_vi,
        "description": description,
        "runbook_url": f"{runbooks.rstrip('/')}/{name}.md",
    }
    return {"alert": name, "expr": expr, "for": wait, "labels": dict(labels), "annotations": annotations}
