"""When each recorded event is due in a replay. Pure: recorded times in, microseconds after the start out.

Due times are absolute, `(t - t0) / speed`, never a chain of sleeps: an error of one is not passed on to the next. Idle
stretches are cut, and a rate is limited, by shifting what follows; how much was cut and shifted is counted.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Int64s = npt.NDArray[np.int64]

SECOND_US = 1_000_000


@dataclass(slots=True)
class ReplaySchedule:
    """Due times of events that come in blocks, in order of recorded time.

    `speed`: how many recorded seconds pass in one second. `max_gap_us` and `rate_per_s` are of the replay's own time.
    """

    start_us: int  # recorded time of the first event
    speed: float = 1.0
    max_gap_us: int | None = None
    rate_per_s: float | None = None
    gaps_skipped: int = 0
    skipped_us: int = 0  # of the replay's own time
    capped: int = 0  # events that the rate limit shifted
    capped_us_max: int = 0  # by how much at most
    end_us: int = 0  # due time of the newest event
    _last_scaled: float | None = None
    _removed: float = 0.0
    _free_us: float = 0.0  # when the rate limit lets the next event go

    def due(self, time_us: Int64s) -> Int64s:
        """Return when each event of the next block is due, in microseconds after the start; ties stay ties.

        With a rate limit no two events share a moment.
        """
        if not len(time_us):
            return np.empty(0, np.int64)
        scaled = (time_us - self.start_us) / self.speed
        due = scaled - self._cut_gaps(scaled)
        if self.rate_per_s is not None:
            due = self._limit(due, SECOND_US / self.rate_per_s)
        self.end_us = int(due[-1])
        return np.floor(due).astype(np.int64)

    def _cut_gaps(self, scaled: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return how much idle time was cut before each event."""
        if self.max_gap_us is None:
            return np.zeros(len(scaled))
        before = np.concatenate([[scaled[0] if self._last_scaled is None else self._last_scaled], scaled[:-1]])
        excess = np.maximum(scaled - before - self.max_gap_us, 0)
        removed = self._removed + np.cumsum(excess)
        self.gaps_skipped += int(np.count_nonzero(excess))
        self.skipped_us += round(float(excess.sum()))
        self._last_scaled, self._removed = float(scaled[-1]), float(removed[-1])
        return np.asarray(removed)

    def _limit(self, due: npt.NDArray[np.float64], interval_us: float) -> npt.NDArray[np.float64]:
        """Let events go at least one interval apart: late ones wait, and nothing is left out."""
        steps = np.arange(len(due)) * interval_us
        limited = np.maximum(np.maximum.accumulate(due - steps), self._free_us) + steps
        shifted = limited - due
        self.capped += int(np.count_nonzero(shifted >= 1))
        self.capped_us_max = max(self.capped_us_max, round(float(shifted.max())))
        self._free_us = float(limited[-1]) + interval_us
        return np.asarray(limited)
