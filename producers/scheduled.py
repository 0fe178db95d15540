"""Sending a load by a plan: phase after phase, each document at its time, whatever becomes of the earlier ones.

Due times follow from the plan as it stands when a document's turn is near, so that a pause, another rate or the end of
a phase takes effect at the moment the conductor set, which lies further ahead than `HORIZON_US`.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from docaxis.domain.clock import Clock
from docaxis.domain.plan import NEVER_US, Plan
from producers.drafting import Drafter, Drafts
from producers.generator_watch import GeneratorWatch
from producers.offering import PhaseLoad
from producers.pacer import Pacer
from producers.sender import Sender
from producers.sender_faults import Faulted, SenderFaults
from producers.traffic import DraftBatch
from producers.window import Window

Int64s = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

#: Documents due within it are handed to the sender; a change of plan must lie further ahead.
HORIZON_US = 300_000

#: Longest sleep before the plan is looked at again.
LOOK_S = 0.1

#: Registries of up to so many agencies have their traffic counted by pair.
PAIR_AGENCIES_MAX = 256


@dataclass(frozen=True, slots=True)
class ScheduledLoad:
    """A load for each phase of a plan, and what befalls it."""

    phases: Sequence[PhaseLoad]
    faults: SenderFaults
    windows: Sequence[int | None]  # of closed phases: deliveries under way at most
    durations_us: Sequence[int]
    drafted_ahead: bool = False


@dataclass(slots=True)
class _Part:
    """Arrivals of one block that are this fleet's: points, documents and marks so far drafted."""

    points: Floats
    following: Floats  # the point after each, whichever fleet's
    drafts: Drafts
    marks: Int64s


