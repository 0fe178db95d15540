"""A canary: marked documents through the real path at a low rate, measured end to end from outside.

It asks nobody: neither the hub nor the stream workers tell it anything. It sends as an agency does, and sees each
document in its recipient's inbox and the receipt of it as any reader of the topics would. Its documents belong to a
run of their own kind (`docaxis.domain.run`), so nobody counts them as traffic.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, cycle
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from docaxis.domain.clock import Clock
from docaxis.domain.codec import decode_delivered, decode_receipt, decode_refusal, encode
from docaxis.domain.document import OFFICIAL_LETTER, Business, Priority, Steering
from docaxis.domain.event import Sent
from docaxis.kafka.following import follow_on
from docaxis.kafka.topics import Topics
from docaxis.kafka.waiting import first_of, sleep_unless
from producers.canary_watch import CanaryStage, CanaryWatch
from producers.pacer import Pacer


@dataclass(frozen=True, slots=True)
class CanarySettings:
    """What a canary sends, and where."""

    client: Mapping[str, Any]
    topics: Topics
    partitions: int
    run: str
    sender: str
    recipients: Sequence[str]  # each in turn
    interval_us: int = 10_000_000


class Canary:
    """One canary; `ready` once it sees what arrives."""

    def __init__(self, settings: CanarySettings, clock: Clock, watch: CanaryWatch) -> None:
        self._settings = settings
        self._clock = clock
        self._watch = watch
        self._began_us = clock.wall_us()  # in the ids: every start's documents are others
        self._positions: dict[TopicPartition, int] = {}
        self._answers: set[asyncio.Task[None]] = set()
        self.ready = asyncio.Event()

    async def work(self, stop: asyncio.Event) -> None:
        """Send and watch until told to stop."""
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(self._watch_path(stop))
            await self._send(stop)
            await watching

    # --- sending

    async def _send(self, stop: asyncio.Event) -> None:
        settings = self._settings
        producer = AIOKafkaProducer(**settings.client, enable_idempotence=True, acks="all")
        await producer.start()
        try:
            # Nothing before somebody looks: a document that nobody saw would count as lost.
            await first_of(self.ready.wait(), stop.wait())
            await self._keep_sending(producer, stop)
        finally:
            await producer.stop()
            await asyncio.gather(*self._answers, return_exceptions=True)

    async def _keep_sending(self, producer: AIOKafkaProducer, stop: asyncio.Event) -> None:
        settings, pacer = self._settings, Pacer(self._clock)
        start_us = self._clock.wall_us()
        for number, recipient in zip(count(), cycle(settings.recipients)):
            intended_us = start_us + number * settings.interval_us
            pause_s = (intended_us - self._clock.wall_us()) / 1e6 - 0.1
            if pause_s > 0:
                await sleep_unless(stop, pause_s)
            if stop.is_set():
                return
            await pacer.wait_until(intended_us)
            event = self._document(number, recipient, intended_us)
            self._watch.sent(event.packet_id, intended_us)
            answer = asyncio.ensure_future(self._offer(producer, event))
            self._answers.add(answer)
            answer.add_done_callback(self._answers.discard)

    def _document(self, number: int, recipient: str, intended_us: int) -> Sent:
        settings, now_us = self._settings, self._clock.wall_us()
        document = f"{settings.run}.{self._began_us}.{number}"
        return Sent(
            1,
            settings.run,
            f"{document}.0",
            document,
            settings.sender,
            [recipient],
            OFFICIAL_LETTER,
            Priority.NORMAL,
            Steering.NONE,
            Business.NEW,
            0,
            now_us // 1000,
            intended_us,
            now_us,
        )

    async def _offer(self, producer: AIOKafkaProducer, event: Sent) -> None:
        try:
            await producer.send_and_wait(self._settings.topics.sent, encode(event), event.document_id.encode())
        except KafkaError as error:
            self._watch.failed(event.packet_id, type(error).__name__)

    # --- watching

    async def _watch_path(self, stop: asyncio.Event) -> None:
        """Look at what comes, beginning anew after every failure where it was."""
        await follow_on(self._look, stop, "the canary's path")

    async def _look(self, stop: asyncio.Event) -> None:
        settings = self._settings
        topics = (settings.topics.delivered, settings.topics.status, settings.topics.refused)
        tps = [TopicPartition(topic, number) for topic in topics for number in range(settings.partitions)]
        reader = AIOKafkaConsumer(**settings.client, isolation_level="read_committed", enable_auto_commit=False)
        try:
            await reader.start()
            reader.assign(tps)
            if not self._positions:
                self._positions = dict(await reader.end_offsets(tps))
            for tp, position in self._positions.items():
                reader.seek(tp, position)
            self.ready.set()
            while not stop.is_set():
                for tp, records in (await reader.getmany(timeout_ms=200)).items():
                    self.see(settings.topics.short_name(tp.topic), records, self._clock.wall_us())
                    self._positions[tp] = records[-1].offset + 1
        finally:
            await reader.stop()

    def see(self, topic: str, records: Sequence[ConsumerRecord], now_us: int) -> None:
        """Note the canary's own documents among records that a fetch has just returned."""
        mark = self._settings.run.encode()
        for record in records:
            # Looking for the run's name in the bytes spares parsing everybody else's events.
            if record.value is not None and mark in record.value:
                with contextlib.suppress(msgspec.MsgspecError, UnicodeDecodeError):
                    self._see_event(topic, record.value, now_us)

    def _see_event(self, topic: str, value: bytes, now_us: int) -> None:
        if topic == "delivered":
            self._own(decode_delivered(value), lambda event: self._reached(event.packet_id, CanaryStage.INBOX, now_us))
        elif topic == "status":
            self._own(
                decode_receipt(value),
                lambda event: self._reached(event.packet_id, CanaryStage.RECEIPT, event.received_us),
            )
        else:
            self._own(decode_refusal(value), lambda event: self._watch.refused(event.packet_id, event.code))

    def _own(self, event: Any, note: Callable[[Any], None]) -> None:
        if event.run == self._settings.run:
            note(event)

    def _reached(self, packet_id: str, stage: CanaryStage, at_us: int) -> None:
        self._watch.reached(packet_id, stage, at_us)
