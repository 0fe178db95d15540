"""The running load test on the page: its phases as its plan has them now, its objectives, and controls that say what
`docaxis control` says. All stand on the control topic, so any page on the cluster shows them, whoever conducts the run.
And the service objectives, where the command that serves the page has any."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from docaxis.domain.agency import Registry
from docaxis.domain.clock import Clock
from docaxis.domain.control import Command, Verb
from docaxis.domain.plan import NEVER_US, Plan, PlannedPhase
from docaxis.kafka.control import ControlFeed, say
from docaxis.kafka.topics import Topics
from monitor.live.budgets import Budgets
from monitor.live.extras import Extras
from monitor.live.load_objectives import LoadObjectives
from monitor.reading import Readings

#: What a rate may be multiplied by from the page, in percent; 0 would be a pause that does not say so.
PERCENT_MIN, PERCENT_MAX = 1, 1000

_LABELS = {
    "pause": ("Pause", "Tạm dừng"),
    "resume": ("Resume", "Tiếp tục"),
    "end-phase": ("End this phase", "Kết thúc pha này"),
    "stop": ("Stop sending", "Ngừng gửi"),
}


class Steering(Extras):
    """Follows the plans of all runs; says commands where that is allowed."""

    def __init__(
        self,
        client: Mapping[str, Any],
        topics: Topics,
        registry: Registry,
        clock: Clock,
        *,
        steerable: bool,
        budgets: Budgets | None = None,
    ) -> None:
        self._client = client
        self._topics = topics
        self._clock = clock
        self._steerable = steerable
        self._budgets = budgets
        self.feed = ControlFeed(client, topics)
        self.load_objectives = LoadObjectives(self.feed, registry)

    async def follow(self, stop: asyncio.Event) -> None:
        """Follow the control topic until told to stop."""
        await self.feed.follow(stop)

    def objectives(self, readings: Readings, run: str, now_us: int) -> Sequence[Mapping[str, Any]]:
        """Return what the service objectives come to in a run; latencies of a closed loop are not judged."""
        if self._budgets is None:
            return ()
        plan = self.feed.plans.get(run)
        shown = self._budgets.of(readings, run, now_us)
        if plan is not None and any(phase.closed for phase in plan.phases):
            return [one for one in shown if one["threshold_s"] is None or one["unit"] == "seconds"]
        return shown

    def workload(self, readings: Readings, run: str) -> Mapping[str, Any] | None:
        """Return the phases and objectives of a load test; other runs have no plan."""
        plan, now_us = self.feed.plans.get(run), self._clock.wall_us()
        if plan is None:
            return None
        objectives = self.load_objectives.now(readings, run, now_us)
        offer = self.feed.offers.get(run)
        name = str(offer.workload.get("name") or run)[:80] if offer is not None else run
        return shown(plan, now_us, steerable=self._steerable) | {"name": name, "objectives": objectives}

    async def control(self, run: str, name: str, value: float | None) -> None:
        """Say a command; the run's conductor obeys it a second later."""
        if run not in self.feed.plans:
            raise ValueError(f"no load test {run!r} is known here")
        command = Command(run, self._clock.wall_us(), *command_of(name, value))
        producer = AIOKafkaProducer(**self._client, acks="all", linger_ms=0)
        try:
            await producer.start()
            await say(producer, self._topics, command)
        except KafkaError as error:
            raise ValueError(f"Kafka did not take the command: {error}") from error
        finally:
            await producer.stop()


def command_of(name: str, value: float | None) -> tuple[Verb, str]:
    """Return verb and value of a control.

    Raises:
        ValueError: there is no such control, or its value is out of range.
    """
    verb: Verb | None = next((one for one in get_args(Verb) if one == name), None)
    if verb is None or verb == "speed":  # the page gives percent of either
        raise ValueError(f"there is no control {name!r} here")
    if verb != "rate":
        return verb, ""
    if value is None or not PERCENT_MIN <= value <= PERCENT_MAX:
        raise ValueError(f"the rate takes {PERCENT_MIN} to {PERCENT_MAX} percent of the workload's")
    return verb, f"{value:g}%"


def shown(plan: Plan, now_us: int, *, steerable: bool) -> dict[str, Any]:
    """Return a plan as the page shows it. Pure."""
    factor = next((one for at_us, one in reversed(plan.factors) if at_us <= now_us), 1.0)
    controls = _controls(factor) if steerable and now_us < plan.end_us else []
    return {
        "name": plan.run,
        "phases": [_phase(phase, now_us) for phase in plan.phases],
        "paused": any(begin_us <= now_us < end_us for begin_us, end_us in plan.pauses),
        "percent": round(100 * factor, 2),
        "controls": controls,
    }


def _phase(phase: PlannedPhase, now_us: int) -> dict[str, Any]:
    state = "next" if now_us < phase.begin_us else "running" if now_us < phase.end_us else "done"
    seconds = None if phase.end_us >= NEVER_US else (phase.end_us - phase.begin_us) // 1_000_000
    return {"name": phase.name, "state": state, "seconds": seconds, "measured": phase.measured}


def _controls(factor: float) -> list[dict[str, Any]]:
    bounds = {"value": round(100 * factor, 2), "min": PERCENT_MIN, "max": PERCENT_MAX}
    rate = {"name": "rate", "label_en": "Set rate, %", "label_vi": "Đặt tốc độ, %", **bounds}
    return [rate, *({"name": name, "label_en": en, "label_vi": vi} for name, (en, vi) in _LABELS.items())]
