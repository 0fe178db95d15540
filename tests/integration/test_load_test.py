"""Load tests on a real broker: who was slow is told apart, and what was injected is found exactly.

Nothing here asks how fast the machine is: latencies are compared with each other, or with a fault's own length.
"""

import asyncio
import json
import logging
import os
import re
import shlex
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from docaxis.bench.load_test import measure
from docaxis.bench.session import QUICK, Session
from docaxis.kafka.broker import EmbeddedBroker
from docaxis.kafka.client import client_kwargs
from docaxis.kafka.jars import KAFKA_VERSION, sha256_of
from docaxis.settings import KafkaSettings, PathSettings, Settings, TopicSettings
from docaxis.workload.units import parse_duration_us
from monitor.histogram import Histogram
from monitor.result_schema import Result
from tests.support.befallen import Befallen
from tests.support.pictures import until_shown
from tests.support.workloads import LENIENT, options_of, toml_of

#: A stall's length, and that of the measured phase in which it happens.
STALL_S, MEASURED_S = 2.0, 10.0

#: Shares of that phase's documents beyond which all were due during the stall.
HELD_UP = (0.85, 0.9, 0.95, 0.99, 1.0)

#: Between two documents of that phase, and so the doubt about when the first of the stall was due.
SPACING_S = 0.02

#: Few documents, so that a broker that stalls soon holds up the sender.
IN_FLIGHT = 4

TOKEN = "entered-by-the-tester"

