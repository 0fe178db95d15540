"""Conducting a load test: everybody ready, then the plan, then what is due until everything is closed or lost."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from docaxis.commands.axis import Axis, Child
from docaxis.commands.conduct import RoleCommand, count_drained
from docaxis.commands.load_faults import FaultInjector
from docaxis.commands.steering import phases_ended, steered
from docaxis.domain.agency import Registry
from docaxis.domain.control import Command, ControlRecord, Echo, Hello, Offer, Over, Ready
from docaxis.domain.errors import InfrastructureError
from docaxis.domain.plan import Plan, first_plan
from docaxis.kafka.broker import EmbeddedBroker
from docaxis.kafka.client import client_kwargs
from docaxis.kafka.control import ControlFeed, say
from docaxis.kafka.drain import stable_ends
from docaxis.kafka.following import see_ended
from docaxis.kafka.topics import Topics
from docaxis.settings import Settings
from docaxis.workload.model import Workload
from monitor.feed import Feed
from monitor.load_result import Injected
from monitor.objective_series import ObjectiveSeries
from monitor.reading import Readings
from monitor.seconds import SECOND_US
from monitor.series import Series
from monitor.settle import all_closed, all_received, all_stated, sending_ended

#: From the plan to the first arrival: one fleet alone, or several whose consumer group settles meanwhile.
LEAD_S, LEAD_OF_SEVERAL_S = 2.0, 5.0

#: A change of plan lies so far ahead; longer than what fleets have handed to their senders already.
CHANGE_LEAD_US = 1_000_000

#: Everybody is ready within this, drafting included, or the run is given up.
READY_WITHIN_S = 180.0

TICK_S = 0.2

#: At the end the broker may be gone; fleets of other machines are told so long that the run is over.
OVER_SAID_WITHIN_S = 5.0

#: After the deadline for what is outstanding, so long a wait for a late generator (its senders drop what is later than
#: a minute), or for a part that a fault killed and that is starting again.
SENDING_OVER_S = 90.0

#: What `docaxis control` may ask for so that less is offered than a workload says.
_CUTTING_VERBS = ("rate", "end-phase", "stop")


@dataclass(frozen=True, slots=True)
class LoadMoment:
    """What the live view shows."""

    elapsed_s: float
    plan: Plan
    series: Series
    readings: Readings
    memory_bytes: int
    cpu_seconds: Mapping[str, float] = field(default_factory=dict)  # of each role's process, since its start


@dataclass(frozen=True, slots=True)
class ConductedLoad:
    """What a load test came to."""

    readings: Readings
    plan: Plan
    series: Series
    observed: ObjectiveSeries
    drained: bool
    lost_after_passed: bool
    wall_seconds: float
    peak_rss_bytes: dict[str, int]
    cpu_seconds: dict[str, float]
    faults: list[dict[str, Any]]
    ready: dict[str, Ready]
    controls: list[dict[str, Any]]
    aborted: str
    unreadable: int  # documents of anybody that could not be read while the run went on

    @property
    def cut_short(self) -> bool:
        """Whether it was ended early, or offered less than the workload says: then a fault may have had no occasion."""
        return bool(self.aborted) or any(one["verb"] in _CUTTING_VERBS for one in self.controls)


@dataclass(slots=True)
class LoadConductor:
    """Conducts one load test on a cluster whose topics exist."""

    settings: Settings
    axis: Axis
    run: str
    workload: Workload
    content: dict[str, Any]
    registry: Registry
    started_ms: int
    fleets: int  # of all machines
    broker: EmbeddedBroker | None = None
    #: Told every tick; returns why the run should end early, or nothing.
    aborts: Callable[[LoadMoment], str] = lambda moment: ""
    _plan: Plan | None = None
    _before_pause: Plan | None = None
    _commands_seen: int = 0
    _controls: list[dict[str, Any]] = field(default_factory=list)
    _answers: set["asyncio.Task[None]"] = field(default_factory=set)
    feed: Feed = field(init=False)
    observed: ObjectiveSeries = field(init=False)

    def __post_init__(self) -> None:
        topics = self.settings.topics
        self.feed = Feed(client_kwargs(self.settings.kafka), Topics(topics.prefix), topics.partitions)
        self.observed = ObjectiveSeries(self.workload.objectives, self.registry)

    async def conduct(
        self, processors: Sequence[RoleCommand], fleets: Sequence[RoleCommand], tell: Callable[[LoadMoment], None]
    ) -> ConductedLoad:
        """Start everybody, give the plan when all are ready, and return when all is closed, or lost."""
        client, topics = client_kwargs(self.settings.kafka), Topics(self.settings.topics.prefix)
        producer = AIOKafkaProducer(**client, acks="all", linger_ms=0, enable_idempotence=True)
        await producer.start()
        stop = asyncio.Event()
        feed = self.feed
        series = Series(self.run)
        feed.listeners.append(series.put)
        control = ControlFeed(client, topics)
        control.on_record = lambda record: self._hear(record, producer, topics)
        following = [asyncio.ensure_future(one.follow(stop)) for one in (feed, control)]
        commands = {role.name: role for role in processors}
        injector = FaultInjector(
            self.axis,
            self.broker,
            self._planned,
            self.workload.first_phase,
            lambda name: self._start(commands[name]),
        )
        try:
            await self._forget_earlier(control)
            await say(producer, topics, Offer(self.run, self.fleets, self.started_ms, self.content))
            children = await asyncio.gather(*(self._start(role) for role in (*processors, *fleets)))
            await self.axis.wait_ready(children)
            await self._until_ready(control)
            await self._give_first_plan(producer, topics)
            unreadable = unreadable_documents(feed.readings)
            injector.begin(self.workload.faults)
            started_s = time.monotonic()
            passed, aborted = await self._until_over(feed, series, injector, (producer, topics), control, tell)
            wall_seconds = time.monotonic() - started_s
            await injector.end()
            is_read = await self._is_read(topics, passed=passed)
            return ConductedLoad(
                feed.readings,
                self._planned(),
                series,
                self.observed,
                is_read and not passed,
                is_read and passed,
                wall_seconds,
                dict(self.axis.peak_rss_bytes),
                dict(self.axis.cpu_seconds),
                injector.done,
                control.ready.get(self.run, {}),
                self._controls,
                aborted,
                unreadable_documents(feed.readings) - unreadable,
            )
        finally:
            await injector.end()
            stop.set()
            await see_ended(following)
            with contextlib.suppress(KafkaError, TimeoutError):
                await asyncio.wait_for(say(producer, topics, Over(self.run)), OVER_SAID_WITHIN_S)
            await producer.stop()

    async def _is_read(self, topics: Topics, *, passed: bool) -> bool:
        """Wait for the audit; return whether it has read everything that it is to read.

        Where the deadline for what is outstanding has passed, it is waited for until it has read what had happened by
        then: what comes later is lost, however long one would wait.
        """
        client, partitions = client_kwargs(self.settings.kafka), self.settings.topics.partitions
        events = [TopicPartition(name, number) for name in topics.events for number in range(partitions)]
        ends = await stable_ends(client, events) if passed else None
        return await count_drained(client, topics, partitions, self.feed, ends)

    async def _start(self, role: RoleCommand) -> Child:
        return await self.axis.start(role.name, *role.arguments)

    def _planned(self) -> Plan:
        assert self._plan is not None
        return self._plan

    # --- the barrier

    def _hear(self, record: ControlRecord, producer: AIOKafkaProducer, topics: Topics) -> None:
        """Answer a fleet that compares clocks."""
        if isinstance(record, Hello) and record.run == self.run:
            heard_us = _now_us()
            echo = Echo(record.run, record.source, record.number, record.asked_us, heard_us, _now_us())
            task = asyncio.ensure_future(say(producer, topics, echo))
            self._answers.add(task)
            task.add_done_callback(self._answers.discard)

    async def _forget_earlier(self, control: ControlFeed) -> None:
        """Leave aside what was said of this run before: it may be one that was killed and is gone on with."""
        await control.read_within(READY_WITHIN_S)
        control.ready.pop(self.run, None)
        if (command := control.commands.get(self.run)) is not None:
            self._commands_seen = command.number

    async def _until_ready(self, control: ControlFeed) -> None:
        deadline_s = time.monotonic() + READY_WITHIN_S
        while len(control.ready.get(self.run, {})) < self.fleets:
            self.axis.check()
            if time.monotonic() > deadline_s:
                known = ", ".join(sorted(control.ready.get(self.run, {}))) or "none"
                raise InfrastructureError(
                    f"{self.fleets} fleets were to be ready within {READY_WITHIN_S:.0f} s; ready: {known}",
                    next_step=f"look at the fleets' logs; start others with `docaxis fleet --join --run {self.run}`",
                )
            await asyncio.sleep(0.05)

    async def _give_first_plan(self, producer: AIOKafkaProducer, topics: Topics) -> None:
        lead_s = LEAD_S if self.fleets == 1 else LEAD_OF_SEVERAL_S
        self._plan = await self._say_plan(self._first_plan(_now_us() + round(lead_s * 1e6)), producer, topics)

    def _first_plan(self, begin_us: int) -> Plan:
        phases = [
            (phase.name, phase.kind, phase.duration, phase.measured, phase.closed) for phase in self.workload.offering
        ]
        return first_plan(self.run, begin_us, phases)

    # --- while it runs

    async def _until_over(
        self,
        feed: Feed,
        series: Series,
        injector: FaultInjector,
        voice: tuple[AIOKafkaProducer, Topics],
        control: ControlFeed,
        tell: Callable[[LoadMoment], None],
    ) -> tuple[bool, str]:
        """Return (whether the deadline for what is outstanding has passed, why the run was ended early)."""
        readings = feed.readings
        aborted = ""
        while True:
            self.axis.check()
            injector.check()
            await self._obey(control, *voice)
            if (early := self._ended_early(readings)) is not None:
                self._plan = await self._say_plan(early, *voice)
            plan, now_us = self._planned(), _now_us()
            over = now_us >= plan.end_us
            deadline_us = self._quiet_since_us(plan, readings) + self.workload.lost_after_us if over else None
            elapsed_s = (now_us - plan.begin_us) / 1e6
            memory = sum(self.axis.peak_rss_bytes.values())
            moment = LoadMoment(elapsed_s, plan, series, readings, memory, dict(self.axis.cpu_seconds))
            tell(moment)
            self.observed.look(readings, self.run, plan, now_us // SECOND_US)
            if not aborted and not over and (aborted := self.aborts(moment)):
                self._plan = await self._say_plan(phases_ended(plan, now_us + CHANGE_LEAD_US), *voice)
            ended = over and self._sending_ended(readings, control.ready.get(self.run, {}))
            if ended and not injector.pending and self._closed(readings):
                return False, aborted
            settled = ended and not injector.pending
            if deadline_us is not None and now_us > deadline_us and (settled or self._overdue(deadline_us, now_us)):
                return True, aborted
            await asyncio.sleep(TICK_S)

    def _quiet_since_us(self, plan: Plan, readings: Readings) -> int:
        """Return from when on what is outstanding is waited for: a workload states how long, whatever still moves."""
        return plan.end_us

    def _ended_early(self, readings: Readings) -> Plan | None:
        """Return another plan if nothing more will be sent although this one goes on; a workload offers to its end."""
        return None

    def _sending_ended(self, readings: Readings, sources: Collection[str]) -> bool:
        """Return whether the fleets that send have said so; `sources` are their names."""
        return sending_ended(readings, self.run, self.fleets, self.settings.topics.partitions, sources)

    def _closed(self, readings: Readings) -> bool:
        injected, run = Injected.of(readings, self.run), self.run
        withheld, corrupt = injected.documents("withhold-receipts"), injected.documents("corrupt")
        closed = all_closed(readings, run, withheld, corrupt) and all_received(readings, run, withheld)
        return closed and all_stated(readings, run)

    @staticmethod
    def _overdue(deadline_us: int, now_us: int) -> bool:
        return now_us > deadline_us + SENDING_OVER_S * 1e6

    # --- control

    async def _obey(self, control: ControlFeed, producer: AIOKafkaProducer, topics: Topics) -> None:
        """Do what `docaxis control` asked for, once."""
        command = control.commands.get(self.run)
        if command is None or command.number <= self._commands_seen:
            return
        self._commands_seen = command.number
        plan, at_us = self._planned(), max(_now_us() + CHANGE_LEAD_US, self._planned().begin_us + 1)
        changed = self._changed(plan, command, at_us)
        if changed is plan:
            return
        self._plan = await self._say_plan(changed, producer, topics)
        self._controls.append({"at_us": at_us, "verb": command.verb, "value": command.value})

    def _changed(self, plan: Plan, command: Command, at_us: int) -> Plan:
        changed = steered(plan, command, at_us, self._before_pause)
        if command.verb == "pause" and changed is not plan:
            self._before_pause = plan
        return changed

    async def _say_plan(self, plan: Plan, producer: AIOKafkaProducer, topics: Topics) -> Plan:
        await say(producer, topics, plan)
        return plan


def unreadable_documents(readings: Readings) -> int:
    """Return how many records of the documents' topic were unreadable; such belong to no run."""
    return sum(count for name, count in readings.counts("", "sent").items() if name.startswith("unreadable_"))


def _now_us() -> int:
    return time.time_ns() // 1000
