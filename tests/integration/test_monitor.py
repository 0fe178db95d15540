"""`docaxis monitor` on events of another program: plain aiokafka and json, ids of its own, none of our codec."""

import asyncio
import json
import re
import time
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import jsonschema
import pytest
import yaml
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from playwright.async_api import expect

from docaxis.commands.axis import Axis
from docaxis.kafka.client import client_kwargs
from docaxis.kafka.topics import Topics
from docaxis.settings import KafkaSettings, Settings, TopicSettings
from monitor.agency_labels import NAMED_MAX
from monitor.feed import Feed
from monitor.service_objectives import ServiceObjectives
from tests.conftest import settings_at
from tests.support.browser import browser, opened

WITHIN_S = 120.0

#: The published document alone says what an event looks like.
ASYNCAPI = yaml.safe_load((Path(__file__).parents[2] / "deploy" / "asyncapi.yaml").read_text(encoding="utf-8"))
SCHEMAS = {name.lower(): schema for name, schema in ASYNCAPI["components"]["schemas"].items()}

#: The consumer group of a hub that is not ours.
THEIR_HUB = "their-hub"

#: More agencies that nobody knows than metrics name.
STRANGERS = [f"Y{number}" for number in range(12)]


class Elsewhere:
    """Another program's way to write the documented events, from the documents alone."""

    def __init__(self, producer: AIOKafkaProducer, prefix: str, run: str) -> None:
        self.producer = producer
        self.prefix = prefix
        self.run = run
        self.now_us = time.time_ns() // 1000

    async def _write(self, topic: str, key: str, event: dict[str, Any]) -> Any:
        event = {"version": 1, "run": self.run} | event
        jsonschema.validate(event, SCHEMAS[event["kind"]])
        value = json.dumps(event).encode()
        return await self.producer.send_and_wait(f"{self.prefix}.{topic}", value, key=key.encode())

    async def send(self, document: str, sender: str, recipients: list[str], age_s: float = 1) -> dict[str, Any]:
        """Write a `sent` event; return what its other events repeat."""
        sent_us = self.now_us - int(age_s * 1e6)
        shared = {
            "packet_id": f"{document}{'.1' if document.startswith('G05.') else '/1'}",
            "document_id": document,
            "sender": sender,
            "priority": 1,
        }
        shared |= {"calendar_ms": sent_us // 1000, "intended_us": sent_us - 2000, "sent_us": sent_us}
        more = {"kind": "sent", "recipients": recipients, "type": 18, "steering": 1, "business": 0, "size": 5}
        written = await self._write("sent", document, shared | more | {"an_unknown_field": "is ignored"})
        return shared | {"sent_partition": written.partition}

    async def deliver(self, shared: dict[str, Any], recipient: str) -> Any:
        """Write a `delivered` event."""
        more = {"kind": "delivered", "recipient": recipient, "type": 18, "steering": 1, "business": 0, "size": 5}
        return await self._write("delivered", recipient, shared | more | {"accepted_us": shared["sent_us"] + 1000})

    async def answer(self, shared: dict[str, Any], recipient: str, place: Any) -> None:
        """Write a receipt."""
        stamps = {name: shared["sent_us"] + after for name, after in (("accepted_us", 1000), ("available_us", 5000))}
        more = {"kind": "receipt", "recipient": recipient, "state": "DONE", "received_us": shared["sent_us"] + 9000}
        where = {"partition": place.partition, "offset": place.offset}
        await self._write("status", shared["document_id"], shared | more | stamps | where)

    async def refuse(self, shared: dict[str, Any]) -> None:
        """Write a refusal of a whole packet."""
        ids = {name: shared[name] for name in ("packet_id", "document_id", "sender")}
        more = {"kind": "refusal", "code": 19, "reason": "unknown sender", "topic": f"{self.prefix}.sent"}
        where = {"partition": 0, "offset": 0, "refused_us": self.now_us}
        await self._write("refused", shared["document_id"], ids | more | where)


async def state_of(session: aiohttp.ClientSession, url: str, run: str) -> dict[str, Any]:
    """Return the whole picture, as a page gets it first."""
    async with session.get(f"{url}/api/events", params={"run": run}) as answer:
        async for line in answer.content:
            if line.startswith(b"data: "):
                found: dict[str, Any] = json.loads(line.removeprefix(b"data: "))
                return found
    return {}


async def until(session: aiohttp.ClientSession, url: str, run: str, **totals: int) -> dict[str, Any]:
    """Wait until the page shows these totals."""
    state: dict[str, Any] = {}
    deadline_s = time.monotonic() + WITHIN_S
    while time.monotonic() < deadline_s:
        state = await state_of(session, url, run)
        shown = state.get("totals", {})
        if all(shown.get(name) == value for name, value in totals.items()):
            return state
        await asyncio.sleep(0.5)
    raise AssertionError(f"wanted {totals}, the page shows {state.get('totals')}")


async def until_judged(session: aiohttp.ClientSession, url: str, name: str, total: int) -> dict[str, dict[str, Any]]:
    """Wait until an objective has seen so many events (looked at every few seconds); return all."""
    found: dict[str, dict[str, Any]] = {}
    deadline_s = time.monotonic() + WITHIN_S
    while time.monotonic() < deadline_s:
        shown = (await state_of(session, url, "production"))["objectives"]
        found = {one["name"]: one for one in shown}
        if found[name]["total"] == total:
            return found
        await asyncio.sleep(0.5)
    raise AssertionError(f"wanted {total} events of {name}, the page shows {found}")


async def ask(session: aiohttp.ClientSession, url: str, **query: str) -> dict[str, Any]:
    async with session.get(url, params=query) as answer:
        found: dict[str, Any] = await answer.json()
        assert answer.status == 200, found
        return found


async def lag_of_their_hub(settings: Settings) -> None:
    """Let their hub have read all that was sent but one record, and all of `delivered` but what no reader sees."""
    prefix = settings.topics.prefix
    writer = AIOKafkaProducer(**client_kwargs(settings.kafka), transactional_id=f"{prefix}-theirs")
    await writer.start()
    async with writer.transaction():
        marked = await writer.send_and_wait(f"{prefix}.delivered", b"no event either", partition=0)
    await writer.stop()
    tps = [TopicPartition(f"{prefix}.sent", number) for number in range(settings.topics.partitions)]
    hub = AIOKafkaConsumer(**client_kwargs(settings.kafka), group_id=THEIR_HUB, enable_auto_commit=False)
    await hub.start()
    try:
        hub.assign([*tps, TopicPartition(f"{prefix}.delivered", 0)])
        ends = await hub.end_offsets(tps)
        behind = next(tp for tp in tps if ends[tp])
        read = ends | {behind: ends[behind] - 1, TopicPartition(f"{prefix}.delivered", 0): marked.offset + 1}
        await hub.commit(read)
    finally:
        await hub.stop()


async def exported(session: aiohttp.ClientSession, url: str) -> dict[str, float]:
    """Return the series that the monitor exports."""
    async with session.get(f"{url}/metrics") as answer:
        lines = [line for line in (await answer.text()).splitlines() if line and not line.startswith("#")]
    return {series: float(value) for series, _, value in (line.rpartition(" ") for line in lines)}


async def until_exported(session: aiohttp.ClientSession, url: str, series: str) -> dict[str, float]:
    """Wait until the monitor exports a series; return all."""
    found: dict[str, float] = {}
    deadline_s = time.monotonic() + WITHIN_S
    while time.monotonic() < deadline_s:
        found = await exported(session, url)
        if series in found:
            return found
        await asyncio.sleep(0.5)
    raise AssertionError(f"the monitor does not export {series}, but {sorted(found)}")


async def worker_of(settings: Settings) -> str:
    """Return where the stream worker answers, as its readings say."""
    stop = asyncio.Event()
    feed = Feed(client_kwargs(settings.kafka), Topics(settings.topics.prefix), settings.topics.partitions)
    following = asyncio.ensure_future(feed.follow(stop))
    await asyncio.wait_for(feed.caught_up.wait(), WITHIN_S)
    stop.set()
    await following
    (url,) = set(feed.readings.owners().values())
    return url


async def strangers_in_chromium(url: str) -> None:
    """See in a real browser that totals are shown, unknown agencies as such, and that the page asks only its server."""
    async with browser() as one, opened(url, one, "lang=en&run=production") as page:
        await expect(page.locator("#tiles .tile-value").first).to_have_text("5", timeout=60_000)
        for code in ("X99", "X12"):
            await page.locator("#agency-filter").fill(code)
            await expect(page.locator("#agencies tbody tr")).to_have_count(1)
            await expect(page.locator("#agencies tbody tr").first).to_contain_text("not in the registry")
        promised = ServiceObjectives.load()
        rows = len(promised.objective) + len(promised.zero)
        await expect(page.locator("#objectives tbody tr")).to_have_count(rows)
        await expect(page.locator("#health")).to_have_class("health level-bad", timeout=60_000)


class Written(NamedTuple):
    """Documents of `production`, told apart by what became of them: what their events share."""

    received: dict[str, Any]  # by three agencies, one of them unknown
    as_ours: dict[str, Any]  # received, with an id of the form that packs into a key
    at_hub: dict[str, Any]
    in_inbox: dict[str, Any]


async def write_everything(settings: Settings) -> Written:
    """Write what another program would: documents received, stuck, refused, of two runs, and one bad record."""
    prefix = settings.topics.prefix
    producer = AIOKafkaProducer(**client_kwargs(settings.kafka))
    await producer.start()
    try:
        one, other = Elsewhere(producer, prefix, "production"), Elsewhere(producer, prefix, "a-test-beside-it")
        received = await one.send("QLVB/77-2026", "G22", ["H53", "000.00.00.H01", "X99"])
        for recipient in ("H53", "000.00.00.H01", "X99"):
            await one.answer(received, recipient, await one.deliver(received, recipient))
        as_ours = await one.send("G05.2026.0000009", "G05", ["H04"], age_s=300)  # of the form that packs into a key
        await one.answer(as_ours, "H04", await one.deliver(as_ours, "H04"))
        at_hub = await one.send("G22.2026.0000123", "G22", ["H53", "H02"], age_s=90)
        in_inbox = await one.send("9b1c-uuid-of-theirs", "G09", ["H03"], age_s=80)
        await one.deliver(in_inbox, "H03")
        await one.refuse(await one.send("X12.2026.0000001", "X12", ["H53"]))
        await other.send("G01.2026.0000001", "G01", ["H53", *STRANGERS])
        await producer.send_and_wait(f"{prefix}.status", b"no event at all", key=b"x")
    finally:
        await producer.stop()
    return Written(received, as_ours, at_hub, in_inbox)


async def the_page_shows_the_totals(session: aiohttp.ClientSession, url: str) -> None:
    """See what each run came to, and that what nobody knows is called so."""
    state = await until(session, url, "production", documents=5, delivered_once=4, outstanding=3, refused=1)
    assert state["totals"]["deliveries_expected"] == 8
    assert state["totals"]["open_late"] == 3
    assert {"X12", "X99"} <= set(state["strangers"]) <= {"X12", "X99", *STRANGERS}
    assert {run for run, _ in state["runs"]} == {"production", "a-test-beside-it"}
    beside = await until(session, url, "a-test-beside-it", documents=1, outstanding=1 + len(STRANGERS))
    assert beside["totals"]["delivered_once"] == 0


async def the_ledger_answers(session: aiohttp.ClientSession, url: str, written: Written) -> None:
    """Ask for what is open and for journeys: each document is where it was left."""
    found = await ask(session, f"{url}/api/open", run="production")
    stages = {(row[1], row[3]): row[5] for row in found["rows"]}
    assert stages == {
        (written.at_hub["document_id"], "H53"): "hub",
        (written.at_hub["document_id"], "H02"): "hub",
        (written.in_inbox["document_id"], "H03"): "inbox",
    }
    journey = await ask(session, f"{url}/api/document", run="production", id="QLVB/77-2026")
    (packet,) = journey["packets"]
    assert {one["recipient"]: one["state"] for one in packet["deliveries"]} == dict.fromkeys(
        ("H53", "H01", "X99"), "delivered_once"
    )
    assert all(one["received_us"] == written.received["sent_us"] + 9000 for one in packet["deliveries"])
    assert journey["complete"]
    packed = await ask(session, f"{url}/api/document", run="production", id="G05.2026.0000009.1")
    (packet,) = packed["packets"]
    assert [one["received_us"] for one in packet["deliveries"]] == [written.as_ours["sent_us"] + 9000]
    assert packed["complete"]
    waiting = await ask(session, f"{url}/api/document", run="production", id=written.in_inbox["document_id"])
    assert [one["stage"] for one in waiting["packets"][0]["deliveries"]] == ["inbox"]
    refused = await ask(session, f"{url}/api/document", run="production", id="X12.2026.0000001")
    assert [one["reason"] for one in refused["packets"][0]["deliveries"]] == ["unknown sender"]


async def the_page_shows_reasons_and_promises(session: aiohttp.ClientSession, url: str) -> None:
    """See why something was refused, and what the objectives came to."""
    codes = {row[1] for row in (await until(session, url, "production", refused=1))["refused"]["rows"]}
    assert codes == {19, 10}  # theirs, and the record that was no event, refused by our worker
    objectives = await until_judged(session, url, "delivery_latency", 4)
    assert objectives["delivery_latency"]["achieved"] == 1
    assert objectives["delivery_availability"]["total"] == 4


async def their_hub_is_behind(session: aiohttp.ClientSession, url: str) -> None:
    """See the lag of a group that tells nothing itself."""

    def lag(what: str, topic: str, more: str = "") -> str:
        return f'docaxis_monitor_lag_{what}{{group="{THEIR_HUB}",topic="{topic}"{more}}}'

    found = await until_exported(session, url, lag("records", "sent"))
    assert found[lag("records", "sent")] == 1
    assert found[lag("seconds", "sent")] > 0
    assert found[lag("records", "delivered")] == 0  # what is left there is the marker of a transaction
    assert found[lag("seconds", "delivered")] == 0
    assert found[lag("state", "delivered", ',state="caught_up"')] == 1


async def strangers_are_bounded(session: aiohttp.ClientSession, settings: Settings) -> None:
    """See that agencies which nobody knows are counted, and have no more labels than there may be."""
    worker = await worker_of(settings)
    counted = await exported(session, worker)
    series = "\n".join(counted)
    assert counted['docaxis_stream_ledger_deliveries_owed{recipient="other"}'] == len(STRANGERS)
    for label in ("sender", "recipient"):
        named = set(re.findall(rf'{label}="([^"]+)"', series))
        assert len(named) <= NAMED_MAX + 1, sorted(named)


@pytest.fixture
def settings(tmp_path: Path, kafka: KafkaSettings, topic_settings: TopicSettings, topics: Topics) -> Settings:
    plain = settings_at(tmp_path)
    return plain.model_copy(update={"kafka": kafka, "topics": topic_settings})


async def test_events_of_another_program_are_shown_and_audited(settings: Settings, tmp_path: Path) -> None:
    written = await write_everything(settings)
    await lag_of_their_hub(settings)
    async with (
        Axis(settings, tmp_path / "logs") as axis,
        aiohttp.ClientSession(read_bufsize=1 << 22) as session,
    ):
        options = ("--page-port", "0", "--late-after", "30", "--group", THEIR_HUB)
        url = (await axis.start("monitor", "monitor", *options)).url
        await the_page_shows_the_totals(session, url)
        await the_ledger_answers(session, url, written)
        await the_page_shows_reasons_and_promises(session, url)
        await their_hub_is_behind(session, url)
        await strangers_are_bounded(session, settings)
        await strangers_in_chromium(url)
        async with session.get(f"{url}/healthz") as answer:
            assert answer.status == 200
