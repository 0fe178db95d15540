"""What an operator should know at one glance, as numbered rules; the first that holds gives the level. Pure.

Each says a sentence (a key with figures, which the page words in the viewer's language), so a red light always comes
with its reason and the place where to look.
"""

from dataclasses import dataclass
from typing import Any

from monitor.live.moment import Moment
from monitor.reading import LEDGER

#: Nothing answered for so long while deliveries wait: agencies that poll every few minutes have been asked too.
STALLED_AFTER_S = 20

#: Nothing sent for so long, and nothing waiting: a quiet axis.
QUIET_AFTER_S = 30


@dataclass(frozen=True, slots=True)
class Facts:
    """What the rules look at."""

    now: Moment
    minute_ago: Moment
    unmoved_s: float  # since a delivery was last answered or routed, or a document sent
    stuck_s: float  # the same without sending, at most the age of the oldest delivery that waits
    workers: int  # stream workers that own partitions
    workers_answering: int
    strayed: int = 0  # deliveries without a document for a while now: a receipt may be read before its document


def judge_health(facts: Facts) -> dict[str, Any]:
    """Return the level (bad, attention, quiet, good, none) and the sentences that hold, the gravest first."""
    said = [rule for rule in _rules(facts) if rule is not None]
    level = said[0][0] if said else "good"
    return {"level": level, "says": [{"key": key, **figures} for _, key, figures in said] or [_good(facts)]}


def _good(facts: Facts) -> dict[str, Any]:
    return {"key": "arriving"}


def _rules(facts: Facts) -> "list[tuple[str, str, dict[str, Any]] | None]":
    now, before = facts.now, facts.minute_ago
    faults = {name: now.count(LEDGER, name) for name in ("duplicated", "contradictions")}
    faults |= {"misrouted": facts.strayed}
    refused = now.count("refused", "refusals") - before.count("refused", "refusals")
    failed = now.count("status", "failed") - before.count("status", "failed")
    waiting, at_hub = now.waiting, now.at_hub
    where = "hub" if at_hub * 2 > waiting else "inbox"
    return [
        # Rule 1 - If no stream worker answers, every figure here is old: say so before anything else.
        ("bad", "blind", {"workers": facts.workers}) if facts.workers and not facts.workers_answering else None,
        # Rule 2 - If deliveries wait and none is routed or answered, the axis stands still, whatever is sent meanwhile.
        ("bad", "stalled", {"seconds": int(facts.stuck_s), "waiting": waiting, "where": where})
        if waiting and facts.stuck_s >= STALLED_AFTER_S
        else None,
        # Rule 3 - If the audit found doubled or strayed deliveries, something is wrong that time will not mend.
        ("bad", "faults", faults) if any(faults.values()) else None,
        # Rule 4 - If deliveries are open beyond the bound, somebody waits.
        ("attention", "late", {"late": now.open_late, "where": where}) if now.open_late else None,
        # Rule 5 - If a part of the workers does not answer, its partitions' figures may be old.
        ("attention", "worker_silent", {"workers": facts.workers, "answering": facts.workers_answering})
        if facts.workers_answering < facts.workers
        else None,
        # Rule 6 - If documents are being refused or fail on arrival, their senders will ask.
        ("attention", "refusing", {"refused": refused}) if refused > 0 else None,
        ("attention", "failing", {"failed": failed}) if failed > 0 else None,
        # Rule 7 - If nothing is sent and nothing waits, the axis is quiet: no fault, and no proof that it works.
        ("quiet", "quiet", {"seconds": int(facts.unmoved_s)})
        if not waiting and facts.unmoved_s >= QUIET_AFTER_S
        else None,
    ]
