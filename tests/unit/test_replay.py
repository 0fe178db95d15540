"""Replays without a broker: due times are absolute, order is the recording's, copies and pseudonyms are repeatable."""

import itertools
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from docaxis.cli import main
from docaxis.commands.control import check_speed
from docaxis.commands.kafka_for_run import DELIVERY_BYTES, DOCUMENT_BYTES
from docaxis.commands.replay_end import Objectives
from docaxis.commands.replay_run import bytes_needed, load_test_of
from docaxis.commands.replay_run import replay as run_a_replay
from docaxis.commands.steering import speed_of
from docaxis.domain.agency import Registry
from docaxis.domain.clock import ManualClock
from docaxis.domain.codec import decode_sent
from docaxis.domain.errors import InfrastructureError, UsageError
from docaxis.domain.plan import first_plan, paused, resumed, with_factor
from docaxis.recording.engine import engine
from docaxis.recording.pseudonym import Pseudonyms
from docaxis.recording.reader import Recording
from docaxis.recording.replay_plan import (
    TRAFFIC_COLUMNS,
    Extent,
    ReplayPlan,
    planned_blocks,
    prepare,
    read_plan,
    schedule_of,
    write_plan,
)
from docaxis.recording.schedule import ReplaySchedule
from docaxis.settings import PathSettings, Settings
from monitor.live.page import LiveSettings
from monitor.words import Language
from producers.drafting import stamped
from producers.recorded import Ahead, AlreadySent, Slice, hashes_of, recorded_slices
from producers.recorded_events import Event, EventsSent, event_hashes
from producers.replayed import as_steered
from tests.support.recordings import record_events, sent

US = 1_600_000_000_000_000
CODES = Registry.load().codes


def plan_of(*recordings: Recording, **options: Any) -> ReplayPlan:
    """Return a plan."""
    return ReplayPlan(recordings=[str(one.folder) for one in recordings], run="again", created_us=US, **options)


def slices_of(plan: ReplayPlan, done: AlreadySent | None = None) -> list[Slice]:
    """Return all that a plan sends."""
    return list(recorded_slices(plan, 6, CODES, done or AlreadySent()))


def events_of(slices: list[Slice]) -> list[Any]:
    """Return the documents as they will stand in the topic, each with its due time as intended time."""
    return [
        decode_sent(stamped(head, due, due))
        for one in slices
        for head, due in zip(one.drafts.heads, one.due_us.tolist(), strict=True)
    ]


# --- the schedule


@given(
    times=st.lists(st.integers(0, 10**13), min_size=1, max_size=50).map(sorted),
    speed=st.floats(0.01, 1e6),
    cuts=st.lists(st.integers(0, 50), max_size=4).map(sorted),
)
def test_due_times_are_absolute_however_the_blocks_are_cut(times: list[int], speed: float, cuts: list[int]) -> None:
    whole = ReplaySchedule(times[0], speed).due(np.array(times))
    schedule = ReplaySchedule(times[0], speed)
    bounds = [0, *cuts, len(times)]
    parts = [schedule.due(np.array(times[a:b], np.int64)) for a, b in itertools.pairwise(bounds)]
    assert np.concatenate(parts).tolist() == whole.tolist() == [int((at - times[0]) / speed) for at in times]


@given(
    gaps=st.lists(st.integers(0, 10**9), min_size=1, max_size=60),
    cut=st.integers(0, 60),
    max_gap=st.integers(0, 10**8),
)
def test_no_gap_is_longer_than_allowed_and_the_others_stay(gaps: list[int], cut: int, max_gap: int) -> None:
    times = np.cumsum(np.array([0, *gaps]))
    schedule = ReplaySchedule(0, 1.0, max_gap_us=max_gap)
    due = np.concatenate([schedule.due(times[:cut]), schedule.due(times[cut:])])
    assert np.diff(due).tolist() == [min(gap, max_gap) for gap in gaps]
    assert schedule.gaps_skipped == sum(gap > max_gap for gap in gaps)
    assert schedule.skipped_us == sum(max(0, gap - max_gap) for gap in gaps)


