"""Workloads are read strictly: every fault at its line with the nearest known word, and what is shipped is sound."""

from pathlib import Path

import pytest

from docaxis.cli import main
from docaxis.commands.generate import schema_text
from docaxis.domain.agency import Registry
from docaxis.domain.errors import UsageError
from docaxis.workload.consistency import inconsistencies
from docaxis.workload.file import load_workload, parse_workload, shipped, workload_of
from docaxis.workload.model import Workload
from docaxis.workload.units import JULY_2022_DOCUMENTS_PER_S, duration_text, parse_duration_us, parse_rate
from producers.offering import MixedModel

ROOT = Path(__file__).parents[2]

FAULTY = """name = "trial"
sed = 3
[[phases]]
name = "warm"
kind = "warmup"
duration = "5"
rate = "100 documents/s"
[[phases]]
name = "load"
duration = "10 s"
rate = "300 docs/s"
[[objectives]]
name = "x"
percentil = 99
at_most = 3
"""

SOUND = """name = "trial"
[[phases]]
name = "load"
duration = "10 s"
rate = "300 documents/s"
"""


def _said(text: str) -> str:
    with pytest.raises(UsageError) as caught:
        parse_workload(text, "trial.toml", None)
    return caught.value.render()


def test_all_faults_at_once_each_with_line_and_nearest_word() -> None:
    said = _said(FAULTY)
    assert "6 faults" in said
    for line, words in {
        2: ("sed: unknown key", "did you mean seed?"),
        5: ("'warmup'", "did you mean warm-up?"),
        6: ("'5'", '"10 s"'),
        11: ("'300 docs/s'", '"200 documents/s"'),
        14: ("percentil: unknown key", "did you mean percentile?"),
        15: ("at_most = 3", "a duration with its unit"),
    }.items():
        found = next(row for row in said.splitlines() if f"trial.toml:{line}:" in row)
        assert all(word in found for word in words), found


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ('arrivals = "ramp"', "arrivals 'ramp' need to"),
        ('to = "5 documents/s"', "arrivals 'poisson' have no to"),
        ('arrivals = "closed"\nin_flight = 5', "arrivals 'closed' have no rate"),
        ('kind = "drain"', "a drain sends nothing: it has no rate"),
        ("[[faults]]\nkind = 'delay'\ncount = 1", "fault 'delay' needs by"),
        ("[[faults]]\nkind = 'paused-hub'\nlasts = '1 s'\nphase = 'lod'", "no phase 'lod'"),
        (
            "[[objectives]]\nname = 'a'\nstage = 'routing'\npercentile = 99\nat_most = '1 s'\npriorities = [2]",
            "delivery",
        ),
        ("[[objectives]]\nname = 'a'", "0 are given"),
        (
            "[[objectives]]\nname = 'a'\nstage = 'delivery'\npercentile = 99\nat_most = '1 s'\npriorities = [4, 9]",
            "trial.toml:11: objectives.0.priorities.1 = 9: Input should be less than or equal to 4",
        ),
    ],
)
def test_impossible_phases_faults_and_objectives(more: str, said: str) -> None:
    assert said in _said(SOUND + more)


def test_a_file_that_is_not_there_names_the_nearest_shipped_one() -> None:
    with pytest.raises(UsageError, match="steedy") as caught:
        load_workload("steedy")
    assert "did you mean steady?" in caught.value.render()


def test_quantities_have_units() -> None:
    assert parse_duration_us("1.5 min") == 90_000_000
    assert parse_rate("1000x July 2022").documents_per_s(3.0) == pytest.approx(1000 * JULY_2022_DOCUMENTS_PER_S)
    assert parse_rate("30 deliveries/s").documents_per_s(3.0) == pytest.approx(10)
    for wrong in ("5", 5, "-1 s", "1 day", "1s s"):
        with pytest.raises(ValueError, match="unit"):
            parse_duration_us(wrong)
    for duration_us in (0, 1_000, 1_500_000, 90_000_000, 3_600_000_000):
        assert parse_duration_us(duration_text(duration_us)) == duration_us


@pytest.mark.parametrize("name", sorted(shipped()))
def test_shipped_workloads_are_sound_and_say_what_they_are_for(name: str) -> None:
    loaded = load_workload(name)
    assert loaded.workload.name == name
    assert len(loaded.workload.purpose) > 20
    assert shipped()[name].startswith("# ")
    assert "this project's own" in shipped()[name], "where the thresholds come from"
    assert any(one.count == "lost" for one in loaded.workload.objectives)
    MixedModel.of(loaded.workload.traffic, Registry.load(), 1)  # names only agencies and kinds that exist


@pytest.mark.parametrize("name", sorted(shipped()))
def test_a_workload_survives_being_told_to_a_fleet(name: str) -> None:
    workload = load_workload(name).workload
    told = workload.model_dump(mode="json", exclude_none=True, exclude_unset=True)
    assert workload_of(told, "told").workload == workload


def test_the_schema_is_current_and_knows_every_key() -> None:
    text = (ROOT / "docs" / "workload.schema.json").read_text(encoding="utf-8")
    assert text == schema_text()
    assert all(f'"{key}"' in text for key in Workload.model_fields)


