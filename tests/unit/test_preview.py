"""What `docaxis run --check` foretells is what fleets then draft from the same workload and seed.

Arrivals are counted, so documents are exact, phase by phase. Deliveries and bytes are expectations: the sample may be
four of its own standard errors away. So may the busiest second and the columns of the plot, which are of one chance.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import orjson
import pytest

from docaxis.cli import main
from docaxis.commands.join import joined_of
from docaxis.commands.load_test import offered_content, prepare
from docaxis.commands.preview import PLOT_COLUMNS
from docaxis.domain.codec import decode_sent, encode
from docaxis.domain.control import Offer
from docaxis.domain.event import Delivered, Receipt, Sent
from docaxis.workload.model import Workload
from producers.drafting import Drafter, stamped

WORKLOADS = [("month-end-peak", 1), ("working-day", 1), ("recall-and-replace", 7)]

#: Standard errors that an expectation may be away from a sample.
ERRORS = 4.0

BARS = " ▁▂▃▄▅▆▇█"


@dataclass(frozen=True)
class Generated:
    """All that the fleets of a workload draft: a row a document."""

    workload: Workload
    phases: list[npt.NDArray[np.float64]]  # when documents are due after the beginning of each, in us
    fan_out: npt.NDArray[np.int64]
    size: npt.NDArray[np.int64]
    record_bytes: tuple[float, float]  # of a document, and of a delivery with its receipt: keys and values

    @property
    def times_s(self) -> npt.NDArray[np.float64]:
        """When documents are due after the run's beginning."""
        begins_us = np.cumsum([0, *(phase.duration for phase in self.workload.offering)])
        return np.concatenate([begin + times for begin, times in zip(begins_us, self.phases, strict=False)]) / 1e6


@cache
def generated(name: str, seed: int) -> Generated:
    """Draft a workload as a fleet does that is told of it, every document that is due before its phase ends."""
    test = prepare(name, seed=seed)
    load = joined_of(Offer(test.run, 1, test.started_ms, offered_content(test)), test.registry).load
    assert load is not None
    phases, fan_out, size, sample = [], [], [], list[bytes]()
    for phase, duration_us in zip(load.phases, load.durations_us, strict=True):
        times_us = []
        for block in phase.blocks():
            due_us = phase.times_us(block.points, ((0, 1.0),))
            count = int(np.searchsorted(due_us, duration_us))
            if not count:
                break
            batch = block.draft(0, count)
            times_us.append(due_us[:count])
            fan_out.append(batch.fan_out.astype(np.int64))
            size.append(batch.size)
            drafts = Drafter(test.run, test.registry, 4).draft(batch).rows(0, 500)
            sample += [stamped(head, test.started_ms * 1000, test.started_ms * 1000) for head in drafts.heads]
        phases.append(np.concatenate(times_us))
    workload = test.loaded.workload
    return Generated(workload, phases, np.concatenate(fan_out), np.concatenate(size), _record_bytes(sample))


def _record_bytes(documents: list[bytes]) -> tuple[float, float]:
    sent = sum(len(value) + len(decode_sent(value).document_id) for value in documents)
    events = [decode_sent(value) for value in documents[:50]]
    deliveries = [_delivery_bytes(event, code) for event in events for code in event.recipients]
    return sent / len(documents), float(np.mean(deliveries))


def _delivery_bytes(event: Sent, recipient: str) -> int:
    fields = {name: getattr(event, name) for name in event.__struct_fields__ if name != "recipients"}
    delivered = Delivered(**fields, accepted_us=event.sent_us, sent_partition=1, recipient=recipient)
    at_us, ids = event.sent_us, (event.run, event.packet_id, event.document_id, event.sender, recipient)
    times = (event.calendar_ms, 1, 10_000, at_us, at_us, at_us, at_us, at_us)
    receipt = Receipt(1, *ids, "DONE", event.priority, *times)
    return len(encode(delivered)) + len(recipient) + len(encode(receipt)) + len(event.document_id)


def _standard_error(values: npt.NDArray[np.int64]) -> float:
    return float(values.std() * len(values) ** 0.5)


