"""A small application on the batch transport, as a program that tests start, stop and kill.

    python -m tests.support.batch_worker '{"bootstrap_servers": ..., "group": ..., "topics": [...], "folder": ...}'

It counts the records of each partition number and stores the counts with the positions up to which they are true in
one file a number, every `store_interval_s` and when partitions are handed over; commits follow what is stored.
"""

import asyncio
import json
import signal
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from streams.batch import TP, BatchApp, BatchHooks, BatchSettings, batch_topic, build_app, run_app


@dataclass
class Kept:
    """What is known of one partition number: by topic, the next offset, how many records, the sum of their values."""

    position: dict[str, int] = field(default_factory=dict)
    records: dict[str, int] = field(default_factory=dict)
    total: dict[str, int] = field(default_factory=dict)


class CountingWorker:
    """Counts, stores, and tells its journal what happens to its partitions."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.folder = Path(options["folder"])
        self.store_interval_s: float = options.get("store_interval_s", 0.2)
        self.chunk_delay_s: float = options.get("chunk_delay_s", 0.0)
        self.owned: dict[int, Kept] = {}
        self.stored: dict[int, dict[str, int]] = {}
        self.redelivered = 0
        self.journal: list[dict[str, Any]] = []
        self._journal_file = self.folder / f"journal-{options.get('name', 'worker')}"
        hooks = BatchHooks(self.on_assigned, self.on_revoking, self.on_revoked, self.commit_limit)
        settings = BatchSettings(chunk_size=options.get("chunk_size", 200), commit_interval_s=0.1)
        client = {"bootstrap_servers": options["bootstrap_servers"]}
        self.app: BatchApp = build_app(options["group"], client, hooks=hooks, settings=settings)
        self.app.agent(batch_topic(self.app, *options["topics"]), name="count")(self.count)

    def tell(self, event: str, **facts: Any) -> None:
        """Add a line to the journal."""
        self.journal.append({"event": event, **facts})
        with self._journal_file.open("a") as journal:
            journal.write(json.dumps(self.journal[-1]) + "\n")

    async def on_assigned(self, tps: frozenset[TP]) -> None:
        """Load what is stored of the partition numbers."""
        assert not self.owned
        for number in {tp.partition for tp in tps}:
            with suppress(FileNotFoundError):
                self.owned[number] = Kept(**json.loads(self._file(number).read_text()))
            kept = self.owned.setdefault(number, Kept())
            self.stored[number] = dict(kept.position)
        self.tell("assigned", tps=sorted([tp.topic, tp.partition] for tp in tps))

    async def on_revoking(self, tps: frozenset[TP]) -> None:
        """Store all that is owned."""
        self.store(self.owned)

    async def on_revoked(self, tps: frozenset[TP]) -> None:
        """Let go."""
        self.owned.clear()
        self.tell("revoked", redelivered=self.redelivered)

    def commit_limit(self, tp: TP) -> int | None:
        """Allow what is stored."""
        return self.stored.get(tp.partition, {}).get(tp.topic, 0)

    def store(self, numbers: Iterable[int]) -> None:
        """Write the files of these partition numbers, whole or not at all."""
        for number in list(numbers):
            kept, file = self.owned[number], self._file(number)
            beside = file.with_suffix(".new")
            beside.write_text(json.dumps(vars(kept)))
            beside.replace(file)
            self.stored[number] = dict(kept.position)

    def _file(self, number: int) -> Path:
        return self.folder / f"state-{number}.json"

    async def count(self, stream) -> None:  # type: ignore[no-untyped-def]  # Faust resolves annotations of agents
        """Fold every chunk."""
        async for event in stream.events():
            self.fold(event.message.topic, event.message.partition, event.value)
            if self.chunk_delay_s:
                await asyncio.sleep(self.chunk_delay_s)

    def fold(self, topic: str, number: int, records: list[Any]) -> None:
        """Count the records that the state does not cover yet."""
        kept = self.owned[number]
        position = kept.position.get(topic, 0)
        new = [record for record in records if record.offset >= position]
        self.redelivered += len(records) - len(new)
        if new:
            kept.position[topic] = new[-1].offset + 1
            kept.records[topic] = kept.records.get(topic, 0) + len(new)
            kept.total[topic] = kept.total.get(topic, 0) + sum(int(record.value) for record in new)

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop`, storing at the interval."""
        storing = asyncio.ensure_future(self._store_now_and_then())
        try:
            await run_app(self.app, stop)
        finally:
            storing.cancel()

    async def _store_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(self.store_interval_s)
            self.store(self.owned)


async def main(options: dict[str, Any]) -> None:
    """Run one worker until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await CountingWorker(options).run(stop)


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
