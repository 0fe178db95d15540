"""Objectives that end a run early: a count that is already beyond its limit, or a latency missed for a while on end."""

import time
from collections.abc import Sequence

from docaxis.commands.conduct_load import LoadMoment
from docaxis.domain.agency import Registry
from docaxis.workload.objectives import Objective
from monitor.reading import ARRIVALS, LEDGER
from monitor.series import LATENCIES, phase_number

#: A latency, or the received share, must be missed for so long before the run is ended.
MISSED_FOR_S = 10

#: Seconds this old are complete.
_BEHIND_S = 4


class ObjectiveWatch:
    """Watches the objectives with `abort`."""

    def __init__(self, objectives: Sequence[Objective], run: str, registry: Registry) -> None:
        self._objectives = [one for one in objectives if one.abort]
        self._run = run
        self._registry = registry

    def why_abort(self, moment: LoadMoment) -> str:
        """Return which objective ends the run, or nothing."""
        for one in self._objectives:
            if one.count is not None and self._counted(one, moment) > one.at_most_count:
                return f"objective {one.name!r} can no longer be met"
            if one.stage is not None and self._missed(one, moment):
                return f"objective {one.name!r} was missed for {MISSED_FOR_S} seconds on end"
        return ""

    def _counted(self, one: Objective, moment: LoadMoment) -> int:
        if one.count == "dropped":
            return moment.readings.counts(self._run, ARRIVALS).get("dropped", 0)
        return moment.readings.counts(self._run, LEDGER).get(one.count or "", 0)

    def _missed(self, one: Objective, moment: LoadMoment) -> bool:
        """Whether the stage's 99th percentile was beyond the limit in each of the last seconds of a measured phase.

        Seconds without a sample in them count as missed while deliveries are outstanding: nothing comes any more.
        """
        assert one.at_most is not None
        column = next((name for name, stage, q in LATENCIES if stage == one.stage and q == 0.99), None)
        now = time.time_ns() // 1_000_000_000
        wanted = range(now - _BEHIND_S - MISSED_FOR_S, now - _BEHIND_S)
        phases = [phase_number(moment.plan, second) for second in wanted]
        if column is None or any(number < 0 or not moment.plan.phases[number].measured for number in phases):
            return False
        rows = dict(moment.series.newest(MISSED_FOR_S + 3 * _BEHIND_S))
        outstanding = moment.readings.counts(self._run, LEDGER).get("outstanding", 0)
        for second in wanted:
            value = rows[second][column] if second in rows else float("nan")
            if value != value and not outstanding:
                return False
            if value == value and value <= one.at_most / 1e6:
                return False
        return True
