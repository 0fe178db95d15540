"""Imports: every row is a delivery of the recording or stands in the reject file with its line and reason."""

import gzip
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from docaxis.domain.agency import Registry
from docaxis.domain.errors import UsageError
from docaxis.recording.import_map import load_map, parse_map, shipped_maps
from docaxis.recording.importer import Imported
from docaxis.recording.reader import open_recording
from tests.support.recordings import import_text

HEADER = (
    "senderDocId,receiverDocId,fromCode,toCode,sentTime,receivedTime,"
    "sendStatus,receiveStatus,title,notation,serviceType,messageType"
)


def rows_of(folder: Path) -> list[dict[str, Any]]:
    """Return the rows of the recording at `folder`/out."""
    recording = open_recording(folder / "out")
    rows: list[dict[str, Any]] = pa.concat_tables([pq.read_table(file) for file in recording.files]).to_pylist()
    return rows


def rejected_of(folder: Path) -> list[tuple[int, str]]:
    """Return line and reason of what was rejected."""
    lines = (folder / "rejected.ndjson").read_bytes().splitlines()
    return [(one["line"], one["reason"]) for one in map(orjson.loads, lines)]


def sent_list(*rows: str) -> str:
    """Return the text of a sent list; a row is document, from, to, sent, received."""
    written = []
    for row in rows:
        document, sender, recipient, sent, received = row.split("|")
        written.append(
            f'{document},r1,{sender},{recipient},{sent},{received},done,done,"a ""title"", two\nlines",1,x,y'
        )
    return "\n".join([HEADER, *written]) + "\n"


def test_a_sent_list_becomes_packets_with_recipients_and_receipts(tmp_path: Path) -> None:
    text = sent_list(
        "d1|000.00.00.H53|G22|2021-02-23T08:00:00|2021-02-23T08:00:30",
        "d2|H01|G22|2021-02-23T07:00:00|",
        "d1|000.00.00.H53|G01|2021-02-23T08:00:00|2021-02-23T08:01:00",
        "d1|H53|G02|2021-02-23T09:00:00|2021-02-23T09:00:01",
    )
    done = import_text(tmp_path, text, "axis-sent-list")
    rows = rows_of(tmp_path)
    packets = [(row["packet_id"], row["sender"], row["recipients"]) for row in rows if row["kind"] == "sent"]
    assert packets == [("d2.0", "H01", ["G22"]), ("d1.0", "H53", ["G22", "G01"]), ("d1.1", "H53", ["G02"])]
    receipts = [row for row in rows if row["kind"] == "receipt"]
    assert [(row["packet_id"], row["recipient"], (row["received_us"] - row["sent_us"]) / 1e6) for row in receipts] == [
        ("d1.0", "G22", 30), ("d1.0", "G01", 60), ("d1.1", "G02", 1),
    ]  # fmt: skip
    assert rows[0]["time_us"] == 1_614_038_400_000_000  # 07:00 in Vietnam is midnight UTC
    assert done.manifest is not None
    assert (done.manifest.sensitive, done.manifest.registry, done.manifest.clock_backwards) == (True, "", 1)
    assert done.first_backwards == (4, 3_600_000_000)  # lines inside quotes count: the second row begins on line 4


def test_a_recipient_named_twice_goes_into_a_packet_of_its_own(tmp_path: Path) -> None:
    text = sent_list(*["d1|H53|G22|2021-02-23T08:00:00|"] * 3, "d1|H53|G01|2021-02-23T08:00:00|")
    import_text(tmp_path, text, "axis-sent-list")
    packets = [(row["packet_id"], row["recipients"]) for row in rows_of(tmp_path)]
    assert packets == [("d1.0", ["G22", "G01"]), ("d1.1", ["G22"]), ("d1.2", ["G22"])]


def test_an_edge_list_keeps_its_order_and_gets_a_registry(tmp_path: Path) -> None:
    lines = [f"{number % 7} {number % 5 + 7} {1000 + number // 4}" for number in range(1000)]
    done = import_text(tmp_path, "# who whom when\n" + "\n".join(lines), "edge-list")
    rows = rows_of(tmp_path)
    assert [row["offset"] for row in rows] == list(range(2, 1002))
    assert [row["sequence"] for row in rows] == list(range(1000))
    registry = open_recording(tmp_path / "out").registry()
    names = {agency.code: agency.name_en for agency in registry}
    assert all(agency.is_placeholder for agency in registry)
    assert [f"{names[row['sender']]} {names[row['recipients'][0]]} {row['time_us'] // 10**6}" for row in rows] == lines
    assert len({row["packet_id"] for row in rows}) == 1000
    assert done.manifest is not None
    assert not done.manifest.sensitive