@given(times=st.lists(st.integers(0, 10**7), min_size=1, max_size=80).map(sorted), cut=st.integers(0, 80))
def test_a_rate_limit_delays_no_more_than_it_must_and_loses_nothing(times: list[int], cut: int) -> None:
    interval_us = 100_000
    schedule = ReplaySchedule(0, 1.0, rate_per_s=10.0)
    due = np.concatenate([schedule.due(np.array(times[:cut], np.int64)), schedule.due(np.array(times[cut:], np.int64))])
    expected, free = [], 0
    for at in times:
        expected.append(max(at, free))
        free = expected[-1] + interval_us
    assert np.abs(due - expected).max() <= 1
    assert schedule.capped == sum(wanted - at >= 1 for wanted, at in zip(expected, times, strict=True))


# --- what is sent, and in which order


def test_several_recordings_are_merged_by_time_and_ties_keep_their_order(tmp_path: Path) -> None:
    one = record_events(
        tmp_path / "1", [sent(n, US + at, "H53") for n, at in enumerate((0, 50, 50, 90), 1)], part_rows=2
    )
    two = record_events(tmp_path / "2", [sent(n, US + at, "G22") for n, at in enumerate((50, 10, 90), 1)], part_rows=2)
    events = events_of(slices_of(plan_of(one, two)))
    assert [(event.sender, event.document_id[-1], event.intended_us) for event in events] == [
        ("H53", "1", 0), ("G22", "2", 10), ("H53", "2", 50), ("H53", "3", 50), ("G22", "1", 50), ("H53", "4", 90),
        ("G22", "3", 90),
    ]  # fmt: skip


def test_a_document_is_sent_as_it_was_but_for_run_and_stamps(tmp_path: Path) -> None:
    original = sent(7, US, "H53", ("G22", "G01", "H01"))
    (event,) = events_of(slices_of(plan_of(record_events(tmp_path / "r", [original]))))
    assert event == msgspec.structs.replace(original, run="again", intended_us=0, sent_us=0)


@pytest.mark.parametrize(
    ("options", "numbers"),
    [
        ({"from_us": US + 3, "to_us": US + 6}, [3, 4, 5]),
        ({"agencies": ["G22"]}, [2, 4, 6, 8]),
        ({"where": "packet_id LIKE '%7.0'"}, [7]),
        ({"limit": 2, "from_us": US + 5}, [5, 6]),
    ],
)
def test_only_what_is_chosen_is_sent(tmp_path: Path, options: dict[str, Any], numbers: list[int]) -> None:
    events = [sent(n, US + n, "H53" if n % 2 else "G22", ("G01",)) for n in range(1, 10)]
    found = events_of(slices_of(plan_of(record_events(tmp_path / "r", events), **options)))
    assert [int(event.document_id[-1]) for event in found] == numbers
    assert found[0].intended_us == 0  # the first chosen event begins the replay


def test_nothing_that_fits_and_a_wrong_expression_are_told(tmp_path: Path) -> None:
    recording = record_events(tmp_path / "r", [sent(1, US)])
    with pytest.raises(UsageError, match="nothing to replay"):
        slices_of(plan_of(recording, where="size > 5000"))
    with pytest.raises(UsageError, match="--where"):
        slices_of(plan_of(recording, where="size >"))


def test_copies_have_ids_of_their_own_and_shifts_that_repeat(tmp_path: Path) -> None:
    recording = record_events(tmp_path / "r", [sent(n, US + n * 1_000_000) for n in range(1, 40)])
    plan = plan_of(recording, amplify=3, jitter_us=5_000_000, speed=10.0)
    events = events_of(slices_of(plan))
    assert len({event.packet_id for event in events}) == len({event.document_id for event in events[::1]}) == 117
    assert [event.intended_us for event in events] == sorted(event.intended_us for event in events)
    assert events == events_of(slices_of(plan))
    assert events != events_of(slices_of(msgspec.structs.replace(plan, seed=2)))
    due = {event.packet_id: event.intended_us for event in events}
    for n in range(1, 40):
        original = due[f"H53.2021.{n:07d}.0"]
        assert original == (n - 1) * 100_000
        assert all(0 <= due[f"H53.2021.{n:07d}.0~{copy}"] - original <= 5_000_000 for copy in (1, 2))


