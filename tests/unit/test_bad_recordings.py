"""What cannot be true or whole of a recording is one message with its place and a next step, for every command."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from docaxis.cli import main
from docaxis.domain.event import Receipt, Sent
from docaxis.recording.clocks import check_clocks, first_out_of_order
from docaxis.recording.columns import columns_of
from docaxis.recording.manifest import MANIFEST, Manifest, write_manifest
from docaxis.recording.reader import open_recording
from docaxis.recording.summary import summarise
from docaxis.recording.writer import RecordingWriter
from tests.support.recordings import record_events, sent, stored
from tests.support.small_disk import small_disk

US = 1_614_042_000_000_000  # a Tuesday, 08:00 in Vietnam
COMMANDS: dict[str, Callable[[Path], list[str]]] = {
    "inspect": lambda folder: ["inspect", str(folder)],
    "replay": lambda folder: ["replay", str(folder), "--dry-run"],
    "fit": lambda folder: ["fit", str(folder), "-o", str(folder.with_name("fitted.toml"))],
}


def documents(count: int = 12) -> list[Sent]:
    return [sent(number, US + number * 1000) for number in range(1, count + 1)]


def change(folder: Path, part: int, changed: Callable[[pa.Table], pa.Table]) -> Path:
    """Write a part of a whole recording anew, its manifest agreeing with the new size."""
    manifest = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
    path = folder / manifest.parts[part].file
    table = pq.read_table(path)
    pq.write_table(changed(table).replace_schema_metadata(table.schema.metadata), path)
    parts = list(manifest.parts)
    parts[part] = msgspec.structs.replace(parts[part], bytes=path.stat().st_size)
    write_manifest(folder, msgspec.structs.replace(manifest, parts=parts))
    return path


def out_of_order(folder: Path) -> str:
    record_events(folder, documents(), part_rows=6)
    change(folder, 1, lambda table: table.take([0, 4, 2, 3, 1, 5]))
    return "part-000001.parquet row 3: its time goes back by 0.002 s"


def received_before_sent(folder: Path) -> str:
    writer, events = RecordingWriter(folder, {"prefix": "axis"}), documents()
    writer.add(columns_of("sent", 0, stored(events)))
    receipts = [
        Receipt(
            1, "old", one.packet_id, one.document_id, one.sender, "G22", "DONE", 0, one.calendar_ms, 0, number,
            one.intended_us, one.sent_us, one.sent_us, one.sent_us, one.sent_us + (-2_500_000 if number == 7 else 9),
        )
        for number, one in enumerate(events)
    ]  # fmt: skip
    writer.add(columns_of("status", 0, stored(receipts)))
    writer.flush({})
    write_manifest(folder, summarise(folder, writer.parts, {"prefix": "axis"}, sensitive=False))
    assert open_recording(folder).manifest.received_before_sent == 1
    return "part-000000.parquet row 1 was received 2.500 s before it was sent; 1 such rows in all"


@pytest.mark.parametrize("command", list(COMMANDS))
@pytest.mark.parametrize("fault", [out_of_order, received_before_sent])
def test_a_clock_that_went_backwards_is_refused_unless_it_is_allowed(
    fault: Callable[[Path], str], command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = fault(tmp_path / "r")
    arguments = COMMANDS[command](tmp_path / "r")
    assert main(arguments) == 2
    told = capsys.readouterr()
    assert wanted in told.err
    assert "--allow-backwards" in told.err
    assert told.out == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r"]
    assert main([*arguments, "--allow-backwards"]) == 0


def test_order_is_by_time_and_then_by_number() -> None:
    def first(*rows: tuple[int, int]) -> int | None:
        times, numbers = (np.array(column, np.int64) for column in zip(*rows, strict=True))
        return first_out_of_order(times, numbers)

    assert first((1, 5), (1, 6), (2, 0), (2, 1)) is None
    assert first((1, 5), (2, 0), (1, 6)) == 2
    assert first((1, 5), (1, 4)) == 1


def test_parts_may_overlap_in_time(tmp_path: Path) -> None:
    """A recorder reads partitions side by side: only within a part are rows in order."""
    events = documents()
    check_clocks(record_events(tmp_path / "r", [*events[6:], *events[:6]], part_rows=6))


def garbled(folder: Path) -> str:
    record_events(folder, documents(60), part_rows=30)
    path = folder / "part-000001.parquet"
    content = bytearray(path.read_bytes())
    content[4:800] = b"\xff" * 796
    path.write_bytes(bytes(content))
    return "part-000001.parquet"


def without_a_column(folder: Path) -> str:
    record_events(folder, documents(), part_rows=6)
    change(folder, 1, lambda table: table.drop_columns(["size"]))
    return "part-000001.parquet: column 'size' is missing, expected int64"


def with_another_type(folder: Path) -> str:
    record_events(folder, documents(), part_rows=6)
    change(folder, 0, lambda table: table.set_column(1, "time_us", table["time_us"].cast(pa.float64())))
    return "part-000000.parquet: column 'time_us' is double, expected int64"


@pytest.mark.parametrize("command", list(COMMANDS))
@pytest.mark.parametrize("fault", [garbled, without_a_column, with_another_type])
def test_a_part_that_was_changed_is_told_with_its_name(
    fault: Callable[[Path], str], command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = fault(tmp_path / "r")
    assert main(COMMANDS[command](tmp_path / "r")) == 2
    told = capsys.readouterr().err
    assert wanted in told
    assert "restore it" in told
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r"]


def test_damage_that_only_a_query_meets_is_no_fault_of_docaxis(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    garbled(tmp_path / "r")
    assert main(["inspect", str(tmp_path / "r"), "--allow-backwards"]) == 2
    assert "a part is damaged" in capsys.readouterr().err


def test_agencies_that_the_registry_lacks_are_told_and_no_workload_is_left(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record_events(tmp_path / "r", [sent(1, US, "Z98", ("Z99",))])
    assert main(COMMANDS["fit"](tmp_path / "r")) == 2
    assert "2 agencies of the recording are not in the registry: Z98, Z99" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r"]


def test_a_full_disk_leaves_no_workload(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record_events(tmp_path / "r", documents())
    with small_disk(tmp_path / "small", 4) as disk:  # room for the table, not for the workload
        assert main(["fit", str(tmp_path / "r"), "-o", str(disk / "f.toml"), "--day", "4m"]) == 4
        assert list(disk.iterdir()) == []
    told = capsys.readouterr().err
    assert "f.toml could not be written: No space left on device" in told
    assert "make room or choose another folder" in told


def test_a_full_disk_leaves_no_recording_of_an_import(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edges = tmp_path / "edges.txt"
    edges.write_text("".join(f"{n * 7 % 300} {n * 11 % 300 + 300} {1_000_000_000 + n}\n" for n in range(5000)))
    with small_disk(tmp_path / "small", 32) as disk:
        assert main(["import", str(edges), "--map", "edge-list", "-o", str(disk / "r")]) == 4
        assert list(disk.iterdir()) == []
    told = capsys.readouterr().err
    assert "could not be written: No space left on device" in told
    assert "make room or choose another folder" in told
