"""What a fleet may be given to send: at a rate, by a schedule, from a recording, or as fast as it is received."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from docaxis.domain.clock import Clock
from docaxis.recording.replay_plan import ReplayPlan
from producers.fleet_settings import FleetSettings
from producers.scheduled import ScheduledLoad
from producers.traffic import DraftBatch, Ordinals, TrafficModel


@dataclass(frozen=True, slots=True)
class OpenLoad:
    """Documents at a rate that waits for nothing."""

    per_second: float
    documents: int | None = None  # None: until stopped
    poisson: bool = True
    fan_out_mean: float = 3.4
    drafted_ahead: bool = False  # draft everything before the first is due: for measuring the schedule alone


@dataclass(frozen=True, slots=True)
class ClosedLoad:
    """Documents as fast as they are received."""

    batches: Iterator[DraftBatch]


@dataclass(frozen=True, slots=True)
class RecordedLoad:
    """Documents of the past, each at its moment; or, if the plan says so, as fast as they are received."""

    plan: ReplayPlan


Load = OpenLoad | ClosedLoad | ScheduledLoad | RecordedLoad


def follows_ledger(load: Load) -> bool:
    """Whether any of the load waits for earlier deliveries to be closed."""
    match load:
        case ClosedLoad():
            return True
        case ScheduledLoad():
            return any(load.windows)
        case RecordedLoad():
            return load.plan.closed and not load.plan.as_recorded
        case _:
            return False


def fitting_mean(fan_out_mean: float, agencies: int) -> float:
    """Return the mean number of recipients, less where so few agencies could not be as many recipients."""
    return fan_out_mean if fan_out_mean < agencies - 1 else agencies / 2


class TrafficOfToday:
    """Documents of today for an open load."""

    def __init__(self, settings: FleetSettings, fan_out_mean: float) -> None:
        self._registry = settings.registry
        model = TrafficModel.build(settings.registry, settings.seed, fitting_mean(fan_out_mean, len(settings.registry)))
        self._model = model.of_senders(np.arange(len(settings.registry)) % settings.share[1] == settings.share[0])
        self._ordinals = Ordinals(len(settings.registry))
        self._rng = np.random.default_rng(np.random.SeedSequence(settings.seed, spawn_key=settings.share))

    def draft(self, documents: int, clock: Clock) -> DraftBatch:
        """Return documents that are sent now."""
        return self._model.draft(self._rng, np.full(documents, clock.wall_us() // 1000), self._ordinals)
