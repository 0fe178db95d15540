"""Client settings: what aiokafka and Faust are given, and faults of certificates."""

import re
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from docaxis.domain.errors import UsageError
from docaxis.kafka.client import client_kwargs
from docaxis.settings import KafkaSettings


def _kafka(protocol: str, **more: Any) -> KafkaSettings:
    return KafkaSettings.model_validate({"bootstrap_servers": "127.0.0.1:9", "security_protocol": protocol, **more})


SASL = {"sasl_mechanism": "SCRAM-SHA-256", "sasl_username": "truc", "sasl_password": "m4t-khau"}


@pytest.mark.parametrize("protocol", ["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"])
async def test_aiokafkas_clients_take_the_keywords_of_every_protocol(protocol: str) -> None:
    kwargs = client_kwargs(_kafka(protocol, **SASL))
    assert kwargs["security_protocol"] == protocol
    assert ("ssl_context" in kwargs) == protocol.endswith("SSL")
    assert (kwargs.get("sasl_plain_password") == "m4t-khau") == protocol.startswith("SASL")
    consumer, producer = AIOKafkaConsumer(**kwargs), AIOKafkaProducer(**kwargs)
    await producer.stop()
    await consumer.stop()


def test_no_address_is_a_users_fault_with_two_ways_out() -> None:
    with pytest.raises(UsageError) as caught:
        client_kwargs(KafkaSettings())
    assert "docaxis broker up" in caught.value.next_step
    assert "--bootstrap-servers" in caught.value.next_step


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_certificate_file_at_fault_is_named(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(UsageError, match=re.escape(f"kafka.ssl_cafile {path} cannot be used")):
        client_kwargs(_kafka("SSL", ssl_cafile=path))
    with pytest.raises(UsageError, match=re.escape(f"kafka.ssl_certfile {path} with")):
        client_kwargs(_kafka("SSL", ssl_certfile=path, ssl_keyfile=path))


def test_host_names_are_checked_unless_switched_off() -> None:
    assert client_kwargs(_kafka("SSL"))["ssl_context"].check_hostname is True
    assert client_kwargs(_kafka("SSL", ssl_check_hostname=False))["ssl_context"].check_hostname is False
