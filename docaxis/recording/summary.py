"""What a recording holds, counted by DuckDB over its parts: the content of the manifest."""

import contextlib
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from docaxis.domain.errors import UsageError
from docaxis.recording.engine import engine
from docaxis.recording.manifest import BEGUN, Gap, Manifest, Part
from docaxis.recording.schema import SCHEMA_VERSION

#: Gaps listed in a manifest, and the shortest of them.
GAPS_MAX, GAP_MIN_S = 10, 60

_TOTALS = """
SELECT count(*) FILTER (kind = 'sent'), coalesce(sum(len(recipients)) FILTER (kind = 'sent'), 0),
       min(time_us) FILTER (kind = 'sent'), max(time_us) FILTER (kind = 'sent'),
       min(calendar_ms) FILTER (kind = 'sent'), max(calendar_ms) FILTER (kind = 'sent'),
       count(DISTINCT sender) FILTER (kind = 'sent'), count(*) FILTER (received_us < sent_us)
FROM rows"""

_AGENCIES = """
SELECT DISTINCT code FROM (
    SELECT sender AS code FROM rows UNION SELECT recipient FROM rows
    UNION SELECT unnest(recipients) FROM rows WHERE kind = 'sent'
) WHERE code <> '' ORDER BY code"""

_GAPS = """
SELECT before, second FROM (
    SELECT second, lag(second) OVER (ORDER BY second) AS before
    FROM (SELECT DISTINCT time_us // 1000000 AS second FROM rows WHERE kind = 'sent')
) WHERE second - before >= ? ORDER BY second - before DESC, before LIMIT ?"""


def summarise(
    folder: Path,
    parts: list[Part],
    source: Mapping[str, Any],
    *,
    sensitive: bool,
    clock_backwards: int = 0,
    registry: str = "",
) -> Manifest:
    """Count what the parts hold. Raises UsageError if they hold nothing."""
    if not parts:
        (folder / BEGUN).unlink(missing_ok=True)  # with other filters something may be found
        with contextlib.suppress(OSError):
            folder.rmdir()
        raise UsageError(f"there is nothing to record for {folder}: no event fits", next_step="look at the filters")
    with engine() as connection:
        files = [str(folder / part.file) for part in parts]
        connection.execute("CREATE TEMP VIEW rows AS SELECT * FROM read_parquet($1)".replace("$1", repr(files)))
        (totals,) = connection.execute(_TOTALS).fetchall()
        kinds = dict(connection.execute("SELECT kind, count(*) FROM rows GROUP BY kind ORDER BY kind").fetchall())
        agencies = [code for (code,) in connection.execute(_AGENCIES).fetchall()]
        runs = connection.execute("SELECT DISTINCT run FROM rows WHERE run <> '' ORDER BY run").fetchall()
        gaps = connection.execute(_GAPS, [GAP_MIN_S, GAPS_MAX]).fetchall()
    documents, deliveries, time_min, time_max, calendar_min, calendar_max, senders, before_sent = totals
    return Manifest(
        schema_version=SCHEMA_VERSION,
        source=dict(source),
        created_us=time.time_ns() // 1000,
        rows=sum(part.rows for part in parts),
        kinds=kinds,
        documents=documents,
        deliveries=int(deliveries),
        time_us_min=time_min,
        time_us_max=time_max,
        calendar_ms_min=calendar_min,
        calendar_ms_max=calendar_max,
        senders=senders,
        agencies=agencies,
        runs=[run for (run,) in runs],
        gaps=[Gap(before * 1_000_000, after * 1_000_000) for before, after in gaps],
        parts=parts,
        sensitive=sensitive,
        clock_backwards=clock_backwards,
        received_before_sent=before_sent,
        registry=registry,
    )
