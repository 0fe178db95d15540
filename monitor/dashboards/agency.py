"""Agency: one of them, against the others."""

from monitor.alerting.burn_rate import AGENCY_RATIO
from monitor.catalogue import (
    LEDGER_OWED,
    STREAM_DELIVERIES,
    STREAM_DELIVERY,
    STREAM_DOCUMENTS,
    STREAM_RECEIPTS,
    STREAM_REFUSALS_OF_SENDER,
)
from monitor.dashboards.board import AGENCY, COMMON, RATE, Board, Panel, Row, q, quantile

_SENDER, _RECIPIENT = '{sender=~"$agency"}', '{recipient=~"$agency"}'

_ONE = Row("Một cơ quan", "One agency", (
    Panel("Gửi bao nhiêu?", "What does it send?", (
        q(f"sum by (sender) (rate({STREAM_DOCUMENTS.name}{_SENDER}[{RATE}]))", "{{sender}}"),
    ), unit="ops"),
    Panel("Nhận bao nhiêu?", "What does it receive?", (
        q(f"sum(rate({STREAM_DELIVERIES.name}{_RECIPIENT}[{RATE}]))", "đến hộp thư · into its inbox"),
        q(f"sum(rate({STREAM_RECEIPTS.name}{_RECIPIENT}[{RATE}]))", "đã nhận · received"),
    ), unit="ops"),
    Panel("Còn nợ bao nhiêu?", "What is it owed?", (
        q(f"sum by (recipient) ({LEDGER_OWED.name}{_RECIPIENT})", "{{recipient}}"),
    ), help="Sent to it and not received yet. Growing: it does not fetch its inbox."),
    Panel("Bao lâu thì nhận được?", "How long until it receives?", (
        q(quantile(0.5, STREAM_DELIVERY.name, _RECIPIENT), "p50"),
        q(quantile(0.99, STREAM_DELIVERY.name, _RECIPIENT), "p99"),
        q(quantile(0.99, STREAM_DELIVERY.name), "tất cả · everybody p99"),
    ), unit="s"),
    Panel("Bị từ chối bao nhiêu?", "How much of what it sends is refused?", (
        q(f"sum by (sender) (rate({STREAM_REFUSALS_OF_SENDER.name}{_SENDER}[{RATE}]))", "{{sender}}"),
    ), unit="ops"),
    Panel("Trễ bao nhiêu phần?", "What share comes late?", (
        q(f"{AGENCY_RATIO}1d{_RECIPIENT}", "{{recipient}} 1d"),
    ), unit="percentunit"),
))  # fmt: skip

_ALL = Row("So với các cơ quan khác", "Against the others", (
    Panel("Ai gửi nhiều nhất?", "Who sends most?", (
        q(f"topk(15, sum by (sender) (increase({STREAM_DOCUMENTS.name}[1h])))", "{{sender}}"),
    ), kind="bargauge", width=8, now=True),
    Panel("Ai nhận chậm nhất?", "Who receives slowest?", (
        q("topk(15, histogram_quantile(0.99, sum by (le, recipient) "
          f"(rate({STREAM_DELIVERY.name}_bucket[1h]))))", "{{recipient}}"),
    ), unit="s", kind="bargauge", width=8, now=True),
    Panel("Ai còn nhiều văn bản chưa lấy?", "Who has most waiting?", (
        q(f"topk(15, sum by (recipient) ({LEDGER_OWED.name}))", "{{recipient}}"),
    ), kind="bargauge", width=8, now=True),
))  # fmt: skip

BOARD = Board("docaxis-agency", "Cơ quan", "Agency", (_ONE, _ALL), (AGENCY,), COMMON)
