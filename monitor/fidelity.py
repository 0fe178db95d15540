"""How faithful a replay was: what was sent, held against the recording and its schedule. Pure: columns in, figures out.

The figures are taken from what stands in the topic, not from what the sender says of itself.

- *Send-time error*: sent - intended of each document, exact.
- *Intended-time error*: intended - (start + due); each life of a replay (it may be resumed) has its own start, the
  median of its documents' differences. Anything but zero means that the schedule was not absolute.
- *Inter-arrivals*: the gaps of each sender, between documents that follow each other. A gap of 10 ms or more in the
  schedule is compared with the same gap as it was sent; the Kolmogorov-Smirnov distance is the largest difference of
  the two distributions. Shorter gaps drown in the grain of any clock: for them, documents per second are compared.
- *Counts*: of every (sender, recipient) pair, and of every recorded hour: equal, or not.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Int64s = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

#: Gaps from here on are compared one by one.
GAP_MIN_US = 10_000

#: A sender with fewer such gaps says little by itself; its gaps count in the pooled distance.
GAPS_MIN = 100

#: Documents whose starts differ by more than this belong to different lives of a replay.
LIFE_US = 1_000_000

SECOND_US = 1_000_000


@dataclass(frozen=True, slots=True)
class Sent:
    """The documents of a replay that stand in the topic, in the order of the plan."""

    due_us: Int64s  # after the start, by the schedule
    intended_us: Int64s
    sent_us: Int64s
    sender: npt.NDArray[np.int32]  # any numbering


@dataclass(frozen=True, slots=True)
class Counts:
    """Deliveries by pair, and documents by recorded hour, of the plan and of the topic."""

    planned: Mapping[object, int]
    found: Mapping[object, int]

    @property
    def differing(self) -> int:
        """How many classes have another count."""
        keys = self.planned.keys() | self.found.keys()
        return sum(self.planned.get(key, 0) != self.found.get(key, 0) for key in keys)


@dataclass(frozen=True, slots=True)
class Fidelity:
    """The figures. Times in microseconds, of the replay's own time."""

    documents_planned: int
    documents_sent: int  # distinct packets of the plan in the topic
    documents_doubled: int
    documents_strange: int  # of this run, and not in the plan
    send_error_us: Mapping[str, int]  # p50, p99, max
    intended_error_us_max: int
    lives: int
    gaps_compared: int
    ks_pooled: float
    ks_worst: float  # of the senders with enough gaps
    ks_worst_sender: int  # its number in the columns; -1 where none has enough
    seconds_moved_share: float  # of documents, that went out in another second than scheduled
    pairs: int
    pairs_differing: int
    hours: int
    hours_differing: int

    @property
    def complete(self) -> bool:
        """Whether exactly what was planned stands in the topic."""
        return (
            self.documents_sent == self.documents_planned
            and not self.documents_doubled
            and not self.documents_strange
            and not self.pairs_differing
            and not self.hours_differing
        )


def ks_distance(one: Floats | Int64s, other: Floats | Int64s) -> float:
    """Return the Kolmogorov-Smirnov distance of two samples, the largest difference of their distributions.

    0 if one is empty.
    """
    if not len(one) or not len(other):
        return 0.0
    first, second = np.sort(one), np.sort(other)
    at = np.concatenate([first, second])
    below_first = np.searchsorted(first, at, side="right") / len(first)
    below_second = np.searchsorted(second, at, side="right") / len(second)
    return float(np.abs(below_first - below_second).max())


def lives_of(sent: Sent) -> tuple[Int64s, Int64s]:
    """Return the life that each document was sent in, and the start of each life.

    In one life, intended = start + due for every document. A resumed replay has a later start.
    """
    starts = sent.intended_us - sent.due_us
    order = np.argsort(starts, kind="stable")
    ordered = starts[order]
    new = np.concatenate([[False], np.diff(ordered) > LIFE_US]) if len(ordered) else np.empty(0, np.bool_)
    life = np.empty(len(starts), np.int64)
    life[order] = np.cumsum(new)
    count = int(life.max()) + 1 if len(life) else 0
    return life, np.array([np.median(starts[life == number]) for number in range(count)], np.int64)


