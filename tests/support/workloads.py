"""Workloads of tests as TOML text."""

import json
from collections.abc import Mapping
from typing import Any


def toml_of(workload: Mapping[str, Any]) -> str:
    """Return the text of a workload, every value on the line of its key."""
    return "\n".join(f"{key} = {_value(value)}" for key, value in workload.items())


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_value(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    return json.dumps(value, default=str)
