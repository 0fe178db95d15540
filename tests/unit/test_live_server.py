"""The page's HTTP side, asked by a plain client: the stream, headers, hosts, the token, lists and journeys."""

import asyncio
import csv
import io
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp import web
from yarl import URL

from docaxis.kafka.partitioner import partition_of
from docaxis.kafka.topics import Topics
from monitor.alerting.rules_file import rule_groups
from monitor.live.extras import Extras
from monitor.live.files import page_files
from monitor.live.server import PageServer
from monitor.service_objectives import ServiceObjectives
from monitor.web_guard import CONTENT_SECURITY_POLICY, host_is_ours
from streams.answers import Answers
from streams.journey import Journeys, Located, assemble
from streams.remembered import Remembered
from streams.state import Duties, PartitionState, StateBounds
from streams.store import positions_reading
from tests.support.events import refusal, sent
from tests.support.live import RUN, Axis, busy_axis, served

WITHIN_S = 60.0


async def get(url: str, **headers: str) -> tuple[int, Any, Any]:
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as answer:
        body = await answer.read()
        is_json = answer.content_type == "application/json"
        return answer.status, answer.headers, orjson.loads(body) if is_json else body.decode("utf-8")


async def events(url: str, count: int) -> list[tuple[str, dict[str, Any]]]:
    """Return the first events of a stream, read as the standard says."""
    found: list[tuple[str, dict[str, Any]]] = []
    async with aiohttp.ClientSession(read_bufsize=1 << 22) as session, session.get(url) as answer:
        assert answer.content_type == "text/event-stream"
        name = ""
        async with asyncio.timeout(WITHIN_S):
            async for line in answer.content:
                field, _, value = line.decode().rstrip("\n").partition(": ")
                if field == "event":
                    name = value
                elif field == "data":
                    found.append((name, orjson.loads(value)))
                if len(found) == count:
                    break
    return found


async def test_a_stream_begins_with_everything_and_goes_on_with_changes() -> None:
    axis = busy_axis()
    async with served(axis) as url:
        told = await events(f"{url}/api/events?run={RUN}", 4)
    assert [name for name, _ in told] == ["state", "tick", "tick", "tick"]
    state = told[0][1]
    assert state["run"] == RUN
    assert state["totals"]["documents"] == 40
    assert len(state["points"][0]) == len(state["columns"]) + 1
    assert state["strangers"] == ["X77"]
    ticks = [tick for _, tick in told[1:]]
    assert all("point" in tick and "agencies" not in tick for tick in ticks)  # nothing happened meanwhile
    assert [tick["point"][0] for tick in ticks] == [ticks[0]["point"][0] + n for n in range(3)]


#: Two runs of which nothing is alike: sender, recipients of each document, code of each refusal.
APART: dict[str, tuple[str, list[str], int]] = {"one": ("G22", ["H53"], 19), "two": ("G09", ["H01", "H02", "H03"], 22)}


def offer(axis: Axis, run: str, number: int) -> None:
    """Let one document of a run be sent, and another of it be refused."""
    sender, recipients, code = APART[run]
    now_us = axis.clock.wall_us()
    packet_id = f"{sender}.2021.{number:07d}.0"
    axis.fold("sent", sent(packet_id, recipients, sender=sender, run=run, sent_us=now_us, intended_us=now_us))
    refused_id = f"{sender}.2021.{number + 1000:07d}.0"
    axis.fold("refused", refusal(refused_id, code=code, sender=sender, run=run))


def assert_of_one_run(told: dict[str, Any], run: str, axis: Axis) -> None:
    """Check what a viewer of a run was told; all runs stand only in the list from which one is chosen."""
    sender, recipients, code = APART[run]
    (other,) = APART.keys() - {run}
    others = APART[other][0]
    text = orjson.dumps({name: part for name, part in told.items() if name != "runs"}).decode()
    assert f'"{other}"' not in text
    assert f"{others}.2021" not in text
    assert told.get("run", run) == run
    own = {str(axis.registry.positions[code]) for code in (sender, *recipients)}
    assert told.get("agencies", {}).keys() <= own
    if (refused := told.get("refused")) is not None:
        assert refused["codes"].keys() == {str(code)}
        assert {row[4] for row in refused["rows"]} == {sender}
    if (totals := told.get("totals")) is not None:
        assert totals["deliveries_expected"] == totals["documents"] * len(recipients)
    if (pairs := told.get("pairs")) is not None:
        assert set(pairs["waiting"][0]) == {axis.registry.positions[sender]}


