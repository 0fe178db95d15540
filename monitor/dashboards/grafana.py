"""Boards as Grafana's JSON, and the files that let it load them without a click. Only stable fields are written."""

from collections.abc import Iterator
from typing import Any

import orjson

from monitor.dashboards.board import Annotation, Board, Panel, Variable

#: Grafana's version of the dashboard schema that these fields are of (Grafana 10 and newer read it).
SCHEMA_VERSION = 39

#: Tag that the links between dashboards find them by.
TAG = "docaxis"

_SOURCE = {"type": "prometheus", "uid": "${environment}"}


def dashboard_json(board: Board) -> str:
    """Return one dashboard's file."""
    content = {
        "uid": board.uid,
        "title": board.title,
        "tags": [TAG],
        "timezone": "Asia/Ho_Chi_Minh",
        "schemaVersion": SCHEMA_VERSION,
        "editable": True,
        "graphTooltip": 1,
        "refresh": board.refresh,
        "time": {"from": board.span, "to": "now"},
        "links": [
            {"type": "dashboards", "tags": [TAG], "title": "docaxis", "asDropdown": False, "keepTime": True,
             "includeVars": True, "targetBlank": False}
        ],
        "templating": {"list": [_environment(), *map(_variable, board.variables)]},
        "annotations": {"list": [_annotation(one) for one in board.annotations]},
        "panels": list(_panels(board)),
    } | ({"description": board.help} if board.help else {})  # fmt: skip
    return orjson.dumps(content, option=orjson.OPT_INDENT_2).decode() + "\n"


def _panels(board: Board) -> Iterator[dict[str, Any]]:
    number, y = 1, 0
    for row in board.rows:
        yield {
            "id": number, "type": "row", "title": f"{row.vi} · {row.en}", "collapsed": False, "panels": [],
            "gridPos": {"h": 1, "w": 24, "x": 0, "y": y},
        }  # fmt: skip
        number, y, x, height = number + 1, y + 1, 0, 0
        for panel in row.panels:
            if x + panel.width > 24:
                x, y, height = 0, y + height, 0
            yield _panel(panel, number, x, y)
            number, x, height = number + 1, x + panel.width, max(height, panel.height)
        y += height


def _panel(panel: Panel, number: int, x: int, y: int) -> dict[str, Any]:
    steps = [
        {"value": None if index == 0 else value, "color": colour}
        for index, (value, colour) in enumerate(panel.thresholds)
    ]
    defaults: dict[str, Any] = {"unit": panel.unit, "noValue": "–"}
    if steps:
        defaults |= {"thresholds": {"mode": "absolute", "steps": steps}, "color": {"mode": "thresholds"}}
    if panel.zero:
        defaults["mappings"] = [{"type": "value", "options": {"0": {"text": panel.zero, "index": 0}}}]
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.help,
        "datasource": _SOURCE,
        "gridPos": {"h": panel.height, "w": panel.width, "x": x, "y": y},
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": _options(panel),
        "targets": [
            {"refId": chr(ord("A") + index), "datasource": _SOURCE, "expr": query.expr, "legendFormat": query.legend,
             "instant": panel.now, "range": not panel.now}
            for index, query in enumerate(panel.queries)
        ],
    }  # fmt: skip


def _options(panel: Panel) -> dict[str, Any]:
    if panel.kind == "timeseries":
        return {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
            "tooltip": {"mode": "multi", "sort": "desc"},
        }
    reduced = {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}}
    return reduced | ({"orientation": "horizontal"} if panel.kind == "bargauge" else {})


def _environment() -> dict[str, Any]:
    return {
        "name": "environment", "label": "Môi trường · Environment", "type": "datasource", "query": "prometheus",
        "hide": 0, "multi": False, "includeAll": False, "refresh": 1,
    }  # fmt: skip


def _variable(one: Variable) -> dict[str, Any]:
    shared = {"name": one.name, "label": f"{one.vi} · {one.en}", "description": one.help, "hide": 0}
    if one.values:
        options = [{"text": value, "value": value, "selected": value == one.values[1]} for value in one.values]
        return shared | {
            "type": "custom", "query": ",".join(one.values), "options": options, "current": options[1],
            "multi": False, "includeAll": False,
        }  # fmt: skip
    return shared | {
        "type": "query", "datasource": _SOURCE, "definition": one.query, "query": {"query": one.query, "refId": "A"},
        "refresh": 2, "sort": 1, "multi": one.all, "includeAll": one.all,
    } | ({"allValue": ".*"} if one.all else {})  # fmt: skip


def _annotation(one: Annotation) -> dict[str, Any]:
    return {
        "name": one.name, "datasource": _SOURCE, "enable": True, "expr": one.expr, "iconColor": one.colour,
        "step": "60s", "titleFormat": one.name, "textFormat": one.text,
    }  # fmt: skip


def provisioning() -> dict[str, object]:
    """Return Grafana's provisioning files by path: where the data are, where the dashboards are."""
    return {
        "provisioning/datasources/prometheus.yaml": {
            "apiVersion": 1,
            "datasources": [
                {"name": "docaxis", "uid": "docaxis", "type": "prometheus", "access": "proxy",
                 "url": "http://prometheus:9090", "isDefault": True, "jsonData": {"timeInterval": "15s"}}
            ],
        },
        "provisioning/dashboards/docaxis.yaml": {
            "apiVersion": 1,
            "providers": [
                {"name": "docaxis", "folder": "docaxis", "type": "file", "allowUiUpdates": False,
                 "options": {"path": "/etc/grafana/dashboards"}}
            ],
        },
    }  # fmt: skip