#: A command as a shell in the foreground starts it: whoever runs tests in the background has Ctrl-C ignored.
INTERRUPTIBLE = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from docaxis.cli import main
sys.exit(main(sys.argv[1:]))
"""

DRAIN = {"name": "drain", "kind": "drain", "duration": "60 s"}


def _command(folder: Path, workload: dict[str, Any], *options: str) -> list[str]:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "workload.toml"
    file.write_text(toml_of(workload), encoding="utf-8")
    return [sys.executable, "-m", "docaxis", "run", str(file), *options]


def _environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "DOCAXIS_PATHS_HOME": str(folder / "home"), "DOCAXIS_PATHS_RUNS": str(folder / "runs")}


def _run(folder: Path, workload: dict[str, Any], *options: str) -> tuple[int, dict[str, Any]]:
    """Run a workload as a user does; return the exit code and the result."""
    done = subprocess.run(
        _command(folder, workload, *options),
        env=_environment(folder),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=420,
    )
    file = folder / "runs" / "latest" / "result.json"
    assert file.exists(), f"exit code {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    print(done.stdout)
    return done.returncode, json.loads(file.read_text(encoding="utf-8"))


def _percentile_s(folder: Path, stage: str, share: float) -> float:
    stored = json.loads((folder / "runs" / "latest" / "histograms.json").read_text(encoding="utf-8"))[stage]
    flat = [number for pair in stored["buckets"] for number in pair]
    return Histogram.from_sparse([stored["negative"], 0, stored["max_us"], *flat]).quantile_us(share) / 1e6


@pytest.mark.slow
@pytest.mark.timeout(500)
@pytest.mark.parametrize("apart", [False, True], ids=["each-both", "receivers-apart"])
def test_injected_faults_are_found_exactly(apart: bool, tmp_path: Path) -> None:
    """Two fleets, every kind of fault and many at one moment, in open, recorded and closed phases.

    A closed phase makes each fleet send and receive; without one, two processes send and two receive.
    """
    faults: list[dict[str, Any]] = [
        {"kind": "duplicate", "count": 5, "at": "1 s"},
        {"kind": "corrupt", "count": 3, "at": "1 s"},
        {"kind": "delay", "count": 4, "by": "1 s", "at": "1 s"},
        {"kind": "reorder", "count": 4, "at": "1 s"},
        {"kind": "withhold-receipts", "count": 6, "at": "1 s"},
        {"kind": "silent-agency", "agencies": ["G22"], "at": "1 s", "lasts": "2 s"},
        {"kind": "slow-consumer", "agencies": ["H53"], "rate": "20 deliveries/s", "lasts": "2 s"},
        {"kind": "paused-hub", "at": "1 s", "lasts": "1 s"},
        {"kind": "killed-worker", "at": "2 s"},
        {"kind": "killed-hub", "at": "4 s"},
        {"kind": "stopped-broker", "at": "4 s", "lasts": "1 s"},
        *({"kind": kind, "count": 2, "phase": "recorded"} for kind in ("duplicate", "withhold-receipts")),
        *({"kind": kind, "count": 2, "phase": "closed"} for kind in ("duplicate", "corrupt", "withhold-receipts")),
    ]
    tmp_path.joinpath("trace.txt").write_text("".join(f"{number / 50}\n" for number in range(90)), encoding="utf-8")
    workload: dict[str, Any] = {
        "name": "faults",
        "phases": [
            {"name": "warm-up", "kind": "warm-up", "duration": "2 s", "rate": "50 documents/s"},
            {"name": "load", "duration": "5 s", "rate": "100 documents/s"},
            {"name": "recorded", "duration": "2 s", "arrivals": "trace", "file": "trace.txt"},
            # A wider window than there are deliveries before: it has room even if nothing of them was audited yet.
            {"name": "closed", "duration": "2 s", "arrivals": "closed", "in_flight": 3000},
            {**DRAIN, "duration": "2 min"},
        ],
        "traffic": [{"fan_out": 2.0}],
        "documents": {"recalls": {"share": 0.1, "after": "1 s"}},
        "generator": LENIENT,
        "faults": faults,
    }
    if apart:
        faults = workload["faults"] = [fault for fault in faults if fault.get("phase") != "closed"]
        workload["phases"] = [phase for phase in workload["phases"] if phase["name"] != "closed"]
    code, result = _run(tmp_path, workload, "--fleets", "2", "--keep")
    try:
        befallen = asyncio.run(_befallen(tmp_path, result, faults))
    finally:
        _docaxis(tmp_path, "broker", "down", "--remove-data")
    assert result["faults"] == []
    assert ("receivers-1" in result["processes"]) == apart
    assert (code, result["verdict"]) == (0, "pass")
    injected = {row["kind"]: row for row in result["faults_injected"]}
    assert injected.keys() == {fault["kind"] for fault in faults}
    counted = ("duplicate", "corrupt", "delay", "reorder", "withhold-receipts")
    wanted = {kind: sum(fault["count"] for fault in faults if fault["kind"] == kind) for kind in counted}
    assert {kind: injected[kind]["count"] for kind in counted} == wanted
    ledger, found = result["ledger"], result["faults_found"]
    assert found["corrupt"] == wanted["corrupt"]
    assert found["withhold-receipts"] == ledger["lost"] == wanted["withhold-receipts"]
    assert f"{wanted['duplicate']} documents, {ledger['duplicated']} deliveries" == injected["duplicate"]["detail"]
    assert found["duplicate"] == ledger["duplicated"] == injected["duplicate"]["deliveries"] >= wanted["duplicate"]
    # What befell the parts of the axis is told once each, at its time, and cost nothing.
    load_us = next(phase["start_us"] for phase in result["phases"] if phase["name"] == "load")
    for fault in faults:
        if fault["kind"] in ("paused-hub", "killed-worker", "killed-hub", "stopped-broker"):
            row = injected[fault["kind"]]
            assert row["count"] == 1
            at_us, lasts_us = (parse_duration_us(fault.get(key, "0 s")) for key in ("at", "lasts"))
            assert load_us + at_us <= row["at_us"] <= row["until_us"] - lasts_us
    assert len(result["faults_injected"]) == len(injected)
    befallen.check()
    _check_the_parts_agree(tmp_path, result)
    _check_it_can_be_repeated(tmp_path, result)
    for phase in result["phases"][:-1]:
        assert phase["latency_seconds"]["count"] == phase["received"] > 0, "a warm-up is measured, too"
    assert result["generator"]["cpu_share"] > 0


def _check_it_can_be_repeated(folder: Path, result: dict[str, Any]) -> None:
    typed = ["docaxis", "run", str(folder / "workload.toml"), "--fleets", "2", "--keep"]
    assert shlex.split(result["command_line"]) == typed
    assert result["fleets"] == {"here": 2, "external": 0}
    assert result["files"]["trace.txt"]["sha256"] == sha256_of(folder / "trace.txt")
    assert result["registry"]["agencies"] == 95
    assert result["versions"]["kafka"] == KAFKA_VERSION, "of our own broker it is known"


async def _befallen(folder: Path, result: dict[str, Any], faults: list[dict[str, Any]]) -> Befallen:
    """Read what a run left in the topics of the broker that it kept."""
    servers = json.loads(_docaxis(folder, "broker", "status", "--json"))["bootstrap_servers"]
    topics = TopicSettings()
    return await Befallen.read(
        client_kwargs(KafkaSettings(bootstrap_servers=servers)), topics.prefix, topics.partitions, result, faults
    )


def _docaxis(folder: Path, *words: str) -> str:
    """Run another command where the run was made; return what it prints."""
    command = [sys.executable, "-m", "docaxis", *words]
    environment = _environment(folder)
    return subprocess.run(
        command, env=environment, cwd=folder, stdout=subprocess.PIPE, text=True, timeout=100, check=True
    ).stdout


def _check_the_parts_agree(folder: Path, result: dict[str, Any]) -> None:
    """Phases, series, traffic and ledger tell the same story, in words that are documented."""
    Result.model_validate(result)
    assert result.keys() <= Result.model_fields.keys()
    measured = [phase for phase in result["phases"] if phase["measured"]]
    latency = result["latency_seconds"]
    assert (
        latency["delivery"]["count"]
        == sum(phase["received"] for phase in measured)
        == sum(row["count"] for row in result["latency_by_agency"].values())
    )
    rows = pq.read_table(folder / "runs" / "latest" / "series.parquet").to_pylist()
    assert [row["second"] for row in rows] == list(range(len(rows)))
    assert sum(row["offered"] for row in rows) == sum(phase["offered"] for phase in result["phases"])
    assert sum(row["received"] for row in rows) == sum(phase["received"] for phase in result["phases"])
    traffic = json.loads((folder / "runs" / "latest" / "traffic.json").read_text(encoding="utf-8"))
    assert sum(count for *_, count in traffic["pairs"]) >= result["ledger"]["deliveries_expected"]
    assert {one["uncertainty_us"] >= 0 for one in result["clock"]["fleets"].values()} == {True}
    assert len(result["clock"]["fleets"]) == 2


@pytest.mark.slow
@pytest.mark.timeout(500)
def test_a_hub_limited_to_half_of_what_is_offered(
    kafka: KafkaSettings, topic_settings: TopicSettings, tmp_path: Path
) -> None:
    """The run ends by itself with exit code 1, latencies grow as they truly did, nobody's memory with them."""
    workload = {
        "name": "limited",
        "phases": [{"name": "load", "duration": "10 s", "rate": "200 deliveries/s"}, {**DRAIN, "duration": "2 s"}],
        "generator": LENIENT,
        "faults": [{"kind": "limited-hub", "rate": "100 deliveries/s"}],
        "objectives": [{"name": "lossless", "count": "lost"}, {"name": "level", "backlog_slope": 10}],
    }
    code, result = _run(tmp_path, workload, *options_of(kafka, topic_settings.prefix))
    assert (code, result["verdict"], result["valid"]) == (1, "fail", True)
    ledger, load = result["ledger"], result["phases"][0]
    # All of it was sent, and the hub made no more of it than its limit and the second it may make up for allow.
    assert load["sent"] == load["offered"] == ledger["documents"]
    assert ledger["delivered_once"] + ledger["lost"] == ledger["deliveries_expected"]
    ended_s = (result["phases"][-1]["end_us"] - load["start_us"]) / 1e6 + 2
    assert 0 < ledger["delivered_once"] < 100 * (ended_s + 6) + 100
    assert {one["name"]: one["met"] for one in result["objectives"]} == {"lossless": False, "level": False}
    # Half of what comes waits: the longest wait grows with the run, and it is all routing.
    latency = result["latency_seconds"]
    assert latency["routing"]["p99"] > 2.0
    assert latency["routing"]["p99"] > 0.8 * latency["delivery"]["p99"]
    assert all(process["peak_rss_bytes"] < 1 << 30 for process in result["processes"].values())


