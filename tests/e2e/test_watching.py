"""The operator's whole view of a small real run: dashboards that tell the ledger's figures, and one fault that calls.

Real broker, roles, Prometheus and Alertmanager. In the middle the hub is stopped (SIGSTOP) until somebody is called:
the latency alert fires while nothing arrives, is handed on, and resolves when the hub goes on; the loss alert stays
silent. The alert's windows are scaled from hours to seconds (the real ones are promtool's, in the unit tests);
dashboards and all other rules are those that are shipped.
"""

import asyncio
from bisect import bisect_left
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from docaxis.settings import KafkaSettings, TopicSettings
from monitor.alerting.burn_rate import PAGE, BurnWindow
from monitor.alerting.rules_file import rule_groups
from monitor.catalogue import DELIVERY_BOUNDS, STAGE_BOUNDS
from monitor.dashboards import BOARDS
from monitor.dashboards.board import Panel
from monitor.histogram import Histogram
from monitor.reading import ARRIVALS
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

#: Documents a second, and how many: long enough for the fault, and ended by itself while everybody is still there.
RATE, DOCUMENTS = 20.0, 1500

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
            await exchange.settle()
            await _the_panels_tell_what_the_ledger_knows(exchange, monitoring)
            check_exactly_once(await exchange.exchanged())
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
    await exchange.start(
        "sender", "fleet", "--run", exchange.run, "--rate", str(RATE), "--documents", str(DOCUMENTS), "--no-receive"
    )
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
            if await monitoring.query(concrete(one[2], before="20s", agency=agency, __rate_interval="10m")):
                left.remove(one)
        return not left

    await monitoring.until(
        all_answered,
        lambda: "without an answer: " + "; ".join(f"{board.uid} {panel.en} {query}" for board, panel, query in left),
    )
    exchange.note("every panel answers")


def _panel(en: str) -> Panel:
    return next(panel for board in BOARDS for panel in board.panels() if panel.en == en)


class Known(NamedTuple):
    """What a panel's query has to come to."""

    en: str
    number: int  # of the query
    low: float
    high: float
    scale: float = 1
    variables: tuple[tuple[str, str], ...] = ()


def _exactly(en: str, *values: float, agency: str = ".*") -> list[Known]:
    """Return what each query of a panel comes to."""
    return [Known(en, number, one, one, 1, (("agency", agency),)) for number, one in enumerate(values)]


def _about(en: str, *totals: float, scale: float = 3600, agency: str = ".*") -> list[Known]:
    """Return totals that a rate over an hour, in which everything happened, has to come to when `scale` is an hour.

    Prometheus extrapolates to the edges of what it saw, and a busy machine misses scrapes.
    """
    variables = (("agency", agency), ("__rate_interval", "1h"))
    return [
        Known(en, number, one - max(3, 0.07 * one), one + max(3, 0.07 * one), scale, variables)
        for number, one in enumerate(totals)
    ]


def _quantiles(en: str, histogram: Histogram, bounds_us: Sequence[int], *shares: float) -> list[Known]:
    """Return the bucket that each quantile lies in."""
    return [
        Known(
            en,
            number,
            _bucket(histogram, bounds_us, share - 0.02)[0],
            _bucket(histogram, bounds_us, min(1.0, share + 0.009))[1],
            variables=(("__rate_interval", "1h"),),
        )
        for number, share in enumerate(shares)
    ]


def _known(exchange: Exchange) -> list[Known]:
    """Return what the readings say that panels of every dashboard must tell."""
    readings, run, partitions = exchange.readings, exchange.run, exchange.settings.topics.partitions
    documents = readings.counts(run, "sent")["documents"]
    deliveries = readings.counts(run, "status")["receipts"]
    canaries = readings.counts("canary-main", "sent")["documents"]
    arrivals = readings.counts(run, ARRIVALS)
    sent, received = readings.agencies(run, "sent", "documents"), readings.agencies(run, "status", "receipts")
    busiest = max(sent, key=lambda code: min(sent[code], received.get(code, 0)))
    latency, routing = (readings.stage(run, "status", stage) for stage in ("delivery", "routing"))
    return [
        # Axis
        *_exactly("How many documents are in the ledger?", documents),
        *_exactly("How many deliveries came exactly once?", deliveries),
        *(zero for en in ("How many are on their way?", "Is anything lost?", "Is anything doubled?",
                          "How old is the oldest?", "How many wait, and for how long?", "Who is affected?",
                          "What is refused, and why?", "Does anybody stand still?") for zero in _exactly(en, 0)),
        *_about("At what rate are documents sent, delivered, received?", documents, *[deliveries] * 3),
        *_quantiles("How long do deliveries take?", latency, DELIVERY_BOUNDS, 0.5, 0.99),
        # Agency
        *_about("What does it send?", sent[busiest], agency=busiest),
        *_about("What does it receive?", *[received[busiest]] * 2, agency=busiest),
        *_exactly("What is it owed?", 0, agency=busiest),
        # Hub: it routes canaries as everything else
        *_about("How fast does it route?", documents + canaries, deliveries + canaries),
        *_quantiles("How long does routing take?", routing, STAGE_BOUNDS, 0.5, 0.99),
        *_exactly("How far behind is it?", 0),
        *_exactly("Is every partition owned?", partitions, partitions),
        # Load test
        *_about("Is the load offered achieved?", arrivals["scheduled"], arrivals["acked"]),
        *_exactly("Did any arrival not go out?", 0, 0, 0),
        *_exactly("How much is in flight?", 0),
        *_quantiles("What is the honest latency?", latency, DELIVERY_BOUNDS, 0.99),
        *_exactly("What became of every delivery?", deliveries),
        # Onboarding
        *_exactly("How many agencies send?", len(sent)),
        *_about("Does it send and receive?", sent[busiest], received[busiest], scale=1, agency=busiest),
        # Pipeline
        *_exactly("Is every partition counted?", partitions, partitions),
        *_about("How fast do they count?", documents + 2 * deliveries + 3 * canaries),
        *_exactly("Are there bad records?", 0),
    ]  # fmt: skip


async def _the_panels_tell_what_the_ledger_knows(exchange: Exchange, monitoring: Monitoring) -> None:
    """Compare panels with the readings, which the topics themselves confirm afterwards.

    A busy machine may miss a scrape: a panel is given time to come to its figure, never another figure.
    """
    left = _known(exchange)
    seen: dict[Known, list[float]] = {}

    async def all_told() -> bool:
        for one in list(left):
            query = concrete(_panel(one.en).queries[one.number].expr, **dict(one.variables))
            seen[one] = [sample.value * one.scale for sample in await monitoring.query(query)]
            if seen[one] and one.low <= sum(seen[one]) <= one.high:
                left.remove(one)
        return not left

    await monitoring.until(
        all_told,
        lambda: "\n".join(f"{one.en} ({one.number}) {seen[one]}, not {one.low} to {one.high}" for one in left),
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


def _bucket(latency: Histogram, bounds_us: Sequence[int], share: float) -> tuple[float, float]:
    """Return the bounds of the exported bucket that a quantile lies in, in seconds."""
    bounds = (0, *bounds_us)
    number = min(bisect_left(bounds_us, latency.quantile_us(share)), len(bounds_us) - 1)
    return bounds[number] / 1e6, bounds[number + 1] / 1e6
