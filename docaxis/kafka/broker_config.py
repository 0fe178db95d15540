"""What an embedded broker is told: server properties, logging, the Java command line. Pure functions of a layout.

Three aims: a start in seconds, little memory beside two busy cores, and the semantics of a real cluster. Where a value
differs from Kafka's default, the reason stands beside it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from docaxis.kafka.java import Java

#: MiB of Java heap for one broker alone, and for each of three.
_HEAP_ALONE_MIB, _HEAP_OF_THREE_MIB = 768, 512


@dataclass(frozen=True, slots=True)
class Node:
    """One broker, which is a controller too (KRaft combined mode): its number, ports and folder."""

    id: int
    port: int
    controller_port: int
    folder: Path

    @property
    def address(self) -> str:
        """Where clients connect."""
        return f"127.0.0.1:{self.port}"

    @property
    def data(self) -> Path:
        """The folder of its logs in Kafka's sense: records."""
        return self.folder / "data"

    @property
    def log(self) -> Path:
        """What it writes about itself."""
        return self.folder / "server.log"

    @property
    def console(self) -> Path:
        """What Java itself prints, when a start fails for instance."""
        return self.folder / "console.log"

    @property
    def properties(self) -> Path:
        """Its server.properties."""
        return self.folder / "server.properties"

    @property
    def log4j(self) -> Path:
        """Its logging settings."""
        return self.folder / "log4j2.properties"


def server_properties(node: Node, nodes: Iterable[Node]) -> str:
    """Return the text of server.properties for one of `nodes`."""
    nodes = tuple(nodes)
    replication = len(nodes)
    voters = ",".join(f"{each.id}@127.0.0.1:{each.controller_port}" for each in nodes)
    values = {
        "process.roles": "broker,controller",
        "node.id": node.id,
        "controller.quorum.voters": voters,
        "listeners": f"PLAINTEXT://{node.address},CONTROLLER://127.0.0.1:{node.controller_port}",
        "advertised.listeners": f"PLAINTEXT://{node.address}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "log.dirs": node.data,
        **_cluster_values(replication),
        **_STORAGE,
        **_THREADS,
    }
    return "".join(f"{key}={value}\n" for key, value in values.items())


def controller_properties(node: Node) -> str:
    """Return the text of server.properties for a lone node's controller without its broker (docaxis.kafka.fencing)."""
    values = {
        "process.roles": "controller",
        "node.id": node.id,
        "controller.quorum.voters": f"{node.id}@127.0.0.1:{node.controller_port}",
        "listeners": f"CONTROLLER://127.0.0.1:{node.controller_port}",
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT",
        "controller.listener.names": "CONTROLLER",
        "log.dirs": node.data,
        "broker.session.timeout.ms": 1_000,
        "broker.heartbeat.interval.ms": 200,
    }
    return "".join(f"{key}={value}\n" for key, value in values.items())


def _cluster_values(replication: int) -> dict[str, object]:
    in_sync = 2 if replication >= 3 else 1
    return {
        # A topic that nobody planned would have the wrong partitions, and the join of the audit would be wrong.
        "auto.create.topics.enable": "false",
        "default.replication.factor": replication,
        "min.insync.replicas": in_sync,
        # Kafka's own topics: enough for a few groups, instead of 50 partitions each.
        "offsets.topic.num.partitions": 8,
        "offsets.topic.replication.factor": replication,
        "transaction.state.log.num.partitions": 8,
        "transaction.state.log.replication.factor": replication,
        "transaction.state.log.min.isr": in_sync,
        "share.coordinator.state.topic.num.partitions": 1,
        "share.coordinator.state.topic.replication.factor": replication,
        "share.coordinator.state.topic.min.isr": in_sync,
        # A hub that died holds up readers of committed data until its transaction times out: end it promptly.
        "transaction.max.timeout.ms": 60_000,
        "transaction.abort.timed.out.transaction.cleanup.interval.ms": 1_000,
        # No wait for more members of a group: workers join one after the other and must not wait for each.
        "group.initial.rebalance.delay.ms": 0,
        "group.min.session.timeout.ms": 1_000,
        # How long a broker may be silent before others lead its partitions. A lone one has no others, and to be taken
        # for dead because the machine is busy would harm its transactions (docaxis.kafka.fencing).
        "broker.session.timeout.ms": 6_000 if replication > 1 else 30_000,
        "broker.heartbeat.interval.ms": 1_000,
    }


