"""The figures of a load test, taken from the readings: only the measured phases count. Pure."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from docaxis.domain.plan import Plan
from monitor.histogram import Histogram, merged
from monitor.reading import GENERATOR, MEASURED, Readings
from monitor.series import Row, backlog_slope
from monitor.verdict import STAGES, LedgerTotals


@dataclass(frozen=True, slots=True)
class LoadFigures:
    """One run's readings, its plan, its ledger and its series."""

    readings: Readings
    run: str
    plan: Plan
    ledger: LedgerTotals
    rows: Sequence[tuple[int, Row]]

    @property
    def measured(self) -> list[int]:
        """The numbers of the phases that count."""
        return [number for number, phase in enumerate(self.plan.phases) if phase.measured]

    @property
    def judged(self) -> bool:
        """Whether latencies are judged: not if a measured phase was a closed loop."""
        return bool(self.measured) and not any(self.plan.phases[number].closed for number in self.measured)

    @property
    def measured_s(self) -> float:
        """How long the measured phases lasted together, pauses left out."""
        return sum(self.plan.phase_us(number, self.plan.phases[number].end_us) for number in self.measured) / 1e6

    def stage(self, stage: str, phases: Iterable[int] | None = None) -> Histogram:
        """Return a stage's latencies in the measured phases, or in those given."""
        topic = GENERATOR if stage in ("publish", "schedule_error") else "status"
        numbers = self.measured if phases is None else phases
        return merged(self.readings.stage(self.run, topic, f"{stage}@{number}") for number in numbers)

    def stages(self) -> dict[str, Histogram]:
        """Return every stage's latencies in the measured phases."""
        return {stage: self.stage(stage) for stage in (*STAGES, "publish")}

    def by_agency(self, only: Collection[str] | None = None) -> dict[str, Histogram]:
        """Return delivery latencies of the measured phases by recipient; `only`: of these codes."""
        return self.readings.latencies(self.run, "status", f"recipient{MEASURED}", only)

    def by_priority(self, only: Collection[str] | None = None) -> dict[str, Histogram]:
        """Return delivery latencies of the measured phases by priority; `only`: of these."""
        return self.readings.latencies(self.run, "status", f"priority{MEASURED}", only)

    def offered(self, what: str, phases: Iterable[int] | None = None) -> int:
        """Return arrivals (`offered`, `sent`) or their deliveries (`..._deliveries`) of the phases."""
        counts = self.readings.counts(self.run, GENERATOR)
        return sum(counts.get(f"{what}@{number}", 0) for number in (self.measured if phases is None else phases))

    def received(self, phases: Iterable[int] | None = None) -> int:
        """Return the deliveries received whose documents were due in the phases, whenever they came."""
        counts = self.readings.counts(self.run, "status")
        return sum(counts.get(f"receipts@{number}", 0) for number in (self.measured if phases is None else phases))

    def received_in_time(self) -> int:
        """Return the deliveries received while measured phases lasted, whenever they were due."""
        spans = [(self.plan.phases[number].begin_us, self.plan.phases[number].end_us) for number in self.measured]
        return round(sum(row["received"] * _overlap(second, spans) for second, row in self.rows))

    def slope(self) -> float | None:
        """Return the growth of the backlog in deliveries a second."""
        return backlog_slope(self.rows, self.plan)


def _overlap(second: int, spans: Sequence[tuple[int, int]]) -> float:
    """Return which part of a second lies in the spans."""
    begin_us, end_us = second * 1_000_000, (second + 1) * 1_000_000
    return sum(max(0, min(end_us, last) - max(begin_us, first)) for first, last in spans) / 1e6
