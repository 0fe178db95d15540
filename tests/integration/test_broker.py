"""The embedded Apache Kafka, for real: its life by command, its end with its owner, faults, and what it keeps."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from docaxis.domain.errors import InfrastructureError, UsageError
from docaxis.kafka.broker import EmbeddedBroker, broker_status, reachable_kafka
from docaxis.kafka.broker_files import Running
from docaxis.kafka.client import client_kwargs
from docaxis.kafka.process import ProcessMark, mark_process, wait_ended
from docaxis.kafka.topics import TopicPlan, delete_topics, ensure_topics
from docaxis.settings import KafkaSettings
from tests.conftest import settings_at

KEPT = TopicPlan("kept", 1, 1, {})

#: A command that owns a broker and then does nothing until it is killed.
OWNER = """
import time
from docaxis.kafka.broker import EmbeddedBroker
from docaxis.settings import load_settings
EmbeddedBroker(load_settings()).start()
print("up", flush=True)
time.sleep(100)
"""


def _docaxis(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a user would, with a home folder of the test's own."""
    environ = {**os.environ, "DOCAXIS_PATHS_HOME": str(home)}
    return subprocess.run(
        [sys.executable, "-m", "docaxis", *arguments], env=environ, capture_output=True, text=True, timeout=100
    )


async def _write(kafka: KafkaSettings, count: int) -> None:
    producer = AIOKafkaProducer(acks="all", **client_kwargs(kafka))
    try:
        await producer.start()
        for number in range(count):
            await producer.send("kept", b"%d" % number, partition=0)
        await producer.flush()
    finally:
        await producer.stop()


async def _read(kafka: KafkaSettings, count: int) -> list[int]:
    consumer = AIOKafkaConsumer(**client_kwargs(kafka))
    try:
        await consumer.start()
        partition = TopicPartition("kept", 0)
        consumer.assign([partition])
        await consumer.seek_to_beginning(partition)
        async with asyncio.timeout(30):
            return [int((await consumer.getone()).value) for _ in range(count)]
    finally:
        await consumer.stop()


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Path]:
    """Give a home folder; whatever the test leaves running there is stopped."""
    yield tmp_path
    settings = settings_at(tmp_path)
    if broker_status(settings).state != "stopped":
        EmbeddedBroker(settings, owned=False).stop()


def test_up_status_logs_down_by_command(kept: Path) -> None:
    before = _docaxis(kept, "broker", "status", "--json")
    assert json.loads(before.stdout)["running"] is False

    up = _docaxis(kept, "broker", "up", "--json")
    assert up.returncode == 0, up.stderr
    told = json.loads(_docaxis(kept, "broker", "status", "--json").stdout)
    assert told == json.loads(up.stdout)
    assert (told["running"], told["state"], told["version"], told["brokers"]) == (True, "running", "4.3.1", 1)
    assert told["data_dir"] == str(kept / "broker")
    (pid,) = told["pids"]
    mark = mark_process(pid)
    assert mark is not None
    host, port = told["bootstrap_servers"].split(":")
    assert host == "127.0.0.1"
    socket.create_connection((host, int(port)), timeout=5).close()

    again = _docaxis(kept, "broker", "up", "--json")
    assert again.returncode == 0
    assert json.loads(again.stdout) == told  # nothing was started twice
    more = _docaxis(kept, "broker", "up", "--brokers", "3")
    assert more.returncode == 2
    assert "runs already" in more.stderr

    logs = _docaxis(kept, "broker", "logs", "-n", "200")
    assert "Kafka Server started" in logs.stdout

    down = _docaxis(kept, "broker", "down")
    assert down.returncode == 0, down.stderr
    assert told["bootstrap_servers"] in down.stdout
    assert not mark.running
    assert json.loads(_docaxis(kept, "broker", "status", "--json").stdout)["state"] == "stopped"
    assert "No broker was running" in _docaxis(kept, "broker", "down").stdout


def test_the_address_of_the_running_broker_is_found(broker: EmbeddedBroker, tmp_path: Path) -> None:
    assert reachable_kafka(broker.settings) == broker.kafka
    own = settings_at(tmp_path, kafka__bootstrap_servers="elsewhere:9092")
    assert reachable_kafka(own).bootstrap_servers == "elsewhere:9092"
    with pytest.raises(UsageError, match="No Kafka address is set, and no broker runs"):
        reachable_kafka(settings_at(tmp_path))


def test_a_killed_broker_comes_back_on_its_ports_and_data(broker: EmbeddedBroker) -> None:
    asyncio.run(ensure_topics(broker.kafka, [KEPT]))
    asyncio.run(_write(broker.kafka, 100))
    before = broker_status(broker.settings)
    broker.kill()
    assert broker_status(broker.settings).state == "stale"
    broker.restart()
    after = broker_status(broker.settings)
    assert after.running
    assert after.bootstrap_servers == before.bootstrap_servers
    assert after.pids != before.pids
    assert asyncio.run(_read(broker.kafka, 100)) == list(range(100))
    asyncio.run(delete_topics(broker.kafka, [KEPT.name]))


