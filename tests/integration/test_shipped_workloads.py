"""Every shipped workload runs to its end, shortened: nothing is lost, and it shows what it is for."""

import asyncio
import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from docaxis.cli import main
from docaxis.kafka.client import client_kwargs
from docaxis.kafka.topics import Topics
from docaxis.settings import KafkaSettings, TopicSettings
from docaxis.workload.file import shipped
from tests.support.befallen import Befallen
from tests.support.truth import Exchanged, check_exactly_once
from tests.support.workloads import LENIENT, options_of, toml_of

#: Durations of a phase, a drain, and whatever happens inside a phase; a rate, and what it rises to.
PHASE, DRAIN, INSIDE, RATE, PEAK = "2 s", "2 min", "500 ms", "40 documents/s", "80 documents/s"
SHORT = {"spike_at": INSIDE, "spike_for": INSIDE, "burst_for": INSIDE, "calm_for": INSIDE, "rate": RATE, "to": PEAK}
SHORT |= {"peak": PEAK}

#: Of an agency that is slow: fewer than it is sent meanwhile.
SLOW = "3 deliveries/s"


def shortened(name: str) -> dict[str, Any]:
    """Return a shipped workload with as little of everything as shows what it is."""
    workload = tomllib.loads(shipped()[name])
    for phase in workload["phases"]:
        drains = phase.get("kind") == "drain"
        phase["duration"] = DRAIN if drains else PHASE
        phase |= {key: value for key, value in SHORT.items() if key in phase}
    if workload["phases"][-1].get("kind") != "drain":
        workload["phases"].append({"name": "drain", "kind": "drain", "duration": DRAIN})
    for fault in workload.get("faults", []):
        fault |= {"at": INSIDE} | ({"lasts": "1 s"} if "lasts" in fault else {})
        fault |= {"rate": SLOW} if "rate" in fault else {}
    for kind in workload.get("traffic", []):
        kind["share"] = 1.0  # of so few documents, rare ones must be among them
    receipts = workload.setdefault("receipts", {})
    if "poll_interval" in receipts:
        receipts["poll_interval"] = INSIDE
    if "recalls" in workload.get("documents", {}):
        workload["documents"]["recalls"] |= {"share": 0.3, "after": INSIDE}
    # Whether the machine keeps up is not asked here.
    return workload | {"objectives": [], "generator": LENIENT}


def _shows(name: str, exchanged: Exchanged, result: dict[str, Any]) -> bool:
    """Return whether a run shows what its workload is for."""
    sent = [one.event for one in exchanged.sent]
    codes = {one.event["code"] for one in exchanged.status if one.event["kind"] == "status"}
    match name:
        case "broadcast-storm":
            return max(len(one["recipients"]) for one in sent) == 94
        case "urgent-directive":
            return any(row["count"] for key, row in result["latency_by_priority"].items() if key in ("2", "3", "4"))
        case "life-cycle":
            return {"01", "03", "04", "05", "06"} <= codes
        case "recall-and-replace":
            return {one["business"] for one in sent} == {0, 1, 2, 3} and {"13", "15", "16"} <= codes
        case "silent-agency" | "slow-recipient":
            (row,) = result["faults_injected"]
            return int(row["count"]) > 0  # deliveries; which they were `Befallen` has looked at
        case _:
            return len({one["sender"] for one in sent}) > 10


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", sorted(shipped()))
def test_a_shipped_workload_runs_to_its_end(
    name: str,
    kafka: KafkaSettings,
    topics: Topics,
    topic_settings: TopicSettings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("workload.toml").write_text(toml_of(shortened(name)), encoding="utf-8")
    on = options_of(kafka, topics.prefix)
    assert main(["run", "workload.toml", *on]) == 0, capsys.readouterr()
    result = json.loads(Path("runs/latest/result.json").read_text(encoding="utf-8"))
    assert (result["verdict"], result["faults"], result["valid"]) == ("pass", [], True)
    ledger = result["ledger"]
    assert ledger["delivered_once"] + ledger["refused"] == ledger["deliveries_expected"] > 0
    faults = shortened(name).get("faults", [])
    befallen = asyncio.run(
        Befallen.read(client_kwargs(kafka), topics.prefix, topic_settings.partitions, result, faults)
    )
    check_exactly_once(befallen.exchanged)
    befallen.check()
    assert _shows(name, befallen.exchanged, result)
