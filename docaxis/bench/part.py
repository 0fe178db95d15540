"""One timed part in a process of its own: `python -m docaxis.bench.part NAME ARGUMENTS`, which prints one JSON line."""

import asyncio
import gc
import logging
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import orjson

from docaxis.domain.errors import InfrastructureError
from docaxis.settings import Settings, load_settings

#: A part that takes longer than this hangs.
WITHIN_S = 600.0

_LINES_SHOWN = 6


async def run_part(settings: Settings, log: Path, name: str, **arguments: Any) -> dict[str, Any]:
    """Run one of the timed parts with these settings and return the JSON object it prints.

    Raises:
        InfrastructureError: it failed, or took too long; its log says why.
    """
    with log.open("ab") as stderr:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "docaxis.bench.part",
            name,
            orjson.dumps(arguments).decode(),
            stdin=asyncio.subprocess.PIPE,  # its end tells the part that this process is gone
            stdout=asyncio.subprocess.PIPE,
            stderr=stderr,
            env={**os.environ, **settings.to_environment()},
            start_new_session=True,  # a group of its own, which ends as one
        )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        out = await asyncio.wait_for(process.stdout.read(), WITHIN_S)
        await process.wait()
    except TimeoutError:
        out = b""
    finally:
        process.stdin.close()
        await process.wait()
    if process.returncode or not out.strip():
        said = log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LINES_SHOWN:]
        raise InfrastructureError(
            f"The part {name} ended with code {process.returncode}; it said last:\n" + "\n".join(said),
            next_step=f"read {log}",
        )
    result: dict[str, Any] = orjson.loads(out.splitlines()[-1])
    return result


def main(name: str, arguments: dict[str, Any]) -> None:
    """Run a part in this process and print its rates."""
    import uvloop

    from docaxis.bench import bare, floor, measured, sending
    from docaxis.commands.role import GC_THRESHOLD

    parts: dict[str, Callable[..., Awaitable[dict[str, float]]]] = {
        "bare-read": bare.read,
        "bare-route": bare.route,
        "stream": measured.stream,
        "hub": measured.hub,
        "stock": measured.stock,
        "send": sending.send,
    }
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if name == "floor":  # processes of its own, and prints by itself
        floor.main(**arguments)
        return
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    gc.set_threshold(*GC_THRESHOLD)  # both sides of a ratio: what helps one helps the other

    async def run() -> dict[str, float]:
        return await parts[name](load_settings(), **arguments)

    print(orjson.dumps(uvloop.run(run())).decode(), flush=True)


def _end_with_parent() -> None:
    """End with all children when standard input ends: a pipe that only the parent holds."""
    while os.read(sys.stdin.fileno(), 1024):
        pass
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main(sys.argv[1], orjson.loads(sys.argv[2]))
