"""The map of an import: how somebody else's rows become documents, recipients and receipts. TOML, strictly checked.

Maps for known sources are shipped as package data (`docaxis/data/maps`), named without the folder and the ending:
`--map axis-sent-list`.
"""

import tomllib
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from docaxis.domain.errors import UsageError

_STRICT = ConfigDict(extra="forbid", frozen=True, strict=True)

Names = str | list[str]  # one column, or several joined by the map's `join`


class FieldMap(BaseModel):
    """Which column each field comes from; several columns are joined to one text."""

    model_config = _STRICT

    sender: Names
    recipient: Names | None = None  # row = "delivery"
    recipients: Names | None = None  # row = "document": a list, split at `separator`
    sent: str
    received: str | None = None
    document: Names | None = None  # without it every row is a document of its own
    state: str | None = None  # DONE or FAIL
    type: str | None = None
    priority: str | None = None
    steering: str | None = None
    business: str | None = None
    size: str | None = None


class Constants(BaseModel):
    """What a field is where no column says it, or says nothing."""

    model_config = _STRICT

    type: int = Field(18, ge=1, le=99)
    priority: int = Field(0, ge=0, le=9)
    steering: int = Field(1, ge=0, le=9)
    business: int = Field(0, ge=0, le=9)
    size: int = Field(0, ge=0)
    state: Literal["DONE", "FAIL"] = "DONE"


class AgencyMap(BaseModel):
    """Whose names the agencies have."""

    model_config = _STRICT

    #: "taken": as they come, a code is invented for what has none; "registry": only codes that the registry has.
    names: Literal["taken", "registry"] = "taken"
    table: Path | None = None  # CSV of two columns, name and code; seen before the above


class ImportMap(BaseModel):
    """A whole map."""

    model_config = _STRICT

    name: str
    format: Literal["csv", "tsv", "ndjson", "parquet", "words"]  # words: separated by blanks or tabs, # begins a remark
    row: Literal["delivery", "document"] = "delivery"
    columns: list[str] | None = None  # names of the columns of a file that has no header
    delimiter: str = ""  # of csv, if it is no comma
    where: str = ""  # DuckDB expression over the source's columns, all text; rows that do not fit are left out
    join: str = "/"
    separator: str = ";"
    #: "iso", "epoch_s", "epoch_ms", "epoch_us", or a form as strftime has them, like "%d/%m/%Y %H:%M:%S".
    time: str = "iso"
    zone: str = "Asia/Ho_Chi_Minh"  # of times that name none
    sensitive: bool = True
    fields: FieldMap
    constants: Constants = Constants()
    values: dict[str, dict[str, str]] = {}  # field -> value in the source -> value here
    agencies: AgencyMap = AgencyMap()

    @field_validator("zone")
    @classmethod
    def _zone_exists(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"{zone!r} is no time zone; write one like Asia/Ho_Chi_Minh or UTC") from None
        return zone

    @field_validator("time")
    @classmethod
    def _time_is_known(cls, form: str) -> str:
        if form not in ("iso", "epoch_s", "epoch_ms", "epoch_us") and "%" not in form:
            raise ValueError(f"{form!r}: write iso, epoch_s, epoch_ms, epoch_us or a form like %d/%m/%Y %H:%M:%S")
        return form

    @model_validator(mode="after")
    def _recipients_are_named(self) -> "ImportMap":
        wanted, other = ("recipient", "recipients") if self.row == "delivery" else ("recipients", "recipient")
        if getattr(self.fields, wanted) is None or getattr(self.fields, other) is not None:
            raise ValueError(f"row = {self.row!r} needs fields.{wanted} and no fields.{other}")
        if self.format == "words" and not self.columns:
            raise ValueError("format = 'words' needs columns, the names of the words in order")
        unknown = set(self.values) - set(FieldMap.model_fields)
        if unknown:
            raise ValueError(f"values.{min(unknown)}: there is no such field")
        return self

    def wanted_columns(self) -> list[str]:
        """Return the columns of the source that the fields name, each once, in order."""
        named: list[str] = []
        for field in FieldMap.model_fields:
            names: Names | None = getattr(self.fields, field)
            named += [names] if isinstance(names, str) else names or []
        return list(dict.fromkeys(named))


def shipped_maps() -> list[str]:
    """Return the names of the maps that come with the package."""
    folder = resources.files("docaxis").joinpath("data/maps")
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))


def load_map(name: str) -> ImportMap:
    """Return a shipped map by its name, or the one of a file. Raises UsageError naming all its faults."""
    if name in shipped_maps():
        text = resources.files("docaxis").joinpath(f"data/maps/{name}.toml").read_text(encoding="utf-8")
        return parse_map(text, name, Path())
    path = Path(name)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"--map {name}: {getattr(error, 'strerror', None) or error}",
            next_step=f"give a TOML file, or one of the shipped maps: {', '.join(shipped_maps())}",
        ) from error
    return parse_map(text, name, path.parent)


def parse_map(text: str, place: str, folder: Path) -> ImportMap:
    """Return the map that the TOML text holds; `folder` is where its table of agencies is looked for."""
    try:
        found = ImportMap.model_validate(tomllib.loads(text), strict=False)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{place} is no TOML: {error}", next_step="put that line right") from error
    except ValidationError as error:
        faults = [
            f"  - {'.'.join(str(part) for part in fault['loc']) or 'map'}: {fault['msg']}" for fault in error.errors()
        ]
        raise UsageError("\n".join([f"{place} has faults:", *faults]), next_step="put them right") from error
    table = found.agencies.table
    if table is not None and not table.is_absolute():
        agencies = found.agencies.model_copy(update={"table": folder / table})
        return found.model_copy(update={"agencies": agencies})
    return found


def check_columns(wanted: Sequence[str], found: Sequence[str], place: str) -> None:
    """Raise UsageError if the source lacks a column that the map names."""
    missing = [name for name in wanted if name not in found]
    if missing:
        raise UsageError(
            f"{place} has no column {', '.join(map(repr, missing))}; it has {', '.join(map(repr, found[:40]))}",
            next_step="put the names in the map's [fields] right",
        )
