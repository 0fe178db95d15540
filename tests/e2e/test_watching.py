"""The operator's whole view of a small real run: dashboards that tell the ledger's figures, and one fault that calls.

Real broker, roles, Prometheus and Alertmanager. In the middle the hub is stopped (SIGSTOP) until somebody is called:
the latency alert fires while nothing arrives, is handed on, and resolves when the hub goes on; meanwhile the dashboards
tell how many wait, for whom, how long, and how far the hub is behind. The loss alert stays silent, and is made to judge
so soon that one delivery lost in the pause would have called. One agency writes to somebody whom nobody knows, so that
refusals are known and not zero. The latency alert's windows are scaled from hours to seconds (the real ones are
promtool's, in the unit tests); dashboards and all other rules are those that are shipped.
"""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiokafka import AIOKafkaProducer
from playwright.async_api import expect

from docaxis.domain.codec import encode
from docaxis.domain.run import canary_run
from docaxis.settings import KafkaSettings, TopicSettings
from monitor.alerting.burn_rate import PAGE, BurnWindow
from monitor.alerting.rules_file import rule_groups
from monitor.catalogue import LAG_RECORDS, WAITING_OVER_S
from monitor.dashboards import BOARDS
from monitor.dashboards.board import Panel
from monitor.histogram import Histogram
from monitor.live.moment import open_late
from monitor.reading import LEDGER
from monitor.service_objectives import Objective, ServiceObjectives
from tests.conftest import settings_at
from tests.support.browser import PATIENCE_MS, browser, opened
from tests.support.events import sent
from tests.support.exchange import Exchange
from tests.support.monitoring import ALERTMANAGER, PROMETHEUS, Monitoring
from tests.support.panels import NOBODY, WRONG_RUN, WRONG_SENDER, Facts, Known, Law, expectations
from tests.support.promql import concrete, queries
from tests.support.truth import check_exactly_once

ROOT = Path(__file__).parents[2]

pytestmark = [
    pytest.mark.skipif(
        PROMETHEUS is None or ALERTMANAGER is None, reason="Prometheus and Alertmanager are not on PATH"
    ),
    pytest.mark.slow,
    pytest.mark.timeout(1500),
]

#: Documents a second, and how many: long enough for the fault, and ended by itself while everybody is still there.
RATE, DOCUMENTS = 20.0, 1500

#: Grafana's windows, for a run of a minute.
SHORT = {"before": "20s", "__rate_interval": "10m"}

#: One promise, with windows of seconds instead of hours.
SCALED = Objective(
    name="scaled", title_en="Scaled", title_vi="Thu nhỏ", description="Received within 10 s", indicator="delivery",
    threshold_s=10, target=0.9, bad_min=10,
)  # fmt: skip
SCALED_WINDOWS = (BurnWindow("60s", "15s", 3, PAGE, "0s"),)
ALERT = "DocaxisScaledBudgetBurn"

#: Longer than the pause takes, and short enough that what was lost in it would be overdue before the test ends.
LOST_AFTER_S = 45
LOSS_ALERT = "DocaxisDeliveriesLost"

#: Documents of the agency that writes to nobody.
WRONG_DOCUMENTS = 40

#: Seconds after which Prometheus knows what held now: it asks each second, and the monitor asks for a group every five.
KNOWN_AFTER_S = 8
#: Documents of two seconds, as many as may be on their way between two who count them.
ON_THEIR_WAY = 2 * RATE + 10


def _rules() -> list[dict[str, Any]]:
    """Return the shipped rules, judged each two seconds, and the scaled ones."""
    shipped = ServiceObjectives.load()
    scaled = shipped.model_copy(update={"objective": (SCALED,)})
    groups = [group | {"interval": "2s"} for group in rule_groups(shipped)]
    (loss,) = (rule for group in groups for rule in group["rules"] if rule.get("alert") == LOSS_ALERT)
    loss["for"] = "1s"
    return [*groups, rule_groups(scaled, SCALED_WINDOWS, "1s")[0] | {"name": "scaled"}]


def _alertmanager() -> dict[str, Any]:
    """Return the shipped configuration without its waits."""
    config: dict[str, Any] = yaml.safe_load((ROOT / "deploy/alertmanager/alertmanager.yml").read_text(encoding="utf-8"))
    config["route"] |= {"group_wait": "0s", "group_interval": "1s"}
    return config


