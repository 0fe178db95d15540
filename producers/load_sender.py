"""Sends a fleet's load, whichever it is, through one sender."""

import asyncio
from collections.abc import AsyncIterator, Iterator

from docaxis.domain.clock import Clock
from docaxis.kafka.waiting import first_of
from docaxis.recording.replay_plan import ReplayPlan
from producers.barrier import Barrier
from producers.drafting import Drafter, Drafts
from producers.fleet_settings import FleetSettings, FleetStats
from producers.load import ClosedLoad, Load, OpenLoad, RecordedLoad, TrafficOfToday
from producers.pacer import Pacer
from producers.recorded import Ahead, AlreadySent, Slice, recorded_slices
from producers.recorded_events import EventsSent, recorded_event_slices, send_events
from producers.resume import already_sent, events_sent, take_over
from producers.schedule import ConstantRate, PoissonRate
from producers.scheduled import ScheduledLoad, ScheduledSender
from producers.sender import Sender, SenderSettings
from producers.steered import Steered
from producers.traffic import DraftBatch


class LoadSender:
    """One load of one fleet; `barrier` is where a scheduled one waits for its start."""

    def __init__(self, settings: FleetSettings, clock: Clock, stats: FleetStats, barrier: Barrier | None) -> None:
        assert stats.window is not None
        self._settings = settings
        self._clock = clock
        self._stats = stats
        self._window = stats.window
        self._barrier = barrier
        self.scheduled: ScheduledSender | None = None

    async def send(self, load: Load, stop: asyncio.Event) -> None:
        """Send all of `load`, or until told to stop; then nothing is in flight."""
        if isinstance(load, RecordedLoad) and load.plan.as_recorded:
            await self._send_as_recorded(load.plan, stop)
            return
        settings = SenderSettings(
            self._settings.client,
            self._settings.topics,
            self._settings.partitions,
            in_flight_max=self._settings.in_flight_max,
        )
        sender = Sender(settings, self._clock, self._stats.sender)
        await sender.start()
        try:
            await self._until_receiving(stop)
            self._stats.phase = "sending"
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
            self._stats.sending_ended = True

    async def _send_scheduled(self, sender: Sender, load: ScheduledLoad, stop: asyncio.Event) -> None:
        """Send by the plan that the conductor gives once everybody is ready."""
        assert self._barrier is not None
        assert self._stats.sender.watch is not None
        settings = self._settings
        self.scheduled = ScheduledSender(
            load,
            sender,
            Drafter(settings.run, settings.registry, settings.partitions),
            self._stats.sender.watch,
            self._barrier.plan,
            self._clock,
            settings.share,
            len(settings.registry),
            self._window,
            lambda: self._stats.closed_deliveries,
        )
        self.scheduled.prepare()
        if await self._barrier.pass_through(stop):
            await self.scheduled.run(stop)

    async def _until_receiving(self, stop: asyncio.Event) -> None:
        """Send nothing before this fleet's own receivers have their inboxes: waiting for them is not latency."""
        if self._settings.receive:
            await first_of(self._stats.receiver.assigned.wait(), stop.wait())

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
        traffic = TrafficOfToday(self._settings, load.fan_out_mean)
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
            take_over(self._stats.sender.arrivals, sent.partitions)
        slices = recorded_slices(plan, self._settings.partitions, self._settings.registry.codes, sent)
        ahead = Ahead(slices, self._clock)
        await asyncio.to_thread(ahead.fill)
        steered = await self._steered(stop)
        if plan.closed:
            await sender.send_closed(_in_order(ahead, steered, stop), self._window, stop)
            return
        while not stop.is_set() and not steered.ended and (parts := ahead.together()):
            ready = Slice.joined(parts)
            async for first, due_us in steered.portions(ready.due_us, ahead.wait_until, stop):
                await sender.send_open(ready.drafts.rows(first, first + len(due_us)), due_us, ahead.wait_until, stop)

    async def _steered(self, stop: asyncio.Event) -> Steered:
        """Wait for the plan of this run, which its conductor gives once everybody is ready."""
        assert self._barrier is not None
        steered = Steered(self._barrier.plan, self._clock)
        steered.ended = not await self._barrier.pass_through(stop)
        return steered

    async def _send_as_recorded(self, plan: ReplayPlan, stop: asyncio.Event) -> None:
        settings, arrivals = self._settings, self._stats.sender.arrivals
        sent = EventsSent()
        try:
            if plan.resumed:
                sent = await events_sent(settings.client, settings.topics, settings.partitions, plan)
                take_over(arrivals, sent.documents)
            slices = recorded_event_slices(plan, settings.partitions, settings.registry.codes, sent)
            ahead = Ahead(slices, self._clock)
            await asyncio.to_thread(ahead.fill)
            steered = await self._steered(stop)
            await send_events(ahead, steered, settings.client, settings.topics, arrivals, stop, closed=plan.closed)
        finally:
            self._stats.sending_ended = True


async def _in_order(ahead: Ahead[Slice], steered: Steered, stop: asyncio.Event) -> AsyncIterator[Drafts]:
    """Yield the drafts as they come, but in pauses; the loop goes on in between."""
    while await steered.going_on(stop) and (ready := ahead.next()) is not None:
        yield ready.drafts
        await asyncio.sleep(0)
