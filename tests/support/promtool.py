"""Rules under promtool: series as they would be scraped in, which alerts fire when out.

The history is written as `Series` changes of one healthy axis, so that a test names only what is wrong.
"""

import subprocess
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

import yaml

from docaxis.domain.clock import ManualClock
from monitor.alerting.rules_file import rule_groups, to_yaml
from monitor.catalogue import STREAM_REFUSALS
from monitor.lag_state import LagState
from monitor.service_objectives import ServiceObjectives
from streams.stream_metrics import StreamMetrics
from streams.worker import WorkerStats

DELIVERY, URGENT, ROUTING = (
    "docaxis_stream_delivery_latency_seconds",
    "docaxis_stream_priority_delivery_latency_seconds",
    "docaxis_stream_routing_seconds",
)

OBJECTIVES_GROUP, ALERTS_GROUP = "docaxis-objectives", "docaxis-alerts"
GROUPS = (OBJECTIVES_GROUP, ALERTS_GROUP)


def climb(*legs: tuple[int, float]) -> str:
    """Return a counter in promtool's notation: (minutes, increase a minute) after each other, from 0."""
    parts, at = [], 0.0
    for minutes, step in legs:
        parts.append(f"{at:g}+{step:g}x{minutes - 1}")
        at += step * minutes
    return " ".join(parts)


def level(*legs: tuple[int, float]) -> str:
    """Return a gauge in promtool's notation: (minutes, value) after each other."""
    return " ".join(f"{value:g}x{minutes - 1}" for minutes, value in legs)


def lag_state(now: Sequence[tuple[int, LagState]]) -> dict[str, str]:
    """Return the state series of one group and topic."""
    return {
        f'docaxis_monitor_lag_state{{group="axis-hub",topic="sent",state="{state}"}}': level(
            *((minutes, float(one is state)) for minutes, one in now)
        )
        for state in LagState
    }


@cache
def shown_codes() -> tuple[str, ...]:
    """Return the codes of refusals that a worker shows before any was read: no story may begin with another one."""
    families = StreamMetrics(dict, WorkerStats(), ManualClock()).families()
    (refusals,) = (family for family in families if family.spec is STREAM_REFUSALS)
    return tuple(labels[0] for labels, _ in refusals.points)


def healthy(minutes: int) -> dict[str, str]:
    """Return the series of an axis on which all is well, by day and with traffic."""
    good, flat = climb((minutes, 60)), level((minutes, 0))
    return {
        f'{DELIVERY}_count{{recipient="H53"}}': good,
        f'{DELIVERY}_bucket{{recipient="H53",le="900.0"}}': good,
        f'{URGENT}_count{{priority="1"}}': good,
        f'{URGENT}_bucket{{priority="1",le="300.0"}}': good,
        f'{URGENT}_count{{priority="0"}}': good,
        f'{URGENT}_bucket{{priority="0",le="300.0"}}': flat,  # not urgent: slow is fine
        f"{ROUTING}_count": good,
        f'{ROUTING}_bucket{{le="2.5"}}': good,
        'docaxis_stream_receipts_total{recipient="H53"}': good,
        "docaxis_stream_receipts_failed_total": flat,
        **{f'docaxis_stream_refusals_total{{code="{code}"}}': flat for code in shown_codes()},
        'docaxis_stream_refusals_total{code="18"}': climb((minutes, 0.2)),
        "docaxis_stream_deliveries_addressed_total": good,
        'docaxis_stream_documents_total{sender="G22"}': climb((minutes, 20)),
        'docaxis_stream_ledger_deliveries_waiting{over="900"}': flat,
        "docaxis_stream_ledger_deliveries_overdue": flat,
        'docaxis_stream_ledger_deliveries{state="duplicated"}': flat,
        'docaxis_stream_ledger_anomalies{kind="misrouted"}': flat,
        'docaxis_stream_ledger_anomalies{kind="receipts_repeated"}': climb((minutes, 1)),
        'docaxis_monitor_lag_seconds{group="axis-streams",topic="sent"}': level((minutes, 1)),
        **lag_state([(minutes, LagState.CAUGHT_UP)]),
        "docaxis_hub_partitions": level((minutes, 4)),
        "docaxis_stream_partitions": level((minutes, 4)),
        'docaxis_monitor_topic_partitions{group="axis-hub"}': level((minutes, 4)),
        'docaxis_monitor_topic_partitions{group="axis-streams"}': level((minutes, 4)),
        "docaxis_monitor_office_open": level((minutes, 1)),
        'up{job="docaxis",instance="hub"}': level((minutes, 1)),
        "docaxis_canary_overdue": flat,
        "docaxis_canary_outstanding_age_seconds": flat,
        'docaxis_stream_dead_letters_total{topic="sent",code="10"}': flat,
        'docaxis_stream_latencies_negative_total{stage="routing"}': flat,
        'docaxis_stream_snapshot_age_seconds{instance="stream"}': level((minutes, 2)),
        'docaxis_stream_records_total{instance="stream"}': climb((minutes, 200)),
        'docaxis_monitor_series_refused{instance="stream"}': flat,
        'process_resident_memory_bytes{job="docaxis",instance="stream"}': level((minutes, 2e8)),
        "docaxis_producer_arrivals_dropped_total": flat,
    }


