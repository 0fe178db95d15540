"""Replays on a real broker: every row delivered exactly once, in order, also when the whole replay is killed."""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Awaitable
from pathlib import Path
from typing import Any, TypeVar

import orjson
import psutil
import pytest

from docaxis.cli import main
from docaxis.commands.fit import fitted_workload
from docaxis.domain.agency import Registry
from docaxis.domain.calendar import HOUR_MS, VIETNAM_OFFSET_MS
from docaxis.kafka.client import client_kwargs
from docaxis.kafka.topics import Topics
from docaxis.settings import KafkaSettings, TopicSettings
from producers.fitted_day import offered_day
from tests.support.pictures import until_shown
from tests.support.recordings import history, import_text, record_events
from tests.support.truth import Exchanged, check_exactly_once, read_all
from tests.support.workloads import options_of

T = TypeVar("T")

#: A run of hub, stream worker and fleet, on a machine that is busy with other things.
WITHIN_S = 300.0


def edge_list(folder: Path, rows: int, participants: int, seed: int = 1) -> list[str]:
    """Import an edge list with many ties in time; return its lines."""
    rng, at, lines = random.Random(seed), 1_000_000_000, []
    for _ in range(rows):
        at += rng.choice((0, 0, 0, 1, 7))
        sender, recipient = rng.sample(range(participants), 2)
        lines.append(f"{sender} {recipient} {at}")
    import_text(folder, "\n".join(lines), "edge-list")
    return lines


def run_of(folder: Path) -> tuple[str, dict[str, Any]]:
    """Return the only run and its result."""
    result: dict[str, Any] = orjson.loads((folder / "runs" / "latest" / "result.json").read_bytes())
    return result["run"], result


def finished(coroutine: Awaitable[T]) -> T:
    """Run to the end."""

    async def run() -> T:
        return await coroutine

    return asyncio.run(run())


