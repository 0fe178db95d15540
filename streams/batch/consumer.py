"""The consumer of batch topics: what may be committed, and who owns the partitions when."""

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any

from faust.types import TP

from streams.batch.delivery import DeliveringConsumer, void
from streams.batch.hooks import BatchHooks, Position
from streams.batch.progress import Progress


class BatchConsumer(DeliveringConsumer):
    """Commits contiguous prefixes of processed chunks up to the application's limit, and tells it what it owns."""

    def on_init(self) -> None:
        """Set up ownership (Faust calls this again when it restarts the consumer)."""
        super().on_init()
        self.hooks: BatchHooks = self.transport.hooks
        self._ownership = asyncio.Lock()  # the hooks never overlap
        self._owned: frozenset[TP] = frozenset()
        self._taking: asyncio.Task[None] | None = None  # a reference, so that it is not collected
        self._failure: BaseException | None = None

    def positions(self) -> dict[TP, Position]:
        """Return how far each assigned partition is, from memory."""
        fetched_to = self.last_fetch
        positions = {}
        for tp, progress in self._progress.items():
            to = fetched_to.get(tp)
            positions[tp] = Position(
                delivered=progress.position,
                processed=progress.processed,
                committed=progress.committed,
                stable_end=None if to is None else to.stable_end,
                end=None if to is None else to.end,
            )
        return positions

    # --- commits

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:
        # Stock goes by `_acked`, and forgets that when a rebalance starts: all acks since the last commit would be
        # redelivered, thousands of records at speed.
        for tp in self._progress:
            if topics is None or tp in topics or tp.topic in topics:
                yield tp

    def _new_offset(self, tp: TP) -> int | None:
        # Stock sorts a list of all acked offsets and may commit past a message in flight.
        self._acked[tp].clear()  # the ack code fills these, and nothing here reads them
        self._acked_index[tp].clear()
        return self._progress[tp].committable(self.hooks.commit_limit(tp))

    def _should_commit(self, tp: TP, offset: int) -> bool:
        return True  # decided in `committable`; stock compares with offsets whose commit may have failed

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        if self._is_failed or not await super()._commit(offsets):
            return False
        for tp, offset in offsets.items():
            if (progress := self._progress.get(tp)) is not None:
                progress.committed = offset
        return True

    # --- failures

    @property
    def _is_failed(self) -> bool:
        return self._failure is not None or self.app.crashed

    async def on_task_error(self, exc: BaseException) -> None:
        """Stop the worker: an agent failed. Stock commits here, and the failed chunk counts as acked."""
        await self._fail(exc)

    async def _fail(self, error: BaseException) -> None:
        """Deliver and commit nothing more, and crash the app.

        Faust restarts a failed agent; were it to get the next chunk, the state would be stored with a hole in it.
        """
        if self._failure is None:
            self._failure = error
            self.stop_flow()
            self.app.flow_control.suspend()
            self.app.flow_control.clear()
            await self.app.crash(error)

    # --- ownership

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Begin to note progress anew, and have the application take the partitions up before anything is fetched.

        Not within the call: aiokafka sends no heartbeats until it returns, and loading state may take longer than a
        session.
        """
        if self.app.should_stop:  # stock closes the client here, under a last commit that may be under way
            return
        self.shut()
        self._progress = {tp: Progress() for tp in assigned}
        self._taking = asyncio.ensure_future(self._take(frozenset(assigned), self._term))
        await super().on_partitions_assigned(assigned, generation_id)

    async def _take(self, tps: frozenset[TP], term: int) -> None:
        async with self._ownership:
            if term != self._term:  # handed back before it was taken up
                return
            self._owned = tps
            try:
                if tps:
                    await self.hooks.on_assigned(tps)
            except Exception as error:  # noqa: BLE001  # reported by the app's crash
                await self._fail(error)
            else:
                if term == self._term:
                    self._taken.set()

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Forget the progress, but only after stock has waited for the chunks in progress and committed them."""
        if self.app.should_stop:  # the stop hands the partitions back; rejoin only after that
            await self.wait_empty()
            return
        await super().on_partitions_revoked(revoked)
        for tp in revoked & self._progress.keys():
            void(self, self._progress.pop(tp).rewind())

    async def wait_empty(self) -> None:
        """Wait for the chunks in progress, and hand the partitions back; no further chunk is begun."""
        self.shut()
        await super().wait_empty()

    async def commit_and_end_transactions(self) -> None:
        """Hand the partitions back around the last commit of a rebalance or stop; no chunk is in progress now.

        Stock would skip this commit while a periodic one is under way, and could miss the last acks.
        """
        async with self._ownership:
            owned, self._owned = self._owned, frozenset()
            if owned and not self._is_failed:
                await self._tell(self.hooks.on_revoking(owned))
            while self._commit_fut is not None:
                await self.maybe_wait_for_commit_to_finish()
            await super().commit_and_end_transactions()
            if owned:
                await self._tell(self.hooks.on_revoked(owned))

    async def _tell(self, hook: Any) -> None:
        try:
            await hook
        except Exception as error:  # noqa: BLE001  # reported by the app's crash
            await self._fail(error)
