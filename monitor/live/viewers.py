"""Those who watch: each an open stream of server-sent events, with bounds on how many and on what waits for each.

A frame is encoded once for all viewers of a run. A viewer that takes frames too slowly loses them and is given the
whole picture again, so it costs a bounded amount of memory and never sees half a change.
"""

import asyncio
from collections import deque
from collections.abc import Iterator

import orjson

#: Pages open at a time.
VIEWERS_MAX = 50

#: Frames that may wait for one viewer before it has to begin anew.
FRAMES_MAX = 5


def frame(event: str, data: object) -> bytes:
    """Return a server-sent event. JSON has no raw line breaks, so one `data` line holds it."""
    return b"event: " + event.encode() + b"\ndata: " + orjson.dumps(data, option=orjson.OPT_NON_STR_KEYS) + b"\n\n"


class Viewer:
    """One open page."""

    def __init__(self, run: str) -> None:
        self.run = run  # "": whichever is the newest
        self.shown = ""  # the run of the frames that it got
        self.needs_all = True
        self._frames: deque[bytes] = deque()
        self._waiting = asyncio.Event()
        self.resynced = 0

    def push(self, data: bytes) -> None:
        """Give it a frame, or note that it fell behind."""
        if len(self._frames) >= FRAMES_MAX:
            self._frames.clear()
            self.needs_all = True
            self.resynced += 1
        if not self.needs_all:
            self._frames.append(data)
            self._waiting.set()

    def begin(self, data: bytes) -> None:
        """Give it the whole picture, in the place of all that still waits."""
        self._frames.clear()
        self._frames.append(data)
        self.needs_all = False
        self._waiting.set()

    async def take(self) -> bytes:
        """Wait for frames and return all that are there."""
        await self._waiting.wait()
        self._waiting.clear()
        data = b"".join(self._frames)
        self._frames.clear()
        return data


class Viewers:
    """All open pages."""

    def __init__(self, viewers_max: int = VIEWERS_MAX) -> None:
        self._max = viewers_max
        self._open: set[Viewer] = set()
        self.refused = 0

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> Iterator[Viewer]:
        return iter(list(self._open))

    def admit(self, run: str) -> Viewer | None:
        """Open a page; None if too many are open."""
        if len(self._open) >= self._max:
            self.refused += 1
            return None
        viewer = Viewer(run)
        self._open.add(viewer)
        return viewer

    def leave(self, viewer: Viewer) -> None:
        """Close a page."""
        self._open.discard(viewer)
