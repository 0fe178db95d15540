"""An error about a whole group is never taken for "nothing was committed"."""

from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.errors import GroupLoadInProgressError, KafkaError, NotCoordinatorForGroupError
from aiokafka.protocol.commit import OffsetFetchResponse_v3

from docaxis.kafka.offset_fetch import mend

TP = TopicPartition("sent", 2)
NO_ERROR, LOADING, NOT_COORDINATOR = 0, 14, 16


class _Client:
    """Answers what it was given."""

    def __init__(self, response: OffsetFetchResponse_v3) -> None:
        self.response = response

    async def send(self, node_id: int, request: object, *, group: object) -> OffsetFetchResponse_v3:
        return self.response


def _coordinator(error_code: int, topics: list[Any]) -> Any:
    """Return as much of a group coordinator as asking for offsets takes."""
    mend()
    mend()
    coordinator = object.__new__(GroupCoordinator)
    coordinator.group_id = "hub"
    coordinator.coordinator_id = 1
    coordinator._client = _Client(OffsetFetchResponse_v3(0, topics, error_code))
    coordinator.coordinator_dead = lambda: setattr(coordinator, "coordinator_id", None)
    return coordinator


@pytest.mark.parametrize(
    ("code", "error", "coordinator_id"),
    [(LOADING, GroupLoadInProgressError, 1), (NOT_COORDINATOR, NotCoordinatorForGroupError, None)],
)
async def test_an_error_about_the_group_is_raised(
    code: int, error: type[KafkaError], coordinator_id: int | None
) -> None:
    coordinator = _coordinator(code, [])
    with pytest.raises(error, match="hub"):
        await coordinator._do_fetch_commit_offsets([TP])
    assert coordinator.coordinator_id == coordinator_id
    assert error.retriable  # so that aiokafka asks again


async def test_an_answer_without_error_is_what_it_was() -> None:
    committed = await _coordinator(NO_ERROR, [("sent", [(2, 155, "", NO_ERROR)])])._do_fetch_commit_offsets([TP])
    assert committed[TP].offset == 155
    assert await _coordinator(NO_ERROR, [("sent", [(2, -1, "", NO_ERROR)])])._do_fetch_commit_offsets([TP]) == {}
