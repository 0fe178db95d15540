"""The operator's whole view of a small real run: dashboards that tell the ledger's figures, and one fault that calls.

Real broker, roles, Prometheus and Alertmanager. In the middle the hub is stopped (SIGSTOP) until somebody is called:
the latency alert fires while nothing arrives, is handed on, and resolves when the hub goes on; the loss alert stays
silent. The alert's windows are scaled from hours to seconds (the real ones are promtool's, in the unit tests);
dashboards and all other rules are those that are shipped.
"""

import asyncio
from bisect import bisect_left
from pathlib import Path
from typing import Any

import pytest
import yaml

from docaxis.settings import KafkaSettings, TopicSettings
from monitor.alerting.burn_rate import PAGE, BurnWindow
from monitor.alerting.rules_file import rule_groups
from monitor.catalogue import DELIVERY_BOUNDS
from monitor.dashboards import BOARDS
from monitor.dashboards.board import Panel
from monitor.histogram import Histogram
from monitor.service_objectives import Objective, ServiceObjectives
from tests.conftest import settings_at
from tests.support.exchange import Exchange
from tests.support.monitoring import ALERTMANAGER, PROMETHEUS, Monitoring
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

#: Documents a second.
RATE = 20.0

#: One promise, with windows of seconds instead of hours.
SCALED = Objective(
    name="scaled", title_en="Scaled", title_vi="Thu nhỏ", description="Received within 10 s", indicator="delivery",
    threshold_s=10, target=0.9, bad_min=10,
)  # fmt: skip
SCALED_WINDOWS = (BurnWindow("60s", "15s", 3, PAGE, "0s"),)
ALERT = "DocaxisScaledBudgetBurn"


def _rules() -> list[dict[str, Any]]:
    """Return the shipped rules, judged each two seconds, and the scaled ones."""
    shipped = ServiceObjectives.load()
    scaled = shipped.model_copy(update={"objective": (SCALED,)})
    groups = [group | {"interval": "2s"} for group in rule_groups(shipped)]
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
            await _pause_the_hub_until_somebody_is_called(exchange, monitoring)
            await _every_panel_answers(exchange, monitoring)
            await exchange.leave("canary")
            await exchange.end_sending()
            await exchange.settle()
            check_exactly_once(await exchange.exchanged())
            await _the_panels_tell_what_the_ledger_knows(exchange, monitoring)
            lost = {"DocaxisDeliveriesLost", "DocaxisDeliveriesDuplicated", "DocaxisDeliveriesMisrouted"}
            assert not lost & {name for _, name in monitoring.notified}
            fired = f'ALERTS{{alertname=~"{"|".join(sorted(lost))}",alertstate="firing"}}'
            assert await monitoring.query(f"max_over_time({fired}[1h])") == []

    asyncio.run(run())


async def _start(exchange: Exchange, monitoring: Monitoring) -> None:
    """Start everybody; Prometheus sees the counters at zero before the first document is sent."""
    await asyncio.gather(
        exchange.start("hub", "hub"),
        exchange.start("stream", "stream", "--snapshot-interval", "0.5"),
        exchange.start("receivers", "fleet", "--run", exchange.run),
        exchange.start("canary", "canary", "--interval", "0.5"),
    )
    for name in ("hub", "stream", "receivers"):
        await exchange.joined(name)
    _scrape_all(exchange, monitoring)

    async def seen() -> bool:
        return await monitoring.value("count(docaxis_stream_documents_total == 0)") > 90

    await monitoring.until(seen, lambda: "Prometheus did not scrape the stream worker")
    await exchange.start("sender", "fleet", "--run", exchange.run, "--rate", str(RATE), "--no-receive")
    exchange.expect_fleets(2)
    _scrape_all(exchange, monitoring)
    await exchange.goes_on(200)


def _scrape_all(exchange: Exchange, monitoring: Monitoring) -> None:
    monitoring.scrape({name: child.url for name, child in exchange.children.items()})


async def _pause_the_hub_until_somebody_is_called(exchange: Exchange, monitoring: Monitoring) -> None:
    """Fire and resolve."""

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
    await monitoring.until(is_called, lambda: f"{ALERT} did not fire; notified: {monitoring.notified}")
    exchange.note("somebody is called")
    exchange.resume("hub")
    exchange.note("hub goes on")
    await monitoring.until(is_resolved, lambda: f"{ALERT} was not resolved; notified: {monitoring.notified}")
    exchange.note("resolved")


