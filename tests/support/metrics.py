"""A process with every role at once, so that every metric is exported; and reading values off its page."""

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as _parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as _parse_text

from docaxis.domain.calendar import vietnam_calendar
from docaxis.domain.clock import Clock, ManualClock
from monitor.lag import LagMetrics, Progress
from monitor.live.live_metrics import LiveMetrics
from monitor.live.viewers import Viewers
from monitor.metrics import Collector, Metrics
from monitor.process_metrics import ProcessMetrics
from producers.canary_metrics import CanaryMetrics
from producers.canary_watch import CanaryStage, CanaryStats, CanaryWatch
from producers.fleet_metrics import FleetMetrics
from producers.fleet_settings import FleetStats
from producers.life_cycle import LifeCycles
from producers.window import Window
from streams.hub import HubStats
from streams.hub_metrics import HubMetrics
from streams.state import Duties, PartitionState, StateBounds
from streams.stream_metrics import StreamMetrics
from streams.worker import WorkerStats
from tests.support.events import delivered, receipt, records, refusal, sent, status


def value(collector: Collector, name: str, **labels: str) -> float | None:
    """Return the value of one series as prometheus-client's registry sees it."""
    registry = CollectorRegistry()
    registry.register(Metrics([collector], ManualClock()))
    return registry.get_sample_value(name, labels)


def parse(page: bytes, *, openmetrics: bool = False) -> list[Metric]:
    """Return the families on a page, read by prometheus-client."""
    if openmetrics:
        return list(_parse_openmetrics(page.decode()))  # type: ignore[no-untyped-call]
    return list(_parse_text(page.decode()))


def new_state(partition: int = 0) -> PartitionState:
    """Return the empty state of a partition."""
    return PartitionState(partition, Duties(partitions=1), StateBounds())


def everything(awkward: str = "H53") -> Metrics:
    """Return the metrics of a process that has seen a bit of everything; `awkward` is an agency's code."""
    clock = ManualClock()
    state = new_state()
    for topic, event in (
        ("sent", sent(recipients=[awkward])),
        ("delivered", delivered(awkward)),
        ("status", receipt(recipient=awkward)),
        ("refused", refusal(code=18)),
    ):
        state.fold(topic, records(topic, [event]), clock.wall_us())
    state.fold("status", records("status", [status(recipient=awkward)], 1), clock.wall_us())
    worker = WorkerStats(records=5, snapshot_at_us=clock.wall_us())
    worker.snapshot.observe_one(7_000)
    stream = StreamMetrics(lambda: {0: state}, worker, clock, agencies=("G22",), calendar=vietnam_calendar())
    watch = CanaryWatch(CanaryStats(), CanaryStage.RECEIPT, lost_after_us=1)
    return Metrics(
        [
            stream,
            LagMetrics("stream", lambda: [Progress("status", 0, 2, 5)], clock),
            HubMetrics(HubStats(positions={0: 1}, ends={0: 4}), "hub", clock),
            FleetMetrics(_fleet(clock), "agencies", clock),
            LiveMetrics(Viewers(), lambda: 2_000, lambda: 0),
            CanaryMetrics(watch, clock),
            ProcessMetrics("everything", stream.runs),
        ],
        clock,
    )


def _fleet(clock: Clock) -> FleetStats:
    stats = FleetStats.of(1)
    stats.window = Window(10, clock)
    stats.life_cycles = LifeCycles(1, vietnam_calendar())
    stats.sender.errors["KafkaTimeoutError"] = 1
    stats.sender.publish.observe_one(3_000)
    stats.receiver.positions[0] = 1
    return stats
