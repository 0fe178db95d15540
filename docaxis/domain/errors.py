"""Errors shown to people: what was found, where, and what to do next.

    DocaxisError                    the root; `docaxis.cli.main` turns it into one message and an exit code
    ├── UsageError             2    a wrong option, file or value: the user can put it right and try again
    │   └── SettingsError      2    the settings, all their faults together
    ├── RunInvalidError        3    the run ended, but its figures must not be believed
    └── InfrastructureError    4    the machine, the network, Java or Kafka failed
        ├── ClusterError       4    Kafka answers, but is not what was asked for (too old, topics differ)
        └── UnreachableError   4    nobody answers; worth another try (`retriable`)

Exit code 0 means that all objectives were met, 1 that one was not (an answer, and no error), 130 an interruption by
Ctrl-C or SIGTERM, 70 a fault of docaxis itself (the only case that shows a traceback). Raise the most exact class;
catch a class only where something can be done about it, otherwise let it reach `main`.
"""

from collections.abc import Sequence
from typing import ClassVar

#: A fault of docaxis itself, as sysexits.h calls it; kept apart from the codes that say something about a run.
EXIT_INTERNAL = 70
#: Ctrl-C or a request to end, by the shells' convention of 128 + the number of the signal.
EXIT_INTERRUPTED = 130


class DocaxisError(Exception):
    """The root. `message` names the value found and its place, `next_step` what the reader can do about it."""

    #: Exit code of a command that ends with this error.
    exit_code: ClassVar[int] = 4
    #: True when the same call may succeed a little later without anybody's help.
    retriable: ClassVar[bool] = False

    def __init__(self, message: str, *, next_step: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.next_step = next_step

    def render(self) -> str:
        """Return the text for a person: the message, and the next step on its own line."""
        return f"{self.message}\n  → {self.next_step}" if self.next_step else self.message


class UsageError(DocaxisError):
    """A user's mistake: wrong file, wrong option. Ends the command with exit code 2 and no traceback."""

    exit_code = 2


class SettingsError(UsageError):
    """Settings with faults. All of them are in `faults`, each naming its value and where that came from."""

    def __init__(self, faults: Sequence[str], *, next_step: str = "") -> None:
        count = len(faults)
        head = "The settings have a fault" if count == 1 else f"The settings have {count} faults"
        super().__init__("\n".join([f"{head}:", *(f"  - {fault}" for fault in faults)]), next_step=next_step)
        self.faults = tuple(faults)


class RunInvalidError(DocaxisError):
    """The run's figures must not be believed: the generator was late, a clock stepped, warm-up was not reached."""

    exit_code = 3


class InfrastructureError(DocaxisError):
    """The machine, the network, Java or Kafka failed; the message says which."""

    exit_code = 4


class ClusterError(InfrastructureError):
    """Kafka answers, but is not what was asked for: too old, not authorised, topics that differ."""


class UnreachableError(InfrastructureError):
    """Nobody answers at the address; catch it to wait and try again within a bound."""

    retriable = True
