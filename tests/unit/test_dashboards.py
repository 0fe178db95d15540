"""Dashboards: every query is one, names only what is exported or recorded, and the files are the generated ones."""

import re
import shutil
from pathlib import Path

import orjson
import pytest
import yaml

from monitor.alerting.rules_file import rule_groups
from monitor.catalogue import CATALOGUE
from monitor.dashboards import BOARDS, Board
from monitor.dashboards.board import Panel, Unit, q
from monitor.dashboards.grafana import TAG, dashboard_json, provisioning
from monitor.service_objectives import ServiceObjectives
from tests.support.events import sent
from tests.support.live import RUN, busy_axis
from tests.support.panels import Facts, expectations
from tests.support.promql import OWN, concrete, exported, metrics_of, queries, recorded
from tests.support.promtool import check_samples, climb

GRAFANA = Path(__file__).parents[2] / "deploy" / "grafana"
OBJECTIVES = ServiceObjectives.load()
#: What each series is in, where it is in something; how many observations a histogram has is a number.
UNITS = {
    spec.name + suffix: spec.unit
    for spec in CATALOGUE
    if spec.unit
    for suffix in (("_bucket", "_sum") if spec.bounds_us else ("",))
}
KNOWN = exported() | recorded(OBJECTIVES) | OWN

every_board = pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.uid)


@every_board
def test_every_query_is_one_and_names_only_known_metrics(board: Board) -> None:
    for panel, query in queries(board):
        assert metrics_of(concrete(query)) <= KNOWN, f"{panel.title}: {query}"
    for annotation in board.annotations:
        assert metrics_of(concrete(annotation.expr)) <= KNOWN, annotation.name
    for variable in board.variables:
        for metric, label in re.findall(r"label_values\((\w+), (\w+)\)", variable.query):
            assert metric in KNOWN, variable.name
            assert label in ("sender", "run")


@every_board
def test_every_query_has_an_expectation_that_the_end_to_end_test_checks(board: Board) -> None:
    axis = busy_axis()
    axis.fold("sent", sent("canary-main.1.0.0", run="canary-main"))
    expected = expectations(Facts(axis.readings, RUN, 1))
    for panel in board.panels():
        assert len(expected.get(panel.en, ())) == len(panel.queries), f"tests/support/panels.py: {panel.en}"
    assert set(expected) == {panel.en for one in BOARDS for panel in one.panels()}


@every_board
def test_only_declared_variables_are_used(board: Board) -> None:
    declared = {variable.name for variable in board.variables} | {"__rate_interval"}
    used = {name for _, query in queries(board) for name in re.findall(r"\$(\w+)", query)}
    assert used <= declared
    assert {variable.name for variable in board.variables} <= used


@every_board
def test_titles_are_questions_in_both_languages_and_units_are_right(board: Board) -> None:
    for panel in board.panels():
        assert panel.vi.endswith("?"), panel.title
        assert panel.en.endswith("?"), panel.title
        for query in panel.queries:
            seconds = "_seconds" in query.expr.split(" offset ")[0] and "cpu_seconds" not in query.expr
            if seconds and "_count" not in query.expr and "start_time" not in query.expr:
                assert panel.unit == "s", f"{panel.title} shows seconds as {panel.unit}"
    titles = [panel.title for panel in board.panels()]
    assert len(set(titles)) == len(titles)


def fault_of_unit(panel: Panel) -> str | None:
    """Return which query of a panel is not of the unit that the panel shows it in, and why; None: all are."""
    for query in panel.queries:
        named = [UNITS[name] for name in metrics_of(concrete(query.expr)) if name in UNITS]
        grows = bool(re.search(r"\brate\(", query.expr)) and "histogram_quantile" not in query.expr
        if panel.unit == "s" and ("seconds" not in named or grows):
            return f"{query.expr} is no time"
        if "bytes" in named and panel.unit != ("Bps" if grows else "bytes"):
            return f"{query.expr} is shown as {panel.unit}"
        if panel.unit in ("bytes", "Bps") and "bytes" not in named:
            return f"{query.expr} is no size"
        if panel.unit == "ops" and (not grows or named):
            return f"{query.expr} is no rate of events"
    return None


