"""A run has come to its end when nothing more can come; what was withheld on purpose never comes."""

from monitor.reading import ARRIVALS, LEDGER, Reading, Readings
from monitor.settle import all_closed, all_received, all_stated, sending_ended


def _readings(**topics: dict[str, int]) -> Readings:
    readings = Readings()
    for topic, counts in topics.items():
        readings.put(Reading(version=1, run="r", topic=topic, partition=0, offset=1, at_us=1, counts=counts))
    return readings


def test_what_was_withheld_may_stay_open_and_nothing_else() -> None:
    readings = _readings(**{LEDGER: {"documents": 10, "outstanding": 3}, ARRIVALS: {"acked": 10}})
    assert not all_closed(readings, "r")
    assert not all_closed(readings, "r", withheld=2)
    assert all_closed(readings, "r", withheld=3)
    received = _readings(status={"receipts": 27}, delivered={"deliveries": 30})
    assert not all_received(received, "r", withheld=2)
    assert all_received(received, "r", withheld=3)


def test_corrupt_documents_are_none_to_the_ledger() -> None:
    readings = _readings(**{LEDGER: {"documents": 8}, ARRIVALS: {"acked": 10}})
    assert not all_closed(readings, "r", corrupt=1)
    assert all_closed(readings, "r", corrupt=2)


def test_every_fleet_has_statuses_of_its_own() -> None:
    """Also those that only receive: one that has stated all says nothing about another."""
    readings = Readings()
    for source, pending in (("receivers-0-a", 5), ("receivers-0-b", 0)):
        counts = {"statuses_pending": pending}
        readings.put(
            Reading(version=1, run="r", topic=ARRIVALS, partition=0, offset=1, at_us=1, source=source, counts=counts)
        )
    assert not all_stated(readings, "r")


def test_those_that_only_receive_do_not_end_the_sending() -> None:
    readings = Readings()
    for source, ended in (("fleet-0", 0), ("receivers-a", 1)):
        reading = Reading(version=1, run="r", topic=ARRIVALS, partition=0, offset=1, at_us=1, source=source)
        reading.counts["ended"] = ended
        readings.put(reading)
    assert sending_ended(readings, "r", fleets=1, partitions=1)
    assert not sending_ended(readings, "r", 1, 1, sources=["fleet-0"])
