"""The sizing table of docs/OPERATING.md: what so many documents a day need, from costs that were measured.

Pure arithmetic. What was measured stands in `Measured`, with where from in the document itself; what is only assumed
stands in constants of their own, so that the table can say which is which.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from docaxis.settings import TopicSettings
from producers.history import History
from streams.ledger import LedgerBounds

BEGIN = "<!-- Made by `docaxis generate sizing`; do not edit. -->\n"
END = "<!-- The end of what `docaxis generate sizing` made. -->\n"

#: The rows of the table: documents on an ordinary working day.
DOCUMENTS_A_DAY = (10_000, 100_000, 1_000_000, 10_000_000)

#: Share of a core that is planned for: the rest is for what a restart or rebalance leaves behind.
CORE_SHARE = 0.7

#: Three brokers can lose one (replication 3, `min_insync_replicas` 2); what one broker carries was not measured.
BROKERS = 3

#: Fewest of each role, so that one may be away.
ROLES_MIN = 2

#: Fewest partitions: two a broker.
PARTITIONS_MIN = 6

#: Days whose deliveries the memory is told for.
MEMORY_DAYS = 30

_DAY_S = 86_400
_HALF_HOUR_S = 1_800


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured on this project's machine; each figure stands in docs/OPERATING.md with how to repeat it."""

    documents: int = 1_033_715
    deliveries: int = 3_366_285
    hub_us: float = 3.0  # CPU time a delivery
    worker_us: float = 6.9
    remembered_bytes: int = 62  # of a stream worker's memory a closed delivery
    worker_bytes: int = 124_000_000  # of a stream worker that remembers next to nothing
    disk_bytes: tuple[tuple[int, int], ...] = ((2, 348), (40, 220))  # documents/s, and bytes a delivery and replica

    @property
    def fan_out(self) -> float:
        """Recipients of a document."""
        return self.deliveries / self.documents

    def disk_bytes_at(self, documents_per_s: float) -> int:
        """Return bytes a delivery and replica; between two rates that were measured, those of the lower one."""
        reached = [size for rate, size in self.disk_bytes if documents_per_s >= rate]
        return reached[-1] if reached else self.disk_bytes[0][1]


@dataclass(frozen=True, slots=True)
class Size:
    """What so many documents a day need."""

    documents: int  # on an ordinary working day
    mean_per_s: float  # documents, over the 24 hours
    peak_per_s: float  # documents, in the busiest half hour of the busiest day
    deliveries_peak_per_s: float
    hubs: int
    workers: int
    partitions: int
    disk_bytes_a_day: float  # one replica
    disk_bytes: float  # one replica, for as long as events are kept
    memory_bytes: float  # of one stream worker that has all partitions, after `MEMORY_DAYS`
    memory_bytes_max: float  # the same at the ledger's horizon


def peak_of(half_hours: Iterable[float], day_factor: float) -> float:
    """Return the rate in the busiest half hour of a day `day_factor` as busy as others, over the mean of 24 hours."""
    weights = list(half_hours)
    return max(weights) / sum(weights) * len(weights) * day_factor


def size_of(documents: int, peak: float, measured: Measured, topics: TopicSettings, horizon: int) -> Size:
    """Return what `documents` a day need; `peak` is the highest rate over the mean one, `horizon` the ledger's."""
    mean = documents / _DAY_S
    deliveries, deliveries_peak = documents * measured.fan_out, mean * peak * measured.fan_out
    kept_days = topics.retention_hours / 24
    # The ledger should know a duplicate of whatever the topics still hold.
    partitions = max(PARTITIONS_MIN, math.ceil(deliveries * kept_days / horizon))
    partitions = math.ceil(partitions / BROKERS) * BROKERS
    disk = deliveries * measured.disk_bytes_at(mean)
    remembered = min(deliveries * MEMORY_DAYS, partitions * horizon)
    return Size(
        documents=documents,
        mean_per_s=mean,
        peak_per_s=mean * peak,
        deliveries_peak_per_s=deliveries_peak,
        hubs=_roles(deliveries_peak, measured.hub_us),
        workers=_roles(deliveries_peak, measured.worker_us),
        partitions=partitions,
        disk_bytes_a_day=disk,
        disk_bytes=disk * kept_days,
        memory_bytes=measured.worker_bytes + remembered * measured.remembered_bytes,
        memory_bytes_max=measured.worker_bytes + partitions * horizon * measured.remembered_bytes,
    )


def _roles(per_s: float, cost_us: float) -> int:
    return max(ROLES_MIN, math.ceil(per_s * cost_us / 1e6 / CORE_SHARE))


def sizing_markdown(documents_a_day: Iterable[int] = DOCUMENTS_A_DAY) -> str:
    """Return the table."""
    assumed, topics, horizon = History.load().assumed, TopicSettings(), LedgerBounds().closed_horizon
    peak = peak_of(assumed["hours"]["working_day"], assumed["days"]["year_end"])
    sizes = [size_of(one, peak, Measured(), topics, horizon) for one in documents_a_day]
    titles = (
        "documents a working day",
        "mean, peak documents/s",
        "peak deliveries/s",
        "hubs",
        "stream workers",
        "brokers",
        "partitions",
        "disk a day",
        f"disk for {topics.retention_hours} h",
        f"a worker's memory after {MEMORY_DAYS} days",
        "and at most",
    )
    return f"| {' | '.join(titles)} |\n|{'---|' * len(titles)}\n" + "".join(map(_row, sizes))


def _row(size: Size) -> str:
    cells = (
        f"{size.documents:,}",
        f"{_short(size.mean_per_s)}, {_short(size.peak_per_s)}",
        _short(size.deliveries_peak_per_s),
        str(size.hubs),
        str(size.workers),
        str(BROKERS),
        str(size.partitions),
        _bytes(size.disk_bytes_a_day),
        _bytes(size.disk_bytes),
        _bytes(size.memory_bytes),
        _bytes(size.memory_bytes_max),
    )
    return f"| {' | '.join(cells)} |\n"


def _short(number: float) -> str:
    """Return two digits of a number: more would claim to know more than it does."""
    if number <= 0:
        return "0"
    digits = 1 - math.floor(math.log10(number))
    return f"{round(number, digits):,.{max(0, digits)}f}"


def _bytes(size: float) -> str:
    for unit, name in ((1e9, "GB"), (1e6, "MB")):
        if size >= unit:
            return f"{_short(size / unit)} {name}"
    return f"{_short(size / 1e3)} kB"


def with_sizing(page: str) -> str:
    """Return a page with the table of now between its marks.

    Raises:
        ValueError: the marks are not there, or not in this order.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"it lacks the lines {BEGIN.strip()} and {END.strip()}")
    return before + BEGIN + sizing_markdown() + END + after
