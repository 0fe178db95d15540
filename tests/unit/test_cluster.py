"""Clusters that do not answer as they should: silent, closing, too old."""

import asyncio
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from docaxis.domain.errors import ClusterError, UnreachableError
from docaxis.kafka.cluster import probe, wait_until_ready
from docaxis.settings import KafkaSettings

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def _server(answer: Answer) -> AsyncIterator[KafkaSettings]:
    """Serve `answer` to every connection on a free loopback port."""
    connections: list[asyncio.Task[None]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await answer(reader, writer)
        finally:
            writer.close()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(asyncio.create_task(serve(reader, writer)))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        yield KafkaSettings(bootstrap_servers=f"127.0.0.1:{port}", request_timeout_ms=1_000)
        await asyncio.gather(*connections)


async def _old(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer ApiVersions as Kafka 0.11 did: Fetch up to version 5."""
    (size,) = struct.unpack(">i", await reader.readexactly(4))
    (correlation,) = struct.unpack(">i", (await reader.readexactly(size))[4:8])
    keys = [(1, 0, 5), (3, 0, 4), (18, 0, 1)]
    body = struct.pack(">ihi", correlation, 0, len(keys)) + b"".join(struct.pack(">hhh", *key) for key in keys)
    body += struct.pack(">i", 0)
    writer.write(struct.pack(">i", len(body)) + body)
    await writer.drain()
    await reader.read()


async def _refuse_password(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer ApiVersions, the SASL handshake, and then the password with SASL_AUTHENTICATION_FAILED."""
    keys = [(1, 0, 17), (3, 0, 12), (17, 0, 1), (18, 0, 1), (36, 0, 0)]
    bodies = [
        struct.pack(">hi", 0, len(keys)) + b"".join(struct.pack(">hhh", *key) for key in keys) + struct.pack(">i", 0),
        struct.pack(">hi", 0, 1) + _text("PLAIN"),
        struct.pack(">h", 58) + _text("no such user") + struct.pack(">i", 0),
    ]
    for body in bodies:
        (size,) = struct.unpack(">i", await reader.readexactly(4))
        correlation = (await reader.readexactly(size))[4:8]
        writer.write(struct.pack(">i", 4 + len(body)) + correlation + body)
        await writer.drain()
    await reader.read()


def _text(value: str) -> bytes:
    return struct.pack(">h", len(value)) + value.encode()


async def _close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Hang up on the first request, as a TLS listener does on plain text."""
    await reader.read(4)


async def _silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read and say nothing."""
    await reader.read()


async def test_a_cluster_that_is_too_old_is_refused() -> None:
    async with _server(_old) as kafka:
        with pytest.raises(ClusterError, match=r"is too old: it knows version 5 of Fetch, 10 is needed") as caught:
            await probe(kafka)
    assert "2.1 or newer" in caught.value.next_step


async def test_refused_credentials_are_told_from_a_wrong_address() -> None:
    async with _server(_refuse_password) as kafka:
        login = {"security_protocol": "SASL_PLAINTEXT", "sasl_username": "truc", "sasl_password": "m4t-khau"}
        with pytest.raises(ClusterError, match=r"refuses the credentials: .*no such user") as caught:
            await probe(KafkaSettings.model_validate({**kafka.model_dump(), **login}))
    assert "m4t-khau" not in caught.value.render()


@pytest.mark.parametrize("answer", [_close, _silence])
async def test_one_that_does_not_speak_kafka_is_unreachable(answer: Answer) -> None:
    async with _server(answer) as kafka:
        with pytest.raises(UnreachableError, match=r"does not answer .* with security_protocol PLAINTEXT"):
            await probe(kafka)


async def test_every_address_is_tried_and_named() -> None:
    kafka = KafkaSettings(bootstrap_servers="127.0.0.1:1,127.0.0.1:2")
    with pytest.raises(UnreachableError, match=r"127\.0\.0\.1:1: .*; 127\.0\.0\.1:2: ") as caught:
        await probe(kafka)
    assert caught.value.exit_code == 4


async def test_waiting_ends_at_its_bound() -> None:
    with pytest.raises(UnreachableError, match=r"was not ready within 0\.2 s"):
        await wait_until_ready(KafkaSettings(bootstrap_servers="127.0.0.1:1"), 1, timeout_s=0.2)
