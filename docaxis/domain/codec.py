"""The wire format: JSON to events and back. Nobody else knows how an event is written.

Typed decoding by msgspec checks every field in C while it parses; the same work with a general JSON parser and checks
in Python takes twice as long (`make bench`, row `codec`). What cannot be read is bad data, never a crash: the caller
gets it back with the reason and the axis's error code.
"""

import base64
from collections.abc import Callable, Iterable
from typing import Generic, NamedTuple, Protocol, TypeVar

import msgspec

from docaxis.domain.event import Delivered, Receipt, Refusal, Sent, StatusEvent

E = TypeVar("E")

#: The axis's code for bytes that are no event at all, and for an event whose fields are wrong (guide 2.2).
INVALID_FILE, INVALID_ENVELOPE = 10, 22


class _NoEvent(msgspec.Struct, tag_field="kind", tag=""):
    """Nothing decodes to this: in a union with it, msgspec insists on the `kind` that it waives for a lone type."""

    def __post_init__(self) -> None:
        raise ValueError("the kind is empty")


def _decoder(event: type[E]) -> Callable[[bytes], E]:
    return msgspec.json.Decoder(event | _NoEvent).decode


encode: Callable[[object], bytes] = msgspec.json.Encoder().encode
decode_sent = _decoder(Sent)
decode_delivered = _decoder(Delivered)
decode_status: Callable[[bytes], StatusEvent] = msgspec.json.Decoder(StatusEvent).decode
decode_receipt = _decoder(Receipt)
decode_refusal = _decoder(Refusal)


class Record(Protocol):
    """What the codec needs of a Kafka record."""

    @property
    def offset(self) -> int: ...

    @property
    def value(self) -> bytes | None: ...


class Unreadable(NamedTuple):
    """A record that is no event: where it stood in its batch, the axis's error code, and why."""

    position: int
    code: int
    reason: str


class Decoded(NamedTuple, Generic[E]):
    """The events of a batch in order, with the index of the record each came from, and what could not be read."""

    events: list[E]
    indices: list[int] | None  # None: every record was readable, so event i is record i
    unreadable: list[Unreadable]


def why_unreadable(value: bytes | None, error: Exception) -> tuple[int, str]:
    """Return the axis's error code and a reason for a value that `decode_*` refused with `error`."""
    if value is None:
        return INVALID_FILE, "the record has no value"
    if isinstance(error, msgspec.ValidationError):
        try:
            msgspec.json.decode(value)
        except (msgspec.DecodeError, UnicodeDecodeError) as no_json:  # a wrong field was met before the broken place
            return INVALID_FILE, f"no JSON: {no_json}"
        except RecursionError:
            pass
        return INVALID_ENVELOPE, str(error)
    return INVALID_FILE, f"no JSON: {error}"


def decode_batch(decode: Callable[[bytes], E], values: Iterable[bytes | None]) -> Decoded[E]:
    """Decode a batch of record values; one bad record never costs its neighbours anything."""
    values = list(values)
    try:
        return Decoded([decode(value) for value in values], None, [])  # type: ignore[arg-type]
    except (msgspec.MsgspecError, TypeError, UnicodeDecodeError, RecursionError):
        return _decode_one_by_one(decode, values)


def _decode_one_by_one(decode: Callable[[bytes], E], values: list[bytes | None]) -> Decoded[E]:
    events: list[E] = []
    indices: list[int] = []
    unreadable: list[Unreadable] = []
    for index, value in enumerate(values):
        try:
            events.append(decode(value))  # type: ignore[arg-type]
            indices.append(index)
        except (msgspec.MsgspecError, TypeError, UnicodeDecodeError, RecursionError) as error:
            unreadable.append(Unreadable(index, *why_unreadable(value, error)))
    return Decoded(events, indices, unreadable)


#: Most bytes of an unreadable record that are kept with its refusal.
KEPT_BYTES = 48 * 1024


def refusal_of_unreadable(
    fault: tuple[int, str], topic: str, partition: int, offset: int, value: bytes | None, now_us: int
) -> Refusal:
    """Return the dead letter of a record that is no event: code, reason, place and the bytes themselves."""
    code, reason = fault
    kept = base64.b64encode((value or b"")[:KEPT_BYTES]).decode()
    return Refusal(1, code, reason, topic, partition, offset, now_us, value=kept)
