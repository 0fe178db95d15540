"""The result of a load test: verdict, exit code, and the files of its folder. What the demo's result has, and more."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from docaxis.domain.plan import Plan
from docaxis.files import write_whole
from docaxis.workload.faults import RECEIVER_FAULTS, SENDER_FAULTS, Fault
from docaxis.workload.model import Workload
from monitor.by_agency import short_latencies
from monitor.generator_check import GeneratorCheck
from monitor.histogram import Histogram
from monitor.load_figures import LoadFigures
from monitor.objectives import Judgement
from monitor.reading import GENERATOR, TRAFFIC, Readings
from monitor.result import latency_seconds
from monitor.run_folder import write_traffic
from monitor.series import write_series
from monitor.verdict import LedgerTotals


@dataclass(frozen=True, slots=True)
class Injected:
    """What faults did, summed over the fleets, and what the audit must therefore find."""

    counts: Mapping[str, int]

    @classmethod
    def of(cls, readings: Readings, run: str, conducted: Iterable[Mapping[str, Any]] = ()) -> "Injected":
        """Take it from the fleets' readings, and from the rows of what befell the parts of the axis."""
        counts = readings.counts(run, GENERATOR)
        befallen = {name.removeprefix("fault_"): n for name, n in counts.items() if name.startswith("fault_")}
        return cls({**befallen, **Counter(str(row["kind"]) for row in conducted)})

    def documents(self, kind: str) -> int:
        """Return the documents (receipts; parts of the axis) that a kind of fault befell."""
        return self.counts.get(kind, 0)

    def deliveries(self, kind: str) -> int:
        """Return their deliveries."""
        return self.counts.get(f"{kind}_deliveries", 0)


def faults_asked(faults: Iterable[Fault]) -> dict[str, int]:
    """Return how often each kind of fault is asked for: documents or receipts, or the parts of the axis it befalls.

    Nobody can say beforehand how many deliveries an agency that is silent or slow will let wait.
    """
    asked: Counter[str] = Counter()
    for fault in faults:
        if fault.count is not None or fault.kind not in RECEIVER_FAULTS:
            asked[fault.kind] += fault.count or 1
    return dict(asked)


def account_faults(
    ledger: LedgerTotals,
    arrivals: Mapping[str, int],
    injected: Injected,
    unreadable: int,
    asked: Mapping[str, int] | None = None,
) -> list[str]:
    """Return what does not add up, faults that were injected taken into account: exactly those may be found.

    `asked`: how often each kind had to be injected at least.
    """
    faults = [f"{arrivals[name]:,} arrivals {name}" for name in ("dropped", "failed", "unknown") if arrivals.get(name)]
    acked, unknown = arrivals.get("acked", 0), arrivals.get("unknown", 0)
    corrupt = injected.documents("corrupt")
    if not acked - corrupt <= ledger.documents <= acked + unknown - corrupt:
        faults.append(
            f"{acked:,} documents acknowledged to the senders ({corrupt:,} corrupt), {ledger.documents:,} in the topic"
        )
    if unreadable != corrupt:
        faults.append(f"{corrupt:,} documents were corrupted, {unreadable:,} unreadable ones were found")
    if not ledger.adds_up:
        faults.append("the ledger does not add up")
    expected = {
        "duplicated": injected.deliveries("duplicate"),
        "lost": injected.documents("withhold-receipts"),
        "misrouted": 0,
        "contradictions": 0,
        "refused": 0,
        "outstanding": 0,
    }
    for name, wanted in expected.items():
        found = getattr(ledger, name)
        if found != wanted:
            faults.append(f"{found:,} {name}" + (f", {wanted:,} were injected" if wanted else ""))
    faults += [
        f"fault {kind}: {count:,} asked for, {injected.documents(kind):,} injected"
        for kind, count in (asked or {}).items()
        if injected.documents(kind) < count
    ]
    return faults


