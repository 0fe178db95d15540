"""Recordings: what was recorded comes back as it was; a part is whole or not there; a faulty folder is told."""

import errno
from pathlib import Path

import duckdb
import msgspec
import orjson
import pyarrow.parquet as pq
import pytest

from docaxis.cli import main
from docaxis.domain.errors import InfrastructureError, UsageError
from docaxis.domain.event import Delivered, Receipt, Refusal, Sent, Status
from docaxis.domain.run import canary_run
from docaxis.recording.columns import columns_of, event_of
from docaxis.recording.engine import engine
from docaxis.recording.manifest import MANIFEST, read_manifest
from docaxis.recording.profile import profile
from docaxis.recording.reader import attach, open_recording
from docaxis.recording.recorder import Selection, canaries
from docaxis.recording.schema import COLUMNS, SCHEMA
from docaxis.recording.writer import RecordingWriter
from tests.support.recordings import Stored, record_events, sent, stored

US = 1_600_000_000_000_000
EVENTS: dict[str, list[object]] = {
    "sent": [sent(1, US, recipients=("G22", "G01")), sent(2, US + 5)],
    "delivered": [
        Delivered(
            version=1, run="old", packet_id="H53.2021.0000001.0", document_id="H53.2021.0000001", sender="H53", type=3,
            priority=2, steering=1, business=0, size=7, calendar_ms=5, intended_us=US, sent_us=US, accepted_us=US + 9,
            sent_partition=4, recipient="G22", sha256="ab",
        ),
    ],
    "status": [
        Receipt(1, "old", "H53.2021.0000001.0", "H53.2021.0000001", "H53", "G22", "FAIL", 2, 5, 3, 70,
                US, US + 1, US + 2, US + 3, US + 4),
        Status(1, "old", "H53.2021.0000001.0", "H53.2021.0000001", "H53", "G22", "03", 77, US + 8),
        Receipt(1, "old", "H53.2021.0000001.0", "H53.2021.0000001", "H53", "G01", "DONE", 2, 5, 3, 71,
                US, US + 1, US + 2, US + 3, US + 4),
    ],
    "refused": [Refusal(1, 18, "unknown", "axis.sent", 3, 12, US + 7, "old", "p", "d", "H53", "Y99")],
}  # fmt: skip


@pytest.mark.parametrize("topic", list(EVENTS))
def test_every_event_comes_back_as_it_was(topic: str) -> None:
    tables = columns_of(topic, 3, stored(EVENTS[topic], 100))
    rows = sorted((row for table in tables for row in table.to_pylist()), key=lambda row: int(row["sequence"]))
    assert [event_of(row, "old") for row in rows] == EVENTS[topic]
    assert [(row["partition"], row["offset"]) for row in rows] == [(3, 100 + n) for n in range(len(rows))]


def test_what_is_no_event_is_kept_with_its_place_and_its_reason() -> None:
    records = [*stored(EVENTS["sent"]), Stored(2, 1_600_000_000_002, b"{"), Stored(3, 1_600_000_000_003, None)]
    tables = columns_of("sent", 0, records)
    bad = [row for table in tables for row in table.to_pylist() if row["kind"] == "unreadable"]
    assert [(row["offset"], row["code"], row["value"]) for row in bad] == [(2, "10", "ew=="), (3, "10", "")]
    assert sum(table.num_rows for table in tables) == len(records)


def test_rows_are_sorted_by_time_and_ties_keep_their_order(tmp_path: Path) -> None:
    events = [sent(number, US + at) for number, at in enumerate((9, 3, 3, 7, 3, 9), 1)]
    recording = record_events(tmp_path / "r", events)
    rows = pq.read_table(recording.files[0]).to_pylist()
    assert [row["document_id"][-1] for row in rows] == ["2", "3", "5", "4", "1", "6"]
    assert [row["sequence"] for row in rows] == [1, 2, 4, 3, 0, 5]


