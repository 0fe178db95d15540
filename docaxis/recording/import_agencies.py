"""The names under which others know agencies, and the codes that the axis needs. Pure but for the map's table.

A name that is an identifier of the axis (`H53`, `000.00.00.H53`) is that agency. Any other name gets an invented code,
which the registry beside the recording marks as one.
"""

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from docaxis.domain.agency import AGENCIES_MAX, REQUIRED_COLUMNS, Registry, normalise
from docaxis.domain.errors import UsageError
from docaxis.recording.import_map import AgencyMap


def code_names(names: Iterable[str], imported: AgencyMap, known: Registry) -> dict[str, str]:
    """Return the code of every name that has one; only with names = "registry" some may be missing.

    Raises UsageError for more agencies than a registry may have.
    """
    ordered = sorted(set(names), key=_natural)
    table = read_table(imported.table) if imported.table is not None else {}
    codes = {name: table[name] for name in ordered if name in table}
    for name in ordered:
        if name not in codes and (code := _own_code(name, known, imported)) is not None:
            codes[name] = code
    if imported.names == "taken":
        _invent(ordered, codes)
    if len(set(codes.values())) > AGENCIES_MAX:
        raise UsageError(
            f"{len(set(codes.values())):,} agencies take part, and a registry holds {AGENCIES_MAX:,}",
            next_step="map several of them to one by a table (agencies.table), or import a part",
        )
    return codes


def _natural(name: str) -> tuple[int, str]:
    """Order numbers by value, then text."""
    return (len(name), name) if name.isdigit() else (1 << 30, name)


def _own_code(name: str, known: Registry, imported: AgencyMap) -> str | None:
    found = known.find(name)
    if found is not None:
        return known.codes[found]
    if imported.names == "registry":
        return None
    try:
        return normalise(name)
    except ValueError:
        return None


def _invent(ordered: Sequence[str], codes: dict[str, str]) -> None:
    taken = set(codes.values())
    number = 0
    for name in ordered:
        if name in codes:
            continue
        number += 1
        while f"X{number:04d}" in taken:
            number += 1
        codes[name] = f"X{number:04d}"


def read_table(path: Path) -> dict[str, str]:
    """Return the table of agencies (CSV: name, code). Raises UsageError naming the line at fault."""
    try:
        rows = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig"), newline="")))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(
            f"agencies.table {path}: {getattr(error, 'strerror', None) or error}", next_step="give a CSV in UTF-8"
        ) from error
    table: dict[str, str] = {}
    for line, row in enumerate(rows[1:], 2):
        if not row:
            continue
        try:
            name, code = row[0].strip(), normalise(row[1].strip())
        except (IndexError, ValueError) as error:
            raise UsageError(
                f"agencies.table {path} line {line}: {error}", next_step="each line is a name and a code like H53"
            ) from None
        table[name] = code
    return table


def registry_csv(codes: dict[str, str], known: Registry) -> str | None:
    """Return the registry of these agencies as CSV; None if the known one has them all."""
    names: dict[str, str] = {}
    for name, code in codes.items():
        names.setdefault(code, name)
    if all(code in known.positions for code in names):
        return None
    if len(names) == 1:  # a registry has two at least
        names.setdefault("X9999" if "X9999" not in names else "X9998", "nobody")
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(REQUIRED_COLUMNS)
    for number, code in enumerate(sorted(names), 1):
        if code in known.positions:
            agency = known.agency(code)
            row = (agency.name_vi, agency.name_en, agency.kind, agency.abbr, agency.code_certainty)
        else:
            certainty = "placeholder" if code.startswith("X") else "derived"
            row = (names[code], names[code], "imported", names[code][:20], certainty)
        writer.writerow((number, code, f"000.00.00.{code}", *row))
    return out.getvalue()
