"""The recorder on a real broker: what was committed is in the recording, each record once, also after SIGKILL."""

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pytest
from aiokafka import AIOKafkaProducer, TopicPartition

from docaxis.cli import main
from docaxis.domain.codec import encode
from docaxis.kafka.client import client_kwargs
from docaxis.kafka.topics import Topics
from docaxis.recording.reader import open_recording
from docaxis.settings import KafkaSettings
from tests.support.recordings import sent
from tests.support.small_disk import small_disk

US = 1_600_000_000_000_000
DOCUMENTS = 1500
WITHIN_S = 90.0


async def write(kafka: KafkaSettings, topic: str, numbers: Iterable[int], run: str = "old") -> None:
    """Write documents, and one record that is no event."""
    producer = AIOKafkaProducer(**client_kwargs(kafka), linger_ms=20)
    await producer.start()
    try:
        answers = [
            await producer.send(topic, encode(msgspec.structs.replace(one, run=run)), key=b"k", partition=number % 3)
            for number in numbers
            for one in [sent(number, US + number * 1_000_000)]
        ]
        answers.append(await producer.send(topic, b"no event", partition=0))
        await asyncio.gather(*answers)
    finally:
        await producer.stop()


async def abort_some(kafka: KafkaSettings, topic: str) -> None:
    """Leave aborted records in the log."""
    producer = AIOKafkaProducer(**client_kwargs(kafka), transactional_id=f"{topic}-aborting")
    await producer.start()
    try:
        await producer.begin_transaction()
        await producer.send_and_wait(topic, encode(sent(9_000_001, US)), partition=1)
        await producer.abort_transaction()
    finally:
        await producer.stop()


def arguments(kafka: KafkaSettings, topics: Topics, out: Path, *more: str) -> list[str]:
    """Return the command line of a recorder."""
    servers = str(kafka.bootstrap_servers)
    return ["record", str(out), "--bootstrap-servers", servers, "--prefix", topics.prefix, *more]


def held(out: Path) -> list[tuple[Any, ...]]:
    """Return how many rows a whole recording has, how many places of Kafka, and the numbers of its documents."""
    files = open_recording(out).files
    with duckdb.connect() as connection:
        return connection.execute(
            'SELECT count(*), count(DISTINCT ("partition", "offset")), count(DISTINCT sequence), '
            "count(DISTINCT document_id), count(*) FILTER (kind = 'unreadable') FROM read_parquet(?)",
            [files],
        ).fetchall()


