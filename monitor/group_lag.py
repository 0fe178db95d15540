"""Lag of consumer groups of other programs, such as a hub that is not ours: all they tell is what they commit.

Every few seconds committed offsets are held against the ends of committed data. Where something seems unread, the first
record there is looked at: its own time stamp gives the time lag, exact at one document an hour as at a thousand a
second; and if no record is there but the markers of transactions, nothing is unread. What a lag means is judged by the
same numbered rules as for our own groups (`monitor.lag_state`).
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from docaxis.domain.clock import Clock
from docaxis.kafka.following import follow_on
from monitor.catalogue import LAG_RECORDS, LAG_SECONDS, LAG_STATE
from monitor.lag import LagWindow
from monitor.lag_state import SPAN_MIN_NS, WINDOW_NS, LagState, judge_lag, worst
from monitor.metric import Family

#: Seconds between two looks.
LOOK_EVERY_S = 5.0

#: How long the first unread records are waited for in one look, and how many bytes of a partition are fetched for one.
FIRST_WITHIN_S = 3.0
FETCHED_BYTES = 65_536

#: Groups that one monitor follows.
GROUPS_MAX = 20


class Unread(NamedTuple):
    """What one look found of one partition: committed offset, end, and when its first unread record was written."""

    position: int
    end: int
    oldest_ms: int | None  # None: nothing is unread


@dataclass(slots=True)
class GroupState:
    """One group as the newest looks have it."""

    windows: dict[TopicPartition, LagWindow] = field(default_factory=dict)
    unread: dict[TopicPartition, Unread] = field(default_factory=dict)
    looked_ms: int = 0

    def note(self, found: Mapping[TopicPartition, Unread], now_ns: int, now_ms: int) -> None:
        """Take in a look."""
        self.unread, self.looked_ms = dict(found), now_ms
        for tp, one in found.items():
            end = one.position if one.oldest_ms is None else one.end
            self.windows.setdefault(tp, LagWindow()).observe(now_ns, one.position, end)

    def seconds(self) -> float | None:
        """Return the age of the oldest unread record of all; None before anything was committed."""
        if not self.unread:
            return None
        waiting = [one.oldest_ms for one in self.unread.values() if one.oldest_ms is not None]
        return max((self.looked_ms - oldest for oldest in waiting), default=0) / 1000 if waiting else 0.0


class GroupLag:
    """Follows the groups; a collector of their lag, by topic."""

    def __init__(
        self, client: Mapping[str, Any], prefix: str, clock: Clock, exported: Sequence[str], more: Sequence[str] = ()
    ) -> None:
        """`exported` are told as metrics, `more` only followed. Topics are named without `prefix` and its dot."""
        self._client = client
        self._prefix = prefix
        self._clock = clock
        self._exported = tuple(exported)
        self.groups = {name: GroupState() for name in (*exported, *more)}

    async def follow(self, stop: asyncio.Event) -> None:
        """Look until told to stop; goes on after a failure of the broker."""
        await follow_on(self._follow, stop, "consumer groups")

    async def _follow(self, stop: asyncio.Event) -> None:
        admin = AIOKafkaAdminClient(**self._client)
        reader = AIOKafkaConsumer(
            **self._client,
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=FETCHED_BYTES,
        )
        try:
            await admin.start()
            await reader.start()
            while not stop.is_set():
                for name, group in self.groups.items():
                    found = await self._look(admin, reader, name)
                    group.note(found, self._clock.monotonic_ns(), self._clock.wall_us() // 1000)
                try:
                    await asyncio.wait_for(stop.wait(), LOOK_EVERY_S)
                except TimeoutError:
                    continue
        finally:
            await reader.stop()
            await admin.close()

    async def _look(
        self, admin: AIOKafkaAdminClient, reader: AIOKafkaConsumer, group: str
    ) -> dict[TopicPartition, Unread]:
        """Return what a group has not read of our topics."""
        committed = {
            tp: offset.offset
            for tp, offset in (await admin.list_consumer_group_offsets(group)).items()
            if tp.topic.startswith(f"{self._prefix}.") and offset.offset >= 0
        }
        if not committed:
            return {}
        ends: Mapping[TopicPartition, int] = await reader.end_offsets(list(committed))
        behind = {tp: offset for tp, offset in committed.items() if offset < ends[tp]}
        oldest = await _first_written_ms(reader, behind, ends, self._clock.wall_us() // 1000) if behind else {}
        return {tp: Unread(offset, ends[tp], oldest.get(tp)) for tp, offset in committed.items()}

    def families(self) -> Iterable[Family]:
        """Return lag in records, in seconds, and what it means, of every exported group and topic."""
        in_records, in_seconds, states = Family(LAG_RECORDS), Family(LAG_SECONDS), Family(LAG_STATE)
        now_ns, now_ms = self._clock.monotonic_ns(), self._clock.wall_us() // 1000
        for name in self._exported:
            group = self.groups[name]
            for topic in sorted({tp.topic for tp in group.unread}):
                of_topic = [one for tp, one in group.unread.items() if tp.topic == topic]
                waiting = [one for one in of_topic if one.oldest_ms is not None]
                short = topic.removeprefix(f"{self._prefix}.")
                in_records.add(sum(one.end - one.position for one in waiting), name, short)
                age_ms = max((now_ms - (one.oldest_ms or now_ms) for one in waiting), default=0)
                in_seconds.add(max(age_ms, 0) / 1000, name, short)
            for topic, state in self._states(group, now_ns):
                for one in LagState:
                    states.add(int(one is state), name, topic, one)
        return in_records, in_seconds, states

    def _states(self, group: GroupState, now_ns: int) -> list[tuple[str, LagState]]:
        """Judge every topic. A group whose offsets are gone has stopped; a while later it is forgotten."""
        judged: dict[str, list[LagState]] = {}
        for tp, window in list(group.windows.items()):
            if now_ns - window.moments[-1].at_ns > SPAN_MIN_NS + WINDOW_NS:
                del group.windows[tp]
                continue
            judged.setdefault(tp.topic.removeprefix(f"{self._prefix}."), []).append(judge_lag(window.moments, now_ns))
        return [(topic, worst(found)) for topic, found in sorted(judged.items())]


async def _first_written_ms(
    reader: AIOKafkaConsumer, behind: Mapping[TopicPartition, int], ends: Mapping[TopicPartition, int], now_ms: int
) -> dict[TopicPartition, int]:
    """Return when the first record from an offset on was written; nothing for partitions with only markers there."""
    reader.assign(list(behind))
    for tp, offset in behind.items():
        reader.seek(tp, offset)
    found: dict[TopicPartition, int] = {}
    left = set(behind)
    loop = asyncio.get_running_loop()
    deadline_s = loop.time() + FIRST_WITHIN_S
    while left and loop.time() < deadline_s:
        for tp, records in (await reader.getmany(*left, timeout_ms=200, max_records=len(left))).items():
            if records:
                found[tp] = records[0].timestamp
                left.discard(tp)
        left = {tp for tp in left if await reader.position(tp) < ends[tp]}
    # What could not be looked at in time is lag all the same; its age is not known yet.
    return found | dict.fromkeys(left, now_ms)
