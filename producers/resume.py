"""What a replay that was killed had sent before: read back from the topic, which alone knows."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np

from docaxis.kafka.run_records import records_since
from producers.arrivals import Arrivals
from producers.recorded import AlreadySent, hashes_of


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


def take_over(arrivals: Arrivals, sent: AlreadySent) -> None:
    """Go on counting where the dead process stopped: what is in the topic was scheduled and acknowledged."""
    for partition, count in sent.partitions.items():
        arrivals.partitions[partition].scheduled += count
        arrivals.partitions[partition].acked += count