def test_what_is_committed_is_recorded_once_and_in_order(
    kafka: KafkaSettings, topics: Topics, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asyncio.run(write(kafka, topics.sent, range(1, 501)))
    asyncio.run(abort_some(kafka, topics.sent))
    out = tmp_path / "r"
    assert main(arguments(kafka, topics, out)) == 0
    assert "500 documents, 500 deliveries" in capsys.readouterr().out
    assert held(out) == [(501, 501, 501, 500, 1)]
    assert main(arguments(kafka, topics, out)) == 2
    assert "holds a whole recording already" in capsys.readouterr().err
    part = tmp_path / "part"
    chosen = ("--from", "2020-09-13T19:28:20", "--to", "2020-09-13T19:30:00")  # Vietnam's clock
    assert main(arguments(kafka, topics, part, *chosen)) == 0
    manifest = open_recording(part).manifest
    assert (manifest.rows, manifest.time_us_min, manifest.time_us_max) == (100, US + 100_000_000, US + 199_000_000)


def test_nothing_to_record_is_told(
    kafka: KafkaSettings, topics: Topics, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments(kafka, topics, tmp_path / "r")) == 2
    assert "there is nothing to record" in capsys.readouterr().err
    assert not (tmp_path / "r" / "manifest.json").exists()


def test_a_canary_on_the_axis_is_not_recorded_unless_it_is_named(
    kafka: KafkaSettings, topics: Topics, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def both() -> None:
        await write(kafka, topics.sent, range(1, 11))
        await write(kafka, topics.sent, range(11, 18), run="canary-main")

    asyncio.run(both())
    assert main(arguments(kafka, topics, tmp_path / "r")) == 0
    assert "7 events of canaries are left out" in capsys.readouterr().err
    assert open_recording(tmp_path / "r").manifest.runs == ["old"]
    assert open_recording(tmp_path / "r").manifest.documents == 10
    assert main(arguments(kafka, topics, tmp_path / "c", "--run", "canary-main")) == 0
    assert "left out" not in capsys.readouterr().err
    assert open_recording(tmp_path / "c").manifest.documents == 7


def test_a_full_disk_ends_the_recorder_and_room_lets_it_go_on(
    kafka: KafkaSettings, topics: Topics, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asyncio.run(write(kafka, topics.sent, range(1, 501)))
    with small_disk(tmp_path / "small", 64) as disk:
        out = disk / "r"
        ballast = disk / "ballast"
        ballast.write_bytes(b"b" * 56 * 1024)
        assert main(arguments(kafka, topics, out, "--part-rows", "100")) == 4
        told = capsys.readouterr().err
        assert ".parquet could not be written: No space left on device" in told
        assert "make room or choose another folder, and give the same command again" in told
        assert not (out / "manifest.json").exists()
        assert not list(out.glob(".*"))
        ballast.unlink()
        assert main(arguments(kafka, topics, out, "--part-rows", "1000")) == 0
        assert held(out) == [(501, 501, 501, 500, 1)]


@pytest.mark.timeout(600)
def test_a_killed_recorder_started_again_loses_and_doubles_nothing(
    kafka: KafkaSettings, topics: Topics, tmp_path: Path
) -> None:
    """A live recorder is killed with some parts written, twice, while documents come; the third one ends by signal."""
    out = tmp_path / "r"
    command = [sys.executable, "-m", "docaxis", *arguments(kafka, topics, out, "--live", "--part-rows", "100")]
    for turn in range(3):
        log = tmp_path / f"log-{turn}"
        with log.open("wb") as stderr:
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=stderr)
        try:
            first = turn * DOCUMENTS // 3 + 1
            before = len(list(out.glob("part-*.parquet")))
            asyncio.run(write(kafka, topics.sent, range(first, first + DOCUMENTS // 3)))
            _until(lambda: len(list(out.glob("part-*.parquet"))) > before, process, log)  # noqa: B023
            if turn < 2:
                process.kill()
            else:
                _until(lambda: _rows(out) > DOCUMENTS - 100, process, log)
                process.send_signal(signal.SIGINT)
            assert process.wait(WITHIN_S) == (-signal.SIGKILL if turn < 2 else 0), log.read_text()
        finally:
            process.kill()
            process.wait()
    assert held(out) == [(DOCUMENTS + 3, DOCUMENTS + 3, DOCUMENTS + 3, DOCUMENTS, 3)]


def _rows(out: Path) -> int:
    """Return how many rows are in parts."""
    with duckdb.connect() as connection:
        return int(connection.execute(f"SELECT count(*) FROM '{out}/part-*.parquet'").fetchall()[0][0])


def _until(holds: Callable[[], bool], process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline_s = time.monotonic() + WITHIN_S
    while not holds():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline_s, f"the recorder did not come so far: {log.read_text()}"
        time.sleep(0.02)


def test_the_partitions_of_a_recording_can_be_told_apart(kafka: KafkaSettings, topics: Topics, tmp_path: Path) -> None:
    asyncio.run(write(kafka, topics.sent, range(1, 10)))
    assert main(arguments(kafka, topics, tmp_path / "r", "--topics", "sent")) == 0
    with duckdb.connect() as connection:
        found = connection.execute(
            'SELECT DISTINCT "partition" FROM read_parquet(?) ORDER BY 1', [open_recording(tmp_path / "r").files]
        ).fetchall()
    assert [TopicPartition(topics.sent, number).partition for (number,) in found] == [0, 1, 2]
