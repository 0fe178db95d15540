"""A Faust app set up for batch topics, and running it inside somebody else's event loop."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import faust
from faust.app.base import BootStrategy
from faust.tables import TableManager
from faust.types import TP

from streams.batch.consumer import BatchConsumer
from streams.batch.hooks import BatchHooks, Position
from streams.batch.monitor import BatchMonitor
from streams.batch.transport import BatchTransport

#: A crash may come from the consumer's thread, which cannot wake a waiter in this loop: look at this interval.
CRASH_POLL_S = 0.25

#: Faust and mode say much at INFO (each service that starts, tables of offsets), also in the name of subclasses here,
#: and warn of every commit that took longer than the interval. A level set on these loggers before is kept.
QUIET_LOGGERS = {
    "faust": logging.WARNING,
    "mode": logging.WARNING,
    "mode.timers": logging.ERROR,
    __package__: logging.WARNING,
}


@dataclass(frozen=True, slots=True)
class BatchSettings:
    """How a batch app reads and commits."""

    chunk_size: int = 2000  # most records in one Faust event
    commit_interval_s: float = 0.5  # shorter: less comes again after a crash
    session_timeout_s: float = 6.0  # a dead worker's partitions move after this
    heartbeat_interval_s: float = 1.0
    rebalance_timeout_s: float = 30.0  # a live worker may take this long to hand its partitions back
    max_partition_fetch_bytes: int = 4 * 1024 * 1024
    fetch_max_bytes: int = 32 * 1024 * 1024  # bounds what one fetch holds in memory
    # aiokafka has one fetch per broker in flight: a partition that ran dry waits for it, at most this long.
    fetch_max_wait_ms: int = 100
    fetch_min_bytes: int = 1  # more: fewer and fuller fetches, each up to `fetch_max_wait_ms` later

    def consumer_options(self) -> dict[str, Any]:
        """Return the settings as AIOKafkaConsumer's keywords."""
        return {
            "session_timeout_ms": int(self.session_timeout_s * 1000),
            "heartbeat_interval_ms": int(self.heartbeat_interval_s * 1000),
            "rebalance_timeout_ms": int(self.rebalance_timeout_s * 1000),
            "max_partition_fetch_bytes": self.max_partition_fetch_bytes,
            "fetch_max_bytes": self.fetch_max_bytes,
            "fetch_max_wait_ms": self.fetch_max_wait_ms,
            "fetch_min_bytes": self.fetch_min_bytes,
        }


class _ConsumerOnly(BootStrategy):
    """Starts no producer of Faust's: applications write through transactional producers of their own."""

    enable_kafka_producer = False


class _NoTables(TableManager):
    """Stock waits 1 s at the start for tables to be declared; there are none here."""

    async def on_start(self) -> None:
        """Start what resumes the flow after each rebalance."""
        await self._update_channels()
        await self.recovery.start()


class BatchApp(faust.App):
    """Faust app whose topics are batch topics."""

    BootStrategy = _ConsumerOnly

    def _create_directories(self) -> None:
        """Create none: there are no tables, and stock would leave a folder in the current one."""

    def positions(self) -> dict[TP, Position]:
        """Return how far each assigned partition is, from memory; empty before the app has started."""
        return self._consumer.positions() if isinstance(self._consumer, BatchConsumer) else {}

    def consumer_loop(self) -> asyncio.AbstractEventLoop | None:
        """Return the event loop of the consumer's thread, if there is one now; None in tests without a broker."""
        thread = getattr(self._consumer, "_thread", None)
        return thread.thread_loop if thread is not None else None


def build_app(
    app_id: str,
    client: Mapping[str, Any],
    *,
    hooks: BatchHooks | None = None,
    settings: BatchSettings | None = None,
) -> BatchApp:
    """Return an app of consumer group `app_id`, to declare topics and agents on.

    `client` holds connection settings as aiokafka's clients take them (`bootstrap_servers`, `security_protocol`,
    `ssl_context`, `sasl_...`): they reach the consumer as they are.
    """
    settings = settings or BatchSettings()
    for name, level in QUIET_LOGGERS.items():
        if logging.getLogger(name).level == logging.NOTSET:
            logging.getLogger(name).setLevel(level)
    servers = client["bootstrap_servers"]
    app = BatchApp(
        app_id,
        broker=[f"kafka://{server}" for server in (servers.split(",") if isinstance(servers, str) else servers)],
        Monitor=BatchMonitor,
        TableManager=_NoTables,
        topic_disable_leader=True,
        topic_allow_declare=False,
        web_enabled=False,
        broker_session_timeout=settings.session_timeout_s,
        broker_heartbeat_interval=settings.heartbeat_interval_s,
        broker_rebalance_timeout=settings.rebalance_timeout_s,
        broker_commit_interval=settings.commit_interval_s,
        broker_request_timeout=client.get("request_timeout_ms", 40_000) / 1000,
        stream_wait_empty=True,
    )
    options = {"client_id": app_id, **settings.consumer_options(), **client, "group_id": app_id}
    app.transport = BatchTransport(
        app, hooks=hooks or BatchHooks(), chunk_size=settings.chunk_size, consumer_options=options
    )
    return app


async def run_app(app: faust.App, stop: asyncio.Event) -> None:
    """Run the app inside the running loop until `stop` is set, then stop it gracefully.

    Raises what made it crash or kept it from starting. Signals stay the caller's.
    """
    stopping = asyncio.ensure_future(stop.wait())
    starting = asyncio.ensure_future(app.start())  # ends when the first assignment flows, which may never come
    try:
        while not (stopping.done() or app.crashed):
            waiting = [stopping] if starting.done() else [stopping, starting]
            await asyncio.wait(waiting, timeout=CRASH_POLL_S, return_when=asyncio.FIRST_COMPLETED)
            if starting.done() and starting.exception() is not None:
                break
    finally:
        stopping.cancel()
        # A start that goes on while the app stops would start what the stop has already passed by.
        starting.cancel()
        await asyncio.wait([starting], timeout=CRASH_POLL_S)
        await app.stop()
    if app.crash_reason is not None:
        raise app.crash_reason
    if starting.done() and not starting.cancelled():
        starting.result()
