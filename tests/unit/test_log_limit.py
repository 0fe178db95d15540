"""A role's log stays small while a client repeats itself, and says how much was left out."""

import logging

from docaxis.commands.log_limit import LineLimit
from docaxis.domain.clock import ManualClock


def line(text: str, name: str = "aiokafka", level: int = logging.ERROR) -> logging.LogRecord:
    return logging.LogRecord(name, level, "", 0, text, (), None)


def test_lines_beyond_the_bound_are_left_out_until_the_next_interval_and_then_counted() -> None:
    clock = ManualClock()
    limit = LineLimit(clock, lines_max=3, interval_ns=1_000_000_000)
    assert [limit.filter(line("no broker")) for _ in range(5)] == [True, True, True, False, False]
    clock.advance_us(1_000_000)
    last = line("no broker")
    assert limit.filter(last)
    assert last.getMessage() == "no broker (and 2 lines of this logger before it, left out)"


def test_loggers_and_levels_are_bounded_apart() -> None:
    limit = LineLimit(ManualClock(), lines_max=1, interval_ns=1_000_000_000)
    assert limit.filter(line("one"))
    assert not limit.filter(line("two"))
    assert limit.filter(line("three", name="docaxis"))
    assert limit.filter(line("four", level=logging.WARNING))
