"""The keeper: a small process between a command and the brokers it owns, so that they never outlive it.

A command that is killed with SIGKILL cannot clean up. The keeper can: it holds the other end of a pipe, and when that
closes, however the command ended, it stops the brokers as one should (SIGTERM, patience, SIGKILL) and leaves. It runs
in a session of its own, so Ctrl-C in the terminal reaches the command and not the brokers.

It starts them too, on request, so that no moment exists in which a broker runs and nobody watches. Requests and
answers are JSON lines: {"start": argv, "output": path} -> {"pid": n} or {"error": text}; {"release": true} makes it
leave without stopping anything.

It imports the standard library only and is run by its path: it starts in 20 ms and takes 10 MB.
"""

import json
import os
import select
import signal
import subprocess
import sys
import time

_POLL_S = 0.5


class Keeper:
    """Starts, collects and finally stops child processes."""

    def __init__(self, stop_timeout_s: float) -> None:
        self._children: list[subprocess.Popen[bytes]] = []
        self._stop_timeout_s = stop_timeout_s
        self._parent_pid = os.getppid()
        self._released = False
        self._stopping = False
        self._requests = b""

    def run(self) -> None:
        """Serve requests until the owner is gone, then stop what was started."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, self._ask_to_stop)
        while not self._stopping and self._serve():
            self._children = [child for child in self._children if child.poll() is None]
        if not self._released:
            self._stop()

    def _ask_to_stop(self, *_: object) -> None:
        self._stopping = True

    def _serve(self) -> bool:
        """Wait a moment for requests and answer them; return False when there is nobody left to serve."""
        readable, _, _ = select.select([0], [], [], _POLL_S)
        if not readable:
            # A process forked by the owner may hold the pipe open; the owner's own end shows here.
            return os.getppid() == self._parent_pid
        received = os.read(0, 65_536)
        if not received:
            return False
        *lines, self._requests = (self._requests + received).split(b"\n")
        for line in lines:
            request = json.loads(line)
            if request.get("release"):
                self._released = True
                return False
            os.write(1, json.dumps(self._start(request["start"], request["output"])).encode() + b"\n")
        return True

    def _start(self, argv: list[str], output: str) -> dict[str, object]:
        try:
            with open(output, "ab") as stream:  # noqa: PTH123  # pathlib would double the start-up time
                child = subprocess.Popen(
                    argv, stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT, start_new_session=True
                )
        except OSError as error:
            return {"error": str(error)}
        self._children.append(child)
        return {"pid": child.pid}

    def _stop(self) -> None:
        for child in self._children:
            child.send_signal(signal.SIGTERM)
            child.send_signal(signal.SIGCONT)  # one that SIGSTOP holds would never read its SIGTERM
        deadline = time.monotonic() + self._stop_timeout_s
        for child in self._children:
            try:
                child.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


if __name__ == "__main__":
    Keeper(stop_timeout_s=float(sys.argv[1])).run()