@dataclass(slots=True)
class ScheduledSender:
    """Sends one fleet's share of a load."""

    load: ScheduledLoad
    sender: Sender
    drafter: Drafter
    watch: GeneratorWatch
    plan: Callable[[], Plan | None]
    clock: Clock
    share: tuple[int, int]
    agencies: int
    window: Window
    closed_total: Callable[[], int] = lambda: 0
    pairs: Int64s = field(init=False)
    _ahead: dict[int, tuple[list[_Part], int]] = field(default_factory=dict)  # and how many points they are made of
    _postponed: list[Faulted] = field(default_factory=list)

    def __post_init__(self) -> None:
        side = self.agencies if self.agencies <= PAIR_AGENCIES_MAX else 0
        self.pairs = np.zeros((side, side), np.int64)

    def prepare(self) -> None:
        """Draft everything, if the load asks for that."""
        if self.load.drafted_ahead:
            for number, window in enumerate(self.load.windows):
                if window is None:
                    self._ahead[number] = self._parts(number, self.load.durations_us[number])

    async def run(self, stop: asyncio.Event) -> None:
        """Send all phases as the plan says. A plan must be known."""
        for number, window in enumerate(self.load.windows):
            if stop.is_set():
                return
            if window is None:
                await self._send_open(number, stop)
            else:
                await self._send_closed(number, window, stop)
        while self._postponed and not stop.is_set():
            await self._send_slice(None, self.clock.wall_us() + HORIZON_US, stop)

    def _planned(self) -> Plan:
        plan = self.plan()
        assert plan is not None
        return plan

    # --- open phases

    def _parts(self, number: int, end_us: int) -> tuple[list[_Part], int]:
        """Draft a phase's points, as far as they are due before `end_us` at the workload's own rate; count them."""
        load = self.load.phases[number]
        parts, points = [], 0
        for block in load.blocks():
            times_us = load.times_us(block.points, ((0, 1.0),))
            count = int(np.searchsorted(times_us, end_us))
            if not count:
                break
            parts.append(self._part(number, block.points[:count], times_us[:count], block.draft(0, count)))
            points += count
        return parts, points

    def _part(self, number: int, points: Floats, times_us: Floats, batch: DraftBatch) -> _Part:
        """Draft what of a batch is this fleet's. Faults are drawn over all fleets' documents."""
        marks = self.load.faults.marks(number, times_us.astype(np.int64), lambda: self.drafter.packet_ids(batch))
        index, of = self.share
        following = np.append(points[1:], points[-1:])
        if of > 1:
            mine = np.flatnonzero(batch.sender % of == index)
            points, following, marks, batch = points[mine], following[mine], marks[mine], batch.ordered(mine)
        if len(self.pairs):
            np.add.at(self.pairs, (np.repeat(batch.sender, batch.fan_out), batch.recipient), 1)
        return _Part(points, following, self.drafter.draft(batch), marks)

    async def _send_open(self, number: int, stop: asyncio.Event) -> None:
        ahead, drafted = self._ahead.pop(number, ([], 0))
        for part in ahead:
            await self._send_part(number, part, stop)
        load = self.load.phases[number]
        # What was drafted ahead lasts for the phase at the workload's own rate: at a higher one more is due.
        for block in load.blocks():
            first = min(drafted, len(block.points))
            drafted -= first
            while first < len(block.points):
                due_us = self._due_us(number, block.points[first:])
                end_us = self._planned().phases[number].end_us
                count = int(np.searchsorted(due_us, end_us))
                if stop.is_set() or (not count and self._over(end_us)):
                    return
                if not count or due_us[0] >= self.clock.wall_us() + self._lead_us(first):
                    await self._send_slice(None, self.clock.wall_us() + HORIZON_US, stop)
                    await asyncio.sleep(LOOK_S / 2)
                    continue
                points = block.points[first : first + count]
                part = self._part(number, points, load.times_us(points, ((0, 1.0),)), block.draft(first, first + count))
                first += count
                await self._send_part(number, part, stop)

    def _over(self, end_us: int) -> bool:
        """Whether nothing more can become due in a phase: no change of plan comes so late.

        The next phase is begun then and not at its first moment, when its first documents are due already.
        """
        return self.clock.wall_us() + HORIZON_US >= end_us

    @staticmethod
    def _lead_us(first: int) -> int:
        """Return how long before its first document is due a block is drafted."""
        return HORIZON_US if first else 4 * HORIZON_US

    def _due_us(self, number: int, points: Floats) -> Int64s:
        """Return when points are due on the wall clock, as the plan stands now."""
        plan = self._planned()
        times_us = self.load.phases[number].times_us(points, plan.factors_of(number))
        finite = np.where(np.isfinite(times_us), times_us, NEVER_US / 2).astype(np.int64)
        return plan.wall_us(number, finite)

    async def _send_part(self, number: int, part: _Part, stop: asyncio.Event) -> None:
        first = 0
        while first < len(part.points) and not stop.is_set():
            due_us = self._due_us(number, part.points[first:])
            now_us, end_us = self.clock.wall_us(), self._planned().phases[number].end_us
            count = int(np.searchsorted(due_us, min(now_us + HORIZON_US, end_us)))
            if not count:
                if self._over(end_us):
                    return
                await self._send_slice(None, now_us + HORIZON_US, stop)
                await asyncio.sleep(LOOK_S / 2)
                continue
            chosen = np.arange(first, first + count)
            marks, following_us = part.marks[chosen], self._due_us(number, part.following[chosen])
            faulted = self.load.faults.apply(part.drafts.ordered(chosen), due_us[:count], marks, following_us)
            self._note_injected(part, chosen)
            first += count
            await self._send_slice(faulted, now_us + HORIZON_US, stop)

    def _note_injected(self, part: _Part, chosen: Int64s) -> None:
        marks = part.marks[chosen]
        for mark in np.unique(marks[marks >= 0]).tolist():
            befallen = chosen[marks == mark]
            deliveries = int(part.drafts.fan_out[befallen].sum())
            self.watch.on_injected(self.load.faults.faults[mark].kind, len(befallen), deliveries)

    async def _send_slice(self, faulted: Faulted | None, horizon_us: int, stop: asyncio.Event) -> None:
        """Send what is due before the horizon, of these documents and of those postponed; postpone the others."""
        parts = [*self._postponed, *([faulted] if faulted else [])]
        if not parts:
            return
        due_us = np.concatenate([part.due_us for part in parts])
        intended_us = np.concatenate([part.intended_us for part in parts])
        order = np.argsort(due_us, kind="stable")
        drafts = Drafts.joined([part.drafts for part in parts])
        if len(parts) > 1:
            drafts, due_us, intended_us = drafts.ordered(order), due_us[order], intended_us[order]
        count = int(np.searchsorted(due_us, horizon_us))
        later = np.arange(count, len(due_us))
        self._postponed = [Faulted(drafts.ordered(later), due_us[count:], intended_us[count:])] if len(later) else []
        if count:
            now = drafts.ordered(np.arange(count)) if len(later) else drafts
            wait = Pacer(self.clock).wait_until
            await self.sender.send_open(now, due_us[:count], wait, stop, intended_us[:count])

    # --- closed phases

    async def _send_closed(self, number: int, window: int, stop: asyncio.Event) -> None:
        await self._until(lambda: self.clock.wall_us() >= self._planned().phases[number].begin_us, stop)
        self.window.resize(window, self.sender.stats.deliveries - self.closed_total())
        await self.sender.send_closed(self._closed_drafts(number, stop), self.window, stop)

    async def _until(self, condition: Callable[[], bool], stop: asyncio.Event) -> None:
        """Wait until something that the clock or the plan decides is true, or until told to stop."""
        while not condition() and not stop.is_set():  # noqa: ASYNC110  # nobody could set an event for it
            await asyncio.sleep(0.005)

    def _goes_on(self) -> bool:
        now_us = self.clock.wall_us()
        return not any(begin_us <= now_us < end_us for begin_us, end_us in self._planned().pauses)

    async def _closed_drafts(self, number: int, stop: asyncio.Event) -> AsyncIterator[Drafts]:
        for block in self.load.phases[number].blocks():
            await self._until(self._goes_on, stop)
            await self.window.room()  # waited for here, so that nothing is drafted that would go after the phase's end
            plan = self._planned()
            if self.clock.wall_us() >= plan.phases[number].end_us:
                return
            now_us = plan.phase_us(number, self.clock.wall_us())
            part = self._part(
                number, block.points, np.full(len(block.points), float(now_us)), block.draft(0, len(block.points))
            )
            nothing_due = np.zeros(len(part.points), np.int64)
            faulted = self.load.faults.apply(part.drafts, nothing_due, part.marks, nothing_due)
            self._note_injected(part, np.arange(len(part.points)))
            if len(faulted.drafts):
                yield faulted.drafts
            await asyncio.sleep(0)
