"""How the report writes numbers, durations and instants: as readers of its language expect them."""

from datetime import UTC, datetime, timedelta

from monitor.reading import VIETNAM_MS
from monitor.words import Language

#: What stands where there is no value.
NONE = "–"


def number(value: float | None, language: Language, digits: int = 0) -> str:
    """Return 1234567.8 as "1,234,567.8" in English, "1.234.567,8" in Vietnamese."""
    if value is None:
        return NONE
    text = f"{value:,.{digits}f}"
    return text.translate(str.maketrans(",.", ".,")) if language is Language.VI else text


def duration(seconds: float | None, language: Language) -> str:
    """Return a duration in the unit that leaves three figures or so: µs, ms, s, min."""
    if seconds is None:
        return NONE
    if seconds == 0:
        return "0 s"
    minute = "phút" if language is Language.VI else "min"
    units = ((0.001, 1e6, "µs"), (1, 1e3, "ms"), (120, 1, "s"), (float("inf"), 1 / 60, minute))
    factor, unit = next((factor, unit) for below, factor, unit in units if abs(seconds) < below)
    size = abs(seconds) * factor
    digits = 0 if size >= 100 or unit == "µs" else 1 if size >= 10 else 2
    return f"{number(seconds * factor, language, digits)} {unit}"


def quantity(value: float | None, unit: str, language: Language) -> str:
    """Return a value with its unit, as an objective has them: "s", "count", "ratio" or a rate."""
    if value is None:
        return NONE
    if unit == "s":
        return duration(value, language)
    if unit in ("count", ""):
        return number(value, language)
    if unit == "ratio":
        return f"{number(value * 100, language, 2)} %"
    spoken = (
        unit.replace("documents", "văn bản").replace("deliveries", "lượt giao") if language is Language.VI else unit
    )
    return f"{number(value, language, 1)} {spoken.replace('/s2', '/s²')}"


def change_percent(value: float, language: Language) -> str:
    """Return a relative change as a signed percentage, without decimals from 100 % on."""
    digits = 0 if abs(value) >= 1 else 1
    return f"{'+' if value > 0 else ''}{number(value * 100, language, digits)}"


def instant(at_us: int | None, *, with_day: bool = True) -> str:
    """Return an instant in Vietnam, as 25/11/2026 08:34:07."""
    if at_us is None:
        return NONE
    local = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=at_us, milliseconds=VIETNAM_MS)
    return f"{local:%d/%m/%Y %H:%M:%S}" if with_day else f"{local:%H:%M:%S}"


def mebibytes(count: float | None, language: Language) -> str:
    """Return bytes as MiB."""
    return NONE if count is None else f"{number(count / 2**20, language)} MiB"
