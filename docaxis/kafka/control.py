"""The control topic: following what is said about runs, and saying something."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from docaxis.domain.control import Command, ControlRecord, Echo, Offer, Over, Ready, decode_control, encode_control
from docaxis.domain.errors import InfrastructureError
from docaxis.domain.plan import Plan
from docaxis.kafka.following import follow_on
from docaxis.kafka.topics import Topics

log = logging.getLogger(__name__)

#: Runs of which is kept what was said; the ones heard of first are forgotten first.
RUNS_MAX = 1000


class ControlFeed:
    """Follows the control topic; `plans`, `offers` and `ready` are what it says now."""

    def __init__(self, client: Mapping[str, Any], topics: Topics) -> None:
        self._client = client
        self._tp = TopicPartition(topics.control, 0)
        self._runs: dict[str, None] = {}  # heard of, the first of them first
        self.plans: dict[str, Plan] = {}
        self.offers: dict[str, Offer] = {}
        self.ready: dict[str, dict[str, Ready]] = {}
        self.echoes: dict[tuple[str, str], Echo] = {}
        self.commands: dict[str, Command] = {}
        self.over: dict[str, Over] = {}
        self.caught_up = asyncio.Event()
        self.changed = asyncio.Event()
        #: Told of each record as it is read.
        self.on_record: Callable[[ControlRecord], None] = lambda record: None

    async def follow(self, stop: asyncio.Event) -> None:
        """Read from the beginning, then whatever comes, until told to stop; goes on after a failure of the broker."""
        await follow_on(self._follow, stop, "control records")

    async def read_within(self, seconds: float) -> None:
        """Wait until all that was said before now has been read; `follow` must be under way.

        Raises:
            InfrastructureError: it took longer.
        """
        try:
            async with asyncio.timeout(seconds):
                await self.caught_up.wait()
        except TimeoutError:
            raise InfrastructureError(
                f"the control topic {self._tp.topic} could not be read within {seconds:.0f} s",
                next_step="`docaxis topics check` tells whether it is there; if it is, look at the broker's log",
            ) from None

    async def _follow(self, stop: asyncio.Event) -> None:
        reader = AIOKafkaConsumer(
            **self._client, enable_auto_commit=False, auto_offset_reset="earliest", fetch_max_wait_ms=100
        )
        try:
            await reader.start()
            reader.assign([self._tp])
            end = (await reader.end_offsets([self._tp]))[self._tp]
            await reader.seek_to_beginning()
            while not stop.is_set():
                for records in (await reader.getmany(timeout_ms=200)).values():
                    for record in records:
                        self._read(record.value)
                if not self.caught_up.is_set() and await reader.position(self._tp) >= end:
                    self.caught_up.set()
        finally:
            await reader.stop()

    def _read(self, value: bytes | None) -> None:
        try:
            record = decode_control(value or b"")
        except msgspec.MsgspecError as error:
            log.debug("unreadable control record: %s", error)
            return
        if isinstance(record, Plan):
            if record.number >= getattr(self.plans.get(record.run), "number", 0):
                self.plans[record.run] = record
        elif isinstance(record, Offer):
            self.offers[record.run] = record
            self.over.pop(record.run, None)
        elif isinstance(record, Ready):
            self.ready.setdefault(record.run, {})[record.source] = record
        elif isinstance(record, Echo):
            self.echoes[record.run, record.source] = record
        elif isinstance(record, Command):
            self.commands[record.run] = record
        elif isinstance(record, Over):
            self.over[record.run] = record
        self._runs[record.run] = None
        if len(self._runs) > RUNS_MAX:
            self._forget(next(iter(self._runs)))
        self.changed.set()
        self.on_record(record)

    def _forget(self, run: str) -> None:
        for known in (self._runs, self.plans, self.offers, self.ready, self.commands, self.over):
            known.pop(run, None)
        self.echoes = {key: echo for key, echo in self.echoes.items() if key[0] != run}


async def say(producer: AIOKafkaProducer, topics: Topics, record: ControlRecord) -> None:
    """Write a record to the control topic and wait until it is there."""
    key, value = encode_control(record)
    await producer.send_and_wait(topics.control, value, key=key, partition=0)
