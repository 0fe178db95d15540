"""Every rule on its real windows: it fires when it should, ends when it should, and is silent when it should be."""

import re
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from docaxis.cli import main
from docaxis.commands.monitor import PAGE_PORT
from monitor.alerting.alerts import ALERTS
from monitor.alerting.rules_file import rule_groups, rules_yaml
from monitor.lag_state import LagState
from monitor.service_objectives import Indicator, Maintenance, ServiceObjectives
from tests.support.promtool import (
    ALERTS_GROUP,
    DELIVERY,
    OBJECTIVES_GROUP,
    ROUTING,
    URGENT,
    Firing,
    Story,
    check,
    check_samples,
    climb,
    lag_state,
    level,
    shown_codes,
)

ROOT = Path(__file__).parents[2]
OBJECTIVES = ServiceObjectives.load()

pytestmark = [
    pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool (of Prometheus) is not on PATH"),
    pytest.mark.timeout(600),
]

HOUR, DAY = 60, 24 * 60


def _burning(factor: float, minutes: int) -> dict[str, str]:
    """Return series in which every budget that counts events burns at one rate."""
    per_minute = 60_000.0
    good = climb((minutes, per_minute))

    def bad(budget: float) -> str:
        return climb((minutes, per_minute * (1 - factor * budget)))

    return {
        f'{DELIVERY}_count{{recipient="H53"}}': good,
        f'{DELIVERY}_bucket{{recipient="H53",le="900.0"}}': bad(0.01),
        f'{URGENT}_count{{priority="1"}}': good,
        f'{URGENT}_bucket{{priority="1",le="300.0"}}': bad(0.01),
        f"{ROUTING}_count": good,
        f'{ROUTING}_bucket{{le="2.5"}}': bad(0.001),
        'docaxis_stream_receipts_total{recipient="H53"}': good,
        "docaxis_stream_receipts_failed_total": climb((minutes, per_minute * factor * 0.001)),
    }


@pytest.mark.parametrize(
    ("factor", "windows"),
    [(20, {"1h", "6h", "1d", "3d"}), (8, {"6h", "1d", "3d"}), (4, {"1d", "3d"}), (2, {"3d"}), (0.9, set())],
)
def test_a_steady_burn_calls_those_whose_rate_it_exceeds(factor: float, windows: set[str], tmp_path: Path) -> None:
    firing = [
        Firing(2 * HOUR, int(window in windows), f'alertname="{objective.alert}",window="{window}"')
        for objective in OBJECTIVES.objective
        if objective.indicator is not Indicator.FRESHNESS
        for window in ("1h", "6h", "1d", "3d")
    ]
    agency = [
        Firing(2 * HOUR, int(w in windows), f'alertname="DocaxisAgencyDeliveryLate",window="{w}"') for w in ("1d", "3d")
    ]
    check(tmp_path, Story(2 * HOUR, _burning(factor, 2 * HOUR), [*firing, *agency]), groups=[OBJECTIVES_GROUP])


def test_an_outage_of_an_hour_calls_at_once_and_each_pair_ends_with_its_short_window(tmp_path: Path) -> None:
    minutes, began = 32 * HOUR, DAY
    good = climb((began, 60), (HOUR, 0), (minutes - began - HOUR, 60))
    series: dict[str, str | None] = {f'{DELIVERY}_bucket{{recipient="H53",le="900.0"}}': good}
    ended = began + HOUR
    moments = {
        began + 5: set[str](),  # 5 minutes of 60 are 8 %: not yet
        began + 30: {"1h", "6h", "3d"},  # of the three days only one and a bit is known: 2 % of it
        ended: {"1h", "6h", "1d", "3d"},
        ended + 15: {"6h", "1d", "3d"},
        ended + 45: {"1d", "3d"},
        ended + 2 * HOUR + 15: {"3d"},
        ended + 6 * HOUR + 30: set[str](),
    }
    firing = [
        Firing(minute, int(window in windows), f'alertname="DocaxisDeliveryLatencyBudgetBurn",window="{window}"')
        for minute, windows in moments.items()
        for window in ("1h", "6h", "1d", "3d")
    ]
    check(tmp_path, Story(minutes, series, firing), interval="5m", groups=[OBJECTIVES_GROUP])


