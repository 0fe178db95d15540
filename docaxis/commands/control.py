"""`docaxis control`: change a load test or a replay that goes on: its rate or speed, a pause, the end of its phase."""

import asyncio
import time
from typing import Annotated, Any

import typer
from aiokafka import AIOKafkaProducer

from docaxis.commands.options import BootstrapServers, Lang, SettingsFile, TopicPrefix, new_app, settings_from
from docaxis.commands.steering import FACTOR_MAX, FACTOR_MIN, factor_of, speed_of
from docaxis.domain.control import Command, Verb
from docaxis.domain.errors import InfrastructureError, UsageError
from docaxis.domain.plan import Plan
from docaxis.kafka.broker import reachable_kafka
from docaxis.kafka.client import client_kwargs
from docaxis.kafka.cluster import probe
from docaxis.kafka.control import ControlFeed, say
from docaxis.kafka.topics import Topics, require_topics
from monitor.sentences import sentence
from monitor.words import Language

app = new_app(__doc__)

#: A conductor looks several times a second.
ANSWER_WITHIN_S = 10.0

#: Reading what has been said so far takes moments.
READ_WITHIN_S = 30.0


@app.command()
def control(
    run: Annotated[
        str, typer.Argument(help="The run's id, as `docaxis run` printed it; latest: the newest that goes on.")
    ],
    verb: Annotated[Verb, typer.Argument(help="What to change.")],
    value: Annotated[
        str,
        typer.Argument(
            help="For rate: a factor of the workload's rate, as 1.5x or 50%; for speed: recorded seconds in one."
        ),
    ] = "",
    bootstrap_servers: BootstrapServers = None,
    prefix: TopicPrefix = None,
    lang: Lang = Language.EN,
    settings_file: SettingsFile = None,
) -> None:
    """Change a load test or a replay that goes on, a second later and for all fleets at the same moment."""
    read = {"rate": factor_of, "speed": speed_of}.get(verb)
    if bool(value) != (read is not None) or (read is not None and read(value) is None):
        raise UsageError(
            f"{verb} {value}".strip() + ": not understood",
            next_step="`docaxis control RUN rate 1.5x`, or of a replay `docaxis control RUN speed 60`; "
            "pause, resume, end-phase and stop take no value",
        )
    settings = settings_from(settings_file, {"kafka.bootstrap_servers": bootstrap_servers, "topics.prefix": prefix})
    kafka = reachable_kafka(settings)
    topics = Topics(settings.topics.prefix)
    asyncio.run(probe(kafka))
    asyncio.run(require_topics(kafka, [topics.control]))
    print(sentence(asyncio.run(_control(client_kwargs(kafka), topics, run, verb, value)), lang))


async def _control(client: dict[str, Any], topics: Topics, run: str, verb: Verb, value: str) -> str:
    feed, stop = ControlFeed(client, topics), asyncio.Event()
    following = asyncio.ensure_future(feed.follow(stop))
    producer = AIOKafkaProducer(**client, acks="all", linger_ms=0)
    await producer.start()
    try:
        await feed.read_within(READ_WITHIN_S)
        plan = _plan_of(feed, run)
        if verb == "speed":
            check_speed(plan, value)
        number = time.time_ns() // 1000
        await say(producer, topics, Command(plan.run, number, verb, value))
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                while (newer := feed.plans[plan.run]).number == plan.number:
                    feed.changed.clear()
                    await feed.changed.wait()
        except TimeoutError:
            raise InfrastructureError(
                f"{plan.run} did not change within {ANSWER_WITHIN_S:.0f} s: it is over, or {verb} changes nothing now",
                next_step="look at the terminal of `docaxis run`",
            ) from None
        return _told(newer, verb, value)
    finally:
        stop.set()
        await asyncio.gather(following, return_exceptions=True)
        await producer.stop()


def check_speed(plan: Plan, value: str) -> None:
    """Raise UsageError if a run has no speed, or not this one."""
    if not plan.speed:
        why = "sends as fast as the axis goes" if plan.phases[0].closed else "is a load test, and has a rate"
        raise UsageError(f"{plan.run} {why}: it has no speed", next_step="`docaxis control RUN rate 2x` or pause")
    low, high = plan.speed * FACTOR_MIN, plan.speed * FACTOR_MAX
    if not low <= float(value) <= high:
        raise UsageError(
            f"speed {value}: {plan.run} began with {plan.speed:g}", next_step=f"give {low:g} to {high:g}, or pause"
        )


def _plan_of(feed: ControlFeed, run: str) -> Plan:
    going_on = [known for known in feed.plans if known not in feed.over]
    starting = [known for known in feed.offers if known not in feed.over and known not in feed.plans]
    wanted = (starting or going_on or [run])[-1] if run == "latest" else run
    if wanted in starting:
        raise UsageError(f"{wanted} is starting, and has no plan yet", next_step="try again in a moment")
    if wanted not in going_on:
        state = "is over" if wanted in feed.over else "is not known on this cluster"
        shown = ", ".join(going_on[-3:]) or "none"
        raise UsageError(f"run {wanted!r} {state}", next_step=f"those that go on: {shown}")
    return feed.plans[wanted]


def _told(plan: Plan, verb: Verb, value: str) -> str:
    now_us = time.time_ns() // 1000
    left = max(0, plan.end_us - now_us) / 1e6
    ends = f"sending ends in {left:,.0f} s" if left < 1e9 else "sending stands still until `resume`"
    return f"{plan.run}: {verb} {value}".rstrip() + f" from the next second on; {ends}"
