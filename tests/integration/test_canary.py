"""A canary on a real axis: its documents come through, are timed, and are nobody's traffic."""

import asyncio
from pathlib import Path

import pytest

from docaxis.settings import KafkaSettings, TopicSettings
from monitor.reading import LEDGER
from tests.conftest import settings_at
from tests.support.exchange import Exchange
from tests.support.metrics import parse
from tests.support.truth import check_exactly_once

#: Documents that the canary must see come through, and enough of others.
CANARIES, RATE = 20, 20.0


async def _value(exchange: Exchange, role: str, name: str, **labels: str) -> float:
    page = (await exchange.metrics(role)).encode()
    found = [
        sample.value
        for family in parse(page)
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    ]
    return sum(found)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_canary_beside_traffic(kafka: KafkaSettings, topic_settings: TopicSettings, tmp_path: Path) -> None:
    settings = settings_at(
        tmp_path, kafka__bootstrap_servers=kafka.bootstrap_servers, topics__prefix=topic_settings.prefix
    )

    async def run() -> None:
        async with Exchange(settings, tmp_path / "logs") as exchange:
            await exchange.start_all(RATE)
            await exchange.start("canary", "canary", "--interval", "0.1")
            await exchange.ready("canary")

            async def come_through() -> bool:
                # The topics are read side by side: a receipt may be seen a moment before the delivery it is about.
                count = "docaxis_canary_latency_seconds_count"
                seen = [await _value(exchange, "canary", count, stage=stage) for stage in ("inbox", "receipt")]
                received = await _value(exchange, "canary", "docaxis_canary_received_total")
                return min(received, *seen) >= CANARIES

            await exchange._until(come_through, lambda: f"{CANARIES} canaries did not come through")
            assert await _value(exchange, "canary", "docaxis_canary_refused_total") == 0
            await exchange.leave("canary")
            await exchange.end_sending()
            await exchange.settle()
            # The audit of the traffic is exact beside it, and the workers' metrics hold the traffic alone.
            exchanged = await exchange.exchanged()
            check_exactly_once(exchanged)
            for name in ("docaxis_stream_documents_total", "docaxis_stream_ledger_documents"):
                shown = await _value(exchange, "stream", name)
                assert shown == exchange.readings.counts(exchange.run, "sent")["documents"], name
            canaries = exchange.readings.counts("canary-main", LEDGER)
            assert canaries["delivered_once"] >= CANARIES

    asyncio.run(run())