def test_a_hub_that_stands_still_burns_the_budget_before_anything_late_arrives(tmp_path: Path) -> None:
    stalled = climb((HOUR, 60), (2 * HOUR, 0))
    series: dict[str, str | None] = {
        f'{DELIVERY}_count{{recipient="H53"}}': stalled,
        f'{DELIVERY}_bucket{{recipient="H53",le="900.0"}}': stalled,
        'docaxis_stream_ledger_deliveries_waiting{over="900"}': f"{level((HOUR + 15, 0))} {climb((105, 60))}",
    }
    name = 'alertname="DocaxisDeliveryLatencyBudgetBurn",severity="page"'
    check(
        tmp_path,
        Story(3 * HOUR, series, [Firing(HOUR + 14, 0, name), Firing(2 * HOUR, 2, name)]),
        groups=[OBJECTIVES_GROUP],
    )


def test_the_budgets_that_know_nothing_of_what_waits_burn_when_the_hub_goes_on(tmp_path: Path) -> None:
    """And while it stands still others call: its lag, and the budget that counts what waits."""
    minutes, goes_on = 4 * HOUR, 3 * HOUR
    arrived = climb((HOUR, 60), (2 * HOUR, 0), (HOUR, 180))
    in_time = climb((HOUR, 60), (2 * HOUR, 0), (HOUR, 60))
    series: dict[str, str | None] = {
        f'{DELIVERY}_count{{recipient="H53"}}': arrived,
        f'{DELIVERY}_bucket{{recipient="H53",le="900.0"}}': in_time,
        f'{URGENT}_count{{priority="1"}}': arrived,
        f'{URGENT}_bucket{{priority="1",le="300.0"}}': in_time,
        f"{ROUTING}_count": arrived,
        f'{ROUTING}_bucket{{le="2.5"}}': in_time,
        'docaxis_stream_ledger_deliveries_waiting{over="900"}':
            f"{level((HOUR + 15, 0))} {climb((goes_on - HOUR - 15, 60))} {level((HOUR, 0))}",
        **lag_state([(HOUR, LagState.CAUGHT_UP), (2 * HOUR, LagState.STALLED), (HOUR, LagState.CAUGHT_UP)]),
    }  # fmt: skip
    alerts = [f'alertname="Docaxis{one}BudgetBurn",window="1h"' for one in ("UrgentDelivery", "Routing")]
    firing = [Firing(goes_on - 1, 0, one) for one in alerts] + [Firing(goes_on + 10, 1, one) for one in alerts]
    firing += [
        Firing(goes_on - 1, 1, 'alertname="DocaxisDeliveryLatencyBudgetBurn",window="1h"'),
        Firing(goes_on - 1, 1, 'alertname="DocaxisLagStalled"'),
    ]
    check(tmp_path, Story(minutes, series, firing))


def test_an_agency_that_stops_fetching_is_told_of_before_it_fetches_again(tmp_path: Path) -> None:
    """Beside a busy one, and although nothing of what it did fetch was late."""
    minutes, stopped = 30 * HOUR, 10 * HOUR
    late = f"{level((stopped + 15, 0))} {climb((minutes - stopped - 15, 0.5))}"
    series: dict[str, str | None] = {
        f'{DELIVERY}_count{{recipient="H54"}}': climb((stopped, 0.5), (minutes - stopped, 0)),
        f'{DELIVERY}_bucket{{recipient="H54",le="900.0"}}': climb((stopped, 0.5), (minutes - stopped, 0)),
        'docaxis_stream_ledger_deliveries_waiting{over="900"}': late,
        'docaxis_stream_ledger_deliveries_owed_late{recipient="H54"}': late,
        'docaxis_stream_ledger_deliveries_owed_late{recipient="H53"}': level((minutes, 0)),
    }
    name = 'alertname="DocaxisAgencyDeliveryLate",severity="ticket",window="1d"'
    firing = [
        Firing(stopped, 0, 'alertname="DocaxisAgencyDeliveryLate"'),
        Firing(minutes - 1, 1, f'{name},recipient="H54"'),
        Firing(minutes - 1, 0, 'alertname="DocaxisAgencyDeliveryLate",recipient!="H54"'),
    ]
    check(tmp_path, Story(minutes, series, firing), interval="5m", groups=[OBJECTIVES_GROUP])


