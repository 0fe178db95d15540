"""Joining a load test: a fleet learns from the control topic what to offer, whichever machine it is on."""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from docaxis.domain.agency import Registry
from docaxis.domain.control import Offer
from docaxis.domain.errors import UsageError
from docaxis.kafka.control import ControlFeed
from docaxis.kafka.topics import Topics
from docaxis.workload.file import workload_of
from docaxis.workload.model import Workload
from producers.fleet_settings import FleetSettings
from producers.offering import Offering, agencies_named, read_trace
from producers.receiver_faults import named_codes
from producers.scheduled import ScheduledLoad
from producers.sender_faults import SenderFaults

#: How long a fleet that was started first waits for the run.
OFFER_WITHIN_S = 120.0


@dataclass(frozen=True, slots=True)
class Joined:
    """What a fleet needs to take part."""

    workload: Workload
    load: ScheduledLoad | None  # None: it only receives
    receiver_faults: Sequence[Any]

    def settings(self, settings: FleetSettings) -> FleetSettings:
        """Return a fleet's settings with what the workload says."""
        receipts = self.workload.receipts
        return replace(
            settings,
            conducted=True,
            seed=self.workload.seed,
            poll_interval_us=receipts.poll_interval,
            life_cycle=receipts.life_cycle,
            in_flight_max=self.workload.generator.in_flight,
            receiver_faults=self.receiver_faults,
            first_phase=self.workload.first_phase,
        )


async def join_load_test(
    client: Mapping[str, Any], topics: Topics, run: str, registry: Registry, *, sends: bool = True
) -> Joined:
    """Wait for a run's offer and make a load of it. Raises UsageError if none comes."""
    feed, stop = ControlFeed(client, topics), asyncio.Event()
    following = asyncio.ensure_future(feed.follow(stop))
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(OFFER_WITHIN_S):
                while run not in feed.offers:
                    feed.changed.clear()
                    await feed.changed.wait()
    finally:
        stop.set()
        await asyncio.gather(following, return_exceptions=True)
    if run not in feed.offers:
        raise UsageError(
            f"no load test {run!r} was announced on {topics.control} within {OFFER_WITHIN_S:.0f} s",
            next_step="give --run as `docaxis run` printed it",
        )
    return joined_of(feed.offers[run], registry, sends=sends)


def joined_of(offer: Offer, registry: Registry, *, sends: bool = True) -> Joined:
    """Make a load of an offer. Raises UsageError where nobody can only receive."""
    workload = workload_of(offer.workload, f"offered by {offer.run}").workload
    if not sends and workload.receipts.life_cycle:
        raise UsageError(
            f"{offer.run} states business statuses, by the calendar of the documents that a fleet sends",
            next_step="leave --no-send out: each fleet of this run sends and receives",
        )

    def codes_of(names: Sequence[str]) -> list[str]:
        return [registry.codes[index] for index in np.flatnonzero(agencies_named(names, registry)).tolist()]

    load = _load_of(offer, workload, registry) if sends else None
    return Joined(workload, load, named_codes(workload.faults, codes_of))


def _load_of(offer: Offer, workload: Workload, registry: Registry) -> ScheduledLoad:
    offering = Offering(workload, registry, offer.started_ms, read_trace)
    phases = workload.offering
    return ScheduledLoad(
        [offering.load(number) for number in range(len(phases))],
        SenderFaults(workload.faults, [phase.name for phase in phases], workload.first_phase, workload.seed),
        [phase.in_flight if phase.closed else None for phase in phases],
        [phase.duration for phase in phases],
        drafted_ahead=workload.documents.drafted_ahead,
    )
