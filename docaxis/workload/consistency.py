"""What the tables of a workload say together: found in the raw content, beside whatever is wrong within the tables.

Nothing is taken for granted here: what is not as it should be has been refused already, and is passed over.
"""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from docaxis.workload.faults import HUB_FAULTS
from docaxis.workload.refusing import Mistake
from docaxis.workload.units import parse_duration_us

#: Longest run.
DURATION_MAX_US = 7 * 24 * 3_600_000_000

_WITHOUT_RATE = ("closed", "trace")


def inconsistencies(content: Mapping[str, Any]) -> list[Mistake]:
    """Return what contradicts itself between the tables of a workload, and where."""
    phases, traffic = tables(content, "phases"), tables(content, "traffic")
    mistakes = [*_of_phases(phases), *_of_faults(tables(content, "faults"), phases)]
    if content.get("hub") == "external":
        mistakes += _of_hub(tables(content, "faults"))
    mistakes += _of_newcomers(tables(content, "newcomers"), phases)
    mistakes += _twice("objectives", tables(content, "objectives"))
    mistakes += _of_closed_phases(phases, tables(content, "objectives"))
    if traffic and not any(_share(kind) for kind in traffic):
        mistakes.append((("traffic",), "the shares of the traffic add up to nothing"))
    return mistakes


def tables(content: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    """Return an array of tables as far as it is one; what is no table in it is an empty one."""
    rows = content.get(key)
    return [one if isinstance(one, Mapping) else {} for one in rows] if isinstance(rows, list) else []


def _share(kind: Mapping[str, Any]) -> float:
    """Return a share as the model will read it; one that is none counts as above zero."""
    try:
        return float(kind.get("share", 1.0))
    except (TypeError, ValueError):
        return 1.0


def _sends(phase: Mapping[str, Any]) -> bool:
    return bool(phase.get("kind", "load") != "drain")


def _twice(table: str, rows: Sequence[Mapping[str, Any]], key: str = "name") -> Iterator[Mistake]:
    """Yield rows that are called like one before them."""
    known: list[Any] = []
    for number, row in enumerate(rows):
        if key in row and row[key] in known:
            yield (table, number, key), f"two {table} are called {row[key]!r}"
        known.append(row.get(key))


def _of_phases(phases: Sequence[Mapping[str, Any]]) -> Iterator[Mistake]:
    yield from _twice("phases", phases)
    for number, phase in enumerate(phases):
        if number < len(phases) - 1 and not _sends(phase):
            yield ("phases", number, "kind"), "a drain comes last, and once: it waits for what is outstanding"
    if phases and not any(map(_sends, phases)):
        yield ("phases",), "nothing is sent: a load, soak or warm-up phase is missing"
    if sum(_us(phase.get("duration")) for phase in phases) > DURATION_MAX_US:
        yield ("phases",), "the phases last longer than seven days"


def _us(duration: object) -> int:
    """Return a duration as the model will read it; one that is none counts as nothing."""
    try:
        return parse_duration_us(duration)
    except ValueError:
        return 0


def _of_faults(faults: Sequence[Mapping[str, Any]], phases: Sequence[Mapping[str, Any]]) -> Iterator[Mistake]:
    """Yield faults that could not happen in their phase."""
    sending = [phase for phase in phases if _sends(phase)]
    known = [str(phase["name"]) for phase in sending if "name" in phase]
    if not known:  # told already
        return
    measured = [phase for phase in sending if phase.get("kind", "load") != "warm-up"] or sending
    for number, fault in enumerate(faults):
        kind, name = fault.get("kind"), fault.get("phase")
        if name is not None and str(name) not in known:
            near = difflib.get_close_matches(str(name), known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
            yield ("faults", number, "phase"), f"fault {kind!r}: there is no phase {name!r} that sends; {hint}"
            continue
        phase = next((one for one in sending if one.get("name") == name), None) if name else next(iter(measured), None)
        if kind == "delay" and phase is not None and phase.get("arrivals") == "closed":
            yield ("faults", number), f"fault 'delay': in a closed phase ({phase.get('name')}) nothing is due"
        if phase is not None and 0 < _us(phase.get("duration")) <= _us(fault.get("at")):
            why = f"phase {phase.get('name')!r} is over {phase['duration']} after its beginning, nothing happens then"
            yield ("faults", number, "at"), f"fault {kind!r}: at is {fault['at']}, and {why}"


def _of_closed_phases(
    phases: Sequence[Mapping[str, Any]], objectives: Sequence[Mapping[str, Any]]
) -> Iterator[Mistake]:
    """Yield closed phases that are measured beside open ones, where an objective is about latencies.

    A closed loop's latencies are shown and not judged, and what is counted by agency or priority does not tell phases
    apart: those of the open phases could not be judged either.
    """
    measured = [
        (number, phase.get("arrivals") == "closed")
        for number, phase in enumerate(phases)
        if phase.get("kind", "load") not in ("warm-up", "drain")
    ]
    if not any("stage" in one for one in objectives) or all(not closed for _, closed in measured):
        return
    for number, closed in measured:
        if closed and not all(one for _, one in measured):
            why = f"phase {phases[number].get('name')!r} is closed, and objectives are about the latencies of others"
            yield ("phases", number, "arrivals"), f"{why}; make it a warm-up, or run it by itself"


def _of_hub(faults: Sequence[Mapping[str, Any]]) -> Iterator[Mistake]:
    """Yield faults of a hub where the run starts none."""
    for number, fault in enumerate(faults):
        if fault.get("kind") in HUB_FAULTS:
            why = f"fault {fault['kind']!r}: the hub is external, and only one that the run starts can be befallen"
            yield ("faults", number, "kind"), why


def _of_newcomers(newcomers: Sequence[Mapping[str, Any]], phases: Sequence[Mapping[str, Any]]) -> Iterator[Mistake]:
    """Yield newcomers that nothing could be laid upon, or that are like each other."""
    codes = [one.get("code") for one in newcomers]
    yield from _twice("newcomers", newcomers, "code")
    for number, one in enumerate(newcomers):
        if "like" in one and one["like"] in codes:
            why = f"newcomer {one.get('code')!r} is like {one['like']!r}, which is one itself"
            yield ("newcomers", number, "like"), why
    for number, phase in enumerate(phases if newcomers else ()):
        arrivals = phase.get("arrivals")
        if _sends(phase) and arrivals in _WITHOUT_RATE:
            why = f"newcomers add to a rate, and phase {phase.get('name')!r} ({arrivals}) has none"
            yield ("phases", number, "arrivals"), why
