"""Sessions of hub, worker and receivers that fail: what is begun anew, what is let go of, when it is too much."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError, KafkaTimeoutError

from docaxis.domain.clock import ManualClock
from docaxis.domain.errors import InfrastructureError
from docaxis.kafka.topics import Topics
from producers.receiver import ReceiverSettings, ReceiverStats, _Session
from streams import hub, worker
from streams.batch import TP
from streams.hub import HubSettings, HubStats, run_hub
from streams.routing import Directory
from streams.state import Duties, PartitionState, StateBounds
from streams.worker import StreamWorker, WorkerSettings, WorkerStats, run_worker

TOPICS = Topics("t")
FAILURES_MAX = 1000


class _Quiet:
    """A session: a member for `lives_s` seconds, in which nothing comes, and then the broker is gone."""

    lives_s, sessions_max, assigned = 0.0, 0, True

    def __init__(self, settings: Any, router: Any, clock: ManualClock, stats: HubStats) -> None:
        self._clock, self._stats = clock, stats

    async def run(self, stop: asyncio.Event) -> None:
        self._stats.sessions += 1
        if self._stats.sessions == self.sessions_max:
            stop.set()
            return
        if self.assigned:
            self._stats.assigned_ns = self._clock.monotonic_ns()
        self._clock.advance_us(round(self.lives_s * 1e6))
        raise KafkaConnectionError("the broker was started again")


async def _no_sleep(stop: asyncio.Event, seconds: float) -> None:
    await asyncio.sleep(0)


async def _hub(monkeypatch: pytest.MonkeyPatch, **session: Any) -> HubStats:
    monkeypatch.setattr(hub, "_Session", type("Session", (_Quiet,), session))
    monkeypatch.setattr(hub, "sleep_unless", _no_sleep)
    stats, clock = HubStats(), ManualClock(1_600_000_000_000_000)
    settings = HubSettings({}, TOPICS, 1, "hub")
    await run_hub(settings, Directory(("G22", "H53"), ()), clock, stats, asyncio.Event())
    return stats


async def test_a_hub_bears_a_failure_after_every_quiet_night(monkeypatch: pytest.MonkeyPatch) -> None:
    stats = await _hub(monkeypatch, lives_s=36_000.0, sessions_max=20)
    assert stats.sessions == 20


@pytest.mark.parametrize("assigned", [True, False])
async def test_a_hub_that_only_fails_gives_up(monkeypatch: pytest.MonkeyPatch, assigned: bool) -> None:
    with pytest.raises(InfrastructureError, match="could not route anything for 120 s"):
        await _hub(monkeypatch, lives_s=20.0 if assigned else 50.0, assigned=assigned, sessions_max=FAILURES_MAX)


class _Store:
    """A partition's state in memory; partition 0 cannot be opened while `fails`, partition 1 takes longer."""

    fails = True
    saved_bytes = prepared_ns = 0

    def __init__(self, client: Any, topics: Topics, group: str, number: int, clock: Any, url: str = "") -> None:
        self._number = number

    async def open(self, duties: Duties, bounds: StateBounds) -> PartitionState:
        if self.fails:
            await asyncio.sleep(0.05 * self._number)
            if self._number == 0:
                raise KafkaConnectionError("no coordinator")
        return PartitionState(self._number, duties, bounds)

    async def save(self, state: PartitionState) -> dict[str, int]:
        return {}

    async def close(self) -> None:
        pass


async def test_a_state_that_cannot_be_opened_leaves_no_other_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    store = type("Store", (_Store,), {})
    monkeypatch.setattr(worker, "StateStore", store)
    one = StreamWorker(WorkerSettings({}, TOPICS, 2, "g"), ManualClock(1_600_000_000_000_000), WorkerStats())
    both = [TP(TOPICS.sent, 0), TP(TOPICS.sent, 1)]
    with pytest.raises(KafkaConnectionError):
        await one.assigned(both)
    await one._close(list(one._stores))
    await asyncio.sleep(0.1)
    assert not one.states
    monkeypatch.setattr(store, "fails", False)
    await one.assigned(both)
    assert set(one.states) == set(one._stores) == {0, 1}
    for state in one.states.values():
        state.changed = True
    await one._save({0, 1})


async def test_a_worker_without_partitions_bears_failures_between_quiet_hours(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, stats = ManualClock(1_600_000_000_000_000), WorkerStats()
    one = StreamWorker(WorkerSettings({}, TOPICS, 2, "g"), clock, stats)

    async def run(stop: asyncio.Event) -> None:
        stats.sessions += 1
        stats.assigned_ns = clock.monotonic_ns()
        if stats.sessions == 5:
            stop.set()
            return
        clock.advance_us(3_600_000_000)
        raise KafkaConnectionError("the broker was started again")

    monkeypatch.setattr(one, "run", run)
    monkeypatch.setattr(worker, "sleep_unless", _no_sleep)
    await run_worker(one, clock, asyncio.Event())
    assert stats.sessions == 5


@pytest.fixture
async def session() -> AsyncIterator[_Session]:
    """Give a session of the receivers that has met no broker yet."""
    settings = ReceiverSettings({"bootstrap_servers": "127.0.0.1:9"}, TOPICS, 1, "agencies")
    session = _Session(settings, ManualClock(1), ReceiverStats(), lambda waiting, received_us: None)
    yield session
    await session._consumer.stop()
    await session._producer.stop()


async def test_receipts_that_were_not_written_end_the_session_of_the_receivers(session: _Session) -> None:
    inbox = TopicPartition(TOPICS.delivered, 0)
    session._progress.begin(inbox, 10, 10)

    async def fail() -> None:
        raise KafkaTimeoutError

    session._answers.add(asyncio.ensure_future(fail()))
    await session.on_partitions_revoked({inbox})  # an error of a listener would be swallowed by the client
    assert isinstance(session._failure, KafkaTimeoutError)
    # What was fetched before is forgotten: the inbox that comes back is committed as it is answered.
    session._progress.begin(inbox, 20, 0)
    assert session._progress.take_committable() == {inbox: 20}


async def test_a_report_that_is_added_while_another_is_waited_for_is_kept(session: _Session) -> None:
    first, second = (asyncio.get_running_loop().create_future() for _ in range(2))
    session._answers.add(asyncio.ensure_future(asyncio.wait_for(first, 30)))
    settling = asyncio.ensure_future(session._settle(0))
    await asyncio.sleep(0)
    session._answers.add(asyncio.ensure_future(asyncio.wait_for(second, 30)))
    first.set_result(None)
    await asyncio.sleep(0.01)
    second.set_exception(KafkaTimeoutError())
    with pytest.raises(KafkaTimeoutError):
        await settling
