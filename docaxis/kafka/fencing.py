"""Fencing a broker that died, before it is started again: without it Kafka may lose the ends of transactions.

When a lone broker is killed and started again, its first look at the cluster is as old as its death: it takes itself
for the leader of every partition, loads the transactions, and sends what ends them (commit or abort) to itself, where
nobody listens yet. Then its old session expires, its partitions have no leader until it is registered anew, and the
transaction coordinator (Kafka 4.3) takes a partition without a leader for a deleted one: what was to end the
transaction there is dropped. Aborted records then belong to the producer's next transaction and come out committed, or
the partition's readers of committed data wait for ever.

So after an unclean end the node is first started as a controller alone, with a session so short that it fences the
dead broker within a second. The full start then finds partitions without a leader, loads no transaction before the
broker leads again, and need not wait for the old session. Brokers among others are not concerned: the others lead.
"""

import re
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from docaxis.domain.errors import InfrastructureError
from docaxis.kafka import broker_config as config
from docaxis.kafka.process import ProcessMark, end_processes

#: What Kafka writes into a folder of records when it stops in order.
_CLEAN = ".kafka_cleanshutdown"

#: The controller's log tells when it is at work, and each change of a broker's registration.
_ACTIVE = "Activated periodic tasks"
_REGISTRATION = re.compile(r" Replayed .*for broker (\d+): .*?\bfenced=(-?\w+)")
#: "0" in a change means unchanged, "-1" unfenced.
_FENCED, _SAME = ("1", "true"), "0"

_POLL_S = 0.1


def ended_uncleanly(node: config.Node) -> bool:
    """Return whether the node has run before and did not stop in order."""
    has_run = any((node.data / "__cluster_metadata-0").glob("*.log"))
    return has_run and not (node.data / _CLEAN).exists()


def is_fenced(log: str, node_id: int) -> bool:
    """Return whether a controller's log says that it is at work and holds the broker for fenced, or unknown."""
    if _ACTIVE not in log:
        return False
    states = [state for number, state in _REGISTRATION.findall(log) if int(number) == node_id and state != _SAME]
    return not states or states[-1] in _FENCED


def fence(
    node: config.Node,
    command: Callable[[Path, Path], list[str]],
    launch: Callable[[list[str], Path], ProcessMark | None],
    timeout_s: float,
) -> None:
    """Run `node` as a controller alone until it has fenced the broker.

    `command` returns the Java command line for a file of server properties and one of logging settings; `launch`
    starts it, its output in a file, and returns its mark (None: it has ended already).

    Raises:
        InfrastructureError: the controller ended, or had not fenced the broker within `timeout_s`.
    """
    properties, log4j, log, console = (
        node.folder / f"fencing.{ending}" for ending in ("properties", "log4j2.properties", "log", "console.log")
    )
    properties.write_text(config.controller_properties(node), encoding="utf-8")
    log4j.write_text(config.log4j_properties(log, controller_level="info"), encoding="utf-8")
    _empty((log, console))
    mark = launch(command(properties, log4j), console)
    deadline_s = time.monotonic() + timeout_s
    try:
        while not is_fenced(_text(log), node.id):
            if mark is None or not mark.running:
                raise InfrastructureError(
                    f"Broker {node.id} was killed, and its controller ended before it had fenced it",
                    next_step=f"read {log} and {console}",
                )
            if time.monotonic() > deadline_s:
                raise InfrastructureError(
                    f"Broker {node.id} was killed, and its controller had not fenced it within {timeout_s:.0f} s",
                    next_step=f"read {log}; is the machine overloaded?",
                )
            time.sleep(_POLL_S)
    finally:
        if mark is not None:
            end_processes([mark], timeout_s)


def _empty(files: Iterable[Path]) -> None:
    for file in files:
        file.write_bytes(b"")


def _text(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")
