"""The whole exchange against the floor, and the memory it takes."""

import time

from docaxis.bench.memory import MemoryWatch, rss_bytes
from docaxis.bench.part import run_part
from docaxis.bench.session import SEED, Exchange, Session, rest
from docaxis.bench.table import Row, Target, median_of
from docaxis.commands.axis import Axis
from docaxis.kafka.topics import delete_topics
from monitor.progress import Moment
from producers.history import DEFAULT_UNTIL, History

#: Sent and received documents of the floor, a document: itself and 3.4 recipients.
_FLOOR_PER_DOCUMENT = 4.4

MEMORY_MAX_MB = 500
GROWTH_MAX = 1.25


async def measure(session: Session) -> list[Row]:
    """Take turns: the floor, then the same number of documents sent and received through docaxis."""
    floors: list[float] = []
    exchanges: list[Exchange] = []
    memory = MemoryWatch()
    planned = History.load().plan(SEED, DEFAULT_UNTIL, scale=session.volume.history_scale)[-1]
    total = planned.sent + planned.received
    for number in range(session.volume.history_rounds):
        floors.append(await _floor(session, round(total / _FLOOR_PER_DOCUMENT / 10) * 10))
        exchanges.append(await _exchange(session, number, total, memory))
    wall_seconds = [one.wall_seconds for one in exchanges]
    floor_s, ours_s = median_of(floors), median_of(wall_seconds)
    with_start_s = median_of(one.wall_seconds + one.start_seconds for one in exchanges)
    volume = f"{planned.sent:,} documents, {planned.received:,} deliveries, exactly once"
    turns = ", ".join(f"{ours:.1f}/{floor:.1f}" for ours, floor in zip(wall_seconds, floors, strict=True))
    return [
        Row(
            "history",
            ours_s,
            "s",
            floor_s,
            Target(1.6, at_most=True),
            f"{volume}; turns {turns} s; {exchanges[-1].cpu_note()}",
        ),
        Row("history_with_start", with_start_s, "s", floor_s, None, "with the start of hub and stream worker"),
        *_memory_rows(exchanges, memory),
    ]


async def _floor(session: Session, documents: int) -> float:
    session.tell(f"floor: {documents:,} documents by bare loops ...")
    servers = session.settings.kafka.bootstrap_servers
    result = await run_part(
        session.settings, session.folder / "floor.log", "floor", bootstrap=servers, documents=documents
    )
    await delete_topics(session.settings.kafka, ("floor.sent", "floor.delivered", "floor.status"))
    await rest()
    session.tell(f"  {result['wall_seconds']:.1f} s")
    return float(result["wall_seconds"])


async def _exchange(session: Session, number: int, total: int, memory: MemoryWatch) -> Exchange:
    session.tell(f"history: {total:,} documents sent and received, with hub, audit and metrics ...")
    sampled_s = 0.0

    def watch(axis: Axis, moment: Moment) -> None:
        nonlocal sampled_s
        if time.monotonic() - sampled_s < 0.5:
            return
        sampled_s = time.monotonic()
        done = (moment.documents + moment.deliveries) / total
        for child in axis.children:
            memory.note(f"{child.name} {number}", done, rss_bytes(child.pid))

    prefix = f"bench-history-{number}"
    exchange = await session.history(prefix, session.volume.history_scale, watch)
    session.tell(f"  {exchange.wall_seconds:.1f} s")
    await session.drop_topics(prefix)
    await rest()
    return exchange


def _memory_rows(exchanges: list[Exchange], memory: MemoryWatch) -> list[Row]:
    peaks: dict[str, float] = {}
    for exchange in exchanges:
        for name, peak in exchange.conducted.peak_rss_bytes.items():
            peaks[name] = max(peaks.get(name, 0.0), peak / 1e6)
    growth = memory.growth()
    rows = []
    if peaks:
        said = ", ".join(f"{name} {peak:.0f}" for name, peak in peaks.items())
        target = Target(MEMORY_MAX_MB, at_most=True, of_ratio=False)
        rows.append(Row("memory", max(peaks.values()), "MB", None, target, f"peak resident: {said}"))
    if growth:
        worst: dict[str, float] = {}
        for name, grown in growth.items():
            role = name.split(" ", maxsplit=1)[0]
            worst[role] = max(worst.get(role, 0.0), grown)
        said = ", ".join(f"{name} {grown:.2f}" for name, grown in worst.items())
        target = Target(GROWTH_MAX, at_most=True, of_ratio=False)
        rows.append(
            Row("memory_growth", max(worst.values()), "×", None, target, f"second half's peak by the first's: {said}")
        )
    return rows
