"""The meter: counts and times every event per agency. Pure: a batch of events of one run folds into its tally.

Stages of a delivery, all in microseconds and all from the receipt, which carries every stamp:

    delivery (received - intended)
        = send delay (sent - intended) + routing (available - sent) + pickup (received - available)

`delivery_uncorrected` (received - sent) stands beside the corrected one; `acceptance` (accepted - sent) says how much
of routing passed before the hub took the document in.
"""

from collections.abc import Sequence
from operator import attrgetter

import numpy as np

from docaxis.domain.event import Delivered, Receipt, Refusal, Sent, Status
from docaxis.domain.plan import Plan
from monitor.reading import MEASURED, Tally
from monitor.stuck import PARTITIONS_MAX, passed
from streams.keys import Codes, Int64s


def meter_sent(tally: Tally, events: Sequence[Sent], codes: Codes) -> None:
    """Count documents per sender, kind and day, and the deliveries they ask for."""
    fan_out = np.array([len(event.recipients) for event in events], np.int64)
    calendar_ms = _column(events, "calendar_ms")
    tally.counts["documents"] += len(events)
    tally.counts["deliveries_addressed"] += int(fan_out.sum())
    tally.counts["bytes"] += sum(map(attrgetter("size"), events))
    senders, sent_us = codes.indices([event.sender for event in events]), _column(events, "sent_us")
    tally.count_agencies("documents", senders)
    tally.note_newest("sent_us", senders, sent_us)
    tally.count_days("documents", calendar_ms)
    for name in ("priority", "business"):
        _count_values(tally, name, _column(events, name))
    tally.note_span("wall_us", sent_us)
    tally.note_span("calendar_ms", calendar_ms)


def meter_sent_by_phase(tally: Tally, events: Sequence[Sent], plan: Plan) -> None:
    """Count documents and the deliveries they ask for by the phase of a load test that they were due in."""
    phases = plan.phase_of(_column(events, "intended_us"))
    fan_out = np.array([len(event.recipients) for event in events], np.int64)
    for phase in np.unique(phases).tolist():
        tally.counts[f"documents@{phase}"] += int((phases == phase).sum())
        tally.counts[f"deliveries_addressed@{phase}"] += int(fan_out[phases == phase].sum())


def meter_delivered(tally: Tally, events: Sequence[Delivered], codes: Codes) -> None:
    """Count deliveries that the hub made available, per recipient, and how far it has come in each `sent` partition."""
    tally.counts["deliveries"] += len(events)
    tally.count_agencies("deliveries", codes.indices([event.recipient for event in events]))
    partitions, sent_us = _column(events, "sent_partition"), _column(events, "sent_us")
    for partition in np.unique(partitions[partitions < PARTITIONS_MAX]).tolist():
        tally.note_span(passed(partition), sent_us[partitions == partition])


def meter_receipts(tally: Tally, receipts: Sequence[Receipt], codes: Codes) -> None:
    """Count receipts per recipient and day, and time every stage."""
    intended, sent = _column(receipts, "intended_us"), _column(receipts, "sent_us")
    available, received = _column(receipts, "available_us"), _column(receipts, "received_us")
    calendar_ms = _column(receipts, "calendar_ms")
    recipients = codes.indices([receipt.recipient for receipt in receipts])
    delivery = received - intended
    tally.counts["receipts"] += len(receipts)
    tally.counts["failed"] += list(map(attrgetter("state"), receipts)).count("FAIL")
    tally.count_agencies("receipts", recipients)
    tally.count_pairs("receipts", codes.indices([receipt.sender for receipt in receipts]), recipients)
    tally.note_newest("received_us", recipients, received)
    tally.note_newest("answered_sent_us", recipients, sent)
    tally.count_days("receipts", calendar_ms)
    tally.observe("delivery", delivery)
    tally.observe("delivery_uncorrected", received - sent)
    tally.observe("send_delay", sent - intended)
    tally.observe("routing", available - sent)
    tally.observe("pickup", received - available)
    tally.observe("acceptance", _column(receipts, "accepted_us") - sent)
    tally.observe_rows("recipient", recipients, delivery)
    tally.observe_rows("priority", _column(receipts, "priority"), delivery)
    tally.note_span("wall_us", received)


def meter_receipts_by_phase(tally: Tally, receipts: Sequence[Receipt], plan: Plan, codes: Codes) -> None:
    """Time every stage by the phase of a load test that the document was due in, and by second of receiving."""
    intended, sent = _column(receipts, "intended_us"), _column(receipts, "sent_us")
    available, received = _column(receipts, "available_us"), _column(receipts, "received_us")
    stages = {
        "delivery": received - intended,
        "delivery_uncorrected": received - sent,
        "send_delay": sent - intended,
        "routing": available - sent,
        "pickup": received - available,
    }
    tally.seconds.count("received", received)
    tally.seconds.observe(received, **stages)
    stages["acceptance"] = _column(receipts, "accepted_us") - sent
    phases = plan.phase_of(intended)
    measured = np.isin(phases, [number for number, phase in enumerate(plan.phases) if phase.measured])
    for phase in np.unique(phases).tolist():
        chosen = phases == phase
        tally.counts[f"receipts@{phase}"] += int(chosen.sum())
        for stage, values in stages.items():
            tally.observe(f"{stage}@{phase}", values[chosen])
    if measured.any():
        tally.note_span(f"wall_us{MEASURED}", received[measured])
        recipients = codes.indices([receipt.recipient for receipt in receipts])
        tally.observe_rows(f"recipient{MEASURED}", recipients[measured], stages["delivery"][measured])
        priorities = _column(receipts, "priority")
        tally.observe_rows(f"priority{MEASURED}", priorities[measured], stages["delivery"][measured])


def meter_refusals_by_second(tally: Tally, refusals: Sequence[Refusal]) -> None:
    """Count refusals in the second they were made."""
    tally.seconds.count("refused", _column(refusals, "refused_us"))


def meter_statuses(tally: Tally, statuses: Sequence[Status], codes: Codes) -> None:
    """Count business statuses by code and by the recipient that stated them."""
    tally.counts["statuses"] += len(statuses)
    for status in statuses:
        tally.counts[f"status_{status.code}"] += 1
    tally.count_agencies("statuses", codes.indices([status.recipient for status in statuses]))


def meter_refusals(tally: Tally, refusals: Sequence[Refusal], codes: Codes) -> None:
    """Count refusals by the axis's error code, and by sender where one is known."""
    tally.counts["refusals"] += len(refusals)
    for refusal in refusals:
        tally.counts[f"code_{refusal.code}"] += 1
        tally.counts["refusals_of_one_delivery" if refusal.recipient else "refusals_of_a_packet"] += 1
    senders = [refusal.sender for refusal in refusals if refusal.sender]
    if senders:
        tally.count_agencies("refusals", codes.indices(senders))


def _column(events: Sequence[object], name: str) -> Int64s:
    return np.fromiter(map(attrgetter(name), events), np.int64, len(events))


def _count_values(tally: Tally, name: str, values: Int64s) -> None:
    for value, count in enumerate(np.bincount(values).tolist()):
        if count:
            tally.counts[f"{name}_{value}"] += count
