"""Mends of aiokafka for the time without a broker: a client then waits, and neither spins nor gives up half of a batch.

While a partition has no leader, a producer of aiokafka 0.14 asks for metadata again as soon as the last question has
been answered, or could not be asked: thousands of times a second, with a whole core, which a broker that is starting on
the same machine would need. Kafka's own clients pause between such questions, and so does a mended one.

A batch that waits longer than the request timeout for a leader is dropped there, even when it was sent before and may
be in the topic, and even by an idempotent producer: its sequence number is missing then, and every later batch of the
partition is refused. A mended idempotent producer keeps a batch until it has an answer, as it does in every other case.
"""

import asyncio
import contextlib
import math
from collections.abc import Iterator
from typing import Any

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError
from aiokafka.producer.message_accumulator import MessageAccumulator

#: Between two questions for metadata while the answers are no help; the pause of Kafka's own clients.
PAUSE_S = 0.1

_update_unpaused = AIOKafkaClient._metadata_update
_init_accumulator = MessageAccumulator.__init__


def mend() -> None:
    """Have every client and producer that this process makes from now on wait so; a second call changes nothing."""
    AIOKafkaClient._metadata_update = _update_with_pauses
    MessageAccumulator.__init__ = _init_patient


async def _update_with_pauses(client: Any, cluster: Any, topics: Any) -> bool:
    if getattr(client, "_metadata_was_no_help", False):
        await asyncio.sleep(PAUSE_S)
    updated: bool = await _update_unpaused(client, cluster, topics)
    client._metadata_was_no_help = not updated or _lacks_leaders(cluster)
    return updated


def _lacks_leaders(cluster: Any) -> bool:
    return any(
        partition.leader == -1 for partitions in cluster._partitions.values() for partition in partitions.values()
    )


def _init_patient(accumulator: Any, *args: Any, **kwargs: Any) -> None:
    _init_accumulator(accumulator, *args, **kwargs)
    if accumulator._txn_manager is not None:
        accumulator._batch_ttl = math.inf


@contextlib.contextmanager
def client_cancellations_as_errors() -> Iterator[None]:
    """Turn a cancellation that nobody asked for into an error that can be recovered from.

    A client whose background task ends in an outage cancels the futures it still owes, and whoever awaits one is
    cancelled with it: a part that takes this for an order to stop would be silent for ever.

    Raises:
        KafkaError: the client cancelled what was awaited; the task itself was not told to stop.
    """
    try:
        yield
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise KafkaError("the client gave up what was awaited of it") from None
