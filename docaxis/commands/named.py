"""What a workload names beside itself: agencies of the registry, traces, tables of traffic.

Looked for in the raw content, like `docaxis.workload.consistency`: what is not there is told together with whatever
else is wrong with the file, each at its line and with the nearest known word.
"""

import contextlib
import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from docaxis.domain.agency import Registry
from docaxis.domain.errors import UsageError
from docaxis.workload.consistency import tables
from docaxis.workload.file import FAULTS_SHOWN_MAX
from docaxis.workload.refusing import Mistake
from producers.offering import read_trace
from producers.traffic_recorded import RecordedTraffic

#: Files beside one that is not there, of which one may be meant.
BESIDE_MAX = 1000


def not_there(content: Mapping[str, Any], folder: Path | None, registry_file: Path | None) -> list[Mistake]:
    """Return what a workload names and is not there, or cannot be read. Relative paths begin at `folder`.

    `registry_file` stands in for the registry that the workload names; a fault of that one is raised (UsageError).
    """
    mistakes = list(_of_traces(tables(content, "phases"), folder))
    named = content.get("registry")
    if registry_file is None and isinstance(named, str):
        try:
            registry = Registry.load(_path(folder, named))
        except UsageError as error:
            return [*mistakes, (("registry",), _said(error))]
    else:
        registry = Registry.load(registry_file)
    return [*mistakes, *_of_agencies(content, folder, registry)]


def _path(folder: Path | None, named: str) -> Path:
    return (folder or Path()) / named


def _said(error: UsageError) -> str:
    return f"{error.message}; {error.next_step}" if error.next_step else error.message


def _nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that is most likely meant, whatever its case."""
    by_case = {one.casefold(): one for one in known}
    near = difflib.get_close_matches(word.casefold(), by_case, n=1)
    return by_case[near[0]] if near else None


# --- files


def _of_traces(phases: Sequence[Mapping[str, Any]], folder: Path | None) -> Iterator[Mistake]:
    for number, phase in enumerate(phases):
        if phase.get("arrivals") == "trace":
            yield from _of_file(("phases", number, "file"), phase.get("file"), folder, read_trace)


def _of_file(
    where: tuple[str | int, ...], named: object, folder: Path | None, read: Callable[[Path], object]
) -> Iterator[Mistake]:
    """Yield why a file cannot be read; one that is not there may be called like another beside it."""
    if not isinstance(named, str):
        return
    path = _path(folder, named)
    try:
        read(path)
    except UsageError as error:
        near = None if path.exists() else _nearest(path.name, _files_of(path.parent))
        yield where, f"{error.message}; did you mean {near}?" if near else _said(error)


def _files_of(folder: Path) -> list[str]:
    with contextlib.suppress(OSError):
        return [one.name for one in islice(folder.iterdir(), BESIDE_MAX) if one.is_file()]
    return []


# --- agencies


def _of_agencies(content: Mapping[str, Any], folder: Path | None, registry: Registry) -> Iterator[Mistake]:
    """Yield agencies that the registry lacks. The traffic is that of those who were there before the newcomers."""
    newcomers = tables(content, "newcomers")
    joining = {code for one in newcomers if isinstance(code := one.get("code"), str)}
    there = [agency for agency in registry if agency.code not in joining]
    yield from _of_newcomers(newcomers, registry, len(there))
    before = registry
    if joining and len(there) >= 2:
        before = Registry([replace(agency, index=index) for index, agency in enumerate(there)])
    for number, kind in enumerate(tables(content, "traffic")):
        for key in ("senders", "recipients"):
            yield from _of_names(("traffic", number, key), kind.get(key), before, joining)
        yield from _of_file(
            ("traffic", number, "like"), kind.get("like"), folder, partial(RecordedTraffic.load, registry=before)
        )
    for table in ("faults", "objectives"):
        for number, row in enumerate(tables(content, table)):
            yield from _of_names((table, number, "agencies"), row.get("agencies"), registry)


def _of_newcomers(newcomers: Sequence[Mapping[str, Any]], registry: Registry, there: int) -> Iterator[Mistake]:
    for number, one in enumerate(newcomers):
        for key in ("code", "like"):
            code = one.get(key)
            if isinstance(code, str) and code not in registry.positions:
                near = _nearest(code, registry.codes)
                hint = f"did you mean {near}?" if near else "add it to the registry file (--registry)"
                why = f"{code!r} is not an agency of the registry ({len(registry):,} agencies); {hint}"
                yield ("newcomers", number, key), why
    if newcomers and there < 2:
        why = f"{there} of {len(registry):,} agencies were there before, and two are needed to compare"
        yield ("newcomers",), why


def _of_names(
    where: tuple[str | int, ...], names: object, registry: Registry, joining: Iterable[str] = ()
) -> Iterator[Mistake]:
    """Yield the names of a list that are neither codes nor kinds, as many as are shown."""
    kinds = sorted({agency.kind for agency in registry})
    given = [name for name in names if isinstance(name, str)] if isinstance(names, list) else []
    unknown = [name for name in given if name not in kinds and name not in registry]
    for name in unknown[:FAULTS_SHOWN_MAX]:
        if name in joining:
            yield where, f"{name!r} is a newcomer, whose documents come on top of the traffic; leave it out"
            continue
        near = _nearest(name, [*kinds, *registry.codes])
        hint = f"did you mean {near}?" if near else f"give a code as in H53, or a kind: {', '.join(kinds)}"
        yield where, f"{name!r} is neither a code nor a kind of agency in the registry; {hint}"
    if len(unknown) > FAULTS_SHOWN_MAX:
        yield where, f"{len(unknown) - FAULTS_SHOWN_MAX:,} more names are neither codes nor kinds"
