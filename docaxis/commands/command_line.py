"""The command line as it was typed, so that a result can say how to make it again."""

import re
import shlex
from collections.abc import Sequence
from contextvars import ContextVar

#: What follows `docaxis`; None where a program calls us without one.
TYPED: ContextVar[tuple[str, ...] | None] = ContextVar("typed", default=None)

#: Options whose value nobody else should read. None of ours takes a secret, only files of them; a mistyped one may.
_SECRET = re.compile(r"--?[\w-]*(?:password|passwd|secret|token|api-?key|credential)s?", re.IGNORECASE)

#: A user and a password in an address.
_USER_INFO = re.compile(r"(?<=://)[^/@\s]+(?=@)")

#: What stands for a secret, as in the settings.
MASK = "**********"


def typed_command_line() -> str | None:
    """Return the command line, secrets masked, to be given to a shell again; None if there was none."""
    typed = TYPED.get()
    return None if typed is None else shlex.join(["docaxis", *masked(typed)])


def masked(arguments: Sequence[str]) -> list[str]:
    """Return the arguments with secrets masked."""
    shown: list[str] = []
    follows = False  # the value of an option that names a secret
    for argument in arguments:
        name, equals, _ = argument.partition("=")
        names_secret = _SECRET.fullmatch(name) is not None
        if follows and not argument.startswith("-"):
            argument = MASK
        elif names_secret and equals:
            argument = f"{name}={MASK}"
        follows = names_secret and not equals
        shown.append(_USER_INFO.sub(MASK, argument))
    return shown
