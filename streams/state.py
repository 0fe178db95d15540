"""All that a stream worker knows about one partition: how far it read each topic, the tallies and the ledgers.

Pure: records in, totals out. Folding a record that is below the position of its topic changes nothing, so redelivery
after a crash or a rebalance is harmless; that, and storing this state together with its positions, makes every count
exact.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from docaxis.domain.codec import (
    Decoded,
    decode_batch,
    decode_delivered,
    decode_refusal,
    decode_sent,
    decode_status,
    refusal_of_unreadable,
)
from docaxis.domain.event import Receipt, Refusal, Status
from docaxis.domain.plan import Plan
from docaxis.kafka.bulk import FetchedRecord
from docaxis.kafka.partitioner import partitions_of
from monitor.reading import Tally
from streams.keys import Codes
from streams.ledger import Ledger, LedgerBounds
from streams.meter import (
    meter_delivered,
    meter_receipts,
    meter_receipts_by_phase,
    meter_refusals,
    meter_refusals_by_second,
    meter_sent,
    meter_sent_by_phase,
    meter_statuses,
)

#: Topics whose records are placed by document: a record elsewhere is handled, and counted as misplaced.
KEYED_BY_DOCUMENT = ("sent", "status")

#: Unreadable records belong to no run.
NO_RUN = ""

#: What counts events that came when their run had been forgotten.
OF_FORGOTTEN_RUNS = "events_of_forgotten_runs"

_DECODERS: dict[str, Callable[[bytes], Any]] = {
    "sent": decode_sent,
    "delivered": decode_delivered,
    "status": decode_status,
    "refused": decode_refusal,
}


@dataclass(frozen=True, slots=True)
class StateBounds:
    """What one partition's state holds at most."""

    ledger: LedgerBounds = field(default_factory=LedgerBounds)
    runs_max: int = 32  # the run that was quiet longest is forgotten first; its last readings stay in the topic
    runs_gone_max: int = 1000  # names of forgotten runs that are kept: of such a run nothing more is counted
    dead_letters_max: int = 10_000  # waiting for the next snapshot; more are counted and not kept


@dataclass(frozen=True, slots=True)
class Duties:
    """What a worker does with the events: all workers of a group the same, for they share positions and state."""

    partitions: int
    meter: bool = True
    ledger: bool = True
    #: Plans of the load tests that go on, by run: their events are counted by phase and second as well.
    plans: Mapping[str, Plan] = field(default_factory=dict)


