"""Runs: what an event belongs to. Most are traffic; a canary's are measured apart and never counted as such.

The kind is in the run's id, because the id is all that travels with an event: whoever reads it can tell.
"""

#: Runs of canaries begin so.
CANARY_PREFIX = "canary-"


def canary_run(name: str) -> str:
    """Return the run of the canary called `name`; it stays the same however often that canary is started."""
    return f"{CANARY_PREFIX}{name}"


def is_canary(run: str) -> bool:
    """Return whether a run is a canary's, so that its events are no traffic."""
    return run.startswith(CANARY_PREFIX)
