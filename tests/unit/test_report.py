"""The report's page as text: all phrases in both languages, numbers as readers write them, nothing from outside."""

import re
from pathlib import Path

import numpy as np
import orjson
import pytest

from docaxis.cli import main
from docaxis.domain.agency import Registry
from monitor.report import report_html
from monitor.report_charts import POINTS_MAX, percentile_chart, series_chart
from monitor.report_format import duration, instant, number, quantity
from monitor.report_view import headline
from monitor.report_words import is_translated, report_sentence, report_word
from monitor.run_folder import RunFolder, load_run
from monitor.words import Language
from tests.support.sample_runs import Sample, write_demo_sample, write_sample

EN, VI = Language.EN, Language.VI


def with_fidelity(folder: Path) -> Path:
    """Add what a replay's result has: resumed, steered, all of it sent."""
    counts = {"documents_planned": 9, "documents_sent": 9, "documents_doubled": 0, "documents_strange": 0}
    changed = {"closed": False, "speed": 60, "gaps_skipped": 1, "skipped_seconds": 2.0, "capped": 0}
    fidelity = {
        **counts,
        **dict.fromkeys(("pairs", "hours", "gaps_compared"), 5),
        **dict.fromkeys(("pairs_differing", "hours_differing", "ks_pooled", "seconds_moved_share"), 0),
        "lives": 2,
        "send_error_seconds": {"p50": 0.00025, "p99": 0.001, "max": 0.002},
        "changed": changed | {"capped_seconds_max": 0.0, "amplify": 1, "controls": 3},
    }
    file = folder / "result.json"
    file.write_bytes(orjson.dumps(orjson.loads(file.read_bytes()) | {"fidelity": fidelity}))
    return folder


