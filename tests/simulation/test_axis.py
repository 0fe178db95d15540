"""The whole axis in virtual time, without Kafka: a year of traffic, agencies that poll every five minutes, faults.

The pure parts are those that run in production: history, drafting, routing, inboxes, ledger, meter. Between them stand
lists instead of topics, and a clock that moves when told to. A failure prints its seed.
"""

import random
from collections import Counter
from datetime import date
from typing import Any

import pytest
from aiokafka import ConsumerRecord, TopicPartition

from docaxis.domain.agency import Registry
from docaxis.domain.clock import ManualClock
from docaxis.domain.codec import decode_delivered, encode
from docaxis.kafka.partitioner import partition_of
from docaxis.kafka.topics import Topics
from monitor.reading import Readings
from monitor.verdict import counted_within, judge
from producers.drafting import Drafter, stamped
from producers.history import History
from producers.inbox import Inboxes, Progress, Waiting, receipt_of
from streams.hub import HubSettings, HubStats, Router
from streams.routing import Directory
from streams.state import Duties, PartitionState, StateBounds
from streams.store import ledger_readings

PARTITIONS = 4
POLL_US = 300_000_000
RUN = "simulated"
UNTIL = date(2020, 2, 25)
SCALE = 0.004


class Log:
    """Topics as lists; stands where the batch writer stands."""

    def __init__(self) -> None:
        self.topics: dict[tuple[str, int], list[ConsumerRecord[Any, Any]]] = {}

    def put(self, topic: str, partition: int, key: bytes | None, value: bytes) -> None:
        records = self.topics.setdefault((topic, partition), [])
        records.append(ConsumerRecord(topic, partition, len(records), 0, 0, key, value, None, 0, len(value), ()))

    def take(self, topic: str, partition: int, first: int) -> list[ConsumerRecord[Any, Any]]:
        return self.topics.get((topic, partition), [])[first:]


class Simulation:
    """One axis; `faults` are shares of deliveries that are lost, doubled, or whose receipt is repeated."""

    def __init__(self, seed: int, lost: float = 0.0, doubled: float = 0.0, repeated: float = 0.0) -> None:
        self.random = random.Random(seed)
        self.shares = {"lost": lost, "doubled": doubled, "repeated": repeated}
        self.injected: Counter[str] = Counter()
        self.clock, self.log, self.topics = ManualClock(), Log(), Topics("axis")
        self.registry = Registry.load()
        settings = HubSettings({}, self.topics, PARTITIONS, "hub")
        self.router = Router(settings, Directory(self.registry.codes), self.clock, HubStats())
        self.inboxes, self.progress = Inboxes(POLL_US), Progress()
        duties = Duties(PARTITIONS)
        self.states = [PartitionState(number, duties, StateBounds()) for number in range(PARTITIONS)]
        self.read: Counter[tuple[str, int]] = Counter()

    def send_history(self, seed: int) -> None:
        drafter = Drafter(RUN, self.registry, PARTITIONS)
        for batch in History.load().generate(seed, self.registry, UNTIL, 200, scale=SCALE):
            drafts = drafter.draft(batch)
            start_ms = int(drafts.calendar_ms[0])
            self.clock.advance_us(max(0, start_ms * 1000 - self.clock.wall_us()))
            now_us = self.clock.wall_us()
            for partition, key, head in zip(drafts.partitions.tolist(), drafts.keys, drafts.heads, strict=True):
                self.log.put(self.topics.sent, partition, key, stamped(head, now_us, now_us))
            self.step()
            while self.inboxes.waiting:
                self.step()
        self.step()  # counts what the last one wrote

    def step(self) -> None:
        """Route, deliver, poll and count what has come, in an order of this step's own."""
        for number in self.random.sample(range(PARTITIONS), PARTITIONS):
            if records := self.next_of(self.topics.sent, number):
                self.router.route(number, records, self.log)  # type: ignore[arg-type]
        for number in range(PARTITIONS):
            self.deliver(number)
        self.clock.advance_us(self.random.randrange(POLL_US))
        for one in self.inboxes.due(self.clock.wall_us()):
            receipt = encode(receipt_of(one, self.clock.wall_us()))
            times = 2 if self.hits("repeated") else 1
            for _ in range(times):
                key = one.event.document_id.encode()
                self.log.put(self.topics.status, one.event.sent_partition, key, receipt)
        for state in self.states:
            for short in self.random.sample(("sent", "status", "delivered"), 3):
                if records := self.next_of(f"axis.{short}", state.partition, reader="stream"):
                    state.fold(short, records, self.clock.wall_us())

    def deliver(self, number: int) -> None:
        records = self.next_of(self.topics.delivered, number)
        fetched = self.progress.begin(TopicPartition(self.topics.delivered, number), 0, len(records))
        for record in records:
            event = decode_delivered(record.value)
            if self.hits("lost"):
                continue
            self.inboxes.put([Waiting(event, number, record.offset, self.clock.wall_us(), fetched)])
            if self.hits("doubled"):
                self.inboxes.put([Waiting(event, number, record.offset + (1 << 40), self.clock.wall_us(), fetched)])

    def hits(self, fault: str) -> bool:
        hit = self.random.random() < self.shares[fault]
        self.injected[fault] += hit
        return hit

    def next_of(self, topic: str, number: int, reader: str = "") -> list[ConsumerRecord[Any, Any]]:
        records = self.log.take(topic, number, self.read[topic + reader, number])
        self.read[topic + reader, number] += len(records)
        return records

    def readings(self) -> Readings:
        readings = Readings()
        for state in self.states:
            for (run, topic), tally in state.tallies.items():
                identity = {"version": 1, "run": run, "topic": topic, "partition": state.partition}
                readings.put(tally.to_reading(state.codes.codes, **identity, offset=1, at_us=1))
            for reading in ledger_readings(state, state.positions, 1):
                readings.put(reading)
        return readings


