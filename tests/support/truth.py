"""An independent reader: what the topics really hold, told by plain aiokafka and orjson and by none of our codecs.

Whoever trusts the axis's own counts need only compare them with this.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition

#: A document at one recipient: (packet id, recipient).
Pair = tuple[str, str]


class Stored(NamedTuple):
    """A record as it lies in a topic; `event` is its JSON, None where it is none."""

    partition: int
    offset: int
    event: Any


async def read_all(client: Mapping[str, Any], topic: str, partitions: int, *, committed: bool = True) -> list[Stored]:
    """Return every record of a topic up to where it ended when the reading began."""
    tps = [TopicPartition(topic, number) for number in range(partitions)]
    isolation = "read_committed" if committed else "read_uncommitted"
    reader = AIOKafkaConsumer(
        **client, isolation_level=isolation, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    stored: list[Stored] = []
    await reader.start()
    try:
        reader.assign(tps)
        await reader.seek_to_beginning()
        ends = await reader.end_offsets(tps)
        behind = {tp for tp, end in ends.items() if end}
        while behind:
            for records in (await reader.getmany(*behind, timeout_ms=200)).values():
                stored.extend(Stored(record.partition, record.offset, _json(record.value)) for record in records)
            behind = {tp for tp in behind if await reader.position(tp) < ends[tp]}
    finally:
        await reader.stop()
    return stored


def _json(value: bytes | None) -> Any:
    try:
        return orjson.loads(value or b"")
    except orjson.JSONDecodeError:
        return None


@dataclass(frozen=True, slots=True)
class Exchanged:
    """Everything one run left in the topics, as readers of committed data see it."""

    sent: Sequence[Stored]
    delivered: Sequence[Stored]
    status: Sequence[Stored]
    refused: Sequence[Stored]
    #: The newest reading of each (topic, partition, source).
    readings: Sequence[Any]
    #: Delivered records that only readers of uncommitted data see: of transactions that were aborted.
    aborted: int

    @classmethod
    async def read(cls, client: Mapping[str, Any], prefix: str, partitions: int, run: str) -> "Exchanged":
        """Read the topics of a prefix, once nothing is written there any more."""

        async def of_run(short: str) -> list[Stored]:
            everything = await read_all(client, f"{prefix}.{short}", partitions)
            return [one for one in everything if isinstance(one.event, dict) and one.event.get("run") == run]

        delivered = await of_run("delivered")
        uncommitted = await read_all(client, f"{prefix}.delivered", partitions, committed=False)
        committed = await read_all(client, f"{prefix}.delivered", partitions)
        newest: dict[tuple[Any, ...], Any] = {}
        for one in await of_run("readings"):
            reading = one.event
            key = (reading["topic"], reading["partition"], reading.get("source", ""))
            if key not in newest or reading["offset"] >= newest[key]["offset"]:
                newest[key] = reading
        return cls(
            await of_run("sent"),
            delivered,
            await of_run("status"),
            await of_run("refused"),
            list(newest.values()),
            len(uncommitted) - len(committed),
        )

    def counts(self, topic: str) -> Counter[str]:
        """Return the summed counts of the readings of one topic."""
        totals: Counter[str] = Counter()
        for reading in self.readings:
            if reading["topic"] == topic:
                totals.update(reading.get("counts", {}))
        return totals

    @property
    def expected(self) -> Counter[Pair]:
        """The pairs that senders asked for."""
        return Counter((one.event["packet_id"], code) for one in self.sent for code in one.event["recipients"])

    @property
    def places(self) -> dict[tuple[int, int], Pair]:
        """What lies at each place of the delivered topic."""
        return {(at, offset): (event["packet_id"], event["recipient"]) for at, offset, event in self.delivered}

    @property
    def answered(self) -> dict[tuple[int, int], Pair]:
        """What the recipients say they received, by the place of the delivered record."""
        return {
            (event["partition"], event["offset"]): (event["packet_id"], event["recipient"])
            for _, _, event in self.status
            if event["kind"] == "receipt"
        }


def check_exactly_once(exchanged: Exchanged) -> None:
    """Assert that every pair was delivered once and answered, and that ledger and meter say the same."""
    expected, delivered = exchanged.expected, Counter(exchanged.places.values())
    missing, excess = expected - delivered, delivered - expected
    assert not missing, f"{missing.total()} of {expected.total()} pairs were not delivered: {list(missing)[:5]}"
    assert not excess, f"{excess.total()} deliveries too many: {list(excess)[:5]}"
    assert exchanged.answered == exchanged.places, "the receipts do not cover the delivered records"
    assert not exchanged.refused, f"something was refused: {exchanged.refused[:3]}"
    ledger, pairs = exchanged.counts("ledger"), expected.total()
    clean = ("duplicated", "misrouted", "refused", "outstanding", "receipts_unmatched", "contradictions", "evicted")
    assert {name: ledger[name] for name in ("documents", "deliveries_expected", "delivered_once", *clean)} == {
        "documents": len(exchanged.sent),
        "deliveries_expected": pairs,
        "delivered_once": pairs,
        **dict.fromkeys(clean, 0),
    }
    check_meter(exchanged)
    arrivals = exchanged.counts("arrivals")
    assert arrivals["acked"] <= len(exchanged.sent) <= arrivals["acked"] + arrivals["unknown"], arrivals


def check_meter(exchanged: Exchanged, unreadable: int = 0) -> None:
    """Assert that the meter counted every record of the run once, but for sent ones that are JSON and no event."""
    receipts = [one for one in exchanged.status if one.event["kind"] == "receipt"]
    counted = {
        "documents": exchanged.counts("sent")["documents"],
        "deliveries": exchanged.counts("delivered")["deliveries"],
        "receipts": exchanged.counts("status")["receipts"],
        "refusals": exchanged.counts("refused")["refusals"],
    }
    assert counted == {
        "documents": len(exchanged.sent) - unreadable,
        "deliveries": len(exchanged.delivered),
        "receipts": len(receipts),
        "refusals": len(exchanged.refused),
    }
