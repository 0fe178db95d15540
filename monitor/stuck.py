"""At which stage an open delivery is stuck, told from the readings alone. Pure.

    hub      nothing sent as late as this has come through the hub from that partition of `sent`
    inbox    the hub has gone past it, and the recipient has answered nothing that was sent later: it does not fetch
    receipt  the recipient has answered what was sent later, and not this: its answer is missing

The hub reads a partition in order and answers come nearly in the order of sending, so the newest `sent_us` that passed
is enough; documents sent within `ORDER_US` of each other may be told wrongly. The journey of a document (looked up by
its id) reads its own records and is exact.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from monitor.reading import Readings

#: Partitions of a topic at most, by the settings: a delivered record may name any number.
PARTITIONS_MAX = 1024

#: Answers may overtake each other by so much: polls of different inbox partitions are not in step.
ORDER_US = 5_000_000


class Stage(StrEnum):
    """Where an open delivery is."""

    HUB = "hub"
    INBOX = "inbox"
    RECEIPT = "receipt"


def passed(partition: int) -> str:
    """Return the name of the span of `sent_us` that the hub has routed from a partition of the `sent` topic."""
    return f"passed_{partition}"


@dataclass(frozen=True, slots=True)
class Fronts:
    """How far hub and recipients have come, each as the newest `sent_us` that they have dealt with."""

    routed_us: Mapping[int, int]  # by partition of the sent topic
    answered_us: Mapping[str, int]  # by recipient

    @classmethod
    def of(cls, readings: Readings, run: str, partitions: int) -> "Fronts":
        """Take the fronts of one run from the readings."""
        routed = {number: readings.span(run, "delivered", passed(number)) for number in range(partitions)}
        return cls(
            {number: span[1] for number, span in routed.items() if span is not None},
            readings.newest(run, "status", "answered_sent_us"),
        )

    def stage(self, partition: int, recipient: str, sent_us: int) -> Stage:
        """Return where the delivery of something sent then, read in that partition, is stuck."""
        if sent_us > self.routed_us.get(partition, -1):
            return Stage.HUB
        return Stage.RECEIPT if self.answered_us.get(recipient, 0) > sent_us + ORDER_US else Stage.INBOX
