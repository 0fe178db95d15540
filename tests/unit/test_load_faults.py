"""Faults of the parts of the axis come at their moments in the plan, or not at all."""

import asyncio
import time
from types import SimpleNamespace
from typing import Any, cast

from docaxis.commands.load_faults import FaultInjector
from docaxis.commands.steering import phases_ended
from docaxis.domain.plan import first_plan
from docaxis.workload.faults import Fault

PAUSE = Fault.model_validate({"kind": "paused-hub", "at": "200 ms", "lasts": "1 ms"})


async def _befallen(ended_after_us: int | None) -> list[str]:
    """Return what befell an axis without parts until nothing is pending; sending may end early."""
    begin_us = time.time_ns() // 1000
    plan = first_plan("r", begin_us, [("load", "load", 10_000_000, True, False)])
    if ended_after_us is not None:
        plan = phases_ended(plan, begin_us + ended_after_us)
    axis = SimpleNamespace(children=[])
    injector = FaultInjector(cast(Any, axis), None, lambda: plan, "load", cast(Any, None))
    injector.begin([PAUSE])
    async with asyncio.timeout(5):
        while injector.pending:  # noqa: ASYNC110  # as the conductor does
            await asyncio.sleep(0.01)
    injector.check()
    return [str(row["kind"]) for row in injector.done]


def test_a_fault_comes_at_its_moment_and_is_not_waited_for_once_sending_has_ended() -> None:
    assert asyncio.run(_befallen(None)) == ["paused-hub"]
    assert asyncio.run(_befallen(50_000)) == []
