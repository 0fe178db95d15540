"""Agencies that join: their traffic laid on top of a workload, of which no document moves.

A newcomer is like one that is there already, `factor` times as busy: its documents are drawn from what that one sends
(to the same recipients, under the newcomer's name) and from what that one is sent (by the same senders, to the newcomer
alone). Both are taken from a sample of the workload's own documents, so any mix of traffic serves. Among themselves
newcomers exchange nothing.

The two loads are superposed in the expected numbers of the workload's own arrivals (`producers.arrival_process`), so
that newcomers follow every shape, pause and change of rate, and the documents of the others stay the very same ones:
runs with and without newcomers can be compared.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from docaxis.domain.agency import Registry
from docaxis.domain.errors import UsageError
from docaxis.workload.model import Newcomer
from producers.traffic import DraftBatch, years_of

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

#: Documents of the workload from which newcomers' are drawn: of an agency that sends one in a hundred, how many it
#: sends is then known to 3 %.
SAMPLE = 100_000


@dataclass(frozen=True, slots=True)
class Admission:
    """Who was there before the newcomers."""

    before: Registry
    positions: npt.NDArray[np.int32]  # in the whole registry, of those who were there before

    @classmethod
    def of(cls, newcomers: Sequence[Newcomer], registry: Registry) -> "Admission":
        """Part the registry. Raises UsageError for a newcomer, or one that it is like, that the registry lacks."""
        if not newcomers:
            return cls(registry, np.arange(len(registry), dtype=np.int32))
        for code in (code for one in newcomers for code in (one.code, one.like)):
            if code not in registry.positions:
                raise UsageError(
                    f"newcomers: {code!r} is not an agency of the registry ({len(registry)} agencies)",
                    next_step="correct the code, or add the agency to the registry file (--registry)",
                )
        codes = {one.code for one in newcomers}
        there = [agency for agency in registry if agency.code not in codes]
        if len(there) < 2:
            raise UsageError(
                f"newcomers: {len(there)} of {len(registry)} agencies were there before, and two are needed to compare",
                next_step="name fewer newcomers, or give a larger registry",
            )
        positions = np.array([agency.index for agency in there], np.int32)
        return cls(Registry([replace(agency, index=index) for index, agency in enumerate(there)]), positions)

    def placed(self, batch: DraftBatch) -> DraftBatch:
        """Return documents of those who were there before, with their positions in the whole registry."""
        return replace(batch, sender=self.positions[batch.sender], recipient=self.positions[batch.recipient])


@dataclass(frozen=True, slots=True)
class NewcomerModel:
    """The documents that come with the newcomers: entries to draw from, each a document of the sample."""

    sample: DraftBatch
    row: Ints  # of the sample
    newcomer: npt.NDArray[np.int32]  # position in the registry
    incoming: Bools  # sent to the newcomer; else by it
    cumulated: Floats  # weights of the entries
    per_document: float  # documents that come with the newcomers for each one of the others

    @classmethod
    def of(
        cls,
        newcomers: Sequence[Newcomer],
        registry: Registry,
        admission: Admission,
        draft: Callable[[Ints], DraftBatch],
    ) -> "NewcomerModel":
        """Make the model; `draft` gives documents of those who were there before, one for each calendar instant.

        Raises:
            UsageError: an agency that a newcomer is to be like takes no part in the workload.
        """
        sample = admission.placed(draft(np.zeros(SAMPLE, np.int64)))
        document_of = np.repeat(np.arange(len(sample)), sample.fan_out)
        rows, whose, incoming, weights = [], [], [], []
        for one in newcomers:
            like = registry.positions[one.like]
            sent, received = np.flatnonzero(sample.sender == like), document_of[sample.recipient == like]
            count = len(sent) + len(received)
            if not count:
                raise UsageError(
                    f"newcomer {one.code} is to be like {one.like}, which neither sends nor receives in this workload",
                    next_step="name an agency that takes part, or another workload",
                )
            rows += [sent, received]
            whose.append(np.full(count, registry.positions[one.code], np.int32))
            incoming.append(np.arange(count) >= len(sent))
            weights.append(np.full(count, one.factor))
        cumulated = np.cumsum(np.concatenate(weights))
        return cls(
            sample,
            np.concatenate(rows),
            np.concatenate(whose),
            np.concatenate(incoming),
            cumulated / cumulated[-1],
            float(cumulated[-1]) / SAMPLE,
        )

    @property
    def deliveries_per_document(self) -> float:
        """Deliveries that come with the newcomers for each document of the others."""
        weights = np.diff(self.cumulated, prepend=0.0)
        return self.per_document * float(weights @ np.where(self.incoming, 1, self.sample.fan_out[self.row]))

    def draft(self, rng: np.random.Generator, calendar_ms: Ints) -> DraftBatch:
        """Draft one document for each instant; their ordinals are still to be taken."""
        drawn = np.searchsorted(self.cumulated, rng.random(len(calendar_ms)), side="right")
        incoming = self.incoming[drawn]
        ours, theirs = drawn[~incoming], drawn[incoming]
        outgoing = replace(self.sample.ordered(self.row[ours]), sender=self.newcomer[ours])
        alone = replace(
            self.sample.ordered(self.row[theirs]),
            recipient=self.newcomer[theirs],
            recipient_from=np.arange(len(theirs) + 1),
        )
        order = np.argsort(np.concatenate((np.flatnonzero(~incoming), np.flatnonzero(incoming))))
        batch = DraftBatch.joined([outgoing, alone]).ordered(order)
        return replace(batch, calendar_ms=calendar_ms, year=years_of(calendar_ms))


def superposed(points: Iterator[Floats], per_point: float, rng: np.random.Generator) -> Iterator[tuple[Floats, Bools]]:
    """Yield blocks of points with further ones laid among them by chance, `per_point` for each on average.

    The second array says which were added. Each block ends with a point of the load beneath, so that its documents are
    drafted in the same blocks as they are alone.
    """
    following = rng.standard_exponential() / per_point
    for block in points:
        added: list[float] = []
        last = float(block[-1]) if len(block) else 0.0
        while following <= last:
            added.append(following)
            following += rng.standard_exponential() / per_point
        both = np.concatenate((block, np.array(added)))
        order = np.argsort(both, kind="stable")
        yield both[order], order >= len(block)
