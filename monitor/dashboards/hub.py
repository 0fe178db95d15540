"""Hub: how it routes, what it refuses, how far behind it is."""

from monitor.catalogue import (
    HUB_COMMIT,
    HUB_DELIVERIES,
    HUB_DOCUMENTS,
    HUB_PARTITIONS,
    HUB_PASSES,
    HUB_REFUSALS,
    HUB_SESSIONS,
    LAG_RECORDS,
    LAG_SECONDS,
    LAG_STATE,
    STREAM_ACCEPTANCE,
    STREAM_ROUTING,
    TOPIC_PARTITIONS,
)
from monitor.dashboards.board import COMMON, RATE, Board, Panel, Row, q, quantile

_HUBS = '{group=~".+-hub"}'

_ROUTING = Row("Chuyển văn bản", "Routing", (
    Panel("Chuyển nhịp nào?", "How fast does it route?", (
        q(f"sum by (instance) (rate({HUB_DOCUMENTS.name}[{RATE}]))", "{{instance}} văn bản · documents"),
        q(f"sum by (instance) (rate({HUB_DELIVERIES.name}[{RATE}]))", "{{instance}} lượt giao · deliveries"),
    ), unit="ops", help="All that it routes: canaries' documents too, which are in no figure of traffic."),
    Panel("Mất bao lâu?", "How long does routing take?", (
        q(quantile(0.5, STREAM_ROUTING.name), "p50"),
        q(quantile(0.99, STREAM_ROUTING.name), "p99"),
        q(quantile(0.99, STREAM_ACCEPTANCE.name), "tiếp nhận · acceptance p99"),
    ), unit="s", help="Nearly all before acceptance: it is behind. A small part: its commits are slow."),
    Panel("Từ chối vì sao?", "What does it refuse, by code?", (
        q(f"sum by (code) (rate({HUB_REFUSALS.name}[{RATE}]))", "{{code}}"),
    ), unit="ops"),
))  # fmt: skip

_TRANSACTIONS = Row("Giao dịch và độ trễ đọc", "Transactions and lag", (
    Panel("Ghi nhận mất bao lâu?", "How long does a commit take?", (
        q(quantile(0.5, HUB_COMMIT.name), "p50"), q(quantile(0.99, HUB_COMMIT.name), "p99"),
    ), unit="s"),
    Panel("Mỗi lần bao nhiêu văn bản?", "How many documents are in a pass?", (
        q(f"sum(rate({HUB_DOCUMENTS.name}[{RATE}])) / (sum(rate({HUB_PASSES.name}[{RATE}])) > 0)", "văn bản"),
    )),
    Panel("Còn bao nhiêu chưa đọc?", "How far behind is it?", (
        q(f"sum({LAG_RECORDS.name}{_HUBS})", "bản ghi · records"),
    )),
    Panel("Chậm bao lâu?", "How old is what it has not read?", (q(f"max({LAG_SECONDS.name}{_HUBS})", "s"),), unit="s"),
    Panel("Trạng thái nào?", "What does the lag mean?", (
        q(f"max by (state) ({LAG_STATE.name}{_HUBS})", "{{state}}"),
    ), unit="bool_on_off"),
    Panel("Phân vùng có ai phụ trách?", "Is every partition owned?", (
        q(f"sum({HUB_PARTITIONS.name})", "có · owned"),
        q(f"max({TOPIC_PARTITIONS.name}{_HUBS})", "cần · needed"),
        q(f"sum({HUB_SESSIONS.name})", "phiên · sessions"),
    )),
))  # fmt: skip

BOARD = Board("docaxis-hub", "Trục chuyển", "Hub", (_ROUTING, _TRANSACTIONS), annotations=COMMON)
