"""Connection settings as aiokafka's clients want them, and the one TLS context of a process."""

import ssl
from functools import cache
from typing import Any

from pydantic import SecretStr

from docaxis.domain.errors import UsageError
from docaxis.settings import KafkaSettings


def client_kwargs(kafka: KafkaSettings) -> dict[str, Any]:
    """Return the keywords that AIOKafkaConsumer, AIOKafkaProducer and AIOKafkaAdminClient all take.

    Raises UsageError when no address is known or a certificate file cannot be used.
    """
    from docaxis.kafka import (
        offset_fetch,
        outage,
    )  # aiokafka: whoever asks for this is about to need it, others are not

    offset_fetch.mend()
    outage.mend()
    if not kafka.bootstrap_servers:
        raise UsageError(
            "No Kafka address is known",
            next_step="start one with `docaxis broker up`, or name yours with --bootstrap-servers host:port",
        )
    kwargs: dict[str, Any] = {
        "bootstrap_servers": kafka.bootstrap_servers,
        "security_protocol": kafka.security_protocol,
        "request_timeout_ms": kafka.request_timeout_ms,
    }
    if kafka.security_protocol in ("SSL", "SASL_SSL"):
        kwargs["ssl_context"] = ssl_context(kafka)
    if kafka.security_protocol.startswith("SASL"):
        kwargs["sasl_mechanism"] = kafka.sasl_mechanism
        kwargs["sasl_plain_username"] = kafka.sasl_username
        kwargs["sasl_plain_password"] = _plain(kafka.sasl_password)
    return kwargs


@cache  # the settings are frozen, and reading certificates for every client would only slow the start
def ssl_context(kafka: KafkaSettings) -> ssl.SSLContext:
    """Build the TLS context that the settings describe; raises UsageError naming the file at fault."""
    try:
        context = ssl.create_default_context(cafile=kafka.ssl_cafile)
    except OSError as error:  # ssl.SSLError is one too
        raise UsageError(
            f"kafka.ssl_cafile {kafka.ssl_cafile} cannot be used: {error}",
            next_step="give a readable file of certificates in PEM form",
        ) from error
    context.check_hostname = kafka.ssl_check_hostname
    if kafka.ssl_certfile is None:
        return context
    try:
        # An empty password instead of None: OpenSSL would ask for it on the terminal, and a service would hang.
        context.load_cert_chain(kafka.ssl_certfile, kafka.ssl_keyfile, password=_plain(kafka.ssl_key_password) or "")
    except OSError as error:
        raise UsageError(
            f"kafka.ssl_certfile {kafka.ssl_certfile} with ssl_keyfile {kafka.ssl_keyfile} cannot be used: {error}",
            next_step="check both files (PEM) and kafka.ssl_key_password",
        ) from error
    return context


def _plain(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()