@pytest.mark.parametrize(("name", "seed"), WORKLOADS)
def test_the_figures_foretold_are_those_of_what_is_generated(
    name: str, seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", name, "--seed", str(seed), "--check", "--json"]) == 0
    told = orjson.loads(capsys.readouterr().out)
    found = generated(name, seed)
    offering = found.workload.offering
    assert [phase["documents"] for phase in told["phases"]] == [len(times) for times in found.phases]
    assert told["documents"] == len(found.fan_out)
    assert [phase["duration_seconds"] for phase in told["phases"]] == [phase.duration / 1e6 for phase in offering]
    assert told["duration_seconds"] == sum(phase.duration for phase in offering) / 1e6
    deliveries = int(found.fan_out.sum())
    assert abs(told["deliveries"] - deliveries) < ERRORS * _standard_error(found.fan_out)
    assert abs(told["fan_out_mean"] - found.fan_out.mean()) * len(found.fan_out) < ERRORS * _standard_error(
        found.fan_out
    )
    assert abs(told["payload_bytes"] - found.size.sum()) < ERRORS * _standard_error(found.size)
    # Room is reserved by it: never less than the records themselves, and what Kafka adds to them is no second copy.
    document_bytes, delivery_bytes = found.record_bytes
    records = len(found.fan_out) * document_bytes + deliveries * delivery_bytes
    assert 1.0 < told["kafka_bytes"] / records < 1.4
    for phase, times_us in zip(told["phases"], found.phases, strict=True):
        peak = phase["peak_documents_per_second"]
        busiest = int(np.bincount((times_us // 1e6).astype(np.int64)).max())
        assert abs(busiest - peak) < (ERRORS + 1) * peak**0.5, phase["name"]
    assert told["peak_documents_per_second"] == max(phase["peak_documents_per_second"] for phase in told["phases"])


@pytest.mark.parametrize(("name", "seed"), WORKLOADS)
def test_the_plot_is_of_what_is_generated(name: str, seed: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", name, "--seed", str(seed), "--check"]) == 0
    text = capsys.readouterr().out
    *_, top, bars, axis = text.splitlines()
    peak = float(top.strip().removesuffix(" documents/s").replace(",", ""))
    found = generated(name, seed)
    total_s = sum(phase.duration for phase in found.workload.offering) / 1e6
    counts, _ = np.histogram(found.times_s, bins=PLOT_COLUMNS, range=(0, total_s))
    assert len(bars[2:]) == PLOT_COLUMNS
    drawn = np.array([BARS.index(bar) for bar in bars[2:]]) / (len(BARS) - 1) * peak
    width_s = total_s / PLOT_COLUMNS
    # A bar is right to half a step, and a column's documents are one chance of many.
    allowed = peak / 2 / (len(BARS) - 1) + ERRORS * np.sqrt(np.maximum(drawn * width_s, 1.0)) / width_s
    assert (np.abs(counts / width_s - drawn) <= allowed).all()
    assert axis.split()[:2] == ["0", "s"]
    assert f"{len(found.fan_out):,} documents, about" in text


def test_what_of_a_trace_lies_beyond_its_phase_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, trace = tmp_path / "trial.toml", tmp_path / "trace.txt"
    phase = 'name = "load"\nduration = "2 s"\narrivals = "trace"\nfile = "trace.txt"\n'
    file.write_text(f'name = "trial"\n[[phases]]\n{phase}', encoding="utf-8")
    trace.write_text("# seconds\n0\n1.5\n2\n2.5\n7\n", encoding="utf-8")
    assert main(["run", str(file), "--check"]) == 0
    assert "3 more arrivals of the trace lie beyond the phase" in capsys.readouterr().out
    assert main(["run", str(file), "--check", "--json"]) == 0
    (told,) = orjson.loads(capsys.readouterr().out)["phases"]
    assert (told["documents"], told["arrivals_beyond"]) == (2, 3)
    trace.write_text("0\n1.5\n", encoding="utf-8")
    assert main(["run", str(file), "--check"]) == 0
    assert "beyond" not in capsys.readouterr().out
    trace.write_text("# seconds\n\n", encoding="utf-8")
    assert main(["run", str(file), "--check"]) == 2
    assert f"{file}:6: phases.0.file: the trace {trace} has no arrivals" in capsys.readouterr().err
