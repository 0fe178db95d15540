"""What watching costs: counting and auditing at 100,000 records a second, the live page, and each who looks at it."""

import asyncio
from collections.abc import Awaitable, Callable

import aiohttp

from docaxis.bench.part import run_part
from docaxis.bench.prepared import prepared
from docaxis.bench.session import SEED, Session
from docaxis.bench.table import Row, Target, median_of
from docaxis.commands.axis import Axis
from docaxis.commands.conduct import RoleCommand
from docaxis.domain.errors import InfrastructureError
from monitor.progress import Moment

#: Records a second that are to be watched, and the processor cores that this may take.
RECORDS_PER_S, CORES_MAX = 100_000, 1.0

#: Viewers of the live page, and what they may cost together, in percent of a core.
VIEWERS, VIEWERS_PERCENT_MAX = 5, 5.0

#: Seconds of one look at the processor time, and how many looks with and without viewers.
LOOK_S, LOOKS = 6.0, 3


async def measure(session: Session) -> list[Row]:
    """Measure the stream worker on prepared records, then the page beside an open load, with and without viewers."""
    topics = await prepared(session)
    out = "bench-watching"
    await session.create_topics(out)
    log = session.folder / "watching.log"
    arguments = {"prefix": topics.prefix, "out": out, "records": topics.records, "meter": True, "ledger": True}
    worker = await run_part(session.settings, log, "stream", **arguments)
    await session.drop_topics(out)
    alone, watched = await _page(session)
    counting = RECORDS_PER_S / worker["per_cpu_second"]
    note = f"meter and ledger {counting:.2f}, live page {alone:.3f}; by processor time, on {topics.records:,} records"
    cores = Row("watching", counting + alone, "cores", None, Target(CORES_MAX, at_most=True, of_ratio=False), note)
    extra = max(watched - alone, 0.0) * 100
    note = f"{VIEWERS} viewers of the live page beside a load of {session.volume.watched_rate:,} documents/s"
    target = Target(VIEWERS_PERCENT_MAX, at_most=True, of_ratio=False)
    return [cores, Row("viewers", extra, "% of a core", None, target, note)]


async def _page(session: Session) -> tuple[float, float]:
    """Return the cores that `docaxis monitor` takes while nobody looks, and while some do; medians of the looks.

    Raises:
        InfrastructureError: the load ended before the looks did.
    """
    prefix, rate = "bench-viewers", session.volume.watched_rate
    documents = int(rate * (2 * LOOKS * LOOK_S + 25))
    session.tell(f"watching: {rate:,} documents/s, {VIEWERS} viewers, {LOOKS} looks with and without them ...")
    loaded: asyncio.Future[Axis] = asyncio.get_running_loop().create_future()

    def watch(axis: Axis, moment: Moment) -> None:
        if moment.documents and not loaded.done():
            loaded.set_result(axis)

    async def look() -> tuple[float, float]:
        axis = await loaded
        child = await axis.start("monitor", "monitor", "--workers", "0", "--page-port", "0", "--prefix", prefix)
        try:
            return await _looks(child.url, prefix)
        finally:
            await axis.stop([child])

    looking = asyncio.ensure_future(look())
    shared = ["fleet", "--run", prefix, "--seed", str(SEED)]
    load = ["--rate", str(rate), "--documents", str(documents), "--no-receive"]
    try:
        await session.exchange(
            prefix, [RoleCommand("receivers", shared), RoleCommand("fleet", [*shared, *load])], watch
        )
        if not looking.done():
            raise InfrastructureError("the load ended before the page was measured", next_step="measure it again")
        return looking.result()
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
        await session.drop_topics(prefix)


async def _looks(url: str, run: str) -> tuple[float, float]:
    """Look by turns without and with viewers, so that a slow drift falls on both."""
    alone, watched = [], []
    async with aiohttp.ClientSession(read_bufsize=1 << 22) as client:
        await asyncio.sleep(3)  # the page's own start is no cost of watching
        for _ in range(LOOKS):
            alone.append(await _cores(client, url, lambda: asyncio.sleep(LOOK_S)))
            viewers = [asyncio.ensure_future(_view(client, url, run)) for _ in range(VIEWERS)]
            await asyncio.sleep(1)
            watched.append(await _cores(client, url, lambda: asyncio.sleep(LOOK_S)))
            for viewer in viewers:
                viewer.cancel()
            await asyncio.gather(*viewers, return_exceptions=True)
    return median_of(alone), median_of(watched)


async def _cores(client: aiohttp.ClientSession, url: str, wait: Callable[[], Awaitable[None]]) -> float:
    """Return the processor cores that the page's process takes while something is waited for."""
    loop = asyncio.get_running_loop()
    started_s, before_s = loop.time(), await _cpu_seconds(client, url)
    await wait()
    return (await _cpu_seconds(client, url) - before_s) / (loop.time() - started_s)


async def _cpu_seconds(client: aiohttp.ClientSession, url: str) -> float:
    async with client.get(f"{url}/metrics") as answer:
        lines = (await answer.text()).splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("process_cpu_seconds_total"))


async def _view(client: aiohttp.ClientSession, url: str, run: str) -> None:
    """Read what the page is pushed, as a browser does."""
    timeout = aiohttp.ClientTimeout(total=None)
    async with client.get(f"{url}/api/events", params={"run": run}, timeout=timeout) as answer:
        async for _ in answer.content:
            pass
