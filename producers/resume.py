"""What a replay that was killed had sent before: read back from the topic, which alone knows."""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import numpy as np

from docaxis.kafka.run_records import records_since
from docaxis.kafka.topics import Topics
from docaxis.recording.replay_plan import ReplayPlan
from docaxis.recording.schema import SENT
from producers.arrivals import Arrivals
from producers.recorded import AlreadySent, hashes_of
from producers.recorded_events import EventsSent, event_hashes


class _Identity(msgspec.Struct):
    run: str
    packet_id: str


async def already_sent(client: Mapping[str, Any], topic: str, partitions: int, run: str, since_us: int) -> AlreadySent:
    """Return the packets of a run that are in the topic."""
    decode = msgspec.json.Decoder(_Identity).decode
    hashes, counts = [np.empty(0, np.uint64)], Counter[int]()
    async for partition, records in records_since(client, topic, partitions, since_us):
        mine = []
        for record in records:
            try:
                identity = decode(record.value or b"")
            except msgspec.MsgspecError:
                continue  # no event of any run
            if identity.run == run:
                mine.append(identity.packet_id)
        hashes.append(hashes_of(mine))
        counts[partition] += len(mine)
    return AlreadySent(np.unique(np.concatenate(hashes)), counts)


async def events_sent(client: Mapping[str, Any], topics: Topics, partitions: int, plan: ReplayPlan) -> EventsSent:
    """Return the events of a replay of events as recorded that are in the topics, and its documents by partition."""
    decode = msgspec.json.Decoder(_Run).decode
    hashes, documents = [np.empty(0, np.uint64)], Counter[int]()
    for name in topics.events:
        short = topics.short_name(name)
        async for partition, records in records_since(client, name, partitions, plan.created_us):
            mine = [record.value for record in records if _run_of(decode, record.value) == plan.run]
            hashes.append(event_hashes(short, mine))
            if short == SENT:
                documents[partition] += len(mine)
    distinct, counts = np.unique(np.concatenate(hashes), return_counts=True)
    return EventsSent(distinct, counts, documents)


class _Run(msgspec.Struct):
    run: str = ""


def _run_of(decode: Callable[[bytes], _Run], value: bytes | None) -> str:
    try:
        return decode(value or b"").run
    except msgspec.MsgspecError:
        return ""  # no event of any run


def take_over(arrivals: Arrivals, partitions: Mapping[int, int]) -> None:
    """Go on counting where the dead process stopped: what is in the topic was scheduled and acknowledged."""
    for partition, count in partitions.items():
        arrivals.partitions[partition].scheduled += count
        arrivals.partitions[partition].acked += count
