"""What a replay left in the topic, held against its plan: read back, joined by packet, and measured.

Nothing of it comes from the sender's own memory, so it also tells of a sender that was killed and gone on with.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from docaxis.domain.plan import Plan
from docaxis.kafka.run_records import records_since
from docaxis.recording.engine import engine
from docaxis.recording.replay_plan import TRAFFIC_COLUMNS, Planned, ReplayPlan, planned_blocks, prepare, schedule_of
from docaxis.recording.schedule import Int64s, ReplaySchedule
from docaxis.recording.schema import SENT
from monitor.fidelity import Counts, Fidelity, Sent, measure
from producers.recorded import RecordedDrafter, hashes_of

HOUR_US = 3_600_000_000

#: Kafka stamps records in whole milliseconds; between two lives of a replay lies more than this.
LIFE_SLACK_US = 500_000


class _Found(msgspec.Struct, gc=False):
    run: str
    packet_id: str
    sender: str
    recipients: list[str]
    intended_us: int
    sent_us: int


class _Topic:
    """The documents of a run in the topic, as columns by packet hash; of doubled ones the first."""

    def __init__(self) -> None:
        self.hashes: list[np.ndarray] = []
        self.intended_us: list[np.ndarray] = []
        self.sent_us: list[np.ndarray] = []
        self.pairs: Counter[object] = Counter()

    def put(self, found: list[_Found]) -> None:
        """Take the documents of a batch."""
        self.hashes.append(hashes_of([one.packet_id for one in found]))
        self.intended_us.append(np.fromiter((one.intended_us for one in found), np.int64, len(found)))
        self.sent_us.append(np.fromiter((one.sent_us for one in found), np.int64, len(found)))
        self.pairs.update((one.sender, recipient) for one in found for recipient in one.recipients)


async def measure_fidelity(
    client: Mapping[str, Any],
    topic: str,
    partitions: int,
    plan: ReplayPlan,
    agencies: tuple[str, ...],
    lives: Sequence[Plan] = (),
) -> tuple[Fidelity, ReplaySchedule, list[str]]:
    """Read the run back and measure; return the schedule, with what it skipped and capped, and the senders' codes.

    `lives`: how each life of the replay was steered, in order.
    """
    found = await _read(client, topic, partitions, plan)
    return _measure(found, plan, partitions, agencies, lives)


def as_steered(due_us: Int64s, sent_us: Int64s, lives: Sequence[Plan]) -> tuple[Int64s, Int64s]:
    """Return the due times as pauses and changes of rate have moved them, and the life that sent each document.

    In a life that nobody steered, they stay as they are; in any life, the first document keeps its time.
    """
    begins_us = np.array([one.begin_us for one in lives], np.int64) - LIFE_SLACK_US
    life = np.maximum(np.searchsorted(begins_us, sent_us, side="right") - 1, 0)
    moved_us = due_us.copy()
    for number, plan in enumerate(lives):
        mine = life == number
        if mine.any() and (plan.pauses or plan.factors):
            first_us = int(due_us[mine].min())
            moved_us[mine] = plan.due_us(0, due_us[mine] - first_us) - plan.begin_us + first_us
    return moved_us, life


async def _read(client: Mapping[str, Any], topic: str, partitions: int, plan: ReplayPlan) -> _Topic:
    decode = msgspec.json.Decoder(_Found).decode
    found = _Topic()
    async for _, records in records_since(client, topic, partitions, plan.created_us, still_s=0.2):
        mine = []
        for record in records:
            try:
                one = decode(record.value or b"")
            except msgspec.MsgspecError:
                continue
            if one.run == plan.run:
                if plan.as_recorded:  # its own stamps are old: what it was sent at, Kafka says, in milliseconds
                    one.sent_us = record.timestamp * 1000
                mine.append(one)
        found.put(mine)
    return found


def _documents(block: Planned) -> Planned:
    """Return only the documents of a block of events."""
    keep = np.asarray(pc.equal(block.table["kind"], SENT))
    return block if keep.all() else Planned(block.table.filter(pa.array(keep)), block.due_us[keep])


def _measure(
    found: _Topic, plan: ReplayPlan, partitions: int, agencies: tuple[str, ...], lives: Sequence[Plan]
) -> tuple[Fidelity, ReplaySchedule, list[str]]:
    empty = np.empty(0, np.int64)
    all_hashes = np.concatenate([np.empty(0, np.uint64), *found.hashes])
    hashes, first = np.unique(all_hashes, return_index=True)
    intended_us = np.concatenate([empty, *found.intended_us])[first]
    sent_us = np.concatenate([empty, *found.sent_us])[first]
    drafter = RecordedDrafter(plan, partitions, agencies)
    codes: dict[str, int] = {}
    due, sender, place = [empty], [np.empty(0, np.int32)], [empty]
    pairs: Counter[object] = Counter()
    planned_hours: Counter[object] = Counter()
    found_hours: Counter[object] = Counter()
    documents = 0
    with engine() as connection:
        schedule = schedule_of(plan, prepare(connection, plan))
        for whole in planned_blocks(connection, schedule, (*TRAFFIC_COLUMNS, "kind")):
            block = _documents(whole)
            packets, senders, recipients = drafter.identities(block.table)
            documents += len(packets)
            pairs.update((one, to) for one, listed in zip(senders, recipients, strict=True) for to in listed)
            wanted = hashes_of(packets)
            at = np.searchsorted(hashes, wanted).clip(max=max(0, len(hashes) - 1))
            here = hashes[at] == wanted if len(hashes) else np.zeros(len(wanted), np.bool_)
            hours = np.asarray(block.table.column("at_us").combine_chunks()) // HOUR_US
            planned_hours.update(hours.tolist())
            found_hours.update(hours[here].tolist())
            due.append(block.due_us[here])
            place.append(at[here])
            numbers = [codes.setdefault(one, len(codes)) for one in senders]
            sender.append(np.array(numbers, np.int32)[here])
    at_all = np.concatenate(place)
    # A closed loop has no schedule: its own moments of admission are all there is to compare with.
    due_us = intended_us[at_all] if plan.closed else np.concatenate(due)
    steered_us, life = as_steered(due_us, sent_us[at_all], lives)
    due_us = due_us if plan.closed else steered_us
    if plan.as_recorded and len(at_all):
        # Nothing says when it began: each life is measured from its least late document.
        intended_us = np.zeros(len(hashes), np.int64)
        for number in np.unique(life).tolist():
            mine = life == number
            late_us = sent_us[at_all][mine] - due_us[mine]
            intended_us[at_all[mine]] = int(late_us.min()) + due_us[mine]
    sent = Sent(due_us, intended_us[at_all], sent_us[at_all], np.concatenate(sender))
    distinct = len(np.unique(at_all))
    fidelity = measure(
        sent,
        documents_planned=documents,
        # What stands twice in the recording is sent twice, and no fault.
        documents_doubled=len(all_hashes) - len(hashes) - (len(at_all) - distinct),
        documents_strange=len(hashes) - distinct,
        pairs=Counts(pairs, found.pairs),
        hours=Counts(planned_hours, found_hours),
    )
    return fidelity, schedule, list(codes)
