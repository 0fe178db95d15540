"""The topics: their names, how each is kept, and making or checking them on a cluster.

Events are kept for a time and read in order; totals (`readings`), audit state (`ledger`) and run control (`control`)
are compacted: only the newest record of a key matters, so a restarted worker loads a state and not a history.
Partition p of `readings` and `ledger` belongs to partition p of the events, therefore all have the same count.
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import TopicAlreadyExistsError, for_code

from docaxis.domain.errors import ClusterError
from docaxis.kafka.cluster import admin_client
from docaxis.settings import KafkaSettings, TopicSettings

_HOUR_MS = 3_600_000
#: State topics turn their segments over early: only closed segments are compacted, and recovery reads what is left.
STATE_SEGMENT_BYTES = 16 * 1024 * 1024
#: A state record is superseded within seconds; ten minutes bound what a quiet topic keeps.
_STATE_SEGMENT_MS = 600_000

#: How long new topics may take to be known and led everywhere, and how often that is looked at.
_READY_TIMEOUT_S, _POLL_S = 30, 0.1
#: What must hold on topics that exist already; the other settings are tuning, which an operator may know better.
_CHECKED = ("cleanup.policy", "min.insync.replicas", "retention.ms")

EVENTS = ("sent", "delivered", "status", "refused")
COMPACTED = ("readings", "ledger", "control")


@dataclass(frozen=True, slots=True)
class Topics:
    """The names, made of one prefix, so that several axes can share a cluster."""

    prefix: str = "axis"
    sent: str = field(init=False)
    delivered: str = field(init=False)
    status: str = field(init=False)
    refused: str = field(init=False)
    readings: str = field(init=False)
    ledger: str = field(init=False)
    control: str = field(init=False)

    def __post_init__(self) -> None:
        for short in EVENTS + COMPACTED:
            object.__setattr__(self, short, f"{self.prefix}.{short}")

    @property
    def events(self) -> tuple[str, ...]:
        """The four topics of events."""
        return tuple(f"{self.prefix}.{short}" for short in EVENTS)

    @property
    def streams_group(self) -> str:
        """The consumer group of the stream workers."""
        return f"{self.prefix}-streams"

    @property
    def compacted(self) -> tuple[str, ...]:
        """The three topics of state."""
        return tuple(f"{self.prefix}.{short}" for short in COMPACTED)

    @property
    def all(self) -> tuple[str, ...]:
        """Every topic of this prefix."""
        return self.events + self.compacted

    def short_name(self, topic: str) -> str:
        """Return a topic's name without the prefix: "sent" for "axis.sent"."""
        return topic.removeprefix(f"{self.prefix}.")


@dataclass(frozen=True, slots=True)
class TopicPlan:
    """How one topic has to be; `config` holds only what differs from Kafka's defaults or must hold exactly."""

    name: str
    partitions: int
    replication: int
    config: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Found:
    """A topic as the cluster has it; `led` when every partition has a leader."""

    partitions: int
    replication: int
    led: bool


def plan_topics(settings: TopicSettings) -> tuple[TopicPlan, ...]:
    """Return what each topic has to be, by the settings."""
    topics = Topics(settings.prefix)
    shared = {"min.insync.replicas": str(settings.min_insync_replicas)}
    events = shared | {"cleanup.policy": "delete", "retention.ms": str(settings.retention_hours * _HOUR_MS)}
    state = shared | {
        "cleanup.policy": "compact",
        "segment.bytes": str(STATE_SEGMENT_BYTES),
        "segment.ms": str(_STATE_SEGMENT_MS),
        "min.cleanable.dirty.ratio": "0.1",
        "max.compaction.lag.ms": str(_STATE_SEGMENT_MS),
        "delete.retention.ms": "60000",
    }
    return tuple(
        TopicPlan(
            name=name,
            partitions=1 if name == topics.control else settings.partitions,
            replication=settings.replication,
            config=MappingProxyType(events if name in topics.events else state),
        )
        for name in topics.all
    )


async def ensure_topics(kafka: KafkaSettings, plans: Iterable[TopicPlan]) -> list[str]:
    """Create the topics that are missing, check those that exist; return the names created, in order.

    Returns when every partition has a leader: Kafka answers "created" a little before its brokers know the topic.
    Raises ClusterError that lists every mismatch; nothing is created beside a topic that differs.
    """
    plans = tuple(plans)
    created: set[str] = set()
    async with admin_client(kafka) as admin:
        for _ in range(round(_READY_TIMEOUT_S / _POLL_S)):
            found = await _existing(admin)
            _refuse(await _mismatches(admin, plans, found))
            waiting = [plan for plan in plans if plan.name not in found or not found[plan.name].led]
            if not waiting:
                return [plan.name for plan in plans if plan.name in created]
            missing = [plan for plan in waiting if plan.name not in found and plan.name not in created]
            if missing:
                created |= await _create(admin, missing)
            await asyncio.sleep(_POLL_S)
    raise ClusterError(
        f"These topics have partitions without a leader after {_READY_TIMEOUT_S} s: "
        + ", ".join(plan.name for plan in waiting),
        next_step="are all brokers up? Look at their logs",
    )


