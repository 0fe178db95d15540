"""Alerts that have no budget: what must never be, what stands still, what is about to fail.

Each is one row: a name, a query, how long it must hold, whom it calls, which part it is about, and what it says in
English and Vietnamese. Its runbook is docs/runbooks/<name>.md, which the live page serves.

Rules about the *amount* of traffic hold only while traffic is expected: public offices open (the workers export that:
nights, weekends, Tết and other days off are in their calendar) and no maintenance announced.
"""

from collections.abc import Iterator
from typing import NamedTuple

from monitor import catalogue as c
from monitor.alerting.burn_rate import PAGE, TICKET
from monitor.alerting.rule import Rule, alert, record
from monitor.service_objectives import ServiceObjectives

#: Recorded series.
EXPECTED, STATES, ANOMALIES = "docaxis:traffic_expected:bool", "docaxis:ledger_deliveries:sum", "docaxis:anomalies:sum"
NEEDED = "docaxis:partitions_needed:max"

#: The Prometheus job that all roles are scraped under.
JOB = "docaxis"

#: Office hours that must lie in the last day before a silent agency is news; an office day has seven and a half.
_OFFICE_HOURS_MIN = 6

#: How long processes that are all gone are missed; those taken away for good must be silenced for so long.
_MISSED_FOR = "7d"


class PlainAlert(NamedTuple):
    """One row."""

    name: str
    expr: str
    wait: str
    severity: str
    part: str
    summary: str
    summary_vi: str
    description: str


def context_recordings(objectives: ServiceObjectives) -> Iterator[Rule]:
    """Yield what the alerts refer to: whether traffic is expected, and the ledger summed over all workers."""
    maintenance = [one.seconds() for one in objectives.maintenance]
    quiet = [f"((time() >= bool {begins}) * (time() < bool {ends}))" for begins, ends in maintenance]
    no_maintenance = f" * ((vector(0) + {' + '.join(quiet)}) == bool 0)" if quiet else ""
    yield record(EXPECTED, f"(max({c.OFFICE_OPEN.name}) or vector(0)){no_maintenance}", {})
    # Hubs and stream workers say the same of it; where neither is left, what they said last.
    partitions = f'{c.TOPIC_PARTITIONS.name}{{group=~".+-(hub|streams)"}}'
    yield record(NEEDED, f"max({partitions}) or max(max_over_time({partitions}[{_MISSED_FOR}]))", {})
    yield record(STATES, f"sum by (state) ({c.LEDGER_DELIVERIES.name})", {})
    yield record(ANOMALIES, f'sum by (kind) ({c.LEDGER_ANOMALIES.name}{{kind=~"misrouted|contradictions"}})', {})


def _grown(series: str) -> str:
    """Return a query that holds while a recorded sum is above all it was until a quarter of an hour ago.

    The highest of three quarters of an hour, because such a sum dips while a partition moves from one worker to
    another; not of longer, because it also drops for good when a run is forgotten, and what is new must not hide behind
    that. Where no worker told anything for so long, the highest of six hours.
    """
    lately, before = (f"max_over_time({series}[{length}] offset 15m)" for length in ("45m", "6h"))
    return f"{series} > ({lately} or {before}) or ({series} > 0 unless {before})"


def _unowned(owned: str, component: str) -> str:
    """Return a query that holds while one kind of process owns fewer partitions than there are.

    None at all is none owned, as long as there was one lately: an axis whose hub is not ours never had one.
    """
    had = f"sum(max_over_time({owned}[{_MISSED_FOR}])) > 0"
    fewer = f"(sum({owned}) or vector(0)) < {NEEDED} and on () {had}"
    return f'label_replace({fewer}, "component", "{component}", "", "")'


_DOCUMENTS = c.STREAM_DOCUMENTS.name

#: Of the states "stopped" calls nobody: a consumer of ours that ends, in order too, tells it for two minutes and then
#: nothing. That it is missed DocaxisRoleDown and DocaxisPartitionsUnowned tell; a hub that is not ours and has died is
#: "stalled", for its offsets stay with the broker.
_LAG = c.LAG_STATE.name