def test_a_paused_hub_calls_somebody_and_every_panel_tells_the_truth(
    kafka: KafkaSettings, topic_settings: TopicSettings, tmp_path: Path
) -> None:
    settings = settings_at(
        tmp_path, kafka__bootstrap_servers=kafka.bootstrap_servers, topics__prefix=topic_settings.prefix
    )

    async def run() -> None:
        async with (
            Exchange(settings, tmp_path / "logs") as exchange,
            Monitoring(tmp_path / "monitoring", _rules(), _alertmanager()) as monitoring,
        ):
            await _start(exchange, monitoring)
            paused = await _pause_the_hub_until_somebody_is_called(exchange, monitoring)
            await _every_panel_answers(exchange, monitoring)
            await _the_run_that_is_chosen_is_shown(exchange, monitoring)
            await _every_annotation_is_a_query(exchange, monitoring)
            await exchange.leave("canary")
            await exchange.settle()
            await _the_panels_tell_what_the_ledger_knows(exchange, monitoring)
            check_exactly_once(await exchange.exchanged())
            await _nobody_is_called_for_loss(monitoring, *paused)

    asyncio.run(run())


async def _start(exchange: Exchange, monitoring: Monitoring) -> None:
    """Start everybody; Prometheus sees the counters at zero before the first document is sent."""
    await asyncio.gather(
        exchange.start("hub", "hub"),
        exchange.start("stream", "stream", "--snapshot-interval", "0.5", "--lost-after", str(LOST_AFTER_S)),
        exchange.start("receivers", "fleet", "--run", exchange.run),
        exchange.start("canary", "canary", "--interval", "0.5"),
        exchange.start("monitor", "monitor", "--workers", "0", "--page-port", "0", "--group", _hub_group(exchange)),
    )
    for name in ("hub", "stream", "receivers"):
        await exchange.joined(name)
    _scrape_all(exchange, monitoring)

    async def seen() -> bool:
        return await monitoring.value("count(docaxis_stream_documents_total == 0)") > 90

    await monitoring.until(seen, lambda: "Prometheus did not scrape the stream worker")
    await exchange.start(
        "sender", "fleet", "--run", exchange.run, "--rate", str(RATE), "--documents", str(DOCUMENTS), "--no-receive"
    )
    exchange.expect_fleets(2)
    _scrape_all(exchange, monitoring)
    await _write_to_nobody(exchange)
    await exchange.goes_on(200)


def _hub_group(exchange: Exchange) -> str:
    return f"{exchange.settings.topics.prefix}-hub"


async def _write_to_nobody(exchange: Exchange) -> None:
    """Send what the hub has to refuse, over some seconds as an agency's system would."""
    producer = AIOKafkaProducer(**exchange.client)
    await producer.start()
    try:
        for number in range(1, WRONG_DOCUMENTS + 1):
            document_id, now_us = f"{WRONG_SENDER}.2026.{number:07d}", time.time_ns() // 1000
            event = sent(
                f"{document_id}.0", [NOBODY], sender=WRONG_SENDER, run=WRONG_RUN, sent_us=now_us, intended_us=now_us
            )
            await producer.send_and_wait(exchange.topics.sent, encode(event), key=event.document_id.encode())
    finally:
        await producer.stop()


def _scrape_all(exchange: Exchange, monitoring: Monitoring) -> None:
    monitoring.scrape({name: child.url for name, child in exchange.children.items()})


async def _pause_the_hub_until_somebody_is_called(exchange: Exchange, monitoring: Monitoring) -> tuple[float, float]:
    """Fire and resolve; return when the pause began and ended."""

    async def is_calm() -> bool:
        return ALERT not in await monitoring.active()

    async def is_called() -> bool:
        return ("firing", ALERT) in monitoring.notified and ALERT in await monitoring.active()

    async def is_resolved() -> bool:
        return ("resolved", ALERT) in monitoring.notified and ALERT not in await monitoring.active()

    await monitoring.until(is_calm, lambda: f"{ALERT} did not become silent before any fault")
    monitoring.notified.clear()
    exchange.pause("hub")
    exchange.note("hub paused")
    began_s = time.monotonic()
    await asyncio.gather(
        _the_live_page_shows_the_stall(exchange), _the_dashboards_show_the_stall(exchange, monitoring, began_s)
    )
    await monitoring.until(is_called, lambda: f"{ALERT} did not fire; notified: {monitoring.notified}")
    exchange.note("somebody is called")
    exchange.resume("hub")
    ended_s = time.monotonic()
    exchange.note("hub goes on")
    await monitoring.until(is_resolved, lambda: f"{ALERT} was not resolved; notified: {monitoring.notified}")
    exchange.note("resolved")
    return began_s, ended_s


