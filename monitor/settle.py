"""Whether a run has come to its end: nothing more is sent, and everything sent is closed. Pure."""

from collections.abc import Collection

from monitor.reading import ARRIVALS, LEDGER, Readings


def sending_ended(
    readings: Readings, run: str, fleets: int, partitions: int, sources: Collection[str] | None = None
) -> bool:
    """Whether every fleet has said that it will send no more and that every answer has come.

    `sources` names the fleets where others, which only receive, have the same run and so say it from the beginning.
    """
    told = (reading for reading in readings.of(run, ARRIVALS) if sources is None or reading.source in sources)
    return sum(reading.counts.get("ended", 0) for reading in told) >= fleets * partitions


def all_closed(readings: Readings, run: str, withheld: int = 0, corrupt: int = 0) -> bool:
    """Whether every document that was acknowledged is in the ledger, and every delivery of it is closed.

    `withheld` receipts will never come: what they would close may stay open, and that much only. `corrupt` documents
    were acknowledged and are no documents to the ledger.
    """
    ledger, arrivals = readings.counts(run, LEDGER), readings.counts(run, ARRIVALS)
    return (
        ledger.get("documents", 0) + corrupt >= arrivals.get("acked", 0)
        and ledger.get("outstanding", 0) <= withheld
        and ledger.get("receipts_unmatched", 0) == 0
    )


def all_stated(readings: Readings, run: str) -> bool:
    """Whether no fleet has a business status left to state."""
    return readings.counts(run, ARRIVALS).get("statuses_pending", 0) == 0


def all_received(readings: Readings, run: str, withheld: int = 0) -> bool:
    """Whether every delivered record has been answered but those withheld, as far as the meter has read."""
    status = readings.counts(run, "status")
    return status.get("receipts", 0) + withheld >= readings.counts(run, "delivered").get("deliveries", 0)


def progress_mark(readings: Readings, run: str) -> tuple[int, ...]:
    """Return numbers that change as long as anything moves."""
    status, sent = readings.counts(run, "status"), readings.counts(run, "sent")
    arrivals, ledger = readings.counts(run, ARRIVALS), readings.counts(run, LEDGER)
    return (
        status.get("receipts", 0),
        status.get("statuses", 0),
        sent.get("documents", 0),
        arrivals.get("acked", 0),
        ledger.get("refused", 0),
        readings.counts(run, "delivered").get("deliveries", 0),
    )
