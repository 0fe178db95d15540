"""Agencies and the registry: who takes part in the exchange, and under which identifiers.

The registry shipped with the package lists the 95 agencies as best known from public sources. Its uncertainties are
part of it: a code whose certainty is `placeholder` was invented to have a key, and `display_code` never shows it bare.
Any other CSV file of the same form, of any size, can be given instead; all its faults are reported together.
"""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from docaxis.domain.errors import UsageError

#: Columns that a registry file must have; further columns are evidence and may be left out.
REQUIRED_COLUMNS = (
    "seq", "code", "organ_id_qcvn102_2016", "name_vi", "name_en", "kind", "abbr", "code_certainty",
)  # fmt: skip
OPTIONAL_COLUMNS = ("code_evidence", "membership_evidence", "after_2025_reorganisation")

#: How sure a code is, best first.
CERTAINTIES = ("verified", "derived", "assumption", "placeholder")

#: Largest registry accepted: a hundred times the axis, so that a wrong file cannot exhaust memory.
AGENCIES_MAX = 10_000

#: Faults listed in one error; a file with more is most likely another kind of file.
FAULTS_SHOWN_MAX = 20

_UNCHANGED = "(unchanged)"
_DISSOLVED = " (dissolved 2025)"

# Level 1 is a letter A-Y and two digits (Decision 20/2020 Art. 4; Z marks other schemes). More digits are allowed so
# that a made-up registry can be larger than the alphabet allows.
_CODE = r"[A-Y][0-9]{2,8}"
_CODE_ONLY = re.compile(_CODE)
_IDENTIFIER = re.compile(
    # The form of 2016 is read right to left: 000.00.13.H53 is a unit of H53.
    rf"(?:[0-9]{{3}}\.[0-9]{{2}}\.[0-9]{{2}}\.(?P<old>{_CODE}))"
    # The form of 2020 has level 1 first: H53.01.02.
    rf"|(?:(?P<new>{_CODE})(?:\.[0-9]{{2,3}})*)"
)


def normalise(identifier: str) -> str:
    """Return the level-1 agency code of an identifier of any form: `000.00.13.H53`, `H53.01.02` and `H53` are all H53.

    Raises ValueError for what is not an identifier. Hot paths should try an exact match on the registry first
    (`Registry.positions`), which is much cheaper.
    """
    match = _IDENTIFIER.fullmatch(identifier) if len(identifier) <= 35 else None
    if match is None:
        raise ValueError(
            f"{identifier[:64]!r} is not an agency identifier; expected a form like H53, H53.01.02 or 000.00.00.H53"
        )
    return match["old"] or match["new"]


@dataclass(frozen=True, slots=True)
class Agency:
    """One organisation on the axis."""

    index: int  # position in the registry, from 0
    code: str  # unique, the key to use
    organ_id: str  # the 2016 form, 000.00.00.<code>
    name_vi: str
    name_en: str
    kind: str
    abbr: str  # not unique: 63 provinces share UBND
    code_certainty: str  # one of CERTAINTIES
    code_evidence: str = ""
    membership_evidence: str = ""
    successor: str | None = None  # name after the reorganisation of 2025; None if it goes on unchanged
    dissolved: bool = False  # in 2025, its tasks going to the successor

    @property
    def is_placeholder(self) -> bool:
        """True if the code was invented because the real one is not public."""
        return self.code_certainty == "placeholder"

    @property
    def display_code(self) -> str:
        """The code for people's eyes: an invented or assumed one says so."""
        if self.is_placeholder:
            return f"{self.code} (invented)"
        return f"{self.code} (assumed)" if self.code_certainty == "assumption" else self.code


