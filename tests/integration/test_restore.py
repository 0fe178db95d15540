"""What docs/OPERATING.md says of lost `ledger` and `readings` topics, done as it says: the workers count all anew."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.admin import DeleteGroupsRequest

from docaxis.kafka.topics import EVENTS, delete_topics, ensure_topics, plan_topics
from docaxis.settings import KafkaSettings, TopicSettings
from monitor.feed import Feed
from monitor.reading import LEDGER, Readings
from tests.conftest import settings_at
from tests.support.exchange import Exchange

RATE, WITHIN_S = 60.0, 180.0


async def _delete_group(client: Mapping[str, Any], group: str) -> None:
    """Delete a consumer group, as soon as the broker knows that its members have gone."""
    admin = AIOKafkaAdminClient(**client)
    await admin.start()
    try:
        async with asyncio.timeout(WITHIN_S):
            while True:
                coordinator = await admin.find_coordinator(group)
                answer = await admin._send_request(DeleteGroupsRequest([group]), coordinator)
                if not answer.results[0][1]:
                    return
                await asyncio.sleep(0.5)
    finally:
        await admin.close()


def _totals(readings: Readings, run: str) -> dict[str, Any]:
    """Return everything that is counted and timed of a run."""
    totals: dict[str, Any] = {topic: dict(readings.counts(run, topic)) for topic in (*EVENTS, LEDGER)}
    totals["received"] = dict(readings.agencies(run, "status", "receipts"))
    for stage in ("send_delay", "routing", "pickup", "delivery"):
        totals[stage] = readings.stage(run, "status", stage).counts.tolist()
    return totals


async def _comes_to(exchange: Exchange, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Follow the new readings until they say what is wanted, or for as long as is waited; return what they say."""
    feed = Feed(exchange.client, exchange.topics, exchange.settings.topics.partitions)
    following = asyncio.ensure_future(feed.follow(asyncio.Event()))
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(WITHIN_S):
                while _totals(feed.readings, exchange.run) != wanted:  # noqa: ASYNC110  # another process counts
                    await asyncio.sleep(0.3)
        return _totals(feed.readings, exchange.run)
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_lost_topics_of_state_are_made_anew_from_the_events(
    kafka: KafkaSettings, topic_settings: TopicSettings, tmp_path: Path
) -> None:
    prefix = topic_settings.prefix
    settings = settings_at(tmp_path, kafka__bootstrap_servers=kafka.bootstrap_servers, topics__prefix=prefix)

    async def run() -> None:
        async with Exchange(settings, tmp_path / "logs") as exchange:
            await exchange.start_all(RATE)
            await exchange.goes_on(500)
            await exchange.end_sending()
            await exchange.settle()
            before = _totals(exchange.readings, exchange.run)
            assert before["status"]["receipts"] > 500
            await exchange.leave("stream")
            await delete_topics(settings.kafka, [exchange.topics.ledger, exchange.topics.readings])
            await _delete_group(exchange.client, f"{prefix}-streams")
            created = await ensure_topics(settings.kafka, plan_topics(settings.topics))
            assert sorted(created) == sorted([exchange.topics.ledger, exchange.topics.readings])
            await exchange.start("stream")
            assert await _comes_to(exchange, before) == before

    asyncio.run(run())
