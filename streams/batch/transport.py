"""The transport that delivers batch topics, on aiokafka set up for it."""

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, ClassVar, cast

import faust
from aiokafka import AIOKafkaConsumer
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import KafkaError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from mode.threads import ServiceThread, WorkerThread

from docaxis.kafka.bulk import BulkConsumer
from streams.batch.consumer import BatchConsumer
from streams.batch.hooks import BatchHooks, FetchedTo

#: How often a stop looks whether the thread that it has to stop has come to life; that takes milliseconds.
_STARTING_POLL_S = 0.005


class _PassingThread(WorkerThread):
    """A thread that the end of the process does not wait for: one that a dead broker holds up must not hold that up."""

    def __init__(self, service: ServiceThread, **kwargs: Any) -> None:
        super().__init__(service, **kwargs)
        self.daemon = True


class BatchThread(driver.AIOKafkaConsumerThread):
    """The thread that aiokafka runs in."""

    Worker: type[WorkerThread] = _PassingThread

    def __init__(self, consumer: BatchConsumer, **kwargs: Any) -> None:
        """Run aiokafka in a uvloop where the application does; mode would make a plain loop."""
        kind = type(consumer.loop)
        super().__init__(consumer, thread_loop=kind() if kind.__module__.startswith("uvloop") else None, **kwargs)
        self._close_thread_loop_on_stop = True  # mode leaves a loop that it was given

    def _create_worker_consumer(self, transport: driver.Transport) -> AIOKafkaConsumer:
        """Create the client. Stock reads uncommitted data and spreads the partitions of a number over workers."""
        # Range gives each worker the same partition numbers of all topics that have the same number of partitions.
        self._assignor = RangePartitionAssignor
        return BulkConsumer(
            **cast(BatchTransport, transport).consumer_options,
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            partition_assignment_strategy=[self._assignor],
        )

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        """Commit, or give up after a session: aiokafka tries for ever, and a stop would wait for a dead broker.

        What was not committed stays committable; after a stop it comes again.
        """
        try:
            return await asyncio.wait_for(super()._commit(offsets), self.app.conf.broker_session_timeout)
        except TimeoutError:
            return False

    async def _fetch_records(self, consumer: AIOKafkaConsumer, *args: Any, **kwargs: Any) -> Any:
        """Fetch, and note where that leaves the fetcher before anything else can move it."""
        records = await super()._fetch_records(consumer, *args, **kwargs)
        assignment = consumer._subscription.subscription and consumer._subscription.subscription.assignment
        states = {tp: assignment.state_value(tp) for tp in assignment.tps} if assignment else {}
        cast(BatchConsumer, self.consumer).last_fetch = {
            TP(*tp): FetchedTo(state.position, state.lso, state.highwater)
            for tp, state in states.items()
            if state.has_valid_position
        }
        return records

    async def stop(self) -> None:
        """Stop the thread, also one that has only just been started: stock would pass it by, and it would live on."""
        while self._thread is not None and self._thread.is_alive() and not self._started.is_set():  # noqa: ASYNC110
            await asyncio.sleep(_STARTING_POLL_S)  # an event of that thread cannot be awaited here
        await super().stop()

    async def on_thread_stop(self) -> None:
        """Stop aiokafka, also when there is no broker to say goodbye to.

        Its fetcher, stopped while it waits for a retry, ends with the cancellation of that wait: stock would take it
        for its own, leave the connections open, and have the app wait for the thread until a timeout.
        """
        try:
            await super().on_thread_stop()
        except (asyncio.CancelledError, KafkaError):
            if self._consumer is not None:
                await self._consumer._client.close()

    def _start_thread(self) -> None:
        with suppress(Exception):  # it reached the app through crash(); raised here, Python would print it
            super()._start_thread()

    async def _wakeup_timer_in_thread(self) -> None:
        """Note the time only: the coroutine that stock posts to the other loop is lost when that loop ends first."""
        self.last_wakeup_at = time.monotonic()

    def on_crash(self, msg: str, *fmt: Any, **kwargs: Any) -> None:
        """Say nothing: stock prints a traceback to stderr, and the error is raised to whoever runs the app anyway."""


class DriverConsumer(BatchConsumer):
    """The batch consumer on aiokafka."""

    def _new_consumer_thread(self) -> BatchThread:
        return BatchThread(self, loop=self.loop, beacon=self.beacon)


class BatchTransport(driver.Transport):
    """aiokafka transport whose consumer delivers chunks; `consumer_options` are AIOKafkaConsumer's."""

    Consumer: ClassVar[type[BatchConsumer]] = DriverConsumer

    def __init__(
        self, app: faust.App, *, hooks: BatchHooks, chunk_size: int, consumer_options: Mapping[str, Any]
    ) -> None:
        super().__init__(app.conf.broker_consumer, app)
        self.hooks = hooks
        self.chunk_size = chunk_size
        self.consumer_options = consumer_options
