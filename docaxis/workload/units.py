"""Quantities with units, as people write them in a workload: "500 ms", "200 documents/s", "1000x July 2022".

A number without its unit is refused: nobody should have to guess whether 500 is milliseconds or documents.
"""

import math
import re
from dataclasses import dataclass
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

#: Far beyond any run, and far below what 64 bits hold.
LONGEST_US = 1000 * 366 * 86_400_000_000

_DURATIONS_US = {"ms": 1_000, "s": 1_000_000, "min": 60_000_000, "h": 3_600_000_000}
_NUMBER = r"(\d[\d_]*(?:\.\d+)?)"
_DURATION = re.compile(rf"{_NUMBER} ?(ms|s|min|h)")
_RATE = re.compile(rf"{_NUMBER} ?(documents/s|deliveries/s|x July 2022)")

#: The published month (135,164 documents sent) over its 21 working days of 7.5 office hours; both lengths are
#: assumptions, see history.toml.
JULY_2022_DOCUMENTS_PER_S = 135_164 / (21 * 7.5 * 3600)


@dataclass(frozen=True, slots=True)
class Rate:
    """How many a second, of documents or of deliveries."""

    value: float
    unit: str  # documents/s, deliveries/s or "x July 2022"

    def documents_per_s(self, fan_out_mean: float) -> float:
        """Return documents a second for documents of so many recipients on average."""
        if self.unit == "deliveries/s":
            return self.value / fan_out_mean
        return self.value * (JULY_2022_DOCUMENTS_PER_S if self.unit == "x July 2022" else 1.0)

    def __str__(self) -> str:
        joint = "" if self.unit.startswith("x") else " "
        return f"{self.value:.12g}{joint}{self.unit}"


def parse_duration_us(value: object) -> int:
    """Return microseconds. Raises ValueError for anything but a number with its unit."""
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError('a duration with its unit is expected, as in "500 ms", "10 s", "5 min" or "2 h"')
    duration_us = float(match[1].replace("_", "")) * _DURATIONS_US[match[2]]
    if duration_us > LONGEST_US:
        raise ValueError("a duration of at most 1000 years is expected")
    return round(duration_us)


def parse_rate(value: object) -> Rate:
    """Return a rate. Raises ValueError for anything but a number with its unit, or for none at all a second."""
    if isinstance(value, Rate):
        return value
    match = _RATE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError('a rate is expected, as in "200 documents/s", "700 deliveries/s" or "1000x July 2022"')
    rate = Rate(float(match[1].replace("_", "")), match[2])
    if not 0 < rate.value < math.inf:
        raise ValueError("a rate above zero, and a finite one, is expected")
    return rate


def duration_text(duration_us: int) -> str:
    """Return a duration as it would be written in a workload."""
    unit = next(unit for unit in ("h", "min", "s", "ms") if unit == "ms" or duration_us % _DURATIONS_US[unit] == 0)
    if duration_us == 0:
        return "0 s"
    return f"{duration_us / _DURATIONS_US[unit]:.12g} {unit}"


Duration = Annotated[
    int,
    BeforeValidator(parse_duration_us),
    PlainSerializer(duration_text, return_type=str),
    WithJsonSchema({"type": "string", "pattern": f"^{_DURATION.pattern}$", "examples": ["500 ms", "10 s", "5 min"]}),
]

RateText = Annotated[
    Rate,
    BeforeValidator(parse_rate),
    PlainSerializer(str, return_type=str),
    WithJsonSchema(
        {"type": "string", "pattern": f"^{_RATE.pattern}$", "examples": ["200 documents/s", "1000x July 2022"]}
    ),
]
