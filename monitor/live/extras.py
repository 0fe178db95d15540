"""What others add to the live page: objectives with their budgets, the running workload, and controls.

The page knows nothing of how a load is driven or an objective judged; whoever starts it hands over an `Extras` that
does. The defaults show nothing and control nothing.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from monitor.reading import Readings


class Extras:
    """The defaults; a command that knows more overrides what it knows. All methods are called in the event loop."""

    def objectives(self, readings: Readings, run: str, now_us: int) -> Sequence[Mapping[str, Any]]:
        """Return the objectives of a run, one mapping each.

        `title_en`, `title_vi`, `target` and `achieved` (ratios, the latter None without samples), `budget_left` (ratio
        of the error budget that is left, may be negative; None where none may be bad) and `state` ("good", "attention"
        or "bad"). Where they are known: `bad` and `total` in `unit` ("events", "seconds" or "lost"), `burn_rate` of the
        last hour, and `period_days`.
        """
        return ()

    def workload(self, readings: Readings, run: str) -> Mapping[str, Any] | None:
        """Return what is being offered, or None where nobody here offers anything.

        `name`, `phases` (a list of `name`, `state` ("done", "running", "next") and `seconds`, None while that is open),
        `paused`, `percent` (of the rate that the workload asks for), `objectives` (as in `load_objectives.shown`) and
        `controls` (a list of `name`, `label_en`, `label_vi`, and where it takes a number `value`, `min`, `max`).
        """
        return None

    async def control(self, run: str, name: str, value: float | None) -> None:
        """Do what a control says.

        Raises:
            ValueError: there is no such control, or its value is out of range; the message is shown to the user.
        """
        raise ValueError(f"there is no control {name!r} here")
