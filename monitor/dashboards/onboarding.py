"""Onboarding: an agency has come, or many have; is everybody as well off as before?"""

from monitor.catalogue import (
    LAG_SECONDS,
    STREAM_DELIVERY,
    STREAM_DOCUMENTS,
    STREAM_RECEIPTS,
    STREAM_REFUSALS,
    STREAM_REFUSALS_OF_SENDER,
)
from monitor.dashboards.board import AGENCY, COMMON, Board, Panel, Row, Variable, q

_BEFORE = Variable(
    "before", "So với", "Compared with", values=("1h", "1d", "7d", "28d"), help="How long ago the time before was"
)

_WINDOW = "30m"


def _then(expr: str) -> str:
    return expr.replace(f"[{_WINDOW}]", f"[{_WINDOW}] offset $before")


def _p99(chosen: str) -> str:
    return f"histogram_quantile(0.99, sum by (le) (rate({STREAM_DELIVERY.name}_bucket{chosen}[{_WINDOW}])))"


_RATE_NOW = f"sum(rate({STREAM_DOCUMENTS.name}[{_WINDOW}]))"
_OTHERS = '{recipient!~"$agency"}'

_EVERYBODY = Row("Trước và sau", "Before and after", (
    Panel("Lưu lượng tăng bao nhiêu?", "How much more traffic is there?", (
        q(_RATE_NOW, "sau · after"), q(_then(_RATE_NOW), "trước · before"),
    ), unit="ops"),
    Panel("Bao nhiêu cơ quan gửi?", "How many agencies send?", (
        q(f"count(sum by (sender) (increase({STREAM_DOCUMENTS.name}[{_WINDOW}])) > 0)", "sau · after"),
        q(_then(f"count(sum by (sender) (increase({STREAM_DOCUMENTS.name}[{_WINDOW}])) > 0)"), "trước · before"),
    )),
    Panel("Các cơ quan khác có chậm đi không?", "Are the others slower?", (
        q(_p99(_OTHERS), "sau · after p99"), q(_then(_p99(_OTHERS)), "trước · before p99"),
    ), unit="s"),
))  # fmt: skip

_NEWCOMER = Row("Cơ quan mới", "The newcomer", (
    Panel("Đã gửi và nhận chưa?", "Does it send and receive?", (
        q(f'sum(increase({STREAM_DOCUMENTS.name}{{sender=~"$agency"}}[{_WINDOW}]))', "gửi · sent"),
        q(f'sum(increase({STREAM_RECEIPTS.name}{{recipient=~"$agency"}}[{_WINDOW}]))', "nhận · received"),
    )),
    Panel("Bị từ chối vì sao?", "Is it refused, and why?", (
        q(f'sum(increase({STREAM_REFUSALS_OF_SENDER.name}{{sender=~"$agency"}}[{_WINDOW}]))', "của nó · its own"),
        q(f"sum by (code) (increase({STREAM_REFUSALS.name}[{_WINDOW}]))", "{{code}}"),
    ), help="18: the hub's registry lacks a recipient; 19: it lacks the sender."),
    Panel("Còn dư sức không?", "Is there headroom?", (
        q(f"max by (group) (max_over_time({LAG_SECONDS.name}[{_WINDOW}]))", "{{group}}"),
    ), unit="s", help="How far behind each group was at worst; near zero there is room."),
))  # fmt: skip

BOARD = Board(
    "docaxis-onboarding", "Kết nối cơ quan mới", "Onboarding", (_EVERYBODY, _NEWCOMER), (AGENCY, _BEFORE), COMMON,
    "now-24h",
)  # fmt: skip
