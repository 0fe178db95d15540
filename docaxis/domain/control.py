"""What is said on the control topic about a run: one flat JSON object a record, the newest of each key counts.

| record    | key                   | written by |
|-----------|-----------------------|------------|
| `Offer`   | run, offer            | conductor: the workload, for fleets that join from anywhere |
| `Hello`   | run, hello, fleet     | fleet: what time is it with you?   |
| `Echo`    | run, echo, fleet      | conductor: the answer              |
| `Ready`   | run, ready, fleet     | fleet: its inboxes are assigned, its first documents drafted |
| `Plan`    | run, plan             | conductor: when each phase begins and ends |
| `Command` | run, command          | `docaxis control`: a change that somebody wants |
| `Over`    | run, over             | conductor: it no longer looks on; an offer after it means that it does again |
"""

from typing import Any, Literal

import msgspec

from docaxis.domain.plan import Plan

Verb = Literal["rate", "speed", "pause", "resume", "end-phase", "stop"]


class Offer(msgspec.Struct, frozen=True, tag_field="kind", tag="offer"):
    """A run's workload as data."""

    run: str
    fleets: int
    started_ms: int  # beginning of the business calendar, where the workload names none
    workload: dict[str, Any]


class Hello(msgspec.Struct, frozen=True, tag_field="kind", tag="hello"):
    """A fleet asks for the conductor's time."""

    run: str
    source: str
    number: int
    asked_us: int


class Echo(msgspec.Struct, frozen=True, tag_field="kind", tag="echo"):
    """The conductor's time, for the fleet that asked."""

    run: str
    source: str
    number: int
    asked_us: int
    heard_us: int
    answered_us: int


class Ready(msgspec.Struct, frozen=True, tag_field="kind", tag="ready"):
    """A fleet could begin. Skew: how far its clock is ahead of the conductor's, to within the uncertainty.

    Both are None if nobody answered when it asked for the time.
    """

    run: str
    source: str
    skew_us: int | None
    uncertainty_us: int | None


class Command(msgspec.Struct, frozen=True, tag_field="kind", tag="command"):
    """A change that somebody wants; `number` tells a repeated one from a new one."""

    run: str
    number: int
    verb: Verb
    value: str = ""


class Over(msgspec.Struct, frozen=True, tag_field="kind", tag="over"):
    """Nobody conducts the run any more: fleets that joined it from elsewhere may go home."""

    run: str


ControlRecord = Offer | Hello | Echo | Ready | Plan | Command | Over

decode_control = msgspec.json.Decoder(ControlRecord).decode


def encode_control(record: ControlRecord) -> tuple[bytes, bytes]:
    """Return key and value of a record."""
    what = type(record).__name__.lower()
    source = f"|{record.source}" if isinstance(record, Hello | Echo | Ready) else ""
    return f"{record.run}|{what}{source}".encode(), msgspec.json.encode(record)


def skew_of(asked_us: int, echo: Echo, returned_us: int) -> tuple[int, int]:
    """Return (skew of the asker's clock, uncertainty), both in us: half of the way there and back is unknown."""
    there, back = echo.heard_us - asked_us, returned_us - echo.answered_us
    return (back - there) // 2, max(0, there + back) // 2
