"""A fitted workload offers what the recording held: hours, recipients, who writes to whom, kinds, sizes and bursts."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import msgspec
import numpy as np
import pytest

from docaxis.cli import main
from docaxis.commands.fit import expected_hours, fitted_workload
from docaxis.domain.agency import Registry
from docaxis.domain.calendar import HOUR_MS, OfficeCalendar, days_between, midnight_ms, vietnam_calendar
from docaxis.domain.event import Sent
from docaxis.domain.run import canary_run
from docaxis.recording.fitting import MINUTE_US, burst_factor, distance, holidays_of, share_moved, week_of
from docaxis.workload.file import parse_workload
from producers.arrival_process import arrival_process
from producers.arrivals_weekly import hours_of
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


def test_canaries_are_not_fitted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    events = history()
    marked = [msgspec.structs.replace(one, run=canary_run("main"), packet_id=f"c.{one.packet_id}") for one in events]
    out = fitted(tmp_path, [*events, *marked])
    told = capsys.readouterr().out
    assert f"{len(marked):,} events of canaries are left out" in told
    assert "580.0 documents a working day, the mean of 3" in told
    assert sum(hours.sum() for hours in expected_hours(fitted_workload(out).phases[0])) == pytest.approx(580)


def test_heaps_of_documents_become_bursts_with_their_dispersion(tmp_path: Path) -> None:
    """Documents come eight at a time; the workload's counts a minute vary as much against their mean."""
    hour_us = round(datetime(2021, 2, 23, 1, tzinfo=UTC).timestamp() * 1e6)
    starts = np.sort(np.random.default_rng(4).integers(0, 3_600_000_000, 200))
    events = [sent(number + 1, hour_us + int(starts[number // 8]) + number % 8) for number in range(1600)]
    busy = fitted_workload(fitted(tmp_path, events, "--day", "24s")).phases[0]
    recorded = np.bincount(starts // MINUTE_US, minlength=60) * 8
    wanted = recorded.var() / recorded.mean()
    assert busy.arrivals == "weekly"
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


def days_of(first: date, per_day: dict[int, int], days: int) -> list[Sent]:
    """Return documents between ten and eleven: so many on each weekday (Monday: 0), a tenth of that on a holiday."""
    events: list[Sent] = []
    for day in days_between(first, first + timedelta(days=days - 1)):
        is_holiday, weekday = vietnam_calendar().is_holiday(day), day.weekday()
        start_us = (midnight_ms(day) + 10 * HOUR_MS) * 1000
        count = per_day[weekday] // (10 if is_holiday else 1)
        events += [
            sent(len(events) + number + 1, start_us + number * 3_600_000_000 // count) for number in range(count)
        ]
    return events


def test_weekends_and_holidays_are_fitted_and_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Four weeks around 30 April and 1 May 2021, a Friday and a Saturday, with 3 May off for the Saturday."""
    per_day = {0: 200, 1: 100, 2: 120, 3: 140, 4: 160, 5: 40, 6: 0}
    out = fitted(tmp_path, days_of(date(2021, 4, 12), per_day, 28), "--day", "6s", "--days", "7")
    told = capsys.readouterr().out
    assert "Mon 200.0, Tue 100.0, Wed 120.0, Thu 140.0, Fri 160.0, Sat 40.0, Sun 0.0" in told
    assert "holidays: 0.100 of their weekdays" in told
    assert "Documents by weekday" in told
    phase = fitted_workload(out).phases[0]
    assert phase.week is not None
    assert [sum(hours) for hours in phase.week] == pytest.approx(list(per_day.values()))
    assert [hours[10] for hours in phase.week] == pytest.approx(list(per_day.values()))
    assert phase.holiday_factor == pytest.approx(0.1)
    assert (phase.day, phase.days) == (date(2021, 5, 3), 7)
    # The Monday is off; with other days in the file, as a user would write them, none is.
    for first, monday in ((date(2021, 5, 3), 20), (date(2021, 5, 10), 200)):
        text = out.read_text().replace("2021-05-03", first.isoformat())
        other = out.with_name("other.toml")
        other.write_text(text)
        workload = fitted_workload(other)
        wanted_of = {**per_day, 0: monday}
        assert expected_hours(workload.phases[0]).sum(axis=1).tolist() == pytest.approx(list(wanted_of.values()))
        day = offered_day(workload, Registry.load())
        assert set(day.hours) == {10}
        for weekday, wanted in wanted_of.items():
            assert abs(day.weekdays[weekday] - wanted) <= SIGMAS * max(wanted, 1) ** 0.5, (weekday, day.weekdays)


def test_a_week_that_cannot_be_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = fitted(tmp_path, history(2))
    text = out.read_text()
    for old, new, message in (
        ("day = 2021-02-25", "day = 9999-12-31", "years 1901 to 2098"),
        ("days = 1", "days = 400", "less than or equal to 366"),
        ('arrivals = "weekly"', 'arrivals = "poisson"', "have no day"),
    ):
        assert old in text, old
        out.write_text(text.replace(old, new))
        assert main(["run", str(out), "--check"]) == 2
        assert message in capsys.readouterr().err


def test_a_saturday_that_makes_up_for_a_holiday_is_a_working_day() -> None:
    calendar, week = OfficeCalendar([date(2021, 4, 30)], [date(2021, 5, 8)], 2021, 2021), np.zeros((7, 24))
    week[:5, 9], week[5, 9] = [10, 20, 30, 40, 50], 3
    days = [date(2021, 5, 7), date(2021, 5, 8), date(2021, 5, 15), date(2021, 4, 30)]
    assert [hours_of(day, week, 0.5, calendar).sum() for day in days] == [50, 30, 3, 25]
    counts = {day: hours_of(day, week, 0.5, calendar) for day in days_between(date(2021, 4, 26), date(2021, 5, 16))}
    found, weekdays = week_of(counts, calendar)
    assert found.tolist() == week.tolist()
    assert weekdays == (3, 3, 3, 3, 2, 2, 3)
    assert holidays_of(counts, calendar, found) == (1, 0.5)


def test_the_follow_ups_are_fitted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    start_us = round(datetime(2021, 2, 23, 1, tzinfo=UTC).timestamp() * 1e6)
    events = [sent(number + 1, start_us + number * 8_000_000) for number in range(900)]
    for number, one in enumerate(events[:100]):
        at_us = one.sent_us + 600_000_000
        again = {"packet_id": f"{one.document_id}.1", "business": 1 + number % 4 // 2, "calendar_ms": at_us // 1000}
        events.append(msgspec.structs.replace(one, sent_us=at_us, intended_us=at_us, **again))
    out = fitted(tmp_path, events, "--day", "48s")
    assert "10.0% recorded (recalls 50, updates 50)" in capsys.readouterr().out
    workload = fitted_workload(out)
    recalls = workload.documents.recalls
    assert recalls is not None
    assert recalls.share == pytest.approx(0.1)
    assert sorted(recalls.kinds.items()) == [("1", 50), ("2", 50)]
    assert recalls.after == pytest.approx(600e6 * 48 / 86_400, rel=0.01)
    day = offered_day(workload, Registry.load())
    followed = day.hours.total() - day.business[0]
    # Those of the first ten minutes follow nothing up: before them nothing was sent.
    assert abs(followed - day.hours.total() / 10 * 11 / 12) <= SIGMAS * 10
    assert set(day.business) == {0, 1, 2}