async def test_viewers_of_two_runs_get_nothing_of_each_others() -> None:
    axis = Axis()
    for run in APART:
        offer(axis, run, 1)
    axis.tick(2)
    async with served(axis) as url:

        async def traffic() -> None:
            for number in range(2, 900):
                for run in APART:
                    offer(axis, run, number)
                await asyncio.sleep(0.1)

        offering = asyncio.ensure_future(traffic())
        streams = await asyncio.gather(*(events(f"{url}/api/events?run={run}", 8) for run in APART))
        offering.cancel()
        lists = [(await get(f"{url}/api/open?run={run}"))[2]["rows"] for run in APART]
    for run, stream, rows in zip(APART, streams, lists, strict=True):
        assert stream[0][0] == "state"
        assert sum("totals" in told for _, told in stream) > 3, "something happened meanwhile"
        for _, told in stream:
            assert_of_one_run(told, run, axis)
        assert {row[2] for row in rows} == {APART[run][0]}


async def test_no_answer_of_the_interface_is_kept_by_a_browser() -> None:
    axis = busy_axis()
    document_id = axis.events[0].document_id
    paths = (
        "events", "registry", f"series?run={RUN}&range=10m", "series?run=x", f"open?run={RUN}", f"open.csv?run={RUN}",
        f"document?run={RUN}&id={document_id}", "document", "nothing",
    )  # fmt: skip
    async with served(axis) as url, aiohttp.ClientSession() as session:
        routes = PageServer(axis.board, axis.workers, axis.extras, axis.clock, b"[]").application([]).router.routes()
        offered = {route.resource.canonical for route in routes if route.resource and route.method == "GET"}
        asked = {f"/api/{path.partition('?')[0]}" for path in paths}
        assert {path for path in offered if path.startswith("/api/")} <= asked, "each is asked here"
        for method, path in [*(("GET", path) for path in paths), ("POST", "control/rate"), ("POST", "registry")]:
            async with session.request(method, f"{url}/api/{path}") as answer:
                assert answer.headers.get("Cache-Control") == "no-store", (path, answer.status)
        axis.board.viewers._max = 0
        async with session.get(f"{url}/api/events") as answer:
            assert (answer.status, answer.headers["Cache-Control"]) == (503, "no-store")


async def test_a_viewer_that_leaves_is_forgotten_and_one_too_many_is_refused() -> None:
    axis = busy_axis()
    axis.board.viewers._max = 1
    async with served(axis) as url:
        async with aiohttp.ClientSession() as session, session.get(f"{url}/api/events") as answer:
            assert answer.status == 200
            status, headers, _ = await get(f"{url}/api/events")
            assert (status, headers["Retry-After"]) == (503, "10")
        async with asyncio.timeout(WITHIN_S):
            while len(axis.board.viewers):  # noqa: ASYNC110  # nobody tells when a connection has ended
                await asyncio.sleep(0.05)
        assert axis.board.viewers.refused == 1


@pytest.mark.parametrize("path", ["/", "/page/main.js", "/api/registry", "/api/events", "/nothing", "/api/open?run=x"])
async def test_every_answer_carries_the_security_headers(path: str) -> None:
    async with (
        served(busy_axis()) as url,
        aiohttp.ClientSession() as session,
        session.get(url + path) as answer,
    ):
        headers = answer.headers
    assert headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
    assert "unsafe" not in CONTENT_SECURITY_POLICY
    assert "frame-ancestors 'none'" in CONTENT_SECURITY_POLICY
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "Access-Control-Allow-Origin" not in headers
    assert headers["Server"] == "docaxis"


