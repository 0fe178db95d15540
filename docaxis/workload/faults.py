"""Faults that a workload injects: on the sending side, at the recipients, and to the parts of the axis.

Two faults never befall one document: a duplicate of whose two receipts one is withheld would be neither doubled nor
lost, and the audit could not tell. Senders mark a document once at most, and a lot drawn by seed and packet says on
which side a document may be befallen at all.
"""

import zlib
from collections.abc import Iterable
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from docaxis.workload.refusing import Mistake, refuse
from docaxis.workload.units import Duration, RateText

FaultKind = Literal[
    "duplicate",
    "delay",
    "reorder",
    "corrupt",
    "withhold-receipts",
    "silent-agency",
    "slow-consumer",
    "paused-hub",
    "killed-hub",
    "killed-worker",
    "stalled-broker",
    "stopped-broker",
    "limited-hub",
]

#: What each kind needs beside `at`, and what it may have.
FAULT_KEYS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "duplicate": (("count",), ()),
    "delay": (("count", "by"), ()),
    "reorder": (("count",), ()),
    "corrupt": (("count",), ()),
    "withhold-receipts": (("count",), ("agencies",)),
    "silent-agency": (("agencies", "lasts"), ()),
    "slow-consumer": (("agencies", "rate"), ("lasts",)),
    "paused-hub": (("lasts",), ()),
    "killed-hub": ((), ()),
    "killed-worker": ((), ()),
    "stalled-broker": (("lasts",), ()),
    "stopped-broker": (("lasts",), ()),
    "limited-hub": (("rate",), ()),
}
_KEYS = ("count", "by", "agencies", "lasts", "rate")

#: Done by the senders; by the recipients; by whoever conducts the run.
SENDER_FAULTS = ("duplicate", "delay", "reorder", "corrupt")
RECEIVER_FAULTS = ("withhold-receipts", "silent-agency", "slow-consumer")

#: To the hub that the run starts: an external one is nobody's to stop.
HUB_FAULTS = ("paused-hub", "killed-hub", "limited-hub")


def is_for_recipients(packet_id: str, seed: int) -> bool:
    """Return whether a packet's receipts may be withheld; every other packet may be befallen at its sender."""
    # A prime, not 2: the last bit of a CRC depends on few bits of neighbouring ids.
    return zlib.crc32(packet_id.encode(), seed & 0xFFFFFFFF) % 1009 < 505


def are_apart(faults: Iterable["Fault"]) -> bool:
    """Return whether some faults are the senders' and others withhold receipts, so that lots must part them."""
    kinds = {fault.kind for fault in faults}
    return "withhold-receipts" in kinds and not kinds.isdisjoint(SENDER_FAULTS)


class Fault(BaseModel):
    """One fault: what, when, how much."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    kind: FaultKind
    """What happens."""
    phase: str | None = None
    """The phase it happens in; the first that is measured unless given."""
    at: Duration = Field("0 s", validate_default=True)
    """How long after the beginning of that phase."""
    lasts: Duration | None = None
    """How long it lasts; a slow consumer is so to the end of the run unless given."""
    count: int | None = Field(None, ge=1, le=1_000_000)
    """How many documents (receipts, for withhold-receipts) it befalls: the next ones that no other has or may have."""
    by: Duration | None = None
    """How much later a delayed document is sent."""
    agencies: Annotated[tuple[str, ...], Field(max_length=10_000)] | None = None
    """Codes or kinds of the agencies it befalls."""
    rate: RateText | None = None
    """Deliveries a second that are left to a slow consumer or a limited hub."""

    @model_validator(mode="after")
    def _possible(self) -> Self:
        needed, allowed = FAULT_KEYS[self.kind]
        given = [key for key in _KEYS if getattr(self, key) is not None]
        missing = [key for key in needed if key not in given]
        surplus = [key for key in given if key not in needed + allowed]
        mistakes: list[Mistake] = []
        mistakes += [((), f"fault {self.kind!r} needs {', '.join(missing)}")] if missing else []
        mistakes += [((key,), f"fault {self.kind!r} has no {key}") for key in surplus]
        if self.rate is not None and self.rate.unit != "deliveries/s":
            mistakes.append((("rate",), f"fault {self.kind!r}: the rate is in deliveries/s"))
        if self.kind == "limited-hub" and (self.at or self.phase):
            mistakes.append(((), "a limited hub is limited for the whole run: it has no at and no phase"))
        refuse("fault", mistakes)
        return self