def test_a_worker_that_dies_in_an_outage_silences_no_budget(tmp_path: Path) -> None:
    gone = {
        f'{DELIVERY}_count{{recipient="H53"}}': f"{climb((2 * HOUR, 60))} stale",
        f'{DELIVERY}_bucket{{recipient="H53",le="900.0"}}': f"{climb((HOUR, 60), (HOUR, 0))} stale",
        'docaxis_stream_ledger_deliveries_waiting{over="900"}': f"{level((2 * HOUR, 100))} stale",
    }
    name = 'alertname="DocaxisDeliveryLatencyBudgetBurn",window="1h"'
    check(tmp_path, Story(2 * HOUR + 10, gone, [Firing(2 * HOUR + 3, 1, name)]), groups=[OBJECTIVES_GROUP])


@pytest.mark.parametrize(("late", "firing"), [(9, 0), (12, 1)])
def test_with_little_traffic_a_few_late_documents_call_nobody(late: int, firing: int, tmp_path: Path) -> None:
    per_minute = late / HOUR  # all of them late: a share of 100 %
    series: dict[str, str | None] = {
        f'{DELIVERY}_count{{recipient="H53"}}': climb((HOUR, 0), (HOUR, per_minute)),
        f'{DELIVERY}_bucket{{recipient="H53",le="900.0"}}': level((2 * HOUR, 0)),
    }
    burn = 'alertname="DocaxisDeliveryLatencyBudgetBurn",window="1h"'
    check(tmp_path, Story(2 * HOUR, series, [Firing(2 * HOUR, firing, burn)]), groups=[OBJECTIVES_GROUP])


@pytest.mark.parametrize(("late", "firing"), [(9, 0), (12, 1)])
def test_a_few_late_documents_of_one_agency_call_nobody_beside_a_busy_one(
    late: int, firing: int, tmp_path: Path
) -> None:
    series: dict[str, str | None] = {
        f'{DELIVERY}_count{{recipient="H54"}}': climb((HOUR, 0), (HOUR, late / HOUR)),
        f'{DELIVERY}_bucket{{recipient="H54",le="900.0"}}': level((2 * HOUR, 0)),
    }
    name = 'alertname="DocaxisAgencyDeliveryLate"'
    fires = [
        Firing(2 * HOUR, firing, f'{name},window="1d",recipient="H54"'),
        Firing(2 * HOUR, 0, f'{name},recipient="H53"'),
        Firing(2 * HOUR, 0, 'alertname="DocaxisDeliveryLatencyBudgetBurn"'),  # 12 of thousands
    ]
    check(tmp_path, Story(2 * HOUR, series, fires), groups=[OBJECTIVES_GROUP])


@pytest.mark.parametrize("code", ["20", "21"])
def test_the_first_refusals_by_a_fault_of_the_axis_burn_the_budget(code: str, tmp_path: Path) -> None:
    """They begin where the worker does: at a series that it shows already, or at none."""
    name = f'docaxis_stream_refusals_total{{code="{code}"}}'
    before = "0" if code in shown_codes() else "_"
    series: dict[str, str | None] = {name: f"{before}x99 500x19"}
    burn = 'alertname="DocaxisDeliveryAvailabilityBudgetBurn",window="1h"'
    check(tmp_path, Story(2 * HOUR, series, [Firing(99, 0, burn), Firing(104, 1, burn)]), groups=[OBJECTIVES_GROUP])


def test_without_any_traffic_no_budget_burns(tmp_path: Path) -> None:
    still = {name: level((2 * HOUR, 5000)) for name in _burning(1, 1)}
    check(tmp_path, Story(2 * HOUR, dict(still), [Firing(2 * HOUR, 0, 'part="objectives"')]), groups=[OBJECTIVES_GROUP])


