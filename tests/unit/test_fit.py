"""A fitted workload offers what the recording held: as many documents in each hour, as many recipients each."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from docaxis.cli import main
from docaxis.domain.agency import Registry
from docaxis.domain.calendar import VIETNAM_OFFSET_MS
from docaxis.domain.event import Sent
from docaxis.recording.fitting import fan_out_distance
from docaxis.workload.file import load_workload
from producers.fan_out_fit import fit_fan_out
from producers.offering import MixedModel, Offering
from tests.support.recordings import record_events, sent

DAYS = (23, 24, 25)  # of February 2021: Tuesday to Thursday
PER_HOUR = {8: 120, 9: 200, 11: 60, 14: 160, 15: 40}
CODES = Registry.load().codes
#: Stated bounds: an hour's Poisson count over a few seeds, and the distance of the distributions of recipients.
SIGMAS, DISTANCE_MAX = 5, 0.1


def history(seed: int = 1) -> list[Sent]:
    """Return some days of documents, and a Sunday that must not count."""
    rng = np.random.default_rng(seed)
    events: list[Sent] = []
    for day in (*DAYS, 28):
        midnight_ms = round(datetime(2021, 2, day, tzinfo=UTC).timestamp() * 1000) - VIETNAM_OFFSET_MS
        for hour, count in ({3: 500} if day == 28 else PER_HOUR).items():
            for at_ms in np.sort(rng.integers(0, 3_600_000, count)).tolist():
                fan_out = int(rng.choice([1, 2, 3, 6, 94], p=[0.6, 0.2, 0.1, 0.09, 0.01]))
                recipients = [code for code in CODES if code != "H53"][:fan_out]
                instant_us = (midnight_ms + hour * 3_600_000 + at_ms) * 1000
                events.append(sent(len(events) + 1, instant_us, "H53", recipients))
    return events


def test_a_fitted_workload_reproduces_the_hours_and_the_recipients(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    events = history()
    record_events(tmp_path / "r", events, part_rows=1000)
    out = tmp_path / "fitted.toml"
    assert main(["fit", str(tmp_path / "r"), "-o", str(out), "--day", "48s"]) == 0
    assert "580.0 documents a working day, the mean of 3" in capsys.readouterr().out
    workload = load_workload(str(out)).workload
    offering = Offering(workload, Registry.load(), 0, lambda path: np.empty(0))
    fan_outs: list[int] = []
    hours = np.zeros(24)
    for number, phase in enumerate(workload.offering):
        load = offering.load(number)
        for block in load.blocks():
            due_us = load.times_us(block.points, ((0, 1.0),))
            mine = int(np.searchsorted(due_us, phase.duration))
            if mine:
                drafts = block.draft(0, mine)
                fan_outs += drafts.fan_out.tolist()
                at_ms = offering.calendar_ms(number, due_us[:mine]) + VIETNAM_OFFSET_MS
                hours += np.bincount(at_ms // 3_600_000 % 24, minlength=24)
            if mine < len(due_us) or not len(due_us):
                break
    for hour in range(24):
        wanted = PER_HOUR.get(hour, 0)
        assert abs(hours[hour] - wanted) <= SIGMAS * max(wanted, 1) ** 0.5, (hour, hours)
    recorded: dict[int, int] = {}
    for event in events:
        recorded[len(event.recipients)] = recorded.get(len(event.recipients), 0) + 1
    offered = np.bincount(fan_outs, minlength=95)[1:] / len(fan_outs)
    assert fan_out_distance(recorded, offered) <= DISTANCE_MAX


def test_what_a_mix_can_say_exactly_is_found_exactly() -> None:
    by_fan_out = {1: 900, 94: 100}
    kinds = fit_fan_out(by_fan_out, 94)
    assert sum(one.share for one in kinds) == pytest.approx(1)
    assert [(one.mean, one.everybody) for one in kinds if one.share > 0.05] == [(1.0, False), (94.0, True)]
    assert kinds[0].share == pytest.approx(0.9, abs=0.01)


def test_the_distance_is_that_of_the_distributions() -> None:
    assert fan_out_distance({1: 3, 2: 1}, np.array([0.75, 0.25])) == pytest.approx(0)
    assert fan_out_distance({1: 4}, np.array([0.25, 0.75])) == pytest.approx(0.75)


def test_a_recording_without_a_working_day_is_told_and_leaves_no_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sunday_us = round(datetime(2021, 2, 28, 3, tzinfo=UTC).timestamp() * 1e6)
    record_events(tmp_path / "r", [sent(1, sunday_us)])
    assert main(["fit", str(tmp_path / "r"), "-o", str(tmp_path / "w.toml")]) == 2
    assert "no document on a working day" in capsys.readouterr().err
    assert not (tmp_path / "w.toml").exists()


def test_the_mean_number_of_recipients_is_kept(tmp_path: Path) -> None:
    events = history(seed=2)
    record_events(tmp_path / "r", events, part_rows=1000)
    assert main(["fit", str(tmp_path / "r"), "-o", str(tmp_path / "w.toml")]) == 0
    model = MixedModel.of(load_workload(str(tmp_path / "w.toml")).workload.traffic, Registry.load(), 1)
    mean = sum(len(event.recipients) for event in events) / len(events)
    assert model.fan_out_mean == pytest.approx(mean, rel=0.1)
