"""Conducting a replay: a load test of one phase that ends when everything was sent, and that can be gone on with."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from aiokafka import AIOKafkaProducer

from docaxis.commands.conduct_load import CHANGE_LEAD_US, LoadConductor
from docaxis.commands.steering import phases_ended
from docaxis.domain.clock import SystemClock
from docaxis.domain.control import Command
from docaxis.domain.plan import NEVER_US, Plan, first_plan
from docaxis.kafka.topics import Topics
from docaxis.recording.replay_plan import Extent, ReplayPlan
from monitor.reading import ARRIVALS, Readings
from monitor.settle import progress_mark, sending_ended

#: The one phase of a replay.
PHASE = "replay"

#: A closed replay has no schedule that tells its end: far off, until all is sent.
CLOSED_US = 365 * 86_400_000_000

#: After the last event is due; so much longer no clock's grain can make it seem beyond the end.
AFTER_LAST_US = 1_000_000


@dataclass(slots=True, kw_only=True)
class ReplayConductor(LoadConductor):
    """Conducts one life of a replay; how it was steered is kept beside the run, for whoever measures fidelity."""

    replay: ReplayPlan
    extent: Extent
    folder: Path
    receivers: int  # fleets that only receive
    _began_us: int = 0
    _mark: tuple[int, ...] = ()
    _moved_us: int = 0

    # By its name: a dataclass with slots is another class than the one that super() would ask.
    def __post_init__(self) -> None:
        LoadConductor.__post_init__(self)
        self._began_us = SystemClock().wall_us()

    def _first_plan(self, begin_us: int) -> Plan:
        closed = self.replay.closed
        plan = first_plan(self.run, begin_us, [(PHASE, "load", longest_us(self.replay, self.extent), True, closed)])
        return msgspec.structs.replace(plan, number=self.replay.life + 1, speed=0.0 if closed else self.replay.speed)

    def _ended_early(self, readings: Readings) -> Plan | None:
        at_us = SystemClock().wall_us() + CHANGE_LEAD_US
        plan = self._planned()
        return phases_ended(plan, at_us) if plan.end_us > at_us and self._sending_ended(readings, ()) else None

    def _quiet_since_us(self, plan: Plan, readings: Readings) -> int:
        """Wait for as long as anything moves: a replay may offer more than the axis takes, and be behind at its end."""
        mark = progress_mark(readings, self.run)
        if mark != self._mark:
            self._mark, self._moved_us = mark, SystemClock().wall_us()
        return max(plan.end_us, self._moved_us)

    def _sending_ended(self, readings: Readings, sources: Collection[str]) -> bool:
        """Whether all fleets of this life have said so, by any name; what an earlier life said does not count."""
        fleets, partitions = self.fleets + self.receivers, self.settings.topics.partitions
        told_us = [one.at_us for one in readings.of(self.run, ARRIVALS)]
        return sending_ended(readings, self.run, fleets, partitions) and min(told_us) >= self._began_us

    def _changed(self, plan: Plan, command: Command, at_us: int) -> Plan:
        changed = LoadConductor._changed(self, plan, command, at_us)
        if command.verb in ("stop", "end-phase") or changed is plan or self.replay.closed:
            return changed
        return lasting(changed, longest_us(self.replay, self.extent))

    async def _say_plan(self, plan: Plan, producer: AIOKafkaProducer, topics: Topics) -> Plan:
        path = self.replay.steps(self.folder)
        unfinished = path.with_suffix(".part")
        unfinished.write_bytes(msgspec.json.encode(plan))
        unfinished.replace(path)
        return await LoadConductor._say_plan(self, plan, producer, topics)


def longest_us(replay: ReplayPlan, extent: Extent) -> int:
    """Return how long a replay takes at most at its own speed; gaps that are cut only make it shorter."""
    if replay.closed:
        return CLOSED_US
    held_us = round(extent.events * 1e6 / replay.rate_per_s) if replay.rate_per_s else 0
    return round(extent.span_us / replay.speed) + held_us + AFTER_LAST_US


def lasting(plan: Plan, offered_us: int) -> Plan:
    """Return the plan with its phase as long as it takes to offer so much of a recording, at its rates."""
    (phase,) = plan.phases
    # Changes count as far as the phase goes, so its old end must not hide one that lies beyond it.
    endless = msgspec.structs.replace(plan, phases=[msgspec.structs.replace(phase, end_us=NEVER_US)])
    end_us = int(endless.due_us(0, np.array([offered_us], np.int64))[0])
    return msgspec.structs.replace(plan, phases=[msgspec.structs.replace(phase, end_us=min(end_us, NEVER_US))])
