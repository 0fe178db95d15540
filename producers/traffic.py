"""Drafting: documents as numpy columns, and the model of who writes what to whom.

A `DraftBatch` holds documents before they become events: a million of them take some 50 MB and about a second, so a
fleet can draft far ahead of the wire. Everything is drawn from the generator passed in: same generator, same columns.
The tables (types, sizes, weights) are package data, documents.toml, where every assumption is named as one.
"""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib import resources
from typing import Any

import numpy as np
import numpy.typing as npt

from docaxis.domain.agency import Registry
from docaxis.domain.calendar import VIETNAM_OFFSET_MS
from producers.traffic_fanout import FanOut
from producers.traffic_recipients import draw_recipients, weight_for_share

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class DraftBatch:
    """Documents in calendar order, one row a document.

    The recipients of row i are `recipient[recipient_from[i] : recipient_from[i + 1]]`, in the order of the registry.
    """

    sender: npt.NDArray[np.int32]  # index in the registry
    year: npt.NDArray[np.int16]  # of sending, Vietnam time
    ordinal: npt.NDArray[np.int32]  # in the sender's year, from 1
    type: npt.NDArray[np.uint8]
    priority: npt.NDArray[np.uint8]
    steering: npt.NDArray[np.uint8]
    business: npt.NDArray[np.uint8]
    size: Ints  # bytes of the payload
    calendar_ms: Ints  # when it is sent in the business calendar, epoch ms
    recipient: npt.NDArray[np.int32]  # indices in the registry, flattened
    recipient_from: Ints  # offsets into `recipient`, one more than documents
    serial: npt.NDArray[np.uint8] | None = None  # of the send of the document; None: all 0, each its first

    def __len__(self) -> int:
        return len(self.sender)

    @property
    def deliveries(self) -> int:
        """The number of (document, recipient) pairs."""
        return int(self.recipient_from[-1] - self.recipient_from[0])

    @property
    def fan_out(self) -> Ints:
        """The number of recipients of each document."""
        return np.diff(self.recipient_from)

    def rows(self, start: int, stop: int) -> "DraftBatch":
        """Return documents start..stop-1 as a batch of their own (views, nothing is copied but the offsets)."""
        start, stop, _ = slice(start, stop).indices(len(self))
        offsets = self.recipient_from[start : max(start, stop) + 1]
        columns = {name: getattr(self, name)[start:stop] for name in _ROW_COLUMNS}
        recipient = self.recipient[offsets[0] : offsets[-1]]
        serial = None if self.serial is None else self.serial[start:stop]
        return DraftBatch(**columns, recipient=recipient, recipient_from=offsets - offsets[0], serial=serial)

    def where(self, kept: npt.NDArray[np.bool_]) -> "DraftBatch":
        """Return the documents for which `kept` is true, in their order."""
        return self.ordered(np.flatnonzero(kept))

    def ordered(self, order: Ints) -> "DraftBatch":
        """Return the documents at these positions, in this order."""
        columns = {name: getattr(self, name)[order] for name in _ROW_COLUMNS}
        fan_out = self.fan_out[order]
        offsets = np.zeros(len(order) + 1, dtype=np.int64)
        np.cumsum(fan_out, out=offsets[1:])
        places = np.arange(offsets[-1]) + np.repeat(self.recipient_from[order] - offsets[:-1], fan_out)
        serial = None if self.serial is None else self.serial[order]
        return DraftBatch(**columns, recipient=self.recipient[places], recipient_from=offsets, serial=serial)

    @classmethod
    def joined(cls, batches: Sequence["DraftBatch"]) -> "DraftBatch":
        """Return batches that follow each other as one."""
        if len(batches) == 1:
            return batches[0]
        columns = {name: np.concatenate([getattr(batch, name) for batch in batches]) for name in _ROW_COLUMNS}
        offsets = np.zeros(len(columns["sender"]) + 1, dtype=np.int64)
        np.cumsum(np.concatenate([batch.fan_out for batch in batches]), out=offsets[1:])
        recipient = np.concatenate([batch.recipient for batch in batches])
        serial = None
        if any(batch.serial is not None for batch in batches):
            serial = np.concatenate([batch.serials for batch in batches])
        return cls(**columns, recipient=recipient, recipient_from=offsets, serial=serial)

    @property
    def serials(self) -> npt.NDArray[np.uint8]:
        """The serial of each send."""
        return np.zeros(len(self), np.uint8) if self.serial is None else self.serial


