"""When is a broker to be fenced before its start, and when is it; on lines as Kafka's controller writes them."""

from pathlib import Path

import pytest

from docaxis.domain.errors import InfrastructureError
from docaxis.kafka.broker_config import Node
from docaxis.kafka.fencing import ended_uncleanly, fence, is_fenced
from docaxis.kafka.process import ProcessMark

ACTIVE = "2026-01-01 INFO  [QuorumController id=1] Activated periodic tasks: maybeFenceStaleBroker (PeriodicTask)\n"
REGISTERED = (
    "2026-01-01 INFO  [QuorumController id=1] Replayed initial RegisterBrokerRecord for broker 1: "
    "RegisterBrokerRecord(brokerId=1, rack=null, fenced=true, inControlledShutdown=false) (ClusterControlManager)\n"
)


def _change(fenced: int, broker: int = 1) -> str:
    return (
        f"2026-01-01 INFO  [QuorumController id=1] Replayed BrokerRegistrationChangeRecord modifying the registration "
        f"for broker {broker}: BrokerRegistrationChangeRecord(brokerId={broker}, fenced={fenced}, logDirs=[]) (C)\n"
    )


@pytest.mark.parametrize(
    ("log", "fenced"),
    [
        ("", False),
        (REGISTERED, False),  # the controller may not have read all yet
        (ACTIVE, True),  # a broker that never registered
        (REGISTERED + ACTIVE, True),
        (REGISTERED + _change(-1) + ACTIVE, False),
        (REGISTERED + _change(-1) + _change(0) + ACTIVE, False),
        (REGISTERED + _change(-1) + ACTIVE + _change(1, broker=2), False),
        (REGISTERED + _change(-1) + ACTIVE + _change(1), True),
        (REGISTERED + _change(-1) + _change(1) + _change(0) + ACTIVE, True),
    ],
)
def test_the_last_word_of_the_controllers_log_counts(log: str, fenced: bool) -> None:
    assert is_fenced(log, 1) == fenced


@pytest.fixture
def node(tmp_path: Path) -> Node:
    """Give a node that has run and was killed."""
    node = Node(1, 9092, 9093, tmp_path)
    log = node.data / "__cluster_metadata-0" / f"{0:020}.log"
    log.parent.mkdir(parents=True)
    log.touch()
    return node


def test_a_broker_is_fenced_after_an_unclean_end_only(node: Node) -> None:
    assert ended_uncleanly(node)
    (node.data / ".kafka_cleanshutdown").touch()
    assert not ended_uncleanly(node)
    assert not ended_uncleanly(Node(2, 9094, 9095, node.folder / "new"))


def test_a_controller_that_ends_early_is_an_error_that_names_its_log(node: Node) -> None:
    commands: list[list[str]] = []

    def launch(command: list[str], output: Path) -> ProcessMark | None:
        commands.append(command)
        return None

    with pytest.raises(InfrastructureError, match="ended before it had fenced it") as caught:
        fence(node, lambda properties, log4j: ["java", str(properties), str(log4j)], launch, 1)
    assert str(node.folder / "fencing.log") in str(caught.value.render())
    assert "process.roles=controller\n" in Path(commands[0][1]).read_text()
    assert "controller.level = info" in Path(commands[0][2]).read_text()


def test_a_controller_that_has_fenced_it_is_enough(node: Node) -> None:
    def launch(command: list[str], output: Path) -> ProcessMark | None:
        (node.folder / "fencing.log").write_text(REGISTERED + ACTIVE)
        return None

    fence(node, lambda properties, log4j: [], launch, 1)
