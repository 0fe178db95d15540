"""Axis: are documents arriving? The page an operator looks at first."""

from monitor.alerting.alerts import EXPECTED, STATES
from monitor.alerting.burn_rate import BUDGET, BUDGET_LEFT, RATIO
from monitor.catalogue import (
    CANARY_LATENCY,
    CANARY_OVERDUE,
    LAG_SECONDS,
    LAG_STATE,
    LEDGER_OLDEST,
    LEDGER_OVERDUE,
    LEDGER_OWED,
    LEDGER_WAITING,
    STREAM_ADDRESSED,
    STREAM_DELIVERIES,
    STREAM_DELIVERY,
    STREAM_DELIVERY_OF_PRIORITY,
    STREAM_DOCUMENTS,
    STREAM_PICKUP,
    STREAM_RECEIPTS,
    STREAM_REFUSALS,
    STREAM_ROUTING,
    STREAM_SEND_DELAY,
)
from monitor.dashboards.board import COMMON, RATE, Board, Panel, Row, q, quantile

_RED_ABOVE_ZERO = ((0.0, "green"), (1.0, "red"))

_NOW = Row("Hiện giờ", "Now", (
    Panel("Đã gửi bao nhiêu văn bản?", "How many documents are in the ledger?",
          (q("sum(docaxis_stream_ledger_documents)"),), kind="stat", width=4, height=4, now=True),
    Panel("Đã giao đúng một lần?", "How many deliveries came exactly once?",
          (q(f'{STATES}{{state="delivered_once"}}'),), kind="stat", width=4, height=4, now=True),
    Panel("Còn bao nhiêu đang đi?", "How many are on their way?",
          (q(f'{STATES}{{state="outstanding"}}'),), kind="stat", width=4, height=4, now=True),
    Panel("Có mất không?", "Is anything lost?", (q(f"sum({LEDGER_OVERDUE.name})"),), kind="stat", width=4, height=4,
          thresholds=_RED_ABOVE_ZERO, now=True, help="Outstanding for longer than lost_after; may still arrive."),
    Panel("Có trùng không?", "Is anything doubled?", (q(f'{STATES}{{state="duplicated"}}'),), kind="stat", width=4,
          height=4, thresholds=_RED_ABOVE_ZERO, now=True),
    Panel("Đang giờ làm việc?", "Is traffic expected?", (q(EXPECTED),), unit="bool_on_off", kind="stat", width=4,
          height=4, now=True, help="Offices open by the calendar and no maintenance announced."),
))  # fmt: skip

_ARRIVING = Row("Văn bản có đến không?", "Are documents arriving?", (
    Panel("Gửi và nhận nhịp nào?", "At what rate are documents sent, delivered, received?", (
        q(f"sum(rate({STREAM_DOCUMENTS.name}[{RATE}]))", "văn bản · documents"),
        q(f"sum(rate({STREAM_ADDRESSED.name}[{RATE}]))", "cần giao · addressed"),
        q(f"sum(rate({STREAM_DELIVERIES.name}[{RATE}]))", "đã chuyển · delivered"),
        q(f"sum(rate({STREAM_RECEIPTS.name}[{RATE}]))", "đã nhận · received"),
    ), unit="ops"),
    Panel("Bao lâu thì đến?", "How long do deliveries take?", (
        q(quantile(0.5, STREAM_DELIVERY.name), "p50"),
        q(quantile(0.99, STREAM_DELIVERY.name), "p99"),
        q(quantile(0.99, STREAM_DELIVERY_OF_PRIORITY.name, '{priority=~"[1-4]"}'), "khẩn · urgent p99"),
    ), unit="s"),
    Panel("Thời gian đi đâu?", "Where does the time go?", (
        q(quantile(0.99, STREAM_SEND_DELAY.name), "gửi · send delay p99"),
        q(quantile(0.99, STREAM_ROUTING.name), "chuyển · routing p99"),
        q(quantile(0.99, STREAM_PICKUP.name), "lấy về · pickup p99"),
    ), unit="s"),
))  # fmt: skip

_STUCK = Row("Nghẽn ở đâu?", "Where is it stuck?", (
    Panel("Chờ bao lâu rồi?", "How many wait, and for how long?", (
        q(f"sum by (over) ({LEDGER_WAITING.name})", "> {{over}} s"),
    )),
    Panel("Chờ lâu nhất?", "How old is the oldest?", (q(f"max({LEDGER_OLDEST.name})", "s"),), unit="s"),
    Panel("Cơ quan nào bị ảnh hưởng?", "Who is affected?", (
        q(f"topk(10, sum by (recipient) ({LEDGER_OWED.name}))", "{{recipient}}"),
    ), kind="bargauge", now=True),
    Panel("Ai đọc chậm?", "Who is behind?", (
        q(f"max by (group) ({LAG_SECONDS.name})", "{{group}}"),
    ), unit="s"),
    Panel("Có ai đứng yên?", "Does anybody stand still?", (
        q(f'max by (group, topic) ({LAG_STATE.name}{{state=~"stalled|rising|stopped"}})', "{{group}} {{topic}}"),
    ), unit="bool_on_off"),
    Panel("Vì sao bị từ chối?", "What is refused, and why?", (
        q(f"sum by (code) (rate({STREAM_REFUSALS.name}[{RATE}]))", "{{code}}"),
    ), unit="ops"),
))  # fmt: skip

_PROMISES = Row("Cam kết", "Objectives", (
    Panel("Còn bao nhiêu ngân sách lỗi?", "How much budget is left?", (
        q(BUDGET_LEFT, "{{objective}}"),
    ), unit="percentunit", kind="bargauge", width=6, thresholds=((-100.0, "red"), (0.0, "orange"), (0.25, "green")),
          now=True),
    Panel("Không mất lượt nào?", "Is the promise of no loss kept?", (q(f"sum({LEDGER_OVERDUE.name})"),), kind="stat",
          width=4, thresholds=_RED_ABOVE_ZERO, now=True, zero="đạt · met",
          help="This objective has no budget: met, or so many deliveries are lost now. DocaxisDeliveriesLost calls."),
    Panel("Ngân sách tiêu nhanh không?", "How fast does the budget burn?", (
        q(f"{RATIO}1h / on (objective) {BUDGET}", "{{objective}} 1h"),
        q(f"{RATIO}6h / on (objective) {BUDGET}", "{{objective}} 6h"),
    ), width=6, help="1 spends the budget exactly by the end of its period; 14.4 over an hour calls somebody."),
    Panel("Văn bản thử có đến không?", "Does the canary arrive?", (
        q(f"sum({CANARY_OVERDUE.name})", "quá hạn · overdue"),
    ), width=4, help="Marked documents on their way for longer than lost_after. Not zero: they do not arrive."),
    Panel("Văn bản thử mất bao lâu?", "How long does the canary take?", (
        q(quantile(0.99, CANARY_LATENCY.name, by="stage"), "{{stage}} p99"),
    ), unit="s", width=4),
))  # fmt: skip

BOARD = Board(
    "docaxis-axis", "Trục liên thông", "Axis", (_NOW, _ARRIVING, _STUCK, _PROMISES), annotations=COMMON
)  # fmt: skip