_ROW_COLUMNS = ("sender", "year", "ordinal", "type", "priority", "steering", "business", "size", "calendar_ms")


class Ordinals:
    """Numbers documents per sender and year from 1 without gaps, as they come in calendar order."""

    def __init__(self, agencies: int) -> None:
        self._year = 0
        self._taken: Ints = np.zeros(agencies, dtype=np.int64)

    def take(self, sender: npt.NDArray[np.int32], year: npt.NDArray[np.int16]) -> npt.NDArray[np.int32]:
        """Return the ordinals of documents in calendar order. Raises ValueError if years go back."""
        ordinal = np.empty(len(sender), dtype=np.int32)
        for value in np.unique(year):
            if int(value) < self._year:
                raise ValueError(f"documents of {value} after documents of {self._year}: not in calendar order")
            if int(value) > self._year:
                self._year = int(value)
                self._taken[:] = 0
            start, stop = np.searchsorted(year, [value, value + 1])
            ordinal[start:stop] = self._take_in_year(sender[start:stop])
        return ordinal

    def _take_in_year(self, sender: npt.NDArray[np.int32]) -> Ints:
        agencies = len(self._taken)
        # A stable sort puts each sender's documents together in order; 16-bit keys sort by radix, much faster.
        order = np.argsort(sender.astype(np.int16) if agencies < 1 << 15 else sender, kind="stable")
        counts = np.bincount(sender, minlength=agencies)
        first = np.cumsum(counts) - counts  # position of each sender's first document after the sort
        sorted_senders = sender[order]
        ordinal = np.empty(len(sender), dtype=np.int64)
        ordinal[order] = np.arange(1, len(sender) + 1) + (self._taken - first)[sorted_senders]
        self._taken += counts
        return ordinal


