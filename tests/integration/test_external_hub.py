"""A hub that is not ours is tested: one of plain aiokafka and json routes what the load test sends."""

import asyncio
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from docaxis.kafka.client import client_kwargs
from docaxis.kafka.topics import Topics
from docaxis.settings import KafkaSettings, TopicSettings
from tests.support.truth import Exchanged, check_exactly_once
from tests.support.workloads import LENIENT, options_of, toml_of

WORKLOAD: dict[str, Any] = {
    "name": "other-hub",
    "hub": "external",
    "phases": [
        {"name": "load", "duration": "4 s", "rate": "50 documents/s"},
        {"name": "drain", "kind": "drain", "duration": "60 s"},
    ],
    "generator": LENIENT,
}

#: What a document's copies have of it, by the AsyncAPI document.
COPIED: tuple[str, ...] = (
    *("version", "run", "packet_id", "document_id", "sender", "type", "priority", "steering", "business", "size"),
    *("calendar_ms", "intended_us", "sent_us"),
)


async def route(client: dict[str, Any], topics: Topics, holds_s: float) -> None:
    """Put a copy of every document into each recipient's inbox, `holds_s` after it came; until cancelled."""
    reader = AIOKafkaConsumer(topics.sent, **client, group_id=f"{topics.prefix}-other", auto_offset_reset="earliest")
    writer = AIOKafkaProducer(**client, acks="all")
    await reader.start()
    await writer.start()
    try:
        async for record in reader:
            sent = json.loads(record.value)
            copy = {"kind": "delivered", **{name: sent[name] for name in COPIED}}
            copy |= {"accepted_us": time.time_ns() // 1000, "sent_partition": record.partition}
            await asyncio.sleep(max(0.0, sent["sent_us"] / 1e6 + holds_s - time.time()))
            for recipient in sent["recipients"]:
                value = json.dumps(copy | {"recipient": recipient}).encode()
                await writer.send(topics.delivered, value, key=recipient.encode())
    finally:
        await reader.stop()
        await writer.stop()


@pytest.mark.timeout(300)
async def test_a_hub_of_another_make_is_under_test(
    kafka: KafkaSettings, topic_settings: TopicSettings, tmp_path: Path
) -> None:
    """It takes a fifth of a second by its own doing: that shows under routing, and nothing is ours."""
    topics, holds_s = Topics(topic_settings.prefix), 0.2
    on = options_of(kafka, topics.prefix)
    environment = {**os.environ, "DOCAXIS_PATHS_RUNS": str(tmp_path / "runs")}
    made = await asyncio.create_subprocess_exec(sys.executable, "-m", "docaxis", "topics", "create", *on)
    assert await made.wait() == 0
    (tmp_path / "workload.toml").write_text(toml_of(WORKLOAD), encoding="utf-8")
    router = asyncio.ensure_future(route(client_kwargs(kafka), topics, holds_s))
    try:
        command = [sys.executable, "-m", "docaxis", "run", str(tmp_path / "workload.toml"), *on]
        process = await asyncio.create_subprocess_exec(*command, env=environment, cwd=tmp_path)
        assert await asyncio.wait_for(process.wait(), 250) == 0
        assert not router.done(), router
    finally:
        router.cancel()
        await asyncio.gather(router, return_exceptions=True)
    result = json.loads((tmp_path / "runs" / "latest" / "result.json").read_text(encoding="utf-8"))
    assert (result["verdict"], result["faults"]) == ("pass", [])
    assert "hub" not in result["processes"], "nobody but the other one routes"
    ledger, latency = result["ledger"], result["latency_seconds"]
    assert ledger["delivered_once"] == ledger["deliveries_expected"] > 100
    assert latency["routing"]["p50"] > holds_s * 0.9
    assert latency["send_delay"]["p50"] < holds_s / 2
    run, partitions = result["run"], topic_settings.partitions
    check_exactly_once(await Exchanged.read(client_kwargs(kafka), topics.prefix, partitions, run))
