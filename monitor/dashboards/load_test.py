"""Load test: is the load offered as planned, and what does it meet?"""

from monitor.alerting.alerts import STATES
from monitor.catalogue import (
    LEDGER_ANOMALIES,
    LEDGER_FLAGS,
    PRODUCER_ACKED,
    PRODUCER_ARRIVALS,
    PRODUCER_DROPPED,
    PRODUCER_ERRORS,
    PRODUCER_FAILED,
    PRODUCER_FAULTS,
    PRODUCER_IN_FLIGHT,
    PRODUCER_LATENESS,
    PRODUCER_PHASE,
    PRODUCER_PUBLISH,
    PRODUCER_UNKNOWN,
    PRODUCER_WINDOW,
    STREAM_DELIVERY,
    STREAM_UNCORRECTED,
)
from monitor.dashboards.board import COMMON, RATE, RUN, Annotation, Board, Panel, Row, q, quantile

#: Chooses the fleets of a run: each fleet is of one run and says so in its run_info.
_OF_RUN = 'on (instance) group_left () max by (instance) (docaxis_run_info{run=~"$run"})'


def _rate(name: str) -> str:
    return f"sum(rate({name}[{RATE}]) * {_OF_RUN})"


def _of_run(share: float, name: str) -> str:
    return f"histogram_quantile({share:g}, sum by (le) (rate({name}_bucket[{RATE}]) * {_OF_RUN}))"


_LOAD = Row("Tải", "The load", (
    Panel("Có gửi đủ tải không?", "Is the load offered achieved?", (
        q(_rate(PRODUCER_ARRIVALS.name), "dự kiến · offered"),
        q(_rate(PRODUCER_ACKED.name), "đạt được · achieved"),
    ), unit="ops"),
    Panel("Có lượt nào không gửi được?", "Did any arrival not go out?", (
        q(_rate(PRODUCER_DROPPED.name), "bỏ · dropped"),
        q(_rate(PRODUCER_FAILED.name), "hỏng · failed"),
        q(_rate(PRODUCER_UNKNOWN.name), "không rõ · unknown"),
    ), unit="ops"),
    Panel("Máy phát tải có kịp lịch không?", "Does the generator keep its schedule?", (
        q(_of_run(0.5, PRODUCER_LATENESS.name), "p50"),
        q(_of_run(0.99, PRODUCER_LATENESS.name), "p99"),
    ), unit="s", help="Above 1 ms at p99 the machine cannot hold the schedule."),
    Panel("Đang ở giai đoạn nào?", "Which phase is it in?", (
        q(f"max by (phase) ({PRODUCER_PHASE.name} * {_OF_RUN})", "{{phase}}"),
    ), unit="bool_on_off"),
    Panel("Bao nhiêu đang bay?", "How much is in flight?", (
        q(f"sum({PRODUCER_IN_FLIGHT.name} * {_OF_RUN})", "chưa xác nhận · not acked"),
        q(f"sum({PRODUCER_WINDOW.name} * {_OF_RUN})", "cửa sổ · window"),
    )),
    Panel("Broker nhận nhanh không?", "How fast does the broker take it?", (
        q(_of_run(0.5, PRODUCER_PUBLISH.name), "p50"), q(_of_run(0.99, PRODUCER_PUBLISH.name), "p99"),
    ), unit="s"),
))  # fmt: skip

_ANSWER = Row("Kết quả", "What it meets", (
    Panel("Độ trễ thật là bao nhiêu?", "What is the honest latency?", (
        q(quantile(0.99, STREAM_DELIVERY.name), "đã hiệu chỉnh · corrected p99"),
        q(quantile(0.99, STREAM_UNCORRECTED.name), "chưa hiệu chỉnh · uncorrected p99"),
        q(quantile(0.999, STREAM_DELIVERY.name), "đã hiệu chỉnh · corrected p99.9"),
    ), unit="s", help="Corrected counts from the intended sending: waiting in the generator is in it."),
    Panel("Mọi lượt giao ra sao?", "What became of every delivery?", (q(STATES, "{{state}}"),)),
    Panel("Có gì bất thường?", "Is anything wrong?", (
        q(f"sum by (state) ({LEDGER_FLAGS.name})", "{{state}}"),
        q(f"sum by (kind) ({LEDGER_ANOMALIES.name})", "{{kind}}"),
    )),
))  # fmt: skip

_FAULTS = (
    Annotation(
        "Injected faults",
        f"sum by (kind) (increase({PRODUCER_FAULTS.name}[1m]) * {_OF_RUN}) > 0",
        "{{kind}} was injected",
        "blue",
    ),
    Annotation("Errors", f"sum by (error) (increase({PRODUCER_ERRORS.name}[1m])) > 0", "{{error}}", "purple"),
    Annotation("Unreachable", 'up{job="docaxis"} == 0', "{{instance}} does not answer", "yellow"),
)

#: Where a reader finds each fault of a workload.
_HELP = (
    "Marked as injected, by kind: what senders and recipients do wrong because the workload says so. Faults of the "
    "parts show by what they do: a hub or worker that is paused or killed is marked as unreachable while it does not "
    "answer, and as a restart when it was started again; a broker that stalls or stops shows as errors, or where it "
    "takes documents slowly. A limited hub is limited all the time and not marked, and a pause that is over between "
    "two scrapes is not seen."
)

BOARD = Board(
    "docaxis-load-test", "Thử tải", "Load test", (_LOAD, _ANSWER), (RUN,), (*COMMON, *_FAULTS), "now-1h", "10s", _HELP
)  # fmt: skip
