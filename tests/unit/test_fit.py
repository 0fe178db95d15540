"""A fitted workload offers what the recording held: hours, recipients, who writes to whom, kinds, sizes and bursts."""

from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest

from docaxis.cli import main
from docaxis.commands.fit import fitted_workload
from docaxis.domain.agency import Registry
from docaxis.domain.event import Sent
from docaxis.recording.fitting import MINUTE_US, burst_factor, distance, share_moved
from docaxis.workload.file import parse_workload
from producers.arrival_process import arrival_process
from producers.fitted_day import offered_day
from producers.offering import model_of
from tests.support.recordings import PER_HOUR, history, record_events, sent

#: Stated bounds: an hour's count by chance, distances of distributions, share of deliveries with another pair.
SIGMAS, DISTANCE_MAX, MOVED_MAX = 5, 0.1, 0.15


def fitted(folder: Path, events: list[Sent], *options: str) -> Path:
    """Record the events, fit them, and return the workload."""
    record_events(folder / "r", events, part_rows=1000)
    out = folder / "fitted.toml"
    assert main(["fit", str(folder / "r"), "-o", str(out), *options]) == 0
    return out


def test_a_fitted_workload_reproduces_the_recording(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    events = history()
    out = fitted(tmp_path, events, "--day", "48s")
    told = capsys.readouterr().out
    assert "580.0 documents a working day, the mean of 3" in told
    assert all(one in told for one in ("recorded", "hours", "recipients", "sizes", "who writes to whom", "receipts"))
    day = offered_day(fitted_workload(out), Registry.load())
    for hour in range(24):
        wanted = PER_HOUR.get(hour, 0)
        assert abs(day.hours[hour] - wanted) <= SIGMAS * max(wanted, 1) ** 0.5, (hour, day.hours)
    assert distance(Counter(len(event.recipients) for event in events), day.fan_outs) <= DISTANCE_MAX
    assert distance(Counter(event.priority for event in events), day.priorities) <= DISTANCE_MAX
    assert distance(Counter(event.size for event in events), Counter(day.sizes)) <= DISTANCE_MAX
    pairs: Counter[object] = Counter((event.sender, to) for event in events for to in event.recipients)
    # Circulars are few, and each is a delivery to everybody: without those whom only they reach, chance is small.
    pairs, offered = ({one: n for one, n in counts.items() if n > 20} for counts in (pairs, day.pairs))  # type: ignore[assignment]
    assert share_moved(pairs, offered) <= MOVED_MAX
    assert {str(pair)[2:5] for pair in day.pairs} == {"H53", "G22"}


def test_heaps_of_documents_become_bursts_with_their_dispersion(tmp_path: Path) -> None:
    """Documents come eight at a time; the workload's counts a minute vary as much against their mean."""
    hour_us = round(datetime(2021, 2, 23, 1, tzinfo=UTC).timestamp() * 1e6)
    starts = np.sort(np.random.default_rng(4).integers(0, 3_600_000_000, 200))
    events = [sent(number + 1, hour_us + int(starts[number // 8]) + number % 8) for number in range(1600)]
    busy = fitted_workload(fitted(tmp_path, events, "--day", "24s")).phases[8]
    recorded = np.bincount(starts // MINUTE_US, minlength=60) * 8
    wanted = recorded.var() / recorded.mean()
    assert busy.arrivals == "bursts"
    assert busy.burst_factor == pytest.approx(burst_factor(1600 / 3_600_000_000, wanted), rel=0.1)
    # The formula against what its process does, not squeezed: 120 hours of it.
    text = (
        f'name = "b"\n[[phases]]\nname = "p"\nduration = "120 h"\narrivals = "bursts"\nburst_for = "60 s"\n'
        f'rate = "{1600 / 3600:.6f} documents/s"\nburst_factor = {busy.burst_factor}\ncalm_for = "240 s"\n'
    )
    process = arrival_process(parse_workload(text, "here", None).workload.phases[0], 1.0, 7, 0)
    counts = np.zeros(120 * 60)
    for points in process.points(10_000):
        minutes = (process.times_us(points) // MINUTE_US).astype(np.int64)
        counts += np.bincount(minutes[minutes < len(counts)], minlength=len(counts))
        if len(minutes) and minutes[-1] >= len(counts):
            break
    assert counts.var() / counts.mean() == pytest.approx(wanted, rel=0.25)


def test_the_distances_are_those_of_the_distributions() -> None:
    assert distance({1: 3, 2: 1}, {1: 30, 2: 10}) == pytest.approx(0)
    assert distance({1: 4}, {1: 1, 2: 3}) == pytest.approx(0.75)
    assert share_moved({"a": 1, "b": 1}, {"a": 1, "c": 1}) == pytest.approx(0.5)
    assert share_moved({"a": 2}, {"a": 5}) == 0


def test_a_recording_without_a_working_day_is_told_and_leaves_no_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sunday_us = round(datetime(2021, 2, 28, 3, tzinfo=UTC).timestamp() * 1e6)
    record_events(tmp_path / "r", [sent(1, sunday_us)])
    assert main(["fit", str(tmp_path / "r"), "-o", str(tmp_path / "w.toml")]) == 2
    assert "no document on a working day" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r"]


@pytest.mark.parametrize(("year", "code"), [(2001, 0), (1970, 0), (2150, 2)])
def test_other_years_have_their_holidays_too(
    year: int, code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tuesday = next(datetime(year, 9, day, 3, tzinfo=UTC) for day in range(3, 10) if date(year, 9, day).weekday() == 1)
    start_us = round(tuesday.timestamp() * 1e6)
    record_events(tmp_path / "r", [sent(number + 1, start_us + number) for number in range(3)])
    assert main(["fit", str(tmp_path / "r"), "-o", str(tmp_path / "w.toml")]) == code, capsys.readouterr()


def test_a_table_that_is_none_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = fitted(tmp_path, history(2))
    (tmp_path / "fitted.traffic.json").write_text('{"agencies": []}')
    assert main(["run", str(out), "--check"]) == 2
    assert "fitted.traffic.json is no table of traffic" in capsys.readouterr().err
    (tmp_path / "fitted.traffic.json").unlink()
    assert main(["run", str(out), "--check"]) == 2
    assert "fitted.traffic.json: No such file" in capsys.readouterr().err


def test_the_mean_number_of_recipients_is_the_recorded_one(tmp_path: Path) -> None:
    events = history(seed=2)
    workload = fitted_workload(fitted(tmp_path, events))
    mean = sum(len(event.recipients) for event in events) / len(events)
    assert model_of(workload.traffic[0], Registry.load(), 1).fan_out.mean == pytest.approx(mean)