_STORAGE: dict[str, object] = {
    "log.segment.bytes": 256 * 1024 * 1024,
    # Closed segments leave the disk ten seconds after retention or deletion, not a minute.
    "log.segment.delete.delay.ms": 10_000,
    "log.retention.check.interval.ms": 30_000,
    # Compacted topics hold state that is read at every start: compact them within seconds. The dedupe buffer of
    # 128 MiB is for millions of keys; ours are thousands.
    "log.cleaner.threads": 1,
    "log.cleaner.backoff.ms": 5_000,
    "log.cleaner.dedupe.buffer.size": 16 * 1024 * 1024,
    # Kafka preallocates 10 MiB of index a segment (sparse), and maps it.
    "log.index.size.max.bytes": 2 * 1024 * 1024,
    "offsets.topic.segment.bytes": 16 * 1024 * 1024,
    "transaction.state.log.segment.bytes": 16 * 1024 * 1024,
    "metadata.log.segment.bytes": 64 * 1024 * 1024,
}

_THREADS: dict[str, object] = {
    "num.network.threads": 2,
    "num.io.threads": 4,
    "num.replica.fetchers": 1,
    "num.recovery.threads.per.data.dir": 2,
    "background.threads": 2,
}


def log4j_properties(log: Path, controller_level: str = "warn") -> str:
    """Return the logging settings: one bounded file, quiet where Kafka is talkative."""
    return f"""\
status = error
name = docaxis
appender.file.type = RollingFile
appender.file.name = file
appender.file.fileName = {log}
appender.file.filePattern = {log}.%i
appender.file.layout.type = PatternLayout
appender.file.layout.pattern = %d{{yyyy-MM-dd HH:mm:ss.SSS}} %-5p %m (%c{{1}})%n
appender.file.policies.type = Policies
appender.file.policies.size.type = SizeBasedTriggeringPolicy
appender.file.policies.size.size = 10 MB
appender.file.strategy.type = DefaultRolloverStrategy
appender.file.strategy.max = 3
rootLogger.level = info
rootLogger.appenderRef.file.ref = file
# What Kafka repeats for every partition, and its settings, once a start in thousand lines:
logger.state.name = state.change.logger
logger.state.level = warn
logger.config.name = org.apache.kafka.common.config.AbstractConfig
logger.config.level = warn
logger.kafkaconfig.name = kafka.server.KafkaConfig
logger.kafkaconfig.level = warn
logger.controller.name = org.apache.kafka.controller
logger.controller.level = {controller_level}
logger.logs.name = org.apache.kafka.storage.internals.log
logger.logs.level = warn
"""


def heap_mib(configured: int | None, brokers: int) -> int:
    """Return the heap of each broker."""
    return configured or (_HEAP_ALONE_MIB if brokers == 1 else _HEAP_OF_THREE_MIB)


def format_command(java: Java, class_path: str, node: Node, cluster_id: str) -> list[str]:
    """Return the command that prepares a node's empty data folder."""
    tool = ["kafka.tools.StorageTool", "format", "--cluster-id", cluster_id, "--config", str(node.properties)]
    # Two seconds of work on one thread: no compiler or collector threads to start for it.
    quick = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx128m"]
    return [str(java.executable), *quick, *_logging(node.log4j), "-cp", class_path, *tool]


def fencing_command(java: Java, class_path: str, properties: Path, log4j: Path) -> list[str]:
    """Return the command that runs a controller alone, for the moment that fencing takes."""
    quick = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx256m"]
    return [str(java.executable), *quick, *_logging(log4j), "-cp", class_path, "kafka.Kafka", str(properties)]


def broker_command(java: Java, class_path: str, node: Node, heap: int) -> list[str]:
    """Return the command that runs a broker with `heap` MiB."""
    return [
        str(java.executable),
        f"-Xmx{heap}m",
        f"-Xms{min(heap, 256)}m",
        # Beside busy neighbours on few cores: over the first minutes the optimising compiler costs a third of all that
        # the broker computes and gains nothing after, since the broker mostly moves bytes; and a collector with one
        # thread does the same work for less.
        "-XX:TieredStopAtLevel=1",
        "-XX:+UseSerialGC",
        "-XX:MaxDirectMemorySize=256m",
        # Out of memory: end at once instead of living on half dead; the log says why.
        "-XX:+ExitOnOutOfMemoryError",
        f"-XX:ErrorFile={node.folder}/java-error.log",
        "-Djava.awt.headless=true",
        "-Djava.net.preferIPv4Stack=true",
        *_logging(node.log4j),
        "-cp",
        class_path,
        "kafka.Kafka",
        str(node.properties),
    ]


def _logging(log4j: Path) -> list[str]:
    return [f"-Dlog4j2.configurationFile={log4j}", "-Dlog4j2.disableJmx=true"]