@pytest.mark.parametrize("lag", [level((HOUR, 1), (2 * HOUR, 900)), None], ids=["behind", "no worker"])
def test_figures_that_are_not_fresh_are_told_by_ticket_only(lag: str | None, tmp_path: Path) -> None:
    name = 'docaxis_monitor_lag_seconds{group="axis-streams",topic="sent"}'
    fresh = 'alertname="DocaxisMonitorFreshnessBudgetBurn"'
    story = Story(
        3 * HOUR,
        {name: lag},
        [Firing(3 * HOUR, 4, f'{fresh},severity="ticket"'), Firing(3 * HOUR, 0, f'{fresh},severity="page"')],
    )
    check(tmp_path, story, groups=[OBJECTIVES_GROUP])


def test_figures_that_are_fresh_again_end_each_pair_with_its_short_window(tmp_path: Path) -> None:
    minutes, fresh_again = 9 * HOUR, 2 * HOUR
    lag = level((HOUR, 1), (HOUR, 900), (minutes - fresh_again, 1))
    moments = {
        fresh_again: {"1h", "6h", "1d", "3d"},
        fresh_again + 15: {"6h", "1d", "3d"},
        fresh_again + 45: {"1d", "3d"},
        fresh_again + 2 * HOUR + 15: {"3d"},
        fresh_again + 6 * HOUR + 30: set[str](),
    }
    firing = [
        Firing(minute, int(window in windows), f'alertname="DocaxisMonitorFreshnessBudgetBurn",window="{window}"')
        for minute, windows in moments.items()
        for window in ("1h", "6h", "1d", "3d")
    ]
    name = 'docaxis_monitor_lag_seconds{group="axis-streams",topic="sent"}'
    check(tmp_path, Story(minutes, {name: lag}, firing), interval="5m", groups=[OBJECTIVES_GROUP])


def test_nothing_fires_on_a_healthy_axis_for_three_days(tmp_path: Path) -> None:
    check(
        tmp_path,
        Story(3 * DAY, {}, [Firing(at, 0, 'alertname!=""') for at in range(HOUR, 3 * DAY + 1, 5 * HOUR)]),
        interval="10m",
    )


#: For each plain alert: how long the history is, what is wrong in it, and how many fire at its end.
_ONE = 2 * HOUR
TROUBLE: dict[str, tuple[int, dict[str, str | None], int]] = {
    "DocaxisDeliveriesLost": (_ONE, {"docaxis_stream_ledger_deliveries_overdue": level((115, 0), (5, 1))}, 1),
    "DocaxisDeliveriesDuplicated": (
        _ONE, {'docaxis_stream_ledger_deliveries{state="duplicated"}': level((110, 3), (10, 4))}, 1),
    "DocaxisDeliveriesMisrouted": (
        _ONE, {'docaxis_stream_ledger_anomalies{kind="misrouted"}': level((112, 0), (8, 1))}, 1),
    "DocaxisLagStalled": (_ONE, dict(lag_state([(115, LagState.CAUGHT_UP), (5, LagState.STALLED)])), 1),
    "DocaxisLagRising": (_ONE, dict(lag_state([(100, LagState.KEEPING_UP), (20, LagState.RISING)])), 1),
    "DocaxisPartitionsUnowned": (_ONE, {"docaxis_hub_partitions": level((115, 4), (5, 2))}, 1),
    "DocaxisRoleDown": (_ONE, {'up{job="docaxis",instance="hub"}': level((115, 1), (5, 0))}, 1),
    "DocaxisNoDocuments": (_ONE, {'docaxis_stream_documents_total{sender="G22"}': climb((60, 20), (60, 0))}, 1),
    "DocaxisAgencySilent": (
        3 * DAY, {'docaxis_stream_documents_total{sender="H54"}': climb((DAY, 1), (2 * DAY, 0))}, 1),
    "DocaxisCanaryOverdue": (_ONE, {"docaxis_canary_overdue": level((115, 0), (5, 2))}, 1),
    "DocaxisCanaryStuck": (_ONE, {"docaxis_canary_outstanding_age_seconds": level((115, 9), (5, 61))}, 1),
    "DocaxisRefusalsMany": (
        _ONE, {'docaxis_stream_refusals_total{code="18"}': climb((90, 0), (30, 9))}, 1),
    "DocaxisRecordsUnreadable": (
        _ONE, {'docaxis_stream_dead_letters_total{topic="sent",code="10"}': level((115, 0), (5, 1))}, 1),
    "DocaxisClocksDisagree": (
        _ONE, {'docaxis_stream_latencies_negative_total{stage="routing"}': climb((90, 0), (30, 1))}, 1),
    "DocaxisSnapshotsStale": (
        _ONE, {'docaxis_stream_snapshot_age_seconds{instance="stream"}': level((100, 2), (20, 90))}, 1),
    "DocaxisSeriesRefused": (_ONE, {'docaxis_monitor_series_refused{instance="stream"}': level((100, 0), (20, 14))}, 1),
    "DocaxisMemoryGrowing": (
        10 * HOUR,
        {'process_resident_memory_bytes{job="docaxis",instance="stream"}': climb((10 * HOUR, 1e6))}, 1),
    "DocaxisLoadNotOffered": (_ONE, {"docaxis_producer_arrivals_dropped_total": level((118, 0), (2, 5))}, 1),
}  # fmt: skip

