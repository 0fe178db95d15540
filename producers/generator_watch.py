"""The generator watches itself: was it on time, and was anything wrong with the process or its clock?

What it measures is its own doing. A wait for room at the in-flight bound is the broker's doing: it is counted as held
time, and arrivals that became due meanwhile are timed from its end, so a slow broker never looks like a slow generator.
"""

import asyncio
import gc
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from docaxis.domain.clock import Clock
from docaxis.domain.plan import NO_PHASE, Plan
from monitor.reading import GENERATOR, MEASURED, Reading, Tally
from monitor.seconds import Seconds

Int64s = npt.NDArray[np.int64]

#: How often the event loop is asked whether it is on time.
TICK_S = 0.01

#: Looks that one late look stands for, at most: ten minutes' worth.
LOOKS_MAX = 60_000

#: The wall clock's drift against the monotonic one within a tick is far below this.
STEP_US = 1_000

#: An arrival may be up to a minute late before it is dropped; its second must still be known.
SECONDS_KEPT = 75


@dataclass(slots=True)
class GeneratorWatch:
    """Figures of one fleet about itself, by phase and second; `plan` says which phase it is."""

    clock: Clock
    plan: Callable[[], Plan | None]
    tally: Tally = field(default_factory=Tally)
    clock_step_us: int = 0  # the largest step of the wall clock seen
    injected: dict[str, int] = field(default_factory=dict)  # fault -> documents or receipts; fault_deliveries -> ...
    published: int = 0  # readings so far; one that goes on with a run begins beyond those before it
    _gc_began_ns: int = 0
    _cpu_s: float = 0.0
    _wall_ns: int = 0

    def __post_init__(self) -> None:
        self.tally.seconds = Seconds(SECONDS_KEPT)

    # --- told by the sender, some time after it happened: a plan changes only ahead, so the phase is still the same

    def on_due(self, due_us: Int64s, errors_us: Int64s) -> None:
        """Note arrivals that became due and how late the generator itself was for each."""
        self._observe("schedule_error", due_us, errors_us)

    def on_offered(self, intended_us: Int64s, fan_out: Int64s) -> None:
        """Note arrivals by the time that the schedule gave them, whether they could be sent or not."""
        self._count("offered", intended_us, fan_out)

    def on_sent(self, intended_us: Int64s, sent_us: Int64s, fan_out: Int64s) -> None:
        """Note documents on their way, and since when."""
        self._count("sent", intended_us, fan_out, at_us=sent_us)
        self.tally.seconds.observe(sent_us, lateness=sent_us - intended_us)

    def on_acked(self, intended_us: Int64s, acked_us: Int64s) -> None:
        """Note documents that the broker has, and since when."""
        self._observe("publish", intended_us, acked_us - intended_us, at_us=acked_us)

    def on_held(self, held_us: int) -> None:
        """Note a wait for room at the in-flight bound."""
        self._add("held_us", held_us)

    def on_injected(self, fault: str, documents: int, deliveries: int) -> None:
        """Note documents (or receipts) that a fault befell."""
        self.injected[fault] = self.injected.get(fault, 0) + documents
        self.injected[f"{fault}_deliveries"] = self.injected.get(f"{fault}_deliveries", 0) + deliveries

    def note_in_flight(self, in_flight: int) -> None:
        """Note how many documents are not acknowledged."""
        self.tally.seconds.peak("in_flight", self.clock.wall_us(), in_flight)

    def _count(self, name: str, intended_us: Int64s, fan_out: Int64s, at_us: Int64s | None = None) -> None:
        if not len(intended_us):
            return
        seconds = intended_us if at_us is None else at_us
        self.tally.seconds.count(name, seconds)
        self.tally.seconds.count(f"{name}_deliveries", seconds, fan_out)
        for phase, chosen in self._phases(intended_us):
            self.tally.counts[f"{name}@{phase}"] += int(chosen.sum())
            self.tally.counts[f"{name}_deliveries@{phase}"] += int(fan_out[chosen].sum())

    def _observe(self, stage: str, intended_us: Int64s, values_us: Int64s, at_us: Int64s | None = None) -> None:
        if not len(intended_us):
            return
        self.tally.observe(stage, values_us)
        seconds = intended_us if at_us is None else at_us
        self.tally.seconds.observe(seconds, **{stage: values_us})
        for phase, chosen in self._phases(intended_us):
            self.tally.observe(f"{stage}@{phase}", values_us[chosen])

    def _phases(self, intended_us: Int64s) -> list[tuple[int, Any]]:
        plan = self.plan()
        if plan is None:
            return []
        numbers = plan.phase_of(intended_us)
        return [(phase, numbers == phase) for phase in np.unique(numbers).tolist() if phase != NO_PHASE]

    def _add(self, name: str, value: int) -> None:
        """Add to a count, and to that of the measured phases if it is one now."""
        self.tally.counts[name] += value
        if self._measuring():
            self.tally.counts[f"{name}{MEASURED}"] += value

    def _measuring(self) -> bool:
        plan = self.plan()
        if plan is None:
            return False
        phase = int(plan.phase_of(np.array([self.clock.wall_us()], np.int64))[0])
        return phase != NO_PHASE and plan.phases[phase].measured

    # --- watching

    async def watch(self) -> None:
        """Watch event loop, garbage collector, processor and clock, until cancelled."""
        gc.callbacks.append(self._on_gc)
        offset_us = self.clock.wall_us() - self.clock.monotonic_ns() // 1000
        self._cpu_s, self._wall_ns = time.process_time(), self.clock.monotonic_ns()
        try:
            while True:
                before_ns = self.clock.monotonic_ns()
                await asyncio.sleep(TICK_S)
                now_ns = self.clock.monotonic_ns()
                lag_us = max(0, (now_ns - before_ns) // 1000 - round(TICK_S * 1e6))
                self._note_tick(lag_us, now_ns)
                newer_us = self.clock.wall_us() - self.clock.monotonic_ns() // 1000
                step_us = abs(newer_us - offset_us)
                offset_us = newer_us
                if step_us > STEP_US:
                    self._add("clock_steps", 1)
                    self.clock_step_us = max(self.clock_step_us, step_us)
        finally:
            gc.callbacks.remove(self._on_gc)

    def _note_tick(self, lag_us: int, now_ns: int) -> None:
        # A loop that was held up for long missed all looks that were due meanwhile: each would have found it late by
        # what was left. One look for the whole time would be the omission that the tool is there to avoid.
        tick_us = round(TICK_S * 1e6)
        lag = np.arange(lag_us, lag_us % tick_us - 1, -tick_us, dtype=np.int64)[:LOOKS_MAX]
        self.tally.observe("loop_lag", lag)
        measuring = self._measuring()
        if measuring:
            self.tally.observe(f"loop_lag{MEASURED}", lag)
        cpu_s = time.process_time()
        if measuring:
            self.tally.counts["cpu_us"] += round((cpu_s - self._cpu_s) * 1e6)
            self.tally.counts["wall_us"] += (now_ns - self._wall_ns) // 1000
        self._cpu_s, self._wall_ns = cpu_s, now_ns

    def _on_gc(self, phase: str, info: dict[str, int]) -> None:
        now_ns = self.clock.monotonic_ns()
        if phase == "start":
            self._gc_began_ns = now_ns
        else:
            self._add("gc_us", (now_ns - self._gc_began_ns) // 1000)

    # --- telling

    def reading(self, run: str, source: str) -> Reading:
        """Return everything as a reading."""
        self.published += 1
        identity = {"version": 1, "run": run, "topic": GENERATOR, "partition": 0, "source": source}
        reading = self.tally.to_reading([], **identity, offset=self.published, at_us=self.clock.wall_us())
        faults = {f"fault_{name}": count for name, count in self.injected.items()}
        reading.counts.update(faults | {"clock_step_us": self.clock_step_us})
        return reading
