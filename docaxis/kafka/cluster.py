"""Reaching a cluster: is anybody there, may we in, is it new enough; then an admin client, closed on every path.

aiokafka says "unable to bootstrap" whatever the reason; `probe` asks each address itself, so that the message can
tell a wrong password from a wrong port.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.conn import AIOKafkaConnection, create_conn
from aiokafka.errors import KafkaError, SaslAuthenticationFailed, UnsupportedSaslMechanismError
from aiokafka.protocol.metadata import MetadataRequest

from docaxis.domain.errors import ClusterError, DocaxisError, UnreachableError
from docaxis.kafka.client import client_kwargs
from docaxis.settings import KafkaSettings

#: Kafka's number of the Fetch request, and the version of it that came with Kafka 2.1: from there on transactions,
#: zstd and the group protocol are what the clients here rely on (Apache Kafka 4 itself asks no less of a broker).
_FETCH_KEY, _FETCH_VERSION_MIN = 1, 10
_OLDEST = "2.1"
#: One address gets this long to answer a probe.
_PROBE_TIMEOUT_MS = 10_000


@dataclass(frozen=True, slots=True)
class ClusterFacts:
    """What a cluster says of itself."""

    cluster_id: str
    #: host:port by broker id.
    brokers: dict[int, str]


async def probe(kafka: KafkaSettings) -> ClusterFacts:
    """Ask the first address that answers about its cluster.

    Raises UnreachableError when none answers, ClusterError when one does but refuses us or is too old.
    """
    kwargs = client_kwargs(kafka)
    kwargs["request_timeout_ms"] = min(kafka.request_timeout_ms, _PROBE_TIMEOUT_MS)
    reasons = []
    for address in kwargs.pop("bootstrap_servers").split(","):
        host, _, port = address.rpartition(":")
        try:
            connection = await create_conn(host.strip("[]"), int(port), client_id="docaxis", **kwargs)
            try:
                return await _ask(address, connection)
            finally:
                connection.close()
        except (SaslAuthenticationFailed, UnsupportedSaslMechanismError) as error:
            raise ClusterError(
                f"Kafka at {address} refuses the credentials: {error}",
                next_step="check kafka.sasl_mechanism, sasl_username and sasl_password",
            ) from error
        except (OSError, KafkaError, TimeoutError) as error:
            reasons.append(f"{address}: {_reason(error)}")
    raise UnreachableError(
        f"Kafka does not answer ({'; '.join(reasons)}) with security_protocol {kafka.security_protocol}",
        next_step="is it running, and are the address and the security settings right? "
        "A local one starts with `docaxis broker up`",
    )


@asynccontextmanager
async def admin_client(kafka: KafkaSettings) -> AsyncIterator[AIOKafkaAdminClient]:
    """Give a started admin client of a cluster that was probed; Kafka's own errors become ours."""
    await probe(kafka)
    client = AIOKafkaAdminClient(client_id="docaxis", **client_kwargs(kafka))
    try:
        await client.start()
        yield client
    except DocaxisError:
        raise
    except (OSError, KafkaError, TimeoutError) as error:
        raise UnreachableError(
            f"Kafka at {kafka.bootstrap_servers} failed in the middle of a request: {_reason(error)}",
            next_step="look at the brokers' logs, then try again",
        ) from error
    finally:
        await client.close()


async def wait_until_ready(kafka: KafkaSettings, brokers: int, timeout_s: float) -> ClusterFacts:
    """Wait until the cluster answers and knows `brokers` brokers; raises UnreachableError after `timeout_s`."""
    deadline = asyncio.get_running_loop().time() + timeout_s
    while True:
        try:
            facts = await probe(kafka)
            if len(facts.brokers) >= brokers:
                return facts
            missing = f"{len(facts.brokers)} of {brokers} brokers have joined"
        except UnreachableError as error:
            missing = error.message
        if asyncio.get_running_loop().time() > deadline:
            raise UnreachableError(
                f"Kafka at {kafka.bootstrap_servers} was not ready within {timeout_s:g} s: {missing}",
                next_step="read its log: `docaxis broker logs`",
            )
        await asyncio.sleep(0.1)


async def _ask(address: str, connection: AIOKafkaConnection) -> ClusterFacts:
    versions: dict[int, tuple[int, int]] = connection._versions  # aiokafka tells nobody in public
    newest = versions.get(_FETCH_KEY, (0, 0))[1]
    if newest < _FETCH_VERSION_MIN:
        raise ClusterError(
            f"Kafka at {address} is too old: it knows version {newest} of Fetch, {_FETCH_VERSION_MIN} is needed",
            next_step=f"use Apache Kafka {_OLDEST} or newer; `docaxis broker up` starts one",
        )
    answer: Any = await connection.send(MetadataRequest([]))
    brokers = {node: f"{host}:{port}" for node, host, port, *_ in answer.brokers}
    return ClusterFacts(cluster_id=answer.cluster_id or "", brokers=brokers)


def _reason(error: BaseException) -> str:
    return str(error) or ("no answer in time" if isinstance(error, TimeoutError) else type(error).__name__)
