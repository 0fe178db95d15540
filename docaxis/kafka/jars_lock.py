"""Renew `kafka-jars.lock`, for maintainers: `python -m docaxis.kafka.jars_lock` after a change of KAFKA_VERSION.

Resolves what a KRaft broker needs at run time, downloads it and writes the hashes down. Review the difference before
it is committed: from then on, nothing else is accepted.
"""

import tempfile
from dataclasses import replace
from pathlib import Path

from jgo.maven import MavenContext
from jgo.parse import Coordinate

from docaxis.kafka.jars import KAFKA_VERSION, maven_context, sha256_of

_KAFKA = f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}"
_HEADER = """\
# What the embedded Apache Kafka {version} runs from: Maven coordinate, SHA-256, bytes.
# Written by `python -m docaxis.kafka.jars_lock`; not edited by hand.
"""


def resolve(context: MavenContext) -> list[str]:
    """Return the lines of the lock, sorted by coordinate."""
    kafka = context.create_dependency(replace(Coordinate.parse(_KAFKA), scope="compile"))
    roots, others = context.resolver.resolve([kafka])
    artifacts = [dep.artifact for dep in [*roots, *others] if dep in roots or dep.scope in ("compile", "runtime")]
    # Kafka logs through SLF4J and leaves open to what; this is the link to the log4j it brings, of the same version.
    # Resolved apart: log4j's own pom would otherwise choose Kafka's libraries, in the versions it was tested with.
    log4j = next(artifact.version for artifact in artifacts if artifact.artifactId == "log4j-core")
    artifacts.append(context.project("org.apache.logging.log4j", "log4j-slf4j-impl").at_version(log4j).artifact())
    lines = []
    for artifact in artifacts:
        path = artifact.resolve()
        coordinate = f"{artifact.groupId}:{artifact.artifactId}:{artifact.version}"
        lines.append(f"{coordinate} {sha256_of(path)} {path.stat().st_size}")
    return sorted(set(lines))


def main() -> None:
    """Write the lock file beside this module."""
    with tempfile.TemporaryDirectory() as store:
        lines = resolve(maven_context(Path(store), None))
    target = Path(__file__).with_name("kafka-jars.lock")
    target.write_text(_HEADER.format(version=KAFKA_VERSION) + "\n".join(lines) + "\n", encoding="utf-8")
    print(f"{target.name}: {len(lines)} jars, {sum(int(line.split()[2]) for line in lines) / 2**20:.1f} MiB")


if __name__ == "__main__":
    main()