@pytest.mark.parametrize(
    ("host", "ours"),
    [
        ("127.0.0.1:8095", True),
        ("127.0.0.1", True),
        ("localhost:8095", True),
        ("LOCALHOST", True),
        ("[::1]:8095", True),
        ("192.168.1.5:80", True),
        ("monitor.example.vn", True),
        ("evil.example", False),
        ("127.0.0.1.evil.example:8095", False),
        ("localhost.evil.example", False),
        ("", False),
    ],
)
def test_only_addresses_and_names_of_ours_are_answered(host: str, ours: bool) -> None:
    assert host_is_ours(host, {"monitor.example.vn"}) is ours


async def test_a_foreign_host_gets_nothing_from_page_or_worker() -> None:
    axis = busy_axis()
    async with served(axis, allowed_hosts=("monitor.example.vn",)) as url:
        for address in (f"{url}/api/registry", f"{url}/", f"{axis.url}/ledger/open?run={RUN}"):
            assert (await get(address, Host="evil.example"))[0] == 421
        assert (await get(f"{url}/api/registry", Host="monitor.example.vn"))[0] == 200


class Steered(Extras):
    """A workload that can be steered."""

    def __init__(self) -> None:
        self.done: list[tuple[str, str, float | None]] = []

    async def control(self, run: str, name: str, value: float | None) -> None:
        if name != "rate":
            raise ValueError(f"there is no control {name!r} here")
        self.done.append((run, name, value))


@pytest.mark.parametrize(
    ("token", "shown", "path", "body", "status"),
    [
        ("", "", "rate", b"{}", 403),
        ("", "Bearer ", "rate", b"{}", 403),
        ("a-long-enough-token", "", "rate", b"{}", 403),
        ("a-long-enough-token", "Bearer a-long-enough-toke", "rate", b"{}", 403),
        ("a-long-enough-token", "Bearer a-long-enough-token", "rate", b'{"value": 20}', 200),
        ("a-long-enough-token", "Bearer a-long-enough-token", "rate", b'{"value": "x"}', 400),
        ("a-long-enough-token", "Bearer a-long-enough-token", "other", b"", 400),
    ],
)
async def test_controls_ask_for_the_token(token: str, shown: str, path: str, body: bytes, status: int) -> None:
    steered = Steered()
    axis = busy_axis(extras=steered)
    async with (
        served(axis, token=token) as url,
        aiohttp.ClientSession() as session,
        session.post(f"{url}/api/control/{path}?run=r", data=body, headers={"Authorization": shown}) as answer,
    ):
        assert answer.status == status
    assert steered.done == ([("r", "rate", 20)] if status == 200 else [])


async def test_open_deliveries_are_listed_with_the_stage_and_downloaded() -> None:
    axis = busy_axis()
    async with served(axis) as url:
        _, _, found = await get(f"{url}/api/open?run={RUN}")
        _, _, hub = await get(f"{url}/api/open?run={RUN}&stage=hub")
        _, headers, text = await get(f"{url}/api/open.csv?run={RUN}&stage=hub")
    assert found["open"] == len(found["rows"]) > 0
    assert [row[4] for row in found["rows"]] == sorted(row[4] for row in found["rows"])
    assert {row[5] for row in found["rows"]} >= {"hub", "inbox"}
    assert 0 < len(hub["rows"]) < len(found["rows"])
    assert len(list(csv.reader(io.StringIO(text)))) == 1 + len(hub["rows"])
    assert "attachment" in headers["Content-Disposition"]


async def _file(url: str, query: str = "") -> tuple[int, list[str]]:
    """Return how many deliveries a file lists, and what it says is missing."""
    _, _, text = await get(f"{url}/api/open.csv?run={RUN}{query}")
    _, *rows = csv.reader(io.StringIO(text))
    notes = [row[0] for row in rows if row[0].startswith("#")]
    assert all(row[0] in notes for row in rows[len(rows) - len(notes) :])  # they come last
    return len(rows) - len(notes), notes