def test_it_ends_with_a_killed_owner_and_the_next_start_continues_on_what_it_left(kept: Path) -> None:
    settings = settings_at(kept)
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER],
        env={**os.environ, **settings.to_environment()},
        stdout=subprocess.PIPE,
        text=True,
    )
    with owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "up\n"
        before = broker_status(settings)
        assert before.running
        assert before.owner_pid == owner.pid
        asyncio.run(ensure_topics(reachable_kafka(settings), [KEPT]))
        asyncio.run(_write(reachable_kafka(settings), 100))
        marks = [mark for pid in before.pids if (mark := mark_process(pid))]
        owner.kill()
    assert wait_ended(marks, 15.0) == []
    assert broker_status(settings).state == "stale"

    told: list[str] = []
    broker = EmbeddedBroker(settings, report=told.append)
    broker.start()
    assert any("ended without a stop" in line for line in told)
    after = broker_status(settings)
    assert (after.bootstrap_servers, after.cluster_id) == (before.bootstrap_servers, before.cluster_id)
    assert asyncio.run(_read(broker.kafka, 100)) == list(range(100))

    # Released, it stays when its owner goes, until somebody else stops it.
    broker.release()
    time.sleep(1)  # longer than a keeper takes to notice
    assert broker_status(settings).running
    assert broker_status(settings).owner_pid is None
    EmbeddedBroker(settings, owned=False).stop()
    assert broker_status(settings).state == "stopped"

    with pytest.raises(UsageError, match=r"is that of 1 broker\(s\), and 3 are wanted"):
        EmbeddedBroker(settings_at(kept, broker__brokers=3)).start()
    broker.stop(remove_data=True)
    assert not broker.data_dir.exists()


def test_a_stale_state_whose_pid_belongs_to_a_stranger_is_not_signalled(tmp_path: Path) -> None:
    settings = settings_at(tmp_path)
    folder = tmp_path / "broker"
    folder.mkdir()
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        Running({1: ProcessMark(stranger.pid, "long ago")}, None).save(folder)
        assert broker_status(settings).state == "stale"
        down = _docaxis(tmp_path, "broker", "down")
        assert "had ended without a stop" in down.stdout
        assert stranger.poll() is None
        assert broker_status(settings).state == "stopped"
    finally:
        stranger.kill()
        stranger.wait()


def test_a_stopped_process_is_waited_for_and_goes_on(broker: EmbeddedBroker) -> None:
    asyncio.run(ensure_topics(broker.kafka, [KEPT]))
    broker.kill(signal_number=signal.SIGSTOP)
    try:
        with pytest.raises(TimeoutError):
            asyncio.run(asyncio.wait_for(_write(broker.kafka, 1), 1.0))
    finally:
        broker.kill(signal_number=signal.SIGCONT)
    asyncio.run(_write(broker.kafka, 1))


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        port = taken.getsockname()[1]
        with pytest.raises(InfrastructureError, match=f"Port {port} on 127.0.0.1 is taken"):
            EmbeddedBroker(settings_at(tmp_path, broker__port=port)).start()
    assert broker_status(settings_at(tmp_path)).state == "stopped"


def test_a_start_that_fails_leaves_nothing_running_and_says_why(tmp_path: Path) -> None:
    home = tmp_path / "java"
    (home / "bin").mkdir(parents=True)
    java = home / "bin" / "java"
    java.write_text("#!/bin/sh\necho 'Error: the machine is on strike'\nexit 1\n", encoding="utf-8")
    java.chmod(0o755)
    (home / "release").write_text('JAVA_VERSION="21"\n', encoding="utf-8")
    settings = settings_at(tmp_path, broker__java_home=str(home))
    with pytest.raises(InfrastructureError, match="ended while starting: Error: the machine is on strike") as caught:
        EmbeddedBroker(settings).start()
    assert "console.log" in caught.value.next_step
    assert broker_status(settings).state == "stopped"


@pytest.mark.slow
@pytest.mark.timeout(900)  # four starts of Java: 20 s alone on two cores, more beside others
def test_three_brokers_serve_on_when_one_dies(tmp_path: Path) -> None:
    with EmbeddedBroker(settings_at(tmp_path, broker__brokers=3)) as cluster:
        assert len(cluster.bootstrap_servers.split(",")) == 3
        plan = TopicPlan("kept", 1, 3, {"min.insync.replicas": "2"})
        asyncio.run(ensure_topics(cluster.kafka, [plan]))
        asyncio.run(_write(cluster.kafka, 10))
        cluster.kill(2)
        asyncio.run(_write(cluster.kafka, 10))
        cluster.restart(2)
        assert asyncio.run(_read(cluster.kafka, 20)) == [*range(10), *range(10)]
