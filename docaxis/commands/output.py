"""Standard output that may go away: the reader of a pipe may leave, and what is being done goes on without it."""

import errno
import os
from pathlib import Path
from typing import Any, TextIO

from docaxis.domain.errors import InfrastructureError


class Output:
    """A text stream that says the rest to nobody when its reader has left, as `docaxis ... | head` does.

    A load test goes on to its verdict then: that nobody reads its progress is no reason to end it.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write, as the stream does; raises InfrastructureError where the output is full."""
        try:
            return self._stream.write(text)
        except OSError as error:
            self._gave_way(error)
        return len(text)

    def flush(self) -> None:
        """Flush, as the stream does; raises InfrastructureError where the output is full."""
        try:
            self._stream.flush()
        except OSError as error:
            self._gave_way(error)

    def _gave_way(self, error: OSError) -> None:
        with Path(os.devnull).open("w", encoding="utf-8") as nobody:
            os.dup2(nobody.fileno(), self._stream.fileno())
        if error.errno != errno.EPIPE:
            raise InfrastructureError(
                f"standard output could not be written: {error.strerror or error}", next_step="send it elsewhere"
            ) from error
