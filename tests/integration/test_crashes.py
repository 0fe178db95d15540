"""Killed at any moment, or left without its broker, the axis loses nothing, doubles nothing and counts nothing twice.

Every seed is one exchange of real processes. Its hub and its stream worker are killed with SIGKILL and started again,
each on its own schedule: inside a transaction (respectively a snapshot), while recovering from that, at the same time,
and at moments that the seed chooses. What they are doing is not guessed: see `Exchange.pause_inside_transaction`.
"""

import asyncio
import signal
from pathlib import Path

import pytest

from docaxis.kafka.broker import EmbeddedBroker
from docaxis.settings import KafkaSettings, TopicSettings
from tests.conftest import settings_at
from tests.support.exchange import Exchange
from tests.support.truth import Exchanged, check_exactly_once

#: Documents a second of each exchange: enough that there is always something in hand, on two cores.
RATE = 100.0

#: One exchange each. To look at one seed alone, leave the others out.
SEEDS = (1, 2, 3)


def _exchange(kafka: KafkaSettings, topics: TopicSettings, folder: Path, seed: int) -> Exchange:
    prefix = f"{topics.prefix}-{seed}"
    settings = settings_at(folder, kafka__bootstrap_servers=kafka.bootstrap_servers, topics__prefix=prefix)
    return Exchange(settings, folder / f"logs-{seed}", seed=seed)


async def _kill_by_turns(exchange: Exchange, name: str, topic: str) -> int:
    """Kill a role three times and start it again; return how often it was not at work yet."""
    recovering = 0
    await asyncio.sleep(exchange.rng.uniform(0, 1))
    await exchange.kill_inside_transaction(name, topic)
    await exchange.start(name)
    recovering += await exchange.kill_while_recovering(name)
    await exchange.start(name)
    await exchange.joined(name)
    await asyncio.sleep(exchange.rng.uniform(0, 1.5))
    await exchange.kill(name, "at a moment of its seed's")
    await exchange.start(name)
    await exchange.joined(name)
    return recovering


async def _kill_both(exchange: Exchange) -> None:
    """Kill hub and stream worker together, both in the middle of writing."""
    await asyncio.gather(
        exchange.pause_inside_transaction("hub", exchange.topics.delivered),
        exchange.pause_inside_transaction("stream", exchange.topics.ledger),
    )
    await asyncio.gather(exchange.kill("hub", "with the stream"), exchange.kill("stream", "with the hub"))
    await asyncio.gather(exchange.start("hub"), exchange.start("stream"))


async def _run(exchange: Exchange) -> tuple[Exchanged, int]:
    async with exchange:
        await exchange.start_all(RATE)
        recovering = await asyncio.gather(
            _kill_by_turns(exchange, "hub", exchange.topics.delivered),
            _kill_by_turns(exchange, "stream", exchange.topics.ledger),
        )
        await _kill_both(exchange)
        await exchange.end_sending()
        await exchange.settle()
        exchanged = await exchange.exchanged()
        check_exactly_once(exchanged)
        return exchanged, sum(recovering)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_killed_and_restarted_at_any_moment(
    kafka: KafkaSettings, topic_settings: TopicSettings, tmp_path: Path
) -> None:
    """Eight kills a seed; the seeds at the same time, for nearly all of it is waiting for dead members to expire."""

    async def run_all() -> list[tuple[Exchanged, int]]:
        async with asyncio.TaskGroup() as group:
            runs = [group.create_task(_run(_exchange(kafka, topic_settings, tmp_path, seed))) for seed in SEEDS]
        return [run.result() for run in runs]

    outcomes = asyncio.run(run_all())
    assert sum(exchanged.aborted for exchanged, _ in outcomes), "no kill left an aborted delivery behind"
    assert sum(recovering for _, recovering in outcomes), "no kill fell into a recovery"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_broker_stopped_and_killed_mid_run(tmp_path: Path) -> None:
    """All roles outlive their broker: first it is stopped and started, then killed and started."""

    async def run(broker: EmbeddedBroker) -> None:
        async with _exchange(broker.kafka, TopicSettings(prefix="outage"), tmp_path, seed=21) as exchange:
            await exchange.start_all(RATE)
            for signal_number in (signal.SIGTERM, signal.SIGKILL):
                await exchange.goes_on()
                await asyncio.sleep(exchange.rng.uniform(0, 1))
                exchange.note(f"broker gets {signal_number.name}")
                await asyncio.to_thread(broker.kill, 1, signal_number)
                await asyncio.sleep(exchange.rng.uniform(0, 2))
                await asyncio.to_thread(broker.restart)
                exchange.note("broker is back")
            await exchange.goes_on()
            await exchange.end_sending()
            await exchange.settle()
            check_exactly_once(await exchange.exchanged())

    with EmbeddedBroker(settings_at(tmp_path)) as broker:
        asyncio.run(run(broker))
