"""Logs of a process: bounded, also while a broker is away and the client says so thousands of times."""

import logging

from docaxis.domain.clock import Clock

#: Lines of one logger and level in one interval; the rest is counted and told with the next line that passes.
LINES_MAX, INTERVAL_NS = 20, 10_000_000_000


def bounded(handler: logging.Handler, clock: Clock) -> logging.Handler:
    """Return the handler, made to write the moment and origin of each line, and only so many of them."""
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    handler.addFilter(LineLimit(clock))
    return handler


class LineLimit(logging.Filter):
    """Lets a few lines of each logger and level through in every interval."""

    def __init__(self, clock: Clock, lines_max: int = LINES_MAX, interval_ns: int = INTERVAL_NS) -> None:
        super().__init__()
        self._clock = clock
        self._lines_max = lines_max
        self._interval_ns = interval_ns
        self._seen: dict[tuple[str, int], tuple[int, int]] = {}  # (logger, level) -> (interval, lines)

    def filter(self, record: logging.LogRecord) -> bool:
        """Say whether the line is written."""
        interval = self._clock.monotonic_ns() // self._interval_ns
        key = (record.name, record.levelno)
        known, lines = self._seen.get(key, (interval, 0))
        left_out = 0
        if known != interval:
            left_out, lines = max(0, lines - self._lines_max), 0
        self._seen[key] = (interval, lines + 1)
        if left_out:
            record.msg = f"{record.getMessage()} (and {left_out} lines of this logger before it, left out)"
            record.args = ()
        return lines < self._lines_max