ALERTS: tuple[PlainAlert, ...] = (
    PlainAlert(
        "DocaxisDeliveriesLost", f"sum({c.LEDGER_OVERDUE.name}) > 0", "2m", PAGE, "ledger",
        "{{ $value }} deliveries are overdue: lost, unless they still arrive",
        "{{ $value }} lượt giao quá hạn: xem như mất nếu không đến",
        "They were sent longer ago than the stream worker's --lost-after and nobody has answered or refused them.",
    ),
    PlainAlert(
        "DocaxisDeliveriesDuplicated", _grown(f'{STATES}{{state="duplicated"}}'), "0m", PAGE, "ledger",
        "Deliveries were doubled: {{ $value }} so far", "Có lượt giao bị trùng: đến nay {{ $value }}",
        "The same packet reached the same recipient at two delivered records.",
    ),
    PlainAlert(
        "DocaxisDeliveriesMisrouted", _grown(ANOMALIES), "5m", PAGE, "ledger",
        "Deliveries that nobody sent or that contradict each other ({{ $labels.kind }}): {{ $value }} so far",
        "Lượt giao sai nơi nhận hoặc mâu thuẫn ({{ $labels.kind }}): đến nay {{ $value }}",
        "misrouted: received by an agency it was not for; contradictions: both delivered and refused.",
    ),
    PlainAlert(
        "DocaxisLagStalled", f'max by (group, topic) ({_LAG}{{state="stalled"}}) == 1', "1m", PAGE, "pipeline",
        "{{ $labels.group }} stands still before unread records of {{ $labels.topic }}",
        "{{ $labels.group }} đứng yên trong khi {{ $labels.topic }} còn bản ghi chưa đọc",
        "Its position has not moved for a minute or more although there is something to read.",
    ),
    PlainAlert(
        "DocaxisLagRising", f'max by (group, topic) ({_LAG}{{state="rising"}}) == 1', "10m", TICKET, "pipeline",
        "{{ $labels.group }} falls further and further behind {{ $labels.topic }}",
        "{{ $labels.group }} ngày càng tụt lại sau {{ $labels.topic }}",
        "It reads, and more is written than it reads, for over ten minutes.",
    ),
    PlainAlert(
        "DocaxisPartitionsUnowned",
        f"{_unowned(c.HUB_PARTITIONS.name, 'hub')} or {_unowned(c.STREAM_PARTITIONS.name, 'stream')}",
        "3m", PAGE, "pipeline",
        "Only {{ $value }} partitions have a {{ $labels.component }} process: what is sent to the others waits",
        "Chỉ {{ $value }} phân vùng có tiến trình {{ $labels.component }} phụ trách: phần còn lại phải chờ",
        "The hubs (or the stream workers) together own fewer partitions than the topics have, or there are none left.",
    ),
    PlainAlert(
        "DocaxisRoleDown", f'up{{job="{JOB}"}} == 0', "2m", PAGE, "pipeline",
        "{{ $labels.instance }} does not answer", "{{ $labels.instance }} không trả lời",
        "A role that Prometheus should scrape is dead, paused or unreachable.",
    ),
    PlainAlert(
        "DocaxisNoDocuments",
        f"sum(increase({_DOCUMENTS}[30m])) == 0 and on () min_over_time({EXPECTED}[30m]) == 1 "
        f"and on () sum(increase({_DOCUMENTS}[7d])) > 100",
        "10m", PAGE, "traffic",
        "No document has been sent for half an hour of office time",
        "Nửa giờ làm việc không có văn bản nào được gửi",
        "Offices are open, no maintenance is announced, and last week there was traffic.",
    ),
    PlainAlert(
        "DocaxisAgencySilent",
        f"sum by (sender) (increase({_DOCUMENTS}[1d])) == 0 and sum by (sender) (increase({_DOCUMENTS}[7d])) > 50 "
        f"and on () avg_over_time({EXPECTED}[1d]) * 24 > {_OFFICE_HOURS_MIN} and on () {EXPECTED} == 1",
        "30m", TICKET, "agency",
        "{{ $labels.sender }} has sent nothing for a working day", "{{ $labels.sender }} cả ngày làm việc không gửi gì",
        "It sent more than 50 documents last week, and the last day held at least six office hours.",
    ),
    PlainAlert(
        "DocaxisCanaryOverdue", f"sum({c.CANARY_OVERDUE.name}) > 0", "1m", PAGE, "canary",
        "{{ $value }} canary documents have not arrived", "{{ $value }} văn bản thử chưa đến nơi",
        "What the canary sends the whole way is overdue: what agencies send is likely to be, too.",
    ),
    PlainAlert(
        "DocaxisCanaryStuck", f"max({c.CANARY_OLDEST.name}) > 60", "1m", TICKET, "canary",
        "A canary document has been on its way for {{ $value | humanizeDuration }}",
        "Một văn bản thử đã đi {{ $value | humanizeDuration }} chưa đến",
        "Not lost yet; the path is slow or stuck.",
    ),
    PlainAlert(
        "DocaxisRefusalsMany",
        f"sum(increase({c.STREAM_REFUSALS.name}[15m])) > 20 and "
        f"sum(increase({c.STREAM_REFUSALS.name}[15m])) > 0.05 * sum(increase({c.STREAM_ADDRESSED.name}[15m]))",
        "5m", TICKET, "hub",
        "{{ $value | humanize }} refusals in a quarter of an hour, more than 5 % of the deliveries",
        "{{ $value | humanize }} lượt bị từ chối trong 15 phút, hơn 5 %",
        "Senders write what the hub cannot take, or the registry is not theirs.",
    ),
    PlainAlert(
        "DocaxisRecordsUnreadable", f"sum by (topic) (increase({c.STREAM_UNREADABLE.name}[15m])) > 0", "0m", TICKET,
        "pipeline",
        "{{ $value | humanize }} records of {{ $labels.topic }} are no event",
        "{{ $value | humanize }} bản ghi của {{ $labels.topic }} không đọc được",
        "Somebody writes to the topic what is not in the contract of the events.",
    ),
    PlainAlert(
        "DocaxisClocksDisagree",
        f"sum by (stage) (increase({c.STREAM_NEGATIVE.name}[30m])) > 10", "5m", TICKET, "clock",
        "{{ $value | humanize }} latencies of {{ $labels.stage }} are below zero",
        "{{ $value | humanize }} độ trễ {{ $labels.stage }} âm: đồng hồ các máy lệch nhau",
        "Two machines' clocks disagree: no latency across them can be trusted.",
    ),
    PlainAlert(
        "DocaxisSnapshotsStale",
        f"{c.STREAM_SNAPSHOT_AGE.name} > 60 and on (instance) rate({c.STREAM_RECORDS.name}[5m]) > 0", "5m", TICKET,
        "pipeline",
        "{{ $labels.instance }} has not stored its state for {{ $value | humanizeDuration }}",
        "{{ $labels.instance }} chưa lưu trạng thái {{ $value | humanizeDuration }}",
        "It counts records; if it died now all of them would be read again.",
    ),
    PlainAlert(
        "DocaxisSeriesRefused", f"{c.MONITOR_SERIES_REFUSED.name} > 0", "10m", TICKET, "monitor",
        "{{ $labels.instance }} leaves {{ $value }} series out",
        "{{ $labels.instance }} bỏ bớt {{ $value }} chuỗi số liệu",
        "The budget of series is used up: figures are missing from every dashboard.",
    ),
    PlainAlert(
        "DocaxisMemoryGrowing",
        f'deriv(process_resident_memory_bytes{{job="{JOB}"}}[6h]) * 86400 > 1e9', "2h", TICKET, "pipeline",
        "{{ $labels.instance }} grows by {{ $value | humanize1024 }}B a day",
        "{{ $labels.instance }} mỗi ngày tốn thêm {{ $value | humanize1024 }}B bộ nhớ",
        "Memory has grown steadily for hours; every table in it has a bound, so find out which one fills.",
    ),
    PlainAlert(
        "DocaxisLoadNotOffered", f"sum(increase({c.PRODUCER_DROPPED.name}[5m])) > 0", "0m", TICKET, "load",
        "{{ $value | humanize }} arrivals of a load were dropped", "{{ $value | humanize }} lượt gửi của tải bị bỏ",
        "The generator was too late for its own schedule: the run does not measure the load it names.",
    ),
)  # fmt: skip


def plain_alerts(objectives: ServiceObjectives) -> Iterator[Rule]:
    """Yield every row as a rule."""
    for row in ALERTS:
        yield alert(
            row.name,
            row.expr,
            row.wait,
            {"severity": row.severity, "part": row.part},
            summary=row.summary,
            summary_vi=row.summary_vi,
            description=row.description,
            runbooks=objectives.runbooks,
        )
