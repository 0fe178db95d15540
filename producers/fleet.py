"""The fleet: all virtual agencies of one process, sending, receiving, or both.

One process drives all 95; several share the work: fleet k of n sends for the agencies whose number is k modulo n, and
Kafka's consumer group splits the inboxes among whoever receives.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from docaxis.domain.agency import Registry
from docaxis.domain.calendar import vietnam_calendar
from docaxis.domain.clock import Clock
from docaxis.domain.codec import encode
from docaxis.kafka.topics import Topics
from docaxis.kafka.writer import BATCH_BYTES, BatchWriter
from docaxis.recording.replay_plan import ReplayPlan
from docaxis.workload.faults import Fault
from monitor.feed import Feed
from monitor.reading import CLOSING, TRAFFIC, Reading, encode_reading
from producers.arrivals import Arrivals
from producers.barrier import Barrier
from producers.drafting import Drafter, Drafts
from producers.generator_watch import GeneratorWatch
from producers.inbox import Waiting
from producers.life_cycle import LifeCycles
from producers.pacer import Pacer
from producers.receiver import ReceiverSettings, ReceiverStats, run_receiver
from producers.receiver_faults import ReceiverFaults
from producers.recorded import LEAD_US, Ahead, AlreadySent, Slice, recorded_slices
from producers.recorded_events import send_events
from producers.resume import already_sent, take_over
from producers.schedule import ConstantRate, PoissonRate
from producers.scheduled import ScheduledLoad, ScheduledSender
from producers.sender import Sender, SenderSettings, SenderStats
from producers.traffic import DraftBatch, Ordinals, TrafficModel
from producers.window import Window

log = logging.getLogger(__name__)

REPORT_INTERVAL_S = 0.5


@dataclass(frozen=True, slots=True)
class FleetSettings:
    """What a fleet does, and where."""

    client: Mapping[str, Any]
    topics: Topics
    partitions: int
    run: str
    registry: Registry
    seed: int
    receive: bool = True
    name: str = "fleet-0"
    share: tuple[int, int] = (0, 1)  # this fleet's number and how many there are
    poll_interval_us: int = 0
    life_cycle: bool = False
    in_flight_max: int = 200_000  # documents, of an open load
    window: int = 200_000  # deliveries, of a closed load: sent and not yet closed in the ledger
    receiver_faults: Sequence[tuple[Fault, frozenset[str]]] = ()
    first_phase: str = ""  # of a scheduled load: where faults happen that name no phase


@dataclass(frozen=True, slots=True)
class OpenLoad:
    """Documents at a rate that waits for nothing."""

    per_second: float
    documents: int | None = None  # None: until stopped
    poisson: bool = True
    fan_out_mean: float = 3.4
    drafted_ahead: bool = False  # draft everything before the first is due: for measuring the schedule alone


@dataclass(frozen=True, slots=True)
class ClosedLoad:
    """Documents as fast as they are received."""

    batches: Iterator[DraftBatch]


@dataclass(frozen=True, slots=True)
class RecordedLoad:
    """Documents of the past, each at its moment; or, if the plan says so, as fast as they are received."""

    plan: ReplayPlan


Load = OpenLoad | ClosedLoad | ScheduledLoad | RecordedLoad


@dataclass(slots=True)
class FleetStats:
    """What the fleet did; read by the metrics collector."""

    sender: SenderStats
    receiver: ReceiverStats = field(default_factory=ReceiverStats)
    window: Window | None = None
    life_cycles: LifeCycles | None = None
    sending_ended: bool = False
    closed_deliveries: int = 0  # this fleet's part of what the ledger has closed
    phase: str = "idle"  # what the load is doing: one of a small set of names

    @classmethod
    def of(cls, partitions: int) -> "FleetStats":
        """Return zeroed counts."""
        return cls(SenderStats(Arrivals.of(partitions)))


class Fleet:
    """One process's virtual agencies in one run."""

    def __init__(self, settings: FleetSettings, load: Load | None, clock: Clock, stats: FleetStats) -> None:
        self._settings = settings
        self._load = load
        self._clock = clock
        self.stats = stats
        self._window = stats.window = Window(settings.window, clock)
        self._barrier: Barrier | None = None
        self._scheduled: ScheduledSender | None = None
        if isinstance(load, ScheduledLoad):
            self._barrier = Barrier(settings.client, settings.topics, settings.run, settings.name, clock)
            stats.sender.watch = GeneratorWatch(clock, self._barrier.plan)
        if settings.life_cycle:
            stats.life_cycles = LifeCycles(settings.seed, vietnam_calendar())

    async def run(self, stop: asyncio.Event) -> None:
        """Send what there is to send and receive until told to stop."""
        async with contextlib.AsyncExitStack() as stack:
            producer = AIOKafkaProducer(
                **self._settings.client, enable_idempotence=True, acks="all", max_batch_size=BATCH_BYTES
            )
            await producer.start()
            stack.push_async_callback(producer.stop)
            parts = [self._report(producer, stop)]
            if isinstance(self._load, RecordedLoad) and self._load.plan.as_recorded:
                parts.append(self._send_as_recorded(self._load.plan, stop))
            elif self._load is not None:
                parts.append(self._send(self._load, stop))
            else:
                self.stats.sending_ended = True
            if isinstance(self._load, ClosedLoad) or (
                (isinstance(self._load, ScheduledLoad) and any(self._load.windows))
                or (isinstance(self._load, RecordedLoad) and self._load.plan.closed and not self._load.plan.as_recorded)
            ):
                parts.append(self._widen_window(stop))
            watching: list[asyncio.Task[None]] = []
            if self._barrier is not None:
                parts.append(self._barrier.follow(stop))
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

    # --- sending

    async def _send(self, load: Load, stop: asyncio.Event) -> None:
        settings = SenderSettings(
            self._settings.client,
            self._settings.topics,
            self._settings.partitions,
            in_flight_max=self._settings.in_flight_max,
        )
        sender = Sender(settings, self._clock, self.stats.sender)
        await sender.start()
        await self._until_receiving(stop)
        self.stats.phase = "sending"
        try:
            if isinstance(load, ClosedLoad):
                await sender.send_closed(self._drafts(load.batches), self._window, stop)
            elif isinstance(load, ScheduledLoad):
                await self._send_scheduled(sender, load, stop)
            elif isinstance(load, RecordedLoad):
                await self._send_recorded(sender, load.plan, stop)
            else:
                await self._send_open(sender, load, stop)
        finally:
            await sender.stop()
            self.stats.sending_ended = True

    async def _send_scheduled(self, sender: Sender, load: ScheduledLoad, stop: asyncio.Event) -> None:
        """Send by the plan that the conductor gives once everybody is ready."""
        assert self._barrier is not None
        assert self.stats.sender.watch is not None
        settings = self._settings
        self._scheduled = ScheduledSender(
            load,
            sender,
            Drafter(settings.run, settings.registry, settings.partitions),
            self.stats.sender.watch,
            self._barrier.plan,
            self._clock,
            settings.share,
            len(settings.registry),
            self._window,
            lambda: self.stats.closed_deliveries,
        )
        self._scheduled.prepare()
        if await self._barrier.pass_through(stop):
            await self._scheduled.run(stop)

    async def _until_receiving(self, stop: asyncio.Event) -> None:
        """Send nothing before this fleet's own receivers have their inboxes: waiting for them is not latency."""
        if self._settings.receive:
            waits = (self.stats.receiver.assigned.wait(), stop.wait())
            tasks = [asyncio.ensure_future(wait) for wait in waits]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                task.cancel()

    async def _drafts(self, batches: Iterator[DraftBatch]) -> AsyncIterator[Drafts]:
        """Draft batch after batch; the loop goes on in between."""
        drafter = Drafter(self._settings.run, self._settings.registry, self._settings.partitions)
        number, of = self._settings.share
        for batch in batches:
            mine = batch if of == 1 else batch.where(batch.sender % of == number)
            if len(mine):
                yield drafter.draft(mine)
            await asyncio.sleep(0)

    async def _send_open(self, sender: Sender, load: OpenLoad, stop: asyncio.Event) -> None:
        rate = load.per_second / self._settings.share[1]
        arrivals = PoissonRate(rate, self._settings.seed) if load.poisson else ConstantRate(rate)
        blocks = arrivals.blocks(load.documents, block=max(1, min(1000, int(rate))))
        drafter = Drafter(self._settings.run, self._settings.registry, self._settings.partitions)
        traffic = _Traffic(self._settings, load.fan_out_mean)
        drafted = ((due_us, drafter.draft(traffic.draft(len(due_us), self._clock))) for due_us in blocks)
        pacer = Pacer(self._clock)
        ready = list(drafted) if load.drafted_ahead else drafted
        start_us = self._clock.wall_us() + 200_000
        for due_us, drafts in ready:
            if stop.is_set():
                return
            await sender.send_open(drafts, start_us + due_us, pacer.wait_until, stop)

    async def _send_recorded(self, sender: Sender, plan: ReplayPlan, stop: asyncio.Event) -> None:
        sent = AlreadySent()
        if plan.resumed:
            topic = self._settings.topics.sent
            sent = await already_sent(
                self._settings.client, topic, self._settings.partitions, plan.run, plan.created_us
            )
            take_over(self.stats.sender.arrivals, sent)
        slices = recorded_slices(plan, self._settings.partitions, self._settings.registry.codes, sent)
        ahead = Ahead(slices, self._clock)
        await asyncio.to_thread(ahead.fill)
        if plan.closed:
            await sender.send_closed(_in_order(ahead), self._window, stop)
            return
        start_us = None
        while (ready := ahead.next()) is not None and not stop.is_set():
            if start_us is None:
                start_us = self._clock.wall_us() + LEAD_US - int(ready.due_us[0])
            await sender.send_open(ready.drafts, start_us + ready.due_us, ahead.wait_until, stop)

    async def _send_as_recorded(self, plan: ReplayPlan, stop: asyncio.Event) -> None:
        settings, arrivals = self._settings, self.stats.sender.arrivals
        codes = settings.registry.codes
        try:
            await send_events(
                plan, settings.client, settings.topics, settings.partitions, codes, arrivals, self._clock, stop
            )
        finally:
            self.stats.sending_ended = True

    async def _widen_window(self, stop: asyncio.Event) -> None:
        """Let the window follow the ledger: what is closed there is no longer under way, whoever received it.

        So a closed load is paced by the slowest part of the whole axis, the audit included, and nothing piles up.
        """
        feed = Feed(self._settings.client, self._settings.topics, self._settings.partitions)
        following = asyncio.ensure_future(feed.follow(stop))
        closed = 0
        while not (stop.is_set() or self.stats.sending_ended):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(feed.changed.wait(), REPORT_INTERVAL_S)
            feed.changed.clear()
            counts = feed.readings.counts(self._settings.run, CLOSING)
            mine = closed_of(self.stats.sender.deliveries, counts["closed"], counts["expected"]) - closed
            if mine > 0:
                closed += mine
                self.stats.closed_deliveries = closed
                self._window.closed(mine)
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)

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
            self._settings.share,
        )

    def _on_received(self, waiting: Sequence[Waiting], received_us: int) -> None:
        if self.stats.life_cycles is not None:
            for one in waiting:
                self.stats.life_cycles.begin(one.event)

    async def _state(self, lives: LifeCycles, producer: AIOKafkaProducer, stop: asyncio.Event) -> None:
        """State the business statuses that are due; when nothing more is sent the calendar runs to its end."""
        writer = BatchWriter(producer)
        while not stop.is_set():
            calendar_ms = None if self.stats.sending_ended else self.stats.sender.calendar_ms
            statuses = lives.due(calendar_ms, self._clock.wall_us())
            for partition, key, status in statuses:
                writer.put(self._settings.topics.status, partition, key, encode(status))
            if statuses:
                await writer.flush()
            else:
                await asyncio.sleep(0.05)

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
                await self._publish(producer)
            except (KafkaError, OSError) as error:  # the next one tells more, and the last one is not caught
                log.warning("arrivals not published: %s: %s", type(error).__name__, error)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), REPORT_INTERVAL_S)

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
            if ended and self._scheduled is not None:
                readings.append(self._pairs(self._scheduled))
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


