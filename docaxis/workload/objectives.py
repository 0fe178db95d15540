"""Objectives: what must hold in the measured phases. Every threshold is the workload's own; the axis publishes none.

With `abort` an objective ends the run early, judged as at the end, from what is known so far:

- a count (of the whole run) as soon as it is beyond its bound, for it never becomes smaller. But `misrouted` only when
  it was so for `MISROUTED_FOR_S`: topics are read independently, so a receipt may be known before its document.
  `lost` is known at the end only, and is refused;
- a latency when its percentile over the measured phases so far, of the agencies or priorities it names, and of what
  came in the newest seconds, was beyond the bound for `MISSED_FOR_S` on end; never in a closed loop, whose latencies
  are not judged;
- the share received, a rate and the backlog's slope when the complete seconds of the measured phases so far, and the
  newest of them by themselves, missed it for `MISSED_FOR_S` on end.

The newest seconds count so that a bad beginning ends no run that recovers. All but counts wait until
`MEASURED_FIRST_S` seconds of measured phases are complete, and begin anew after a pause or another phase.
"""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from docaxis.workload.refusing import refuse
from docaxis.workload.units import Duration, RateText

Stage = Literal["delivery", "send_delay", "routing", "pickup", "delivery_uncorrected", "acceptance", "publish"]
Count = Literal["lost", "duplicated", "misrouted", "refused", "late", "dropped"]

#: Stages that are also kept by agency and by priority.
SCOPED_STAGES = ("delivery",)

#: Anything but a count must be missed for so long on end before the run is ended.
MISSED_FOR_S = 10

#: A delivery counted as misrouted for so long is so; the live page waits as long.
MISROUTED_FOR_S = 15

#: So many measured seconds are complete before anything but a count is judged.
MEASURED_FIRST_S = 10


class Objective(BaseModel):
    """One objective: a percentile of a stage, a count, the share of the offered load, or the backlog's slope."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    name: str = Field(min_length=1, max_length=80)
    """What the views call it."""
    stage: Stage | None = None
    """A latency: of which stage. With `percentile` and `at_most`."""
    percentile: float | None = Field(None, gt=0, le=100)
    """Which percentile of that stage, in percent, as in 99 or 99.9."""
    at_most: Duration | None = None
    """How long that percentile may be."""
    agencies: tuple[str, ...] = ()
    """Only deliveries to these agencies (codes or kinds)."""
    priorities: tuple[Annotated[int, Field(ge=0, le=4)], ...] = ()
    """Only deliveries of documents of these priorities, 0 to 4."""
    count: Count | None = None
    """What is counted over the whole run."""
    at_most_count: int = Field(0, ge=0)
    """How many deliveries (of dropped: documents) `count` may come to."""
    achieved: float | None = Field(None, gt=0, le=1)
    """Received against offered deliveries of the measured phases: at least this share, 0 to 1."""
    at_least: RateText | None = None
    """Deliveries or documents received a second, at least."""
    backlog_slope: float | None = Field(None, ge=0)
    """Deliveries by which the backlog may grow each second."""
    abort: bool = False
    """End the run when this can no longer be met (a count), or is missed for ten seconds on end."""

    @model_validator(mode="after")
    def _one_thing(self) -> Self:
        kinds = ("stage", "count", "achieved", "at_least", "backlog_slope")
        given = [key for key in kinds if getattr(self, key) is not None]
        together = {self.stage is None, self.percentile is None, self.at_most is None}
        scoped = self.agencies or self.priorities
        refuse(
            "objective",
            [
                ((), f"objective {self.name!r}: {why}")
                for wrong, why in (
                    (len(given) != 1, f"it is about one of {', '.join(kinds)}; {len(given)} are given"),
                    (len(together) > 1, "stage, percentile and at_most belong together"),
                    (
                        scoped and self.stage not in SCOPED_STAGES,
                        "only the stage delivery is kept by agency and priority",
                    ),
                    (self.agencies and self.priorities, "agencies and priorities exclude each other"),
                    (
                        self.abort and self.count == "lost",
                        "what is lost is known at the end only; abort cannot go with it",
                    ),
                    (
                        self.at_least is not None and self.at_least.unit == "x July 2022",
                        "at_least is in deliveries/s or documents/s",
                    ),
                )
                if wrong
            ],
        )
        return self