def test_an_objective_that_is_missed_on_end_ends_the_run_early(
    kafka: KafkaSettings, topic_settings: TopicSettings, tmp_path: Path
) -> None:
    slow = {"name": "fast", "stage": "delivery", "percentile": 99, "at_most": "1 s", "abort": True}
    workload = {
        "name": "ended",
        "phases": [{"name": "load", "duration": "150 s", "rate": "200 deliveries/s"}, {**DRAIN, "duration": "2 s"}],
        "generator": LENIENT,
        "faults": [{"kind": "limited-hub", "rate": "100 deliveries/s"}],
        "objectives": [slow],
    }
    code, result = _run(tmp_path, workload, *options_of(kafka, topic_settings.prefix))
    assert (code, result["verdict"], result["valid"]) == (1, "fail", True)
    assert "ended early: objective 'fast' was missed for 10 seconds on end" in result["faults"]
    load = result["phases"][0]
    assert (load["end_us"] - load["start_us"]) / 1e6 < 140


@pytest.mark.slow
@pytest.mark.timeout(500)
def test_a_generator_offered_more_than_it_can_do_declares_its_run_invalid(
    kafka: KafkaSettings, topic_settings: TopicSettings, tmp_path: Path
) -> None:
    workload = {
        "name": "overloaded",
        "phases": [
            {"name": "load", "duration": "100 ms", "rate": "1000000 documents/s"},
            {**DRAIN, "duration": "4 min"},
        ],
        "traffic": [{"fan_out": 1.0}],
        "objectives": [{"name": "fast", "stage": "delivery", "percentile": 99, "at_most": "1 ms"}],
    }
    code, result = _run(tmp_path, workload, *options_of(kafka, topic_settings.prefix))
    assert (code, result["valid"]) == (3, False)
    assert any("the generator sent late by itself" in reason for reason in result["invalid_reasons"])
    assert (
        result["generator"]["schedule_error_seconds"]["p99"]
        > result["generator"]["bounds"]["schedule_error_p99_seconds"]
    )
    assert result["phases"][0]["sent"] == result["phases"][0]["offered"]


