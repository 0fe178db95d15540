"""Reading a workload: a shipped name or a file, strictly, with every fault at its line and the nearest known word."""

import difflib
import hashlib
import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import resources
from operator import itemgetter
from pathlib import Path
from typing import Any, get_args

import orjson
from pydantic import BaseModel, ValidationError

from docaxis.domain.agency import Registry
from docaxis.domain.errors import UsageError
from docaxis.workload.consistency import inconsistencies
from docaxis.workload.model import Workload
from docaxis.workload.refusing import Mistake

_FOLDER = "data/workloads"
#: Faults shown; a file with more is most likely another kind of file.
FAULTS_SHOWN_MAX = 20

#: Finds what is wrong with a workload's content beyond the file itself; told where the file's relative paths begin.
Look = Callable[[Mapping[str, Any], Path | None], Sequence[Mistake]]


@dataclass(frozen=True, slots=True)
class NamedFile:
    """A file that shapes the load, as it was when it was read."""

    sha256: str
    size_bytes: int

    @classmethod
    def of(cls, path: Path) -> "NamedFile":
        """Read it. Raises UsageError if it cannot be read."""
        try:
            content = path.read_bytes()
        except OSError as error:
            raise UsageError(
                f"{path}, which the workload names, cannot be read: {error.strerror or error}",
                next_step="correct the path: a relative one begins at the workload's own file",
            ) from error
        return cls.of_bytes(content)

    @classmethod
    def of_bytes(cls, content: bytes) -> "NamedFile":
        """Return that of a file with this content."""
        return cls(hashlib.sha256(content).hexdigest(), len(content))


