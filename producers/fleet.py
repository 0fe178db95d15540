"""The fleet: all virtual agencies of one process, sending, receiving, or both.

One process drives all 95; several share the work: fleet k of n sends for the agencies whose number is k modulo n, and
Kafka's consumer group splits the inboxes among whoever receives.
"""

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from functools import partial

import numpy as np
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from docaxis.domain.calendar import vietnam_calendar
from docaxis.domain.clock import Clock
from docaxis.domain.codec import encode
from docaxis.domain.event import Status
from docaxis.kafka.following import insist
from docaxis.kafka.outage import client_cancellations_as_errors
from docaxis.kafka.waiting import sleep_unless
from docaxis.kafka.writer import BATCHES, BatchWriter
from monitor.reading import TRAFFIC, Reading, encode_reading
from producers.barrier import Barrier
from producers.fleet_settings import FleetSettings, FleetStats
from producers.generator_watch import GeneratorWatch
from producers.inbox import Waiting
from producers.life_cycle import LifeCycles
from producers.load import Load, RecordedLoad, follows_ledger
from producers.load_sender import LoadSender
from producers.receiver import ReceiverSettings, run_receiver
from producers.receiver_faults import ReceiverFaults
from producers.scheduled import ScheduledLoad, ScheduledSender
from producers.window import Window
from producers.window_feed import widen_window

log = logging.getLogger(__name__)

REPORT_INTERVAL_S = 0.5


