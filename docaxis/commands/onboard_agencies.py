"""Who joins: agencies from a file, or made from a code, and the registry that has them beside those already there."""

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from docaxis.domain.agency import AGENCIES_MAX, Agency, Registry, load_agencies, normalise
from docaxis.domain.errors import UsageError


def joining_agencies(agency: str, like: str, count: int | None, registry: Registry) -> list[Agency]:
    """Return the agencies that join, indexed behind those of the registry.

    `agency` is a file of a registry's form, or the code of an agency that is made up after `like`; `count` is how many
    of the file's rows join (all, if None), or how many codes are counted on from the first. Raises UsageError.
    """
    if like not in registry.positions:
        raise UsageError(f"--like {like}: no such agency in the registry", next_step="give a code as in H35")
    if len(registry) + (count or 1) > AGENCIES_MAX:
        raise UsageError(
            f"--count {count}: with {len(registry)} agencies there, that is more than {AGENCIES_MAX}",
            next_step="let fewer join",
        )
    if Path(agency).is_file() or agency.endswith(".csv") or os.sep in agency:
        found = _of_file(agency, count, registry)
    else:
        found = _of_code(agency, registry.agency(like), count or 1, registry)
    return [replace(one, index=len(registry) + number) for number, one in enumerate(found)]


def _of_file(file: str, count: int | None, registry: Registry) -> list[Agency]:
    found = load_agencies(file)
    if count is not None and count > len(found):
        raise UsageError(f"--count {count}: {file} has {len(found)} agencies", next_step="give more rows, or fewer")
    found = found[:count]
    known = [one.code for one in found if one.code in registry.positions]
    if known:
        raise UsageError(
            f"{file}: {', '.join(known[:5])} is in the registry already",
            next_step="name agencies that are not there yet, or another --registry",
        )
    return found


def _of_code(text: str, like: Agency, count: int, registry: Registry) -> list[Agency]:
    try:
        code = normalise(text)
    except ValueError as error:
        raise UsageError(f"--agency {text} is neither a file nor a code: {error}", next_step="as in H95") from error
    if code in registry.positions:
        raise UsageError(
            f"--agency {code}: {registry.agency(code).name_vi} is in the registry already",
            next_step="give a code that is not there yet, or a file of new agencies",
        )
    codes = [code, *_counted_on(code, count - 1, registry)]
    return [
        replace(
            like,
            code=one,
            organ_id=f"000.00.00.{one}",
            name_vi=f"Cơ quan mới {one}",
            name_en=f"New agency {one}",
            abbr=one,
            code_certainty="assumption",
            code_evidence="",
            membership_evidence="",
            successor=None,
            dissolved=False,
        )
        for one in codes
    ]


def _counted_on(code: str, count: int, registry: Registry) -> list[str]:
    """Return the next free codes: H95, H96, ... and H100 after H99."""
    match = re.fullmatch(r"([A-Y])(\d+)", code)
    assert match is not None
    letter, number, width = match[1], int(match[2]), len(match[2])
    codes: list[str] = []
    while len(codes) < count:
        number += 1
        further = f"{letter}{number:0{width}d}"
        if further not in registry.positions:
            codes.append(further)
    return codes


def registry_with(registry: Registry, joining: Sequence[Agency]) -> Registry:
    """Return the registry with those that join behind the others."""
    return Registry([*registry.agencies, *joining])
