"""Service objectives: what the operator promises, read from a file and checked; rules and dashboards are made of them.

They are not a run's objectives (those belong to its workload): these hold for the axis as it is, over weeks.
"""

import re
import tomllib
from datetime import datetime
from enum import StrEnum
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from docaxis.domain.errors import UsageError
from monitor.catalogue import (
    OWED_LATE_OVER_S,
    STREAM_DELIVERY,
    STREAM_DELIVERY_OF_PRIORITY,
    STREAM_ROUTING,
    WAITING_OVER_S,
)
from monitor.metric import Spec


class Indicator(StrEnum):
    """What is counted as good and bad."""

    AVAILABILITY = "availability"  # answers that are no failure
    DELIVERY = "delivery"  # delivery latency, with what waits for longer than the threshold as bad already
    URGENT = "urgent"  # delivery latency of priorities 1 to 4
    ROUTING = "routing"  # the hub's part
    FRESHNESS = "freshness"  # time in which the figures were fresh


#: Indicators that a histogram answers, and which.
HISTOGRAMS: dict[Indicator, Spec] = {
    Indicator.DELIVERY: STREAM_DELIVERY,
    Indicator.URGENT: STREAM_DELIVERY_OF_PRIORITY,
    Indicator.ROUTING: STREAM_ROUTING,
}


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Objective(_Strict):
    """One promise."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z_]*$")]
    title_en: str
    title_vi: str
    description: str
    indicator: Indicator
    target: Annotated[float, Field(gt=0, lt=1)]
    threshold_s: Annotated[float, Field(gt=0)] | None = None
    bad_min: Annotated[int, Field(ge=0)] = 0
    page: bool = True
    per_agency: bool = False

    @property
    def budget(self) -> float:
        """The share that may be bad."""
        return round(1 - self.target, 9)

    @property
    def le(self) -> str:
        """The threshold as the label of its bucket."""
        return repr(float(self.threshold_s or 0))

    @property
    def alert(self) -> str:
        """The alerts' name."""
        return f"Docaxis{self.name.title().replace('_', '')}BudgetBurn"

    @model_validator(mode="after")
    def _measurable(self) -> Self:
        if (self.threshold_s is None) != (self.indicator is Indicator.AVAILABILITY):
            needs = "takes no" if self.indicator is Indicator.AVAILABILITY else "needs a"
            raise ValueError(f"the indicator {self.indicator} {needs} threshold_s")
        if self.per_agency and self.indicator is not Indicator.DELIVERY:
            raise ValueError("per_agency is for the indicator delivery: no other one is measured by agency")
        spec = HISTOGRAMS.get(self.indicator)
        if spec is not None and self.le not in spec.bucket_labels:
            raise ValueError(f"threshold_s {self.le} is no bucket of {spec.name}: {', '.join(spec.bucket_labels[:-1])}")
        return self

    @property
    def waiting_over(self) -> str | None:
        """The label under which waiting deliveries older than the threshold are counted, if they are."""
        counted = self.indicator is Indicator.DELIVERY and self.threshold_s in WAITING_OVER_S
        return str(int(self.threshold_s or 0)) if counted else None

    @property
    def owed_late(self) -> bool:
        """Whether waiting deliveries older than the threshold are counted by recipient."""
        return self.indicator is Indicator.DELIVERY and self.threshold_s == OWED_LATE_OVER_S


class ZeroObjective(_Strict):
    """A promise without a budget: none may be bad, and one calls somebody at once, by an alert of its own."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z_]*$")]
    title_en: str
    title_vi: str
    description: str
    indicator: Literal["loss"]  # deliveries outstanding for longer than `threshold_s`
    target: Annotated[float, Field(ge=1, le=1)]
    threshold_s: Annotated[float, Field(gt=0)]

    @property
    def alert(self) -> str:
        """The alert's name."""
        return "DocaxisDeliveriesLost"