def closed_of(mine: int, closed: int, expected: int) -> int:
    """Return how many of the `closed` deliveries of a run are those of a fleet that sent `mine` of the `expected`.

    The ledger does not tell fleets apart, and their agencies send unequally: each takes its part of what was sent. At
    the end, when all is closed, that is exactly what each sent.
    """
    return closed * mine // max(expected, mine, 1)


def fitting_mean(fan_out_mean: float, agencies: int) -> float:
    """Return the mean number of recipients, less where so few agencies could not be as many recipients."""
    return fan_out_mean if fan_out_mean < agencies - 1 else agencies / 2


async def _in_order(ahead: Ahead[Slice]) -> AsyncIterator[Drafts]:
    """Yield the drafts as they come; the loop goes on in between."""
    while (ready := ahead.next()) is not None:
        yield ready.drafts
        await asyncio.sleep(0)


class _Traffic:
    """Documents of today for an open load."""

    def __init__(self, settings: FleetSettings, fan_out_mean: float) -> None:
        self._registry = settings.registry
        model = TrafficModel.build(settings.registry, settings.seed, fitting_mean(fan_out_mean, len(settings.registry)))
        self._model = model.of_senders(np.arange(len(settings.registry)) % settings.share[1] == settings.share[0])
        self._ordinals = Ordinals(len(settings.registry))
        self._rng = np.random.default_rng(np.random.SeedSequence(settings.seed, spawn_key=settings.share))

    def draft(self, documents: int, clock: Clock) -> DraftBatch:
        """Return documents that are sent now."""
        return self._model.draft(self._rng, np.full(documents, clock.wall_us() // 1000), self._ordinals)
