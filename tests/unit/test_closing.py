"""What the ledgers tell between snapshots: closed deliveries by run, and never backwards for whoever follows them."""

from monitor.reading import CLOSING, Readings
from streams.closing import closing_readings
from streams.state import Duties, PartitionState, StateBounds
from tests.support import events

NOW_US = events.SENT_US


def _state() -> PartitionState:
    return PartitionState(0, Duties(1), StateBounds())


def _closed(readings: Readings, run: str) -> int:
    return readings.counts(run, CLOSING).get("closed", 0)


def test_each_run_is_told_of_apart() -> None:
    state = _state()
    sent = [events.sent(run=run, recipients=["H01", "H02"]) for run in ("a", "b")]
    state.fold("sent", events.records("sent", sent), NOW_US)
    receipts = [
        events.receipt(run=run, recipient=to, place=(0, at))
        for at, (run, to) in enumerate([("a", "H01"), ("a", "H02"), ("b", "H02")])
    ]
    state.fold("status", events.records("status", receipts), NOW_US)
    told = {reading.run: reading.counts["closed"] for reading in closing_readings(state, NOW_US)}
    assert told == {"a": 2, "b": 1}


def test_a_restarted_worker_takes_nothing_back() -> None:
    sent = events.records("sent", [events.sent(recipients=["H01", "H02"])])
    receipts = [events.receipt(recipient=to, place=(0, at)) for at, to in enumerate(["H01", "H02"])]
    status = events.records("status", receipts)
    ahead, restarted, readings = _state(), _state(), Readings()
    for state, seen in ((ahead, 2), (restarted, 1)):
        state.fold("sent", sent, NOW_US)
        state.fold("status", status[:seen], NOW_US)
        for reading in closing_readings(state, NOW_US):
            readings.put(reading)
        assert _closed(readings, events.RUN) == 2, "what was told first holds"