class Firing(NamedTuple):
    """How many alerts of these labels fire at a minute."""

    minute: int
    alerts: int
    matchers: str  # as in PromQL: alertname="...",window="1h"


@dataclass(frozen=True)
class Story:
    """A history of minutes, and what must fire in it."""

    minutes: int
    series: Mapping[str, str | None]  # changes of the healthy axis; None: the series is not there
    firing: Sequence[Firing]


#: promtool needs seconds of CPU for the longest story; a busy machine may take its time.
WITHIN_S = 500


def check(
    folder: Path,
    story: Story,
    objectives: ServiceObjectives | None = None,
    interval: str = "1m",
    groups: Collection[str] = GROUPS,
) -> None:
    """Run a story through `promtool test rules`; the message of a failure names query, minute and values.

    Only the `groups` of rules named are evaluated: a story about plain alerts need not wait for budgets.
    """
    rules = folder / "rules.yml"
    kept = [
        one for one in rule_groups(objectives or ServiceObjectives.load(), interval=interval) if one["name"] in groups
    ]
    rules.write_text(to_yaml({"groups": kept}), encoding="utf-8")
    tests = [
        {
            "interval": "1m",
            "input_series": [
                {"series": name, "values": values}
                for name, values in (healthy(story.minutes) | dict(story.series)).items()
                if values is not None
            ],
            "promql_expr_test": [
                {
                    "expr": f'count(ALERTS{{alertstate="firing",{firing.matchers}}}) or vector(0)',
                    "eval_time": f"{firing.minute}m",
                    "exp_samples": [{"labels": "{}", "value": firing.alerts}],
                }
                for firing in story.firing
            ],
        }
    ]
    file = folder / "tests.yml"
    content = {"rule_files": [str(rules)], "evaluation_interval": interval, "tests": tests}
    file.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    done = subprocess.run(["promtool", "test", "rules", str(file)], capture_output=True, text=True, timeout=WITHIN_S)
    assert done.returncode == 0, done.stdout + done.stderr


def check_samples(
    folder: Path, series: Mapping[str, str], at: str, samples: Sequence[tuple[str, float]], interval: str = "1h"
) -> None:
    """Run all rules over series of one value each `interval`; each query must come to its value at a moment."""
    rules, file = folder / "rules.yml", folder / "tests.yml"
    rules.write_text(to_yaml({"groups": rule_groups(ServiceObjectives.load(), interval="1h")}), encoding="utf-8")
    expected = [
        {"expr": query, "eval_time": at, "exp_samples": [{"labels": "{}", "value": value}]} for query, value in samples
    ]
    told = [{"series": name, "values": values} for name, values in series.items()]
    test = {"interval": interval, "input_series": told, "promql_expr_test": expected}
    content = {"rule_files": [str(rules)], "evaluation_interval": "1h", "tests": [test]}
    file.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    done = subprocess.run(["promtool", "test", "rules", str(file)], capture_output=True, text=True, timeout=WITHIN_S)
    assert done.returncode == 0, done.stdout + done.stderr
