"""The start of a load test: the plan is given when all fleets are ready, and not before; nobody waits for ever.

The conductor runs in virtual time. What the fleets say reaches it as records of the control topic; Kafka alone is not
there.
"""

import asyncio
import time
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from docaxis.commands import conduct_load
from docaxis.commands.axis import Axis
from docaxis.commands.conduct_load import LEAD_OF_SEVERAL_S, READY_WITHIN_S, LoadConductor
from docaxis.domain.agency import Registry
from docaxis.domain.clock import ManualClock
from docaxis.domain.control import ControlRecord, Echo, Hello, Offer, Over, Ready, encode_control
from docaxis.domain.errors import InfrastructureError
from docaxis.domain.plan import Plan
from docaxis.kafka.control import ControlFeed
from docaxis.kafka.topics import Topics
from docaxis.settings import load_settings
from docaxis.workload.file import workload_of
from monitor.feed import Feed
from producers import barrier as barrier_of_fleets
from tests.support.virtual_time import run_in_virtual_time

RUN = "trial"
CONTENT = {"name": "t", "phases": [{"name": "load", "duration": "10 s", "rate": "5 documents/s"}]}

#: How often the conductor looks, and what a turn of the virtual machine takes.
LOOK_S = 0.1


class Planned(Exception):
    """The plan was given: the conductor would go on with the run."""


class Producer:
    """Says nothing to anybody; `say` is what is looked at."""

    def __init__(self, **options: Any) -> None:
        self.options = options

    async def start(self) -> None: ...
    async def stop(self) -> None: ...


class Roles(Axis):
    """Roles that need not be started, of which one may end by itself."""

    def __init__(self, ends_at_s: float | None) -> None:
        self.ends_at_s = ends_at_s

    def check(self) -> None:
        if self.ends_at_s is not None and asyncio.get_running_loop().time() >= self.ends_at_s:
            raise InfrastructureError("the hub has ended by itself", next_step="look at its log")

    async def wait_ready(self, children: Any, *_: Any) -> None: ...


