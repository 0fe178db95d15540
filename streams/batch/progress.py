"""How far one partition is: what was delivered, processed and committed. Pure; offsets are of the next record."""

from collections import deque
from collections.abc import Callable, Iterator

from streams.batch.chunk import Chunk


class Progress:
    """How far the chunks of one batch partition are done.

    Chunks are delivered in offset order and may be acked in any; only the contiguous prefix of acked ones counts as
    processed. Stock Faust commits the highest run of acked offsets, which can lie past a message in flight.
    """

    def __init__(self) -> None:
        #: Where the next chunk starts; None: not known yet, and nothing may be delivered.
        self.position: int | None = None
        self.committed: int | None = None
        #: The fetcher may stand elsewhere: seek to `position` before the next fetch.
        self.must_seek = False
        self._open: deque[Chunk] = deque()  # delivered, and not all before acked
        self._records_end: int | None = None  # after the last processed record

    def begin_at(self, offset: int) -> None:
        """Set where the partition is taken up; everything before is done. Later calls change nothing."""
        if self.position is None:
            self.position = self.committed = self._records_end = offset

    def deliver(self, chunk: Chunk) -> None:
        """Note a chunk as handed to Faust."""
        self._open.append(chunk)
        self.position = chunk.next

    def pass_over(self, offset: int) -> None:
        """Note that nothing readable lies between the position and `offset`: only markers and aborted records."""
        if self.position is not None and offset > self.position:
            self.position = offset

    @property
    def processed(self) -> int | None:
        """The offset up to which everything was acked."""
        while self._open and self._open[0].acked:
            self._records_end = self._open.popleft().records_end
        return self._open[0].first if self._open else self.position

    def committable(self, limit: int | None) -> int | None:
        """Return the offset to commit, at most `limit` unless no record lies between; None if that is nothing new."""
        processed, records_end = self.processed, self._records_end
        if processed is None or records_end is None or self.committed is None:
            return None
        offset = processed if limit is None or limit >= records_end else limit
        return offset if offset > self.committed else None

    def rewind(self, keeps: Callable[[Chunk], bool] = lambda chunk: False) -> Iterator[Chunk]:
        """Take back the chunks from the first open one that `keeps` refuses; they will be fetched again."""
        if self.processed is None:
            return
        kept = 0
        while kept < len(self._open) and (self._open[kept].acked or keeps(self._open[kept])):
            kept += 1
        while len(self._open) > kept:
            chunk = self._open.pop()
            self.position, self.must_seek = chunk.first, True
            yield chunk
