"""Routing: every recipient gets one delivery or one refusal; a fault of the envelope refuses the packet once."""

from collections import Counter
from typing import NamedTuple, cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from docaxis.domain.clock import ManualClock
from docaxis.domain.codec import decode_delivered, decode_refusal, encode
from docaxis.domain.event import Sent
from docaxis.kafka.partitioner import partition_of
from docaxis.kafka.topics import Topics
from docaxis.kafka.writer import BatchWriter
from streams.hub import HubSettings, HubStats, Router
from streams.routing import FUTURE_MAX_US, Directory, Fault, delivered_head, route
from tests.support import events
from tests.support.laws import law

NOW_US = events.SENT_US + 1_000_000
PARTITIONS = 7
DIRECTORY = Directory(["G22", "H01", "H02", "H53"], locked=["H53"])
#: Spellings and the code each means; H53 is locked, H99 and Bộ are not registered.
MEANT = {
    "H01": "H01", "000.00.00.H01": "H01", "H02": "H02", "H02.05": "H02", "G22": "G22", "H53": "H53",
    "000.00.13.H53": "H53", "H99": "H99", "H99.01": "H99", "Bộ": "Bộ",
}  # fmt: skip


def faults_of(event: Sent) -> list[tuple[int, str]]:
    return [(fault.code, fault.recipient) for fault in route(event, DIRECTORY, NOW_US).faults]


@law(80)
@given(st.lists(st.sampled_from(sorted(MEANT)), max_size=6), st.sampled_from(["G22", "G22.01", "H53", "H99", "Bộ"]))
@example(["H01", "H53", "H99", "H02.05"], "G22")
def test_every_recipient_gets_one_delivery_or_one_refusal_or_the_packet_one(recipients: list[str], sender: str) -> None:
    routing = route(events.sent(recipients=recipients, sender=sender), DIRECTORY, NOW_US)
    if len(routing.faults) == 1 and not routing.faults[0].recipient:
        assert not routing.recipients
        meant = [MEANT[one] for one in recipients]
        assert sender in ("H99", "Bộ") or not recipients or len(set(meant)) < len(meant)
        return
    refused = [fault.recipient for fault in routing.faults]
    assert Counter([*routing.recipients, *refused]) == Counter(MEANT[one] for one in recipients)
    assert set(routing.recipients) <= {"G22", "H01", "H02"}
    assert [fault.code for fault in routing.faults] == [23 if one == "H53" else 18 for one in refused]


def test_recipients_keep_their_order() -> None:
    assert route(events.sent(recipients=["H02", "G22", "H01"]), DIRECTORY, NOW_US) == (["H02", "G22", "H01"], ())


def test_unknown_and_locked_recipients_are_refused_alone() -> None:
    event = events.sent(recipients=["H01", "H99", "000.00.00.H53", "H02"])
    assert route(event, DIRECTORY, NOW_US).recipients == ["H01", "H02"]
    assert faults_of(event) == [(18, "H99"), (23, "H53")]


def test_an_unregistered_sender_refuses_the_packet() -> None:
    assert faults_of(events.sent(sender="H99", recipients=["H01", "H99"])) == [(19, "")]


@pytest.mark.parametrize("sender", ["G22", "G22.01.02", "000.00.13.G22", "H53"])
def test_a_sender_may_write_under_any_spelling_and_though_it_is_locked(sender: str) -> None:
    assert faults_of(events.sent(sender=sender, recipients=["H01"])) == []


@pytest.mark.parametrize("recipients", [[], ["H01", "H01"], ["H01", "000.00.00.H01"], ["H99", "H02", "H99.01"]])
def test_no_recipient_or_one_named_twice_is_an_invalid_envelope(recipients: list[str]) -> None:
    assert faults_of(events.sent(recipients=recipients)) == [(22, "")]


def test_a_document_from_the_future_is_an_invalid_envelope_beyond_what_clocks_may_differ() -> None:
    assert faults_of(events.sent(sent_us=NOW_US + FUTURE_MAX_US)) == [(23, "H53")]
    assert faults_of(events.sent(sent_us=NOW_US + FUTURE_MAX_US + 1)) == [(22, "")]


def test_a_packet_sent_twice_is_routed_twice() -> None:
    event = events.sent(recipients=["H01"])
    assert route(event, DIRECTORY, NOW_US) == route(event, DIRECTORY, NOW_US) == (["H01"], ())


# --- the router: records in, records out


class Put(NamedTuple):
    """One record that the router wrote."""

    topic: str
    partition: int
    key: bytes
    value: bytes


class CollectingWriter:
    """Keeps what is put."""

    def __init__(self) -> None:
        self.puts: list[Put] = []

    def put(self, topic: str, partition: int, key: bytes, value: bytes) -> None:
        self.puts.append(Put(topic, partition, key, value))


def routed(
    *values: bytes | None, partition: int = 3, first_offset: int = 100, directory: Directory = DIRECTORY
) -> tuple[list[Put], HubStats]:
    """Route records of one input partition and return what was written."""
    settings_ = HubSettings(client={}, topics=Topics("axis"), partitions=PARTITIONS, group="hub")
    stats, writer = HubStats(), CollectingWriter()
    router = Router(settings_, directory, ManualClock(NOW_US), stats)
    records = [
        events.record("axis.sent", value, first_offset + i, partition=partition, key=b"key-%d" % i)
        for i, value in enumerate(values)
    ]
    router.route(partition, records, cast(BatchWriter, writer))
    return writer.puts, stats


