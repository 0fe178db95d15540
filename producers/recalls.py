"""Recalls, updates and replacements: further packets about documents that were sent some time before.

An arrival that is one of them takes the place of a new document, so the schedule keeps its arrivals. It goes to the
same recipients under the same document id, with serial 1; each document is followed up once at most.
"""

from collections import deque
from dataclasses import replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from docaxis.workload.model import Recalls
from producers.traffic import DraftBatch, Ordinals

Int64s = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

#: Documents remembered to be followed up; at higher rates than this allows, later ones are followed up.
REMEMBERED_MAX = 200_000


class RecallMixer:
    """Turns some of a phase's documents into further packets about earlier ones."""

    def __init__(self, recalls: Recalls, seed: np.random.SeedSequence) -> None:
        self._recalls = recalls
        self._rng = np.random.default_rng(seed)
        self._known: deque[tuple[Floats, DraftBatch]] = deque()  # new documents with their times, oldest first
        self._remembered = 0

    def mix(self, batch: DraftBatch, times_us: Floats, ordinals: Ordinals) -> DraftBatch:
        """Number the new documents of a batch and put further packets where the draw says so."""
        wanted = self._rng.random(len(batch)) < self._recalls.share
        kinds = self._kinds(len(batch))
        edges = self._edges(times_us)
        if len(edges) == 2:
            return self._mixed(batch, times_us, wanted, kinds, ordinals)
        parts = [
            self._mixed(batch.rows(a, b), times_us[a:b], wanted[a:b], kinds[a:b], ordinals) for a, b in pairwise(edges)
        ]
        return DraftBatch.joined(parts)

    def _edges(self, times_us: Floats) -> list[int]:
        """Return where to cut a batch so that what a document may follow up lies in the pieces before its own."""
        after_us = self._recalls.after
        if not len(times_us) or not after_us or times_us[-1] - times_us[0] < after_us:
            return [0, len(times_us)]
        steps = (times_us - times_us[0]) // after_us
        return [0, *(np.flatnonzero(np.diff(steps)) + 1).tolist(), len(times_us)]

    def _mixed(
        self,
        batch: DraftBatch,
        times_us: Floats,
        wanted: npt.NDArray[np.bool_],
        kinds: npt.NDArray[np.uint8],
        ordinals: Ordinals,
    ) -> DraftBatch:
        places, found = self._find(np.flatnonzero(wanted), times_us)
        new = np.ones(len(batch), np.bool_)
        new[places] = False
        ordinal = np.zeros(len(batch), np.int32)
        ordinal[new] = ordinals.take(batch.sender[new], batch.year[new])
        batch = replace(batch, ordinal=ordinal)
        self._remember(times_us[new], batch.where(new))
        if not found:
            return batch
        again = DraftBatch.joined(found)
        again = replace(
            again,
            business=kinds[places],
            calendar_ms=batch.calendar_ms[places],
            serial=np.ones(len(again), np.uint8),
        )
        order = np.arange(len(batch))
        order[places] = len(batch) + np.arange(len(places))
        return DraftBatch.joined([batch, again]).ordered(order)

    def _kinds(self, count: int) -> npt.NDArray[np.uint8]:
        names = np.array([int(name) for name in self._recalls.kinds], np.uint8)
        weights = np.cumsum(list(self._recalls.kinds.values()))
        return names[np.searchsorted(weights[:-1] / weights[-1], self._rng.random(count), side="right")]

    def _find(self, places: Int64s, times_us: Floats) -> tuple[Int64s, list[DraftBatch]]:
        """Return the places that find an earlier document, and those documents; older ones are then forgotten."""
        served, found = [], []
        for place in places.tolist():
            newest_us = times_us[place] - self._recalls.after
            while len(self._known) > 1 and self._known[1][0][0] <= newest_us:
                self._remembered -= len(self._known.popleft()[0])
            if not self._known:
                continue
            known_us, documents = self._known[0]
            index = int(np.searchsorted(known_us, newest_us, side="right")) - 1
            if index < 0:
                continue
            served.append(place)
            found.append(documents.rows(index, index + 1))
            self._known[0] = (known_us[index + 1 :], documents.rows(index + 1, len(documents)))
            self._remembered -= index + 1
            if not len(self._known[0][0]):
                self._known.popleft()
        return np.array(served, np.int64), found

    def _remember(self, times_us: Floats, documents: DraftBatch) -> None:
        if len(documents) and self._remembered + len(documents) <= REMEMBERED_MAX:
            self._known.append((times_us, documents))
            self._remembered += len(documents)