class Fleet:
    """One process's virtual agencies in one run."""

    def __init__(self, settings: FleetSettings, load: Load | None, clock: Clock, stats: FleetStats) -> None:
        self._settings = settings
        self._load = load
        self._clock = clock
        self.stats = stats
        stats.window = Window(settings.window, clock)
        self._barrier: Barrier | None = None
        if settings.conducted or isinstance(load, ScheduledLoad | RecordedLoad):
            life = load.plan.life if isinstance(load, RecordedLoad) else 0
            self._barrier = Barrier(settings.client, settings.topics, settings.run, settings.name, clock, beyond=life)
            stats.sender.watch = GeneratorWatch(clock, self._barrier.plan, published=life)
        if settings.life_cycle:
            stats.life_cycles = LifeCycles(settings.seed, vietnam_calendar(), partitions=settings.partitions)
        self._sender = LoadSender(settings, clock, stats, self._barrier)

    async def run(self, stop: asyncio.Event) -> None:
        """Send what there is to send and receive until told to stop."""
        async with contextlib.AsyncExitStack() as stack:
            producer = AIOKafkaProducer(**self._settings.client, **BATCHES, enable_idempotence=True)
            await producer.start()
            stack.push_async_callback(producer.stop)
            parts = [self._report(producer, stop)]
            if self._load is not None:
                parts.append(self._sender.send(self._load, stop))
            else:
                self.stats.sending_ended = True
            if self._load is not None and follows_ledger(self._load):
                parts.append(widen_window(self._settings, self.stats, stop))
            watching: list[asyncio.Task[None]] = []
            if self._barrier is not None:
                parts.extend((self._barrier.follow(stop), self._barrier.end_with_run(stop)))
            if (watch := self.stats.sender.watch) is not None:
                watching.append(asyncio.ensure_future(watch.watch()))
            if self._settings.receive:
                parts.append(self._receive(stop))
            if self.stats.life_cycles is not None:
                parts.append(self._state(self.stats.life_cycles, producer, stop))
            async with asyncio.TaskGroup() as group:
                for part in parts:
                    group.create_task(part)
            for task in watching:
                task.cancel()
            await self._publish(producer)

    # --- receiving

    async def _receive(self, stop: asyncio.Event) -> None:
        settings = ReceiverSettings(
            self._settings.client,
            self._settings.topics,
            self._settings.partitions,
            group=f"{self._settings.topics.prefix}-agencies",
            poll_interval_us=self._settings.poll_interval_us,
            faults=self._receiver_faults(),
        )
        await run_receiver(settings, self._clock, self.stats.receiver, stop, self._on_received)

    def _receiver_faults(self) -> ReceiverFaults | None:
        watch = self.stats.sender.watch
        if watch is None or self._barrier is None or not self._settings.receiver_faults:
            return None
        return ReceiverFaults(
            self._settings.receiver_faults,
            self._barrier.plan,
            self._settings.first_phase,
            lambda kind, count: watch.on_injected(kind, count, count),
            self._settings.seed,
            self._settings.share,
            self._settings.partitions,
        )

    def _on_received(self, waiting: Sequence[Waiting], received_us: int) -> None:
        if self.stats.life_cycles is not None:
            for one in waiting:
                self.stats.life_cycles.begin(one.event)

    async def _state(self, lives: LifeCycles, producer: AIOKafkaProducer, stop: asyncio.Event) -> None:
        """State the business statuses that are due; when nothing more is sent the calendar runs to its end."""
        while not stop.is_set():
            calendar_ms = None if self.stats.sending_ended else self.stats.sender.calendar_ms
            if statuses := lives.due(calendar_ms, self._clock.wall_us()):
                # A failure repeats them all, and omits none.
                await insist(partial(self._write, producer, statuses), stop, "statuses")
            else:
                await asyncio.sleep(0.05)

    async def _write(
        self, producer: AIOKafkaProducer, statuses: Sequence[tuple[int, bytes, Status]], stop: asyncio.Event
    ) -> None:
        writer = BatchWriter(producer)
        for partition, key, status in statuses:
            writer.put(self._settings.topics.status, partition, key, encode(status))
        await writer.flush()

    # --- reporting

    def _note_phase(self) -> None:
        """Keep what a scheduled load calls its phase of now."""
        plan = self._barrier.plan() if self._barrier is not None else None
        if plan is not None and self.stats.phase != "idle":
            now_us = self._clock.wall_us()
            now = (phase.name for phase in plan.phases if phase.begin_us <= now_us < phase.end_us)
            self.stats.phase = next(now, "sending")

    async def _report(self, producer: AIOKafkaProducer, stop: asyncio.Event) -> None:
        """Publish what became of the arrivals, until told to stop."""
        while not stop.is_set():
            self._note_phase()
            try:
                with client_cancellations_as_errors():
                    await self._publish(producer)
            except (KafkaError, OSError) as error:  # the next one tells more, and the last one is not caught
                log.warning("arrivals not published: %s: %s", type(error).__name__, error)
            await sleep_unless(stop, REPORT_INTERVAL_S)

    async def _publish(self, producer: AIOKafkaProducer) -> None:
        writer = BatchWriter(producer)
        ended = self.stats.sending_ended and not self.stats.sender.arrivals.total("in_flight")
        readings = self.stats.sender.arrivals.to_readings(
            self._settings.run,
            self._settings.name,
            self._clock.wall_us(),
            ended=ended,
            statuses_pending=len(self.stats.life_cycles or ()),
        )
        if (watch := self.stats.sender.watch) is not None:
            watch.note_in_flight(self.stats.sender.arrivals.total("in_flight"))
            readings = [*readings, watch.reading(self._settings.run, self._settings.name)]
            if ended and self._sender.scheduled is not None:
                readings.append(self._pairs(self._sender.scheduled))
        for reading in readings:
            writer.put(self._settings.topics.readings, reading.partition, *encode_reading(reading))
        await writer.flush()

    def _pairs(self, scheduled: ScheduledSender) -> Reading:
        """Return who wrote how much to whom, drafted for sending."""
        codes, pairs = self._settings.registry.codes, scheduled.pairs
        return Reading(
            version=1,
            run=self._settings.run,
            topic=TRAFFIC,
            partition=0,
            offset=int(pairs.sum()),
            at_us=self._clock.wall_us(),
            source=self._settings.name,
            agencies={
                codes[sender]: {codes[one]: int(row[one]) for one in np.flatnonzero(row).tolist()}
                for sender, row in enumerate(pairs)
                if row.any()
            },
        )
