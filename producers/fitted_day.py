"""What a fitted workload offers in one run, counted as a recording is: for holding one against the other. Pure."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from docaxis.domain.agency import Registry
from docaxis.domain.calendar import DAY_MS, HOUR_MS, VIETNAM_OFFSET_MS
from docaxis.workload.model import Workload
from producers.offering import Offering, read_trace

#: The epoch began on one.
THURSDAY = 3


@dataclass(slots=True)
class OfferedDay:
    """Documents and deliveries of all phases."""

    hours: Counter[int] = field(default_factory=Counter)  # hour of the calendar's day -> documents
    weekdays: Counter[int] = field(default_factory=Counter)  # Monday: 0 -> documents
    business: Counter[int] = field(default_factory=Counter)  # 0 new, 1 recall, 2 update, 3 replacement -> documents
    fan_outs: Counter[int] = field(default_factory=Counter)
    pairs: Counter[object] = field(default_factory=Counter)  # (sender's code, recipient's code) -> deliveries
    sizes: list[int] = field(default_factory=list)
    priorities: Counter[int] = field(default_factory=Counter)


def offered_day(workload: Workload, registry: Registry) -> OfferedDay:
    """Draft a workload's whole run, as a fleet would, and count it."""
    offering, day, codes = Offering(workload, registry, 0, read_trace), OfferedDay(), registry.codes
    for number, phase in enumerate(workload.offering):
        load = offering.load(number)
        for block in load.blocks():
            due_us = load.times_us(block.points, ((0, 1.0),))
            mine = int(np.searchsorted(due_us, phase.duration))
            batch = block.draft(0, mine)
            day.hours.update(((batch.calendar_ms + VIETNAM_OFFSET_MS) // HOUR_MS % 24).tolist())
            day.weekdays.update((((batch.calendar_ms + VIETNAM_OFFSET_MS) // DAY_MS + THURSDAY) % 7).tolist())
            day.business.update(batch.business.tolist())
            day.fan_outs.update(batch.fan_out.tolist())
            senders = np.repeat(batch.sender, batch.fan_out).tolist()
            pairs = zip(senders, batch.recipient.tolist(), strict=True)
            day.pairs.update((codes[sender], codes[recipient]) for sender, recipient in pairs)
            day.sizes += batch.size.tolist()
            day.priorities.update(batch.priority.tolist())
            if mine < len(due_us):
                break
    return day
