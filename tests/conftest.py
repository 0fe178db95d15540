"""What all tests share: one real broker a session, started when the first test asks for it, and topics of their own.

The broker is owned: it ends with the test session, also when that is killed.
"""

import asyncio
import os
import re
import threading
import zlib
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from docaxis.kafka.broker import EmbeddedBroker
from docaxis.kafka.topics import Topics, delete_topics, ensure_topics, plan_topics
from docaxis.settings import KafkaSettings, Settings, TopicSettings, load_settings

#: What tests take from the real environment; everything else in it must not change their outcome.
_SURROUNDINGS = ("HOME", "XDG_CACHE_HOME", "JAVA_HOME", "DOCAXIS_PATHS_CACHE", "DOCAXIS_BROKER_JAR_REPOSITORY")


#: A broker's start may take this long where other things keep the machine busy; without them it takes seconds.
_START_TIMEOUT_S = 300
#: A thread that was told to end has so long to do it.
_THREAD_ENDS_S = 30.0


def settings_at(home: Path, **overrides: object) -> Settings:
    """Return settings with a home folder of the test's own; `broker__brokers=3` sets broker.brokers."""
    environ = {name: os.environ[name] for name in _SURROUNDINGS if name in os.environ}
    dotted = {name.replace("__", "."): value for name, value in overrides.items()}
    given = {"paths.home": str(home), "broker.start_timeout_s": _START_TIMEOUT_S, **dotted}
    return load_settings(overrides=given, environ=environ)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --no-skips, for machines on which everything that tests need is installed."""
    parser.addoption("--no-skips", action="store_true", help="count a skipped test as failed")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip into a failure under --no-skips."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and item.config.getoption("no_skips"):
        report.outcome = "failed"
        report.longrepr = f"skipped, and --no-skips was given: {report.longrepr}"
    return report


def pytest_configure() -> None:
    """Say that this thread has no event loop yet: pytest-asyncio asks for it, and asyncio would make one in passing
    that nobody closes."""
    asyncio.set_event_loop(None)


def _is_pooled(thread: threading.Thread) -> bool:
    """Whether a thread waits in the pool of a loop that lives as long as the session: the browser's."""
    return thread.name.startswith("asyncio_")


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    """Fail a test that leaves a thread behind, with a client of a broker in it perhaps."""
    before = set(threading.enumerate())
    yield
    left = [thread for thread in threading.enumerate() if thread not in before and not _is_pooled(thread)]
    for thread in left:
        thread.join(_THREAD_ENDS_S)
    assert not (living := [thread for thread in left if thread.is_alive()]), f"threads left behind: {living}"


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedBroker]:
    """Give the session's broker, running."""
    with EmbeddedBroker(settings_at(tmp_path_factory.mktemp("broker"))) as broker:
        yield broker


@pytest.fixture
def kafka(broker: EmbeddedBroker) -> KafkaSettings:
    """Give the client settings of the session's broker."""
    return broker.kafka


@pytest.fixture
def topic_settings(request: pytest.FixtureRequest) -> TopicSettings:
    """Give topic settings whose prefix no other test has."""
    name = re.sub(r"\W+", "-", request.node.name).strip("-")[:40]
    return TopicSettings(prefix=f"t-{name}-{zlib.crc32(request.node.nodeid.encode()):08x}")


@pytest.fixture
def topics(kafka: KafkaSettings, topic_settings: TopicSettings) -> Iterator[Topics]:
    """Give the topics of a prefix of the test's own, created; they are deleted when it ends."""
    topics = Topics(topic_settings.prefix)
    asyncio.run(ensure_topics(kafka, plan_topics(topic_settings)))
    yield topics
    asyncio.run(delete_topics(kafka, topics.all))
