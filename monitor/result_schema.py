"""The result file as a model: what it is checked against in tests, and where its JSON Schema comes from.

Fields that are not named here are allowed: a reader ignores what it does not know. docs/RESULT.md says what they mean.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Unit = Literal["s", "count", "ratio", "documents/s", "deliveries/s", "deliveries/s2"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True)


class LedgerPart(_Part):
    """The audit: deliveries_expected = delivered_once + duplicated + lost + refused + outstanding."""

    documents: int = Field(ge=0)
    deliveries_expected: int = Field(ge=0)
    delivered_once: int = Field(ge=0)
    late: int = Field(ge=0)
    duplicated: int = Field(ge=0)
    misrouted: int = Field(ge=0)
    lost: int = Field(ge=0)
    refused: int = Field(ge=0)
    outstanding: int = Field(ge=0)
    failed: int = Field(ge=0)
    receipts_repeated: int = Field(ge=0)
    contradictions: int = Field(ge=0)


class LatencyPart(_Part):
    """Latencies in seconds."""

    count: int = Field(ge=0)
    negative: int = Field(0, ge=0)
    p50: float
    p99: float
    p999: float | None = None
    max: float


class RatesPart(_Part):
    """Over the whole run; of a load test, over its measured phases."""

    documents_per_second: float
    deliveries_per_second: float
    sent_and_received_per_second: float | None = None
    offered_documents_per_second: float | None = None
    offered_deliveries_per_second: float | None = None


class PhasePart(_Part):
    """One phase of a load test."""

    name: str
    kind: str
    start_us: int
    end_us: int
    offered: int
    sent: int
    received: int
    offered_deliveries: int | None = None
    measured: bool | None = None
    closed: bool | None = None
    latency_seconds: LatencyPart | None = None


class ObjectivePart(_Part):
    """One objective with what was measured; `met` is null where it was not judged."""

    name: str
    text: str
    stage: str | None
    scope: str | None
    unit: Unit
    limit: float
    value: float | None
    met: bool | None


class FaultPart(_Part):
    """Something that was done to the axis on purpose."""

    kind: str
    at_us: int
    until_us: int | None = None
    count: int | None = None
    documents: int | None = None
    deliveries: int | None = None
    detail: str | None = None


class FleetsPart(_Part):
    """Processes that shared the agencies: started by the command, and joined from other machines."""

    here: int = Field(ge=0)
    external: int = Field(ge=0)


class FilePart(_Part):
    """A file as it was when the run began."""

    sha256: str
    size_bytes: int = Field(ge=0)


class RegistryPart(FilePart):
    """The agencies; `file` is the name of their file, null for the package's own."""

    file: str | None
    agencies: int = Field(ge=2)


class MilestonePart(_Part):
    """Published and counted totals up to a day; null where nothing was published."""

    date: str
    sent_published: int | None
    received_published: int | None
    total_published: int | None
    sent: int
    received: int


class Result(_Part):
    """The content of result.json."""

    schema_version: Literal[1]
    run: str
    verdict: Literal["pass", "fail"]
    faults: list[str]
    exit_code: int
    seed: int
    started_us: int
    wall_seconds: float
    versions: dict[str, str]
    machine: dict[str, Any]
    workload: dict[str, Any]
    settings: dict[str, Any]
    ledger: LedgerPart
    arrivals: dict[str, int]
    milestones: list[MilestonePart] = []
    latency_seconds: dict[str, LatencyPart]
    rates: RatesPart
    processes: dict[str, dict[str, Any]]
    command_line: str | None = None
    registry: RegistryPart | None = None
    # What a load test adds.
    command: str | None = None
    workload_hash: str | None = None
    fleets: FleetsPart | None = None
    files: dict[str, FilePart] = {}
    started_ms: int | None = None
    valid: bool | None = None
    invalid_reasons: list[str] = []
    phases: list[PhasePart] = []
    objectives: list[ObjectivePart] = []
    generator: dict[str, Any] = {}
    latency_by_agency: dict[str, LatencyPart] = {}
    latency_by_priority: dict[str, LatencyPart] = {}
    faults_injected: list[FaultPart] = []
    faults_found: dict[str, int] = {}
    controls: list[dict[str, Any]] = []
    clock: dict[str, Any] = {}
    series_second0_us: int | None = None
    lost_after_seconds: float | None = None
    # What an onboarding test adds.
    onboarding: dict[str, Any] | None = None


def result_schema() -> dict[str, Any]:
    """Return the JSON Schema of result.json (draft 2020-12)."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Result.model_json_schema()}
