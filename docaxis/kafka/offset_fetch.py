"""A mend of aiokafka: an error about a whole group, in the answer to "what is committed?", is raised and retried.

Since version 2 of that request Kafka reports such an error (the coordinator is loading, or is another broker) once for
the group and lists no partitions. aiokafka 0.14 looks at the partitions only, and takes the empty list for "nothing was
ever committed": a consumer that asks while its broker comes back starts from the beginning of its topics. A hub that
does so delivers everything again.
"""

from typing import Any

from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.errors import GroupCoordinatorNotAvailableError, NotCoordinatorForGroupError, for_code
from aiokafka.protocol.commit import OffsetFetchRequest

_send_unchecked = GroupCoordinator._send_req

#: After these another broker has to be asked; all others are retried, or raised, as aiokafka does for a partition's.
_ELSEWHERE = (GroupCoordinatorNotAvailableError, NotCoordinatorForGroupError)


def mend() -> None:
    """Have every consumer of this process check these answers; a second call changes nothing."""
    GroupCoordinator._send_req = _send_checked


async def _send_checked(coordinator: Any, request: Any) -> Any:
    response = await _send_unchecked(coordinator, request)
    code = response.error_code if isinstance(request, OffsetFetchRequest) and hasattr(response, "error_code") else 0
    if code:
        error = for_code(code)
        if issubclass(error, _ELSEWHERE):
            coordinator.coordinator_dead()
        raise error(f"committed offsets of group {coordinator.group_id}: {error.__name__}")
    return response