class Barrier:
    """Conducts a run until its plan is given, and notes when each thing was said."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.said: list[tuple[float, ControlRecord]] = []
        self._patch = monkeypatch

    def conduct(
        self,
        fleets: int,
        ready: Mapping[float, tuple[str, str]],
        earlier: tuple[str, ...] = (),
        role_ends_at_s: float | None = None,
    ) -> float:
        """Let fleets be ready, `ready` says when (run, name); return when the conductor went on, in seconds.

        `earlier` are those that were ready in an earlier life of the run, which the control topic still holds.
        """

        async def follow(control: ControlFeed, stop: asyncio.Event) -> None:
            for name in earlier:
                control._read(encode_control(Ready(RUN, name, 0, 0))[1])
            control.caught_up.set()
            for at_s, (run, name) in sorted(ready.items()):
                await asyncio.sleep(at_s - asyncio.get_running_loop().time())
                control._read(encode_control(Ready(run, name, 0, 0))[1])
            await stop.wait()

        async def listen(feed: Feed, stop: asyncio.Event) -> None:
            await stop.wait()

        async def note(producer: Producer, topics: Any, record: ControlRecord) -> None:
            self.said.append((asyncio.get_running_loop().time(), record))

        async def go_on(*_: Any) -> None:
            raise Planned

        self._patch.setattr(ControlFeed, "follow", follow)
        self._patch.setattr(Feed, "follow", listen)
        self._patch.setattr(LoadConductor, "_until_over", go_on)
        self._patch.setattr(conduct_load, "AIOKafkaProducer", Producer)
        self._patch.setattr(conduct_load, "say", note)
        virtual = SimpleNamespace(monotonic=lambda: asyncio.get_running_loop().time(), time_ns=time.time_ns)
        self._patch.setattr(conduct_load, "time", virtual)

        async def story() -> float:
            workload = workload_of(CONTENT, "t").workload
            settings = load_settings(None, {"kafka.bootstrap_servers": "127.0.0.1:9"})
            conductor = LoadConductor(
                settings, Roles(role_ends_at_s), RUN, workload, CONTENT, Registry.load(), 0, fleets
            )
            try:
                await conductor.conduct([], [], lambda moment: None)
            except Planned:
                return asyncio.get_running_loop().time()
            finally:
                assert isinstance(self.said[-1][1], Over), "fleets that wait are told that it is over"
            raise AssertionError("the conductor went on without a plan")

        return run_in_virtual_time(story(), seed=1)

    @property
    def plans(self) -> list[tuple[float, Plan]]:
        """The plans that were given, and when."""
        return [(at_s, record) for at_s, record in self.said if isinstance(record, Plan)]


@pytest.fixture
def barrier(monkeypatch: pytest.MonkeyPatch) -> Barrier:
    return Barrier(monkeypatch)


def test_the_plan_is_given_once_all_are_ready(barrier: Barrier) -> None:
    now_us = time.time_ns() // 1000
    barrier.conduct(3, {1: (RUN, "fleet-2"), 20: (RUN, "fleet-0"), 60: (RUN, "elsewhere")})
    assert isinstance(barrier.said[0][1], Offer), "the offer is what fleets join by"
    ((at_s, plan),) = barrier.plans
    assert 60 <= at_s < 60 + LOOK_S
    assert (plan.run, plan.number) == (RUN, 1)
    assert plan.begin_us >= now_us + LEAD_OF_SEVERAL_S * 1e6, "everybody has it before anything is due"


def test_a_fleet_that_says_it_twice_and_one_of_another_run_are_not_waited_for(barrier: Barrier) -> None:
    barrier.conduct(2, {1: (RUN, "fleet-0"), 2: (RUN, "fleet-0"), 3: ("other", "fleet-1"), 30: (RUN, "fleet-1")})
    ((at_s, _),) = barrier.plans
    assert 30 <= at_s < 30 + LOOK_S


def test_who_was_ready_in_an_earlier_life_of_the_run_says_it_again(barrier: Barrier) -> None:
    ready = {5.0: (RUN, "fleet-0"), 40.0: (RUN, "fleet-1")}
    barrier.conduct(2, ready, earlier=("fleet-0", "fleet-1"))
    ((at_s, _),) = barrier.plans
    assert 40 <= at_s < 40 + LOOK_S


@pytest.mark.parametrize(
    ("ready", "known"),
    [({}, "none"), ({1: (RUN, "fleet-b"), 2: (RUN, "fleet-a"), 3: ("other", "fleet-c")}, "fleet-a, fleet-b")],
    ids=["none", "two of three"],
)
def test_after_the_deadline_those_that_are_ready_are_named(
    ready: dict[float, tuple[str, str]], known: str, barrier: Barrier
) -> None:
    with pytest.raises(InfrastructureError) as caught:
        barrier.conduct(3, ready)
    shown = caught.value.render()
    assert f"3 fleets were to be ready within {READY_WITHIN_S:.0f} s; ready: {known}\n" in shown
    assert f"docaxis fleet --join --run {RUN}" in shown
    assert barrier.plans == []
    assert READY_WITHIN_S <= barrier.said[-1][0] < READY_WITHIN_S + LOOK_S


def test_a_fleet_that_is_ready_just_within_the_deadline_is_not_too_late(barrier: Barrier) -> None:
    last_s = READY_WITHIN_S - LOOK_S
    barrier.conduct(1, {last_s: (RUN, "fleet-0")})
    assert len(barrier.plans) == 1


def test_nobody_waits_for_fleets_when_a_role_has_ended(barrier: Barrier) -> None:
    with pytest.raises(InfrastructureError, match="ended by itself"):
        barrier.conduct(2, {1: (RUN, "fleet-0")}, role_ends_at_s=10)
    assert barrier.plans == []
    assert barrier.said[-1][0] < 10 + LOOK_S


@pytest.mark.parametrize(("answers", "skew_us"), [(True, 5000), (False, None)], ids=["answered", "nobody answers"])
def test_a_fleet_says_how_far_its_clock_is_ahead_or_that_it_does_not_know(
    answers: bool, skew_us: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, said, heard = ManualClock(1_000_000), list[Ready](), asyncio.Event()
    fleet = barrier_of_fleets.Barrier({}, Topics("axis"), RUN, "fleet-0", clock)

    async def hear(producer: Producer, topics: Topics, record: ControlRecord) -> None:
        if isinstance(record, Ready):
            said.append(record)
            heard.set()
        elif isinstance(record, Hello) and answers:
            there_us = clock.wall_us() - 5000
            fleet._on_record(Echo(RUN, "fleet-0", record.number, record.asked_us, there_us, there_us))

    async def meet() -> None:
        fleet._feed.caught_up.set()
        meeting = asyncio.ensure_future(fleet._meet())
        await heard.wait()
        meeting.cancel()

    monkeypatch.setattr(barrier_of_fleets, "say", hear)
    monkeypatch.setattr(barrier_of_fleets, "AIOKafkaProducer", Producer)
    run_in_virtual_time(meet(), seed=1)
    assert said == [Ready(RUN, "fleet-0", skew_us, 0 if answers else None)]