async def check_topics(kafka: KafkaSettings, plans: Iterable[TopicPlan]) -> None:
    """Check that all topics exist and are as planned; raises ClusterError that lists every fault."""
    plans = tuple(plans)
    async with admin_client(kafka) as admin:
        found = await _existing(admin)
        missing = [f"{plan.name}: does not exist" for plan in plans if plan.name not in found]
        _refuse(missing + await _mismatches(admin, plans, found))


async def require_topics(kafka: KafkaSettings, names: Iterable[str]) -> None:
    """Raise ClusterError naming the topics that are missing: without them a client asks for them without a pause."""
    async with admin_client(kafka) as admin:
        found = await _existing(admin)
    missing = [name for name in names if name not in found]
    if missing:
        raise ClusterError(
            f"These topics do not exist on {kafka.bootstrap_servers}: {', '.join(missing)}",
            next_step="create them with `docaxis topics create`, or name others with --prefix",
        )


async def delete_topics(kafka: KafkaSettings, names: Iterable[str]) -> list[str]:
    """Delete those of the named topics that exist; return their names."""
    async with admin_client(kafka) as admin:
        found = await _existing(admin)
        names = [name for name in names if name in found]
        if names:
            answer = await admin.delete_topics(names)
            _raise_for([(name, code, None) for name, code in answer.topic_error_codes])
        return names


async def _existing(admin: AIOKafkaAdminClient) -> dict[str, _Found]:
    """Return what is known of every topic. Asking for one by name could create it, so all are asked for."""
    return {
        topic["topic"]: _Found(
            partitions=len(topic["partitions"]),
            replication=min((len(partition["replicas"]) for partition in topic["partitions"]), default=0),
            led=all(partition["leader"] >= 0 for partition in topic["partitions"]),
        )
        for topic in await admin.describe_topics(None)
    }


async def _mismatches(admin: AIOKafkaAdminClient, plans: Iterable[TopicPlan], found: Mapping[str, _Found]) -> list[str]:
    present = [plan for plan in plans if plan.name in found]
    config = await _configs(admin, present)
    faults = []
    for plan in present:
        actual = found[plan.name]
        if actual.partitions != plan.partitions:
            faults.append(f"{plan.name}: {actual.partitions} partitions, {plan.partitions} wanted")
        if actual.replication != plan.replication:
            faults.append(f"{plan.name}: replication {actual.replication}, {plan.replication} wanted")
        faults += [
            f"{plan.name}: {key}={value}, {wanted} wanted"
            for key, wanted in plan.config.items()
            if key in _CHECKED and (value := config[plan.name].get(key, "unset")) != wanted
        ]
    return faults


async def _configs(admin: AIOKafkaAdminClient, plans: list[TopicPlan]) -> dict[str, dict[str, str]]:
    if not plans:
        return {}
    resources = [ConfigResource(ConfigResourceType.TOPIC, plan.name, dict.fromkeys(plan.config)) for plan in plans]
    result: dict[str, dict[str, str]] = {}
    for answer in await admin.describe_configs(resources):
        for code, message, _, name, entries in answer.resources:
            _raise_for([(name, code, message)])
            result[name] = {entry[0]: entry[1] for entry in entries}
    return result


async def _create(admin: AIOKafkaAdminClient, plans: list[TopicPlan]) -> set[str]:
    """Create topics and return the names of those that did not exist."""
    answer = await admin.create_topics(
        [NewTopic(plan.name, plan.partitions, plan.replication, topic_configs=dict(plan.config)) for plan in plans]
    )
    # One may exist that the broker we asked does not know yet: it shows up in the next look, and is checked there.
    failed = [error for error in answer.topic_errors if error[1] and for_code(error[1]) is not TopicAlreadyExistsError]
    _raise_for(failed)
    return {name for name, code, *_ in answer.topic_errors if not code}


def _raise_for(errors: Iterable[Any]) -> None:
    faults = [f"{name}: {message or for_code(code).__name__}" for name, code, message in errors if code]
    if faults:
        raise ClusterError(
            "Kafka refused:\n" + "\n".join(f"  - {fault}" for fault in faults),
            next_step="check topics.replication against the number of brokers, and the rights of this user",
        )


def _refuse(faults: list[str]) -> None:
    if faults:
        raise ClusterError(
            "The topics are not as the settings say:\n" + "\n".join(f"  - {fault}" for fault in faults),
            next_step="create the missing with `docaxis topics create`; for the others change the settings [topics], "
            "alter the topics, or choose another topics.prefix",
        )
