"""What every role process shares: the loop, signals, the parent's lifeline, HTTP endpoints, an orderly end."""

import asyncio
import gc
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Annotated

import orjson
import typer
import uvloop
from aiohttp import web

from docaxis.commands.log_limit import bounded
from docaxis.domain.clock import SystemClock
from docaxis.kafka.cluster import probe
from docaxis.settings import KafkaSettings
from monitor.exposition import Exposition
from monitor.lag import Progress
from monitor.metrics import Collector, Metrics
from monitor.process_metrics import ProcessMetrics
from monitor.standstill import STILL_NS, Standstill

#: The highest port there is. The event loop would take a higher number too, and listen elsewhere.
PORT_MAX = 65_535

MetricsPort = Annotated[
    int, typer.Option("--metrics-port", min=0, max=PORT_MAX, help="Port of /metrics; 0: a free one.")
]
MetricsHost = Annotated[str, typer.Option("--metrics-host", help="Address of /metrics; 0.0.0.0: every one.")]
Owned = Annotated[bool, typer.Option("--owned", hidden=True, help="End when standard input ends.")]

#: A role that has not ended by itself this long after it was told to is broken.
END_WITHIN_S = 40.0

#: Batches make many short-lived containers and no cycles: collect rarely.
GC_THRESHOLD = (100_000, 50, 50)


@dataclass(frozen=True, slots=True)
class Role:
    """One role: the cluster it needs, what it does until told to stop, what it exports, whether it is at work yet."""

    name: str
    kafka: KafkaSettings
    work: Callable[[asyncio.Event], Awaitable[None]]
    collectors: Iterable[Collector]
    ready: Callable[[], bool]
    runs: Callable[[], Iterable[str]] = lambda: ()
    routes: Iterable[web.RouteDef] = ()  # what it answers beside the usual endpoints
    told_url: Callable[[str], None] = lambda url: None  # is told where its endpoints are, before it works
    progress: Callable[[], Iterable[Progress]] = lambda: ()  # how far its consumer is; it must not stand still
    still_ns: int = STILL_NS  # how long that is borne
    health: Callable[[], str | None] = lambda: None  # what is wrong with the process itself, and Kafka has no part in


def run_role(role: Role, *, metrics_port: int, owned: bool, metrics_host: str = "127.0.0.1") -> None:
    """Run a role in this process until SIGTERM, Ctrl-C, or (owned) the end of standard input."""
    logging.getLogger().addHandler(bounded(logging.StreamHandler(), SystemClock()))
    gc.set_threshold(*GC_THRESHOLD)
    uvloop.run(_run(role, metrics_host, metrics_port, owned))


async def _run(role: Role, metrics_host: str, metrics_port: int, owned: bool) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _stop, stop)
    if owned:
        await watch_parent(stop)
    await probe(role.kafka)  # a wrong address is a message now; an outage later is waited for
    clock = SystemClock()
    metrics = Metrics([*role.collectors, ProcessMetrics(role.name, role.runs)], clock)
    still = Standstill(role.still_ns)
    exposition = Exposition(
        metrics,
        role.ready,
        role.health,
        host=metrics_host,
        port=metrics_port,
        clock=clock,
        routes=role.routes,
        standing=lambda: still.fault(clock.monotonic_ns(), role.progress()),
    )
    await exposition.start()
    role.told_url(exposition.url)
    try:
        print(orjson.dumps({"role": role.name, "pid": os.getpid(), "url": exposition.url}).decode(), flush=True)
        await role.work(stop)
    except BaseExceptionGroup as group:  # of a task group inside: say what went wrong, not how it was nested
        raise _first(group) from None
    finally:
        await exposition.stop()


def _first(group: BaseException) -> BaseException:
    while isinstance(group, BaseExceptionGroup):
        group = group.exceptions[0]
    return group


def _stop(stop: asyncio.Event) -> None:
    """Ask for an orderly end; insist if that takes too long."""
    if not stop.is_set():
        stop.set()
        asyncio.get_running_loop().call_later(END_WITHIN_S, os._exit, 70)


async def watch_parent(stop: asyncio.Event) -> None:
    """Stop when standard input ends: it is a pipe that only the parent holds, so that means the parent is gone."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)

    async def wait() -> None:
        while await reader.read(1024):
            pass
        _stop(stop)

    _lifelines.add(asyncio.ensure_future(wait()))


#: Keeps the watching tasks alive: the loop itself holds tasks weakly.
_lifelines: set["asyncio.Task[None]"] = set()
