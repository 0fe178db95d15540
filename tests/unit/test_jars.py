"""Kafka's jars: the lock, the cache, and what can go wrong between a Maven repository and the disk."""

import gc
import hashlib
import shutil
import threading
from collections import namedtuple
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from docaxis.domain.errors import InfrastructureError
from docaxis.kafka.jars import KAFKA_VERSION, LockedJar, ensure_jars, load_lock

CONTENT = b"a jar, as far as its hash is concerned"
JAR = LockedJar("vn.gov", "truc", "1.0", hashlib.sha256(CONTENT).hexdigest(), len(CONTENT))


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002  # the library's own name
        """Say nothing."""


#: jgo leaves the connections of downloads that failed to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Keep the real user's Maven cache and jgo settings out of the tests."""
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    monkeypatch.setenv("M2_REPO", str(tmp_path / "user" / "m2"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    yield
    gc.collect()


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """Give a Maven repository on loopback that holds the jar: its address, and the jar's file in it."""
    root = tmp_path / "repository"
    jar = root / "vn/gov/truc/1.0/truc-1.0.jar"
    jar.parent.mkdir(parents=True)
    jar.write_bytes(CONTENT)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(root)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", jar
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_lock_names_this_version_and_hashes_everything() -> None:
    lock = load_lock()
    assert {jar.version for jar in lock if jar.group == "org.apache.kafka"} == {KAFKA_VERSION}
    assert {"kafka_2.13", "kafka-clients", "kafka-server", "log4j-core", "log4j-slf4j-impl"} <= {
        jar.artifact for jar in lock
    }
    assert all(len(jar.sha256) == 64 and jar.size_bytes > 0 for jar in lock)
    assert len({jar.file_name for jar in lock}) == len(lock)


def test_fetched_once_and_then_taken_from_the_cache(tmp_path: Path, repository: tuple[str, Path]) -> None:
    address, jar = repository
    told: list[str] = []
    paths = ensure_jars(tmp_path / "cache", report=told.append, repository=address, lock=(JAR,))
    assert [path.read_bytes() for path in paths] == [CONTENT]
    assert any("fetching 1 jars" in line for line in told)
    jar.unlink()
    told.clear()
    assert ensure_jars(tmp_path / "cache", report=told.append, repository=address, lock=(JAR,)) == paths
    assert told == []
    assert sorted(path.name for path in paths[0].parent.iterdir()) == [JAR.file_name]  # nothing half done left


def test_a_mirror_configured_for_jgo_is_honoured(tmp_path: Path, repository: tuple[str, Path]) -> None:
    address, _ = repository
    settings = tmp_path / "user" / ".config" / "jgo.conf"
    settings.parent.mkdir(parents=True)
    settings.write_text(f"[repositories]\ncentral = {address}\n", encoding="utf-8")
    (path,) = ensure_jars(tmp_path / "cache", report=lambda _: None, lock=(JAR,))
    assert path.read_bytes() == CONTENT


def test_a_jar_in_the_users_maven_cache_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "user" / "m2" / "vn/gov/truc/1.0/truc-1.0.jar"
    own.parent.mkdir(parents=True)
    own.write_bytes(CONTENT)
    (path,) = ensure_jars(tmp_path / "cache", report=lambda _: None, repository="http://127.0.0.1:1", lock=(JAR,))
    assert path.read_bytes() == CONTENT
    assert not path.samefile(own)


def test_another_content_than_the_locks_is_refused(tmp_path: Path, repository: tuple[str, Path]) -> None:
    address, jar = repository
    jar.write_bytes(CONTENT[::-1])
    with pytest.raises(InfrastructureError, match=rf"vn.gov:truc:1.0 came with SHA-256 .*{JAR.sha256}"):
        ensure_jars(tmp_path / "cache", report=lambda _: None, repository=address, lock=(JAR,))
    assert not list((tmp_path / "cache").rglob("*.jar"))


def test_a_damaged_jar_in_the_cache_is_fetched_again(tmp_path: Path, repository: tuple[str, Path]) -> None:
    address, _ = repository
    (path,) = ensure_jars(tmp_path / "cache", report=lambda _: None, repository=address, lock=(JAR,))
    path.write_bytes(CONTENT[::-1])
    ensure_jars(tmp_path / "cache", report=lambda _: None, repository=address, lock=(JAR,))
    assert path.read_bytes() == CONTENT


def test_no_network_is_one_message_with_a_next_step(tmp_path: Path) -> None:
    with pytest.raises(InfrastructureError, match=r"vn.gov:truc:1.0 could not be fetched: .*refused") as caught:
        ensure_jars(tmp_path / "cache", report=lambda _: None, repository="http://127.0.0.1:1", lock=(JAR,))
    assert caught.value.exit_code == 4
    assert "DOCAXIS_BROKER_JAR_REPOSITORY" in caught.value.next_step


def test_a_repository_without_the_jar_is_told(tmp_path: Path, repository: tuple[str, Path]) -> None:
    address, jar = repository
    jar.unlink()
    with pytest.raises(InfrastructureError, match="not found in remote repositories"):
        ensure_jars(tmp_path / "cache", report=lambda _: None, repository=address, lock=(JAR,))


def test_no_room_is_told_before_anything_is_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(1, 1, 5 * 2**20))
    with pytest.raises(InfrastructureError, match=r"need 64 MiB in .*, and 5 MiB are free"):
        ensure_jars(tmp_path / "cache", report=lambda _: None, repository="http://127.0.0.1:1", lock=(JAR,))


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file in the way", encoding="utf-8")
    with pytest.raises(InfrastructureError, match="cannot be stored in"):
        ensure_jars(tmp_path / "cache", report=lambda _: None, repository="http://127.0.0.1:1", lock=(JAR,))
