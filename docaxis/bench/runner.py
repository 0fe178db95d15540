"""Runs benchmarks in order, on one broker that is theirs alone, and shows what came out."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from importlib import import_module

from docaxis.bench.session import QUICK, Session, Volume
from docaxis.bench.table import Row
from docaxis.domain.errors import UsageError
from docaxis.kafka.broker import EmbeddedBroker
from docaxis.settings import Settings


@dataclass(frozen=True, slots=True)
class Benchmark:
    """One benchmark: where it is and which rows it gives."""

    module: str
    rows: tuple[str, ...]


#: In the order of running: what wants the machine most undisturbed comes first.
BENCHMARKS: tuple[Benchmark, ...] = (
    Benchmark("history", ("history", "history_with_start", "memory", "memory_growth")),
    Benchmark("streams", ("meter", "meter_stock", "ledger", "ledger_and_meter")),
    Benchmark("hub", ("hub",)),
    Benchmark("generator", ("generator", "generator_bulk", "generator_drafting", "generator_bulk_drafting")),
    Benchmark("codec", ("codec",)),
    Benchmark("schedule", ("schedule_error",)),
    Benchmark("load_test", ("load_test_error", "load_test_lost", "load_test_valid")),
    Benchmark("replays", ("replay_error", "replay_ks", "replay_history", "replay_history_error")),
    Benchmark("recordings", ("record", "import", "recording_memory")),
    Benchmark("scrapes", ("scrapes", "series")),
    Benchmark("watching", ("watching", "viewers")),
)


def chosen(names: Sequence[str]) -> list[Benchmark]:
    """Return the benchmarks that give these rows; all if none is named.

    Raises:
        UsageError: there is no such row.
    """
    known = [row for benchmark in BENCHMARKS for row in benchmark.rows]
    for name in names:
        if name not in known:
            raise UsageError(f"no benchmark {name!r}", next_step=f"choose among {', '.join(known)}")
    return [benchmark for benchmark in BENCHMARKS if not names or set(names) & set(benchmark.rows)]


def run(settings: Settings, names: Sequence[str], *, quick: bool, tell: Callable[[str], None]) -> list[Row]:
    """Start a broker, run the benchmarks, stop it and remove its data; return the rows in order."""
    benchmarks = chosen(names)
    # A home of its own: a broker that the user has running is neither used nor disturbed.
    home = settings.paths.home / "bench"
    own = settings.model_copy(update={"paths": settings.paths.model_copy(update={"home": home})})
    broker = EmbeddedBroker(own, owned=True, report=tell)
    broker.start()
    logs = home / "logs"
    shutil.rmtree(logs, ignore_errors=True)
    logs.mkdir(parents=True)
    try:
        session = Session(own.with_servers(broker.bootstrap_servers), QUICK if quick else Volume(), logs, tell)
        return asyncio.run(_measure(session, benchmarks))
    finally:
        broker.stop(remove_data=True)


async def _measure(session: Session, benchmarks: Sequence[Benchmark]) -> list[Row]:
    rows: list[Row] = []
    for benchmark in benchmarks:
        measure: Callable[[Session], Awaitable[list[Row]]] = import_module(f"docaxis.bench.{benchmark.module}").measure
        rows += await measure(session)
    return rows
