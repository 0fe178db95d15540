"""What a workload would do, before anything is started: documents, deliveries, bytes, duration, peak rate, a plot."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from docaxis.domain.agency import Registry
from docaxis.workload.model import Workload
from docaxis.workload.units import duration_text
from producers.offering import Offering, Trace, read_trace
from producers.traffic import document_tables

#: Columns of the plot, and the marks from empty to full.
PLOT_COLUMNS = 72
_BARS = " ▁▂▃▄▅▆▇█"

#: On Kafka, before compression, as measured on the demo's topics: a document, and a delivery with its receipt.
KAFKA_DOCUMENT_BYTES, KAFKA_DELIVERY_BYTES = 450, 950


@dataclass(frozen=True, slots=True)
class PhasePreview:
    """One phase, as expected."""

    name: str
    kind: str
    arrivals: str
    duration_us: int
    documents: int  # closed phases send as fast as it goes: 0; of newcomers, as many as are expected
    peak_per_s: float
    beyond: int = 0  # arrivals of a trace that come after the phase's end: never sent


@dataclass(frozen=True, slots=True)
class Preview:
    """A whole workload, as expected."""

    name: str
    purpose: str
    phases: list[PhasePreview]
    fan_out_mean: float
    payload_mean_bytes: float
    per_s: list[float]  # rate over the whole run, PLOT_COLUMNS values
    lost_after_us: int

    @property
    def documents(self) -> int:
        """Documents of all open phases."""
        return sum(phase.documents for phase in self.phases)

    @property
    def deliveries(self) -> int:
        """Deliveries, by the mean number of recipients."""
        return round(self.documents * self.fan_out_mean)

    def as_data(self) -> dict[str, Any]:
        """Return everything for machines."""
        return {
            "name": self.name,
            "documents": self.documents,
            "deliveries": self.deliveries,
            "fan_out_mean": self.fan_out_mean,
            "payload_bytes": round(self.documents * self.payload_mean_bytes),
            "kafka_bytes": self.documents * KAFKA_DOCUMENT_BYTES + self.deliveries * KAFKA_DELIVERY_BYTES,
            "duration_seconds": sum(phase.duration_us for phase in self.phases) / 1e6,
            "peak_documents_per_second": max(phase.peak_per_s for phase in self.phases),
            "phases": [
                {
                    "name": phase.name,
                    "kind": phase.kind,
                    "arrivals": phase.arrivals,
                    "duration_seconds": phase.duration_us / 1e6,
                    "documents": phase.documents,
                    "peak_documents_per_second": phase.peak_per_s,
                    "arrivals_beyond": phase.beyond,
                }
                for phase in self.phases
            ],
        }

    def text(self) -> str:
        """Return everything for people."""
        data = self.as_data()
        lines = [self.name + (f": {self.purpose}" if self.purpose else ""), ""]
        for phase in self.phases:
            documents = f"{phase.documents:,} documents" if phase.arrivals != "closed" else "as fast as it goes"
            lines.append(
                f"  {phase.name:<14} {phase.kind:<8} {phase.arrivals:<12} {duration_text(phase.duration_us):>8}  "
                f"{documents:>18}  peak {phase.peak_per_s:,.1f} documents/s"
            )
            if phase.beyond:
                lines.append(f"  {'':<14} {phase.beyond:,} more arrivals of the trace lie beyond the phase: not sent")
        lines += [
            f"  {'':<14} drain: what is outstanding {duration_text(self.lost_after_us)} after the last is lost",
            "",
            f"  {data['documents']:,} documents, about {data['deliveries']:,} deliveries "
            f"({self.fan_out_mean:.2f} a document), in {data['duration_seconds']:,.0f} s",
            f"  payload by reference {data['payload_bytes'] / 1e9:,.1f} GB; "
            f"on Kafka about {data['kafka_bytes'] / 1e6:,.1f} MB",
            "",
            *self._plot(),
        ]
        return "\n".join(lines)

    def _plot(self) -> list[str]:
        peak = max(self.per_s)
        if not peak:
            return ["  (closed loop: the rate is whatever the system carries)"]
        bars = "".join(_BARS[round(value / peak * (len(_BARS) - 1))] for value in self.per_s)
        return [f"  {peak:,.1f} documents/s", f"  {bars}", f"  0 s{'':<{PLOT_COLUMNS - 12}}{self._total_text():>8}"]

    def _total_text(self) -> str:
        return duration_text(sum(phase.duration_us for phase in self.phases))


def preview(workload: Workload, registry: Registry, started_ms: int) -> Preview:
    """Return what a workload would do: its arrivals are counted, not estimated."""
    offering = Offering(workload, registry, started_ms, read_trace)
    phases, more = [], offering.documents_per_arrival
    total_us = sum(phase.duration for phase in workload.offering)
    edges_us = np.linspace(0, total_us, PLOT_COLUMNS + 1)
    counts, begin_us = np.zeros(PLOT_COLUMNS), 0
    for number, phase in enumerate(workload.offering):
        documents, peak, beyond = 0, 0.0, 0
        if not phase.closed:
            process = offering.process(number)
            documents = round(process.count(phase.duration) * more)
            in_phase = np.clip(edges_us - begin_us, 0, phase.duration)
            expected = process.intensity.up_to(in_phase)
            counts += np.diff(expected) * more
            peak = process.intensity.peak_per_s() * more
            beyond = process.count_beyond(phase.duration) if isinstance(process, Trace) else 0
        begin_us += phase.duration
        phases.append(PhasePreview(phase.name, phase.kind, phase.arrivals, phase.duration, documents, peak, beyond))
    sizes = document_tables()["sizes"]
    per_s = counts / (total_us / PLOT_COLUMNS / 1e6)
    return Preview(
        workload.name,
        workload.purpose,
        phases,
        offering.fan_out_mean,
        sizes["mean_bytes"],
        per_s.tolist(),
        workload.lost_after_us,
    )