#: What looks like trouble and is none.
SILENT: dict[str, tuple[int, dict[str, str | None]]] = {
    # For less than two minutes: what was late came after all.
    "DocaxisDeliveriesLost": (_ONE, {"docaxis_stream_ledger_deliveries_overdue": level((114, 0), (2, 5), (4, 0))}),
    # A restart.
    "DocaxisRoleDown": (_ONE, {'up{job="docaxis",instance="hub"}': level((114, 1), (2, 0), (4, 1))}),
    "DocaxisCanaryOverdue": (_ONE, {"docaxis_canary_overdue": level((115, 0), (1, 2), (4, 0))}),
    "DocaxisCanaryStuck": (_ONE, {"docaxis_canary_outstanding_age_seconds": level((_ONE, 59))}),
    # Long ago, and again as a worker that was restarted counts from 0.
    "DocaxisRecordsUnreadable": (
        _ONE, {'docaxis_stream_dead_letters_total{topic="sent",code="10"}': level((110, 7), (10, 0))}),
    "DocaxisLoadNotOffered": (_ONE, {"docaxis_producer_arrivals_dropped_total": level((110, 9), (10, 0))}),
    # Agencies come and go.
    "DocaxisSeriesRefused": (
        _ONE, {'docaxis_monitor_series_refused{instance="stream"}': level((111, 0), (5, 30), (4, 0))}),
    # A sum that dips while a partition moves, and comes back to what it was: no new duplicate.
    "DocaxisDeliveriesDuplicated": (
        _ONE, {'docaxis_stream_ledger_deliveries{state="duplicated"}': level((100, 3), (10, 1), (10, 3))}),
    "DocaxisDeliveriesMisrouted": (
        _ONE, {'docaxis_stream_ledger_anomalies{kind="receipts_repeated"}': climb((_ONE, 500))}),
    "DocaxisLagRising": (_ONE, dict(lag_state([(111, LagState.CAUGHT_UP), (9, LagState.RISING)]))),
    # It is behind; and then it ended in order, and nothing is heard of it.
    "DocaxisLagStalled": (_ONE, dict(lag_state([(114, LagState.KEEPING_UP), (6, LagState.STOPPED)]))),
    # A rolling restart: for a minute nobody owns some partitions.
    "DocaxisPartitionsUnowned": (_ONE, {"docaxis_hub_partitions": level((118, 4), (2, 2))}),
    # Offices are closed: night, weekend, Tết.
    "DocaxisNoDocuments": (
        _ONE,
        {
            'docaxis_stream_documents_total{sender="G22"}': climb((60, 20), (60, 0)),
            "docaxis_monitor_office_open": level((60, 1), (60, 0)),
        },
    ),
    # The first morning after days off: the last day held no office hours.
    "DocaxisAgencySilent": (
        4 * DAY,
        {
            'docaxis_stream_documents_total{sender="H54"}': climb((DAY, 1), (3 * DAY, 0)),
            "docaxis_monitor_office_open": level((DAY, 1), (3 * DAY - HOUR, 0), (HOUR, 1)),
        },
    ),
    "DocaxisRefusalsMany": (_ONE, {'docaxis_stream_refusals_total{code="18"}': climb((90, 0), (30, 2))}),
    "DocaxisClocksDisagree": (
        _ONE, {'docaxis_stream_latencies_negative_total{stage="routing"}': level((110, 0), (10, 5))}),
    # Nothing is read, so there is nothing to store.
    "DocaxisSnapshotsStale": (
        _ONE,
        {
            'docaxis_stream_snapshot_age_seconds{instance="stream"}': climb((_ONE, 60)),
            'docaxis_stream_records_total{instance="stream"}': level((_ONE, 9)),
        },
    ),
    # A start fills caches.
    "DocaxisMemoryGrowing": (
        10 * HOUR,
        {'process_resident_memory_bytes{job="docaxis",instance="stream"}': climb((HOUR, 3e6), (9 * HOUR, 0))}),
}  # fmt: skip


