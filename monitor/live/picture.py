"""The picture of one run: everything that the page shows, as one JSON-able object; and what changed in it. Pure."""

from collections.abc import Mapping
from typing import Any

from monitor.live.moment import Moment, between, per_second
from monitor.reading import ARRIVALS, LEDGER
from monitor.verdict import STAGES

#: Parts that are sent by row: only the rows that changed.
BY_ROW = ("agencies",)

Picture = dict[str, Any]

ARRIVAL_COUNTS = ("scheduled", "acked", "dropped", "failed", "unknown", "in_flight")


def point_of(now: Moment, before: Moment) -> dict[str, float]:
    """Return the newest point of the charts, from two moments a few seconds apart."""
    delivery = between(now, before, "delivery")
    return {
        "documents_per_s": per_second(now, before, "sent", "documents"),
        "deliveries_per_s": per_second(now, before, "delivered", "deliveries"),
        "receipts_per_s": per_second(now, before, "status", "receipts"),
        "p50_us": delivery.quantile_us(0.5),
        "p99_us": delivery.quantile_us(0.99),
        "at_hub": now.at_hub,
        "in_inboxes": now.in_inboxes,
        "refused_per_s": per_second(now, before, "refused", "refusals"),
    }


def totals_of(now: Moment, strayed: int) -> dict[str, int]:
    """Return the figures of the tiles and of the ledger; `strayed` are those that have stayed without a document."""
    names = ("documents", "deliveries_expected", "delivered_once", "late", "duplicated", "misrouted", "refused")
    more = ("outstanding", "failed", "receipts_repeated", "contradictions", "receipts_unmatched")
    ledger = {name: now.count(LEDGER, name) for name in (*names, *more)}
    return ledger | {
        "misrouted": strayed,
        "sent": now.count("sent", "documents"),
        "delivered": now.count("delivered", "deliveries"),
        "received": now.count("status", "receipts"),
        "refusals": now.count("refused", "refusals"),
        "at_hub": now.at_hub,
        "in_inboxes": now.in_inboxes,
        "open_late": now.open_late,
        "oldest_open_us": now.oldest_open_us,
    }


def stages_of(now: Moment, minute_ago: Moment) -> dict[str, list[int]]:
    """Return samples, median and p99 of each stage in the last minute."""
    stages = {}
    for stage in STAGES:
        recent = between(now, minute_ago, stage)
        stages[stage] = [recent.count, recent.quantile_us(0.5), recent.quantile_us(0.99)]
    return stages


def refusal_codes(now: Moment) -> dict[str, int]:
    """Return the refusals by the axis's error code."""
    return {
        name.removeprefix("code_"): count
        for name, count in sorted(now.counts.get("refused", {}).items())
        if name.startswith("code_")
    }


def arrivals_of(now: Moment) -> dict[str, int] | None:
    """Return what the senders of this run account for; None where nobody does, as with real traffic."""
    counts = now.counts.get(ARRIVALS, {})
    return {name: counts.get(name, 0) for name in ARRIVAL_COUNTS} if counts else None


def changes(now: Picture, before: Picture) -> Picture:
    """Return the parts of `now` that differ from `before`; of those sent by row only the rows that differ."""
    changed = {name: part for name, part in now.items() if part != before.get(name)}
    for name in BY_ROW:
        if name in changed:
            known: Mapping[Any, Any] = before.get(name, {})
            changed[name] = {key: row for key, row in now[name].items() if row != known.get(key)}
    return changed