def test_check_shows_what_would_happen(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--check", "broadcast-storm"]) == 0
    shown = capsys.readouterr().out
    assert "documents, about" in shown
    assert "█" in shown
    assert main(["run", "--check", "no-such-workload"]) == 2


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ('kind = "delay"\ncount = 1\nby = "1 s"\nphase = "closed"', "in a closed phase (closed) nothing is due"),
        (
            'kind = "duplicate"\ncount = 1\nphase = "drain"',
            "there is no phase 'drain' that sends; there are load, closed",
        ),
        (
            'kind = "paused-hub"\nlasts = "1 s"\nat = "10 s"',
            "trial.toml:18: faults.0.at: fault 'paused-hub': at is 10 s, and phase 'load' is over 10 s after",
        ),
        ('kind = "duplicate"\ncount = 1\nat = "1 h"\nphase = "closed"', "at is 1 h, and phase 'closed' is over 5 s"),
    ],
)
def test_a_fault_that_could_not_happen_in_its_phase_is_refused(fault: str, said: str) -> None:
    phases = '[[phases]]\nname = "closed"\nduration = "5 s"\narrivals = "closed"\nin_flight = 100\n'
    phases += '[[phases]]\nname = "drain"\nkind = "drain"\nduration = "5 s"\n'
    assert said in _said(f"{SOUND}{phases}[[faults]]\n{fault}\n")


def test_a_closed_phase_is_not_measured_beside_open_ones_whose_latencies_are_judged() -> None:
    closed = '[[phases]]\nname = "closed"\nduration = "5 s"\narrivals = "closed"\nin_flight = 100\n'
    latency = '[[objectives]]\nname = "fast"\nstage = "delivery"\npercentile = 99\nat_most = "1 s"\n'
    refused = "phase 'closed' is closed, and objectives are about the latencies of others"
    assert refused in _said(f"{SOUND}{closed}{latency}")
    for sound in (
        f"{SOUND}{closed}",
        f"{SOUND}{closed}{latency}".replace('"closed"\nduration', '"closed"\nkind = "warm-up"\nduration'),
        f'name = "all-closed"\n{closed}{latency}',
    ):
        parse_workload(sound, "trial.toml", None)


@pytest.mark.parametrize(
    "fault", ['"paused-hub"\nlasts = "1 s"', '"killed-hub"', '"limited-hub"\nrate = "9 deliveries/s"']
)
def test_a_hub_that_the_run_does_not_start_is_not_befallen(
    fault: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "trial.toml"
    file.write_text(f"{SOUND}[[faults]]\nkind = {fault}\n", encoding="utf-8")
    assert main(["run", "--check", str(file)]) == 0
    assert main(["run", "--check", "--hub", "external", str(file)]) == 2
    assert f"{file}:7: faults.0.kind: fault {fault.split()[0][1:-1]!r}: the hub is external" in capsys.readouterr().err
    file.write_text(f'hub = "external"\n{file.read_text(encoding="utf-8")}', encoding="utf-8")
    assert main(["run", "--check", str(file)]) == 2
    assert main(["run", "--check", "--hub", "reference", str(file)]) == 0


def test_all_that_is_wrong_is_told_at_once_each_at_its_line() -> None:
    """Within a table, between tables, and although the tables themselves are at fault."""
    text = (
        'name = "x"\nseed = 1\nhub = "foo"\n'
        '[[phases]]\nname = "a"\nduration = "9 s"\narrivals = "spike"\nrate = "5 documents/s"\nto = "9 documents/s"\n'
        '[[phases]]\nname = "a"\nduration = "9 s"\nrate = "5 documents/s"\n'
        '[[faults]]\nkind = "paused-hub"\nphase = "aa"\ncount = 3\n'
        '[[objectives]]\nname = "o"\nstage = "routing"\npercentile = 99\nagencies = ["H53"]\npriorities = [2]\n'
        '[[objectives]]\nname = "o"\ncount = "lost"\n'
    )
    said = _said(text).splitlines()
    assert [line.split(": ")[0].rpartition(":")[2] for line in said if line.startswith("  - ")] == [
        "3", "4", "9", "11", "14", "16", "17", "18", "18", "18", "25",
    ]  # fmt: skip
    for words in (
        "need peak, spike_at, spike_for",
        "'spike' have no to",
        "two phases are called 'a'",
        "two objectives are called 'o'",
        "needs lasts",
        "no phase 'aa' that sends; did you mean a?",
        "'paused-hub' has no count",
        "belong together",
        "only the stage delivery",
        "exclude each other",
    ):
        assert any(words in line for line in said), words


def test_what_contradicts_itself_is_found_in_any_content() -> None:
    assert not inconsistencies({"phases": 3, "faults": [7, {"phase": "x"}], "traffic": "?", "newcomers": [None]})
    assert not inconsistencies({"phases": [], "traffic": [], "faults": [{"kind": "delay", "phase": "told already"}]})
    assert inconsistencies({"traffic": [{"share": "0"}, {"share": 0}]}), "text is read as a number"
    assert not inconsistencies({"traffic": [{"share": "0"}, {"share": [1]}]})
    shares = {"traffic": [{"share": 0}, {"share": 0.0}]}
    assert inconsistencies(shares) == [(("traffic",), "the shares of the traffic add up to nothing")]
    drains = {"phases": [{"kind": "drain", "duration": "8 h"}]}
    assert [why for _, why in inconsistencies(drains)] == ["nothing is sent: a load, soak or warm-up phase is missing"]
    week = {"phases": [{"name": str(day), "duration": "25 h"} for day in range(7)]}
    assert [why for _, why in inconsistencies(week)] == ["the phases last longer than seven days"]


@pytest.mark.parametrize(
    ("duration", "rate"), [("9" * 400 + " s", "5 documents/s"), ("5 s", "9" * 400 + " documents/s")]
)
def test_a_number_beyond_all_bounds_is_a_fault_like_any_other(duration: str, rate: str) -> None:
    said = _said(f'name = "x"\n[[phases]]\nname = "a"\nduration = "{duration}"\nrate = "{rate}"\n')
    assert "is expected" in said
    with pytest.raises(UsageError, match="cannot be read"):
        parse_workload(f'name = "x"\nseed = {"9" * 40}\n', "x", None)