def _stalled(fault: str, in_flight: int) -> dict[str, Any]:
    """Return a workload in whose measured phase nothing moves for `STALL_S`: a fifth of its documents is due then."""
    return {
        "name": "stalled",
        "phases": [
            {"name": "warm-up", "kind": "warm-up", "duration": "2 s", "rate": "50 documents/s"},
            {
                "name": "load",
                "duration": f"{MEASURED_S:g} s",
                "rate": f"{1 / SPACING_S:g} documents/s",
                "arrivals": "constant",
            },
            DRAIN,
        ],
        "traffic": [{"fan_out": 1.0}],
        "generator": {**LENIENT, "in_flight": in_flight},
        "faults": [{"kind": fault, "at": "4 s", "lasts": f"{STALL_S:g} s"}],
    }


def _stall_s(result: dict[str, Any]) -> float:
    """Return how long the stall really was: a busy machine may end it late."""
    (row,) = result["faults_injected"]
    stall_s = float(row["until_us"] - row["at_us"]) / 1e6
    assert STALL_S <= stall_s < 1.15 * STALL_S
    return stall_s


def _waited_s(stall_s: float, share: float) -> float:
    """Return what a share of a stalled phase's documents did not wait longer than, for the stall alone.

    At a constant rate, those due in the first (1 - share) * T of a stall in a phase of length T waited longer.
    """
    return stall_s - (1 - share) * MEASURED_S


def _check_shows_in_full(folder: Path, stage: str, stall_s: float, beyond_s: float) -> None:
    """Check that a stage's upper percentiles are what the stall must make of them, and at most so much more."""
    found = {share: _percentile_s(folder, stage, share) for share in HELD_UP}
    wanted = {share: _waited_s(stall_s, share) for share in HELD_UP}
    for share in HELD_UP:
        assert 0.95 * wanted[share] - SPACING_S < found[share] < wanted[share] + beyond_s, (stage, found, wanted)


@pytest.mark.slow
@pytest.mark.timeout(500)
def test_a_broker_that_stalls_shows_in_corrected_latencies_alone(tmp_path: Path) -> None:
    """At the in-flight bound the sender waits: what it then sends late was due in time, and only that is the truth."""
    code, result = _run(tmp_path, _stalled("stalled-broker", IN_FLIGHT))
    assert (code, result["faults"]) == (0, [])
    stall_s = _stall_s(result)
    # Uncorrected, all but the few that were sent before the stall and got stuck in it look as if there had been none.
    # They are fewer than one in ten: four in flight, and what the hub had not fetched yet.
    corrected_s, uncorrected_s = (_percentile_s(tmp_path, stage, 0.9) for stage in ("delivery", "delivery_uncorrected"))
    assert uncorrected_s < 0.75 * _waited_s(stall_s, 0.9)
    assert corrected_s - uncorrected_s > 0.8 * _waited_s(stall_s, 0.9)
    _check_shows_in_full(tmp_path, "delivery", stall_s, beyond_s=0.15 * STALL_S + uncorrected_s)
    # The difference is the send delay: what was left of the stall when the bound was reached.
    held_s = stall_s - IN_FLIGHT * SPACING_S
    _check_shows_in_full(tmp_path, "send_delay", held_s, beyond_s=0.15 * STALL_S)
    # The generator does not take the blame.
    assert 0.95 * held_s < result["generator"]["held_seconds"] < 1.5 * stall_s
    assert result["generator"]["schedule_error_seconds"]["p99"] < stall_s / 20