def test_every_phrase_that_is_shown_has_its_vietnamese(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: set[str] = set()

    def spy(text: str, language: Language) -> str:
        shown.add(text)
        return report_word(text, language)

    monkeypatch.setattr("monitor.report.report_word", spy)
    samples = [
        Sample(seconds=48, stall_s=(20, 22), duplicated=3),
        Sample(seconds=48, seed=2, invalid=("late",), lost=1),
        Sample(seconds=POINTS_MAX + 1, rate=2, seed=3),
    ]
    folders = [write_sample(tmp_path / str(number), sample) for number, sample in enumerate(samples)]
    replayed = with_fidelity(write_sample(tmp_path / "replay", samples[0]))
    for folder in [*folders, write_demo_sample(tmp_path / "demo"), replayed]:
        page = report_html(load_run(folder), Registry.load(), VI)
    assert "0.250, 1.000, 2.000 ms" in page
    assert len(shown) > 150
    assert {text for text in shown if text and not is_translated(text)} == set(), "no Vietnamese for these"


@pytest.mark.parametrize(
    ("value", "english", "vietnamese"),
    [
        (0, "0 s", "0 s"),
        (0.000_25, "250 µs", "250 µs"),
        (0.0394, "39.4 ms", "39,4 ms"),
        (1.2345, "1.23 s", "1,23 s"),
        (7_200, "120 min", "120 phút"),
        (None, "–", "–"),
        (-0.002, "-2.00 ms", "-2,00 ms"),
    ],
)
def test_durations(value: float | None, english: str, vietnamese: str) -> None:
    assert (duration(value, EN), duration(value, VI)) == (english, vietnamese)


def test_numbers_and_instants() -> None:
    assert (number(1_234_567.8, EN, 1), number(1_234_567.8, VI, 1)) == ("1,234,567.8", "1.234.567,8")
    assert quantity(0.0213, "ratio", VI) == "2,13 %"
    assert quantity(12.5, "deliveries/s2", VI) == "12,5 lượt giao/s²"
    assert quantity(3, "count", EN) == "3"
    assert instant(1_764_032_400_000_000) == "25/11/2025 08:00:00"


def test_reasons_of_the_verdict_are_said_in_vietnamese() -> None:
    assert report_sentence("5 duplicated", VI) == "5 lượt giao bị trùng"
    assert report_sentence("5 duplicated", EN) == "5 duplicated"
    assert report_sentence("something new", VI) == "something new"
    assert report_sentence("routing p99.9 at most 500 ms", VI) == "chuyển qua trục: p99.9 không quá 500 ms"
    assert report_sentence("received at least 98.0% of what was offered", VI) == "nhận được ít nhất 98.0 % số phải giao"


def test_what_was_injected_on_purpose_is_not_blamed() -> None:
    assert headline({"verdict": "fail", "faults": ["3 duplicated"]}).blames_ledger
    missed = {"verdict": "fail", "faults": [], "objectives": [{"met": False}], "ledger": {"duplicated": 5}}
    assert not headline(missed).blames_ledger


@pytest.mark.parametrize("language", Language)
def test_the_page_says_everything_and_needs_nothing(tmp_path: Path, language: Language) -> None:
    run = load_run(write_sample(tmp_path / "a", Sample(stall_s=(60, 64), duplicated=5)))
    page = report_html(run, Registry.load(), language)
    body = page.partition("<body>")[2].partition('<script type="application/json"')[0]
    assert f'<html lang="{language}">' in page
    agency = "Bộ Công an" if language is VI else "Ministry of Public Security"
    for said in (agency, number(run.result["ledger"]["deliveries_expected"], language), "9f2c51d04e7ab836"):
        assert said in body
    assert not re.search(r"""(?:src|href)=["'](?!data:|#)""", body)
    assert "default-src 'none'" in page
    assert len(page) < 2_000_000
    sections = re.findall(r'<section id="(\w+)"', body)
    assert sections[0] == "verdict"
    assert set(sections) >= {"objectives", "throughput", "latency", "percentiles", "agencies", "traffic", "ledger"}
    assert set(sections) >= {"generator", "faults", "controls", "phases", "processes", "repeat"}
    assert "milestones" not in sections


def test_a_demos_page_leaves_out_what_a_demo_does_not_have(tmp_path: Path) -> None:
    page = report_html(load_run(write_demo_sample(tmp_path / "demo")), Registry.load(), EN)
    sections = re.findall(r'<section id="(\w+)"', page)
    assert sections == ["verdict", "percentiles", "milestones", "ledger", "processes", "repeat"]
    assert "closed loop: shown, not judged" in page
    assert page.count("✓</span> agrees") == 2


def test_names_cannot_break_out_of_the_page(tmp_path: Path) -> None:
    nasty = "</script><script>alert(1)</script>"
    folder = write_sample(tmp_path / "a", Sample(seconds=24, workload_name=nasty))
    stored = orjson.loads((folder / "result.json").read_bytes())
    stored["phases"][0]["name"] = stored["faults_injected"] = nasty
    stored["faults_injected"] = [{"kind": nasty, "at_us": stored["started_us"], "until_us": None, "count": 1}]
    stored["objectives"][0]["text"] = nasty
    (folder / "result.json").write_bytes(orjson.dumps(stored))
    page = report_html(load_run(folder), Registry.load(), EN)
    assert nasty not in page
    assert page.count("</script>") == 3


def test_the_verdict_of_an_invalid_run_is_neither_pass_nor_fail() -> None:
    one = headline({"verdict": "pass", "valid": False, "invalid_reasons": ["late"], "faults": []})
    assert (one.state, one.reasons) == ("invalid", ("late",))
    assert headline({"verdict": "fail", "valid": True, "faults": ["1 lost"]}).state == "fail"


def test_a_long_run_keeps_its_stalls_though_its_points_are_few(tmp_path: Path) -> None:
    seconds = 50_000
    latency, rate = np.full(seconds, 0.01), np.full(seconds, 100.0)
    latency[31_234], rate[31_234], latency[:70] = 9.0, 0.0, np.nan
    series = {"delivery_p99_s": latency, "received": rate}
    run = RunFolder(tmp_path, {"started_us": 0}, series, ("load",) * seconds)
    chart = series_chart(run)
    assert chart is not None
    assert len(chart["second"]) <= POINTS_MAX
    assert chart["per_point"] == 34
    assert max(value for value in chart["columns"]["delivery_p99_s"] if value is not None) == 9.0
    assert chart["columns"]["delivery_p99_s"][:2] == [None, None]
    assert min(chart["columns"]["received"]) == pytest.approx(100 * 33 / 34, rel=1e-4)


def test_the_percentile_curve_ends_at_the_exact_maximum(tmp_path: Path) -> None:
    run = load_run(write_sample(tmp_path / "a", Sample(seconds=36)))
    for stage, points in percentile_chart(run).items():
        depths, values = zip(*points, strict=True)
        assert list(depths) == sorted(depths), stage
        assert list(values) == sorted(values), stage
        assert values[-1] == run.histograms[stage].max_us / 1e6


def test_the_command_writes_the_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCAXIS_PATHS_RUNS", str(tmp_path / "runs"))
    monkeypatch.chdir(tmp_path)
    write_sample(tmp_path / "runs" / "run-1", Sample(seconds=24))
    assert main(["report", "run-1"]) == 0
    assert capsys.readouterr().out.strip() == "runs/run-1/report.html"
    assert main(["report", "run-1", "--lang", "vi", "-o", "bao-cao.html"]) == 0
    assert '<html lang="vi">' in (tmp_path / "bao-cao.html").read_text(encoding="utf-8")
    assert main(["report", "run-1", "-o", "missing/x.html"]) == 2
    assert "missing/x.html cannot be written" in capsys.readouterr().err
    assert main(["report", "nobody"]) == 2
