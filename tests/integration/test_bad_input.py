"""Bad input, from another system's hand: each fault is refused with its code and place, and nothing else suffers.

The events are written here as plain JSON with a plain producer, as somebody would who only knows the contract.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.partitioner import DefaultPartitioner

from docaxis.settings import KafkaSettings, TopicSettings
from tests.conftest import settings_at
from tests.support.exchange import Exchange
from tests.support.truth import Exchanged, Pair, check_meter, read_all

RUN = "foreign"
LOCKED = "H50"

#: Packet -> (code, recipient refused, if only one) of the documents that can be read and are refused.
REFUSED = {
    "Y99.2021.0000001.0": (19, ""),
    "G22.2021.0009002.0": (18, "Y99"),
    "G22.2021.0009003.0": (22, ""),
    "G22.2021.0009004.0": (22, ""),
    "G22.2021.0009005.0": (23, LOCKED),
    "G22.2021.0009006.0": (22, ""),
}

#: What is delivered of the odd documents, and how often.
DELIVERED = {
    ("G22.2021.0009002.0", "H53"): 1,
    ("G22.2021.0009005.0", "H53"): 1,
    ("G22.2021.0009007.0", "H53"): 1,
    ("G22.2021.0009007.0", "H01"): 1,
    ("G22.2021.0009201.0", "H53"): 1,
    ("G22.2021.0009201.0", "H01"): 1,
    ("G22.2021.0009202.0", "H53"): 2,
    ("G22.2021.0009202.0", "H01"): 2,
}

#: What the ledger makes of the odd documents; the ones without fault add to the first three.
LEDGER = {
    "documents": 10,
    "deliveries_expected": 14,
    "delivered_once": 6,
    "duplicated": 2,
    "refused": 6,
    "packets_repeated": 1,
    "outstanding": 0,
    "misrouted": 0,
    "contradictions": 0,
}

#: What belongs to no run, by topic.
NO_RUN = {
    "sent": {"unreadable_10": 3, "unreadable_22": 9, "misplaced": 1},
    "delivered": {"unreadable_10": 1, "unreadable_22": 1},
    "status": {"unreadable_10": 1, "unreadable_22": 1, "misplaced": 2},
    "refused": {"refusals": 16, "code_10": 5, "code_22": 11},
}


def _sent(number: int, recipients: list[str], **changes: Any) -> dict[str, Any]:
    """Return a document as the contract wants it, but for `changes`."""
    now_us = time.time_ns() // 1000
    return {
        "kind": "sent",
        "version": 1,
        "run": RUN,
        "packet_id": f"G22.2021.{number:07}.0",
        "document_id": f"G22.2021.{number:07}",
        "sender": "G22",
        "recipients": recipients,
        "type": 18,
        "priority": 1,
        "steering": 1,
        "business": 0,
        "size": 1_400_000,
        "calendar_ms": 1_613_000_000_000,
        "intended_us": now_us,
        "sent_us": now_us,
        "of_another_system": "unknown fields are ignored",
    } | changes


def _faulty() -> Iterator[dict[str, Any]]:
    """Yield documents whose JSON is fine and whose content is not, or not quite."""
    yield _sent(9001, ["H53", "H01"], sender="Y99", packet_id="Y99.2021.0000001.0")  # 19
    yield _sent(9002, ["H53", "Y99"])  # 18, and H53 gets it
    yield _sent(9003, [])  # 22
    yield _sent(9004, ["H53", "H53"])  # 22
    yield _sent(9005, [LOCKED, "H53"])  # 23, and H53 gets it
    yield _sent(9006, ["H53"], sent_us=time.time_ns() // 1000 + 3_600_000_000)  # 22: from the future
    yield _sent(9007, ["000.00.13.H53", "H01.02.03"])  # other spellings: fine


def _unreadable_sent() -> Iterator[tuple[int, bytes | None]]:
    """Yield values that are no event, with the code each is refused with."""
    yield 10, b"\xff\xfe\x00 no text at all"
    yield 10, b'{"kind": "sent", "version": 1'
    yield 10, None
    yield 22, b"[1, 2, 3]"
    yield 22, orjson.dumps(_sent(9101, ["H53"], size="many"))
    yield 22, orjson.dumps(_sent(9105, ["H53"]) | {"recipients": "H53"})
    yield 22, orjson.dumps(_sent(9106, ["H53"]) | {"recipients": ["H53", 1]})
    yield 22, orjson.dumps(_sent(9107, ["H53"], packet_id=9107))
    yield 22, orjson.dumps(_sent(9108, ["H53"], sent_us="now"))
    yield 22, orjson.dumps(_sent(9102, ["H53"], version=2))
    yield 22, orjson.dumps(_sent(9103, ["H53"], kind="letter"))
    yield 22, orjson.dumps({name: value for name, value in _sent(9104, ["H53"]).items() if name != "sender"})


class _Writer:
    """Writes records where Kafka's own producers would, or elsewhere on purpose."""

    def __init__(self, producer: AIOKafkaProducer, prefix: str, partitions: int) -> None:
        self._producer = producer
        self._prefix = prefix
        self._partitions = list(range(partitions))
        self._place = DefaultPartitioner()

    async def document(self, event: dict[str, Any], *, shift: int = 0) -> None:
        """Write a document, `shift` partitions away from where it belongs."""
        await self.value("sent", event["document_id"].encode(), orjson.dumps(event), shift=shift)

    async def value(self, short: str, key: bytes, value: bytes | None, *, shift: int = 0) -> tuple[str, int, int]:
        """Write anything; return the place where it lies."""
        partition = (self._place(key, self._partitions, self._partitions) + shift) % len(self._partitions)
        written = await self._producer.send_and_wait(f"{self._prefix}.{short}", value, key=key, partition=partition)
        return short, partition, written.offset


