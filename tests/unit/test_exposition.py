"""The HTTP endpoints of a process."""

import gzip
import socket
from collections.abc import AsyncIterator, Iterable, Mapping

import aiohttp
import pytest
from prometheus_client import Metric

from docaxis.domain.clock import ManualClock
from docaxis.domain.errors import InfrastructureError
from monitor.exposition import PAGE_NS, Exposition
from monitor.metrics import Metrics
from streams.hub import HubStats
from streams.hub_metrics import HubMetrics
from tests.support.metrics import parse

PROMETHEUS_ACCEPT = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2,*/*;q=0.1"


class Process:
    """A hub that never ran, with its endpoints."""

    def __init__(self) -> None:
        self.stats, self.clock = HubStats(), ManualClock()
        self.ready = False
        self.fault: str | None = None
        self.standing: str | None = None
        metrics = Metrics([HubMetrics(self.stats, "hub", self.clock)], self.clock)
        self.exposition = Exposition(
            metrics, lambda: self.ready, lambda: self.fault, clock=self.clock, standing=lambda: self.standing
        )

    async def get(self, path: str, **headers: str) -> tuple[int, Mapping[str, str], bytes]:
        """Return status, headers and body, as they came over the wire."""
        async with aiohttp.ClientSession(auto_decompress=False) as session:
            asked = {"Accept-Encoding": "identity"} | headers
            async with session.get(self.exposition.url + path, headers=asked) as answer:
                return answer.status, answer.headers, await answer.read()


@pytest.fixture
async def process() -> AsyncIterator[Process]:
    process = Process()
    await process.exposition.start()
    yield process
    await process.exposition.stop()


def documents(families: Iterable[Metric]) -> float:
    return next(f.samples[0].value for f in families if f.name == "docaxis_hub_documents")


async def test_a_scrape_sees_the_values_of_now_in_the_format_it_asks_for(process: Process) -> None:
    status, headers, body = await process.get("/metrics")
    assert (status, headers["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert documents(parse(body)) == 0
    process.stats.documents = 5
    process.clock.advance_us(PAGE_NS // 1000)
    status, headers, body = await process.get("/metrics", Accept=PROMETHEUS_ACCEPT)
    assert (status, headers["Content-Type"]) == (200, "application/openmetrics-text; version=1.0.0; charset=utf-8")
    assert documents(parse(body, openmetrics=True)) == 5


async def test_scrapes_that_come_close_together_get_the_same_page(process: Process) -> None:
    _, _, first = await process.get("/metrics")
    process.stats.documents = 5
    _, _, second = await process.get("/metrics")
    process.clock.advance_us(PAGE_NS // 1000)
    _, _, third = await process.get("/metrics")
    assert [documents(parse(page)) for page in (first, second, third)] == [0, 0, 5]


async def test_a_page_is_compressed_only_for_who_asks(process: Process) -> None:
    _, headers, plain = await process.get("/metrics")
    assert "Content-Encoding" not in headers
    _, headers, packed = await process.get("/metrics", **{"Accept-Encoding": "gzip"})
    assert headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed) == plain
    _, headers, _ = await process.get("/metrics", **{"Accept-Encoding": "gzip;q=0, identity"})
    assert "Content-Encoding" not in headers


@pytest.mark.parametrize(
    "accept",
    ["", "*/*", "text/plain", "application/openmetrics-text;version=2.0.0", "application/openmetrics-text;q=0"],
)
async def test_the_text_format_is_for_everybody_else(process: Process, accept: str) -> None:
    _, headers, _ = await process.get("/metrics", Accept=accept)
    assert headers["Content-Type"].startswith("text/plain; version=0.0.4")


async def test_health_and_readiness_say_why_not(process: Process) -> None:
    assert (await process.get("/healthz"))[0] == 200
    status, _, body = await process.get("/readyz")
    assert (status, body) == (503, b"not ready yet\n")
    process.ready = True
    assert (await process.get("/readyz"))[0] == 200
    process.standing = "not progressing for 70 s"
    assert (await process.get("/readyz"))[::2] == (503, b"not progressing for 70 s\n")
    assert (await process.get("/healthz"))[0] == 200  # nobody may restart it for that: the broker may be at fault
    process.fault = "a loop that stands"
    for path in ("/healthz", "/readyz"):
        status, _, body = await process.get(path)
        assert (status, body) == (503, b"a loop that stands\n")


async def test_only_reading_is_offered(process: Process) -> None:
    assert (await process.get("/"))[0] == 404
    async with aiohttp.ClientSession() as session, session.post(process.exposition.url + "/metrics") as answer:
        assert answer.status == 405


async def test_a_taken_port_is_named_with_what_to_do(process: Process) -> None:
    second = Process().exposition
    second._port = process.exposition.port
    with pytest.raises(InfrastructureError) as raised:
        await second.start()
    assert str(process.exposition.port) in raised.value.message
    assert "another port" in raised.value.next_step
    await second.stop()


async def test_an_address_of_another_machine_is_refused() -> None:
    metrics = Metrics([], ManualClock())
    exposition = Exposition(metrics, lambda: True, lambda: None, host="192.0.2.1", clock=ManualClock())
    with pytest.raises(InfrastructureError, match=r"192\.0\.2\.1"):
        await exposition.start()


async def test_the_port_is_free_after_the_stop() -> None:
    process = Process()
    await process.exposition.start()
    port = process.exposition.port
    await process.exposition.stop()
    with socket.create_server(("127.0.0.1", port)):
        pass


async def test_one_that_listens_everywhere_tells_an_address_that_others_can_reach() -> None:
    exposition = Exposition(Metrics([], ManualClock()), lambda: True, lambda: None, host="0.0.0.0")
    await exposition.start()
    try:
        assert "0.0.0.0" not in exposition.url
        async with aiohttp.ClientSession() as session, session.get(f"{exposition.url}/healthz") as answer:
            assert answer.status == 200
    finally:
        await exposition.stop()
