"""The wire format: what is no event is told from what is a wrong one, and never costs its neighbours anything."""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from docaxis.domain.codec import (
    KEPT_BYTES,
    decode_batch,
    decode_delivered,
    decode_receipt,
    decode_refusal,
    decode_sent,
    decode_status,
    encode,
    refusal_of_unreadable,
)
from docaxis.domain.event import RECIPIENTS_MAX, Refusal
from tests.support import events

INVALID_FILE, INVALID_ENVELOPE = 10, 22

EXAMPLES: list[tuple[Callable[[bytes], Any], Any]] = [
    (decode_sent, events.sent()),
    (decode_delivered, events.delivered()),
    (decode_receipt, events.receipt()),
    (decode_status, events.receipt()),
    (decode_status, events.status()),
    (decode_refusal, events.refusal(recipient="H53")),
]
#: Fields that a refusal may lack: an unreadable record has no ids.
OPTIONAL = {"run", "packet_id", "document_id", "sender", "recipient", "value"}


def fields(event: Any) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(encode(event))
    return parsed


def code_of(decode: Callable[[bytes], Any], value: bytes | None) -> int:
    decoded = decode_batch(decode, [value])
    assert not decoded.events
    assert decoded.unreadable[0].reason
    return decoded.unreadable[0].code


def changed(event: Any, **change: Any) -> bytes:
    return json.dumps(fields(event) | change).encode()


@pytest.mark.parametrize(("decode", "event"), EXAMPLES)
def test_a_record_is_one_flat_object_with_kind_and_version(decode: Callable[[bytes], Any], event: Any) -> None:
    written = fields(event)
    assert written["kind"] == type(event).__name__.lower()
    assert written["version"] == 1
    assert not any(isinstance(value, dict) for value in written.values())


@pytest.mark.parametrize(("decode", "event"), EXAMPLES)
def test_unknown_fields_are_ignored(decode: Callable[[bytes], Any], event: Any) -> None:
    assert decode(changed(event, added_later={"a": [1, None]}, another="văn bản")) == event


@pytest.mark.parametrize(("decode", "event"), EXAMPLES)
def test_each_missing_field_is_refused_with_code_22(decode: Callable[[bytes], Any], event: Any) -> None:
    written = fields(event)
    required = written.keys() - (OPTIONAL if isinstance(event, Refusal) else {"sha256"})
    assert required
    for name in required:
        rest = {key: value for key, value in written.items() if key != name}
        assert code_of(decode, json.dumps(rest).encode()) == INVALID_ENVELOPE, name


@pytest.mark.parametrize(("decode", "event"), EXAMPLES)
def test_each_wrong_type_is_refused_with_code_22(decode: Callable[[bytes], Any], event: Any) -> None:
    for name, value in fields(event).items():
        wrong: tuple[object, ...] = (7.5 if isinstance(value, int) else 7, None, {}, [None])
        for other in wrong:
            assert code_of(decode, changed(event, **{name: other})) == INVALID_ENVELOPE, (name, other)


@pytest.mark.parametrize(("decode", "event"), EXAMPLES)
@pytest.mark.parametrize("version", [0, 2, -1, "1", None, True])
def test_another_version_is_refused_with_code_22(decode: Callable[[bytes], Any], event: Any, version: object) -> None:
    assert code_of(decode, changed(event, version=version)) == INVALID_ENVELOPE


@pytest.mark.parametrize("kind", ["reading", "", None, 1])
@pytest.mark.parametrize(("decode", "event"), EXAMPLES)
def test_another_kind_is_refused_with_code_22(decode: Callable[[bytes], Any], event: Any, kind: object) -> None:
    assert code_of(decode, changed(event, kind=kind)) == INVALID_ENVELOPE


def test_a_topic_refuses_the_events_of_another() -> None:
    assert code_of(decode_sent, encode(events.delivered())) == INVALID_ENVELOPE
    assert code_of(decode_status, encode(events.refusal())) == INVALID_ENVELOPE


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b" ",
        b"{",
        b"\x00\xff",
        b"\xff\xfe{\x00",
        b"sent",
        b"{'kind':'sent'}",
        encode(events.sent())[1:],  # as the fault "corrupt" makes it: its first word alone would be JSON
        encode(events.sent()) + b"}",
        b'{"kind":"sent","version":"1",',
    ],
)
def test_what_is_no_json_or_no_value_is_refused_with_code_10(value: bytes | None) -> None:
    for decode in (decode_sent, decode_status, decode_delivered, decode_refusal):
        assert code_of(decode, value) == INVALID_FILE