class _Good:
    """Documents without fault, around and between the bad ones."""

    def __init__(self, writer: _Writer) -> None:
        self._writer = writer
        self.pairs: Counter[Pair] = Counter()
        self.documents = 0

    async def write(self, count: int) -> None:
        """Write so many."""
        for _ in range(count):
            self.documents += 1
            event = _sent(self.documents, ["H53", "H01", "G01"][: 1 + self.documents % 3])
            self.pairs.update((event["packet_id"], code) for code in event["recipients"])
            await self._writer.document(event)


async def _write_all(writer: _Writer, good: _Good) -> dict[tuple[str, int, int], int]:
    """Write everything; return the code by place of what is unreadable."""
    places: dict[tuple[str, int, int], int] = {}
    await good.write(50)
    for event in _faulty():
        await writer.document(event)
        await good.write(5)
    for code, value in _unreadable_sent():
        places[await writer.value("sent", b"G22.2021.0000001", value)] = code
        await good.write(5)
    for short in ("delivered", "status"):
        places[await writer.value(short, b"H53", b"\x80 garbage")] = 10
        places[await writer.value(short, b"H53", b'{"kind": "receipt", "version": 1}')] = 22
        await good.write(5)
    await writer.document(_sent(9201, ["H53", "H01"]), shift=1)
    twice = _sent(9202, ["H53", "H01"])
    await writer.document(twice)
    await writer.document(twice)
    await good.write(50)
    return places


async def _exchange(exchange: Exchange) -> None:
    topics = exchange.settings.topics
    async with exchange:
        await asyncio.gather(
            exchange.start("hub", "hub", "--locked", LOCKED),
            exchange.start("stream", "stream", "--snapshot-interval", "0.5"),
            exchange.start("receivers", "fleet", "--run", RUN),
        )
        async with AIOKafkaProducer(**exchange.client, acks="all") as producer:
            writer = _Writer(producer, topics.prefix, topics.partitions)
            good = _Good(writer)
            places = await _write_all(writer, good)
            await exchange.settle(lambda: _is_closed(exchange, good))
            await good.write(20)  # everybody is still at work
            await exchange.settle(lambda: _is_closed(exchange, good))
        metrics = await asyncio.gather(exchange.metrics("stream"), exchange.metrics("receivers"))
        exchanged = await exchange.exchanged()
        dead_letters = [
            one.event
            for one in await read_all(exchange.client, exchange.topics.refused, topics.partitions)
            if not one.event.get("packet_id")
        ]
        no_run = {topic: exchange.readings.counts("", topic) for topic in NO_RUN}
    found = {(one["topic"], one["partition"], one["offset"]): one["code"] for one in dead_letters}
    assert found == places
    assert len(dead_letters) == len(places), "something unreadable was refused more than once"
    assert {topic: {name: no_run[topic][name] for name in NO_RUN[topic]} for topic in NO_RUN} == NO_RUN
    _check_run(exchanged, good)
    for line in (
        'docaxis_stream_dead_letters_total{topic="sent",code="10"} 3',
        'docaxis_stream_dead_letters_total{topic="sent",code="22"} 9',
        'docaxis_stream_records_misplaced_total{topic="sent"} 1',
        'docaxis_stream_refusals_total{code="18"} 1',
        'docaxis_stream_refusals_total{code="23"} 1',
        'docaxis_stream_ledger_deliveries{state="duplicated"} 2',
        "docaxis_receiver_unreadable_total 2",
    ):
        assert line in "".join(metrics), line


def _is_closed(exchange: Exchange, good: _Good) -> bool:
    """Whether everything written is in the ledger and closed, and every refusal and receipt is counted."""
    readings = exchange.readings
    ledger, status = readings.counts(RUN, "ledger"), readings.counts(RUN, "status")
    return (
        ledger.get("documents", 0) == LEDGER["documents"] + good.documents
        and ledger.get("outstanding", 0) == 0
        and status.get("receipts", 0) == sum(DELIVERED.values()) + good.pairs.total()
        and readings.counts(RUN, "refused").get("refusals", 0) == len(REFUSED)
        and readings.counts("", "refused").get("refusals", 0) == NO_RUN["refused"]["refusals"]
    )


def _check_run(exchanged: Exchanged, good: _Good) -> None:
    assert Counter(exchanged.places.values()) == good.pairs + Counter(DELIVERED)
    assert exchanged.answered == exchanged.places
    at = {(one.partition, one.offset): one.event["packet_id"] for one in exchanged.sent}
    refusals = [one.event for one in exchanged.refused]
    assert {one["packet_id"]: (one["code"], one.get("recipient", "")) for one in refusals} == REFUSED
    assert [at[one["partition"], one["offset"]] for one in refusals] == [one["packet_id"] for one in refusals]
    assert len(refusals) == len(REFUSED), "something was refused more than once"
    ledger, pairs = exchanged.counts("ledger"), good.pairs.total()
    added = {"documents": good.documents, "deliveries_expected": pairs, "delivered_once": pairs}
    assert {name: ledger[name] for name in LEDGER} == {name: LEDGER[name] + added.get(name, 0) for name in LEDGER}
    check_meter(exchanged, unreadable=8)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_bad_input_is_refused_and_harms_nothing_else(
    kafka: KafkaSettings, topic_settings: TopicSettings, tmp_path: Path
) -> None:
    prefix = topic_settings.prefix
    settings = settings_at(tmp_path, kafka__bootstrap_servers=kafka.bootstrap_servers, topics__prefix=prefix)
    asyncio.run(_exchange(Exchange(settings, tmp_path / "logs", run=RUN)))
