"""What a fleet exports: its arrivals, its own lateness, its window, its receivers and their lag."""

from collections.abc import Iterator

from docaxis.domain.clock import Clock
from docaxis.workload.faults import RECEIVER_FAULTS, SENDER_FAULTS
from monitor import catalogue
from monitor.histogram import Histogram
from monitor.lag import LagMetrics, Progress
from monitor.metric import Family, Spec
from producers.fleet_settings import FleetStats


class FleetMetrics:
    """Collector of one fleet."""

    def __init__(self, stats: FleetStats, group: str, clock: Clock, partitions: int = 1) -> None:
        """Collect from `stats`; `group` is the consumer group that the receivers share over so many partitions."""
        self._stats = stats
        self._lag = LagMetrics(group, self.progress, clock, partitions, lambda: stats.receiver.rebalances)

    def progress(self) -> Iterator[Progress]:
        """Yield how far each partition read is."""
        receiver = self._stats.receiver
        for partition, position in receiver.positions.items():
            yield Progress("delivered", partition, position, receiver.ends.get(partition, position))

    def families(self) -> Iterator[Family]:
        """Yield everything."""
        yield from self._arrivals()
        yield from self._sender()
        yield from self._receiver()
        yield from self._life_cycles()
        yield from self._lag.families()

    def _arrivals(self) -> Iterator[Family]:
        arrivals = self._stats.sender.arrivals
        for spec, name in (
            (catalogue.PRODUCER_ARRIVALS, "scheduled"),
            (catalogue.PRODUCER_ACKED, "acked"),
            (catalogue.PRODUCER_DROPPED, "dropped"),
            (catalogue.PRODUCER_FAILED, "failed"),
            (catalogue.PRODUCER_UNKNOWN, "unknown"),
            (catalogue.PRODUCER_IN_FLIGHT, "in_flight"),
        ):
            yield Family(spec, arrivals.total(name))

    def _sender(self) -> Iterator[Family]:
        sender, window = self._stats.sender, self._stats.window
        yield Family(catalogue.PRODUCER_DOCUMENTS, sender.documents)
        yield Family(catalogue.PRODUCER_DELIVERIES, sender.deliveries)
        yield _histogram(catalogue.PRODUCER_LATENESS, sender.lateness)
        yield _histogram(catalogue.PRODUCER_PUBLISH, sender.publish)
        errors = Family(catalogue.PRODUCER_ERRORS)
        for error, count in sorted(sender.errors.items()):
            errors.add(count, error)
        yield errors
        yield self._faults()
        yield Family(catalogue.PRODUCER_WINDOW, window.outstanding if window else 0)
        yield Family(catalogue.PRODUCER_WRITTEN_OFF, window.written_off if window else 0)
        yield Family(catalogue.PRODUCER_CALENDAR, sender.calendar_ms / 1000)
        phase = Family(catalogue.PRODUCER_PHASE)
        phase.add(1, "ended" if self._stats.sending_ended and self._stats.phase != "idle" else self._stats.phase)
        yield phase
        yield Family(catalogue.PRODUCER_ENDED, int(self._stats.sending_ended))

    def _faults(self) -> Family:
        watch, faults = self._stats.sender.watch, Family(catalogue.PRODUCER_FAULTS)
        for kind in (*SENDER_FAULTS, *RECEIVER_FAULTS):  # at 0 too: the first one is an increase only then
            faults.add(watch.injected.get(kind, 0) if watch else 0, kind)
        return faults

    def _receiver(self) -> Iterator[Family]:
        receiver = self._stats.receiver
        yield Family(catalogue.RECEIVER_DELIVERIES, receiver.deliveries)
        yield Family(catalogue.RECEIVER_RECEIPTS, receiver.receipts)
        yield Family(catalogue.RECEIVER_UNREADABLE, receiver.unreadable)
        yield Family(catalogue.RECEIVER_SESSIONS, receiver.sessions)
        yield Family(catalogue.RECEIVER_PARTITIONS, len(receiver.positions))

    def _life_cycles(self) -> Iterator[Family]:
        lives = self._stats.life_cycles
        yield Family(catalogue.LIFE_CYCLE_STATUSES, lives.stated if lives is not None else 0)
        yield Family(catalogue.LIFE_CYCLE_PENDING, len(lives) if lives is not None else 0)
        yield Family(catalogue.LIFE_CYCLE_LEFT_OUT, lives.left_out if lives is not None else 0)


def _histogram(spec: Spec, histogram: Histogram) -> Family:
    family = Family(spec)
    family.add_histogram(histogram)
    return family