@every_board
def test_what_a_panel_shows_is_of_its_unit(board: Board) -> None:
    for panel in board.panels():
        assert fault_of_unit(panel) is None, panel.title


@pytest.mark.parametrize(
    ("unit", "expr"),
    [
        ("s", "sum(docaxis_canary_overdue)"),
        ("s", "rate(docaxis_stream_delivery_latency_seconds_count[1m])"),
        ("bytes", "rate(docaxis_stream_snapshot_bytes_total[1m])"),
        ("Bps", "process_resident_memory_bytes"),
        ("short", "process_resident_memory_bytes"),
        ("Bps", "rate(docaxis_stream_documents_total[1m])"),
        ("ops", "sum(docaxis_stream_documents_total)"),
    ],
)
def test_a_wrong_unit_is_found(unit: Unit, expr: str) -> None:
    assert fault_of_unit(Panel("?", "?", (q(expr),), unit=unit)) is not None


@every_board
def test_panels_do_not_overlap_and_the_file_is_the_generated_one(board: Board) -> None:
    file = GRAFANA / "dashboards" / f"{board.uid}.json"
    assert file.read_text(encoding="utf-8") == dashboard_json(board)
    content = orjson.loads(file.read_bytes())
    cells: set[tuple[int, int]] = set()
    for panel in content["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        own = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not own & cells, panel["title"]
        cells |= own
    assert len({panel["id"] for panel in content["panels"]}) == len(content["panels"])
    assert content["tags"] == content["links"][0]["tags"] == [TAG]  # the links lead to every dashboard of the tag
    assert content["templating"]["list"][0]["type"] == "datasource"


def test_the_provisioning_is_the_generated_one_and_finds_the_dashboards() -> None:
    for name, content in provisioning().items():
        assert yaml.safe_load((GRAFANA / name).read_text(encoding="utf-8")) == content
    assert {path.stem for path in (GRAFANA / "dashboards").glob("*.json")} == {one.uid for one in BOARDS}


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool (of Prometheus) is not on PATH")
def test_onboarding_shows_a_step_as_before_and_after(tmp_path: Path) -> None:
    """G22 comes after two hours: twice the documents, one more sender, the others' deliveries ten times slower."""
    before, after = (120, 300.0), (120, 300.0)
    latency = 'docaxis_stream_delivery_latency_seconds_bucket{recipient="%s",le="%s"}'
    series = {
        'docaxis_stream_documents_total{sender="H53"}': climb(before, after),
        'docaxis_stream_documents_total{sender="G22"}': climb((120, 0), after),
        latency % ("H53", "1.0"): climb(before, (120, 0)),
        latency % ("H53", "10.0"): climb(before, after),
        latency % ("H53", "+Inf"): climb(before, after),
        latency % ("G22", "1.0"): climb((120, 0), (120, 0)),  # its own are no matter of the others
        latency % ("G22", "10.0"): climb((120, 0), (120, 0)),
        latency % ("G22", "+Inf"): climb((120, 0), after),
    }
    expected = {
        "How much more traffic is there?": (10, 5),
        "How many agencies send?": (2, 1),
        "Are the others slower?": (9.91, 0.99),
    }
    (board,) = (one for one in BOARDS if one.uid == "docaxis-onboarding")
    shown = {
        panel.en: [concrete(one.expr, before="1h", agency="G22") for one in panel.queries] for panel in board.panels()
    }
    samples = [
        (f"round({query}, 0.01)", value)
        for title, values in expected.items()
        for query, value in zip(shown[title], values, strict=True)
    ]
    check_samples(tmp_path, series, "3h", samples, interval="1m")


def test_rules_name_only_what_is_exported_or_recorded() -> None:
    for group in rule_groups(OBJECTIVES):
        for rule in group["rules"]:
            assert metrics_of(rule["expr"]) <= KNOWN, rule["expr"]
