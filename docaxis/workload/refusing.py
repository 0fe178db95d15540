"""Refusing a table of a workload for everything that is wrong with it: a validator may raise only once."""

from collections.abc import Sequence

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

#: Where a mistake is, as keys and positions from the table at hand, and what is wrong there.
Mistake = tuple[tuple[str | int, ...], str]


def refuse(table: str, mistakes: Sequence[Mistake]) -> None:
    """Raise ValidationError with all `mistakes`, if there are any."""
    details = [
        InitErrorDetails(type=PydanticCustomError("impossible", "{why}", {"why": why}), loc=place, input=None)
        for place, why in mistakes
    ]
    if details:
        raise ValidationError.from_exception_data(table, details)
