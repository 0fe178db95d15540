"""The rule file that Prometheus loads."""

from collections.abc import Sequence
from typing import Any

import yaml

from monitor.alerting.alerts import context_recordings, plain_alerts
from monitor.alerting.burn_rate import WINDOWS, BurnWindow, budget_recordings, burn_alerts, recordings
from monitor.service_objectives import ServiceObjectives

_HEAD = "# Made by `docaxis generate rules` from the service objectives; do not edit.\n"


def rule_groups(
    objectives: ServiceObjectives, windows: Sequence[BurnWindow] = WINDOWS, interval: str = "30s"
) -> list[dict[str, Any]]:
    """Return the groups; within one, rules are evaluated in order, so each sees what the ones before it recorded."""
    return [
        {
            "name": "docaxis-objectives",
            "interval": interval,
            "rules": [*recordings(objectives, windows), *burn_alerts(objectives, windows)],
        },
        {
            "name": "docaxis-alerts",
            "interval": interval,
            "rules": [*context_recordings(objectives), *plain_alerts(objectives)],
        },
        # A month of samples is read for each of these: seldom is often enough.
        {"name": "docaxis-budgets", "interval": "5m", "rules": list(budget_recordings(objectives))},
    ]


def rules_yaml(objectives: ServiceObjectives, windows: Sequence[BurnWindow] = WINDOWS, interval: str = "30s") -> str:
    """Return the whole file."""
    return _HEAD + to_yaml({"groups": rule_groups(objectives, windows, interval)})


class _Readable(yaml.SafeDumper):
    """Writes texts of several lines as blocks."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Readable.add_representer(str, _text)


def to_yaml(content: object) -> str:
    """Return content as YAML, in its own order, readable."""
    return str(yaml.dump(content, Dumper=_Readable, sort_keys=False, allow_unicode=True, width=116))
