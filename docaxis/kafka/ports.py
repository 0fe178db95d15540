"""Free TCP ports on loopback, outside the range from which the system takes ports for outgoing connections.

A client that keeps trying to reach a stopped broker may otherwise be given the broker's own port as its local end,
and the broker could not come back on it.
"""

import socket
import zlib
from collections.abc import Iterable
from pathlib import Path

from docaxis.domain.errors import InfrastructureError

#: Searched from a place that depends on the folder, so that each project tends to keep its own ports.
_FIRST, _LAST = 19_000, 32_000


def find_free_ports(count: int, folder: Path, taken: Iterable[int] = ()) -> list[int]:
    """Return `count` free ports that are not in `taken`; the same ones for the same folder when they are free."""
    taken = set(taken)
    span = _LAST - _FIRST
    start = zlib.crc32(str(folder).encode()) % span
    found: list[int] = []
    for step in range(span):
        port = _FIRST + (start + step) % span
        if port not in taken and is_free(port):
            found.append(port)
            if len(found) == count:
                return found
    raise InfrastructureError(
        f"No {count} free ports between {_FIRST} and {_LAST} on 127.0.0.1",
        next_step="stop what holds them, or name one: DOCAXIS_BROKER_PORT=...",
    )


def is_free(port: int) -> bool:
    """Return whether a server could listen on this loopback port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as Java does: closing connections do not count
        try:
            probe.bind(("127.0.0.1", port))
            probe.listen(1)
        except OSError:
            return False
    return True
