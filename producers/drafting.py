"""Drafting: columns of a traffic model become records that lack only their two stamps.

A document is drafted before it is due, so that at its moment the sender has nothing left to do but stamp and send.
Documents keep their order within a partition.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from docaxis.domain.agency import Registry
from docaxis.domain.codec import encode
from docaxis.domain.document import document_id, packet_id
from docaxis.kafka.partitioner import partitions_of
from producers.traffic import DraftBatch

Int64s = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Drafts:
    """Documents ready to be stamped, in the order in which they will be sent."""

    heads: list[bytes]  # the record's JSON up to the stamps
    keys: list[bytes]
    partitions: npt.NDArray[np.int32]
    fan_out: Int64s
    calendar_ms: Int64s

    def __len__(self) -> int:
        return len(self.heads)

    @classmethod
    def joined(cls, parts: Sequence["Drafts"]) -> "Drafts":
        """Return documents that follow each other as one."""
        if len(parts) == 1:
            return parts[0]
        return cls(
            heads=[head for part in parts for head in part.heads],
            keys=[key for part in parts for key in part.keys],
            partitions=np.concatenate([part.partitions for part in parts]),
            fan_out=np.concatenate([part.fan_out for part in parts]),
            calendar_ms=np.concatenate([part.calendar_ms for part in parts]),
        )

    def rows(self, first: int, last: int) -> "Drafts":
        """Return consecutive documents."""
        if (first, last) == (0, len(self)):
            return self
        return Drafts(
            heads=self.heads[first:last],
            keys=self.keys[first:last],
            partitions=self.partitions[first:last],
            fan_out=self.fan_out[first:last],
            calendar_ms=self.calendar_ms[first:last],
        )

    def ordered(self, order: Int64s) -> "Drafts":
        """Return the documents at these positions, in this order; one may come several times."""
        places = order.tolist()
        return Drafts(
            heads=[self.heads[place] for place in places],
            keys=[self.keys[place] for place in places],
            partitions=self.partitions[order],
            fan_out=self.fan_out[order],
            calendar_ms=self.calendar_ms[order],
        )


def stamped(head: bytes, intended_us: int, sent_us: int) -> bytes:
    """Return the record's value: a drafted head with its stamps."""
    return b'%b"intended_us":%d,"sent_us":%d}' % (head, intended_us, sent_us)


class Drafter:
    """Writes drafts of one run for one registry."""

    def __init__(self, run: str, registry: Registry, partitions: int) -> None:
        self._codes = registry.codes
        self._quoted = [encode(code) for code in registry.codes]
        self._partitions = partitions
        self._start = b'{"kind":"sent","version":1,"run":%b,"packet_id":"' % encode(run)

    def draft(self, batch: DraftBatch) -> Drafts:
        """Draft every document of a batch."""
        ids = self._document_ids(batch)
        keys = [one.encode() for one in ids]
        return Drafts(
            heads=self._heads(batch, ids),
            keys=keys,
            partitions=partitions_of(keys, self._partitions),
            fan_out=np.diff(batch.recipient_from),
            calendar_ms=batch.calendar_ms,
        )

    def packet_ids(self, batch: DraftBatch) -> list[str]:
        """Return the packets' ids of a batch."""
        ids = zip(self._document_ids(batch), batch.serials.tolist(), strict=True)
        return [packet_id(document, serial) for document, serial in ids]

    def _document_ids(self, batch: DraftBatch) -> list[str]:
        codes = self._codes
        return [
            document_id(codes[sender], year, ordinal)
            for sender, year, ordinal in zip(
                batch.sender.tolist(), batch.year.tolist(), batch.ordinal.tolist(), strict=True
            )
        ]

    def _heads(self, batch: DraftBatch, ids: Sequence[str]) -> list[bytes]:
        quoted, start = self._quoted, self._start
        recipients = [quoted[index] for index in batch.recipient.tolist()]
        bounds = batch.recipient_from.tolist()
        columns = zip(
            ids,
            batch.serials.tolist(),
            batch.sender.tolist(),
            bounds[:-1],
            bounds[1:],
            batch.type.tolist(),
            batch.priority.tolist(),
            batch.steering.tolist(),
            batch.business.tolist(),
            batch.size.tolist(),
            batch.calendar_ms.tolist(),
            strict=True,
        )
        return [
            b'%b%b","document_id":"%b","sender":%b,"recipients":[%b],"type":%d,"priority":%d,"steering":%d,'
            b'"business":%d,"size":%d,"calendar_ms":%d,'
            % (
                start,
                packet_id(one, serial).encode(),
                one.encode(),
                quoted[sender],
                b",".join(recipients[first:last]),
                *rest,
            )
            for one, serial, sender, first, last, *rest in columns
        ]
