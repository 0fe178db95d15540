"""A whole load test on one machine: how fast the axis goes, then a quarter of that on an open schedule, self-measured.

Broker, hub, stream worker and agencies share the machine, as they do for whoever tries docaxis first.
"""

from typing import Any

from docaxis.bench.session import SEED, Session, rest
from docaxis.bench.table import Row, Target
from docaxis.commands.load_end import Finished
from docaxis.commands.load_test import prepare
from docaxis.commands.run import run_load_test

ERROR_MAX_MS = 2.0

#: Of the ceiling.
SHARE = 0.25

#: Deliveries under way while the ceiling is looked for.
WINDOW = 50_000


async def measure(session: Session) -> list[Row]:
    """Find the ceiling in a closed loop, then offer a quarter of it and see whether the run is to be believed."""
    volume = session.volume
    session.tell(f"load test: the ceiling, a closed loop of {volume.ceiling_seconds} s, everything on this machine ...")
    closed = {"arrivals": "closed", "in_flight": WINDOW}
    ceiling = await _run(session, "ceiling", volume.ceiling_seconds, closed)
    documents_per_s = ceiling.result["phases"][0]["sent"] / volume.ceiling_seconds
    await rest()
    rate = max(1, round(documents_per_s * SHARE))
    session.tell(f"load test: {rate:,} of {documents_per_s:,.0f} documents/s, {volume.load_seconds} s, open loop ...")
    opened = {"arrivals": "poisson", "rate": f"{rate} documents/s"}
    quarter = (await _run(session, "quarter", volume.load_seconds, opened)).result
    return rows_of(quarter, f"{rate:,} documents/s, a quarter of {documents_per_s:,.0f}, for {volume.load_seconds} s")


def rows_of(result: dict[str, Any], note: str) -> list[Row]:
    """Return what the load test says of itself and of the axis."""
    errors = result["generator"]["schedule_error_seconds"]
    ledger = result["ledger"]
    wrong = ledger["lost"] + ledger["duplicated"] + ledger["outstanding"] + len(result["faults"])
    said = "; ".join(result["invalid_reasons"]) or f"max {errors['max'] * 1000:.1f} ms"
    bound = Target(ERROR_MAX_MS, at_most=True, of_ratio=False)
    return [
        Row("load_test_error", errors["p99"] * 1000, "ms", None, bound, f"p99 schedule error at {note}; {said}"),
        Row(
            "load_test_lost",
            wrong,
            "deliveries",
            None,
            Target(0, at_most=True, of_ratio=False),
            f"lost, doubled, or not accounted for, of {ledger['deliveries_expected']:,}",
        ),
        Row(
            "load_test_valid",
            float(result["valid"]),
            "1 = yes",
            None,
            Target(1, at_most=False, of_ratio=False),
            "whether the generator was on time by the workload's own bounds",
        ),
    ]


async def _run(session: Session, name: str, seconds: int, phase: dict[str, Any]) -> Finished:
    """Run a load test of one phase over topics of its own."""
    prefix = f"bench-{name}"
    content = {
        "name": name,
        "seed": SEED,
        "phases": [
            {"name": "load", "duration": f"{seconds} s", **phase},
            {"name": "drain", "kind": "drain", "duration": "2 min"},
        ],
        "generator": {"schedule_error_p99": session.volume.late_at_most, "loop_lag_p99": session.volume.late_at_most},
    }
    settings = session.settings_for(prefix)
    own = settings.model_copy(update={"paths": settings.paths.model_copy(update={"runs": session.folder / "runs"})})
    test = prepare(name, content=content)
    finished = await run_load_test(own, test, None)
    await session.drop_topics(prefix)
    return finished
