"""What was exhausted when something gave way: a hub's limit that was set on purpose, or processors."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from docaxis.commands.axis import cpu_seconds
from docaxis.commands.conduct_load import LoadMoment
from docaxis.kafka.broker import broker_status
from docaxis.settings import Settings
from docaxis.workload.units import parse_rate
from monitor.series import phase_number

#: A process this busy is what gave way, if something did. A role does its work in one thread; a broker may have all
#: processors.
BUSY_SHARE = 0.9

#: A hub that was limited on purpose had reached its limit if what was received lies within this share below it.
LIMIT_NEAR = 0.1

#: What is said of a hub that had.
HUB_LIMIT = "the hub's limit, set on purpose"

#: The broker among the processes.
BROKER = "broker"


def resource_of(result: Mapping[str, Any], busy: Mapping[str, float], cores: int | None = None) -> str:
    """Return what was exhausted; nothing where that is not known.

    `busy` is how many processors each process kept busy while it was measured; `cores` how many this machine has.
    """
    limit = _limit_on_purpose(result)
    if limit is not None and result["rates"]["deliveries_per_second"] >= (1 - LIMIT_NEAR) * limit:
        return HUB_LIMIT
    if not busy:
        return ""
    cores = cores or os.cpu_count() or 1
    shares = {name: used / (cores if name == BROKER else 1) for name, used in busy.items()}
    busiest = max(shares, key=lambda name: shares[name])
    if shares[busiest] > BUSY_SHARE:
        return f"processor of {busiest}"
    if sum(busy.values()) > BUSY_SHARE * cores:
        return f"all processors of this machine, mostly {max(busy, key=lambda name: busy[name])}"
    return ""


def _limit_on_purpose(result: Mapping[str, Any]) -> float | None:
    """Return the deliveries a second to which the workload limits the hub, or None."""
    faults = result["workload"].get("faults", ())
    return next((parse_rate(fault["rate"]).value for fault in faults if fault["kind"] == "limited-hub"), None)


def broker_pids(settings: Settings) -> tuple[int, ...]:
    """Return the processes of the broker that a run uses, if it is one of ours on this machine."""
    status = broker_status(settings)
    return status.pids if status.bootstrap_servers == settings.kafka.bootstrap_servers else ()


@dataclass(slots=True)
class BusyWatch:
    """Adds up the processor time of each process while the run is measured.

    Over the whole run it would tell nothing: what settles before and what drains behind hide that it was all in use.
    """

    brokers: Sequence[int] = ()  # their processes
    _measured_s: float = 0.0
    _used_s: dict[str, float] = field(default_factory=dict)
    _last: tuple[int, float, dict[str, float]] | None = None  # phase, second of the run, processor time since the start

    def observe(self, moment: LoadMoment) -> None:
        """Look at one moment of the run."""
        number = phase_number(moment.plan, int(moment.plan.begin_us / 1e6 + moment.elapsed_s))
        if number < 0 or not moment.plan.phases[number].measured:
            self._last = None
            return
        now = dict(moment.cpu_seconds)
        if self.brokers:
            now[BROKER] = sum(cpu_seconds(pid) for pid in self.brokers)
        if self._last is not None and self._last[0] == number:
            _, second, before = self._last
            self._measured_s += moment.elapsed_s - second
            for name, used in now.items():
                # Less than before: it was killed and started again, and counts anew.
                more = used - before.get(name, used)
                self._used_s[name] = self._used_s.get(name, 0.0) + max(0.0, more)
        self._last = (number, moment.elapsed_s, now)

    @property
    def busy(self) -> dict[str, float]:
        """Processors that each process kept busy; empty if nothing was measured."""
        if self._measured_s <= 0:
            return {}
        return {name: round(used / self._measured_s, 3) for name, used in self._used_s.items()}
