"""A small axis of real processes on a real broker, and the faults that befall them.

Hub, stream workers, a fleet that sends and one that receives run as `docaxis` would start them on several machines.
Tests pause, kill and restart them at moments that a seed chooses or that the topics show ("a transaction is open"),
wait until everything is settled, and compare the axis's own counts with an independent reader's.
"""

import asyncio
import contextlib
import random
import signal
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from docaxis.commands.axis import Axis, Child
from docaxis.kafka.client import client_kwargs
from docaxis.kafka.drain import count_unread
from docaxis.kafka.topics import EVENTS, Topics, delete_topics, ensure_topics, plan_topics
from docaxis.settings import Settings
from monitor.feed import Feed
from monitor.reading import ARRIVALS, LEDGER, Readings
from monitor.settle import all_closed, all_received, sending_ended
from tests.support.truth import Exchanged

#: Bound of each wait: far above what a quiet machine needs, and no test asserts how long anything took.
WITHIN_S = 240.0

#: The consumer group of each role, after the prefix.
GROUPS = {"hub": "hub", "stream": "streams", "fleet": "agencies"}

#: How often a role is stopped and looked at, at most, until it is caught with a transaction open.
LOOKS_MAX = 2000


class Exchange:
    """One axis with a topic prefix of its own; `async with` makes its topics, and ends its processes."""

    def __init__(self, settings: Settings, folder: Path, *, run: str = "crash", seed: int = 1) -> None:
        self.settings = settings
        self.run = run
        self.rng = random.Random(seed)
        self.topics = Topics(settings.topics.prefix)
        self.client = client_kwargs(settings.kafka)
        self.children: dict[str, Child] = {}
        #: What befell whom, in order: for the message of a failing test.
        self.story: list[str] = []
        self._seed = seed
        self._began_s = 0.0
        self._folder = folder
        self._axis = Axis(settings, folder)
        self._commands: dict[str, tuple[str, ...]] = {}
        self._members_before: dict[str, frozenset[str]] = {}
        self._fleets = 0
        self._feed = Feed(self.client, self.topics, settings.topics.partitions)
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self._began_s = asyncio.get_running_loop().time()
        await ensure_topics(self.settings.kafka, plan_topics(self.settings.topics))
        self._stack.push_async_callback(delete_topics, self.settings.kafka, self.topics.all)
        await self._stack.enter_async_context(self._axis)
        self._stack.push_async_callback(self._end_all)
        following = asyncio.ensure_future(self._feed.follow(asyncio.Event()))

        async def end_following() -> None:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)

        self._stack.push_async_callback(end_following)
        return self

    async def __aexit__(self, *failure: Any) -> None:
        if failure[1] is not None:
            failure[1].add_note(self.told())
        await self._stack.aclose()

    async def _end_all(self) -> None:
        """Kill what still runs: paused roles would not hear an orderly request."""
        for child in self.children.values():
            if child.process.returncode is None:
                child.process.kill()

    def told(self) -> str:
        """Return what happened, and what the roles complained of last."""
        lines = [f"seed {self._seed}, prefix {self.settings.topics.prefix}: {', '.join(self.story)}"]
        for log in sorted(self._folder.glob("*.log")):
            lines += [f"  {log.name}: {line}" for line in log.read_text(errors="replace").splitlines()[-8:]]
        return "\n".join(lines)

    def note(self, what: str) -> None:
        """Keep what happens, and show it as it does (with pytest's -s)."""
        self.story.append(what)
        print(f"[{self._seed}] {asyncio.get_running_loop().time() - self._began_s:6.1f} s  {what}", flush=True)

    # --- roles

    async def start(self, name: str, *arguments: str) -> Child:
        """Start a role, or start it again as it was; it is at work, or still recovering, when this returns."""
        self._commands[name] = arguments = arguments or self._commands[name]
        if arguments[0] in GROUPS:
            self._members_before[name] = (await self._describe(GROUPS[arguments[0]]))[1]
        child = self.children[name] = await self._axis.start(name, *arguments)
        self.note(f"{name} starts")
        return child

    async def start_all(self, per_second: float) -> None:
        """Start a hub, a stream worker, a fleet that sends for as long as it lives, and one that receives."""
        self._fleets = 2
        sender = ("fleet", "--run", self.run, "--rate", str(per_second), "--seed", str(self._seed), "--no-receive")
        await asyncio.gather(
            self.start("hub", "hub"),
            self.start("stream", "stream", "--snapshot-interval", "0.5"),
            self.start("receivers", "fleet", "--run", self.run),
            self.start("sender", *sender),
        )
        for name in ("hub", "stream", "receivers"):
            await self.joined(name)

    def expect_fleets(self, fleets: int) -> None:
        """Say how many fleets were started one by one: settled is when all of them have ended sending."""
        self._fleets = fleets

    async def leave(self, name: str) -> None:
        """End a role in an orderly way."""
        child = self.children[name]
        self.note(f"{name} leaves")
        await self._axis.stop([child])
        assert child.process.returncode == 0, f"{name} ended with {child.process.returncode}"

    async def kill(self, name: str, why: str = "") -> None:
        """SIGKILL a role: no clean-up of any kind."""
        child = self.children[name]
        self.note(f"{name} killed {why}".rstrip())
        self._axis.children.remove(child)  # first: its end is no failure that others should report
        child.process.kill()
        await child.process.wait()

    def pause(self, name: str) -> None:
        """SIGSTOP: the process stands still, its connections stay open."""
        self.children[name].process.send_signal(signal.SIGSTOP)

    def resume(self, name: str) -> None:
        """SIGCONT."""
        self.children[name].process.send_signal(signal.SIGCONT)

    # --- moments

    async def joined(self, name: str, members: int = 1) -> None:
        """Wait until a role that was started is in its group, and the group stable with so many members.

        A killed member stays in the group, which looks stable, until its session expires: so a new one is looked for.
        """
        group = self.group_of(name)
        await self._until(
            lambda: self._is_member(group, members, self._members_before[name]),
            lambda: f"{name} was not in the group of {group} with {members} members",
            pause_s=0.01,
        )

    def command(self, name: str) -> tuple[str, ...]:
        """Return the command line of a role."""
        return self._commands[name]

    def group_of(self, name: str) -> str:
        """Return the consumer group of a role, without the prefix."""
        role = self._commands[name][0]
        return GROUPS.get(role, role)  # a canary reads without a group

    async def stable(self, group: str, members: int) -> None:
        """Wait until a group is stable with so many members, whoever they are."""
        await self._until(
            lambda: self._is_member(group, members, None), lambda: f"the group of {group} was not {members} members"
        )

    async def _is_member(self, group: str, members: int, before: frozenset[str] | None) -> bool:
        state, now = await self._describe(group)
        return state == "Stable" and len(now) == members and (before is None or not now <= before)

    async def _describe(self, group: str) -> tuple[str, frozenset[str]]:
        """Return the state of a consumer group and the ids of its members; asks again while nobody knows."""
        admin = AIOKafkaAdminClient(**self.client)
        await admin.start()
        try:
            async with asyncio.timeout(WITHIN_S):
                while True:
                    with contextlib.suppress(KafkaError):
                        (answer,) = await admin.describe_consumer_groups([f"{self.settings.topics.prefix}-{group}"])
                        if not answer.groups[0][0]:
                            break
                    await asyncio.sleep(0.2)
        finally:
            await admin.close()
        described = answer.groups[0]
        return described[2], frozenset(member[0] for member in described[5])

    async def ready(self, name: str) -> None:
        """Wait until a role is at work."""
        await self._until(lambda: self.is_ready(name), lambda: f"{name} was not at work")

    async def is_ready(self, name: str) -> bool:
        """Ask a role whether it is at work."""
        return await asyncio.to_thread(_answers_ready, self.children[name].url)

    async def metrics(self, name: str) -> str:
        """Return what a role exports now."""
        return await asyncio.to_thread(_get_text, f"{self.children[name].url}/metrics")

    async def pause_inside_transaction(self, name: str, topic: str) -> None:
        """Pause a role with records written to `topic` and not committed: stop it, look, and let it go on if not.

        A role that stands still cannot end its transaction, so what was seen stays true.
        """
        committed, written = (
            AIOKafkaConsumer(**self.client, isolation_level=level, enable_auto_commit=False)
            for level in ("read_committed", "read_uncommitted")
        )
        tps = [TopicPartition(topic, number) for number in range(self.settings.topics.partitions)]
        await asyncio.gather(committed.start(), written.start())
        try:
            for _ in range(LOOKS_MAX):
                self.pause(name)
                await asyncio.sleep(0.005)  # what it sent before it stood still has arrived by now
                stable, ends = await asyncio.gather(committed.end_offsets(tps), written.end_offsets(tps))
                if any(stable[tp] < ends[tp] for tp in tps) and stable == await committed.end_offsets(tps):
                    return
                self.resume(name)
                await asyncio.sleep(self.rng.uniform(0.001, 0.03))
        finally:
            await asyncio.gather(committed.stop(), written.stop())
        raise AssertionError(f"{name} was never seen with a transaction open on {topic}")

    async def kill_inside_transaction(self, name: str, topic: str) -> None:
        """Kill a role whose transaction on `topic` is open."""
        await self.pause_inside_transaction(name, topic)
        await self.kill(name, f"inside a transaction on {topic.rpartition('.')[2]}")

    async def kill_while_recovering(self, name: str) -> bool:
        """Kill a role that has just been given its partitions; return whether it was not at work yet."""
        await self.joined(name)
        await asyncio.sleep(self.rng.uniform(0, 0.05))
        recovering = not await self.is_ready(name)
        await self.kill(name, "while recovering" if recovering else "when just recovered")
        return recovering

    async def goes_on(self, receipts: int = 300) -> None:
        """Wait until so many more deliveries are counted than now."""
        wanted = self.readings.counts(self.run, "status").get("receipts", 0) + receipts

        async def counted() -> bool:
            return self.readings.counts(self.run, "status").get("receipts", 0) >= wanted

        await self._until(counted, lambda: f"{wanted} receipts were not counted")
        self.note("goes on")

    # --- the end

    async def end_sending(self) -> None:
        """Let the sender finish: what it has offered is all there will be."""
        await self.leave("sender")

    async def settle(self, closed: Callable[[], bool] | None = None) -> None:
        """Wait until everything the fleets sent is closed (or `closed` says so) and every committed record counted."""
        self.note("settling")
        partitions, readings = self.settings.topics.partitions, self.readings

        async def is_closed() -> bool:
            if closed is not None:
                return closed()
            return (
                sending_ended(readings, self.run, self._fleets, partitions)
                and all_closed(readings, self.run)
                and all_received(readings, self.run)
            )

        def counts() -> str:
            found = {topic: dict(readings.counts(self.run, topic)) for topic in (*EVENTS, LEDGER, ARRIVALS)}
            return f"not everything was closed and counted: {found}"

        await self._until(is_closed, counts)
        await self._until(self._drained, counts)
        self.note("settled")

    @property
    def readings(self) -> Readings:
        """What the workers' readings add up to now."""
        return self._feed.readings

    async def _drained(self) -> bool:
        positions = self.readings.positions()
        wanted = {
            TopicPartition(f"{self.settings.topics.prefix}.{short}", number): positions.get((short, number), 0)
            for short in EVENTS
            for number in range(self.settings.topics.partitions)
        }
        return await count_unread(self.client, wanted) == 0

    async def _until(
        self, holds: Callable[[], Awaitable[bool]], complaint: Callable[[], str], pause_s: float = 0.2
    ) -> None:
        try:
            async with asyncio.timeout(WITHIN_S):
                while not await holds():
                    self._axis.check()
                    await asyncio.sleep(pause_s)
        except TimeoutError:
            raise AssertionError(f"{complaint()} within {WITHIN_S:.0f} s") from None

    async def exchanged(self) -> Exchanged:
        """End whoever writes events, wait until all of it is counted, and read what the run left in the topics.

        A receiver that lost its session answers again what it had not committed, at any moment: to compare counts with
        topics while it lives would be to compare two moments.
        """
        for name, child in list(self.children.items()):
            if self.group_of(name) != GROUPS["stream"] and child.process.returncode is None:
                await self.leave(name)
        await self._until(self._drained, lambda: "what the last ones wrote was not counted")
        topics = self.settings.topics
        return await Exchanged.read(self.client, topics.prefix, topics.partitions, self.run)


def _answers_ready(url: str) -> bool:
    try:
        _get_text(f"{url}/readyz")
    except urllib.error.HTTPError as error:
        error.close()
        return False
    return True


def _get_text(url: str) -> str:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return str(answer.read().decode())