def test_a_writer_goes_on_after_its_last_whole_part(tmp_path: Path) -> None:
    begun = {"prefix": "axis"}
    first = RecordingWriter(tmp_path / "r", begun)
    first.add(columns_of("sent", 0, stored(EVENTS["sent"])))
    first.flush({"sent/0": 2})
    first.add(columns_of("sent", 0, stored([sent(3, US)], 2)))  # never flushed: as if killed here
    (tmp_path / "r" / ".part-000001.parquet.unfinished").write_bytes(b"half")
    second = RecordingWriter(tmp_path / "r", begun)
    assert (second.rows, second.positions) == (2, {"sent/0": 2})
    assert not list((tmp_path / "r").glob(".*"))
    second.add(columns_of("sent", 0, stored([sent(3, US)], 2)))
    second.flush({"sent/0": 3})
    with duckdb.connect() as connection:
        query = f"SELECT sequence, \"offset\" FROM '{tmp_path}/r/part-*.parquet' ORDER BY sequence"
        found = connection.execute(query).fetchall()
    assert found == [(0, 0), (1, 1), (2, 2)]


def test_a_folder_begun_with_other_options_is_not_gone_on_with(tmp_path: Path) -> None:
    RecordingWriter(tmp_path / "r", {"prefix": "axis"})
    with pytest.raises(UsageError, match="begun with prefix 'axis', now it is 'other'"):
        RecordingWriter(tmp_path / "r", {"prefix": "other"})


def test_nothing_is_written_into_a_folder_of_something_else(tmp_path: Path) -> None:
    (tmp_path / "letters.txt").write_text("mine")
    with pytest.raises(UsageError, match="not empty"):
        RecordingWriter(tmp_path, {})
    assert [path.name for path in tmp_path.iterdir()] == ["letters.txt"]


def test_a_full_disk_is_one_message_and_leaves_no_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = RecordingWriter(tmp_path / "r", {})
    writer.add(columns_of("sent", 0, stored(EVENTS["sent"])))

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(pq, "write_table", full)
        with pytest.raises(InfrastructureError, match=r"part-000000.parquet could not be written: No space left"):
            writer.flush({})
    assert [path.name for path in (tmp_path / "r").iterdir()] == ["recording.json"]
    with pytest.raises(UsageError, match="was not finished"):
        open_recording(tmp_path / "r")
    writer.flush({"sent/0": 2})  # there is room again: nothing was lost
    assert writer.rows == 2


def test_a_truncated_part_is_told_with_its_place(tmp_path: Path) -> None:
    recording = record_events(tmp_path / "r", [sent(number, US + number) for number in range(1, 300)])
    part = Path(recording.files[1])
    part.write_bytes(part.read_bytes()[:-100])
    with pytest.raises(UsageError, match=r"part-000001.parquet has [\d,]+ bytes, the manifest says"):
        open_recording(tmp_path / "r")
    part.unlink()
    with pytest.raises(UsageError, match=r"part-000001.parquet is missing"):
        open_recording(tmp_path / "r")


def test_a_part_whose_end_was_overwritten_is_told_too(tmp_path: Path) -> None:
    recording = record_events(tmp_path / "r", [sent(1, US)])
    part = Path(recording.files[0])
    part.write_bytes(part.read_bytes()[:-8] + b"xxxxxxxx")
    with pytest.raises(UsageError, match="no whole part"):
        open_recording(tmp_path / "r")


@pytest.mark.parametrize("content", [b"", b"{}", b"[1"])
def test_a_manifest_that_cannot_be_read_is_told(tmp_path: Path, content: bytes) -> None:
    recording = record_events(tmp_path / "r", [sent(1, US)])
    (recording.folder / MANIFEST).write_bytes(content)
    with pytest.raises(UsageError, match=r"manifest.json cannot be read"):
        read_manifest(recording.folder)


def test_a_manifest_of_another_version_is_refused(tmp_path: Path) -> None:
    recording = record_events(tmp_path / "r", [sent(1, US)])
    newer = msgspec.structs.replace(recording.manifest, schema_version=99)
    (recording.folder / MANIFEST).write_bytes(msgspec.json.encode(newer))
    with pytest.raises(UsageError, match="schema_version is 99"):
        open_recording(recording.folder)


def test_the_manifest_says_what_the_recording_holds(tmp_path: Path) -> None:
    hour_us = 3_600_000_000
    events = [sent(1, US, recipients=("G22", "G01")), sent(2, US + 1), sent(3, US + 5 * hour_us, sender="G22")]
    manifest = record_events(tmp_path / "r", events).manifest
    assert (manifest.rows, manifest.documents, manifest.deliveries, manifest.senders) == (3, 3, 4, 2)
    assert manifest.agencies == ["G01", "G22", "H53"]
    assert (manifest.time_us_min, manifest.time_us_max) == (US, US + 5 * hour_us)
    assert [gap.to_us - gap.from_us for gap in manifest.gaps] == [5 * hour_us]


