"""Processes come, go and stand still: whoever owns a partition, every delivery happens once and counts once.

A process that is stopped for longer than its session does not know that it lost its partitions. When it goes on it has
a transaction open, or a snapshot to write: its successor has fenced it, so neither may reach the topics.
"""

import asyncio
from pathlib import Path

import pytest

from docaxis.settings import KafkaSettings, TopicSettings
from tests.conftest import settings_at
from tests.support.exchange import Exchange
from tests.support.truth import check_exactly_once

#: Documents a second.
RATE = 100.0

STREAM = ("stream", "--snapshot-interval", "0.5")


def _exchange(kafka: KafkaSettings, topics: TopicSettings, folder: Path, seed: int) -> Exchange:
    settings = settings_at(folder, kafka__bootstrap_servers=kafka.bootstrap_servers, topics__prefix=topics.prefix)
    return Exchange(settings, folder / "logs", seed=seed)


async def _pause_past_its_session(exchange: Exchange, name: str, topic: str, successor: str) -> None:
    """Pause a role with a transaction open until another one has all its partitions, then let it go on."""
    await exchange.pause_inside_transaction(name, topic)
    exchange.note(f"{name} paused inside a transaction on {topic}")
    await exchange.start(successor, *exchange.command(name))
    await exchange.joined(successor)
    await exchange.ready(successor)
    await asyncio.sleep(exchange.rng.uniform(0.5, 1.5))
    exchange.resume(name)
    exchange.note(f"{name} goes on")
    await exchange.stable(exchange.group_of(name), 2)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_paused_for_longer_than_the_session(
    kafka: KafkaSettings, topic_settings: TopicSettings, tmp_path: Path
) -> None:
    async def run() -> None:
        async with _exchange(kafka, topic_settings, tmp_path, seed=11) as exchange:
            await exchange.start_all(RATE)
            await asyncio.gather(
                _pause_past_its_session(exchange, "hub", exchange.topics.delivered, "hub-2"),
                _pause_past_its_session(exchange, "stream", exchange.topics.ledger, "stream-2"),
            )
            await exchange.end_sending()
            await exchange.settle()
            exchanged = await exchange.exchanged()
            check_exactly_once(exchanged)
            assert exchanged.aborted, "the paused hub left nothing to abort"

    asyncio.run(run())


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_second_one_joins_and_the_first_leaves(
    kafka: KafkaSettings, topic_settings: TopicSettings, tmp_path: Path
) -> None:
    """First in an orderly way, then by SIGKILL; the one that stays takes over all partitions each time."""

    async def hand_over(exchange: Exchange, kind: str, command: tuple[str, ...]) -> None:
        await exchange.start(f"{kind}-2", *command)
        await exchange.joined(f"{kind}-2", members=2)
        await asyncio.sleep(exchange.rng.uniform(0, 1))
        await exchange.leave(kind)
        await exchange.stable(exchange.group_of(kind), 1)
        await exchange.start(f"{kind}-3", *command)
        await exchange.joined(f"{kind}-3", members=2)
        await asyncio.sleep(exchange.rng.uniform(0, 1))
        await exchange.kill(f"{kind}-2")
        await exchange.stable(exchange.group_of(kind), 1)

    async def run() -> None:
        async with _exchange(kafka, topic_settings, tmp_path, seed=12) as exchange:
            await exchange.start_all(RATE)
            await asyncio.gather(hand_over(exchange, "stream", STREAM), hand_over(exchange, "hub", ("hub",)))
            await exchange.end_sending()
            await exchange.settle()
            check_exactly_once(await exchange.exchanged())

    asyncio.run(run())
