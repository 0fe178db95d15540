"""The sizing table: its arithmetic by hand, and the page that shows it says what is computed and measured."""

from dataclasses import replace
from pathlib import Path

import pytest

from docaxis.cli import main
from docaxis.commands.sizing import DOCUMENTS_A_DAY, Measured, peak_of, size_of, sizing_markdown, with_sizing
from docaxis.settings import TopicSettings

PAGE = Path(__file__).parents[2] / "docs" / "OPERATING.md"
#: Round figures, to be worked out by hand.
COSTS = Measured(
    documents=1, deliveries=2, hub_us=350, worker_us=700, remembered_bytes=100, worker_bytes=1000,
    disk_bytes=((2, 300), (40, 200)),
)  # fmt: skip
TWO_DAYS = TopicSettings(retention_hours=48)


def test_a_days_peak_is_its_busiest_half_hour_over_the_mean() -> None:
    assert peak_of([1, 1, 1, 1], 1) == 1
    assert peak_of([0, 1, 3, 0], 1.5) == pytest.approx(3 * 1.5)


def test_what_a_million_documents_need() -> None:
    size = size_of(864_000, 100, COSTS, TWO_DAYS, horizon=500_000)  # 10 documents a second, 1,000 at the peak
    assert (size.mean_per_s, size.peak_per_s, size.deliveries_peak_per_s) == (10, 1000, 2000)
    assert (size.hubs, size.workers) == (2, 2)  # one hub would do, and exactly two workers
    assert size.disk_bytes_a_day == 864_000 * 2 * 300
    assert size.disk_bytes == 2 * size.disk_bytes_a_day
    assert size.partitions == 9  # 3,456,000 deliveries are kept: seven partitions' horizons, then three brokers' share
    assert size.memory_bytes == size.memory_bytes_max == 1000 + 9 * 500_000 * 100


def test_roles_follow_the_load_and_memory_the_days() -> None:
    size = size_of(864_000, 101, COSTS, TWO_DAYS, horizon=100_000_000)
    assert (size.hubs, size.workers, size.partitions) == (2, 3, 6)
    assert size.memory_bytes == 1000 + 864_000 * 2 * 30 * 100
    assert size.memory_bytes_max == 1000 + 6 * 100_000_000 * 100


def test_between_two_rates_that_were_measured_the_disk_is_that_of_the_lower() -> None:
    assert [COSTS.disk_bytes_at(rate) for rate in (0.1, 2, 39.9, 40, 1000)] == [300, 300, 300, 200, 200]


def test_the_page_has_the_table_that_is_computed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert main(["generate", "sizing", "--output", str(PAGE), "--check"]) == 0
    assert all(f"| {documents:,} |" in page for documents in DOCUMENTS_A_DAY)
    old = tmp_path / "old.md"
    old.write_text(page.replace("| 10,000 |", "| 10,001 |"), encoding="utf-8")
    assert main(["generate", "sizing", "--output", str(old), "--check"]) == 2
    assert main(["generate", "sizing", "--output", str(old)]) == 0
    assert old.read_text(encoding="utf-8") == page
    old.write_text("no marks", encoding="utf-8")
    assert main(["generate", "sizing", "--output", str(old)]) == 2
    capsys.readouterr()
    assert main(["generate", "sizing", "--documents", "10000"]) == 0
    assert capsys.readouterr().out == sizing_markdown([10_000])
    with pytest.raises(ValueError):
        with_sizing("no marks")


def test_what_is_computed_from_is_what_the_page_says_was_measured() -> None:
    page, measured = PAGE.read_text(encoding="utf-8"), Measured()
    (_, slow), (fast_rate, fast) = measured.disk_bytes
    for said in (
        f"({measured.documents:,} documents, {measured.deliveries:,} deliveries",
        f"| hub | 10 s | 9.7 µs | {measured.hub_us} µs |",
        f"| stream worker (count, time, audit) | 23 s | 22 µs | {measured.worker_us} µs |",
        f"{measured.remembered_bytes} bytes each, by division",
        f"{measured.worker_bytes // 1_000_000} MB for a small run",
        f"{slow} bytes a delivery in `sent`",
        f"{fast} at\n  about {fast_rate} documents a second",
        f"{measured.fan_out:.2f} recipients a document",
    ):
        assert said in page, said
    assert sizing_markdown([10_000]) != sizing_markdown([10_001_000])
    assert replace(measured, documents=measured.deliveries).fan_out == 1
