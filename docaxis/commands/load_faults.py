"""Faults that befall the parts of the axis while a load test runs: done by whoever conducts it, at the plan's times."""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from docaxis.commands.axis import Axis, Child
from docaxis.domain.plan import Plan
from docaxis.kafka.broker import EmbeddedBroker
from docaxis.workload.faults import RECEIVER_FAULTS, SENDER_FAULTS, Fault

#: Faults that are there from the beginning.
_STANDING = ("limited-hub",)

LOOK_S = 0.05


def needs_broker(faults: Sequence[Fault]) -> bool:
    """Whether a fault befalls the broker: only one that the run itself started may be touched."""
    return any(fault.kind in ("stalled-broker", "stopped-broker") for fault in faults)


@dataclass(slots=True)
class FaultInjector:
    """Injects the faults of one run and remembers what it did."""

    axis: Axis
    broker: EmbeddedBroker | None
    plan: Callable[[], Plan]
    first_phase: str
    restart: Callable[[str], Awaitable[Child]]
    done: list[dict[str, Any]] = field(default_factory=list)
    _tasks: list["asyncio.Task[None]"] = field(default_factory=list)
    # A role that starts while its broker does not answer ends: those faults take turns.
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    def begin(self, faults: Sequence[Fault]) -> None:
        """Inject each fault at its time."""
        for fault in faults:
            if fault.kind in _STANDING:
                at_us = self.plan().begin_us
                self._note(fault, at_us, self.plan().end_us, f"limited to {fault.rate}")
            elif fault.kind not in SENDER_FAULTS + RECEIVER_FAULTS:
                self._tasks.append(asyncio.ensure_future(self._inject(fault)))

    @property
    def pending(self) -> bool:
        """Whether a fault is still to come or goes on."""
        return any(not task.done() for task in self._tasks)

    def check(self) -> None:
        """Raise what went wrong while injecting."""
        for task in self._tasks:
            if task.done() and not task.cancelled():
                task.result()

    async def end(self) -> None:
        """Cancel what is still to come; whatever stands still goes on."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _begin_us(self, fault: Fault) -> int:
        name = fault.phase or self.first_phase
        return next(phase.begin_us for phase in self.plan().phases if phase.name == name) + fault.at

    async def _inject(self, fault: Fault) -> None:
        while (left_us := self._begin_us(fault) - _now_us()) > 0:  # the plan may change meanwhile
            if _now_us() >= self.plan().end_us:  # sending was ended before: its moment will not come
                return
            await asyncio.sleep(min(LOOK_S, left_us / 1e6))
        if fault.kind == "paused-hub":
            await self._befall(fault)
        else:
            async with self._turn:
                await self._befall(fault)

    async def _befall(self, fault: Fault) -> None:
        row = self._note(fault, _now_us(), _now_us(), "begun")
        lasts_s = (fault.lasts or 0) / 1e6
        if fault.kind == "paused-hub":
            detail = await self._stall([child for child in self.axis.children if child.name == "hub"], lasts_s)
        elif fault.kind == "killed-hub":
            detail = await self._kill("hub")
        elif fault.kind == "killed-worker":
            detail = await self._kill("stream")
        else:
            detail = await self._befall_broker(fault.kind, lasts_s)
        row.update({"until_us": _now_us(), "detail": detail})

    async def _stall(self, children: Sequence[Child], lasts_s: float) -> str:
        for child in children:
            child.process.send_signal(signal.SIGSTOP)
        try:
            await asyncio.sleep(lasts_s)
        finally:
            for child in children:
                if child.process.returncode is None:
                    child.process.send_signal(signal.SIGCONT)
        return f"stood still for {lasts_s:g} s"

    async def _kill(self, name: str) -> str:
        child = next(child for child in self.axis.children if child.name == name)
        self.axis.children.remove(child)  # first: its end is no failure that others should report
        child.process.kill()
        await child.process.wait()
        await self.axis.wait_ready([await self.restart(name)])
        return "killed and started again"

    async def _befall_broker(self, kind: str, lasts_s: float) -> str:
        broker = self.broker
        assert broker is not None
        if kind == "stalled-broker":
            broker.kill(1, signal.SIGSTOP)
            try:
                await asyncio.sleep(lasts_s)
            finally:
                broker.kill(1, signal.SIGCONT)
            return f"stood still for {lasts_s:g} s"
        await asyncio.to_thread(broker.kill, 1, signal.SIGTERM)
        try:
            await asyncio.sleep(lasts_s)
        finally:
            await asyncio.to_thread(broker.restart, 1)
        return f"stopped, and started again after {lasts_s:g} s"

    def _note(self, fault: Fault, at_us: int, until_us: int, detail: str) -> dict[str, Any]:
        row = {"kind": fault.kind, "at_us": at_us, "until_us": until_us, "count": 1, "detail": detail}
        self.done.append(row)
        return row


def _now_us() -> int:
    return time.time_ns() // 1000