def test_each_copy_is_the_shared_head_with_its_recipient_in_the_recipients_partition() -> None:
    event = events.sent(recipients=["H02", "H01", "G22"], priority=3)
    puts, stats = routed(encode(event))
    assert [put.key for put in puts] == [b"H02", b"H01", b"G22"]
    for put in puts:
        head = delivered_head(event, NOW_US, 3)
        expected = {name: getattr(head, name) for name in head.__struct_fields__} | {"recipient": put.key.decode()}
        delivered = decode_delivered(put.value)
        assert {name: getattr(delivered, name) for name in delivered.__struct_fields__} == expected
        assert (put.topic, put.partition) == ("axis.delivered", partition_of(put.key, PARTITIONS))
    assert (stats.documents, stats.deliveries, stats.refusals) == (1, 3, {})


def test_a_delivery_carries_every_field_of_its_document() -> None:
    event = events.sent(recipients=["H01"], priority=4)
    delivered = decode_delivered(routed(encode(event))[0][0].value)
    shared = set(event.__struct_fields__) & set(delivered.__struct_fields__)
    assert set(event.__struct_fields__) - shared == {"recipients"}
    assert {name: getattr(delivered, name) for name in shared} == {name: getattr(event, name) for name in shared}
    assert (delivered.accepted_us, delivered.sent_partition) == (NOW_US, 3)


def test_codes_that_need_escaping_are_written_as_valid_json() -> None:
    odd = 'Bộ "X"\\'
    puts, _ = routed(encode(events.sent(recipients=[odd])), directory=Directory(["G22", odd]))
    assert decode_delivered(puts[0].value).recipient == odd
    assert puts[0].key == odd.encode()


def test_a_refusal_names_document_recipient_and_place_and_lies_beside_its_document() -> None:
    event = events.sent(recipients=["H01", "H99"])
    puts, stats = routed(b"first", encode(event))
    refusal_put = puts[-1]
    refusal = decode_refusal(refusal_put.value)
    assert (refusal_put.topic, refusal_put.partition, refusal_put.key) == (
        "axis.refused", 3, event.document_id.encode(),
    )  # fmt: skip
    assert (refusal.code, refusal.recipient, refusal.topic, refusal.partition, refusal.offset) == (
        18, "H99", "sent", 3, 101,
    )  # fmt: skip
    assert (refusal.run, refusal.packet_id, refusal.document_id, refusal.sender) == (
        event.run, event.packet_id, event.document_id, event.sender,
    )  # fmt: skip
    assert "H99" in refusal.reason
    assert refusal.refused_us == NOW_US
    assert stats.refusals == {10: 1, 18: 1}


@pytest.mark.parametrize(
    ("value", "code"), [(None, 10), (b"junk", 10), (b"{}", 22), (encode(events.delivered()), 22)]
)  # fmt: skip
def test_an_unreadable_record_is_refused_with_its_place_and_delays_nobody(value: bytes | None, code: int) -> None:
    good = encode(events.sent(recipients=["H01"]))
    puts, stats = routed(good, value, good)
    assert Counter(put.topic for put in puts) == {"axis.delivered": 2, "axis.refused": 1}
    refusal = next(decode_refusal(put.value) for put in puts if put.topic == "axis.refused")
    assert (refusal.code, refusal.offset, refusal.packet_id, refusal.recipient) == (code, 101, "", "")
    assert next(put.key for put in puts if put.topic == "axis.refused") == b"key-1"
    assert (stats.documents, stats.deliveries) == (2, 2)


@law(60)
@given(st.lists(st.lists(st.sampled_from(sorted(MEANT)), max_size=4) | st.none(), max_size=6))
def test_what_is_written_is_what_routing_says_for_any_batch(batch: list[list[str] | None]) -> None:
    documents = [
        None if recipients is None else events.sent(f"G22.2021.{number:07d}.0", recipients)
        for number, recipients in enumerate(batch)
    ]
    puts, stats = routed(*(b"junk" if one is None else encode(one) for one in documents))
    expected_deliveries, expected_refusals = Counter[tuple[str, str]](), Counter[tuple[str, int, str]]()
    for document in documents:
        if document is None:
            expected_refusals["", 10, ""] += 1
            continue
        routing = route(document, DIRECTORY, NOW_US)
        expected_deliveries.update((document.packet_id, one) for one in routing.recipients)
        expected_refusals.update((document.packet_id, fault.code, fault.recipient) for fault in routing.faults)
    delivered = [decode_delivered(put.value) for put in puts if put.topic == "axis.delivered"]
    refused = [decode_refusal(put.value) for put in puts if put.topic == "axis.refused"]
    assert Counter((one.packet_id, one.recipient) for one in delivered) == expected_deliveries
    assert Counter((one.packet_id, one.code, one.recipient) for one in refused) == expected_refusals
    assert sum(stats.refusals.values()) == len(refused)
    assert [one.packet_id for one in delivered] == sorted(one.packet_id for one in delivered), "order is kept"


def test_a_fault_says_what_was_found() -> None:
    fault: Fault = route(events.sent(sender="X77"), DIRECTORY, NOW_US).faults[0]
    assert "'X77'" in fault.reason
