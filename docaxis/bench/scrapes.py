"""Scrapes of a stream worker that is under load: how long the slowest takes, and how much there is to read."""

import math

from docaxis.bench.prepared import prepared
from docaxis.bench.session import Session
from docaxis.bench.table import Row, Target, median_of

SCRAPE_MAX_MS = 50
SERIES_MAX = 5000


async def measure(session: Session) -> list[Row]:
    """Report the scrapes that were made while the topics were prepared."""
    scrapes = (await prepared(session)).scrapes
    if not scrapes.seconds:
        return []
    ordered_ms = sorted(seconds * 1000 for seconds in scrapes.seconds)
    p99_ms = ordered_ms[math.ceil(0.99 * len(ordered_ms)) - 1]
    note = f"p99 of {len(ordered_ms)} scrapes; median {median_of(ordered_ms):.1f} ms, slowest {ordered_ms[-1]:.1f} ms"
    return [
        Row("scrapes", p99_ms, "ms", None, Target(SCRAPE_MAX_MS, at_most=True, of_ratio=False), note),
        Row("series", scrapes.series, "", None, Target(SERIES_MAX, at_most=True, of_ratio=False), "of a stream worker"),
    ]
