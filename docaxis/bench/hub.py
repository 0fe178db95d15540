"""The hub against a bare transactional loop that routes the same documents without a check."""

from docaxis.bench.part import run_part
from docaxis.bench.prepared import prepared
from docaxis.bench.session import Session, rest
from docaxis.bench.table import Row, Target, median_of

#: Documents of one transaction, on both sides.
DOCUMENTS_MAX = 2000


async def measure(session: Session) -> list[Row]:
    """Take turns: bare, hub; each in a process of its own, to topics of its own."""
    topics = await prepared(session)
    rates: dict[str, list[dict[str, float]]] = {"bare-route": [], "hub": []}
    for turn in range(session.volume.rounds):
        session.tell(f"hub: {topics.deliveries:,} deliveries, turn {turn + 1} of {session.volume.rounds} ...")
        for name, results in rates.items():
            out = f"bench-{name}-{turn}"
            await session.create_topics(out)
            results.append(
                await run_part(
                    session.settings,
                    session.folder / f"{name}.log",
                    name,
                    prefix=topics.prefix,
                    out=out,
                    group=out,
                    documents=topics.documents,
                    documents_max=DOCUMENTS_MAX,
                )
            )
            session.tell(f"  {name:<16} {results[-1]['per_second']:>9,.0f} deliveries/s")
            await session.drop_topics(out)
            await rest(0.5)
    ours, bare = (median_of(one["per_second"] for one in rates[name]) for name in ("hub", "bare-route"))
    by_cpu = median_of(one["per_cpu_second"] for one in rates["hub"]) / median_of(
        one["per_cpu_second"] for one in rates["bare-route"]
    )
    note = f"against a loop of transactions of {DOCUMENTS_MAX:,} documents, unchecked; {by_cpu:.2f} by processor time"
    return [Row("hub", ours, "deliveries/s", bare, Target(0.7, at_most=False), note)]
