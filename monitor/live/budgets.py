"""Service objectives on the live page: what each came to, what is left of its error budget, how fast that is spent.

The promises are those of the alerts (`monitor.service_objectives`) and so are the definitions of good and bad; the
figures are the readings', not Prometheus's. They reach over the objectives' period, or as far back as the run does; a
page that was started later knows of the time before only the totals, and counts them in.
"""

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from math import floor
from typing import Any, NamedTuple

from monitor.live.moment import open_late
from monitor.reading import LEDGER, Readings
from monitor.service_objectives import Indicator, Objective, ServiceObjectives, ZeroObjective

MINUTE_US, HOUR_US = 60_000_000, 3_600_000_000

#: Seconds between two looks at the same run.
LOOK_EVERY_S = 5

#: Runs whose past is remembered; the one that was looked at longest ago goes first.
RUNS_MAX = 16

#: A budget of which less is left asks for attention.
LITTLE_LEFT = 0.25

#: Refusals that are the axis's own fault.
AXIS_CODES = ("code_20", "code_21")


class Events(NamedTuple):
    """Bad events and all events, as totals or between two moments."""

    bad: float
    total: float

    def since(self, before: "Events") -> "Events":
        """Return what was added; never less than nothing (a reading may be forgotten)."""
        return Events(max(self.bad - before.bad, 0), max(self.total - before.total, 0))


def events_of(one: Objective, readings: Readings, run: str, now_us: int) -> Events:
    """Return the events of a run that an objective counts; none for freshness, which is the workers'. Pure."""
    status, refused = readings.counts(run, "status"), readings.counts(run, "refused")
    if one.indicator is Indicator.AVAILABILITY:
        faults = sum(refused.get(code, 0) for code in AXIS_CODES)
        return Events(status.get("failed", 0) + faults, status.get("receipts", 0) + faults)
    if one.indicator is Indicator.FRESHNESS:
        return Events(0, 0)
    threshold_us = int((one.threshold_s or 0) * 1e6)
    if one.indicator is Indicator.URGENT:
        rows = readings.latencies(run, "status", "priority")
        histograms = [histogram for priority, histogram in rows.items() if priority in ("1", "2", "3", "4")]
    else:
        histograms = [readings.stage(run, "status", "routing" if one.indicator is Indicator.ROUTING else "delivery")]
    total = sum(histogram.count for histogram in histograms)
    bad = total - sum(histogram.count_at_most(threshold_us) for histogram in histograms)
    waiting = open_late(readings, run, now_us, threshold_us) if one.indicator is Indicator.DELIVERY else 0
    return Events(bad + waiting, total + waiting)


@dataclass(slots=True)
class Past:
    """Totals at earlier moments: of the last hour by the minute, of the period by the hour."""

    minutes: deque[tuple[int, Events]] = field(default_factory=lambda: deque(maxlen=61))
    hours: deque[tuple[int, Events]] = field(default_factory=lambda: deque(maxlen=92 * 24 + 1))

    def note(self, at_us: int, totals: Events) -> None:
        """Remember a moment, if the last one is old enough."""
        for marks, step_us in ((self.minutes, MINUTE_US), (self.hours, HOUR_US)):
            if not marks or at_us - marks[-1][0] >= step_us:
                marks.append((at_us, totals))
        while at_us - self.minutes[0][0] > HOUR_US + MINUTE_US:  # of before a gap in which nobody looked
            self.minutes.popleft()

    def before(self, period_us: int, at_us: int) -> Events:
        """Return the totals a period ago; nothing, if the run is younger or was not watched then."""
        known = [totals for noted_us, totals in self.hours if noted_us <= at_us - period_us]
        return known[-1] if known else Events(0, 0)

    def hour_ago(self) -> Events:
        """Return the totals an hour ago, or when the page began to look."""
        return self.minutes[0][1] if self.minutes else Events(0, 0)