def test_only_what_is_selected_is_recorded() -> None:
    (table,) = columns_of("sent", 0, stored([sent(1, US, recipients=("G22", "G01")), sent(2, US + 5), sent(3, US + 9)]))

    def chosen(**selection: object) -> list[str]:
        rows = Selection(**selection).of(table)  # type: ignore[arg-type]
        return [one[-1] for one in rows["document_id"].to_pylist()]

    assert chosen() == ["1", "2", "3"]
    assert chosen(from_us=US + 5) == ["2", "3"]
    assert chosen(to_us=US + 9) == ["1", "2"]
    assert chosen(agencies=("G01",)) == ["1"]
    assert chosen(agencies=("H53",)) == ["1", "2", "3"]
    assert chosen(runs=("new",)) == []


def with_a_canary(count: int = 5) -> list[Sent]:
    """Return two documents of a run, and so many of a canary."""
    marked = [
        msgspec.structs.replace(sent(number, US + number), run=canary_run("main")) for number in range(3, 3 + count)
    ]
    return [sent(1, US), *marked, sent(2, US + 9)]


def test_canaries_are_recorded_only_by_name() -> None:
    tables = columns_of("sent", 0, [*stored(with_a_canary()), Stored(7, 1_600_000_000_002, b"{")])

    def rows(*runs: str) -> int:
        return sum(Selection(runs=runs).of(table).num_rows for table in tables)

    assert rows() == 3  # two documents, and the record that nobody can read
    assert rows(canary_run("main")) == 5
    assert rows("old", canary_run("main")) == 7
    assert sum(map(canaries, tables)) == 5


def test_canaries_that_a_recording_holds_are_no_traffic(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recording = record_events(tmp_path / "r", with_a_canary(), part_rows=3)
    pure = record_events(tmp_path / "pure", [sent(1, US)])
    assert (recording.canaries, pure.canaries) == ([canary_run("main")], [])
    with engine() as connection:
        assert attach(connection, [recording, pure]) == 5
        assert profile(connection, "sent").documents == 3
    for command in (["inspect"], ["replay", "--dry-run"]):
        assert main([*command, str(recording.folder)]) == 0
        told = capsys.readouterr().out
        assert "5 events of canaries are left out: they are no traffic" in told
        assert ("2 documents, 2 deliveries" in told) == (command[0] == "replay")
        assert main([*command, str(pure.folder)]) == 0
        assert "left out" not in capsys.readouterr().out
    assert main(["inspect", str(recording.folder), "--json"]) == 0
    content = orjson.loads(capsys.readouterr().out)
    assert (content["canaries_left_out"], content["profile"]["documents"]) == (5, 2)
    alone = record_events(tmp_path / "alone", with_a_canary()[1:-1])
    assert main(["replay", "--dry-run", str(alone.folder)]) == 2
    assert "no event fits; 5 events of canaries are left out" in capsys.readouterr().err


def test_a_profile_counts_only_where_the_expression_holds(tmp_path: Path) -> None:
    events = [
        sent(number, US + number * 3_600_000_000, recipients=("G22", "G01")[: 1 + number % 2])
        for number in range(1, 25)
    ]
    recording = record_events(tmp_path / "r", events)
    with engine() as connection:
        attach(connection, [recording])
        whole = profile(connection, "sent")
        part = profile(connection, "sent", "len(recipients) = 2")
        with pytest.raises(UsageError, match=r"--where .*colour"):
            profile(connection, "sent", "colour = 3")
    assert (whole.documents, whole.deliveries, part.documents, part.deliveries) == (24, 36, 12, 24)
    assert whole.by_hour == (1,) * 24
    assert whole.by_fan_out == {1: 12, 2: 12}
    assert whole.pairs == (("H53", "G22", 24), ("H53", "G01", 12))


def test_every_column_has_a_meaning_and_no_two_have_one_name() -> None:
    assert len({column.name for column in COLUMNS}) == len(SCHEMA)
    assert all(column.meaning for column in COLUMNS)
