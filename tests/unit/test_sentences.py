"""What judgements, faults, progress and the views of a load test say has its Vietnamese: as the code makes it."""

import io
import re
from pathlib import Path
from types import SimpleNamespace

import msgspec
import numpy as np
import orjson
import pytest
from rich.console import Console, RenderableType

from docaxis.commands.control import _told
from docaxis.commands.up import up
from docaxis.domain.plan import first_plan
from docaxis.workload.faults import Fault
from docaxis.workload.model import GeneratorBounds
from monitor.generator_check import GeneratorCheck, _reasons
from monitor.histogram import Histogram
from monitor.load_result import Injected, account_faults, faults_injected
from monitor.load_view import Now, load_closing_view, load_line, load_table
from monitor.objectives import Judgement
from monitor.progress import closing_view
from monitor.reading import Readings
from monitor.report_words import is_translated, report_sentence, report_word
from monitor.verdict import LedgerTotals, Verdict
from monitor.words import Language
from tests.support.sample_runs import Sample, write_sample

EN, VI = Language.EN, Language.VI
PLAN = first_plan("r", 1_000_000, [("load", "load", 10_000_000, True, False)])


def _unsaid(sentences: list[str]) -> list[str]:
    return [one for one in sentences if report_sentence(one, VI) == one]


def test_everything_that_can_be_wrong_with_a_load_test() -> None:
    arrivals = {"acked": 9, "dropped": 1, "failed": 2, "unknown": 3}
    ledger = LedgerTotals(1, 9, 1, duplicated=2, misrouted=3, lost=4, refused=5, outstanding=6, contradictions=7)
    faults = account_faults(ledger, arrivals, Injected({}), unreadable=1)
    faults += account_faults(ledger, arrivals, Injected({"duplicate_deliveries": 1, "withhold-receipts": 1}), 0)
    faults += account_faults(ledger, arrivals, Injected({}), 0, {"duplicate": 5000})
    faults += ["ended early: objective 'fast' was missed for 5 seconds on end"]
    assert len(faults) > 15
    assert _unsaid(faults) == []


def test_every_reason_why_a_run_is_not_valid() -> None:
    late = Histogram()
    late.observe(np.array([9_000_000]))
    check = GeneratorCheck(late, late, 0.0, 0.99, 3, 9.0, 2.0, 0.99, 0.99, ())
    reasons = list(_reasons(check, GeneratorBounds()))
    assert len(reasons) == 5
    assert _unsaid(reasons) == []


def test_what_up_and_control_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("docaxis.commands.control.time", SimpleNamespace(time_ns=lambda: 10**18))
    plan = first_plan("r", 10**15, [("load", "load", 10_000_000, True, False)])
    standing = msgspec.structs.replace(
        plan, phases=[msgspec.structs.replace(plan.phases[0], end_us=plan.phases[0].end_us + 10**16)]
    )
    told = [_told(plan, "pause", ""), _told(plan, "rate", "1.5x"), _told(standing, "pause", "")]
    assert told[1] == "r: rate 1.5x from the next second on; sending ends in 10 s"
    assert told[2] == "r: pause from the next second on; sending stands still until `resume`"
    source = Path(up.__code__.co_filename).read_text(encoding="utf-8")
    said = [re.sub(r"\{[^}]+\}", "x", one) for one in re.findall(r'progress\(f?"(.+?)", language\)', source)]
    assert len(said) == 3
    assert _unsaid([*told, *said]) == []


def test_details_of_faults() -> None:
    faults = [
        Fault.model_validate({"kind": "duplicate", "count": 5}),
        Fault.model_validate({"kind": "withhold-receipts", "count": 5}),
    ]
    rows = faults_injected(faults, PLAN, "load", Injected({"duplicate": 5}), [])
    details = [str(row["detail"]) for row in rows]
    source = Path("docaxis/commands/load_faults.py").read_text(encoding="utf-8")
    told = re.findall(r'return f?"([^"]+)"|_note\(fault, .+, f?"([^"]+)"\)', source)
    details += [
        re.sub(r"\{[^}]+\}", "3 deliveries/s" if "limited" in one else "3", one) for pair in told for one in pair if one
    ]
    assert len(details) >= 7
    assert _unsaid(details) == []


@pytest.mark.parametrize(
    ("english", "vietnamese"),
    [
        ("steady (run-1); roles are starting ...", "steady (run-1); các tiến trình đang khởi động ..."),
        ("Live page: http://127.0.0.1:1/?run=r", "Trang trực tiếp: http://127.0.0.1:1/?run=r"),
        ("limited to 100 deliveries/s", "giới hạn ở 100 lượt giao/giây"),
        (
            "Replaying 80,000 documents to 80,000 recipients (replay-1) ...",
            "Phát lại 80,000 văn bản tới 80,000 lượt nhận (replay-1) ...",
        ),
        (
            "2,310 events of canaries are left out: they are no traffic",
            "bỏ qua 2,310 sự kiện của văn bản thử: chúng không phải lưu lượng",
        ),
        ("objective 'fast' missed", "không đạt mục tiêu fast"),
    ],
)
def test_progress(english: str, vietnamese: str) -> None:
    assert report_sentence(english, VI) == vietnamese
    assert report_sentence(english, EN) == english


def _text(view: RenderableType) -> str:
    console = Console(file=io.StringIO(), width=120)
    console.print(view)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_views_of_a_load_test_have_no_phrase_without_vietnamese(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: set[str] = set()

    def spy(text: str, language: Language) -> str:
        shown.add(text)
        return report_word(text, language)

    monkeypatch.setattr("monitor.load_view.report_word", spy)
    for sample in (Sample(seconds=48, duplicated=3), Sample(seconds=48, invalid=("late",))):
        folder = write_sample(tmp_path / str(len(sample.invalid)), sample)
        result = orjson.loads((folder / "result.json").read_bytes())
        judgements = [
            Judgement("fast", "delivery p99 at most 1 s", "delivery", "all", "s", 1.0, 2.0, met)
            for met in (True, False, None)
        ]
        text = _text(load_closing_view(result | {"verdict": "fail", "faults": ["5 lost"]}, judgements, VI))
        assert "giao nhận: p99 không quá 1 s" in text
    for instant_us in (0, 2_000_000, 90_000_000):
        now = Now(PLAN, [], Readings(), "r", instant_us, 1 << 20, VI)
        assert load_line(now)
        assert _text(load_table(now))
    raw = {"p99", "p99.9", "priority 2, 3, 4"}
    assert {text for text in shown - raw if text and not is_translated(text)} == set()


def test_the_demo_says_why_it_failed() -> None:
    verdict = Verdict(LedgerTotals(1, 1, 0, lost=1), {}, (), ("1 lost",))
    assert "1 lượt giao bị mất" in _text(closing_view(verdict, {}, {}, VI))
