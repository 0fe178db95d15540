"""Documents like those of a recording: senders, recipients, kinds and sizes are drawn from what was counted.

A sender is drawn by its documents, then the number of recipients as this sender's documents had them, then so many
distinct recipients by how much this sender wrote to each, one after the other among those left (successive sampling:
each agency's weight divides an exponential time, and the first come are taken).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from docaxis.domain.agency import Registry
from docaxis.domain.errors import UsageError
from docaxis.recording.traffic_table import FEW, TrafficTable, read_table
from producers.traffic import DraftBatch, Ordinals, years_of
from producers.traffic_fanout import FanOut

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Choice:
    """Values and their cumulated shares."""

    values: Ints
    cumulated: Floats

    @classmethod
    def of(cls, values: Sequence[int], counts: Sequence[int]) -> "_Choice":
        cumulated = np.cumsum(np.array(counts, np.float64))
        return cls(np.array(values, np.int64), cumulated / cumulated[-1])

    def draw(self, rng: np.random.Generator, count: int) -> Ints:
        return self.values[np.searchsorted(self.cumulated, rng.random(count), side="right")]


@dataclass(frozen=True, slots=True)
class _Recipients:
    """Whom one sender writes to, in documents to few and to more, and how many at a time."""

    agencies: tuple[Ints, Ints]
    weights: tuple[Floats, Floats]
    fan_outs: _Choice

    @classmethod
    def of(cls, places: list[int], few: list[int], more: list[int], fan_outs: _Choice) -> "_Recipients":
        parts = [np.array(counts, np.float64) for counts in (few, more)]
        agencies = np.array(places, np.int64)
        first, second = (agencies[part > 0] for part in parts)
        return cls((first, second), (parts[0][parts[0] > 0], parts[1][parts[1] > 0]), fan_outs)

    def draw(self, rng: np.random.Generator, fan_out: int) -> Ints:
        agencies, weights = self.agencies[fan_out > FEW], self.weights[fan_out > FEW]
        if fan_out >= len(agencies):
            return agencies
        times = rng.exponential(size=len(agencies)) / weights
        return np.sort(agencies[np.argpartition(times, fan_out - 1)[:fan_out]])


class RecordedTraffic:
    """The model of one kind of traffic, drawn from a table; offers what `TrafficModel` does."""

    def __init__(self, table: TrafficTable, registry: Registry) -> None:
        """Raises UsageError if the registry lacks an agency of the table."""
        unknown = [code for code in table.agencies if registry.find(code) is None]
        if unknown:
            raise UsageError(
                f"the registry lacks {len(unknown):,} agencies of the traffic: {', '.join(unknown[:5])}",
                next_step="name in the workload the registry that `docaxis fit` wrote there",
            )
        places = [registry.positions[registry.agency(code).code] for code in table.agencies]
        by_sender: dict[int, tuple[list[int], list[int], list[int]]] = {}
        for sender, recipient, few, more in table.pairs:
            for column, value in zip(
                by_sender.setdefault(places[sender], ([], [], [])), (places[recipient], few, more), strict=True
            ):
                column.append(value)
        fan_outs: dict[int, tuple[list[int], list[int]]] = {}
        for sender, number, count in table.fan_outs:
            numbers, counts = fan_outs.setdefault(places[sender], ([], []))
            numbers.append(number)
            counts.append(count)
        self._recipients = {
            sender: _Recipients.of(*by_sender[sender], _Choice.of(*counted)) for sender, counted in fan_outs.items()
        }
        self._senders = _Choice.of(list(fan_outs), [sum(counts) for _, counts in fan_outs.values()])
        self._kinds = np.array([kind[:3] for kind in table.kinds], np.uint8)
        self._kind = _Choice.of(range(len(table.kinds)), [kind[3] for kind in table.kinds])
        self._sizes = np.log(np.array(table.sizes, np.float64))
        self.fan_out = _fan_out_of(table.by_fan_out(), len(registry) - 1)

    @classmethod
    def load(cls, path: Path, registry: Registry) -> "RecordedTraffic":
        """Read the table and make a model of it. Raises UsageError."""
        return cls(read_table(path), registry)

    def draft(self, rng: np.random.Generator, calendar_ms: Ints, ordinals: Ordinals) -> DraftBatch:
        """Draft one document for each instant of `calendar_ms` (epoch ms, ascending)."""
        documents = len(calendar_ms)
        sender = self._senders.draw(rng, documents)
        recipients = []
        for one in sender.tolist():
            whom = self._recipients[one]
            recipients.append(whom.draw(rng, int(whom.fan_outs.draw(rng, 1)[0])))
        offsets = np.zeros(documents + 1, np.int64)
        np.cumsum([len(one) for one in recipients], out=offsets[1:])
        kinds = self._kinds[self._kind.draw(rng, documents)]
        sizes = np.exp(np.interp(rng.random(documents), np.linspace(0, 1, len(self._sizes)), self._sizes))
        year, sender_32 = years_of(calendar_ms), sender.astype(np.int32)
        return DraftBatch(
            sender=sender_32,
            year=year,
            ordinal=ordinals.take(sender_32, year),
            type=kinds[:, 0],
            priority=kinds[:, 1],
            steering=kinds[:, 2],
            business=np.zeros(documents, np.uint8),
            size=np.rint(sizes).astype(np.int64),
            calendar_ms=calendar_ms,
            recipient=np.concatenate([np.zeros(0, np.int64), *recipients]).astype(np.int32),
            recipient_from=offsets,
        )


def _fan_out_of(by_fan_out: dict[int, int], recipients_max: int) -> FanOut:
    probabilities = np.zeros(max(recipients_max, *by_fan_out))
    for number, documents in by_fan_out.items():
        probabilities[number - 1] = documents
    probabilities /= probabilities.sum()
    return FanOut(probabilities, float(probabilities @ np.arange(1, len(probabilities) + 1)))