def test_x_road_records_are_requests_of_clients_to_services(tmp_path: Path) -> None:
    one = {
        "securityServerType": "Client", "requestInTs": 1_600_000_000_123, "responseOutTs": 1_600_000_000_456,
        "clientXRoadInstance": "EE", "clientMemberClass": "GOV", "clientMemberCode": "7000", "clientSubsystemCode": "a",
        "serviceXRoadInstance": "EE", "serviceMemberClass": "COM", "serviceMemberCode": "1000", "requestSize": 1629,
        "succeeded": False,
    }  # fmt: skip
    text = b"\n".join(orjson.dumps(row) for row in (one, one | {"securityServerType": "Producer"}))
    done = import_text(tmp_path, text, "x-road")
    sent, receipt = rows_of(tmp_path)
    assert (done.rows, done.left_out, done.rejected) == (2, 1, 0)
    assert (sent["time_us"], sent["size"]) == (1_600_000_000_123_000, 1629)
    assert (receipt["received_us"] - receipt["sent_us"], receipt["state"]) == (333_000, "FAIL")
    assert {agency.name_en for agency in open_recording(tmp_path / "out").registry()} == {
        "EE/GOV/7000/a",
        "EE/COM/1000",
    }


def test_what_does_not_parse_is_rejected_with_line_and_reason(tmp_path: Path) -> None:
    lines = ["1 2 1000", "", "1 2", "x y tomorrow", "1 2 -5", "2 1 1001"]
    import_text(tmp_path, "\n".join(lines), "edge-list", share_max=0.9)
    assert rejected_of(tmp_path) == [
        (3, "2 words, expected 3"),
        (4, "sent at tomorrow: no time of the map's form"),
        (5, "sent at -5: out of range"),
    ]
    assert [row["offset"] for row in rows_of(tmp_path)] == [1, 6]


def test_rows_with_too_many_fields_and_lines_that_are_no_json_are_rejected(tmp_path: Path) -> None:
    text = sent_list("d1|H53|G22|2021-02-23T08:00:00|", "d2|H53|G22|2021-02-23T08:00:00|") + "a,b\n"
    import_text(tmp_path, text, "axis-sent-list", share_max=0.9)
    assert rejected_of(tmp_path) == [(6, "2 fields, the header has 12")]
    (tmp_path / "j").mkdir()
    good = orjson.dumps({"requestInTs": 1, "responseOutTs": 2, "clientMemberCode": "a", "serviceMemberCode": "b"})
    import_text(tmp_path / "j", good + b"\n{oops\n\xff\xfe\n" + good, "x-road", share_max=0.9)
    assert rejected_of(tmp_path / "j") == [(3, "not UTF-8"), (2, "not a JSON object")]


def failing(folder: Path, text: str | bytes, map_name: str, message: str, **options: Any) -> None:
    """Import what must fail with a message, and leave nothing that looks whole."""
    with pytest.raises(UsageError, match=message):
        import_text(folder, text, map_name, **options)
    assert not (folder / "out").exists()
    assert not (folder / ".out.unfinished").exists()


def test_too_many_rejected_rows_stop_the_import(tmp_path: Path) -> None:
    failing(tmp_path, "1 2 3\n1 2 x\n", "edge-list", r"1 of 2 rows were rejected, more than 1.0%; the first at line 2")


def test_an_empty_file_is_told(tmp_path: Path) -> None:
    failing(tmp_path, "", "edge-list", "is empty")
    failing(tmp_path, "\n\n# nothing\n", "edge-list", "holds no row to import")
    failing(tmp_path, HEADER + "\n", "axis-sent-list", "holds no row to import")


def test_a_missing_column_is_told_with_those_that_are_there(tmp_path: Path) -> None:
    failing(
        tmp_path,
        "fromCode,toCode\nH53,G22\n",
        "axis-sent-list",
        r"no column 'sentTime', .*'senderDocId'.*; it has 'fromCode'",
    )


def test_two_times_that_cannot_be_of_one_zone_are_told(tmp_path: Path) -> None:
    rows = [f"d{number}|H53|G22|2021-02-23T08:00:00|2021-02-23T01:00:01" for number in range(5)]
    failing(
        tmp_path,
        sent_list(*rows),
        "axis-sent-list",
        "5 of 5 rows were received .*; the first at line 2",
    )


def test_a_row_received_before_it_was_sent_is_rejected_unless_it_is_allowed(tmp_path: Path) -> None:
    rows = [f"d{n}|H53|G22|2021-02-23T08:00:00|2021-02-23T0{7 if n == 1 else 9}:59:59" for n in range(3)]
    text = sent_list(*rows)
    failing(tmp_path, text, "axis-sent-list", r"1 of 3 rows .*; the first at line 4: received at")
    done = import_text(tmp_path, text, "axis-sent-list", share_max=0.5)
    assert (done.rows, done.rejected, done.received_before_sent) == (3, 1, 1)
    assert rejected_of(tmp_path) == [
        (4, "received at 2021-02-23T07:59:59, before it was sent at 2021-02-23T08:00:00"),
    ]
    assert [row["document_id"] for row in rows_of(tmp_path)] == ["d0", "d2", "d0", "d2"]
    (tmp_path / "as-it-is").mkdir()
    done = import_text(tmp_path / "as-it-is", text, "axis-sent-list", allow_backwards=True)
    assert (done.rejected, done.received_before_sent) == (0, 1)
    assert done.manifest is not None
    assert done.manifest.received_before_sent == 1