@dataclass(frozen=True)
class TrafficModel:
    """Who writes what to whom: weights over one registry, and the tables of documents.toml."""

    fan_out: FanOut
    sender_weights: Floats  # probabilities, one an agency
    broadcast_weights: Floats  # probabilities that an agency is the one who writes to everybody
    recipient_weights: Floats  # relative
    tables: dict[str, Any]

    @classmethod
    def build(
        cls, registry: Registry, seed: int, fan_out_mean: float, tables: dict[str, Any] | None = None
    ) -> "TrafficModel":
        """Build the model for a registry; `seed` decides which agencies of a kind are busier than others."""
        tables = document_tables() if tables is None else tables
        shape, assumed = tables["fan_out"], tables["agencies"]
        fan_out = FanOut.with_mean(fan_out_mean, len(registry) - 1, shape["exponent"], shape["broadcast_share"])
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_AGENCIES_STREAM,)))
        senders = _weights(registry, assumed["sender_weights"]) * _activity(registry, assumed)
        recipients = _weights(registry, assumed["recipient_weights"])
        senders *= np.exp(assumed["spread"] * rng.standard_normal(len(registry)))
        recipients *= np.exp(assumed["spread"] * rng.standard_normal(len(registry)))
        broadcasters = _weights(registry, assumed["broadcast_weights"])
        if not broadcasters.any():
            broadcasters = senders.copy()
        hub = registry.positions.get(assumed["hub_code"])
        if hub is not None:
            senders[hub] = assumed["hub_sender_weight"] * np.delete(senders, hub).mean()
        senders /= senders.sum()
        broadcasters /= broadcasters.sum()
        if hub is not None:
            recipients[hub] = weight_for_share(
                hub, assumed["hub_received_share"], recipients, senders, broadcasters, fan_out.probabilities
            )
        return cls(fan_out, senders, broadcasters, recipients, tables)

    def of_senders(self, mine: npt.NDArray[np.bool_]) -> "TrafficModel":
        """Return the same model with only some of the agencies sending: for a fleet that shares the work."""
        if mine.all():
            return self
        senders, broadcasters = self.sender_weights * mine, self.broadcast_weights * mine
        if not broadcasters.any():
            broadcasters = senders.copy()
        return replace(
            self, sender_weights=senders / senders.sum(), broadcast_weights=broadcasters / broadcasters.sum()
        )

    def draft(
        self, rng: np.random.Generator, calendar_ms: Ints, ordinals: Ordinals, fan_out: Ints | None = None
    ) -> DraftBatch:
        """Draft one document for each instant of `calendar_ms` (epoch ms, ascending).

        `ordinals` numbers them on from the documents before; `fan_out` fixes the numbers of recipients, else drawn.
        """
        documents = len(calendar_ms)
        if fan_out is None:
            fan_out = self.fan_out.draw(rng, documents)
        sender = _draw(rng, self.sender_weights, documents)
        broadcasts = np.flatnonzero(fan_out >= len(self.sender_weights) - 1)
        sender[broadcasts] = _draw(rng, self.broadcast_weights, len(broadcasts))
        recipient, recipient_from = draw_recipients(rng, sender, fan_out, self.recipient_weights)
        year = years_of(calendar_ms)
        sender_32 = sender.astype(np.int32)
        return DraftBatch(
            sender=sender_32,
            year=year,
            ordinal=ordinals.take(sender_32, year),
            type=self._attribute(rng, "types", documents),
            priority=self._attribute(rng, "priorities", documents),
            steering=self._attribute(rng, "steering", documents),
            business=self._attribute(rng, "business", documents),
            size=_sizes(rng, self.tables["sizes"], documents),
            calendar_ms=calendar_ms,
            recipient=recipient.astype(np.int32),
            recipient_from=recipient_from,
        )

    def _attribute(self, rng: np.random.Generator, table: str, documents: int) -> npt.NDArray[np.uint8]:
        shares: dict[str, float] = self.tables[table]["shares"]
        values = np.array([int(value) for value in shares], dtype=np.uint8)
        if len(values) == 1:
            return np.full(documents, values[0], dtype=np.uint8)
        return values[_draw(rng, np.array(list(shares.values())), documents)]


#: Streams of randomness under one seed; each part of the program draws from its own.
_AGENCIES_STREAM = 3


@lru_cache(maxsize=1)
def document_tables() -> dict[str, Any]:
    """Return the tables of documents.toml: types, priorities, sizes, weights, each with source and mark."""
    return tomllib.loads(resources.files("docaxis").joinpath("data/documents.toml").read_text(encoding="utf-8"))


def _weights(registry: Registry, by_kind: dict[str, float]) -> Floats:
    return np.array([by_kind.get(agency.kind, 1.0) for agency in registry], dtype=np.float64)


def _activity(registry: Registry, assumed: dict[str, Any]) -> Floats:
    active = set(assumed["active"])
    return np.array([assumed["active_factor"] if agency.code in active else 1.0 for agency in registry])


def _draw(rng: np.random.Generator, weights: Floats, count: int) -> Ints:
    """Draw indices by weight."""
    cumulated = np.cumsum(weights)
    cumulated /= cumulated[-1]
    indices: Ints = np.searchsorted(cumulated, rng.random(count), side="right")
    return indices


def _sizes(rng: np.random.Generator, table: dict[str, Any], count: int) -> Ints:
    """Draw payload sizes in bytes: lognormal with the table's median and mean, within its bounds."""
    sigma = np.sqrt(2 * np.log(table["mean_bytes"] / table["median_bytes"]))
    sizes = table["median_bytes"] * np.exp(sigma * rng.standard_normal(count))
    return np.asarray(np.clip(sizes, table["bytes_min"], table["bytes_max"]), dtype=np.int64)


def years_of(calendar_ms: Ints) -> npt.NDArray[np.int16]:
    """Return the year of each instant, Vietnam time."""
    local = (calendar_ms + VIETNAM_OFFSET_MS).astype("datetime64[ms]")
    return np.asarray(local.astype("datetime64[Y]").astype(np.int64) + 1970, dtype=np.int16)
