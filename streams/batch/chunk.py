"""A chunk: consecutive records of one partition that go through Faust as one message."""

import weakref

from faust.types import TP
from faust.types.tuples import ConsumerMessage

from docaxis.kafka.bulk import FetchedRecord


class Chunk:
    """What is noted of a delivered chunk; it outlives the message, which is freed once processed."""

    __slots__ = ("_message", "acked", "first", "next", "records_end")

    def __init__(self, first: int, records_end: int, next_offset: int) -> None:
        self.first = first  # offset of the first record
        self.records_end = records_end  # offset after the last record
        self.next = next_offset  # where the next fetch begins: past transaction markers and aborted records, too
        self.acked = False
        self._message: weakref.ref[BatchMessage] | None = None

    def attach(self, message: "BatchMessage") -> None:
        """Remember the message that carries the chunk."""
        self._message = weakref.ref(message)

    @property
    def message(self) -> "BatchMessage | None":
        """The message, as long as a queue or a stream holds it."""
        return None if self._message is None else self._message()

    @property
    def is_in_progress(self) -> bool:
        """Whether a stream took the chunk from its queue; only then does Faust set `tracked`."""
        return (message := self.message) is not None and message.tracked


class BatchMessage(ConsumerMessage):
    """One Faust message for consecutive records of one partition; its offset is that of the last record."""

    def __init__(self, tp: TP, records: list[FetchedRecord], next_offset: int, generation_id: int) -> None:
        first, last = records[0], records[-1]
        self.records = records
        self.chunk = Chunk(first.offset, last.offset + 1, next_offset)
        super().__init__(
            tp.topic,
            tp.partition,
            last.offset,
            last.timestamp / 1000.0,
            0,  # as their producers stamped them
            headers=None,
            key=None,
            value=None,
            checksum=None,
            tp=tp,
            generation_id=generation_id,
        )
        self.chunk.attach(self)

    # The Cython stream inlines Message.ack() and Consumer.ack(), so overriding those has no effect there. Every path
    # assigns `message.acked`: the property carries that to the progress.
    @property
    def acked(self) -> bool:
        """Whether every stream that got the chunk is done with it."""
        return self.chunk.acked

    @acked.setter
    def acked(self, value: bool) -> None:
        self.chunk.acked = value