@pytest.mark.parametrize("name", [row.name for row in ALERTS])
def test_every_plain_alert_fires_on_its_trouble_and_not_before(name: str, tmp_path: Path) -> None:
    minutes, series, count = TROUBLE[name]
    interval = "1m" if minutes <= _ONE else "10m"
    before = 40 if minutes == _ONE else 2 * HOUR
    firing = [Firing(before, 0, f'alertname="{name}"'), Firing(minutes, count, f'alertname="{name}"')]
    check(tmp_path, Story(minutes, series, firing), interval=interval, groups=[ALERTS_GROUP])


def test_every_plain_alert_has_a_trouble_and_what_only_looks_like_it() -> None:
    assert SILENT.keys() == TROUBLE.keys() == {row.name for row in ALERTS}


@pytest.mark.parametrize("name", SILENT)
def test_what_only_looks_like_trouble_fires_nothing(name: str, tmp_path: Path) -> None:
    minutes, series = SILENT[name]
    firing = [Firing(minutes - shift, 0, f'alertname="{name}"') for shift in (0, 5, 20)]
    interval = "1m" if minutes <= _ONE else "10m"
    check(tmp_path, Story(minutes, series, firing), interval=interval, groups=[ALERTS_GROUP])


_DUPLICATED = 'docaxis_stream_ledger_deliveries{state="duplicated"}'


def test_new_duplicates_do_not_hide_behind_those_of_a_run_that_was_forgotten(tmp_path: Path) -> None:
    history = level((HOUR, 0), (HOUR, 100), (HOUR, 0), (HOUR, 40))
    name = 'alertname="DocaxisDeliveriesDuplicated"'
    firing = [Firing(HOUR + 5, 1, name), Firing(3 * HOUR - 1, 0, name), Firing(3 * HOUR + 5, 1, name)]
    check(tmp_path, Story(4 * HOUR, {_DUPLICATED: history}, firing), groups=[ALERTS_GROUP])


def test_old_duplicates_are_no_news_when_the_workers_come_back(tmp_path: Path) -> None:
    """All of them were away for two hours, and then restored what they knew."""
    history = f"{level((HOUR, 3))} stale _x{2 * HOUR - 1} {level((HOUR, 3))}"
    name = 'alertname="DocaxisDeliveriesDuplicated"'
    firing = [Firing(3 * HOUR + minute, 0, name) for minute in (1, 5, 16, 50)]
    check(tmp_path, Story(4 * HOUR, {_DUPLICATED: history}, firing), groups=[ALERTS_GROUP])


def _gone(minutes: int = _ONE, value: float = 4) -> str:
    """Return a series that ends ten minutes before the end, as those of a process that nothing scrapes any more."""
    return f"{level((minutes - 10, value))} stale"


#: What ends with the last process of a kind, and what those left tell.
_NO_HUB = {name: _gone() for name in ("docaxis_hub_partitions", 'docaxis_monitor_topic_partitions{group="axis-hub"}')}
_NO_WORKER = {
    name: _gone() for name in ("docaxis_stream_partitions", 'docaxis_monitor_topic_partitions{group="axis-streams"}')
}


