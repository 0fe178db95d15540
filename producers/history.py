"""The published history of the axis, and a generator that reproduces it document by document.

The press published a few cumulative totals; history.toml holds them with their sources. The generator hits each of
them exactly and fills the time between with assumptions: office hours, working days, peaks, skewed agencies. It goes
day by day, each day with a random stream of its own, so memory stays bounded and an earlier `until` yields exactly the
first part of a later one.
"""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from importlib import resources
from typing import Any

import numpy as np

from docaxis.domain.agency import Registry
from docaxis.domain.calendar import vietnam_calendar
from docaxis.domain.errors import UsageError
from producers.history_days import day_instants
from producers.history_plan import Fact, Milestone, Schedule, milestones_of, scaled_facts, schedule_of, split_facts
from producers.traffic import DraftBatch, Ordinals, TrafficModel, document_tables
from producers.traffic_fanout import FanOut

__all__ = ["DEFAULT_UNTIL", "History", "Milestone"]

#: Where the demo stops: the figures of the government news article of 02/03/2021.
DEFAULT_UNTIL = date(2021, 2, 23)

#: Scales accepted: below, a period would hold too few documents to split; above, ordinals run out of digits.
SCALE_MIN, SCALE_MAX = 0.001, 20.0

#: Agencies needed for the published fan-out of up to 3.59 recipients a document.
AGENCIES_MIN = 5

#: Streams of randomness under one seed (a third one, for the weights of agencies, belongs to the traffic model).
_FAN_OUT_STREAM, _DOCUMENTS_STREAM = 1, 2


@dataclass(frozen=True)
class History:
    """The facts of history.toml, and what can be made of them."""

    launch: date
    facts: tuple[Fact, ...]
    assumed: dict[str, Any]  # the tables [days] and [hours]

    @classmethod
    def load(cls) -> "History":
        """Read the package's history."""
        data = tomllib.loads(resources.files("docaxis").joinpath("data/history.toml").read_text(encoding="utf-8"))
        facts = tuple(Fact.of(row) for row in data["milestone"])
        return cls(data["launch"], facts, {"days": data["days"], "hours": data["hours"]})

    @property
    def last(self) -> date:
        """The last day for which anything was published."""
        return self.facts[-1].date

    def plan(self, seed: int, until: date | None = None, *, agencies: int = 95, scale: float = 1.0) -> list[Milestone]:
        """Return the milestones up to `until` (default: all), with what was published and what will be generated.

        An `until` between two milestones comes last, as a milestone for which nothing was published. With a `scale`
        other than 1 all figures, published ones included, are multiplied and rounded.
        """
        until = self._checked(seed, until or self.last, agencies, scale)
        return milestones_of(scaled_facts(self.facts, scale), self._schedule(seed, agencies, scale), until)

    def generate(
        self,
        seed: int,
        registry: Registry,
        until: date = DEFAULT_UNTIL,
        documents_per_batch: int = 4096,
        *,
        scale: float = 1.0,
    ) -> Iterator[DraftBatch]:
        """Yield the documents from the launch to the end of `until` in calendar order.

        Every batch but the last holds `documents_per_batch` documents; their number changes nothing about them.
        Raises UsageError at once for what was never published or cannot be.
        """
        until = self._checked(seed, until, len(registry), scale)
        if documents_per_batch < 1:
            raise UsageError(
                f"{documents_per_batch} documents per batch make no batch", next_step="give a number of at least 1"
            )
        days = self._days(seed, registry, until, scale)
        return _rebatched(days, documents_per_batch)

    def _schedule(self, seed: int, agencies: int, scale: float) -> Schedule:
        periods = split_facts(scaled_facts(self.facts, scale), seed)
        shape = document_tables()["fan_out"]
        fan_outs = [
            FanOut.with_mean(period.received / period.sent, agencies - 1, shape["exponent"], shape["broadcast_share"])
            for period in periods
        ]
        return schedule_of(
            self.launch,
            periods,
            fan_outs,
            vietnam_calendar(),
            self.assumed["days"],
            noise_seed=np.random.SeedSequence(seed, spawn_key=(0,)),
            day_rng=lambda ordinal: _stream(seed, _FAN_OUT_STREAM, ordinal),
        )

    def _days(self, seed: int, registry: Registry, until: date, scale: float) -> Iterator[DraftBatch]:
        """Yield one batch a day, for days with any documents."""
        schedule = self._schedule(seed, len(registry), scale)
        calendar = vietnam_calendar()
        ordinals = Ordinals(len(registry))
        model_period, model = -1, None
        for index, day in enumerate(schedule.days):
            if day > until:
                return
            documents, deliveries = int(schedule.sent[index]), int(schedule.received[index])
            if not documents:
                continue
            period = int(schedule.period[index])
            if model is None or period != model_period:
                model_period, model = period, TrafficModel.build(registry, seed, schedule.fan_outs[period].mean)
            fan_out = model.fan_out.draw_exactly(_stream(seed, _FAN_OUT_STREAM, day.toordinal()), documents, deliveries)
            rng = _stream(seed, _DOCUMENTS_STREAM, day.toordinal())
            hours = self.assumed["hours"]["working_day" if calendar.is_working_day(day) else "day_off"]
            yield model.draft(rng, day_instants(rng, day, documents, hours), ordinals, fan_out)

    def _checked(self, seed: int, until: date, agencies: int, scale: float) -> date:
        if seed < 0:
            raise UsageError(f"seed {seed} is negative", next_step="give a seed of 0 or more")
        if not self.launch <= until <= self.last:
            raise UsageError(
                f"nothing was published for {until}: the history runs from {self.launch} to {self.last}",
                next_step=f"choose a date from {self.launch} to {self.last}",
            )
        if agencies < AGENCIES_MIN:
            raise UsageError(
                f"{agencies} agencies cannot reproduce the history: documents had up to 3.59 recipients on average",
                next_step=f"give a registry of at least {AGENCIES_MIN} agencies",
            )
        if not SCALE_MIN <= scale <= SCALE_MAX:
            raise UsageError(
                f"scale {scale} is out of bounds", next_step=f"choose a scale from {SCALE_MIN} to {SCALE_MAX:g}"
            )
        return until


def _stream(seed: int, *key: int) -> np.random.Generator:
    """Return the random generator of one purpose: the same seed and key always give the same draws."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=key)))


def _rebatched(days: Iterator[DraftBatch], documents_per_batch: int) -> Iterator[DraftBatch]:
    """Cut batches of any length into batches of one length, the last one possibly shorter."""
    waiting: list[DraftBatch] = []
    documents = 0
    for day in days:
        waiting.append(day)
        documents += len(day)
        if documents < documents_per_batch:
            continue
        joined = DraftBatch.joined(waiting)
        whole = documents - documents % documents_per_batch
        for start in range(0, whole, documents_per_batch):
            yield joined.rows(start, start + documents_per_batch)
        documents -= whole
        waiting = [joined.rows(whole, whole + documents)] if documents else []
    if documents:
        yield DraftBatch.joined(waiting)