@pytest.mark.parametrize("seed", [1, 2])
def test_a_year_of_traffic_comes_out_as_published(seed: int) -> None:
    simulation = Simulation(seed)
    simulation.send_history(seed)
    planned = History.load().plan(seed, UNTIL, scale=SCALE)
    verdict = judge(simulation.readings(), RUN, planned, drained=True)
    assert verdict.ledger.adds_up
    assert verdict.ledger.documents == planned[-1].sent
    assert verdict.ledger.delivered_once == verdict.ledger.deliveries_expected == planned[-1].received
    assert all(milestone.agrees for milestone in verdict.milestones)
    again = counted_within(simulation.readings(), RUN, [*(one.date for one in planned), date(2022, 7, 31)])
    figures = [(one.date, one.sent, one.received) for one in verdict.milestones]
    assert [(one.date, one.sent, one.received) for one in again if one.date <= UNTIL] == figures
    assert len(again) == len(figures), "no milestone that lies beyond what was sent"
    pickup = simulation.readings().stage(RUN, "status", "pickup")
    assert pickup.count == planned[-1].received
    assert pickup.max_us <= 2 * POLL_US, "an agency polls every five minutes, a step is at most as long"
    routing = simulation.readings().stage(RUN, "status", "routing")
    assert routing.max_us == 0, "no time passes between sending and the inbox here: pickup must not blur it"


@pytest.mark.parametrize("seed", [3, 4, 5])
def test_the_ledger_counts_exactly_the_faults_that_were_injected(seed: int) -> None:
    simulation = Simulation(seed, lost=0.01, doubled=0.01, repeated=0.02)
    simulation.send_history(seed)
    ledger = judge(simulation.readings(), RUN, drained=True).ledger
    assert ledger.adds_up
    assert (ledger.lost, ledger.duplicated) == (simulation.injected["lost"], simulation.injected["doubled"])
    assert ledger.receipts_repeated == simulation.injected["repeated"]
    assert min(simulation.injected.values()) > 10, "the faults did happen"


def test_the_same_seed_gives_the_same_records() -> None:
    first, second = Simulation(6, doubled=0.01), Simulation(6, doubled=0.01)
    for simulation in (first, second):
        simulation.send_history(6)
    assert first.log.topics.keys() == second.log.topics.keys()
    for place, records in first.log.topics.items():
        assert [record.value for record in records] == [record.value for record in second.log.topics[place]]


def test_documents_stand_where_kafka_would_put_them() -> None:
    simulation = Simulation(7)
    simulation.send_history(7)
    for (topic, partition), records in simulation.log.topics.items():
        assert all(partition_of(record.key, PARTITIONS) == partition for record in records), topic
