"""How many documents a core can send: each at a time of its own, and in bulk; drafted before, and while sending."""

from docaxis.bench.part import run_part
from docaxis.bench.session import SEED, Session, rest
from docaxis.bench.table import Row, Target, median_of

#: Row -> (documents are drafted before, in bulk, documents a second of a core that are wanted).
_WAYS: dict[str, tuple[bool, bool, float | None]] = {
    "generator": (True, False, 150_000),
    "generator_bulk": (True, True, 300_000),
    "generator_drafting": (False, False, None),
    "generator_bulk_drafting": (False, True, None),
}

_NOTES = {
    "generator": "documents a second of a core, each stamped, timed and acknowledged by itself; drafted before",
    "generator_bulk": "the same in a closed loop, stamped by the slice; drafted before",
    "generator_drafting": "as generator, with drafting beside it",
    "generator_bulk_drafting": "as generator_bulk, with drafting beside it",
}


async def measure(session: Session) -> list[Row]:
    """Take turns: each way in a process of its own, to topics of its own."""
    documents = session.volume.generator_documents
    rates: dict[str, list[dict[str, float]]] = {name: [] for name in _WAYS}
    for turn in range(session.volume.rounds):
        session.tell(f"generator: {documents:,} documents, turn {turn + 1} of {session.volume.rounds} ...")
        for name, (ahead, bulk, _) in _WAYS.items():
            prefix = f"bench-{name.replace('_', '-')}-{turn}"
            await session.create_topics(prefix)
            log = session.folder / f"{name}.log"
            how = {"drafted_ahead": ahead, "bulk": bulk, "seed": SEED}
            one = await run_part(session.settings, log, "send", prefix=prefix, documents=documents, **how)
            rates[name].append(one)
            session.tell(f"  {name:<24} {one['per_cpu_second']:>9,.0f} documents/s of a core")
            await session.drop_topics(prefix)
            await rest(0.5)
    return [_row(name, rates[name], wanted) for name, (*_, wanted) in _WAYS.items()]


def _row(name: str, rates: list[dict[str, float]], wanted: float | None) -> Row:
    by_cpu, by_clock = (median_of(one[key] for one in rates) for key in ("per_cpu_second", "per_second"))
    target = Target(wanted, at_most=False, of_ratio=False) if wanted is not None else None
    note = f"{_NOTES[name]}; {by_clock:,.0f} by the clock, the broker on the same machine"
    return Row(name, by_cpu, "documents/s", None, target, note)
