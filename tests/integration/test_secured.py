"""A cluster behind TLS and a password: everything docaxis connects with goes through both, and says what is wrong."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from docaxis.kafka.broker import EmbeddedBroker
from tests.conftest import settings_at

USER, PASSWORD = "axis", "Mật khẩu 95!"

#: Kafka's own names; the certificates are PEM in the properties, with escaped line ends.
LISTENER = """
listeners=PLAINTEXT://127.0.0.1:{plain},CONTROLLER://127.0.0.1:{controller},SECURED://127.0.0.1:{secured}
advertised.listeners=PLAINTEXT://127.0.0.1:{plain},SECURED://127.0.0.1:{secured}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURED:SASL_SSL
listener.name.secured.sasl.enabled.mechanisms=PLAIN
listener.name.secured.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \
user_{user}="{password}";
ssl.keystore.type=PEM
ssl.keystore.certificate.chain={chain}
ssl.keystore.key={key}
ssl.truststore.type=PEM
ssl.truststore.certificates={trusted}
ssl.client.auth=none
"""


def escaped(text: str) -> str:
    """Return a value as a properties file takes it: line ends and what is not ASCII are escaped."""
    return "".join("\\n" if c == "\n" else c if c.isascii() else f"\\u{ord(c):04x}" for c in text)


def pkcs8(key: bytes) -> str:
    """Return a private key in the one PEM format that Kafka reads."""
    whole = serialization.load_pem_private_key(key, None)
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return whole.private_bytes(pem, form, serialization.NoEncryption()).decode()


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Give the environment that connects to a broker's TLS listener, which wants a name and a password."""
    folder = tmp_path_factory.mktemp("secured")
    authority = trustme.CA()
    server = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    with EmbeddedBroker(settings_at(folder)) as broker:
        node = broker._nodes[0]
        broker.kill(1, signal.SIGTERM)
        port = free_port()
        listener = LISTENER.format(
            plain=node.port,
            controller=node.controller_port,
            secured=port,
            user=USER,
            password=escaped(PASSWORD),
            chain=escaped("".join(blob.bytes().decode() for blob in server.cert_chain_pems)),
            key=escaped(pkcs8(server.private_key_pem.bytes())),
            trusted=escaped(authority.cert_pem.bytes().decode()),
        )
        kept = [line for line in node.properties.read_text().splitlines() if "listener" not in line.split("=")[0]]
        names = ["controller.listener.names=CONTROLLER", "inter.broker.listener.name=PLAINTEXT"]
        node.properties.write_text("\n".join([*kept, *names]) + listener)
        broker.restart(1)
        yield {
            "DOCAXIS_KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{port}",
            "DOCAXIS_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
            "DOCAXIS_KAFKA_SSL_CAFILE": str(folder / "ca.pem"),
            "DOCAXIS_KAFKA_SASL_USERNAME": USER,
            "DOCAXIS_KAFKA_SASL_PASSWORD": PASSWORD,
        }


def docaxis(folder: Path, environ: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    others = {name: value for name, value in os.environ.items() if not name.startswith("DOCAXIS_")}
    return subprocess.run(
        [sys.executable, "-m", "docaxis", *arguments],
        cwd=folder,
        env=others | environ,
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )


@pytest.mark.slow
def test_the_whole_demo_runs_on_it_and_the_password_is_in_no_file(secured: dict[str, str], tmp_path: Path) -> None:
    done = docaxis(tmp_path, secured, "demo", "--scale", "0.001")
    assert done.returncode == 0, done.stderr + done.stdout
    assert "PASS" in done.stdout
    for file in (tmp_path / "runs").rglob("*"):
        assert not file.is_file() or PASSWORD.encode() not in file.read_bytes(), file


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"DOCAXIS_KAFKA_SASL_PASSWORD": "guessed"}, "auth"),
        ({"DOCAXIS_KAFKA_SSL_CAFILE": ""}, "certificate"),
    ],
)
def test_a_wrong_secret_is_one_message_and_exit_code_4(
    secured: dict[str, str], tmp_path: Path, wrong: dict[str, str], reason: str
) -> None:
    environ = {name: value for name, value in (secured | wrong).items() if value}
    done = docaxis(tmp_path, environ, "topics", "check")
    assert done.returncode == 4, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert reason in done.stderr.lower()
