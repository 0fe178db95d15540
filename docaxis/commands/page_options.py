"""The options of every command that serves the live page."""

from pathlib import Path
from typing import Annotated

import typer

from docaxis.domain.errors import UsageError
from monitor.group_lag import GROUPS_MAX
from monitor.live.page import LiveSettings
from monitor.service_objectives import ServiceObjectives

Listen = Annotated[
    str, typer.Option(help="Address that the live page is served on; beyond loopback, mind who can see it.")
]
AllowHost = Annotated[
    list[str] | None, typer.Option("--allow-host", help="Name under which the page may be asked for, beside addresses.")
]
TokenFile = Annotated[
    Path | None,
    typer.Option("--token-file", help="File with the token that controls ask for; without it there are none."),
]
PagePort = Annotated[int, typer.Option(min=0, max=65535, help="Port of the live page; 0: a free one.")]
ObjectivesFile = Annotated[
    Path | None,
    typer.Option("--objectives", help="Service objectives (TOML) that the page shows; default: those of docaxis."),
]

#: A token that could be guessed is none.
TOKEN_CHARACTERS_MIN = 16


def live_settings(
    listen: str,
    port: int,
    allow_host: list[str] | None,
    token_file: Path | None,
    late_after_s: float = 60,
    objectives: Path | None = None,
    groups: list[str] | None = None,
) -> LiveSettings:
    """Return the page's settings. Raises UsageError for a file that cannot be used, or for too many groups."""
    token = _read_token(token_file) if token_file is not None else ""
    names = tuple(dict.fromkeys(groups or ()))
    if len(names) > GROUPS_MAX:
        raise UsageError(
            f"{len(names)} consumer groups are too many for one monitor, which follows {GROUPS_MAX}",
            next_step="name the groups that read the axis's topics, and no others",
        )
    promises = ServiceObjectives.load(objectives)
    return LiveSettings(listen, port, token, tuple(allow_host or ()), late_after_s, promises, names)


def _read_token(file: Path) -> str:
    try:
        token = file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the token file {file}: {error}", next_step="give a readable file") from error
    if len(token) < TOKEN_CHARACTERS_MIN:
        raise UsageError(
            f"the token in {file} has {len(token)} characters, and needs {TOKEN_CHARACTERS_MIN}",
            next_step="write a random one: python3 -c 'import secrets; print(secrets.token_urlsafe(24))'",
        )
    return token
