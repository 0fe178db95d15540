"""A prepared set of topics, that meter, ledger and hub are measured on: a real exchange, made once and read again.

While it is made, the stream worker's /metrics are scraped: that is the moment when it has most to do.
"""

import asyncio
import time
from dataclasses import dataclass, field

import aiohttp

from docaxis.bench.session import Session
from docaxis.commands.axis import Axis
from monitor.progress import Moment

#: Longer than a page is kept (`monitor.exposition.PAGE_NS`), so that every scrape makes a new one.
SCRAPE_INTERVAL_S = 0.11


@dataclass(slots=True)
class Scrapes:
    """What scraping one process under load came to."""

    seconds: list[float] = field(default_factory=list)
    series: int = 0  # in the last page


@dataclass(frozen=True, slots=True)
class Prepared:
    """Topics full of records."""

    prefix: str
    documents: int
    deliveries: int
    scrapes: Scrapes

    @property
    def records(self) -> int:
        """Records in all event topics: documents, deliveries, receipts."""
        return self.documents + 2 * self.deliveries


async def prepared(session: Session) -> Prepared:
    """Return the session's prepared topics; make them the first time."""
    if session.prepared is None:
        session.prepared = await _prepare(session)
    return session.prepared


async def _prepare(session: Session) -> Prepared:
    session.tell("preparing topics by an exchange, scraped meanwhile ...")
    prefix, scrapes = "bench-prepared", Scrapes()
    loaded: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def watch(axis: Axis, moment: Moment) -> None:
        if moment.documents and not loaded.done():
            loaded.set_result(next(child.url for child in axis.children if child.name == "stream"))

    scraping = asyncio.ensure_future(_scrape(loaded, scrapes, session.volume.scrapes))
    try:
        exchange = await session.history(prefix, session.volume.prepared_scale, watch)
    finally:
        scraping.cancel()
        await asyncio.gather(scraping, return_exceptions=True)
    return Prepared(prefix, exchange.documents, exchange.deliveries, scrapes)


async def _scrape(loaded: "asyncio.Future[str]", scrapes: Scrapes, times: int) -> None:
    """Scrape as Prometheus does, as often as asked for or until cancelled."""
    url = f"{await loaded}/metrics"
    async with aiohttp.ClientSession() as client:
        for _ in range(times):
            started_s = time.perf_counter()
            async with client.get(url) as response:
                page = await response.text()
                response.raise_for_status()
            scrapes.seconds.append(time.perf_counter() - started_s)
            scrapes.series = sum(bool(line) and not line.startswith("#") for line in page.splitlines())
            await asyncio.sleep(SCRAPE_INTERVAL_S)