@pytest.mark.timeout(600)
def test_every_row_of_an_edge_list_is_delivered_once_and_ties_keep_their_order(
    kafka: KafkaSettings,
    topics: Topics,
    topic_settings: TopicSettings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    lines = edge_list(tmp_path, rows=3000, participants=300)
    assert main(["replay", str(tmp_path / "out"), "--speed", "1000", *options_of(kafka, topics.prefix)]) == 0, (
        capsys.readouterr()
    )
    run, result = run_of(tmp_path)
    fidelity = result["fidelity"]
    assert fidelity["complete"]
    assert (fidelity["documents_sent"], fidelity["pairs_differing"], fidelity["hours_differing"]) == (3000, 0, 0)
    assert fidelity["intended_error_us_max"] == 0
    assert (result["command"], result["command_line"].split()[:2]) == ("replay", ["docaxis", "replay"])
    assert result["files"].keys() == {"out/manifest.json"}
    assert result["registry"]["file"] == "registry.csv"
    assert "kafka" not in result["versions"], "of a cluster that is not ours nobody tells it"
    exchanged = finished(Exchanged.read(client_kwargs(kafka), topics.prefix, topic_settings.partitions, run))
    check_exactly_once(exchanged)
    assert result["ledger"]["delivered_once"] == 3000
    names = _names(tmp_path / "out")
    in_order = _documents(kafka, topics, topic_settings.partitions, run)
    first_s = int(lines[0].split()[2])
    for found in in_order:  # a partition's documents stand in the order of the file
        assert [one["line"] for one in found] == sorted(one["line"] for one in found)
    everything = sorted((one for found in in_order for one in found), key=lambda one: int(one["line"]))
    start_us = everything[0]["intended_us"]
    seconds = [first_s + round((one["intended_us"] - start_us) / 1000) for one in everything]
    whom = [f"{names[one['sender']]} {names[one['recipients'][0]]}" for one in everything]
    assert [f"{pair} {at}" for pair, at in zip(whom, seconds, strict=True)] == lines


def _names(recording: Path) -> dict[str, str]:
    import csv

    with (recording / "registry.csv").open(encoding="utf-8", newline="") as file:
        return {row["code"]: row["name_en"] for row in csv.DictReader(file)}


def _documents(kafka: KafkaSettings, topics: Topics, partitions: int, run: str) -> list[list[dict[str, Any]]]:
    """Return the documents of a run by partition, in the order of the log, each with its line in the file."""
    import pyarrow.parquet as pq

    rows = pq.read_table(Path("out") / "part-000000.parquet", columns=["packet_id", "offset"]).to_pylist()
    line_of = {row["packet_id"]: row["offset"] for row in rows}
    found: list[list[dict[str, Any]]] = [[] for _ in range(partitions)]
    for record in finished(read_all(client_kwargs(kafka), topics.sent, partitions)):
        if record.event["run"] == run:
            found[record.partition].append(record.event | {"line": line_of[record.event["packet_id"]]})
    return found


@pytest.mark.timeout(900)
def test_a_replay_steered_then_killed_and_resumed_loses_and_doubles_nothing(
    kafka: KafkaSettings,
    topics: Topics,
    topic_settings: TopicSettings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It is made faster, paused and let go on; then the command and all its roles are killed with SIGKILL."""
    monkeypatch.chdir(tmp_path)
    edge_list(tmp_path, rows=6000, participants=60)
    partitions = topic_settings.partitions
    wanted = tmp_path / "objectives.toml"
    wanted.write_text('[[objectives]]\nname = "once"\ncount = "duplicated"\n', encoding="utf-8")
    replay = [str(tmp_path / "out"), "--duration", "45s", "--objectives", str(wanted)]
    process, log = _begun(tmp_path, replay, options_of(kafka, topics.prefix))
    try:
        _until_sent(kafka, topics, partitions, 50, process, log)
        said = [_steered(words, options_of(kafka, topics.prefix), capsys) for words in (["rate", "2x"], ["pause"])]
        stood = _until_still(kafka, topics, partitions)
        picture = until_shown(log, lambda one: bool((one.get("workload") or {}).get("objectives")))
        assert [(one["name"], one["state"]) for one in picture["workload"]["objectives"]] == [("once", "holds")]
        assert "delivery_latency" in {one["name"] for one in picture["objectives"]}
        said.append(_steered(["resume"], options_of(kafka, topics.prefix), capsys))
        _until_sent(kafka, topics, partitions, stood + 500, process, log)
    finally:
        _kill_all(process)
    before = _until_still(kafka, topics, partitions)  # what is more was sent by the life that follows
    (run,) = [path.name for path in (tmp_path / "runs").iterdir() if path.name != "latest"]
    assert [one.split(": ")[1].split(" from")[0] for one in said] == ["rate 2x", "pause", "resume"]
    assert 0 < stood < before < 6000
    process, log = _begun(tmp_path, ["--resume", run], options_of(kafka, topics.prefix))
    try:
        _until_sent(kafka, topics, partitions, before + 50, process, log)
        speed = json.loads((tmp_path / "runs" / run / "replay.json").read_bytes())["speed"]
        assert main(["control", "latest", "speed", f"{speed * 1e6:.0f}", *options_of(kafka, topics.prefix)]) == 2
        assert f"{run} began with {speed:g}" in capsys.readouterr().err
        told = _steered(["speed", f"{speed * 10:.3f}"], options_of(kafka, topics.prefix), capsys)
        assert f"speed {speed * 10:.3f} from the next second on" in told
        assert process.wait(WITHIN_S) == 0, log.read_text()
    finally:
        _kill_all(process)
    _, result = run_of(tmp_path)
    fidelity = result["fidelity"]
    assert fidelity["complete"]
    # Both lives kept their plan to the microsecond, with the changes of rate and the pause.
    assert (fidelity["lives"], fidelity["intended_error_us_max"], fidelity["changed"]["resumed"]) == (2, 0, 1)
    factors = [one["speed"] / speed for one in fidelity["changed"]["speeds"]]
    assert factors == [pytest.approx(2), pytest.approx(10, abs=1e-3)]
    assert result["ledger"]["documents"] == result["ledger"]["delivered_once"] == 6000
    assert result["arrivals"]["acked"] == 6000
    assert (result["command"], [one["name"] for one in result["phases"]]) == ("replay", ["replay"])
    assert "Fidelity" in (tmp_path / "runs" / run / "report.html").read_text(encoding="utf-8")
    exchanged = finished(Exchanged.read(client_kwargs(kafka), topics.prefix, partitions, run))
    check_exactly_once(exchanged)
    sent = [one["packet_id"] for found in _documents(kafka, topics, partitions, run) for one in found]
    assert len(sent) == len(set(sent)) == 6000


@pytest.mark.timeout(900)
@pytest.mark.parametrize("how", ["killed", "interrupted"])
def test_events_as_recorded_ended_in_the_middle_and_resumed_are_all_there_once(
    how: str,
    kafka: KafkaSettings,
    topics: Topics,
    topic_settings: TopicSettings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    edge_list(tmp_path, rows=1000, participants=60)
    assert main(["replay", str(tmp_path / "out"), "--speed", "max", *options_of(kafka, topics.prefix)]) == 0, (
        capsys.readouterr()
    )
    first, result = run_of(tmp_path)
    assert result["fidelity"]["complete"]
    registry = ["--registry", str(tmp_path / "out" / "registry.csv")]
    recording = ["record", str(tmp_path / "all"), "--run", first, *registry, *options_of(kafka, topics.prefix)]
    assert main(recording) == 0, capsys.readouterr()
    partitions = topic_settings.partitions
    options_of_replay = [str(tmp_path / "all"), "--as", "recorded", "--duration", "15s"]
    process, log = _begun(tmp_path, options_of_replay, options_of(kafka, topics.prefix))
    try:
        _until_sent(kafka, topics, partitions, 1000 + 100, process, log)
        if how == "interrupted":
            process.send_signal(signal.SIGINT)
            assert process.wait(WITHIN_S) == 130, log.read_text()
            assert "go on with docaxis replay --resume replay-" in log.read_text()
    finally:
        _kill_all(process)
    (run,) = [path.name for path in (tmp_path / "runs").iterdir() if path.name not in ("latest", first)]
    # A fast machine recorded documents in one burst, with all that became of them behind it: replayed, all may be sent
    # before anybody looks, but what was recorded last is seconds away.
    recorded_topics = (topics.sent, topics.delivered, topics.status)
    everything = [
        record for one in recorded_topics for record in finished(read_all(client_kwargs(kafka), one, partitions))
    ]
    assert 0 < sum(record.event["run"] == run for record in everything) < 3000
    assert main(["replay", "--resume", run, *options_of(kafka, topics.prefix)]) == 0, capsys.readouterr()
    assert run_of(tmp_path)[1]["fidelity"]["complete"]
    for topic in recorded_topics:
        events: dict[str, list[bytes]] = {first: [], run: []}
        for record in finished(read_all(client_kwargs(kafka), topic, partitions)):
            plain = {name: value for name, value in record.event.items() if name != "run" and value != ""}
            events[record.event["run"]].append(orjson.dumps(plain, option=orjson.OPT_SORT_KEYS))
        assert len(events[first]) == 1000
        assert sorted(events[run]) == sorted(events[first])


@pytest.mark.timeout(600)
def test_a_fitted_workload_sends_what_it_was_fitted_to(
    kafka: KafkaSettings,
    topics: Topics,
    topic_settings: TopicSettings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What stands in the topic is what generation alone gives, which the unit tests hold against the recording."""
    monkeypatch.chdir(tmp_path)
    record_events(tmp_path / "recording", history(), part_rows=1000)
    assert main(["fit", "recording", "-o", "fitted.toml", "--day", "12s"]) == 0, capsys.readouterr()
    # What is sent is under test here, not how punctual a busy machine is.
    bounds = "".join(f'{name} = "10 min"\n' for name in ("schedule_error_p99", "loop_lag_p99", "clock_step"))
    with Path("fitted.toml").open("a", encoding="utf-8") as file:
        file.write(f"\n[generator]\n{bounds}")
    assert main(["run", "fitted.toml", *options_of(kafka, topics.prefix)]) == 0, capsys.readouterr()
    run, result = run_of(tmp_path)
    assert result["faults"] == []
    documents = [
        record.event
        for record in finished(read_all(client_kwargs(kafka), topics.sent, topic_settings.partitions))
        if record.event["run"] == run
    ]
    day = offered_day(fitted_workload(tmp_path / "fitted.toml"), Registry.load())
    assert Counter((one["calendar_ms"] + VIETNAM_OFFSET_MS) // HOUR_MS % 24 for one in documents) == day.hours
    assert Counter(len(one["recipients"]) for one in documents) == day.fan_outs
    assert Counter((one["sender"], to) for one in documents for to in one["recipients"]) == day.pairs
    check_exactly_once(finished(Exchanged.read(client_kwargs(kafka), topics.prefix, topic_settings.partitions, run)))


def _begun(folder: Path, arguments: list[str], where: list[str]) -> tuple["subprocess.Popen[bytes]", Path]:
    """Start a replay as a process of its own; return it and its log."""
    log = folder / "log"
    with log.open("wb") as file:
        command = [sys.executable, "-m", "docaxis", "replay", *arguments, *where]
        return subprocess.Popen(command, stdout=file, stderr=file), log


def _steered(words: list[str], where: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Say something to the newest run; return what was answered."""
    capsys.readouterr()
    assert main(["control", "latest", *words, *where]) == 0, capsys.readouterr()
    return capsys.readouterr().out


def _until_still(kafka: KafkaSettings, topics: Topics, partitions: int) -> int:
    """Return how many documents stand in the topic once no more come."""
    deadline_s, before = time.monotonic() + WITHIN_S, -1
    while True:
        found = len(finished(read_all(client_kwargs(kafka), topics.sent, partitions)))
        if found == before:
            return found
        assert time.monotonic() < deadline_s, f"paused, and still sending: {found} documents"
        before = found
        time.sleep(1.5)


def _until_sent(
    kafka: KafkaSettings, topics: Topics, partitions: int, wanted: int, process: "subprocess.Popen[bytes]", log: Path
) -> int:
    deadline_s = time.monotonic() + WITHIN_S
    while True:
        found = len(finished(read_all(client_kwargs(kafka), topics.sent, partitions)))
        if found >= wanted:
            return found
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline_s, f"{found} documents were sent: {log.read_text()}"
        time.sleep(0.1)


def _kill_all(process: "subprocess.Popen[bytes]") -> None:
    """SIGKILL the command and its roles, at once: it is stopped first, so that it cannot end them in order."""
    if process.poll() is None:
        process.send_signal(signal.SIGSTOP)
        for child in psutil.Process(process.pid).children(recursive=True):
            os.kill(child.pid, signal.SIGKILL)
    process.kill()
    process.wait()