@pytest.mark.slow
@pytest.mark.timeout(500)
def test_a_hub_that_stalls_shows_under_routing_and_nowhere_else(
    kafka: KafkaSettings, topic_settings: TopicSettings, tmp_path: Path
) -> None:
    code, result = _run(tmp_path, _stalled("paused-hub", 10_000), *options_of(kafka, topic_settings.prefix))
    assert (code, result["faults"]) == (0, [])
    stall_s = _stall_s(result)
    for stage in ("routing", "acceptance", "delivery", "delivery_uncorrected"):
        _check_shows_in_full(tmp_path, stage, stall_s, beyond_s=0.4 * STALL_S)
    # Four in five documents were due without the stall, so the median is of theirs alone: elsewhere nothing is added.
    for stage in ("send_delay", "pickup", "publish"):
        assert _percentile_s(tmp_path, stage, 0.9) < _percentile_s(tmp_path, stage, 0.5) + stall_s / 10, stage


@pytest.mark.slow
@pytest.mark.timeout(500)
def test_a_run_that_another_fleet_joins_is_paused_sped_up_and_ended_while_it_goes_on(
    broker: EmbeddedBroker, kafka: KafkaSettings, topic_settings: TopicSettings, tmp_path: Path
) -> None:
    workload = {
        "name": "steered",
        "phases": [{"name": "load", "duration": "10 min", "rate": "50 documents/s", "arrivals": "constant"}, DRAIN],
        "generator": LENIENT,
        "objectives": [{"name": "once", "count": "duplicated"}],
    }
    options, token, told = options_of(kafka, topic_settings.prefix), tmp_path / "token", tmp_path / "told.txt"
    token.write_text(TOKEN, encoding="ascii")
    command = _command(tmp_path, workload, *options, "--token-file", str(token), "--external-fleets", "1")
    with told.open("wb") as stderr:
        process = subprocess.Popen(
            command, env=_environment(tmp_path), cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=stderr
        )
    other: subprocess.Popen[bytes] | None = None
    try:
        other = _join(told, tmp_path / "elsewhere")
        said = [_steer(tmp_path, options, *words) for words in (["rate", "2x"], ["pause"], ["resume"])]
        picture = until_shown(told, lambda one: bool((one.get("workload") or {}).get("objectives")))
        assert [(one["name"], one["state"]) for one in picture["workload"]["objectives"]] == [("once", "holds")]
        assert picture["workload"]["name"] == "steered"
        assert "delivery_latency" in {one["name"] for one in picture["objectives"]}
        _press(told, "end-phase")
        assert process.wait(timeout=200) == 0, told.read_text(encoding="utf-8")
        assert other.wait(timeout=200) == 0
    finally:
        for one in filter(None, (process, other)):
            one.kill()
            one.wait()
    assert [one.split(": ")[1].split(" from")[0] for one in said] == ["rate 2x", "pause", "resume"]
    result = json.loads((tmp_path / "runs" / "latest" / "result.json").read_text(encoding="utf-8"))
    at_us = {one["verb"]: one["at_us"] for one in result["controls"]}
    load = result["phases"][0]
    assert load["end_us"] == at_us["end-phase"]
    # A constant schedule: so many documents were due before each change, and none while the run stood still.
    slow_s = (at_us["rate"] - load["start_us"]) / 1e6
    fast_s = (at_us["pause"] - at_us["rate"] + at_us["end-phase"] - at_us["resume"]) / 1e6
    assert abs(load["offered"] - (50 * slow_s + 100 * fast_s)) <= 3
    assert result["ledger"]["documents"] == load["sent"] == load["offered"]
    clocks = result["clock"]["fleets"]
    assert len(clocks) == 2
    assert all(abs(one["skew_us"]) <= max(one["uncertainty_us"], 1000) for one in clocks.values()), "the same clock"