async def _the_dashboards_show_the_stall(exchange: Exchange, monitoring: Monitoring, began_s: float) -> None:
    """While it lasts everything only grows: what Prometheus has lies between what the ledger knew before and after."""
    sent_before, hubs = _documents(exchange), '{group=~".+-hub"}'
    shown = {
        "How many wait, and for how long?": "waiting",
        "Who is affected?": "affected",
        "How old is the oldest?": "oldest_s",
        "How far behind is it?": "unread",
        "How old is what it has not read?": "paused_s",
    }
    told: dict[str, tuple[float, float, float]] = {}

    async def as_the_ledger_knows() -> bool:
        low = _stalled(exchange, sent_before, began_s)
        if not low["waiting"]:
            return False
        await asyncio.sleep(KNOWN_AFTER_S)
        values = {name: await monitoring.value(_panel(en).queries[0].expr) for en, name in shown.items()}
        await asyncio.sleep(1)
        high = _stalled(exchange, sent_before, began_s)
        slack = {"unread": ON_THEIR_WAY, "affected": ON_THEIR_WAY, "waiting": ON_THEIR_WAY}
        told.update({name: (low[name], value, high[name]) for name, value in values.items()})
        return all(
            value > 0 and before - slack.get(name, 2) <= value <= after + slack.get(name, 2)
            for name, (before, value, after) in told.items()
        )

    await monitoring.until(as_the_ledger_knows, lambda: f"known before, told, known after: {told}")
    marks = [one.expr for board in BOARDS for one in board.annotations if one.name == "Unreachable"]
    assert [[one.labels["role"] for one in await monitoring.query(mark)] for mark in marks] == [["hub"]]
    assert {one.labels["group"] for one in await monitoring.query(f"{LAG_RECORDS.name}{hubs}")} == {
        _hub_group(exchange)
    }
    exchange.note("the dashboards show the stall")


def _documents(exchange: Exchange) -> int:
    """Return how many documents of all runs are in the topic, as far as they are counted."""
    runs = (exchange.run, WRONG_RUN, canary_run("main"))
    return sum(exchange.readings.counts(run, "sent").get("documents", 0) for run in runs)


def _stalled(exchange: Exchange, sent_before: int, began_s: float) -> dict[str, float]:
    """Return what the ledger knows of a stall."""
    readings, run, now_us = exchange.readings, exchange.run, time.time_ns() // 1000
    owed = sorted(readings.agencies(run, LEDGER, "outstanding").values())
    oldest_us = min(readings.oldest(run, LEDGER, "outstanding_sent_us").values(), default=now_us)
    return {
        "waiting": sum(open_late(readings, run, now_us, over_s * 1_000_000) for over_s in WAITING_OVER_S),
        "affected": sum(owed[-10:]),
        "oldest_s": (now_us - oldest_us) / 1e6,
        "unread": _documents(exchange) - sent_before,
        "paused_s": time.monotonic() - began_s,
    }


async def _nobody_is_called_for_loss(monitoring: Monitoring, began_s: float, ended_s: float) -> None:
    """Ask when what was sent in the pause would be overdue by now, had it not come: earlier, silence says nothing."""
    await asyncio.sleep(max(0, ended_s + LOST_AFTER_S + 5 - time.monotonic()))
    never = {LOSS_ALERT, "DocaxisDeliveriesDuplicated", "DocaxisDeliveriesMisrouted"}
    if ended_s - began_s + 5 > LOST_AFTER_S:  # on a machine so slow they were overdue indeed, until they came
        never.remove(LOSS_ALERT)
    assert not never & {name for _, name in monitoring.notified}
    fired = f'ALERTS{{alertname=~"{"|".join(sorted(never))}",alertstate="firing"}}'
    assert await monitoring.query(f"max_over_time({fired}[1h])") == []


async def _the_live_page_shows_the_stall(exchange: Exchange) -> None:
    """See in a real browser that the axis stands still, and where, while documents still come."""
    async with browser() as one, opened(exchange.children["monitor"].url, one, f"lang=en&run={exchange.run}") as page:
        health = page.locator("#health")
        await expect(health).to_contain_text("Nothing has moved for", timeout=PATIENCE_MS)
        await expect(health).to_contain_text("at the hub")
        await expect(health).to_have_class("health level-bad")
    exchange.note("the live page shows the stall")


