"""What the application tells the transport, and what it can ask of it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from faust.types import TP


async def _nothing(_tps: frozenset[TP]) -> None:
    """Stand in for a hook that was not given."""


def _no_limit(_tp: TP) -> int | None:
    return None


@dataclass(frozen=True, slots=True)
class BatchHooks:
    """The application's part in the life of its partitions; each hook is given all batch partitions concerned.

    An exception from a hook crashes the app. `on_revoking` may come too late, when the group has already given the
    partitions to another worker: what it writes must be fenced.
    """

    on_assigned: Callable[[frozenset[TP]], Awaitable[None]] = _nothing
    on_revoking: Callable[[frozenset[TP]], Awaitable[None]] = _nothing
    on_revoked: Callable[[frozenset[TP]], Awaitable[None]] = _nothing
    #: The offset of the next record that is *not* durable yet; None: no limit. Asked at each commit, until
    #: `on_revoking` has returned and the commit after it is done. An answer below what is committed changes nothing.
    commit_limit: Callable[[TP], int | None] = _no_limit


@dataclass(frozen=True, slots=True)
class FetchedTo:
    """What the fetcher last saw of one partition: its own position, the last stable offset, the high watermark."""

    position: int
    stable_end: int | None
    end: int | None


@dataclass(frozen=True, slots=True)
class Position:
    """How far one partition is; every offset is that of the next record. None: not known yet."""

    #: The next record to deliver.
    delivered: int | None
    #: All records below were delivered and acked.
    processed: int | None
    committed: int | None
    #: Ends of the log at the last fetch: of what readers of committed data may see, and of all.
    stable_end: int | None
    end: int | None

    @property
    def drained(self) -> bool:
        """Whether all that could be read at the last fetch has been processed."""
        return self.processed is not None and self.stable_end is not None and self.processed >= self.stable_end
