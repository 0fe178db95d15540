"""Inboxes of virtual agencies: what has been fetched and waits for its agency's next poll; and how far all is answered.

Pure: times are given, nothing waits here.
"""

import heapq
from collections import deque
from collections.abc import Collection, Iterable
from dataclasses import dataclass

import msgspec
from aiokafka import TopicPartition

from docaxis.domain.event import Delivered, Receipt
from producers.receiver_faults import ReceiverFaults


@dataclass(slots=True, eq=False)
class Fetched:
    """One fetch of one partition: its offset may be committed once everything in it is answered."""

    next_offset: int
    unanswered: int
    written: int = 0  # answers handed to the producer since the last report


class Waiting(msgspec.Struct, gc=False):
    """A delivery in its agency's inbox. A struct is made in a third of a named tuple's time, once a delivery."""

    event: Delivered
    partition: int  # of the delivered record
    offset: int
    available_us: int
    fetched: Fetched


def receipt_of(one: Waiting, received_us: int) -> Receipt:
    """Return the answer to a delivery that its agency took out of its inbox at `received_us`."""
    event = one.event
    return Receipt(
        1,
        event.run,
        event.packet_id,
        event.document_id,
        event.sender,
        event.recipient,
        "DONE",
        event.priority,
        event.calendar_ms,
        one.partition,
        one.offset,
        event.intended_us,
        event.sent_us,
        event.accepted_us,
        one.available_us,
        received_us,
    )


class Progress:
    """Which offsets may be committed: the contiguous prefix of fetches that are fully answered."""

    def __init__(self) -> None:
        self._fetches: dict[TopicPartition, deque[Fetched]] = {}

    def begin(self, tp: TopicPartition, next_offset: int, records: int) -> Fetched:
        """Note a fetch."""
        fetched = Fetched(next_offset, records)
        self._fetches.setdefault(tp, deque()).append(fetched)
        return fetched

    def written(self) -> list[tuple[Fetched, int]]:
        """Return how many answers of each fetch were handed to the producer since the last call."""
        written = []
        for fetches in self._fetches.values():
            for fetched in fetches:
                if fetched.written:
                    written.append((fetched, fetched.written))
                    fetched.written = 0
        return written

    def take_committable(self) -> dict[TopicPartition, int]:
        """Remove what is fully answered from the front; return the offsets to commit."""
        offsets = {}
        for tp, fetches in self._fetches.items():
            while fetches and not fetches[0].unanswered:
                offsets[tp] = fetches.popleft().next_offset
        return offsets

    def forget(self, partitions: Collection[TopicPartition]) -> None:
        """Drop partitions that are no longer ours."""
        for tp in partitions:
            self._fetches.pop(tp, None)


class Inboxes:
    """Agencies that poll at an interval, each at its own moment of it; with interval 0 nothing ever waits.

    A fault may let deliveries of some agencies wait for longer (`ReceiverFaults`).
    """

    def __init__(self, poll_interval_us: int, faults: ReceiverFaults | None = None) -> None:
        self._interval_us = poll_interval_us
        self._faults = faults
        self._held: list[tuple[int, int, Waiting]] = []  # heap of (when it may be taken, sequence, delivery)
        self._sequence = 0
        self._inboxes: dict[str, list[Waiting]] = {}
        self._polls: list[tuple[int, str]] = []  # heap of (next poll, agency), of agencies that something waits for
        self._due: list[Waiting] = []
        self.waiting = 0

    def put(self, deliveries: Iterable[Waiting]) -> None:
        """Let deliveries wait for their agencies."""
        if self._faults is not None and self._faults.restricted:
            deliveries = self._hold(deliveries, self._faults)
        if not self._interval_us:
            self._due.extend(deliveries)
            return
        for one in deliveries:
            inbox = self._inboxes.setdefault(one.event.recipient, [])
            if not inbox:
                poll_us = self.next_poll_us(one.event.recipient, one.available_us)
                heapq.heappush(self._polls, (poll_us, one.event.recipient))
            inbox.append(one)
            self.waiting += 1

    def _hold(self, deliveries: Iterable[Waiting], faults: ReceiverFaults) -> list[Waiting]:
        """Keep what a fault holds back; return the rest."""
        free = []
        for one in deliveries:
            agency = one.event.recipient
            if agency not in faults.restricted:
                free.append(one)
                continue
            poll_us = self.next_poll_us(agency, one.available_us) if self._interval_us else one.available_us
            opens_us = faults.opens_us(agency, poll_us)
            if opens_us <= one.available_us:
                free.append(one)
                continue
            self._sequence += 1
            heapq.heappush(self._held, (opens_us, self._sequence, one))
            self.waiting += 1
        return free

    def next_poll_us(self, agency: str, now_us: int) -> int:
        """Return when an agency polls next: its polls are spread over the interval by a hash of its code."""
        phase_us = int.from_bytes(agency.encode()[-7:].rjust(7, b"\0"), "big") * 2_654_435_761 % self._interval_us
        return now_us + (phase_us - now_us) % self._interval_us

    def due(self, now_us: int) -> list[Waiting]:
        """Return, and remove, what the agencies that have polled by now take out of their inboxes."""
        due, self._due = self._due, []
        while self._polls and self._polls[0][0] <= now_us:
            _, agency = heapq.heappop(self._polls)
            taken = self._inboxes.pop(agency, [])
            self.waiting -= len(taken)
            due.extend(taken)
        while self._held and self._held[0][0] <= now_us:
            due.append(heapq.heappop(self._held)[2])
            self.waiting -= 1
        return due

    def wait_ms(self, now_us: int, longest_ms: int) -> int:
        """Return how long a fetch may wait before the next poll is due."""
        next_us = [heap[0][0] for heap in (self._polls, self._held) if heap]
        if not next_us:
            return longest_ms
        return max(1, min(longest_ms, (min(next_us) - now_us) // 1000))

    def forget(self, partitions: Collection[TopicPartition]) -> None:
        """Drop what came from partitions that are no longer ours."""
        numbers = {tp.partition for tp in partitions}
        self._due = [one for one in self._due if one.partition not in numbers]
        for agency, inbox in self._inboxes.items():
            kept = [one for one in inbox if one.partition not in numbers]
            self.waiting -= len(inbox) - len(kept)
            self._inboxes[agency] = kept
        held = [entry for entry in self._held if entry[2].partition not in numbers]
        self.waiting -= len(self._held) - len(held)
        heapq.heapify(held)
        self._held = held
