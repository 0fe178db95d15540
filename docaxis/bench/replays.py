"""Replaying: how exactly recorded times are kept, and that a history recorded and replayed is the same again."""

from pathlib import Path
from typing import Any

import orjson

from docaxis.bench.command import docaxis
from docaxis.bench.prepared import prepared
from docaxis.bench.recordings import import_edges
from docaxis.bench.session import Session
from docaxis.bench.table import Row, Target
from docaxis.domain.errors import InfrastructureError

ERROR_MS, KS = 2.0, 0.01

#: How many seconds of the edge list pass in one where every row is to arrive, and no more is asked.
EDGE_SPEED = 10_000

#: The load at which times are to be kept, against the fastest that the same documents can be replayed at.
CEILING_PART = 4


async def measure(session: Session) -> list[Row]:
    """Replay an edge list at its speed, at full speed and at a quarter of that; then the history that was recorded."""
    with session.scratch("replays") as folder:
        return [*await _edges(session, folder), *await _history(session, folder)]


async def _edges(session: Session, folder: Path) -> list[Row]:
    documents = import_edges(folder, session.volume.edge_rows)
    await _replayed(session, folder, "edges", "--speed", str(EDGE_SPEED))
    fastest = await _replayed(session, folder, "edges", "--speed", "max")
    ceiling = documents / fastest["wall_seconds"]
    lasts_s = round(documents / ceiling * CEILING_PART, 1)
    quarter = await _replayed(session, folder, "edges", "--duration", f"{lasts_s}s")
    fidelity = quarter["fidelity"]
    error_ms = fidelity["send_error_seconds"]["p99"] * 1000
    note = f"p99 of sent − intended; {documents:,} documents in {lasts_s} s, a quarter of {ceiling:,.0f}/s"
    note_ks = f"{fidelity['gaps_compared']:,} gaps of 10 ms and more; every row delivered once, ties in order"
    return [
        Row("replay_error", error_ms, "ms", None, Target(ERROR_MS, at_most=True, of_ratio=False), note),
        Row("replay_ks", fidelity["ks_pooled"], "", None, Target(KS, at_most=True, of_ratio=False), note_ks),
    ]


async def _history(session: Session, folder: Path) -> list[Row]:
    topics = await prepared(session)
    servers = str(session.settings.kafka.bootstrap_servers)
    session.tell("replay: the history of the prepared topics, recorded ...")
    await docaxis(folder, "record", "history", "--bootstrap-servers", servers, "--prefix", topics.prefix)
    again = await _replayed(session, folder, "history", "--speed", "max")
    counted = (again["ledger"]["documents"], again["ledger"]["delivered_once"])
    if counted != (topics.documents, topics.deliveries):
        raise InfrastructureError(
            f"replayed {counted}, recorded {(topics.documents, topics.deliveries)}", next_step="read the logs"
        )
    timed = await _replayed(session, folder, "history", "--duration", f"{session.volume.replay_seconds}s")
    error_ms = timed["fidelity"]["send_error_seconds"]["p99"] * 1000
    volume = f"{topics.documents:,} documents, {topics.deliveries:,} deliveries"
    bursts = "they were sent in bursts of thousands at one moment, as fast as it went"
    return [
        Row("replay_history", again["wall_seconds"], "s", None, None, f"{volume}: the same ledger again"),
        Row("replay_history_error", error_ms, "ms", None, None, f"p99, in {session.volume.replay_seconds} s; {bursts}"),
    ]


async def _replayed(session: Session, folder: Path, recording: str, *options: str) -> dict[str, Any]:
    """Replay to the end, on topics of its own that are dropped; return the result."""
    prefix, servers = "bench-replay", str(session.settings.kafka.bootstrap_servers)
    session.tell(f"replay: {recording} {' '.join(options)} ...")
    _, said = await docaxis(folder, "replay", recording, *options, "--bootstrap-servers", servers, "--prefix", prefix)
    await session.drop_topics(prefix)
    result: dict[str, Any] = orjson.loads((folder / "runs" / "latest" / "result.json").read_bytes())
    if not result["fidelity"]["complete"]:
        raise InfrastructureError(f"the replay was not complete: {said[-500:]}", next_step="read the logs")
    return result
