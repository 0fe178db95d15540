"""Open deliveries as a CSV file that a spreadsheet opens: with Vietnamese time, and no cell that is a formula."""

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from monitor.reading import VIETNAM_MS

HEADER = ("packet_id", "document_id", "sender", "recipient", "sent_at", "waiting_seconds", "stage")

#: What makes a spreadsheet take a cell for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def open_deliveries_csv(rows: Iterable[Sequence[Any]], now_us: int) -> str:
    """Return the rows (packet, document, sender, recipient, sent_us, stage) as CSV, with a mark that says UTF-8."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(HEADER)
    for packet_id, document_id, sender, recipient, sent_us, stage in rows:
        names = [harmless(str(name)) for name in (packet_id, document_id, sender, recipient)]
        writer.writerow([*names, _vietnam_time(sent_us), round((now_us - sent_us) / 1e6, 1), stage])
    return "\ufeff" + text.getvalue()


def harmless(cell: str) -> str:
    """Return a cell that no spreadsheet calculates."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def _vietnam_time(instant_us: int) -> str:
    at = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=instant_us, milliseconds=VIETNAM_MS)
    return at.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
