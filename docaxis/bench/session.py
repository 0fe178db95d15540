"""What all benchmarks of one run share: the broker, the volumes, and whole exchanges over topics of their own."""

import asyncio
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from docaxis.commands.axis import Axis
from docaxis.commands.conduct import Conducted, Conductor, RoleCommand
from docaxis.domain.errors import InfrastructureError
from docaxis.kafka.topics import Topics, delete_topics, ensure_topics, plan_topics
from docaxis.settings import Settings
from monitor.progress import Moment
from monitor.verdict import judge
from producers.history import DEFAULT_UNTIL, History

if TYPE_CHECKING:
    from docaxis.bench.prepared import Prepared

#: The documents are the same in every run.
SEED = 1

#: Told at every moment of an exchange, with the processes it runs in.
Watch = Callable[[Axis, Moment], None]


@dataclass(frozen=True, slots=True)
class Volume:
    """How much is measured."""

    history_scale: float = 1.0  # of the published history: 1.0 is 4.4 million documents sent and received
    history_rounds: int = 2
    prepared_scale: float = 0.45  # of the records that meter, ledger and hub are given: long enough for 100 scrapes
    rounds: int = 3
    stock_records: int = 40_000
    open_rate: int = 10_000  # documents a second
    open_seconds: int = 15
    generator_documents: int = 400_000
    ceiling_seconds: int = 10
    load_seconds: int = 60
    late_at_most: str = "25 ms"  # beyond it a load test is invalid
    codec_records: int = 20_000
    scrapes: int = 100
    watched_rate: int = 1_000  # documents a second beside the live page: each agency's figures change every second
    edge_rows: int = 80_000
    replay_seconds: int = 60
    generated_rows: int = 100_000_000


#: Enough to see that everything works; the figures mean little.
QUICK = Volume(
    history_scale=0.01,
    history_rounds=1,
    prepared_scale=0.01,
    rounds=1,
    stock_records=3_000,
    open_rate=2_000,
    open_seconds=3,
    generator_documents=20_000,
    ceiling_seconds=1,
    load_seconds=2,
    late_at_most="60 s",
    codec_records=2_000,
    scrapes=10,
    watched_rate=100,
    edge_rows=2_000,
    replay_seconds=5,
    generated_rows=200_000,
)


@dataclass(frozen=True, slots=True)
class Exchange:
    """One whole exchange that was seen to its end."""

    run: str
    documents: int
    deliveries: int
    wall_seconds: float  # from the start of the fleets to the last delivery closed
    start_seconds: float  # before that: starting hub and stream worker
    cpu_seconds: dict[str, float]  # of each process, all in all
    conducted: Conducted

    def cpu_note(self) -> str:
        """Return the processor time of each process in words."""
        return "processor time " + ", ".join(f"{name} {spent:.1f} s" for name, spent in self.cpu_seconds.items())


@dataclass(slots=True)
class Session:
    """One run of benchmarks on one broker."""

    settings: Settings
    volume: Volume
    folder: Path  # logs of the processes
    tell: Callable[[str], None]
    prepared: "Prepared | None" = field(default=None)  # made when the first benchmark asks for it

    @contextmanager
    def scratch(self, name: str) -> Iterator[Path]:
        """Give an empty folder, which is removed at the end."""
        folder = self.folder / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def settings_for(self, prefix: str) -> Settings:
        """Return the settings with topics of another prefix."""
        return self.settings.model_copy(update={"topics": self.settings.topics.model_copy(update={"prefix": prefix})})

    async def create_topics(self, prefix: str) -> Topics:
        """Create the topics of a prefix."""
        settings = self.settings_for(prefix)
        await ensure_topics(settings.kafka, plan_topics(settings.topics))
        return Topics(prefix)

    async def drop_topics(self, prefix: str) -> None:
        """Delete the topics of a prefix: what was measured needs its disk no more."""
        await delete_topics(self.settings.kafka, Topics(prefix).all)

    async def history(self, prefix: str, scale: float, watch: Watch) -> Exchange:
        """Exchange the history at a scale over topics of a new prefix, as `docaxis demo` does."""
        arguments = ["fleet", "--history", "--seed", str(SEED), "--scale", str(scale), "--run", prefix]
        return await self.exchange(prefix, [RoleCommand("fleet", arguments)], watch, scale=scale)

    async def exchange(
        self, prefix: str, fleets: Sequence[RoleCommand], watch: Watch, *, scale: float | None = None
    ) -> Exchange:
        """Run hub, stream worker and these fleets to the end; the run is called as the prefix.

        Raises:
            InfrastructureError: not every delivery was accounted for, so the time it took means nothing.
        """
        await self.create_topics(prefix)
        milestones = [] if scale is None else History.load().plan(SEED, DEFAULT_UNTIL, scale=scale)
        begun_s, started_s = time.monotonic(), 0.0
        async with Axis(self.settings_for(prefix), self.folder / prefix) as axis:

            def tell(moment: Moment) -> None:
                nonlocal started_s
                started_s = started_s or time.monotonic() - moment.elapsed_s
                watch(axis, moment)

            conductor = Conductor(self.settings_for(prefix), axis, prefix, fleets=len(fleets))
            processors = [RoleCommand(name, [name]) for name in ("hub", "stream")]
            conducted = await conductor.conduct(processors, fleets, tell)
        verdict = judge(conducted.readings, prefix, milestones, drained=conducted.drained)
        if not verdict.passed:
            raise InfrastructureError(
                f"The exchange {prefix} was not accounted for: " + "; ".join(verdict.faults),
                next_step=f"read the logs in {self.folder / prefix}",
            )
        ledger = verdict.ledger
        return Exchange(
            prefix,
            ledger.documents,
            ledger.delivered_once,
            conducted.wall_seconds,
            started_s - begun_s,
            dict(axis.cpu_seconds),
            conducted,
        )


async def rest(seconds: float = 1.0) -> None:
    """Let the broker come to rest between two measurements: deleting topics and compaction take their time."""
    await asyncio.sleep(seconds)
