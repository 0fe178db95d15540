"""What a fleet is told and what it did: the values that its parts share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from docaxis.domain.agency import Registry
from docaxis.kafka.topics import Topics
from docaxis.workload.faults import Fault
from producers.arrivals import Arrivals
from producers.life_cycle import LifeCycles
from producers.receiver import ReceiverStats
from producers.sender import SenderStats
from producers.window import Window


@dataclass(frozen=True, slots=True)
class FleetSettings:
    """What a fleet does, and where."""

    client: Mapping[str, Any]
    topics: Topics
    partitions: int
    run: str
    registry: Registry
    seed: int
    receive: bool = True
    conducted: bool = False  # the run has a plan and an end that somebody else decides
    name: str = "fleet-0"
    share: tuple[int, int] = (0, 1)  # this fleet's number and how many there are
    poll_interval_us: int = 0
    life_cycle: bool = False
    in_flight_max: int = 200_000  # documents, of an open load
    window: int = 200_000  # deliveries, of a closed load: sent and not yet closed in the ledger
    receiver_faults: Sequence[tuple[Fault, frozenset[str]]] = ()
    first_phase: str = ""  # of a scheduled load: where faults happen that name no phase


@dataclass(slots=True)
class FleetStats:
    """What the fleet did; read by the metrics collector."""

    sender: SenderStats
    receiver: ReceiverStats = field(default_factory=ReceiverStats)
    window: Window | None = None
    life_cycles: LifeCycles | None = None
    sending_ended: bool = False
    closed_deliveries: int = 0  # this fleet's part of what the ledger has closed
    phase: str = "idle"  # what the load is doing: one of a small set of names

    @classmethod
    def of(cls, partitions: int) -> "FleetStats":
        """Return zeroed counts."""
        return cls(SenderStats(Arrivals.of(partitions)))