class Maintenance(_Strict):
    """A time in which less traffic is no news."""

    begins: AwareDatetime
    ends: AwareDatetime
    what: str

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.ends <= self.begins:
            raise ValueError(f"ends {self.ends} is not after begins {self.begins}")
        return self

    def seconds(self) -> tuple[int, int]:
        """Return begin and end as Unix time."""
        return _seconds(self.begins), _seconds(self.ends)


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())


#: What an address of runbooks looks like; braces would be a template's to Prometheus.
RUNBOOKS = r"^https?://[^\s{}]+$"


class ServiceObjectives(_Strict):
    """The whole file."""

    period_days: Annotated[int, Field(ge=1, le=92)]
    #: An address: those who are called read alerts in mails and chats, where a path leads nowhere.
    runbooks: Annotated[str, Field(pattern=RUNBOOKS)]
    objective: Annotated[tuple[Objective, ...], Field(min_length=1)]
    #: Those of the file's objectives that have no budget.
    zero: tuple[ZeroObjective, ...] = ()
    maintenance: tuple[Maintenance, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _without_budget_apart(cls, content: Any) -> Any:
        """Tell the file's objectives apart: rules and budgets are made of those that may be missed a little."""
        if not isinstance(content, dict) or not isinstance(content.get("objective"), list):
            return content
        zero = [one for one in content["objective"] if _has_no_budget(one)]
        kept = [one for one in content["objective"] if not _has_no_budget(one)]
        return content | {"objective": kept} | ({"zero": zero} if zero else {})

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        names = [*(one.name for one in self.objective), *(one.name for one in self.zero)]
        if len(set(names)) < len(names):
            raise ValueError(f"objectives of the same name: {', '.join(sorted(names))}")
        return self

    def without_latencies(self) -> "ServiceObjectives":
        """Return those that no stamp of an event decides, for events whose stamps are not of today."""
        kept = [one for one in self.objective if one.indicator in (Indicator.AVAILABILITY, Indicator.FRESHNESS)]
        return self.model_copy(update={"objective": tuple(kept), "zero": ()})

    def with_runbooks(self, address: str | None) -> "ServiceObjectives":
        """Return these with links of alerts that lead below `address`; None: as they are.

        Raises:
            UsageError: it is no address.
        """
        if address is None:
            return self
        if not re.fullmatch(RUNBOOKS, address):
            raise UsageError(
                f"{address!r} is no address of runbooks", next_step="give one as in https://wiki.example/docaxis"
            )
        return self.model_copy(update={"runbooks": address})

    @classmethod
    def load(cls, file: Path | None = None) -> Self:
        """Read a file; without one, the objectives that come with docaxis.

        Raises:
            UsageError: the file cannot be read or has faults; all of them are named.
        """
        source = files("docaxis.data") / "service_objectives.toml" if file is None else file
        content: dict[str, Any] = {}
        try:
            content = tomllib.loads(source.read_text(encoding="utf-8"))
            return cls.model_validate(content)
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise UsageError(f"{source} cannot be read: {error}", next_step="name a TOML file") from error
        except ValidationError as error:
            faults = [_fault(_in_file(one["loc"], content), one["msg"]) for one in error.errors(include_url=False)]
            raise UsageError(
                "\n".join([f"{source} has faults:", *faults]),
                next_step="see docaxis/data/service_objectives.toml for what each key means",
            ) from error


def _has_no_budget(objective: Any) -> bool:
    return isinstance(objective, dict) and objective.get("indicator") == "loss"


def _in_file(place: tuple[int | str, ...], content: dict[str, Any]) -> tuple[int | str, ...]:
    """Return where a fault stands in the file, which does not tell the objectives apart."""
    match place:
        case ("objective" | "zero" as kind, int(number), *rest):
            alike = [n for n, one in enumerate(content["objective"]) if _has_no_budget(one) == (kind == "zero")]
            return ("objective", alike[number], *rest)
    return place


def _fault(place: tuple[int | str, ...], message: str) -> str:
    return f"  - {'.'.join(map(str, place))}: {message.removeprefix('Value error, ')}"