async def _every_panel_answers(exchange: Exchange, monitoring: Monitoring) -> None:
    """Every query of every panel has a figure while traffic flows, and keeps the law that it is under."""
    left = [
        (board, panel, number) for board in BOARDS for panel in board.panels() for number in range(len(panel.queries))
    ]
    assert len(left) > 80
    facts = _facts(exchange)
    expected = expectations(facts)
    seen: dict[tuple[str, int], list[float]] = {}

    async def all_answered() -> bool:
        for one in list(left):
            _, panel, number = one
            query = panel.queries[number].expr
            found = await monitoring.query(concrete(query, before="20s", agency=facts.busiest, __rate_interval="10m"))
            values = seen[panel.en, number] = [sample.value for sample in found]
            law = expected[panel.en][number]
            if values and (isinstance(law, Known) or all(_keeps(law, value) for value in values)):
                left.remove(one)
        return not left

    await monitoring.until(
        all_answered,
        lambda: (
            "no answer, or none that keeps its law: "
            + "; ".join(
                f"{board.uid} {panel.en} ({number}) {seen.get((panel.en, number))}, not {expected[panel.en][number]}"
                for board, panel, number in left
            )
        ),
    )
    exchange.note("every panel answers")


async def _the_run_that_is_chosen_is_shown(exchange: Exchange, monitoring: Monitoring) -> None:
    """Of a run's panels the run itself shows something, and one that nobody knows shows nothing."""
    of_run = [query for board in BOARDS for _, query in queries(board) if "$run" in query]
    assert len(of_run) > 5
    silent: list[str] = []

    async def shown() -> bool:
        answers = {query: await monitoring.query(concrete(query, run=exchange.run, **SHORT)) for query in of_run}
        silent[:] = [query for query, found in answers.items() if not found]
        return not silent

    await monitoring.until(shown, lambda: f"nothing of the run: {silent}")
    for query in of_run:
        assert not await monitoring.query(concrete(query, run="nobody", **SHORT)), query


async def _every_annotation_is_a_query(exchange: Exchange, monitoring: Monitoring) -> None:
    """Prometheus takes the query of every mark; whether there is one to show depends on what happened."""
    for query in {concrete(one.expr, run=exchange.run) for board in BOARDS for one in board.annotations}:
        await monitoring.query(query)  # fails where it is refused


def _keeps(law: Law, value: float) -> bool:
    return law.low <= value <= law.high and not (law.whole and value % 1)


def _facts(exchange: Exchange) -> Facts:
    return Facts(exchange.readings, exchange.run, exchange.settings.topics.partitions)


def _panel(en: str) -> Panel:
    return next(panel for board in BOARDS for panel in board.panels() if panel.en == en)


async def _the_panels_tell_what_the_ledger_knows(exchange: Exchange, monitoring: Monitoring) -> None:
    """Compare panels with the readings, which the topics themselves confirm afterwards.

    A busy machine may miss a scrape: a panel is given time to come to its figure, never another figure.
    """
    left = [
        (en, number, known)
        for en, queries in expectations(_facts(exchange)).items()
        for number, known in enumerate(queries)
        if isinstance(known, Known)
    ]
    assert len(left) > 60
    seen: dict[tuple[str, int], list[float]] = {}

    async def all_told() -> bool:
        for one in list(left):
            en, number, known = one
            query = concrete(_panel(en).queries[number].expr, **dict(known.variables))
            values = seen[en, number] = [sample.value * known.scale for sample in await monitoring.query(query)]
            if values and known.low <= sum(values) <= known.high:
                left.remove(one)
        return not left

    await monitoring.until(
        all_told,
        lambda: "\n".join(
            f"{en} ({number}) {seen.get((en, number))}, not {known.low} to {known.high}" for en, number, known in left
        ),
    )
    exchange.note("the panels tell what the ledger knows")
    await _the_budgets_tell_what_the_pause_cost(monitoring, exchange.readings.stage(exchange.run, "status", "routing"))


async def _the_budgets_tell_what_the_pause_cost(monitoring: Monitoring, routing: Histogram) -> None:
    """The pause has spent the hub's own budget many times over, and nothing of the agencies' quarter of an hour."""
    slow = 1 - routing.count_at_most(2_500_000) / routing.count
    assert slow > 0.01
    query, left = _panel("How much budget is left?").queries[0].expr, dict[str, float]()

    async def as_known() -> bool:
        left.update({one.labels["objective"]: one.value for one in await monitoring.query(query)})
        return left == left | {"delivery_latency": 1, "routing": pytest.approx(1 - slow / 0.001, rel=0.1)}

    await monitoring.until(as_known, lambda: f"the budgets came to {left}; {slow:.2%} were routed slowly")
