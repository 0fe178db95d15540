"""Without a broker a client waits: it does not spin, and an idempotent producer keeps what has no leader yet."""

import asyncio
import math
from typing import Any

import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.cluster import ClusterMetadata
from aiokafka.errors import KafkaError
from aiokafka.producer.message_accumulator import MessageAccumulator
from aiokafka.producer.transaction_manager import TransactionManager
from aiokafka.protocol.metadata import MetadataResponse_v1

from docaxis.kafka import outage
from docaxis.kafka.outage import client_cancellations_as_errors

NO_ERROR, LEADER_NOT_AVAILABLE, NOBODY = 0, 5, -1


def _answer(leader: int) -> MetadataResponse_v1:
    """Return a cluster of one broker, and a topic of one partition with this leader."""
    code = LEADER_NOT_AVAILABLE if leader == NOBODY else NO_ERROR
    return MetadataResponse_v1(
        [(1, "127.0.0.1", 9092, None)], 1, [(NO_ERROR, "sent", False, [(code, 0, leader, [1], [1])])]
    )


class _Connection:
    def __init__(self, answers: list[MetadataResponse_v1]) -> None:
        self._answers = answers

    async def send(self, request: object) -> MetadataResponse_v1:
        return self._answers.pop(0)


def _client(answers: list[MetadataResponse_v1], *, reachable: bool = True) -> Any:
    """Return as much of a client as asking for metadata takes."""
    outage.mend()
    outage.mend()
    client = object.__new__(AIOKafkaClient)
    client.cluster = ClusterMetadata(metadata_max_age_ms=1000)
    client.cluster.update_metadata(_answer(1))
    client._conns = {}
    connection = _Connection(answers) if reachable else None

    async def get_connection(node_id: object) -> _Connection | None:
        return connection

    client._get_conn = get_connection
    client.close = lambda: None
    client._sync_task = None
    client._closed = True
    return client


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Give the pauses that were made; none takes time."""
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    return pauses


async def test_a_question_after_a_good_answer_is_asked_at_once(slept: list[float]) -> None:
    client = _client([_answer(1), _answer(1)])
    for _ in range(2):
        assert await client._metadata_update(client.cluster, ["sent"])
    assert slept == []


async def test_after_an_answer_without_a_leader_there_is_a_pause(slept: list[float]) -> None:
    client = _client([_answer(NOBODY), _answer(NOBODY), _answer(1), _answer(1)])
    for _ in range(4):
        await client._metadata_update(client.cluster, ["sent"])
    assert slept == [outage.PAUSE_S] * 2


async def test_while_nobody_can_be_asked_there_is_a_pause(slept: list[float]) -> None:
    client = _client([], reachable=False)
    assert not await client._metadata_update(client.cluster, ["sent"])
    assert not await client._metadata_update(client.cluster, ["sent"])
    assert slept == [outage.PAUSE_S]


async def test_only_an_idempotent_producer_keeps_batches_for_ever() -> None:
    outage.mend()
    cluster = ClusterMetadata(metadata_max_age_ms=1000)
    plain = MessageAccumulator(cluster, 1000, 0, 30)
    idempotent = MessageAccumulator(cluster, 1000, 0, 30, txn_manager=TransactionManager(None, 1000))
    assert (plain._batch_ttl, idempotent._batch_ttl) == (30, math.inf)


async def test_a_cancellation_that_nobody_asked_for_is_an_error() -> None:
    owed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(owed.cancel)
    with pytest.raises(KafkaError, match="gave up"), client_cancellations_as_errors():
        await owed


async def test_one_that_was_asked_for_stays_one() -> None:
    async def work() -> None:
        with client_cancellations_as_errors():
            await asyncio.sleep(3600)

    task = asyncio.ensure_future(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
