"""The arithmetic of the history: from published totals to the exact number of documents of each day.

Pure: facts and a seed in, integers out. Where only "sent and received" together was published, the split is drawn by
seed and the milestone says that it is derived.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt

from docaxis.domain.calendar import OfficeCalendar, days_between
from producers.history_days import apportion, day_weights, trend
from producers.traffic_fanout import FanOut

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Fact:
    """One row of history.toml: cumulative figures at the end of a day; None where nothing was published."""

    date: date
    total: int
    sent: int | None
    received: int | None
    period_sent: int | None  # since the row before
    period_received: int | None
    mark: str  # V published, D derived
    basis: str
    source: str

    @classmethod
    def of(cls, row: dict[str, Any]) -> "Fact":
        """Read a row; a total not given is sent + received."""
        sent, received = row.get("sent"), row.get("received")
        return cls(
            date=row["date"],
            total=row["total"] if "total" in row else row["sent"] + row["received"],
            sent=sent,
            received=received,
            period_sent=row.get("period_sent"),
            period_received=row.get("period_received"),
            mark=row["mark"],
            basis=row["basis"],
            source=row["source"],
        )


@dataclass(frozen=True)
class Milestone:
    """Cumulative figures at the end of a day: what the generator makes, and beside it what was published (or None)."""

    date: date
    sent: int
    received: int
    sent_published: int | None
    received_published: int | None
    total_published: int | None
    period_sent: int  # since the milestone before
    period_received: int
    period_sent_published: int | None
    period_received_published: int | None
    mark: str  # V published; D derived; the split is derived wherever sent_published is None
    basis: str
    source: str

    @property
    def total(self) -> int:
        """Documents "sent and received", as the Government Office counts."""
        return self.sent + self.received


@dataclass(frozen=True)
class Period:
    """The time between two milestones: documents sent and deliveries received in it."""

    until: date
    sent: int
    received: int


@dataclass(frozen=True)
class Schedule:
    """What every day of the history holds, exactly."""

    days: list[date]
    period: Ints  # of each day, index into fan_outs
    sent: Ints  # documents
    received: Ints  # deliveries
    fan_outs: list[FanOut]  # one a period


def scaled_facts(facts: Sequence[Fact], scale: float) -> list[Fact]:
    """Return facts multiplied by `scale` and rounded, parts fitted to their rounded total."""
    if scale == 1.0:
        return list(facts)
    result: list[Fact] = []
    total_before = 0
    for fact in facts:
        total = round(fact.total * scale)
        sent = None if fact.sent is None else round(fact.sent * scale)
        period_sent = None if fact.period_sent is None else round(fact.period_sent * scale)
        result.append(
            replace(
                fact,
                total=total,
                sent=sent,
                received=None if sent is None else total - sent,
                period_sent=period_sent,
                period_received=None if period_sent is None else total - total_before - period_sent,
            )
        )
        total_before = total
    return result


def split_facts(facts: Sequence[Fact], seed: int) -> list[Period]:
    """Return the periods between facts with their exact numbers of documents and deliveries.

    Where the split of a total is unknown, its recipients per document are drawn between the lowest and the highest
    measured value; the draws are sorted, since fan-out grew between the two measurements.
    """
    ratios = [fact.received / fact.sent for fact in facts if fact.sent and fact.received]
    ratios += [fact.period_received / fact.period_sent for fact in facts if fact.period_sent and fact.period_received]
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(4,)))
    unknown = sum(fact.sent is None and fact.period_sent is None for fact in facts)
    drawn = iter(np.sort(rng.uniform(min(ratios), max(ratios), unknown)).tolist())
    periods: list[Period] = []
    sent_before = total_before = 0
    for fact in facts:
        total = fact.total - total_before
        if fact.sent is not None:
            sent = fact.sent - sent_before
        elif fact.period_sent is not None:
            sent = fact.period_sent
        else:
            sent = round(total / (1 + next(drawn)))
        periods.append(Period(fact.date, sent, total - sent))
        sent_before, total_before = sent_before + sent, fact.total
    return periods


def schedule_of(
    launch: date,
    periods: Sequence[Period],
    fan_outs: list[FanOut],
    calendar: OfficeCalendar,
    assumed: dict[str, Any],
    *,
    noise_seed: np.random.SeedSequence,
    day_rng: Callable[[int], np.random.Generator],
) -> Schedule:
    """Spread the periods' documents and deliveries over their days.

    `day_rng` gives the generator with which a day (by its ordinal) will draw its fan-outs: the day's deliveries follow
    from the same draws, so that heavy tails stay; only what is missing to the period's sum is spread on top.
    """
    days = days_between(launch, periods[-1].until)
    noise = np.random.default_rng(noise_seed).standard_normal(len(days))
    weights = day_weights(days, calendar, assumed) * np.exp(assumed["noise"] * noise)
    period = np.searchsorted([one.until.toordinal() for one in periods], [day.toordinal() for day in days])
    members = [np.flatnonzero(period == index) for index in range(len(periods))]
    means = [one.sent / float(weights[inside].sum()) for one, inside in zip(periods, members, strict=True)]
    # The trend runs over work done, not over dates: holidays do not bend it.
    positions = [np.cumsum(weights[inside]) / weights[inside].sum() for inside in members]
    sent, received = np.zeros(len(days), dtype=np.int64), np.zeros(len(days), dtype=np.int64)
    for index, (inside, level) in enumerate(zip(members, trend(positions, means), strict=True)):
        sent[inside] = apportion(periods[index].sent, weights[inside] * level)
        drawn = [fan_outs[index].draw_sum(day_rng(days[day].toordinal()), int(sent[day])) for day in inside.tolist()]
        received[inside] = _corrected(np.array(drawn), sent[inside], periods[index].received, fan_outs[index])
    return Schedule(days, np.asarray(period, dtype=np.int64), sent, received, fan_outs)


def _corrected(drawn: Ints, sent: Ints, received: int, fan_out: FanOut) -> Ints:
    """Return daily deliveries near the drawn ones that add up to `received`."""
    missing = received - int(drawn.sum())
    if missing >= 0:
        return drawn + apportion(missing, sent.astype(np.float64), sent * fan_out.recipients_max - drawn)
    return drawn - apportion(-missing, sent.astype(np.float64), drawn - sent)


def milestones_of(facts: Sequence[Fact], schedule: Schedule, until: date) -> list[Milestone]:
    """Return the milestones up to `until`, counted from the schedule, beside the published figures."""
    rows = [fact for fact in facts if fact.date <= until]
    if not rows or rows[-1].date < until:
        mark, basis = "D", "between two milestones: the part of the next one's period up to this day"
        rows.append(Fact(until, 0, None, None, None, None, mark, basis, ""))
    result: list[Milestone] = []
    sent_before = received_before = 0
    for fact in rows:
        days = (fact.date - schedule.days[0]).days + 1
        sent, received = int(schedule.sent[:days].sum()), int(schedule.received[:days].sum())
        result.append(
            Milestone(
                date=fact.date,
                sent=sent,
                received=received,
                sent_published=fact.sent,
                received_published=fact.received,
                total_published=fact.total if fact.mark == "V" else None,
                period_sent=sent - sent_before,
                period_received=received - received_before,
                period_sent_published=fact.period_sent,
                period_received_published=fact.period_received,
                mark=fact.mark,
                basis=fact.basis,
                source=fact.source,
            )
        )
        sent_before, received_before = sent, received
    return result
