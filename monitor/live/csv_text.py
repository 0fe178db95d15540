"""Open deliveries as a CSV file that a spreadsheet opens: with Vietnamese time, and no cell that is a formula.

What is missing from the file is said in rows at its end, which begin with # in the first column.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from monitor.reading import VIETNAM_MS

HEADER = ("packet_id", "document_id", "sender", "recipient", "sent_at", "waiting_seconds", "stage")

#: What makes a spreadsheet take a cell for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


#: What may be missing, and how it is said; in both languages, as a file is handed on.
_MISSING = {
    "more": (
        "# Danh sách bị cắt: còn {} lượt giao mới hơn không có trong tệp này"
        " · The list is cut: {} more deliveries, younger ones, are not in this file"
    ),
    "unsifted": (
        "# Danh sách có thể thiếu: chưa xem được {} lượt chờ khác đang ở khâu nào"
        " · The list may be incomplete: the stage of {} more open deliveries was not looked at"
    ),
    "partitions_missing": (
        "# Thiếu các phân vùng {}: không tiến trình đối soát nào trả lời về chúng"
        " · Partitions {} are missing: no stream worker answered for them"
    ),
}


def missing_notes(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a list of open deliveries, as `Workers.open_deliveries` returns it, does not contain."""
    for key, note in _MISSING.items():
        if missing := found[key]:
            text = ", ".join(map(str, missing)) if isinstance(missing, list) else str(missing)
            yield note.format(text, text)


def open_deliveries_csv(rows: Iterable[Sequence[Any]], now_us: int, notes: Iterable[str] = ()) -> str:
    """Return the rows (packet, document, sender, recipient, sent_us, stage) as CSV, with a mark that says UTF-8.

    Each of the notes is a row at the end that has nothing but its first cell.
    """
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(HEADER)
    for packet_id, document_id, sender, recipient, sent_us, stage in rows:
        names = [harmless(str(name)) for name in (packet_id, document_id, sender, recipient)]
        writer.writerow([*names, _vietnam_time(sent_us), round((now_us - sent_us) / 1e6, 1), stage])
    for note in notes:
        writer.writerow([note, *[""] * (len(HEADER) - 1)])
    return "\ufeff" + text.getvalue()


def harmless(cell: str) -> str:
    """Return a cell that no spreadsheet calculates."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def _vietnam_time(instant_us: int) -> str:
    at = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=instant_us, milliseconds=VIETNAM_MS)
    return at.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
