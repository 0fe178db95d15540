"""Workloads of tests: as TOML text, on a machine that is busy with other things, and where they run."""

import json
from collections.abc import Mapping
from typing import Any

from docaxis.settings import KafkaSettings

#: The generator is not judged where something else is: tests run on machines that are busy with other things.
LENIENT = {"schedule_error_p99": "60 s", "loop_lag_p99": "60 s", "clock_step": "60 s"}


def options_of(kafka: KafkaSettings, prefix: str) -> list[str]:
    """Return the options of a command that lead to a test's topics."""
    return ["--bootstrap-servers", kafka.bootstrap_servers, "--prefix", prefix]


def toml_of(workload: Mapping[str, Any]) -> str:
    """Return the text of a workload, every value on the line of its key."""
    return "\n".join(f"{key} = {_value(value)}" for key, value in workload.items())


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_value(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    return json.dumps(value, default=str)
