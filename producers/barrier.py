"""The start barrier as a fleet sees it: compare clocks with the conductor, say "ready", wait for the plan."""

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any

from aiokafka import AIOKafkaProducer

from docaxis.domain.clock import Clock
from docaxis.domain.control import ControlRecord, Echo, Hello, Ready, skew_of
from docaxis.domain.plan import Plan
from docaxis.kafka.control import ControlFeed, say
from docaxis.kafka.topics import Topics

#: Clocks are compared so often; the exchange that took the least time tells most.
COMPARISONS = 8

#: How often a fleet looks whether its run is over, in seconds.
OVER_LOOKED_FOR_S = 0.2

#: An answer that takes longer is not waited for.
ANSWER_S = 3.0


class Barrier:
    """One fleet's side of the control topic."""

    def __init__(
        self, client: Mapping[str, Any], topics: Topics, run: str, source: str, clock: Clock, beyond: int = 0
    ) -> None:
        """`beyond`: plans up to this number are of an earlier life of the run."""
        self._beyond = beyond
        self._client = client
        self._topics = topics
        self._run = run
        self._source = source
        self._clock = clock
        self._feed = ControlFeed(client, topics)
        self._feed.on_record = self._on_record
        self._answers: dict[int, tuple[Echo, int]] = {}
        self._answered = asyncio.Event()

    def plan(self) -> Plan | None:
        """Return the plan as it stands, None before there is one."""
        plan = self._feed.plans.get(self._run)
        return plan if plan is not None and plan.number > self._beyond else None

    async def follow(self, stop: asyncio.Event) -> None:
        """Follow the control topic until told to stop."""
        await self._feed.follow(stop)

    async def end_with_run(self, stop: asyncio.Event) -> None:
        """Set `stop` when nobody conducts the run any more."""
        while not stop.is_set():
            # Of a run that is gone on with, the topic says first that it was over.
            if self._feed.caught_up.is_set() and self._run in self._feed.over:
                stop.set()
            await asyncio.sleep(OVER_LOOKED_FOR_S)

    async def pass_through(self, stop: asyncio.Event) -> bool:
        """Say that this fleet is ready and wait for the plan; return False if told to stop before."""
        stopped = asyncio.ensure_future(stop.wait())
        meeting = asyncio.ensure_future(self._meet())
        await asyncio.wait({stopped, meeting}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if not meeting.done():
            meeting.cancel()
            return False
        meeting.result()
        return True

    async def _meet(self) -> None:
        producer = AIOKafkaProducer(**self._client, acks="all", linger_ms=0)
        await producer.start()
        try:
            await self._feed.caught_up.wait()
            self._answers.clear()  # of an earlier life of this fleet
            compared = await self._compare_clocks(producer)
            await say(producer, self._topics, Ready(self._run, self._source, *(compared or (None, None))))
        finally:
            await producer.stop()
        while self.plan() is None:
            self._feed.changed.clear()
            await self._feed.changed.wait()

    async def _compare_clocks(self, producer: AIOKafkaProducer) -> tuple[int, int] | None:
        """Return (skew, uncertainty) of the comparison that took the least time; None if nobody answered."""
        best: tuple[int, int] | None = None
        for number in range(COMPARISONS):
            asked_us = self._clock.wall_us()
            self._answered.clear()
            await say(producer, self._topics, Hello(self._run, self._source, number, asked_us))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ANSWER_S):
                    while number not in self._answers:
                        await self._answered.wait()
                        self._answered.clear()
            if number in self._answers:
                echo, returned_us = self._answers[number]
                found = skew_of(asked_us, echo, returned_us)
                best = found if best is None or found[1] < best[1] else best
            elif number >= 2 and best is None:
                break
        return best

    def _on_record(self, record: ControlRecord) -> None:
        if isinstance(record, Echo) and (record.run, record.source) == (self._run, self._source):
            self._answers[record.number] = (record, self._clock.wall_us())
            self._answered.set()
