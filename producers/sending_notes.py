"""What the sender notes of its documents, counted many at a time.

An open schedule wakes the sender for every document or two, and numpy takes as long to count two as two hundred.
Counting at each wake-up took half of the fleet's processor time, and whatever became due meanwhile was late for it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from monitor.histogram import Histogram
from producers.generator_watch import GeneratorWatch

Int64s = npt.NDArray[np.int64]

#: So many documents are counted without waiting for more.
NOTED_MAX = 4096


@dataclass(slots=True)
class _Timed:
    """Documents by the time that the schedule gave them, in groups to which something happened at one moment."""

    intended_us: list[int] = field(default_factory=list)
    moments_us: list[int] = field(default_factory=list)
    groups: list[int] = field(default_factory=list)

    def add(self, intended_us: Sequence[int], moment_us: int) -> None:
        self.intended_us += intended_us
        self.moments_us.append(moment_us)
        self.groups.append(len(intended_us))

    def columns(self) -> tuple[Int64s, Int64s]:
        """Return (intended, moment) of each document."""
        return np.array(self.intended_us, np.int64), np.repeat(np.array(self.moments_us, np.int64), self.groups)


@dataclass(slots=True)
class SendingNotes:
    """Notes that are still to be counted, and where: two histograms and the generator's watch, if there is one."""

    lateness: Histogram  # sent - intended
    publish: Histogram  # acked - intended
    watch: GeneratorWatch | None
    _due_us: list[Int64s] = field(default_factory=list)
    _errors_us: list[Int64s] = field(default_factory=list)
    _sent: _Timed = field(default_factory=_Timed)
    _sent_fan_out: list[Int64s] = field(default_factory=list)
    _acked: _Timed = field(default_factory=_Timed)

    def due(self, due_us: Int64s, errors_us: Int64s) -> None:
        """Note arrivals that became due, and how late the generator itself was for each."""
        if self.watch is not None:
            self._due_us.append(due_us)
            self._errors_us.append(errors_us)

    def dropped(self, intended_us: list[int], fan_out: Int64s) -> None:
        """Note arrivals that were offered and could not be sent."""
        if self.watch is not None:
            self.watch.on_offered(np.array(intended_us, np.int64), fan_out)

    def sent(self, intended_us: list[int], sent_us: int, fan_out: Int64s) -> None:
        """Note documents on their way."""
        self._sent.add(intended_us, sent_us)
        self._sent_fan_out.append(fan_out)
        self._count_many()

    def acked(self, intended_us: list[int], acked_us: int) -> None:
        """Note documents that the broker has."""
        self._acked.add(intended_us, acked_us)
        self._count_many()

    def _count_many(self) -> None:
        if len(self._sent.intended_us) + len(self._acked.intended_us) >= NOTED_MAX:
            self.count()

    def count(self) -> None:
        """Count everything that was noted since the last time."""
        for step in self.steps():
            step()

    def steps(self) -> tuple[Callable[[], None], ...]:
        """Return the counting in parts, for whoever has something to do in between."""
        return self._count_due, self._count_sent, self._count_acked

    def _count_due(self) -> None:
        if self._due_us and self.watch is not None:
            due_us, errors_us = np.concatenate(self._due_us), np.concatenate(self._errors_us)
            self._due_us, self._errors_us = [], []
            self.watch.on_due(due_us, errors_us)

    def _count_sent(self) -> None:
        if not self._sent.groups:
            return
        (intended_us, sent_us), fan_out = self._sent.columns(), np.concatenate(self._sent_fan_out)
        self._sent, self._sent_fan_out = _Timed(), []
        self.lateness.observe(sent_us - intended_us)
        if self.watch is not None:
            self.watch.on_offered(intended_us, fan_out)
            self.watch.on_sent(intended_us, sent_us, fan_out)

    def _count_acked(self) -> None:
        if not self._acked.groups:
            return
        intended_us, acked_us = self._acked.columns()
        self._acked = _Timed()
        self.publish.observe(acked_us - intended_us)
        if self.watch is not None:
            self.watch.on_acked(intended_us, acked_us)
