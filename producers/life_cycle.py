"""The business life of a delivered document: which statuses its recipient states, and when, on the calendar.

01 arrived, then either 02 declined or 03 registered, 04 assigned, 05 in process, 06 done, each after an exponential
time in office hours whose mean is an assumption (life_cycle.toml). The draw is seeded by run seed, packet and
recipient, so the same run states the same things whoever receives first. A recall, update or replacement (business
kinds 1 to 3) is asked for by 13 and answered by 15 or 16.
"""

import heapq
import random
import tomllib
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any

from docaxis.domain.calendar import OfficeCalendar
from docaxis.domain.event import Delivered, Status
from docaxis.kafka.partitioner import partition_of

MINUTE_MS = 60_000
_LATER = (("03", "registered"), ("04", "assigned"), ("05", "in_process"), ("06", "done"))


@cache
def assumptions() -> dict[str, Any]:
    """Return the tables of life_cycle.toml."""
    return tomllib.loads(resources.files("docaxis").joinpath("data/life_cycle.toml").read_text(encoding="utf-8"))


def plan_statuses(event: Delivered, seed: int, calendar: OfficeCalendar) -> list[tuple[str, int]]:
    """Return (code, calendar_ms) of every status that the recipient will state, in order of time."""
    rng = random.Random(f"{seed}|{event.packet_id}|{event.recipient}")
    tables = assumptions()
    at_ms = event.calendar_ms
    if event.business:
        return _plan_recall(rng, at_ms, calendar)
    statuses = [("01", at_ms)]
    if rng.random() < tables["declined"]["share"]:
        return [*statuses, ("02", calendar.add_office_time(at_ms, _minutes(rng, tables["registered"]["mean_minutes"])))]
    for code, table in _LATER:
        urgent = event.priority > 0 and "urgent_mean_minutes" in tables[table]
        at_ms = calendar.add_office_time(
            at_ms, _minutes(rng, tables[table]["urgent_mean_minutes" if urgent else "mean_minutes"])
        )
        statuses.append((code, at_ms))
    return statuses


def _plan_recall(rng: random.Random, at_ms: int, calendar: OfficeCalendar) -> list[tuple[str, int]]:
    """Return the request that comes with a recall, update or replacement, and its answer.

    The request (13) is the sender's, and is stated where its packet arrives: the track is per recipient.
    """
    table = assumptions()["recall"]
    answer = "16" if rng.random() < table["refused_share"] else "15"
    return [("13", at_ms), (answer, calendar.add_office_time(at_ms, _minutes(rng, table["mean_minutes"])))]


def _minutes(rng: random.Random, mean: float) -> int:
    return int(rng.expovariate(1 / mean) * MINUTE_MS)


@dataclass(slots=True)
class LifeCycles:
    """Statuses that are still to be stated, in order of calendar time."""

    seed: int
    calendar: OfficeCalendar
    pending_max: int = 2_000_000
    partitions: int = 1 << 31  # of the topic of statuses
    left_out: int = 0  # deliveries whose life was not followed: there were too many, or it leaves the calendar
    stated: int = 0
    _pending: list[tuple[int, int, str, Delivered]] = field(default_factory=list)
    _sequence: int = 0

    def __len__(self) -> int:
        return len(self._pending)

    def begin(self, event: Delivered) -> None:
        """Plan the life of a delivered document."""
        if len(self._pending) >= self.pending_max:
            self.left_out += 1
            return
        try:
            planned = plan_statuses(event, self.seed, self.calendar)
        except ValueError:  # beyond the years whose working days are known
            self.left_out += 1
            return
        for code, at_ms in planned:
            self._sequence += 1
            heapq.heappush(self._pending, (at_ms, self._sequence, code, event))

    def due(self, calendar_ms: int | None, stated_us: int, at_most: int = 5000) -> list[tuple[int, bytes, Status]]:
        """Remove and return what is due by `calendar_ms` (None: everything), with its partition and key."""
        statuses: list[tuple[int, bytes, Status]] = []
        while self._pending and len(statuses) < at_most:
            if calendar_ms is not None and self._pending[0][0] > calendar_ms:
                break
            at_ms, _, code, event = heapq.heappop(self._pending)
            status = Status(
                1,
                event.run,
                event.packet_id,
                event.document_id,
                event.sender,
                event.recipient,
                code,  # type: ignore[arg-type]
                at_ms,
                stated_us,
            )
            key = event.document_id.encode()
            known = event.sent_partition < self.partitions
            statuses.append((event.sent_partition if known else partition_of(key, self.partitions), key, status))
        self.stated += len(statuses)
        return statuses
