"""What a consumer's lag means, judged by rules over a window of moments instead of by a threshold.

A thousand unread records are nothing where a million a minute are read, and three are an outage where nobody reads
them. So each rule looks at how position and end moved. They are asked in this order, and the first that holds decides:
a consumer nobody hears of cannot be judged by its old figures; one that had read everything lately is well whatever
else the figures do; standing still is told before growing, for a lag that grows in front of a reader that stands still
has another cause and another remedy than one that outgrows a reader at work.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

#: How much of the past is looked at, and how much of it there must be before a rule may complain.
WINDOW_NS = 120_000_000_000
SPAN_MIN_NS = WINDOW_NS // 2


class LagState(StrEnum):
    """The judgement, best first."""

    CAUGHT_UP = "caught_up"  # had read everything at some moment not long ago
    KEEPING_UP = "keeping_up"  # behind, and not falling further behind
    RISING = "rising"  # reads, and falls further behind
    STALLED = "stalled"  # there is something to read, and it does not move
    STOPPED = "stopped"  # nothing is heard of it any more


class Moment(NamedTuple):
    """One look at a partition."""

    at_ns: int  # monotonic
    position: int  # the next offset to be read
    end: int  # the next offset to be written

    @property
    def lag(self) -> int:
        """Records not read."""
        return max(0, self.end - self.position)


def judge_lag(window: Sequence[Moment], now_ns: int) -> LagState:
    """Return the state of a partition from its moments of the last `WINDOW_NS`, oldest first.

    Never "not known yet": with too few moments for a complaint the answer is one of the first two.
    """
    rules = (
        (_is_stopped, LagState.STOPPED),
        (_is_caught_up, LagState.CAUGHT_UP),
        (_is_stalled, LagState.STALLED),
        (_is_rising, LagState.RISING),
    )
    return next((state for rule, state in rules if rule(window, now_ns)), LagState.KEEPING_UP)


def _is_stopped(window: Sequence[Moment], now_ns: int) -> bool:
    """Rule 1: if the newest moment is older than half a window, the consumer has stopped."""
    return not window or now_ns - window[-1].at_ns > SPAN_MIN_NS


def _is_caught_up(window: Sequence[Moment], now_ns: int) -> bool:
    """Rule 2: if everything was read at any moment of the newer half of the window, it is caught up."""
    return any(moment.lag == 0 for moment in window if now_ns - moment.at_ns <= SPAN_MIN_NS)


def _is_stalled(window: Sequence[Moment], now_ns: int) -> bool:
    """Rule 3: if the position was the same for at least half a window while there was lag, it has stalled."""
    still = [moment for moment in window if moment.position == window[-1].position and moment.lag]
    return len(still) > 1 and still[-1].at_ns - still[0].at_ns >= SPAN_MIN_NS


def _is_rising(window: Sequence[Moment], now_ns: int) -> bool:
    """Rule 4: if the least lag of the newest third of the moments is above the most of the oldest third, it rises.

    Thirds, because a lag is a saw-tooth: a fetch takes thousands of records at once.
    """
    third = len(window) // 3
    if not third or window[-1].at_ns - window[0].at_ns < SPAN_MIN_NS:
        return False
    return min(moment.lag for moment in window[-third:]) > max(moment.lag for moment in window[:third])


#: Worst last.
_ORDER = tuple(LagState)


def worst(states: Sequence[LagState]) -> LagState:
    """Return the worst of several partitions' states; caught up if there is none."""
    return max(states, key=_ORDER.index, default=LagState.CAUGHT_UP)