class Registry:
    """The agencies in order. An agency's position is its index in every numeric column of the program."""

    def __init__(self, agencies: Sequence[Agency]) -> None:
        if len(agencies) < 2:
            raise ValueError(f"a registry needs at least two agencies to exchange documents, got {len(agencies)}")
        if [agency.index for agency in agencies] != list(range(len(agencies))):
            raise ValueError("agencies must be indexed 0, 1, 2, ... in order")
        self.agencies = tuple(agencies)
        self.codes: tuple[str, ...] = tuple(agency.code for agency in agencies)
        #: Exact codes to indices: the hot path's lookup; anything it lacks goes through `index_of`.
        self.positions: dict[str, int] = {code: index for index, code in enumerate(self.codes)}
        if len(self.positions) != len(self.codes):
            raise ValueError("agency codes must be unique")

    @classmethod
    def load(cls, path: Path | str | None = None) -> "Registry":
        """Read a registry file, or the package's own. Raises UsageError naming every fault with line and column."""
        if path is None:
            text = resources.files("docaxis").joinpath("data/agencies.csv").read_text(encoding="utf-8")
            return cls.parse(text, "the package's agencies.csv")
        return cls.parse(_text_of(path), str(path))

    @classmethod
    def parse(cls, text: str, place: str) -> "Registry":
        """Read a registry from CSV text; `place` names it in errors."""
        return cls(_agencies_of(text, place, least=2))

    def to_csv(self) -> str:
        """Return the registry as `parse` reads it."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(REQUIRED_COLUMNS + OPTIONAL_COLUMNS)
        for one in self.agencies:
            after = f"{one.successor}{_DISSOLVED if one.dissolved else ''}" if one.successor else _UNCHANGED
            row = (one.index + 1, one.code, one.organ_id, one.name_vi, one.name_en, one.kind, one.abbr)
            writer.writerow((*row, one.code_certainty, one.code_evidence, one.membership_evidence, after))
        return out.getvalue()

    def __len__(self) -> int:
        return len(self.agencies)

    def __iter__(self) -> Iterator[Agency]:
        return iter(self.agencies)

    def __getitem__(self, index: int) -> Agency:
        return self.agencies[index]

    def __contains__(self, identifier: object) -> bool:
        return isinstance(identifier, str) and self.find(identifier) is not None

    def find(self, identifier: str) -> int | None:
        """Return the index for an identifier of any form, or None if it is malformed or unknown."""
        position = self.positions.get(identifier)
        if position is not None:
            return position
        try:
            return self.positions.get(normalise(identifier))
        except ValueError:
            return None

    def index_of(self, identifier: str) -> int:
        """Return the index for an identifier of any form. Raises KeyError if it is malformed or unknown."""
        position = self.find(identifier)
        if position is None:
            raise KeyError(f"{identifier[:64]!r} is not an agency of this registry ({len(self)} agencies)")
        return position

    def agency(self, identifier: str) -> Agency:
        """Return the agency for an identifier of any form. Raises KeyError if it is malformed or unknown."""
        return self.agencies[self.index_of(identifier)]


def load_agencies(path: Path | str) -> list[Agency]:
    """Read agencies from a file of a registry's form that need not be a whole one: even a single agency will do.

    Raises UsageError naming every fault with line and column.
    """
    return _agencies_of(_text_of(path), str(path), least=1)


def _text_of(path: Path | str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"cannot read the registry {path}: {error}", next_step="give a readable CSV file in UTF-8"
        ) from error


def _agencies_of(text: str, place: str, least: int) -> list[Agency]:
    agencies, faults = _read_rows(text, least)
    if faults:
        shown = "\n".join(f"  {fault}" for fault in faults[:FAULTS_SHOWN_MAX])
        more = f"\n  ... and {len(faults) - FAULTS_SHOWN_MAX} more" if len(faults) > FAULTS_SHOWN_MAX else ""
        raise UsageError(
            f"{place} is not a valid registry, {len(faults)} fault(s):\n{shown}{more}",
            next_step="correct the lines named and try again; the columns are those of the package's agencies.csv",
        )
    return agencies


def _read_rows(text: str, least: int) -> tuple[list[Agency], list[str]]:
    """Parse CSV text into agencies and the list of all faults found."""
    reader = csv.DictReader(io.StringIO(text, newline=""))
    header = reader.fieldnames or []
    faults = [f"line 1: column {name!r} is missing; add it" for name in REQUIRED_COLUMNS if name not in header]
    known = set(REQUIRED_COLUMNS + OPTIONAL_COLUMNS)
    faults += [f"line 1: column {name!r} is not known; remove or rename it" for name in header if name not in known]
    if faults:
        return [], faults
    agencies: list[Agency] = []
    line_of_code: dict[str, int] = {}
    try:
        for index, row in enumerate(reader):
            if index == AGENCIES_MAX:
                faults.append(f"line {reader.line_num}: more than {AGENCIES_MAX} agencies; shorten the file")
                break
            row_faults = _faults_of(row, index, line_of_code)
            faults += [f"line {reader.line_num}: {fault}" for fault in row_faults]
            if not row_faults:
                line_of_code[row["code"]] = reader.line_num
                agencies.append(_agency_of(row, index))
    except csv.Error as error:
        faults.append(f"line {reader.line_num}: {error}; check the quoting")
    if not faults and len(agencies) < least:
        faults.append(f"{len(agencies)} agencies listed; list at least {'two' if least == 2 else 'one'}")
    return agencies, faults


def _faults_of(row: dict[str, str], index: int, line_of_code: dict[str, int]) -> list[str]:
    """Return what is wrong with one row, each fault with column, value and next step."""
    if None in row or any(value is None for value in row.values()):
        return ["the number of fields differs from the header's; check commas and quotes"]
    faults = [
        f"column {name!r} is empty; fill it" for name in REQUIRED_COLUMNS if name != "abbr" and not row[name].strip()
    ]
    if faults:
        return faults
    code, organ_id, certainty = row["code"], row["organ_id_qcvn102_2016"], row["code_certainty"]
    if row["seq"] != str(index + 1):
        faults.append(f"column 'seq' is {row['seq']!r}; number the rows 1, 2, 3, ...: here {index + 1}")
    if not _CODE_ONLY.fullmatch(code):
        faults.append(f"column 'code' is {code!r}; use a letter A-Y and at least two digits, like H53")
    elif code in line_of_code:
        faults.append(f"column 'code' is {code!r}, already used on line {line_of_code[code]}; codes are unique")
    elif organ_id != f"000.00.00.{code}":
        faults.append(f"column 'organ_id_qcvn102_2016' is {organ_id!r}; expected '000.00.00.{code}'")
    if certainty not in CERTAINTIES:
        faults.append(f"column 'code_certainty' is {certainty!r}; use one of {', '.join(CERTAINTIES)}")
    return faults


def _agency_of(row: dict[str, str], index: int) -> Agency:
    after = (row.get("after_2025_reorganisation") or _UNCHANGED).strip()
    return Agency(
        index=index,
        code=row["code"],
        organ_id=row["organ_id_qcvn102_2016"],
        name_vi=row["name_vi"].strip(),
        name_en=row["name_en"].strip(),
        kind=row["kind"].strip(),
        abbr=row["abbr"].strip(),
        code_certainty=row["code_certainty"],
        code_evidence=row.get("code_evidence") or "",
        membership_evidence=row.get("membership_evidence") or "",
        successor=None if after == _UNCHANGED else after.removesuffix(_DISSOLVED),
        dissolved=after.endswith(_DISSOLVED),
    )
