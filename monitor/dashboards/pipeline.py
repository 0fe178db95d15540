"""Pipeline: the workers themselves; their partitions, rebalances, memory and cost."""

from monitor.catalogue import (
    LAG_RECORDS,
    LAG_SECONDS,
    LEDGER_REMEMBERED,
    MONITOR_EXPOSITION,
    MONITOR_SERIES,
    MONITOR_SERIES_REFUSED,
    REBALANCES,
    STREAM_LETTERS_WAITING,
    STREAM_PARTITIONS,
    STREAM_RECORDS,
    STREAM_REDELIVERED,
    STREAM_RUNS,
    STREAM_SESSIONS,
    STREAM_SKIPPED,
    STREAM_SNAPSHOT,
    STREAM_SNAPSHOT_AGE,
    STREAM_SNAPSHOT_BYTES,
    STREAM_UNREADABLE,
    TOPIC_PARTITIONS,
)
from monitor.dashboards.board import COMMON, RATE, Board, Panel, Row, q, quantile

_JOB = '{job="docaxis"}'

_WORKERS = Row("Tiến trình", "Workers", (
    Panel("Ai đang chạy?", "Who is up?", (q(f"up{_JOB}", "{{instance}}"),), unit="bool_on_off"),
    Panel("Tốn bao nhiêu CPU?", "How much CPU do they use?", (
        q(f"rate(process_cpu_seconds_total{_JOB}[{RATE}])", "{{instance}}"),
    ), unit="percentunit", help="Near 100 % a process is at its limit: start another of its role."),
    Panel("Tốn bao nhiêu bộ nhớ?", "How much memory do they use?", (
        q(f"process_resident_memory_bytes{_JOB}", "{{instance}}"),
    ), unit="bytes"),
    Panel("Đếm nhịp nào?", "How fast do they count?", (
        q(f"sum by (instance) (rate({STREAM_RECORDS.name}[{RATE}]))", "{{instance}}"),
        q(f"sum by (instance) (rate({STREAM_REDELIVERED.name}[{RATE}]))", "{{instance}} đọc lại · again"),
    ), unit="ops"),
    Panel("Trạng thái lớn cỡ nào?", "How much state is kept?", (
        q(f"sum by (instance) ({LEDGER_REMEMBERED.name})", "{{instance}} đã đóng · closed"),
        q(f"sum by (instance) ({STREAM_RUNS.name})", "{{instance}} lượt chạy · runs"),
        q(f"sum by (instance) ({STREAM_LETTERS_WAITING.name})", "{{instance}} thư chết · dead letters"),
    )),
    Panel("Số liệu có đủ không?", "Are the figures complete?", (
        q(f"{MONITOR_SERIES.name}{_JOB}", "{{instance}} series"),
        q(f"{MONITOR_SERIES_REFUSED.name}{_JOB}", "{{instance}} bỏ · refused"),
    )),
))  # fmt: skip

_PARTITIONS = Row("Phân vùng", "Partitions", (
    Panel("Còn bao nhiêu chưa đọc?", "How far behind is each group?", (
        q(f"sum by (group, topic) ({LAG_RECORDS.name})", "{{group}} {{topic}}"),
    )),
    Panel("Chậm bao lâu?", "How old is what is unread?", (
        q(f"max by (group, topic) ({LAG_SECONDS.name})", "{{group}} {{topic}}"),
    ), unit="s"),
    Panel("Có chia lại phân vùng không?", "Are partitions shared out anew?", (
        q(f"sum by (group) (increase({REBALANCES.name}[10m]))", "{{group}}"),
        q(f"sum(increase({STREAM_SESSIONS.name}[10m]))", "phiên mới · new sessions"),
    )),
    Panel("Phân vùng nào không ai giữ?", "Is every partition counted?", (
        q(f"sum({STREAM_PARTITIONS.name})", "có · owned"),
        q(f'max({TOPIC_PARTITIONS.name}{{group=~".+-streams"}})', "cần · needed"),
    )),
    Panel("Lưu trạng thái có kịp không?", "Is the state stored in time?", (
        q(quantile(0.99, STREAM_SNAPSHOT.name), "p99"),
        q(f"max by (instance) ({STREAM_SNAPSHOT_AGE.name})", "{{instance}} tuổi · age"),
    ), unit="s"),
    Panel("Ghi bao nhiêu trạng thái?", "How much state is written?", (
        q(f"sum by (instance) (rate({STREAM_SNAPSHOT_BYTES.name}[{RATE}]))", "{{instance}}"),
    ), unit="Bps"),
    Panel("Có bản ghi hỏng không?", "Are there bad records?", (
        q(f"sum by (topic) (increase({STREAM_UNREADABLE.name}[10m]))", "{{topic}}"),
        q(f"sum by (topic) (increase({STREAM_SKIPPED.name}[10m]))", "{{topic}} bỏ qua · skipped"),
    )),
    Panel("Lấy số liệu tốn bao lâu?", "What does a scrape cost?", (
        q(f"{MONITOR_EXPOSITION.name}{_JOB}", "{{instance}}"),
    ), unit="s"),
))  # fmt: skip

BOARD = Board("docaxis-pipeline", "Dây chuyền xử lý", "Pipeline", (_WORKERS, _PARTITIONS), annotations=COMMON)