def test_what_was_sent_before_is_not_sent_again(tmp_path: Path) -> None:
    recording = record_events(tmp_path / "r", [sent(n, US + n) for n in range(1, 400)])
    plan = plan_of(recording)
    before = events_of(slices_of(plan))
    done = AlreadySent(np.sort(hashes_of([event.packet_id for event in before[:150:2]])))
    after = events_of(slices_of(plan, done))
    assert [event.packet_id for event in after] == [
        event.packet_id for n, event in enumerate(before) if n % 2 or n >= 150
    ]
    assert after[0].intended_us == before[1].intended_us


def test_drafting_ahead_gives_everything_in_order_and_no_more_than_the_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("producers.recorded.AHEAD_MAX", 250)
    recording = record_events(tmp_path / "r", [sent(n, US + n) for n in range(1, 1001)], part_rows=500)
    plan = plan_of(recording)
    ahead = Ahead(recorded_slices(plan, 6, CODES, AlreadySent()), ManualClock())
    taken = []
    ahead.fill()
    while (one := ahead.next()) is not None:
        taken.append(one)
    assert [event.packet_id for event in events_of(taken)] == [f"H53.2021.{n:07d}.0" for n in range(1, 1001)]


def test_a_plan_comes_back_as_it_was(tmp_path: Path) -> None:
    recording = record_events(tmp_path / "r", [sent(1, US)])
    plan = plan_of(recording, speed=0.1, where="size > 1", agencies=["H53"])
    write_plan(tmp_path / "replay.json", plan)
    assert read_plan(tmp_path / "replay.json") == plan
    (tmp_path / "replay.json").write_text("{}")
    with pytest.raises(UsageError, match="no plan of a replay"):
        read_plan(tmp_path / "replay.json")


def test_planned_blocks_hold_every_column_asked_for(tmp_path: Path) -> None:
    recording = record_events(tmp_path / "r", [sent(1, US)])
    with engine() as connection:
        plan = plan_of(recording)
        (block,) = planned_blocks(connection, schedule_of(plan, prepare(connection, plan)), TRAFFIC_COLUMNS)
    assert block.table.schema.names == [*TRAFFIC_COLUMNS, "at_us", "copy"]


# --- pseudonyms