@pytest.mark.parametrize("bound", ["monitor.live.server.FILE_ROWS_MAX", "streams.answers.LISTED_MAX"])
async def test_a_file_that_is_cut_says_how_many_more_there_are(bound: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with served(busy_axis()) as url:
        whole, nothing = await _file(url)
        of_hub, nothing_either = await _file(url, "&stage=hub")
        monkeypatch.setattr(bound, 3)
        cut, (note,) = await _file(url)
        _, notes_of_hub = await _file(url, "&stage=hub")
    assert nothing == nothing_either == []
    assert whole > of_hub > 3 == cut
    assert f"{whole - 3} more deliveries" in note
    assert f"còn {whole - 3} lượt giao" in note
    if bound.endswith("FILE_ROWS_MAX"):
        assert f"{of_hub - 3} more deliveries" in notes_of_hub[0]
    else:  # the others were never asked for their stage
        assert f"stage of {whole - 3} more open deliveries" in notes_of_hub[0]
    assert len(notes_of_hub) == 1


async def test_a_file_of_one_recipient_is_cut_by_what_that_one_waits_for(monkeypatch: pytest.MonkeyPatch) -> None:
    async with served(busy_axis()) as url:
        rows = (await get(f"{url}/api/open?run={RUN}"))[2]["rows"]
        code, waits = Counter(row[3] for row in rows).most_common(1)[0]
        monkeypatch.setattr("streams.answers.LISTED_MAX", 1)
        _, (note,) = await _file(url, f"&recipient={code}")
    assert waits > 1
    assert f"{waits - 1} more deliveries" in note


async def test_a_file_names_the_partitions_that_nobody_answered_for() -> None:
    axis = busy_axis()
    axis.workers._partitions = 3  # of the last one nobody has announced himself
    other = PartitionState(1, Duties(1), StateBounds())
    axis.readings.put(positions_reading(other, {}, axis.clock.wall_us(), "http://127.0.0.1:9"))
    async with served(axis) as url:
        listed, (note,) = await _file(url)
    assert listed > 0
    assert "Partitions 1, 2 are missing" in note


async def test_a_list_of_one_recipient_has_only_its_deliveries() -> None:
    axis = busy_axis()
    async with served(axis) as url:
        everything = (await get(f"{url}/api/open?run={RUN}"))[2]["rows"]
        code = everything[0][3]
        rows = (await get(f"{url}/api/open?run={RUN}&recipient={code}"))[2]["rows"]
    assert rows == [row for row in everything if row[3] == code]


async def test_a_journey_is_found_by_document_and_by_packet() -> None:
    axis = busy_axis()
    packet = axis.events[0]
    async with served(axis) as url:
        by_document = (await get(f"{url}/api/document?run={RUN}&id={packet.document_id}"))[2]
        by_packet = (await get(f"{url}/api/document?run={RUN}&id={packet.packet_id}"))[2]
        nothing = (await get(f"{url}/api/document?run={RUN}&id=nobody"))[2]
        status, _, _ = await get(f"{url}/api/document?run={RUN}&id={'x' * 200}")
    assert by_document == by_packet
    (found,) = by_document["packets"]
    assert [one["recipient"] for one in found["deliveries"]] == sorted(packet.recipients)
    assert all(one["state"] == "delivered_once" and one["received_us"] for one in found["deliveries"])
    assert nothing["packets"] == []
    assert status == 400


async def test_a_worker_that_does_not_answer_is_named() -> None:
    axis = busy_axis()
    async with served(axis) as url:
        axis.url = "http://127.0.0.1:9"
        axis.tick()
        axis.publish()
        status, _, found = await get(f"{url}/api/open?run={RUN}")
    assert status == 503
    assert found == {"error": "no_answer", "who": "http://127.0.0.1:9"}


async def test_the_runbook_of_every_alert_is_served_where_its_link_leads() -> None:
    rules = [rule for group in rule_groups(ServiceObjectives.load()) for rule in group["rules"] if "alert" in rule]
    links = {rule["alert"]: URL(rule["annotations"]["runbook_url"]).path for rule in rules}
    async with served(busy_axis()) as url, aiohttp.ClientSession() as session:
        for alert, path in links.items():
            async with session.get(url + path) as answer:
                assert (answer.status, answer.content_type) == (200, "text/plain"), path
                assert (await answer.text()).startswith(f"# {alert}\n")
        async with session.get(f"{url}/runbooks/../service_objectives.py") as answer:
            assert answer.status == 404


class Owner(Journeys):
    """The journeys of a worker that owns one of two partitions; it notes what it is asked."""

    def __init__(self, number: int) -> None:
        self.state = PartitionState(number, Duties(1), StateBounds())
        self.asked: list[str] = []
        super().__init__({}, Topics("axis"), 2, lambda: {number: self.state})

    async def _read(self, run: str, document_id: str, partition: int, known: list[Remembered]) -> dict[str, Any]:
        self.asked.append(document_id)
        packet = sent(f"{document_id}.0", ["H53"], run=run)
        events: list[Located] = [(packet, partition, 0)] if document_id in DOCUMENTS else []
        return assemble(run, document_id, known, events) | {"complete": True, "records_read": 1}


#: One document of each of two partitions, in their order. Packet .0 of either falls into the other partition.
DOCUMENTS = ("G22.2021.0000005", "G22.2021.0000003")


@asynccontextmanager
async def two_workers() -> AsyncIterator[tuple[str, list[Owner], list[web.AppRunner], Axis]]:
    """Give a page whose two partitions are owned by two workers."""
    axis = Axis()
    axis.workers._partitions = 2
    owners, runners = [Owner(0), Owner(1)], []
    async with served(axis) as url:
        for owner in owners:
            app = web.Application()
            app.add_routes(Answers(owner._states, owner).routes())
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            runners.append(runner)
            axis.readings.put(positions_reading(owner.state, {}, axis.clock.wall_us(), address(runner)))
        try:
            yield url, owners, runners, axis
        finally:
            for runner in runners:
                await runner.cleanup()


def address(runner: web.AppRunner) -> str:
    return f"http://127.0.0.1:{runner.addresses[0][1]}"


async def test_a_document_is_asked_of_the_worker_that_owns_its_partition() -> None:
    assert [partition_of(one.encode(), 2) for one in DOCUMENTS] == [0, 1]
    assert [partition_of(f"{one}.0".encode(), 2) for one in DOCUMENTS] == [1, 0]
    async with two_workers() as (url, owners, _, _):
        for number, document_id in enumerate(DOCUMENTS):
            status, _, found = await get(f"{url}/api/document?run={RUN}&id={document_id}")
            assert status == 200
            assert found["packets"][0]["place"] == [number, 0]
            assert owners[number].asked == [document_id]
            assert document_id not in owners[1 - number].asked


@pytest.mark.parametrize("gone", [0, 1])
async def test_a_document_of_a_silent_worker_is_not_called_unknown(gone: int) -> None:
    async with two_workers() as (url, owners, runners, _):
        silent = address(runners[gone])
        await runners[gone].cleanup()
        status, _, found = await get(f"{url}/api/document?run={RUN}&id={DOCUMENTS[gone]}")
        assert (status, found) == (503, {"error": "no_answer", "who": silent})
        assert DOCUMENTS[gone] not in owners[1 - gone].asked
        there = DOCUMENTS[1 - gone]
        for asked in (there, f"{there}.0", f"{there}.1"):  # packets fall into either partition
            status, _, found = await get(f"{url}/api/document?run={RUN}&id={asked}")
            assert status == 200, asked
            assert found["document_id"] == there


async def test_a_worker_that_owns_the_partition_no_more_does_not_call_the_document_unknown() -> None:
    """Readings are a moment old: while partitions change hands, the former owner may still be asked."""
    async with two_workers() as (url, owners, runners, axis):
        axis.readings.put(positions_reading(owners[1].state, {}, axis.clock.wall_us() + 1, address(runners[0])))
        former = address(runners[0])
        status, _, found = await get(f"{url}/api/document?run={RUN}&id={DOCUMENTS[1]}")
    assert (status, found) == (503, {"error": "no_answer", "who": former})


def test_the_page_names_no_address_beyond_itself() -> None:
    for path, file in page_files().items():
        if path.startswith("/assets/"):
            continue
        addresses = [one for one in file.body.decode().split('"') if "://" in one and "w3.org" not in one]
        assert addresses == [], path
        assert file.content_type, path
