"""The sending side of the virtual agencies: drafted documents go out in batches, each stamped at its moment.

Two ways. *Open*: an absolute schedule says when each document is due, and no arrival waits for an earlier one; what
could not be sent within `lateness_max_us` is dropped and counted. *Closed*: as fast as the window lets it, the intended
time being the moment of admission; such latencies are shown and never judged.
"""

import asyncio
from bisect import bisect_left, bisect_right
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError, KafkaTimeoutError, RequestTimedOutError

from docaxis.domain.clock import Clock
from docaxis.kafka.topics import Topics
from docaxis.kafka.writer import BATCHES, BatchWriter
from monitor.histogram import Histogram
from producers.arrivals import Arrivals
from producers.drafting import Drafts, stamped
from producers.generator_watch import GeneratorWatch
from producers.sending_notes import SendingNotes
from producers.window import Window

Int64s = npt.NDArray[np.int64]

#: Waits until a moment of the wall clock, in microseconds.
WaitUntil = Callable[[int], Awaitable[None]]

#: Documents stamped together in a closed loop: large enough to fill batches, small enough to share the event loop.
SLICE = 4000

#: Between handing over batches: what comes meanwhile shares the next ones. Kafka's own client takes 5 ms by default.
LINGER_S = 0.002

#: How often what was noted is counted.
COUNT_INTERVAL_S = 0.1

#: No answer came: the record may be in the topic or not.
_UNANSWERED = (KafkaTimeoutError, RequestTimedOutError, KafkaConnectionError, asyncio.CancelledError)


@dataclass(frozen=True, slots=True)
class SenderSettings:
    """How documents are sent."""

    client: Mapping[str, Any]
    topics: Topics
    partitions: int
    in_flight_max: int = 200_000  # documents not acknowledged yet; bounds memory
    lateness_max_us: int = 60_000_000  # an arrival that is still waiting after this is dropped
    request_timeout_ms: int = 60_000  # outlives a broker's restart


@dataclass(slots=True)
class SenderStats:
    """What the sender did; read by the metrics collector and the progress view."""

    arrivals: Arrivals
    documents: int = 0
    deliveries: int = 0
    calendar_ms: int = 0  # of the newest document sent
    lateness: Histogram = field(default_factory=Histogram)  # sent - intended: the generator's own error
    publish: Histogram = field(default_factory=Histogram)  # acked - intended
    errors: dict[str, int] = field(default_factory=dict)  # by kind of exception
    held_us: int = 0  # waiting for room at the in-flight bound
    watch: GeneratorWatch | None = None  # of a load test: told of everything