def faults_injected(
    faults: Iterable[Fault], plan: Plan, first_phase: str, injected: Injected, conducted: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Return every fault that was injected: by senders and recipients, a row a kind, and to the parts of the axis."""
    rows = [{"documents": None, "deliveries": None, **row} for row in conducted]
    of_kind: dict[str, dict[str, Any]] = {}
    for fault in faults:
        if fault.kind not in SENDER_FAULTS + RECEIVER_FAULTS:
            continue
        name = fault.phase or first_phase
        phase = next(phase for phase in plan.phases if phase.name == name)
        at_us = phase.begin_us + fault.at
        until_us = at_us + fault.lasts if fault.lasts is not None else phase.end_us
        if (row := of_kind.get(fault.kind)) is not None:
            row.update(at_us=min(at_us, row["at_us"]), until_us=max(until_us, row["until_us"]))
            continue
        befallen, of_senders = injected.documents(fault.kind), fault.kind in SENDER_FAULTS
        documents = befallen if of_senders else None
        deliveries = injected.deliveries(fault.kind) if of_senders else befallen
        of_kind[fault.kind] = {
            "kind": fault.kind,
            "at_us": at_us,
            "until_us": until_us,
            "count": befallen,
            "documents": documents,
            "deliveries": deliveries,
            "detail": f"{documents:,} documents, {deliveries:,} deliveries"
            if of_senders
            else f"{deliveries:,} deliveries",
        }
    rows += of_kind.values()
    return sorted(rows, key=lambda row: int(row["at_us"]))


def faults_found(ledger: LedgerTotals, unreadable: int, injected: Injected) -> dict[str, int]:
    """Return what the audit found of faults that it can see: deliveries, of corrupt documents the documents."""
    found = {"duplicate": ledger.duplicated, "corrupt": unreadable, "withhold-receipts": ledger.lost}
    return {kind: count for kind, count in found.items() if injected.documents(kind)}


def phase_rows(figures: LoadFigures) -> list[dict[str, Any]]:
    """Return what was offered, sent and received in each phase, and how long its deliveries took, warm-up included."""
    latencies = short_latencies({str(n): figures.stage("delivery", [n]) for n in range(len(figures.plan.phases))})
    return [
        {
            "name": phase.name,
            "kind": phase.kind,
            "start_us": phase.begin_us,
            "end_us": phase.end_us,
            "measured": phase.measured,
            "closed": phase.closed,
            "offered": figures.offered("offered", [number]),
            "sent": figures.offered("sent", [number]),
            "offered_deliveries": figures.offered("offered_deliveries", [number]),
            "received": figures.received([number]),
            "latency_seconds": latencies[str(number)] if latencies[str(number)]["count"] else None,
        }
        for number, phase in enumerate(figures.plan.phases)
    ]


def load_test_fields(
    figures: LoadFigures,
    workload: Workload,
    judgements: Sequence[Judgement],
    generator: GeneratorCheck,
    faults: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """Return what a load test's result has beyond the demo's."""
    measured_s = figures.measured_s or 1.0
    return {
        "command": "run",
        "valid": not generator.reasons,
        "invalid_reasons": list(generator.reasons),
        "phases": phase_rows(figures),
        "objectives": [asdict(one) for one in judgements],
        "generator": generator.as_data(workload.generator),
        "latency_seconds": latency_seconds(figures.stages()),
        "latency_by_agency": short_latencies(figures.by_agency()),
        "latency_by_priority": short_latencies(figures.by_priority()),
        "faults_injected": list(faults),
        "lost_after_seconds": workload.lost_after_us / 1e6,
        "rates": {
            "documents_per_second": round(figures.offered("sent") / measured_s, 1),
            "deliveries_per_second": round(figures.received_in_time() / measured_s, 1),
            "offered_documents_per_second": round(figures.offered("offered") / measured_s, 1),
            "offered_deliveries_per_second": round(figures.offered("offered_deliveries") / measured_s, 1),
        },
    }


def write_load_files(folder: Path, figures: LoadFigures, observed: Mapping[str, Mapping[int, float]]) -> int:
    """Write series, histograms and traffic into the run's folder; return the wall clock of the series' second 0.

    `observed`: further columns of the series (`monitor.objective_series`).
    """
    folder.mkdir(parents=True, exist_ok=True)
    stages = {**figures.stages(), "schedule_error": figures.stage("schedule_error")}
    _write(folder / "histograms.json", {stage: _mergeable(histogram) for stage, histogram in stages.items()})
    write_traffic(folder, traffic_of(figures.readings, figures.run))
    return write_series(folder / "series.parquet", figures.rows, figures.plan, observed)


def _mergeable(histogram: Histogram) -> dict[str, Any]:
    used = np.flatnonzero(histogram.counts)
    return {
        "count": histogram.count,
        "negative": histogram.negative,
        "max_us": histogram.max_us,
        "buckets": np.column_stack((used, histogram.counts[used])).tolist(),
    }


def traffic_of(readings: Readings, run: str) -> dict[str, Any]:
    """Return who wrote how much to whom: agencies by code, and [sender, recipient, deliveries] by their positions."""
    pairs: dict[tuple[str, str], int] = {}
    for reading in readings.of(run, TRAFFIC):
        for sender, row in reading.agencies.items():
            for recipient, count in row.items():
                pairs[sender, recipient] = pairs.get((sender, recipient), 0) + count
    codes = sorted({code for pair in pairs for code in pair})
    places = {code: place for place, code in enumerate(codes)}
    return {
        "agencies": codes,
        "pairs": [[places[sender], places[recipient], count] for (sender, recipient), count in sorted(pairs.items())],
    }


def _write(file: Path, content: Any) -> None:
    write_whole(file, orjson.dumps(content) + b"\n")
