"""Waiting with an end: work that never answers, an order to stop, failures in a row, clients that cancel."""

import asyncio

import pytest
from aiokafka.errors import KafkaConnectionError, KafkaError, KafkaTimeoutError

from docaxis.kafka import waiting
from docaxis.kafka.following import follow_on, insist
from docaxis.kafka.waiting import Patience, first_of, sleep_unless, within


async def _never() -> int:
    """Be a client that went through an outage: it does not answer, and its cleaning up does not end either."""
    try:
        await asyncio.Event().wait()
    finally:
        await asyncio.Event().wait()
    return 0


async def _cancelled_future() -> None:
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    future.cancel()
    await future


async def _seven() -> int:
    return 7


async def _raise() -> None:
    raise KafkaConnectionError("gone")


async def test_work_that_never_ends_is_left_alone_at_its_limit() -> None:
    with pytest.raises(KafkaTimeoutError, match=r"commit: no answer for 0 s"):
        await within(0.02, _never(), "commit")


async def test_an_order_to_stop_does_not_wait_for_work_that_never_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "ENDS_WITHIN_S", 0.02)
    task = asyncio.ensure_future(within(1000, _never(), "commit"))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task}, timeout=30)
    assert task.cancelled()


async def test_results_and_errors_of_work_are_its_own() -> None:
    assert await within(30, _seven(), "seven") == 7
    with pytest.raises(KafkaConnectionError, match="gone"):
        await within(30, _raise(), "it")
    with pytest.raises(KafkaError, match="it: the client gave up"):
        await within(30, _cancelled_future(), "it")


async def test_a_sleep_ends_with_the_order_to_stop_or_by_itself() -> None:
    stop = asyncio.Event()
    async with asyncio.timeout(60):  # of ten thousand seconds
        await sleep_unless(stop, 0.001)
        await sleep_unless(stop, -1)
        stop.set()
        await sleep_unless(stop, 10_000)
    assert stop.is_set()


async def test_the_first_of_several_ends_the_wait_and_its_error_is_raised() -> None:
    await first_of(asyncio.Event().wait(), asyncio.sleep(0))
    with pytest.raises(KafkaConnectionError):
        await first_of(asyncio.Event().wait(), _raise())


def test_only_failures_in_a_row_use_up_patience() -> None:
    patience = Patience(120)
    assert not patience.ends(10_000, good=False), "the first failure, however long nothing happened before it"
    assert not patience.ends(10_100, good=False)
    assert not patience.ends(10_121, good=True), "its work was done in between"
    assert not patience.ends(10_241, good=False)
    assert patience.ends(10_242, good=False)


async def test_a_follower_goes_on_after_its_client_cancelled_what_it_awaited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("docaxis.kafka.following.PAUSE_S", 0)
    stop, attempts = asyncio.Event(), []

    async def attempt(stop: asyncio.Event) -> None:
        attempts.append(1)
        if len(attempts) == 3:
            stop.set()
            return
        await (_cancelled_future() if len(attempts) == 1 else _raise())

    await asyncio.wait_for(follow_on(attempt, stop, "records"), 30)
    assert len(attempts) == 3


async def test_insisting_ends_with_the_first_success(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("docaxis.kafka.following.PAUSE_S", 0)
    attempts = []

    async def attempt(stop: asyncio.Event) -> None:
        attempts.append(1)
        if len(attempts) < 3:
            await _raise()

    await asyncio.wait_for(insist(attempt, asyncio.Event(), "statuses"), 30)
    assert len(attempts) == 3