def test_a_truncated_record_is_refused_with_code_10() -> None:
    value = encode(events.sent())
    assert {code_of(decode_sent, value[:length]) for length in range(len(value))} == {INVALID_FILE}


@pytest.mark.parametrize("value", [b"1", b"null", b"[]", b'"sent"', b"[" * 100_000, b"{}"])
def test_json_that_is_no_event_is_refused_with_code_22(value: bytes) -> None:
    assert code_of(decode_sent, value) == INVALID_ENVELOPE


def test_nesting_too_deep_to_read_is_refused_and_costs_nobody_else_anything() -> None:
    good = encode(events.sent())
    deep = good[:-1] + b',"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    decoded = decode_batch(decode_sent, [good, deep, good])
    assert decoded.events == [events.sent()] * 2
    assert [bad.position for bad in decoded.unreadable] == [1]


@pytest.mark.parametrize("surrogate", [b"\\ud800", b"\\udc00", b"\\ud800x", b"\\udfff\\ud800"])
def test_text_that_cannot_be_written_again_is_refused(surrogate: bytes) -> None:
    value = encode(events.sent(run="R")).replace(b'"R"', b'"' + surrogate + b'"')
    decoded = decode_batch(decode_sent, [value])
    assert len(decoded.unreadable) == 1 or encode(decoded.events[0])


@pytest.mark.parametrize("name", ["intended_us", "sent_us", "calendar_ms", "size"])
@pytest.mark.parametrize(("value", "is_valid"), [(0, True), ((1 << 53) - 1, True), (1 << 53, False), (-1, False)])
def test_integers_are_natural_and_exact_in_javascript_too(name: str, value: int, is_valid: bool) -> None:
    decoded = decode_batch(decode_sent, [changed(events.sent(), **{name: value})])
    assert bool(decoded.events) == is_valid
    assert is_valid or decoded.unreadable[0].code == INVALID_ENVELOPE


@pytest.mark.parametrize(
    "change",
    [
        {"run": ""},
        {"run": "x" * 65},
        {"packet_id": ""},
        {"packet_id": "x" * 129},
        {"sender": "x" * 36},
        {"recipients": [""]},
        {"recipients": ["x" * 36]},
        {"recipients": ["x"] * (RECIPIENTS_MAX + 1)},
        {"type": 0},
        {"type": 100},
        {"priority": 10},
        {"business": -1},
    ],
)
def test_values_out_of_bounds_are_refused_with_code_22(change: dict[str, Any]) -> None:
    assert code_of(decode_sent, changed(events.sent(), **change)) == INVALID_ENVELOPE


def test_a_document_without_recipients_is_readable_for_the_hub_to_refuse() -> None:
    assert decode_sent(changed(events.sent(), recipients=[])).recipients == []


def test_one_bad_record_never_costs_its_neighbours() -> None:
    good = [events.sent(f"G22.2021.{number:07d}.0") for number in range(4)]
    values = [b"nonsense", encode(good[0]), None, encode(good[1]), encode(good[2]), b"{}", encode(good[3])]
    decoded = decode_batch(decode_sent, values)
    assert decoded.events == good
    assert decoded.indices == [1, 3, 4, 6]
    assert [(bad.position, bad.code) for bad in decoded.unreadable] == [(0, 10), (2, 10), (5, 22)]


def test_a_readable_batch_needs_no_indices() -> None:
    assert decode_batch(decode_sent, [encode(events.sent())] * 3) == ([events.sent()] * 3, None, [])
    assert decode_batch(decode_sent, iter([])) == ([], None, [])


def test_a_dead_letter_keeps_place_reason_and_bytes() -> None:
    letter = refusal_of_unreadable((10, "why"), "status", 3, 77, b"\xff\x00bytes", 5)
    assert (letter.code, letter.reason, letter.topic, letter.partition, letter.offset, letter.refused_us) == (
        10, "why", "status", 3, 77, 5,
    )  # fmt: skip
    assert base64.b64decode(letter.value) == b"\xff\x00bytes"
    assert decode_refusal(encode(letter)) == letter
    assert (letter.run, letter.packet_id, letter.recipient) == ("", "", "")


def test_a_dead_letter_of_a_huge_or_missing_value_stays_small() -> None:
    huge = refusal_of_unreadable((10, "why"), "status", 0, 0, b"x" * 10_000_000, 0)
    assert base64.b64decode(huge.value) == b"x" * KEPT_BYTES
    assert len(encode(huge)) < 100_000
    assert refusal_of_unreadable((10, "why"), "status", 0, 0, None, 0).value == ""
