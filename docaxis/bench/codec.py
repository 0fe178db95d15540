"""Typed decoding against a general JSON parser with the same checks in Python."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import orjson

from docaxis.bench.session import Session
from docaxis.bench.table import Row, median_of
from docaxis.domain.codec import decode_receipt, encode
from docaxis.domain.event import Receipt

_IDENTIFIERS = ("packet_id", "document_id")
_CODES = ("sender", "recipient")
_STAMPS = ("intended_us", "sent_us", "accepted_us", "available_us", "received_us")
_NATURALS = ("calendar_ms", "partition", "offset", *_STAMPS)


async def measure(session: Session) -> list[Row]:
    """Take turns over the same receipts."""
    values = [_receipt(number) for number in range(session.volume.codec_records)]
    turns = [(_us_each(decode_receipt, values), _us_each(_parse_and_check, values)) for _ in range(5)]
    ours, parsed = (median_of(side) for side in zip(*turns, strict=True))
    return [Row("codec", ours, "µs/record", parsed, None, "a receipt, against orjson.loads and checks in Python")]


def _us_each(decode: Callable[[bytes], object], values: Sequence[bytes]) -> float:
    started_ns = time.perf_counter_ns()
    for value in values:
        decode(value)
    return (time.perf_counter_ns() - started_ns) / 1000 / len(values)


def _receipt(number: int) -> bytes:
    now_us = 1_600_000_000_000_000 + number
    ids = ("run", f"G22.2021.{number:07d}.0", f"G22.2021.{number:07d}", "G22", "H53")
    places = (1_600_000_000_000, number % 4, number)
    stamps = (now_us, now_us + 80, now_us + 900, now_us + 2500, now_us + 2500)
    return encode(Receipt(1, *ids, "DONE", 0, *places, *stamps))


def _parse_and_check(value: bytes) -> dict[str, Any]:
    """Check what the wire types say of a receipt, the usual way."""
    event = orjson.loads(value)
    if type(event) is not dict or event.get("kind") != "receipt" or event.get("version") != 1:
        raise ValueError("no receipt of version 1")
    for names, longest in ((("run",), 64), (_IDENTIFIERS, 128), (_CODES, 35)):
        for name in names:
            text = event.get(name)
            if type(text) is not str or not 1 <= len(text) <= longest:
                raise ValueError(name)
    for name in _NATURALS:
        number = event.get(name)
        if type(number) is not int or not 0 <= number < 1 << 53:
            raise ValueError(name)
    if event.get("state") not in ("DONE", "FAIL"):
        raise ValueError("state")
    priority = event.get("priority")
    if type(priority) is not int or not 0 <= priority <= 9:
        raise ValueError("priority")
    return event
