"""What a load test shows while it runs: every figure that its watcher needs, right, in both languages, on a terminal
and without one. The state is known to the last number, and comes as it does in a run: as readings."""

import io
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from docaxis.commands.conduct_load import LoadMoment
from docaxis.commands.run import PLAIN_INTERVAL_S, _teller
from docaxis.domain.plan import first_plan, paused
from monitor.histogram import Histogram
from monitor.load_view import BEHIND_S, Now, load_line, load_partial, load_table
from monitor.reading import ARRIVALS, GENERATOR, LEDGER, Reading, Readings
from monitor.report_words import report_word
from monitor.seconds import SecondReading
from monitor.series import Series
from monitor.words import Language

EN, VI = Language.EN, Language.VI
BEGIN_S = 1_800_000_000
NOW_US = (BEGIN_S + 20) * 1_000_000 + 400_000

PLAN = first_plan(
    "r", BEGIN_S * 1_000_000, [("warm", "warm-up", 5_000_000, False, False), ("load", "load", 60_000_000, True, False)]
)


def _stages(**latencies_ms: tuple[float, ...]) -> dict[str, list[int]]:
    stages = {}
    for stage, values_ms in latencies_ms.items():
        histogram = Histogram()
        histogram.observe(np.array([round(value * 1000) for value in values_ms], np.int64))
        stages[stage] = histogram.to_sparse()
    return stages