@pytest.mark.slow
@pytest.mark.timeout(500)
def test_an_interrupted_run_says_what_it_had_come_to_however_often_ctrl_c_is_pressed(
    kafka: KafkaSettings, topic_settings: TopicSettings, tmp_path: Path
) -> None:
    workload = {
        "name": "interrupted",
        "phases": [{"name": "load", "duration": "10 min", "rate": "50 documents/s"}, DRAIN],
        "generator": LENIENT,
    }
    said, told = tmp_path / "said.txt", tmp_path / "told.txt"
    command = _command(tmp_path, workload, *options_of(kafka, topic_settings.prefix))
    with said.open("wb") as stdout, told.open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-c", INTERRUPTIBLE, *command[3:]],
            env=_environment(tmp_path),
            cwd=tmp_path,
            stdout=stdout,
            stderr=stderr,
        )
    try:
        deadline_s = time.monotonic() + 200
        # Of a second in which something was received: some of it is audited by now.
        while not re.search(r"received +[1-9]", said.read_text(encoding="utf-8")):
            assert time.monotonic() < deadline_s, told.read_text(encoding="utf-8")
            time.sleep(0.1)
        for _ in range(4):
            process.send_signal(signal.SIGINT)
            time.sleep(0.2)
        assert process.wait(timeout=200) == 130
    finally:
        process.kill()
        process.wait()
    *_, summary, folder = said.read_text(encoding="utf-8").splitlines()
    parts = [part.rpartition(" ") for part in summary.split("  ")]
    figures = {name: int(count.replace(",", "")) for name, _, count in parts if count[0].isdigit()}
    assert summary.startswith("interrupted, no verdict: ")
    assert figures["documents offered"] >= figures["documents sent"] > 0
    closed = sum(figures[name] for name in ("delivered once", "duplicated", "refused", "outstanding"))
    assert figures["deliveries expected"] == closed
    assert figures["delivered once"] > 0
    assert {"series.parquet", "histograms.json", "logs"} <= {file.name for file in (tmp_path / folder).iterdir()}
    errors = told.read_text(encoding="utf-8")
    assert errors.endswith("docaxis: interrupted\n")
    assert "Traceback" not in errors
    assert "Event loop is closed" not in errors
    assert "docaxis: still ending" in errors


def _join(told: Path, folder: Path) -> subprocess.Popen[bytes]:
    """Start the fleet that the run waits for, by the command that it tells, where nothing but the broker is shared."""
    deadline_s = time.monotonic() + 180
    while (line := re.search(r"on another machine: docaxis (.+)", told.read_text(encoding="utf-8"))) is None:
        assert time.monotonic() < deadline_s, told.read_text(encoding="utf-8")
        time.sleep(0.1)
    folder.mkdir()
    with (folder / "log.txt").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "docaxis", *shlex.split(line[1])],
            env=_environment(folder),
            cwd=folder,
            stdout=log,
            stderr=log,
        )


def _press(told: Path, control: str) -> None:
    """Use a control of the run's live page, as whoever has entered the token."""
    page = re.search(r"Live page: (http\S+)/\?run=([^&\s]+)", told.read_text(encoding="utf-8"))
    assert page is not None, told.read_text(encoding="utf-8")
    url = f"{page[1]}/api/control/{control}?run={page[2]}"
    request = urllib.request.Request(url, b"{}", {"Authorization": f"Bearer {TOKEN}"}, method="POST")
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert answer.status == 200


def _steer(folder: Path, options: list[str], *words: str) -> str:
    """Say something to the run as soon as there is one; return the answer."""
    deadline_s = time.monotonic() + 180
    while True:
        done = subprocess.run(
            [sys.executable, "-m", "docaxis", "control", "latest", *words, *options],
            env=_environment(folder),
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=100,
        )
        if done.returncode == 0:
            return done.stdout.strip()
        assert time.monotonic() < deadline_s, done.stderr
        time.sleep(1)


@pytest.mark.slow
@pytest.mark.timeout(500)
async def test_a_quarter_of_the_ceiling_loses_nothing_and_is_valid(
    kafka: KafkaSettings, topic_settings: TopicSettings, tmp_path: Path
) -> None:
    """What `docaxis bench load_test_error` measures, briefly: how late the generator was is the benchmark's to say."""
    paths = PathSettings(home=tmp_path, runs=tmp_path / "runs")
    session = Session(Settings(kafka=kafka, topics=topic_settings, paths=paths), QUICK, tmp_path, print)
    handlers = list(logging.getLogger().handlers)
    try:
        rows = {row.name: row for row in await measure(session)}
    finally:
        for handler in set(logging.getLogger().handlers) - set(handlers):
            logging.getLogger().removeHandler(handler)
            handler.close()
        logging.getLogger().handlers[:] = handlers
    assert rows["load_test_valid"].met, rows
    assert rows["load_test_lost"].met, rows
    result = json.loads((tmp_path / "runs" / "latest" / "result.json").read_text(encoding="utf-8"))
    assert result["phases"][0]["sent"] == result["phases"][0]["offered"] == result["ledger"]["documents"]
    assert result["phases"][0]["measured"]
