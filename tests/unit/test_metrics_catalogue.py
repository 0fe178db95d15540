"""What is declared and what is exported are the same, and both ways of writing it agree."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

from docaxis.cli import main
from docaxis.domain.clock import ManualClock
from monitor.catalogue import BUILD_INFO, CATALOGUE, LAG_SECONDS, STREAM_DELIVERY, STREAM_RECEIPTS
from monitor.histogram import Histogram
from monitor.metric import Family, Kind, Spec
from monitor.metrics import Metrics
from monitor.metrics_doc import metrics_markdown
from tests.support.metrics import everything, parse

METRICS_DOC = Path(__file__).parents[2] / "docs" / "METRICS.md"


def test_everything_exported_is_declared_and_everything_declared_is_exported() -> None:
    exported = {family.spec for family in everything().families()}
    assert exported == set(CATALOGUE)
    assert len({spec.name for spec in CATALOGUE}) == len(CATALOGUE)


def test_the_samples_on_the_page_have_exactly_the_declared_names_and_labels() -> None:
    declared: dict[str, set[str]] = {}
    for spec in CATALOGUE:
        suffixes: dict[str, tuple[str, ...]] = {"": ()}
        if spec.kind == "histogram":
            suffixes = {"_bucket": ("le",), "_count": (), "_sum": ()}
        declared |= {spec.name + suffix: {*spec.labels, *more} for suffix, more in suffixes.items()}
    page = everything().page(openmetrics=False)
    found = {sample.name: set(sample.labels) for family in parse(page) for sample in family.samples}
    assert found == declared


@pytest.mark.parametrize("openmetrics", [True, False])
def test_the_page_says_what_prometheus_client_would_say(openmetrics: bool) -> None:
    metrics = everything(awkward='a "b"\\c\nd')
    ours = parse(metrics.page(openmetrics=openmetrics), openmetrics=openmetrics)
    encode: Callable[[Any], bytes] = generate_openmetrics if openmetrics else generate_latest
    theirs = parse(encode(metrics), openmetrics=openmetrics)
    moving = {"docaxis_monitor_exposition_seconds", "process_cpu_seconds", "process_resident_memory_bytes"}
    moving |= {"process_virtual_memory_bytes", "process_open_fds"}
    assert [family for family in ours if family.name not in moving] == [
        family for family in theirs if family.name not in moving
    ]
    assert {family.name for family in ours} == {family.name for family in theirs}


def test_values_that_are_no_number_are_written_as_prometheus_reads_them() -> None:
    family = Family(LAG_SECONDS)
    for value in (float("inf"), float("-inf"), float("nan"), 1e-9, 2**60):
        family.add(value, "group", str(value))
    page = Metrics([_Fixed(family)], ManualClock()).page(openmetrics=True)
    values = {s.labels["topic"]: s.value for f in parse(page, openmetrics=True) for s in f.samples if s.labels}
    assert values.pop("nan") != values.get("nan")
    assert values == {"inf": float("inf"), "-inf": float("-inf"), "1e-09": 1e-9, str(2**60): 2.0**60}


class _Fixed:
    def __init__(self, *families: Family) -> None:
        self._families = families

    def families(self) -> tuple[Family, ...]:
        return self._families


def test_a_histogram_is_consistent_and_each_bucket_holds_what_is_at_most_its_bound() -> None:
    histogram = Histogram()
    for value_us in (0, 4_000, 90_000, 900_000, 40_000_000, 5_000_000_000):
        histogram.observe_one(value_us)
    family = Family(STREAM_DELIVERY)
    family.add_histogram(histogram, "H53")
    samples = {(name, labels.get("le")): value for name, labels, value in family.samples()}
    name = STREAM_DELIVERY.name
    buckets = [samples[f"{name}_bucket", bound] for bound in STREAM_DELIVERY.bucket_labels]
    assert buckets == [2, 2, 3, 3, 4, 4, 4, 4, 5, 5, 5, 6]
    assert buckets[:-1] == [histogram.count_at_most(bound) for bound in STREAM_DELIVERY.bounds_us]
    assert samples[f"{name}_count", None] == samples[f"{name}_bucket", "+Inf"] == 6
    assert samples[f"{name}_sum", None] == pytest.approx(5040.994)


@pytest.mark.parametrize("spec", [spec for spec in CATALOGUE if spec.bounds_us], ids=lambda spec: str(spec.name))
def test_every_histogram_counts_as_the_fine_one_does(spec: Spec) -> None:
    histogram = Histogram()
    histogram.observe(np.array([bound + step for bound in spec.bounds_us for step in (-1, 0, 1, 40)], np.int64))
    assert spec.cumulative(histogram.counts).tolist()[:-1] == [histogram.count_at_most(us) for us in spec.bounds_us]


def test_label_sets_beyond_the_budget_are_left_out_whole_and_counted() -> None:
    receipts, delivery = Family(STREAM_RECEIPTS), Family(STREAM_DELIVERY)
    for number in range(10):
        receipts.add(number, f"A{number}")
        delivery.add_histogram(Histogram(), f"A{number}")
    metrics = Metrics([_Fixed(receipts, delivery)], ManualClock(), series_max=10 + 3 * 14 + 5 + 4)
    page = {family.name: family for family in parse(metrics.page(openmetrics=False))}
    assert len(page["docaxis_stream_receipts"].samples) == 10
    assert len(page["docaxis_stream_delivery_latency_seconds"].samples) == 3 * 14
    assert page["docaxis_monitor_series_refused"].samples[0].value == 7 * 14
    lines = sum(len(family.samples) for family in page.values())
    assert page["docaxis_monitor_series"].samples[0].value == lines == 10 + 3 * 14 + 4
    assert page["docaxis_monitor_series_max"].samples[0].value == 61


def test_two_collectors_of_one_metric_share_its_family_but_no_series() -> None:
    def build(role: str) -> Family:
        family = Family(BUILD_INFO)
        family.add(1, "1", "3", role)
        return family

    both = Metrics([_Fixed(build("hub")), _Fixed(build("fleet"))], ManualClock())
    assert both.page(openmetrics=False).count(b"# TYPE docaxis_build_info gauge") == 1
    with pytest.raises(ValueError, match="two collectors"):
        Metrics([_Fixed(build("hub")), _Fixed(build("hub"))], ManualClock()).families()


@pytest.mark.parametrize(
    ("name", "kind", "more"),
    [
        ("docaxis_stream_events", "counter", {}),
        ("docaxis_stream_events_total", "gauge", {}),
        ("docaxis_stream_delay_ms", "gauge", {"unit": "ms"}),
        ("docaxis_stream_seconds_delay", "gauge", {"unit": "seconds"}),
        ("docaxis_stream_pairs", "gauge", {"labels": ("pair",)}),
        ("docaxis_Stream_events", "gauge", {}),
        ("docaxis_stream_delay_seconds", "histogram", {"unit": "seconds"}),
        ("docaxis_stream_delay_seconds", "histogram", {"unit": "seconds", "bounds_us": tuple(range(1, 13))}),
        ("docaxis_stream_delay_seconds", "histogram", {"unit": "seconds", "bounds_us": (2, 1)}),
    ],
)
def test_a_declaration_against_the_rules_is_refused(name: str, kind: Kind, more: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="correct its declaration"):
        Spec(name, kind, "help", "hub", **more)


def test_a_value_with_other_labels_than_declared_is_refused() -> None:
    with pytest.raises(ValueError, match="has the labels"):
        Family(STREAM_RECEIPTS).add(1)


def test_the_checked_in_page_is_the_generated_one() -> None:
    assert METRICS_DOC.read_text(encoding="utf-8") == metrics_markdown()
    assert all(f"`{spec.name}`" in metrics_markdown() for spec in CATALOGUE)


def test_the_command_writes_the_page_and_finds_a_stale_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "docs" / "METRICS.md"
    arguments = ["generate", "metrics-doc", "--output", str(file)]
    assert main([*arguments, "--check"]) == 2
    assert "does not exist" in capsys.readouterr().err
    assert main(arguments) == 0
    assert file.read_text(encoding="utf-8") == metrics_markdown()
    assert main([*arguments, "--check"]) == 0
    file.write_text("stale", encoding="utf-8")
    assert main([*arguments, "--check"]) == 2
    assert "metrics-doc" in capsys.readouterr().err


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool (of Prometheus) is not on PATH")
def test_promtool_has_no_complaint() -> None:
    page = everything().page(openmetrics=False)
    done = subprocess.run(["promtool", "check", "metrics"], input=page, capture_output=True, timeout=30, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")