def _known() -> tuple[Readings, Series]:
    """Return what two fleets and a stream worker told up to now; the newest seconds are half counted."""
    shown, newest = BEGIN_S + 20 - BEHIND_S, BEGIN_S + 20
    readings, series = Readings(), Series("r")

    def put(topic: str, source: str = "", **told: Any) -> None:
        reading = Reading(1, "r", topic, 0, 1, NOW_US, source, **told)
        readings.put(reading)
        series.put(reading)

    for source, offered, late_ms in (("fleet-0", 130, 12.5), ("fleet-1", 70, 4.0)):
        counts = {"offered": offered, "offered_deliveries": 4 * offered}
        stages = _stages(lateness=(late_ms, 1.0), schedule_error=(late_ms / 2,))
        full, begun = SecondReading(counts, stages), SecondReading({"offered": 3, "offered_deliveries": 9})
        put(GENERATOR, source, seconds={shown: full, newest: begun})
        put(ARRIVALS, source, counts={"scheduled": offered + 10, "acked": offered, "in_flight": offered // 10})
    stages = _stages(delivery=(40,) * 98 + (900,) * 2, delivery_uncorrected=(30,), routing=(25,), pickup=(2,))
    full, begun = SecondReading({"received": 750}, stages), SecondReading({"received": 8})
    put("status", seconds={newest - 1: full, newest: begun})
    audited = {"deliveries_expected": 4_000, "delivered_once": 2_747, "duplicated": 2}
    put(LEDGER, counts={**audited, "outstanding": 1_234, "refused": 17, "late": 6})
    return readings, series


def _now(language: Language, now_us: int = NOW_US) -> Now:
    readings, series = _known()
    return Now(PLAN, series.newest(10), readings, "r", now_us, 512 * 2**20, language)


#: What the line says, by its English words; milliseconds to within a histogram's 1.6 %.
LINE = {
    "offered": 800,
    "received": 750,
    "p50": 40.0,
    "p99": 900.0,
    "in flight": 20,
    "outstanding": 1234,
    "refused": 17,
    "late by": 12.5,
}

PARTIAL = {
    "documents offered": 220,
    "documents sent": 200,
    "deliveries expected": 4000,
    "delivered once": 2747,
    "duplicated": 2,
    "refused": 17,
    "outstanding": 1234,
}

TABLE = {
    "offered documents/s": 200,
    "offered deliveries/s": 800,
    "received deliveries/s": 750,
    "schedule error max": 6.25,
    "send delay max": 12.5,
    "delivery p50": 40.0,
    "delivery p99": 900.0,
    "uncorrected p99": 30.0,
    "routing p99": 25.0,
    "pickup p99": 2.0,
    "in flight": 20,
    "outstanding": 1234,
    "refused": 17,
    "late deliveries": 6,
    "memory": 512,
}


def _check(text: str, wanted: Mapping[str, float], language: Language) -> None:
    """Check that each figure stands behind its name, in the language."""
    for name, value in wanted.items():
        label = report_word(name, language)
        assert language is EN or label != name or name in ("p50", "p99"), name
        found = re.search(rf"(?<![\w-]){re.escape(label)} +([\d,.]+)", text)
        assert found is not None, (label, text)
        assert float(found[1].replace(",", "")) == pytest.approx(value, rel=0.016), label


def _table(now: Now) -> str:
    return _text(lambda console: console.print(load_table(now)))


def _text(show: Callable[[Console], None], *, terminal: bool = False) -> str:
    written = io.StringIO()
    show(Console(file=written, width=160, force_terminal=terminal))
    return re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", written.getvalue())


@pytest.mark.parametrize("language", [EN, VI])
def test_the_line_has_every_figure(language: Language) -> None:
    line = load_line(_now(language))
    assert "\n" not in line
    assert line.split()[:3] == ["20", "s", "load"]
    assert line.endswith("512 MiB")
    _check(line, LINE, language)


@pytest.mark.parametrize("language", [EN, VI])
def test_an_interrupted_run_says_what_it_had_come_to(language: Language) -> None:
    line = load_partial(_now(language))
    assert line.startswith(report_word("interrupted, no verdict", language) + ": 20 s  load  ")
    _check(line, PARTIAL, language)


@pytest.mark.parametrize("language", [EN, VI])
def test_the_table_has_every_figure(language: Language) -> None:
    text = _table(_now(language))
    assert re.match(r" *r   20 s   load\s", text)
    _check(text, TABLE, language)


@pytest.mark.parametrize(
    ("at_s", "english", "vietnamese"),
    [(-1, "starting", "sắp bắt đầu"), (2, "warm", "warm"), (20, "load", "load"), (70, "drain", "xả hết")],
)
def test_both_say_where_the_run_is(at_s: int, english: str, vietnamese: str) -> None:
    for language, said in ((EN, english), (VI, vietnamese)):
        now = _now(language, (BEGIN_S + at_s) * 1_000_000)
        assert re.match(rf" *{at_s} s  {said}\b", load_line(now))
        assert f"r   {at_s} s   {said}" in _table(now)


def test_a_pause_is_told() -> None:
    plan = paused(PLAN, NOW_US - 1_000_000)
    readings, series = _known()
    for language, said in ((EN, "paused"), (VI, "tạm dừng")):
        assert said in load_line(Now(plan, series.newest(10), readings, "r", NOW_US, 0, language))


def test_before_anything_is_known_there_are_no_figures_and_none_are_invented() -> None:
    line = load_line(Now(PLAN, [], Readings(), "r", BEGIN_S * 1_000_000, 0, EN))
    assert "p50 – p99 –" in line
    assert re.search(r"offered +0 +received +0 ", line)
    assert line.rstrip().endswith("late by –  0 MiB")


@pytest.mark.parametrize("language", [EN, VI])
@pytest.mark.parametrize("terminal", [False, True], ids=["no-terminal", "terminal"])
def test_a_run_shows_the_table_on_a_terminal_and_a_line_now_and_then_without_one(
    terminal: bool, language: Language, monkeypatch: pytest.MonkeyPatch
) -> None:
    readings, series = _known()
    moment = LoadMoment(20.4, PLAN, series, readings, 512 * 2**20)
    clock_s = [1000.0]
    monkeypatch.setattr("sys.stdout.isatty", lambda: terminal)
    monkeypatch.setattr("docaxis.commands.run.time.monotonic", lambda: clock_s[0])

    def show(console: Console) -> None:
        with _teller(console, "r", language) as tell:
            for _ in range(3):
                tell(moment)
            clock_s[0] += PLAIN_INTERVAL_S
            tell(moment)

    text = _text(show, terminal=terminal)
    _check(text, TABLE if terminal else LINE, language)
    if not terminal:
        assert len(text.splitlines()) == 2
