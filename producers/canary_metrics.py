"""What a canary exports."""

from collections.abc import Iterator

from docaxis.domain.clock import Clock
from monitor import catalogue
from monitor.metric import Family
from producers.canary_watch import CanaryWatch

#: Shown from the start, so that the first of each is seen as an increase.
_CODES = (18, 19, 22, 23)
_ERRORS = ("KafkaTimeoutError",)


class CanaryMetrics:
    """Collector of one canary."""

    def __init__(self, watch: CanaryWatch, clock: Clock) -> None:
        self._watch = watch
        self._clock = clock

    def families(self) -> Iterator[Family]:
        """Yield everything."""
        watch, stats, now_us = self._watch, self._watch.stats, self._clock.wall_us()
        yield Family(catalogue.CANARY_DOCUMENTS, stats.documents)
        yield Family(catalogue.CANARY_RECEIVED, stats.received)
        yield Family(catalogue.CANARY_FORGOTTEN, stats.forgotten)
        errors, refused = Family(catalogue.CANARY_FAILED), Family(catalogue.CANARY_REFUSED)
        for error, number in (dict.fromkeys(_ERRORS, 0) | stats.errors).items():
            errors.add(number, error)
        for code, number in sorted((dict.fromkeys(_CODES, 0) | stats.refused).items()):
            refused.add(number, str(code))
        yield from (errors, refused)
        yield Family(catalogue.CANARY_OUTSTANDING, watch.outstanding)
        yield Family(catalogue.CANARY_OVERDUE, watch.overdue(now_us))
        yield Family(catalogue.CANARY_OLDEST, watch.oldest_us(now_us) / 1e6)
        latency = Family(catalogue.CANARY_LATENCY)
        for stage, histogram in stats.latency.items():
            latency.add_histogram(histogram, stage)
        yield latency