def compared_gaps(sent: Sent, life: Int64s) -> tuple[Int64s, Int64s, npt.NDArray[np.int32]]:
    """Return each sender's gaps of GAP_MIN_US or more: scheduled, as sent, whose; none across lives."""
    order = np.lexsort((np.arange(len(sent.due_us)), sent.sender))
    sender, alive = sent.sender[order], life[order]
    scheduled, found = np.diff(sent.due_us[order]), np.diff(sent.sent_us[order])
    same = (np.diff(sender) == 0) & (np.diff(alive) == 0) & (scheduled >= GAP_MIN_US)
    return scheduled[same], found[same], sender[1:][same]


def seconds_moved(sent: Sent, life: Int64s, starts: Int64s) -> float:
    """Return the share of documents by which the counts per second differ from the schedule's."""
    if not len(sent.due_us):
        return 0.0
    scheduled = sent.due_us // SECOND_US
    found = (sent.sent_us - starts[life]) // SECOND_US
    # Only seconds in which something is due or sent are counted: a replay may be long and mostly silent.
    _, at = np.unique(np.concatenate([scheduled, found]), return_inverse=True)
    wanted = np.bincount(at[: len(scheduled)], minlength=int(at.max()) + 1)
    counted = np.bincount(at[len(scheduled) :], minlength=len(wanted))
    return float(np.abs(wanted - counted).sum() / 2 / len(sent.due_us))


def measure(
    sent: Sent, *, documents_planned: int, documents_doubled: int, documents_strange: int, pairs: Counts, hours: Counts
) -> Fidelity:
    """Hold what was sent against the plan."""
    life, starts = lives_of(sent)
    error = np.sort(sent.sent_us - sent.intended_us)
    scheduled, found, whose = compared_gaps(sent, life)
    worst, worst_sender = 0.0, -1
    for number, gaps in zip(*np.unique(whose, return_counts=True), strict=True):
        if gaps >= GAPS_MIN:
            distance = ks_distance(scheduled[whose == number], found[whose == number])
            if distance > worst or worst_sender < 0:
                worst, worst_sender = distance, int(number)
    intended_error = np.abs(sent.intended_us - sent.due_us - starts[life]) if len(life) else np.zeros(1, np.int64)
    return Fidelity(
        documents_planned,
        len(sent.due_us),
        documents_doubled,
        documents_strange,
        {name: _quantile(error, q) for name, q in (("p50", 0.5), ("p99", 0.99), ("max", 1.0))},
        int(intended_error.max()),
        len(starts),
        len(scheduled),
        ks_distance(scheduled, found),
        worst,
        worst_sender,
        seconds_moved(sent, life, starts),
        len(pairs.planned),
        pairs.differing,
        len(hours.planned),
        hours.differing,
    )


def _quantile(ordered: Int64s, q: float) -> int:
    """Return the smallest value that a share q of the sample does not exceed."""
    return int(ordered[max(0, int(np.ceil(q * len(ordered))) - 1)]) if len(ordered) else 0


def fidelity_faults(
    fidelity: Fidelity, *, error_p99_us_max: int | None = None, ks_max: float | None = None
) -> tuple[str, ...]:
    """Return why a replay was not faithful: always if it is not complete, and by the objectives that are given."""
    faults = []
    if not fidelity.complete:
        faults.append(
            f"replay: {fidelity.documents_sent:,} of {fidelity.documents_planned:,} documents sent, "
            f"{fidelity.documents_doubled:,} doubled, {fidelity.documents_strange:,} not in the plan, "
            f"{fidelity.pairs_differing:,} pairs and {fidelity.hours_differing:,} hours differ"
        )
    p99 = fidelity.send_error_us["p99"]
    if error_p99_us_max is not None and p99 > error_p99_us_max:
        faults.append(f"replay: send-time error p99 {p99 / 1000:.3f} ms, at most {error_p99_us_max / 1000:g} ms wanted")
    if ks_max is not None and fidelity.ks_pooled > ks_max:
        faults.append(f"replay: Kolmogorov-Smirnov distance {fidelity.ks_pooled:.4f}, at most {ks_max:g} wanted")
    return tuple(faults)