@pytest.mark.parametrize(
    ("gone", "components"),
    [(_NO_HUB, ["hub"]), (_NO_WORKER, ["stream"]), (_NO_HUB | _NO_WORKER, ["hub", "stream"])],
    ids=["no hub", "no worker", "neither"],
)
def test_when_all_processes_of_a_kind_are_gone_somebody_is_called(
    gone: dict[str, str], components: list[str], tmp_path: Path
) -> None:
    """Their series end with them, `up` too where pods vanish: what is missed must be known from elsewhere."""
    name = 'alertname="DocaxisPartitionsUnowned",severity="page"'
    firing = [Firing(_ONE - 10, 0, name), Firing(_ONE, len(components), name)]
    firing += [Firing(_ONE, 1, f'{name},component="{one}"') for one in components]
    up: dict[str, str | None] = {'up{job="docaxis",instance="hub"}': _gone(value=1)}
    check(tmp_path, Story(_ONE, up | gone, firing), groups=[ALERTS_GROUP])


def test_a_hub_that_is_not_ours_is_not_missed(tmp_path: Path) -> None:
    theirs: dict[str, str | None] = dict.fromkeys(_NO_HUB)
    check(tmp_path, Story(_ONE, theirs, [Firing(_ONE, 0, 'alertname=~".+"')]), groups=[ALERTS_GROUP])


def test_what_is_left_of_each_budget_after_a_month(tmp_path: Path) -> None:
    """Half of it; overspent twice; untouched; and nothing is told of what had no event at all."""
    hours = 32 * 24
    hourly = {
        f'{DELIVERY}_count{{recipient="H53"}}': 1000.0,
        f'{DELIVERY}_bucket{{recipient="H53",le="900.0"}}': 995.0,  # 0.5 % of 1 %
        "docaxis_stream_receipts_total": 1000.0,
        "docaxis_stream_receipts_failed_total": 3.0,  # 0.3 % of 0.1 %
        f"{ROUTING}_count": 1000.0,
        f'{ROUTING}_bucket{{le="2.5"}}': 1000.0,
        'docaxis_stream_refusals_total{code="18"}': 50.0,  # one agency's fault, nobody's outage
    }
    series = {name: f"0+{step:g}x{hours}" for name, step in hourly.items()}
    series['docaxis_monitor_lag_seconds{group="axis-streams",topic="sent"}'] = f"1x{hours}"
    left = {"delivery_latency": 0.5, "delivery_availability": -2.0, "routing": 1.0, "monitor_freshness": 1.0}
    samples = [("round(sum(docaxis:objective_budget_left:ratio), 0.01)", sum(left.values()))]
    samples += [
        (f'round(sum(docaxis:objective_budget_left:ratio{{objective="{name}"}}), 0.01)', value)
        for name, value in left.items()
    ]
    check_samples(tmp_path, series, f"{hours - 1}h", samples)


@pytest.mark.parametrize(("shift_h", "firing"), [(0, 0), (50, 1)], ids=["in it", "another time"])
def test_announced_maintenance_silences_what_is_about_traffic(shift_h: int, firing: int, tmp_path: Path) -> None:
    begins = datetime.fromtimestamp(0, UTC) + timedelta(hours=shift_h)  # promtool's clock begins at the epoch
    window = Maintenance(begins=begins, ends=begins + timedelta(hours=3), what="new brokers")
    objectives = OBJECTIVES.model_copy(update={"maintenance": (window,)})
    minutes, series, _ = TROUBLE["DocaxisNoDocuments"]
    down = {'up{job="docaxis",instance="hub"}': level((minutes, 0))}
    fires = [
        Firing(minutes, firing, 'alertname="DocaxisNoDocuments"'),
        Firing(minutes, 1, 'alertname="DocaxisRoleDown"'),
    ]
    check(tmp_path, Story(minutes, series | down, fires), objectives, groups=[ALERTS_GROUP])