@dataclass(frozen=True, slots=True)
class LoadedWorkload:
    """A workload with the content it was read from."""

    workload: Workload
    content: dict[str, Any]  # the file as data, dates as text
    place: str
    folder: Path | None  # where relative paths begin
    #: Traces and tables of traffic, by what `content` calls them; empty before `with_files`.
    files: Mapping[str, NamedFile] = field(default_factory=dict)

    def with_files(self) -> "LoadedWorkload":
        """Return the workload with what it names read. Raises UsageError if something cannot be read."""
        names = dict.fromkeys(entry[key] for entry, key in _naming(self.content))
        return replace(self, files={name: NamedFile.of(self.path(Path(name))) for name in names})

    def hash(self, registry: Registry) -> str:
        """Return the SHA-256 of the load: of the content, of what is in the files it names, and of the agencies.

        It is the same however the files are laid out and wherever they lie.
        """
        content = json.loads(json.dumps({key: value for key, value in self.content.items() if key != "registry"}))
        for entry, key in _naming(content):
            entry[key] = self.files[entry[key]].sha256
        load = {"workload": content, "registry": hashlib.sha256(registry.to_csv().encode()).hexdigest()}
        canonical = json.dumps(load, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(canonical.encode()).hexdigest()

    def path(self, relative: Path) -> Path:
        """Return the path of a file that the workload names."""
        return relative if relative.is_absolute() or self.folder is None else self.folder / relative


def _naming(content: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield the tables of a workload's content that name a file, each with the key; the registry is apart."""
    for table, key in (("phases", "file"), ("traffic", "like")):
        yield from ((entry, key) for entry in content.get(table, ()) if key in entry)


def shipped() -> dict[str, str]:
    """Return the text of every shipped workload by name, in order of name."""
    folder = resources.files("docaxis").joinpath(_FOLDER)
    files = sorted(folder.iterdir(), key=lambda file: file.name)
    return {file.name.removesuffix(".toml"): file.read_text("utf-8") for file in files if file.name.endswith(".toml")}


def load_workload(name: str, *, changes: Mapping[str, Any] | None = None, look: Look | None = None) -> LoadedWorkload:
    """Read a shipped workload by name, or a file. Raises UsageError with all faults.

    `changes` replace what the file says; `look` finds further faults.
    """
    known = shipped()
    path = Path(name)
    if name in known and not path.is_file():
        return parse_workload(known[name], f"the shipped workload {name}", None, changes=changes, look=look)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"give a file, or one of {', '.join(known)}"
        raise UsageError(f"there is no workload {name!r}: {error}", next_step=hint) from error
    return parse_workload(text, name, path.absolute().parent, changes=changes, look=look)


def parse_workload(
    text: str,
    place: str,
    folder: Path | None,
    *,
    changes: Mapping[str, Any] | None = None,
    look: Look | None = None,
) -> LoadedWorkload:
    """Read a workload from TOML text; `place` names it in errors. See `load_workload`."""
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{place} is not TOML: {error}", next_step="correct that line") from error
    return workload_of({**raw, **(changes or {})}, place, folder, lines=text.splitlines(), look=look)


def workload_of(
    raw: Mapping[str, Any],
    place: str,
    folder: Path | None = None,
    lines: Sequence[str] = (),
    look: Look | None = None,
) -> LoadedWorkload:
    """Check the content of a workload. Raises UsageError with all faults, each at its line."""
    try:
        content = orjson.loads(orjson.dumps(raw, default=str))
    except TypeError as error:  # TOML's integers have no end
        raise UsageError(f"The workload {place} cannot be read: {error}", next_step="write smaller numbers") from error
    further = look(content, folder) if look is not None else ()
    details: list[Any] = [
        {"type": "inconsistent", "loc": where, "msg": why, "input": None}
        for where, why in (*inconsistencies(content), *further)
    ]
    workload: Workload | None = None
    try:
        workload = Workload.model_validate(content)
    except ValidationError as error:
        details = [*error.errors(include_url=False), *details]
    if workload is None or details:
        raise UsageError(
            "\n".join(_said(_at_lines(details, raw, place, lines), place)),
            next_step="correct it; every key is in docs/workload.schema.json",
        )
    return LoadedWorkload(workload, content, place, folder)


def _at_lines(details: Sequence[Any], raw: Mapping[str, Any], place: str, lines: Sequence[str]) -> list[str]:
    """Return the faults in the order of their lines; a list whose elements are all at fault is not empty as well."""
    located = [
        (line_of(lines, _key_of(detail)) or 0, detail)
        for detail in details
        if not (detail["type"] == "too_short" and len(detail["loc"]) == 1 and raw.get(str(detail["loc"][0])))
    ]
    return [_fault(detail, f"{place}:{line}: " if line else "") for line, detail in sorted(located, key=itemgetter(0))]


def _said(faults: Sequence[str], place: str) -> list[str]:
    head = "a fault" if len(faults) == 1 else f"{len(faults)} faults"
    more = [f"... and {len(faults) - FAULTS_SHOWN_MAX} more"] if len(faults) > FAULTS_SHOWN_MAX else []
    return [f"The workload {place} has {head}:", *(f"  - {one}" for one in [*faults[:FAULTS_SHOWN_MAX], *more])]


def _key_of(detail: Any) -> tuple[str | int, ...]:
    """Return where a fault is, without the parts of a type that pydantic puts in between."""
    return tuple(part for part in detail["loc"] if not str(part).startswith(("constrained", "literal", "float")))


def _fault(detail: Any, where: str) -> str:
    """Say one fault: file and line (`where`), key and value, what was expected, the nearest known word."""
    loc = _key_of(detail)
    key = ".".join(str(part) for part in loc) or "the workload"
    message = str(detail["msg"]).removeprefix("Value error, ")
    if detail["type"] == "extra_forbidden":
        known = _keys_of(loc[:-1])
        near = difflib.get_close_matches(str(loc[-1]), known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
        return f"{where}{key}: unknown key; {hint}"
    value = detail["input"]
    if detail["type"] == "missing":
        return f"{where}{key}: is missing"
    if isinstance(value, Mapping) or value is None or isinstance(value, tuple | list):
        return f"{where}{key}: {message}"
    words = re.findall(r"'([\w-]+)'", message) if detail["type"] == "literal_error" else []
    near = difflib.get_close_matches(str(value), words, n=1)
    return f"{where}{key} = {value!r}: {message}" + (f"; did you mean {near[0]}?" if near else "")


def _keys_of(loc: Sequence[Any]) -> list[str]:
    """Return the keys that are known at a place of the content."""
    model: Any = Workload
    for part in loc:
        if isinstance(part, int):
            continue
        model = _model_in(model.model_fields[part].annotation)
        if model is None:
            return []
    return list(model.model_fields)


def _model_in(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for part in get_args(annotation) if (model := _model_in(part))), None)


def line_of(lines: Sequence[str], loc: Sequence[Any]) -> int | None:
    """Return the line (from 1) where a key of the content stands in the TOML text, as near as can be told.

    Tables and arrays of tables are followed by their headers; a key inside an inline table is at that table's line.
    """
    best: int | None = None
    best_length = 0
    current: tuple[Any, ...] = ()
    counts: dict[tuple[str, ...], int] = {}
    for number, line in enumerate(lines, 1):
        if header := re.match(r"\s*(\[\[?)\s*([\w.\"-]+)\s*\]", line):
            path = tuple(header[2].replace('"', "").split("."))
            if header[1] == "[[":
                counts[path] = counts.get(path, -1) + 1
            current = _indexed(path, counts)
        elif key := re.match(r'\s*"?([\w-]+)"?\s*(?:=|\.)', line):
            match = (*current, key[1])
            length = len(match)
            if length > best_length and match == tuple(loc[:length]):
                best, best_length = number, length
            continue
        else:
            continue
        if len(current) >= best_length and current and current == tuple(loc[: len(current)]):
            best, best_length = number, len(current)
    return best


def _indexed(path: tuple[str, ...], counts: Mapping[tuple[str, ...], int]) -> tuple[Any, ...]:
    """Return a header's path with the number of each array element it is in."""
    indexed: list[Any] = []
    for length, part in enumerate(path, 1):
        indexed.append(part)
        if (number := counts.get(path[:length])) is not None:
            indexed.append(number)
    return tuple(indexed)
