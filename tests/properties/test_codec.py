"""The codec for any event: what is written reads back the same, and any bytes at all are handled."""

from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from docaxis.domain.codec import (
    decode_batch,
    decode_delivered,
    decode_receipt,
    decode_refusal,
    decode_sent,
    decode_status,
    encode,
)
from docaxis.domain.event import Delivered, Receipt, Refusal, Sent, Status
from tests.support.laws import law

LAW = law(60)

identifier = st.text(min_size=1, max_size=128)
code = st.text(min_size=1, max_size=35)
run = st.text(min_size=1, max_size=64)
natural = st.integers(0, (1 << 53) - 1)
digit = st.integers(0, 9)
kind = st.integers(1, 99)
one = st.just(1)

sents = st.builds(
    Sent, one, run, identifier, identifier, code, st.lists(code, max_size=6), kind, digit, digit, digit, natural,
    natural, natural, natural, st.text(max_size=64),
)  # fmt: skip
delivereds = st.builds(
    Delivered, version=one, run=run, packet_id=identifier, document_id=identifier, sender=code, type=kind,
    priority=digit, steering=digit, business=digit, size=natural, calendar_ms=natural, intended_us=natural,
    sent_us=natural, accepted_us=natural, sent_partition=natural, sha256=st.text(max_size=64), recipient=code,
)  # fmt: skip
receipts = st.builds(
    Receipt, one, run, identifier, identifier, code, code, st.sampled_from(["DONE", "FAIL"]), digit,
    natural, natural, natural, natural, natural, natural, natural, natural,
)  # fmt: skip
statuses = st.builds(
    Status, one, run, identifier, identifier, code, code,
    st.sampled_from(["01", "02", "03", "04", "05", "06", "13", "15", "16"]), natural, natural,
)  # fmt: skip
refusals = st.builds(
    Refusal, one, kind, st.text(), st.text(), natural, natural, natural, st.text(), st.text(), st.text(), st.text(),
    st.text(), st.text(),
)  # fmt: skip


def assert_round_trip(decode: Callable[[bytes], Any], event: object) -> None:
    value = encode(event)
    assert decode(value) == event
    assert encode(decode(value)) == value


@LAW
@given(sents)
def test_sent_round_trips(event: Sent) -> None:
    assert_round_trip(decode_sent, event)


@LAW
@given(delivereds)
def test_delivered_round_trips_with_its_recipient_last(event: Delivered) -> None:
    assert_round_trip(decode_delivered, event)
    assert encode(event).endswith(b'"recipient":' + encode(event.recipient) + b"}")


@LAW
@given(receipts)
def test_receipt_round_trips(event: Receipt) -> None:
    assert_round_trip(decode_receipt, event)
    assert_round_trip(decode_status, event)


@LAW
@given(statuses)
def test_status_round_trips(event: Status) -> None:
    assert_round_trip(decode_status, event)


@LAW
@given(refusals)
def test_refusal_round_trips(event: Refusal) -> None:
    assert_round_trip(decode_refusal, event)


@LAW
@given(st.lists(sents.map(encode) | st.binary(max_size=40) | st.none(), max_size=8))
def test_any_batch_splits_into_events_and_unreadable_records_in_order(values: list[bytes | None]) -> None:
    decoded = decode_batch(decode_sent, values)
    indices = list(range(len(values))) if decoded.indices is None else decoded.indices
    assert sorted([*indices, *(bad.position for bad in decoded.unreadable)]) == list(range(len(values)))
    assert [values[index] for index in indices] == [encode(event) for event in decoded.events]
    assert all(bad.code in (10, 22) and bad.reason for bad in decoded.unreadable)


@LAW
@given(sents.map(encode), st.data())
def test_a_damaged_record_never_crashes_the_reader(value: bytes, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(value) - 1))
    damaged = value[:place] + data.draw(st.binary(max_size=3)) + value[place + 1 :]
    decoded = decode_batch(decode_sent, [damaged, value])
    assert len(decoded.events) + len(decoded.unreadable) == 2
    assert decoded.events[-1] == decode_sent(value)
