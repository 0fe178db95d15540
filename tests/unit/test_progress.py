"""The views of a run: they fit 80 columns in both languages, and tell no latency where nothing was measured."""

import io
from datetime import date

import numpy as np
import pytest
from rich.console import Console

from monitor.histogram import Histogram
from monitor.progress import Moment, closing_view, progress_line
from monitor.verdict import STAGES, CountedMilestone, LedgerTotals, Verdict
from monitor.words import Language

FULL = CountedMilestone(date(2022, 7, 31), 3_000_000, 10_100_000, 13_100_000, 3_000_000, 10_100_000)
RATES = {"documents_per_second": 20_000.0, "sent_and_received_per_second": 99_999.0}


def shown(language: Language, stages: dict[str, Histogram], columns: int = 80) -> list[str]:
    console = Console(file=io.StringIO(), width=columns, record=True)
    ledger = LedgerTotals(3_000_000, 10_100_000, 10_100_000)
    console.print(closing_view(Verdict(ledger, {}, (FULL,)), stages, RATES, language))
    return console.export_text().splitlines()


def measured(*latencies_us: int) -> Histogram:
    histogram = Histogram()
    histogram.observe(np.array(latencies_us))
    return histogram


@pytest.mark.parametrize("language", list(Language))
def test_no_row_of_a_table_is_broken_at_80_columns(language: Language) -> None:
    lines = shown(language, {stage: measured(860_200, 958_500) for stage in STAGES})
    rows = [line.split() for line in lines if "ms" in line]
    assert len(rows) == len(STAGES)
    assert all(row.count("ms") == 4 for row in rows), "a value and its unit stand in one line"


def test_stages_are_named_in_words() -> None:
    text = "\n".join(shown(Language.EN, {stage: measured(1) for stage in STAGES}))
    assert "send delay" in text
    assert "_" not in text


def test_without_samples_there_is_no_latency() -> None:
    line = next(line for line in shown(Language.EN, {"delivery": Histogram()}) if "delivery " in line)
    assert line.split() == ["delivery", "0", "–", "–", "–", "–"]


def test_the_first_line_of_progress_tells_no_latency() -> None:
    moment = Moment(1.0, 0, 0, 0, Histogram(), 2**20)
    assert "p50 – p99 –" in progress_line(moment, moment, 100, Language.EN)