async def _every_panel_answers(exchange: Exchange, monitoring: Monitoring) -> None:
    """Every query of every panel has a figure while traffic flows, within a bound."""
    left = [(board, panel, query) for board in BOARDS for panel, query in queries(board)]
    assert len(left) > 80
    sent, received = (
        exchange.readings.agencies(exchange.run, *what) for what in (("sent", "documents"), ("status", "receipts"))
    )
    agency = max(sent, key=lambda code: min(sent[code], received.get(code, 0)))  # one that does both

    async def all_answered() -> bool:
        for one in list(left):
            if await monitoring.query(concrete(one[2], before="20s", agency=agency)):
                left.remove(one)
        return not left

    await monitoring.until(
        all_answered,
        lambda: "without an answer: " + "; ".join(f"{board.uid} {panel.en} {query}" for board, panel, query in left),
    )
    exchange.note("every panel answers")


def _panel(en: str) -> Panel:
    return next(panel for board in BOARDS for panel in board.panels() if panel.en == en)


async def _the_panels_tell_what_the_ledger_knows(exchange: Exchange, monitoring: Monitoring) -> None:
    """Compare the main panels with the readings, which the topics themselves have confirmed.

    A busy machine may miss a scrape: a panel is given time to come to its figure, never another figure.
    """
    readings, run = exchange.readings, exchange.run
    documents = readings.counts(run, "sent")["documents"]
    deliveries = readings.counts(run, "status")["receipts"]

    async def tells(en: str, low: float, high: float, number: int = 0, scale: float = 1, **variables: str) -> None:
        query, seen = concrete(_panel(en).queries[number].expr, **variables), [float("nan")]

        async def in_range() -> bool:
            seen[:] = [sample.value * scale for sample in await monitoring.query(query)] or seen
            return low <= sum(seen) <= high

        await monitoring.until(in_range, lambda: f"{en} came to {seen}, not to {low} to {high}")

    async def counts(en: str, total: int, number: int = 0, tolerance: float = 0.05, **variables: str) -> None:
        """A rate over an hour in which everything happened is the hour's total."""
        around = max(2.0, tolerance * total)
        variables["__rate_interval"] = "1h"
        await tells(en, total - around, total + around, number, 3600, **variables)

    await tells("How many deliveries came exactly once?", deliveries, deliveries)
    await tells("How many documents are in the ledger?", documents, documents)
    for en in ("How many are on their way?", "Is anything lost?", "Is anything doubled?", "How old is the oldest?"):
        await tells(en, 0, 0)
    for number, total in enumerate((documents, deliveries, deliveries, deliveries)):
        await counts("At what rate are documents sent, delivered, received?", total, number)
    sent = readings.agencies(run, "sent", "documents")
    busiest = max(sent, key=sent.__getitem__)
    await counts("What does it send?", sent[busiest], tolerance=0.1, agency=busiest)
    latency = readings.stage(run, "status", "delivery")
    for number, share in enumerate((0.5, 0.99)):
        low, high = _bucket(latency, share - 0.02)[0], _bucket(latency, share + 0.009)[1]
        await tells("How long do deliveries take?", low, high, number, __rate_interval="1h")
    await _the_budgets_tell_what_the_pause_cost(monitoring, readings.stage(run, "status", "routing"))


async def _the_budgets_tell_what_the_pause_cost(monitoring: Monitoring, routing: Histogram) -> None:
    """The pause has spent the hub's own budget many times over, and nothing of the agencies' quarter of an hour."""
    slow = 1 - routing.count_at_most(2_500_000) / routing.count
    assert slow > 0.01
    query, left = _panel("How much budget is left?").queries[0].expr, dict[str, float]()

    async def as_known() -> bool:
        left.update({one.labels["objective"]: one.value for one in await monitoring.query(query)})
        return left == left | {"delivery_latency": 1, "routing": pytest.approx(1 - slow / 0.001, rel=0.1)}

    await monitoring.until(as_known, lambda: f"the budgets came to {left}; {slow:.2%} were routed slowly")


def _bucket(latency: Histogram, share: float) -> tuple[float, float]:
    """Return the bounds of the exported bucket that a quantile lies in, in seconds."""
    bounds = (0, *DELIVERY_BOUNDS)
    number = min(bisect_left(DELIVERY_BOUNDS, latency.quantile_us(share)), len(DELIVERY_BOUNDS) - 1)
    return bounds[number] / 1e6, bounds[number + 1] / 1e6