class PartitionState:
    """Positions, tallies and ledgers of one partition number of the event topics."""

    def __init__(self, partition: int, duties: Duties, bounds: StateBounds, codes: Codes | None = None) -> None:
        self.partition = partition
        self.duties = duties
        self.bounds = bounds
        self.codes = Codes() if codes is None else codes
        self.positions: dict[str, int] = {}
        self.tallies: dict[tuple[str, str], Tally] = {}
        self.ledgers: dict[str, Ledger] = {}
        self.dead_letters: list[Refusal] = []
        self._activity: dict[str, None] = {}  # runs, the one that was quiet longest first
        self.runs_forgotten = 0
        #: Forgotten runs. What comes late would begin their totals anew, and overwrite the readings that are true.
        self.runs_gone: dict[str, None] = {}
        # A run that comes back must not use the numbers of segments that are stored from its earlier life.
        self._next_segment = 0
        self.changed = False

    def fold(self, topic: str, records: Sequence[FetchedRecord], now_us: int) -> int:
        """Count consecutive records of one topic (its name without prefix); return how many were new."""
        position = self.positions.get(topic, records[0].offset)
        if records[0].offset < position:
            records = [record for record in records if record.offset >= position]
            if not records:
                return 0
        skipped = records[-1].offset + 1 - position - len(records)
        if skipped:
            # Transaction markers, or records that retention took before they were read.
            self.tally(NO_RUN, topic).counts["offsets_skipped"] += skipped
        decoded = decode_batch(_DECODERS[topic], [record.value for record in records])
        if decoded.unreadable:
            self._note_unreadable(topic, records, decoded, now_us)
        for run, events in _by_run(decoded.events).items():
            self._fold_run(run, topic, events)
        if topic in KEYED_BY_DOCUMENT:
            self._note_misplaced(topic, records)
        self.positions[topic] = records[-1].offset + 1
        self.changed = True
        return len(records)

    def _fold_run(self, run: str, topic: str, events: list[Any]) -> None:
        if run in self.runs_gone:
            self.tally(NO_RUN, topic).counts[OF_FORGOTTEN_RUNS] += len(events)
            return
        if run != NO_RUN:
            self._touch(run)
        if self.duties.meter:
            self._meter(self.tally(run, topic), topic, events)
            if (plan := self.duties.plans.get(run)) is not None:
                self._meter_by_phase(self.tally(run, topic), topic, events, plan)
        if self.duties.ledger and topic != "delivered" and run != NO_RUN:
            self._audit(self.ledger(run), topic, events)

    def _meter(self, tally: Tally, topic: str, events: list[Any]) -> None:
        if topic == "sent":
            meter_sent(tally, events, self.codes)
        elif topic == "delivered":
            meter_delivered(tally, events, self.codes)
        elif topic == "refused":
            meter_refusals(tally, events, self.codes)
        else:
            receipts, statuses = _split(events)
            if receipts:
                meter_receipts(tally, receipts, self.codes)
            if statuses:
                meter_statuses(tally, statuses, self.codes)

    def _meter_by_phase(self, tally: Tally, topic: str, events: list[Any], plan: Plan) -> None:
        if topic == "sent":
            meter_sent_by_phase(tally, events, plan)
        elif topic == "refused":
            meter_refusals_by_second(tally, events)
        elif topic == "status" and (receipts := _split(events)[0]):
            meter_receipts_by_phase(tally, receipts, plan, self.codes)

    def _audit(self, ledger: Ledger, topic: str, events: list[Any]) -> None:
        if topic == "sent":
            ledger.send(events)
        elif topic == "refused":
            ledger.refuse(events)
        elif receipts := _split(events)[0]:
            ledger.receive(receipts)

    def tally(self, run: str, topic: str) -> Tally:
        """Return the tally of a run and topic, a new one if there is none."""
        return self.tallies.setdefault((run, topic), Tally())

    def ledger(self, run: str) -> Ledger:
        """Return the ledger of a run, a new one if there is none."""
        ledger = self.ledgers.get(run)
        if ledger is None:
            ledger = self.ledgers[run] = Ledger(self.codes, self.bounds.ledger)
            ledger.closed.next_number = self._next_segment
        return ledger

    def runs(self) -> list[str]:
        """Return the runs known here, the one that was quiet longest first."""
        return list(self._activity)

    def restore_runs(self, runs: Sequence[str], forgotten: int, gone: Sequence[str]) -> None:
        """Take over a stored order of runs, and those that were forgotten."""
        self._activity = dict.fromkeys(runs)
        self.runs_forgotten = forgotten
        self.runs_gone = dict.fromkeys(gone)

    def _touch(self, run: str) -> None:
        self._activity.pop(run, None)
        self._activity[run] = None
        while len(self._activity) > self.bounds.runs_max:
            self._forget(next(iter(self._activity)))

    def _forget(self, run: str) -> None:
        del self._activity[run]
        ledger = self.ledgers.pop(run, None)
        if ledger is not None:
            self._next_segment = max(self._next_segment, ledger.closed.next_number)
        for key in [key for key in self.tallies if key[0] == run]:
            del self.tallies[key]
        self.runs_forgotten += 1
        self.runs_gone[run] = None
        if len(self.runs_gone) > self.bounds.runs_gone_max:
            del self.runs_gone[next(iter(self.runs_gone))]

    def _note_unreadable(
        self, topic: str, records: Sequence[FetchedRecord], decoded: Decoded[Any], now_us: int
    ) -> None:
        """Count what could not be read; for topics that no other part reads and refuses, keep the dead letters."""
        tally = self.tally(NO_RUN, topic)
        for index, code, reason in decoded.unreadable:
            tally.counts[f"unreadable_{code}"] += 1
            if topic == "status" and len(self.dead_letters) < self.bounds.dead_letters_max:
                record = records[index]
                place = (topic, self.partition, record.offset)
                self.dead_letters.append(refusal_of_unreadable((code, reason), *place, record.value, now_us))

    def _note_misplaced(self, topic: str, records: Sequence[FetchedRecord]) -> None:
        keys = [record.key or b"" for record in records]
        misplaced = int((partitions_of(keys, self.duties.partitions) != self.partition).sum())
        if misplaced:
            self.tally(NO_RUN, topic).counts["misplaced"] += misplaced


def _by_run(events: list[Any]) -> dict[str, list[Any]]:
    """Group events by run, keeping their order; nearly always there is one."""
    if not events:
        return {}
    runs = {event.run for event in events}
    if len(runs) == 1:
        return {runs.pop(): events}
    groups: dict[str, list[Any]] = {}
    for event in events:
        groups.setdefault(event.run, []).append(event)
    return groups


def _split(events: list[Any]) -> tuple[list[Receipt], list[Status]]:
    if set(map(type, events)) == {Receipt}:
        return events, []
    return [event for event in events if type(event) is Receipt], [event for event in events if type(event) is Status]