@pytest.mark.parametrize(("begins_h", "firing"), [(71, 0), (20, 1)], ids=["in it", "another time"])
def test_announced_maintenance_silences_a_silent_agency_too(begins_h: int, firing: int, tmp_path: Path) -> None:
    begins = datetime.fromtimestamp(0, UTC) + timedelta(hours=begins_h)
    window = Maintenance(begins=begins, ends=begins + timedelta(hours=3), what="new brokers")
    objectives = OBJECTIVES.model_copy(update={"maintenance": (window,)})
    minutes, series, _ = TROUBLE["DocaxisAgencySilent"]
    fires = [Firing(minutes, firing, 'alertname="DocaxisAgencySilent"')]
    check(tmp_path, Story(minutes, series, fires), objectives, interval="10m", groups=[ALERTS_GROUP])


def test_the_checked_in_rules_are_the_generated_ones_and_promtool_takes_them() -> None:
    file = ROOT / "deploy" / "prometheus" / "docaxis.rules.yml"
    assert file.read_text(encoding="utf-8") == rules_yaml(OBJECTIVES)
    done = subprocess.run(["promtool", "check", "rules", str(file)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "lint error" not in done.stdout + done.stderr


def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    alerts = [rule for group in rule_groups(OBJECTIVES) for rule in group["rules"] if "alert" in rule]
    pages = {path.stem: path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "runbooks").glob("Docaxis*.md")}
    assert {rule["alert"] for rule in alerts} == set(pages)
    for name, page in pages.items():
        assert page.startswith(f"# {name}\n"), name
        assert re.findall(r"^## (.+)$", page, re.MULTILINE) == ["Meaning", "First look", "Action"], name
    for rule in alerts:
        assert rule["annotations"]["runbook_url"] == f"http://localhost:{PAGE_PORT}/runbooks/{rule['alert']}.md"
        assert {"summary", "summary_vi", "description", "runbook_url"} <= set(rule["annotations"])
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert rule["labels"]["part"]


@pytest.mark.parametrize(("command", "file"), [("rules", "rules.yml"), ("kubernetes", "rules.yaml")])
def test_the_links_of_alerts_lead_where_the_operator_says(command: str, file: str, tmp_path: Path) -> None:
    output = tmp_path / file if command == "rules" else tmp_path
    arguments = ["generate", command, "--output", str(output), "--runbook-base"]
    assert main([*arguments, "https://wiki.example/docaxis/"]) == 0
    links = re.findall(r"runbook_url: (\S+)", (tmp_path / file).read_text(encoding="utf-8"))
    assert len(links) > len(ALERTS)
    assert "https://wiki.example/docaxis/DocaxisRoleDown.md" in links
    assert all(re.fullmatch(r"https://wiki\.example/docaxis/Docaxis\w+\.md", link) for link in links)
    for path in ("docs/runbooks", "wiki.example", "https://wiki example", "https://{{ $labels.instance }}/"):
        assert main([*arguments, path]) == 2  # nobody could follow it


def test_faults_of_an_objectives_file_are_told_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "objectives.toml"
    file.write_text(
        'period_days = 30\nrunbooks = "x"\n'
        '[[objective]]\nname = "a"\ntitle_en = "A"\ntitle_vi = "A"\ndescription = "d"\nindicator = "delivery"\n'
        "threshold_s = 7\ntarget = 0.99\n"
        '[[objective]]\nname = "b"\ntitle_en = "B"\ntitle_vi = "B"\ndescription = "d"\nindicator = "availability"\n'
        "target = 1.5\ncolour = 3\n"
        '[[objective]]\nname = "c"\ntitle_en = "C"\ntitle_vi = "C"\ndescription = "d"\nindicator = "loss"\n'
        "threshold_s = 600\ntarget = 0.999\n"
        '[[objective]]\nname = "d"\ntitle_en = "D"\ntitle_vi = "D"\ndescription = "d"\nindicator = "routing"\n'
        "threshold_s = 2.5\ntarget = 7\n",
        encoding="utf-8",
    )
    output = tmp_path / "rules.yml"
    assert main(["generate", "rules", "--objectives", str(file), "--output", str(output)]) == 2
    said = capsys.readouterr().err
    places = [f"objective.{place}: " for place in ("1.target", "1.colour", "2.target", "3.target")]
    for word in ("runbooks: ", "threshold_s 7.0 is no bucket", *places):
        assert word in said, said
    assert not output.exists()