class Sender:
    """Sends the documents of one run through one idempotent producer: a retry of its own never doubles a record."""

    def __init__(self, settings: SenderSettings, clock: Clock, stats: SenderStats) -> None:
        self._settings = settings
        self._clock = clock
        self.stats = stats
        self._producer = AIOKafkaProducer(
            **{**settings.client, "request_timeout_ms": settings.request_timeout_ms},
            enable_idempotence=True,
            **BATCHES,
        )
        self._writer = BatchWriter(self._producer)
        self._notes = SendingNotes(stats.lateness, stats.publish, stats.watch)
        self._unsent: list[list[int]] = [[] for _ in range(settings.partitions)]  # intended times of what was put
        self._put = asyncio.Event()
        self._answered = asyncio.Event()
        self._held_until_us = 0
        self._ending = False
        self._pump: asyncio.Task[None] | None = None
        self._counting: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Connect, and begin to hand batches to the producer as it has room for them."""
        await self._producer.start()
        self._pump = asyncio.ensure_future(self._send_batches())
        self._pump.add_done_callback(lambda pump: self._answered.set())
        self._counting = asyncio.ensure_future(self._count_notes())

    async def stop(self) -> None:
        """Send what was put, wait for the answers that are due, disconnect; what has no answer counts as unknown."""
        self._ending = True
        self._put.set()
        try:
            if self._pump is not None:
                await self._pump
        finally:
            try:
                await self._producer.stop()
            finally:
                await self._end_counting()
        for counts in self.stats.arrivals.partitions:
            counts.unknown += counts.in_flight

    async def send_closed(self, source: AsyncIterator[Drafts], window: Window, stop: asyncio.Event) -> None:
        """Send everything as fast as the window lets it."""
        async for drafts in source:
            for first in range(0, len(drafts), SLICE):
                await window.room()
                last = min(first + SLICE, len(drafts))
                due_us = [self._clock.wall_us()] * (last - first)
                await self._room()
                if stop.is_set():
                    return
                window.opened(int(drafts.fan_out[first:last].sum()))
                self._put_all(drafts, first, due_us)

    async def send_open(
        self,
        drafts: Drafts,
        due_us: Int64s,
        wait_until: WaitUntil,
        stop: asyncio.Event,
        intended_us: Int64s | None = None,
    ) -> None:
        """Send each document at its due time on the wall clock, until told to stop.

        `intended_us`, where it differs from `due_us`, is what the schedule said of documents that a fault holds back.
        """
        due = due_us.tolist()
        intended = due if intended_us is None else intended_us.tolist()
        position = 0
        while position < len(due) and not stop.is_set():
            now_us = self._clock.wall_us()
            ready = bisect_right(due, now_us, position)
            if ready == position:
                await wait_until(due[position])
                continue
            self._note_due(due_us[position:ready], now_us)
            await self._room()
            sendable = bisect_left(due, self._clock.wall_us() - self._settings.lateness_max_us, position, ready)
            self._drop(drafts, position, sendable, intended[position:sendable])
            self._put_all(drafts, sendable, intended[sendable:ready])
            position = ready

    def _note_due(self, due_us: Int64s, now_us: int) -> None:
        """Note how late the generator itself is: what became due while it was held counts from then on."""
        self._notes.due(due_us, now_us - np.maximum(due_us, min(self._held_until_us, now_us)))

    async def _room(self) -> None:
        """Wait until fewer documents are in flight than the bound."""
        if self.stats.arrivals.total("in_flight") < self._settings.in_flight_max:
            return
        began_us = self._clock.wall_us()
        while self.stats.arrivals.total("in_flight") >= self._settings.in_flight_max:
            self._answered.clear()
            if self._pump is not None and self._pump.done():
                self._pump.result()  # what ended it: nothing that is in flight will be answered
            await self._answered.wait()
        self._held_until_us = self._clock.wall_us()
        self.stats.held_us += self._held_until_us - began_us
        if self.stats.watch is not None:
            self.stats.watch.on_held(self._held_until_us - began_us)

    def _drop(self, drafts: Drafts, first: int, last: int, intended_us: list[int]) -> None:
        """Count arrivals for which room came too late."""
        if first < last:
            self._notes.dropped(intended_us, drafts.fan_out[first:last])
        for partition in drafts.partitions[first:last].tolist():
            self.stats.arrivals.partitions[partition].scheduled += 1
            self.stats.arrivals.partitions[partition].dropped += 1

    def _put_all(self, drafts: Drafts, first: int, intended_us: list[int]) -> None:
        """Stamp the documents from `first` on, one for each intended time, and put them on their way."""
        if not intended_us:
            return
        topic, put, stats = self._settings.topics.sent, self._writer.put, self.stats
        last = first + len(intended_us)
        now_us = self._clock.wall_us()
        for partition, key, head, intended in zip(
            drafts.partitions[first:last].tolist(),
            drafts.keys[first:last],
            drafts.heads[first:last],
            intended_us,
            strict=True,
        ):
            put(topic, partition, key, stamped(head, intended, now_us))
            self._unsent[partition].append(intended)
            stats.arrivals.partitions[partition].scheduled += 1
        fan_out = drafts.fan_out[first:last]
        self._notes.sent(intended_us, now_us, fan_out)
        stats.documents += len(intended_us)
        stats.deliveries += int(fan_out.sum())
        stats.calendar_ms = int(drafts.calendar_ms[last - 1])
        self._put.set()

    async def _count_notes(self) -> None:
        while True:
            await asyncio.sleep(COUNT_INTERVAL_S)
            for step in self._notes.steps():
                step()
                await asyncio.sleep(0)  # what is due meanwhile

    async def _end_counting(self) -> None:
        """Count what is left; raise what ended the counting before its time."""
        self._notes.count()
        if self._counting is not None:
            self._counting.cancel()
            await asyncio.wait({self._counting})
            if not self._counting.cancelled():
                self._counting.result()

    async def _send_batches(self) -> None:
        """Hand to the producer whatever was put since the last time, for as long as something is.

        The producer takes one batch a partition at a time. Meanwhile documents go on being stamped and put, so a slow
        answer makes the next batches fuller and delays no stamp; what waits here is in flight and bounded as such.
        """
        while True:
            await self._put.wait()
            self._put.clear()
            unsent, self._unsent = self._unsent, [[] for _ in self._unsent]
            taken = [0] * len(unsent)
            for batch in await self._writer.send():
                first = taken[batch.partition]
                taken[batch.partition] += batch.records
                intended_us = unsent[batch.partition][first : taken[batch.partition]]
                batch.answer.add_done_callback(partial(self._on_answer, batch.partition, intended_us))
            if self._ending and not self._put.is_set():
                return
            await asyncio.sleep(LINGER_S)

    def _on_answer(self, partition: int, intended_us: list[int], answer: "asyncio.Future[object]") -> None:
        arrivals = self.stats.arrivals.partitions[partition]
        error = asyncio.CancelledError() if answer.cancelled() else answer.exception()
        if error is None:
            arrivals.acked += len(intended_us)
            self._notes.acked(intended_us, self._clock.wall_us())
        else:
            self.stats.errors[type(error).__name__] = self.stats.errors.get(type(error).__name__, 0) + 1
            if isinstance(error, _UNANSWERED):
                arrivals.unknown += len(intended_us)
            else:
                arrivals.failed += len(intended_us)
        self._answered.set()