def test_pseudonyms_hide_ids_keep_the_rest_and_repeat(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_bytes(b"k" * 32)
    events = [sent(n, US + n, "H53", ("G22", "G01")) for n in range(1, 30)]
    recording = record_events(tmp_path / "r", events, sensitive=True)
    plan = plan_of(recording, key_file=str(key))
    hidden = events_of(slices_of(plan))
    assert hidden == events_of(slices_of(plan))
    assert len({event.document_id for event in hidden}) == 29
    for event, original in zip(hidden, events, strict=True):
        assert (event.type, event.size, event.sender, event.recipients) == (
            original.type, original.size, original.sender, original.recipients,
        )  # fmt: skip
        assert event.packet_id == f"{event.document_id}.0"
        assert "2021" not in event.packet_id.split(".")
    key.write_bytes(b"other" * 8)
    assert {event.document_id for event in events_of(slices_of(plan))}.isdisjoint(e.document_id for e in hidden)


def test_permuted_agencies_are_a_permutation_that_the_key_decides() -> None:
    one, other = Pseudonyms(b"a" * 16).permuted(CODES), Pseudonyms(b"b" * 16).permuted(CODES)
    assert set(one) == set(one.values()) == set(CODES)
    assert one == Pseudonyms(b"a" * 16).permuted(CODES[::-1]) != other


@pytest.mark.parametrize("content", [None, b"short\n"])
def test_a_key_that_is_none_is_told(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "key").write_bytes(content)
    with pytest.raises(UsageError, match="--pseudonymise"):
        Pseudonyms.load(tmp_path / "key")


# --- the command, before anything is started


def test_a_sensitive_recording_is_not_sent_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record_events(tmp_path / "r", [sent(1, US)], sensitive=True)
    assert main(["replay", str(tmp_path / "r")]) == 2
    assert "is marked sensitive" in capsys.readouterr().err


def test_agencies_that_the_registry_lacks_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record_events(tmp_path / "r", [sent(1, US, "Y99", ("G22", "Y98"))])
    assert main(["replay", str(tmp_path / "r")]) == 2
    assert "2 agencies of the recording are not in the registry: Y98, Y99" in capsys.readouterr().err


def test_runs_that_use_the_same_ids_must_be_chosen_between(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    events = [msgspec.structs.replace(sent(n, US + n), run=run) for run in ("one", "two") for n in (1, 2)]
    record_events(tmp_path / "r", events)
    arguments = ["replay", str(tmp_path / "r"), "--dry-run"]
    assert main(arguments) == 2
    assert "holds 2 runs that use the same ids (2 packets): one, two" in capsys.readouterr().err
    assert main([*arguments, "--where", "run = 'two'"]) == 0
    assert "2 documents, 2 deliveries" in capsys.readouterr().out


def test_a_dry_run_tells_what_would_be_sent(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    events = [sent(n, US + n * 100_000, "H53", ("G22", "Y98")) for n in range(1, 101)]
    record_events(tmp_path / "r", events)
    assert main(["replay", str(tmp_path / "r"), "--duration", "5s", "--dry-run"]) == 0
    told = capsys.readouterr().out
    assert "100 documents, 200 deliveries" in told
    assert "duration 5.0 s at speed 1.98" in told
    assert "100 documents name an agency that the registry lacks: Y98" in told


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "no recording is given"),
        (["{r}", "--speed", "0"], "--speed '0' is no speed"),
        (["{r}", "--speed", "fast"], "--speed 'fast' is no speed"),
        (["{r}", "--max-gap", "2"], "--max-gap '2' is no duration"),
        (["{r}", "--from", "yesterday"], "'yesterday' is no moment"),
        (["{r}", "--clock", "wall"], "--clock 'wall' is not known"),
        (["{r}", "--as", "magic"], "--as 'magic' is not known"),
        (["--resume", "replay-none"], "is no plan of a replay"),
        (["r", "--speed", "2", "--duration", "5s"], "each say how fast"),
        (["{r}/part-000000.parquet"], "is no recording"),
    ],
)
def test_wrong_options_are_one_message(
    tmp_path: Path, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    record_events(tmp_path / "r", [sent(1, US)])
    assert main(["replay", *(one.format(r=tmp_path / "r") for one in arguments)]) == 2
    assert said in capsys.readouterr().err


def test_events_that_were_sent_are_struck_off_as_often_as_they_were() -> None:
    events = [Event("status", 0, b"k", value) for value in (b"a", b"a", b"b", b"a", b"c")]
    hashes, counts = np.unique(event_hashes("status", [b"a", b"c", b"a"]), return_counts=True)
    sent = EventsSent(hashes, counts)
    assert sent.take(events) == [2, 3]
    assert sent.take(events) == [0, 1, 2, 3, 4]
    assert EventsSent(*np.unique(event_hashes("sent", [b"a"]), return_counts=True)).take(events) == [0, 1, 2, 3, 4]
    assert EventsSent().take(events) == [0, 1, 2, 3, 4]


def test_each_life_of_a_replay_is_held_against_how_it_was_steered() -> None:
    """The first is made twice as fast after 2 s and stands still from 3 s to 10 s; the second begins with event 3."""
    first = first_plan("r", US, [("replay", "load", 60_000_000, True, False)])
    fast = with_factor(first, US + 2_000_000, 2.0)
    standing = paused(fast, US + 3_000_000)
    going = resumed(standing, fast, US + 10_000_000)
    second = first_plan("r", US + 100_000_000, [("replay", "load", 60_000_000, True, False)])
    due_us = np.array([0, 2_000_000, 4_000_000, 6_000_000, 6_500_000], np.int64)
    sent_us = US + np.array([0, 2_000_000, 10_000_000, 100_000_000, 100_500_000])
    moved_us, life = as_steered(due_us, sent_us, [going, second])
    assert life.tolist() == [0, 0, 0, 1, 1]
    assert moved_us.tolist() == [0, 2_000_000, 10_000_000, 6_000_000, 6_500_000]


def test_another_speed_holds_from_its_moment_on_and_due_times_stay_absolute() -> None:
    begin_us, second = 1_700_000_000_000_000, 1_000_000
    plan = first_plan("r", begin_us, [("replay", "load", 100 * second, True, False)])
    plan = msgspec.structs.replace(plan, speed=60.0)
    due = np.arange(0, 100 * second, second)
    faster = with_factor(plan, begin_us + 10 * second, 120 / plan.speed)
    slower = with_factor(faster, begin_us + 20 * second, 30 / plan.speed)
    assert slower.speeds == [(begin_us + 10 * second, 120.0), (begin_us + 20 * second, 30.0)]
    # Ten seconds at 60, ten at 120 and the rest at 30: due times are offered / 1, / 2 and / 0.5 from each moment on.
    offset_s = [0, 9, 10, 12, 28, 30, 31, 60]
    wanted_s = [0, 9, 10, 11, 19, 20, 22, 80]
    found = (slower.due_us(0, due[offset_s]) - begin_us) / second
    assert found.tolist() == wanted_s
    # What is past stays as it was, to the microsecond.
    assert slower.due_us(0, due[:31]).tolist() == faster.due_us(0, due[:31]).tolist()


@pytest.mark.parametrize(
    ("speed", "closed", "value", "message"),
    [
        (60.0, False, "0.1", "give 0.6 to 60000"),
        (60.0, False, "60001", "began with 60"),
        (0.0, True, "10", "as fast as the axis goes"),
        (0.0, False, "10", "is a load test"),
    ],
)
def test_a_speed_that_a_run_cannot_have_is_told(speed: float, closed: bool, value: str, message: str) -> None:
    plan = first_plan("r", 0, [("replay", "load", 100, True, closed)])
    with pytest.raises(UsageError) as caught:
        check_speed(msgspec.structs.replace(plan, speed=speed), value)
    assert message in caught.value.render()
    check_speed(msgspec.structs.replace(plan, speed=60.0), "600")


@pytest.mark.parametrize("text", ["", "2x", "0", "nan", "1e5", "1000000000000"])
def test_what_is_no_speed_is_told(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert speed_of(text) is None
    assert main(["control", "latest", "speed", *([text] if text else [])]) == 2
    assert "docaxis control RUN speed 60" in capsys.readouterr().err


def test_a_replay_that_does_not_fit_on_the_disk_is_refused_before_a_broker_starts(tmp_path: Path) -> None:
    recording = record_events(tmp_path / "r", [sent(n, US + n) for n in range(1, 40)])
    plan = plan_of(recording)
    with engine() as connection:
        extent = prepare(connection, plan)
    assert bytes_needed(plan, extent) == 39 * (DOCUMENT_BYTES + DELIVERY_BYTES)
    assert bytes_needed(msgspec.structs.replace(plan, closed=True), extent) < bytes_needed(plan, extent)
    assert bytes_needed(msgspec.structs.replace(plan, resumed=1), extent) == 0
    home = tmp_path / "home"
    settings = Settings(paths=PathSettings(home=home, runs=tmp_path / "runs"))
    huge = msgspec.structs.replace(extent, documents=10**15)
    with pytest.raises(InfrastructureError, match=r"GiB are free at .*, and the run writes about"):
        run_a_replay(settings, plan, huge, Objectives(), LiveSettings(), Language.EN, keep=False)
    assert not home.exists()


def test_an_objective_about_agencies_that_are_not_there_is_refused() -> None:
    """It could not be judged at the end, and the replay would pass."""
    wanted = {"name": "fast", "stage": "delivery", "percentile": 99, "at_most": "1 s"}
    extent = Extent(10, 10, 30, US, US + 1_000_000)
    known = Objectives(of_load=({**wanted, "agencies": ["ministry"]},))
    assert load_test_of(plan_of(), extent, known, US).loaded.workload.objectives
    with pytest.raises(UsageError, match=r"objectives\.0\.agencies: 'minstry' is neither .* did you mean ministry"):
        load_test_of(plan_of(), extent, Objectives(of_load=({**wanted, "agencies": ["minstry"]},)), US)
