"""A hub limited on purpose carries its limit, neither more nor less, however its partitions' passes overlap."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition

from docaxis.domain.codec import encode
from docaxis.kafka.topics import Topics
from streams import hub
from streams.routing import Directory
from tests.support import events
from tests.support.virtual_time import run_in_virtual_time

CODES = [f"H{number:02}" for number in range(1, 41)]
PARTITIONS, LIMIT, SECONDS = 4, 200.0, 60.0


class LoopClock:
    """Shows the loop's time."""

    def wall_us(self) -> int:
        return events.SENT_US + self.monotonic_ns() // 1000

    def monotonic_ns(self) -> int:
        return round(asyncio.get_running_loop().time() * 1e9)


class SlowProducer:
    """A broker that takes a while for each step of a transaction: passes of other partitions go on meanwhile."""

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        await asyncio.sleep(0.02)
        yield
        await asyncio.sleep(0.05)

    async def send_offsets_to_transaction(self, *_: object) -> None:
        await asyncio.sleep(0.03)


class NoConsumer:
    """Stands in for a consumer that the story does not need."""

    def __init__(self, **_: object) -> None:
        pass


class SlowWriter:
    """Takes what is put."""

    def __init__(self, producer: object) -> None:
        pass

    def put(self, *_: object) -> None:
        pass

    async def flush(self) -> None:
        await asyncio.sleep(0.05)


async def _carried(fan_outs: tuple[int, ...]) -> float:
    """Return how many deliveries a second a hub carries that always has documents waiting."""
    clock, stats = LoopClock(), hub.HubStats()
    client: dict[str, Any] = {"bootstrap_servers": "127.0.0.1:1"}  # never connected
    settings = hub.HubSettings(client, Topics("axis"), PARTITIONS, "hub", deliveries_per_s_max=LIMIT)
    session = hub._Session(settings, hub.Router(settings, Directory(["G22", *CODES]), clock, stats), clock, stats)
    values = [encode(events.sent(f"G22.2021.{n:07}.0", CODES[:fan_out])) for n, fan_out in enumerate(fan_outs)]

    async def partition(number: int) -> None:
        tp, offset = TopicPartition("axis.sent", number), 0
        while True:
            records = [
                events.record("axis.sent", value, offset + place, partition=number, key=b"key")
                for place, value in enumerate(values)
            ]
            offset += len(records)
            await asyncio.sleep(await session._pass(cast(AIOKafkaProducer, SlowProducer()), tp, cast(Any, records)))

    tasks = [asyncio.ensure_future(partition(number)) for number in range(PARTITIONS)]
    ended, _ = await asyncio.wait(tasks, timeout=SECONDS)
    for task in tasks:
        task.cancel()
    for task in ended:
        task.result()  # none ends by itself but by an error
    await asyncio.gather(*tasks, return_exceptions=True)
    return stats.deliveries / SECONDS


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("fan_outs", [(1, 2, 5), (1,) * 30, (40, 1, 1, 1), (3,) * 45])
def test_a_limited_hub_carries_its_limit(seed: int, fan_outs: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "BatchWriter", SlowWriter)
    monkeypatch.setattr(hub, "BulkConsumer", NoConsumer)
    # What is made before it is paid for, once, and the time that may be made up for.
    beyond = (PARTITIONS * sum(fan_outs) + LIMIT * hub.CREDIT_NS / 1e9) / SECONDS
    carried = run_in_virtual_time(_carried(fan_outs), seed)
    assert 0.97 * LIMIT <= carried <= LIMIT + beyond