def judged(one: Objective, period: Events, hour: Events, period_days: int) -> dict[str, Any]:
    """Return an objective as the page shows it. Pure.

    With few events one late document is a large share and no outage: below `bad_min` an overspent budget asks for
    attention and is not called bad.
    """
    achieved = 1 - period.bad / period.total if period.total else None
    left = 1 - period.bad / period.total / one.budget if period.total else 1.0
    burn = hour.bad / hour.total / one.budget if hour.total else 0.0
    enough = period.bad >= max(one.bad_min, 1)
    state = "good"
    if left <= 0 and enough:
        state = "bad"
    elif left < LITTLE_LEFT or (burn > 1 and hour.bad >= max(one.bad_min, 1)):
        state = "attention"
    return {
        "name": one.name,
        "unit": "seconds" if one.indicator is Indicator.FRESHNESS else "events",
        "title_en": one.title_en,
        "title_vi": one.title_vi,
        "threshold_s": one.threshold_s,
        "target": one.target,
        "achieved": None if achieved is None else round(achieved, 6),
        "budget_left": round(left, 4),
        "burn_rate": round(burn, 2),
        "bad": round(period.bad),
        "total": round(period.total),
        "period_days": period_days,
        "state": state,
    }


def judged_zero(one: ZeroObjective, readings: Readings, run: str, now_us: int, period_days: int) -> dict[str, Any]:
    """Return a promise without a budget as the page shows it: kept, or how many are bad now. Pure."""
    bad = open_late(readings, run, now_us, int(one.threshold_s * 1e6))
    total = readings.counts(run, LEDGER).get("deliveries_expected", 0)
    return {
        "name": one.name,
        "unit": "lost",
        "title_en": one.title_en,
        "title_vi": one.title_vi,
        "threshold_s": None,  # no latency: it holds however the load is driven
        "target": one.target,
        "achieved": floor((1 - bad / total) * 1e5) / 1e5 if total else None,  # one of many millions is not none
        "budget_left": None,
        "bad": bad,
        "total": total,
        "period_days": period_days,
        "state": "bad" if bad else "good",
    }


class Budgets:
    """The objectives of all runs that the page shows."""

    def __init__(self, objectives: ServiceObjectives) -> None:
        self._objectives = objectives
        self._pasts: OrderedDict[str, dict[str, Past]] = OrderedDict()
        self._shown: dict[str, tuple[int, list[dict[str, Any]]]] = {}
        self._fresh = Events(0, 0)  # seconds, counted by whoever knows how far behind the workers are
        self._fresh_past = Past()

    def tell_lag(self, lag_s: float | None, seconds: float, now_us: int) -> None:
        """Count time as fresh or not by the stream workers' lag; None, if that is not known, counts as nothing."""
        bound_s = next(
            (one.threshold_s for one in self._objectives.objective if one.indicator is Indicator.FRESHNESS), None
        )
        if lag_s is None or bound_s is None:
            return
        self._fresh = Events(self._fresh.bad + (seconds if lag_s > bound_s else 0), self._fresh.total + seconds)
        self._fresh_past.note(now_us, self._fresh)

    def of(self, readings: Readings, run: str, now_us: int) -> list[dict[str, Any]]:
        """Return the objectives of a run; looked at anew every few seconds."""
        looked_us, shown = self._shown.get(run, (0, []))
        if shown and 0 <= now_us - looked_us < LOOK_EVERY_S * 1_000_000:
            return shown
        pasts = self._pasts.setdefault(run, {})
        self._pasts.move_to_end(run)
        while len(self._pasts) > RUNS_MAX:
            self._shown.pop(self._pasts.popitem(last=False)[0], None)
        days = self._objectives.period_days
        shown = [self._one(one, pasts, readings, run, now_us) for one in self._objectives.objective]
        shown += [judged_zero(one, readings, run, now_us, days) for one in self._objectives.zero]
        self._shown[run] = (now_us, shown)
        return shown

    def _one(self, one: Objective, pasts: dict[str, Past], readings: Readings, run: str, now_us: int) -> dict[str, Any]:
        if one.indicator is Indicator.FRESHNESS:
            past, totals = self._fresh_past, self._fresh
        else:
            past, totals = pasts.setdefault(one.name, Past()), events_of(one, readings, run, now_us)
            past.note(now_us, totals)
        days = self._objectives.period_days
        since = past.before(days * 24 * HOUR_US, now_us)
        return judged(one, totals.since(since), totals.since(past.hour_ago()), days)