def test_a_zone_that_does_not_exist_is_told(tmp_path: Path) -> None:
    text = (tmp_path / "m.toml").write_text(
        'name="x"\nformat="words"\ncolumns=["a","b","c"]\ntime="epoch_s"\nzone="Asia/Hanoi"\n'
        '[fields]\nsender="a"\nrecipient="b"\nsent="c"\n'
    )
    assert text
    failing(tmp_path, "1 2 3", str(tmp_path / "m.toml"), "zone: .*'Asia/Hanoi' is no time zone")


def test_clocks_going_backwards_are_an_error_only_where_order_was_asked_for(tmp_path: Path) -> None:
    text = "1 2 1000\n1 2 1010\n1 2 1003.5\n"
    failing(tmp_path, text, "edge-list", r"line 3: the time goes back by 6.500 s \(1 such rows", in_order=True)
    done: Imported = import_text(tmp_path, text, "edge-list")
    assert [row["offset"] for row in rows_of(tmp_path)] == [1, 3, 2]
    assert done.first_backwards == (3, 6_500_000)


def test_agencies_that_the_registry_does_not_know_are_rejected_where_the_map_says_so(tmp_path: Path) -> None:
    (tmp_path / "m.toml").write_text(
        'name="x"\nformat="words"\ncolumns=["a","b","c"]\ntime="epoch_s"\n[agencies]\nnames="registry"\n'
        '[fields]\nsender="a"\nrecipient="b"\nsent="c"\n'
    )
    text = "H53 G22 1\nH53 Z99 2\nG01 G02 3\n"
    import_text(tmp_path, text, str(tmp_path / "m.toml"), share_max=0.5)
    assert rejected_of(tmp_path) == [(2, "'Z99' is no agency of the registry")]
    assert [row["offset"] for row in rows_of(tmp_path)] == [1, 3]


def test_a_document_with_a_list_of_recipients_in_gzip(tmp_path: Path) -> None:
    (tmp_path / "agencies.csv").write_text("name,code\nHà Nội,H26\n")
    (tmp_path / "m.toml").write_text(
        'name="x"\nformat="tsv"\nrow="document"\ntime="%d/%m/%Y %H:%M"\n[agencies]\ntable="agencies.csv"\n'
        '[fields]\nsender="s"\nrecipients="r"\nsent="t"\ntype="k"\n[values.type]\n"công văn"="18"\n"quyết định"="2"\n'
    )
    text = "s\tr\tt\tk\nHà Nội\tG22; G01 ;;G22\t23/02/2021 08:00\tQuyết định\nG22\tHà Nội\t23/02/2021 08:01\t\n"
    import_text(tmp_path, gzip.compress(text.encode()), str(tmp_path / "m.toml"), name="in.tsv.gz")
    rows = rows_of(tmp_path)
    assert [(row["sender"], row["recipients"], row["type"]) for row in rows] == [
        ("H26", ["G22", "G01"], 2), ("H26", ["G22"], 2), ("G22", ["H26"], 18),
    ]  # fmt: skip
    assert rows[0]["time_us"] == 1_614_042_000_000_000


def test_a_truncated_parquet_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "m.toml").write_text('name="x"\nformat="parquet"\n[fields]\nsender="a"\nrecipient="b"\nsent="c"\n')
    whole = tmp_path / "whole.parquet"
    instants = pa.array([1_600_000_000_000_000, 1_600_000_000_000_001], pa.timestamp("us", "UTC"))
    pq.write_table(pa.table({"a": ["x", "y"], "b": ["y", "x"], "c": instants}), whole)
    failing(tmp_path, whole.read_bytes()[:-20], str(tmp_path / "m.toml"), "cannot be read as parquet")
    import_text(tmp_path, whole.read_bytes(), str(tmp_path / "m.toml"))
    assert [row["time_us"] for row in rows_of(tmp_path)] == [1_600_000_000_000_000, 1_600_000_000_000_001]


def test_the_shipped_maps_can_be_loaded_and_a_faulty_one_tells_all_its_faults() -> None:
    assert shipped_maps() == ["axis-sent-list", "edge-list", "x-road"]
    for name in shipped_maps():
        load_map(name)
    with pytest.raises(UsageError) as caught:
        parse_map('name="x"\nformat="xml"\ntime="later"\n[fields]\nsender="a"\nsent="b"\ncolour="c"\n', "m", Path())
    for said in ("format", "time", "fields.colour"):
        assert said in caught.value.message
    with pytest.raises(UsageError) as caught:
        load_map("nowhere.toml")
    assert "one of the shipped maps: axis-sent-list" in caught.value.render()


def test_codes_are_invented_in_a_stable_order(tmp_path: Path) -> None:
    import_text(tmp_path, "10 9 1\nH53 9 2\nX0002 10 3\n", "edge-list")
    registry = Registry.load(tmp_path / "out" / "registry.csv")
    assert {agency.name_en: agency.code for agency in registry if agency.kind == "imported"} == {
        "9": "X0001", "10": "X0003", "X0002": "X0002",
    }  # fmt: skip
