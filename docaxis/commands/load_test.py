"""A load test before it runs: its workload with all that it names, its agencies, and the processes it will start."""

import secrets
import shlex
import time
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any

from docaxis.commands.conduct import RoleCommand
from docaxis.commands.named import not_there
from docaxis.domain.agency import Registry
from docaxis.settings import Settings
from docaxis.workload.file import LoadedWorkload, NamedFile, load_workload, workload_of


@dataclass(frozen=True, slots=True)
class LoadTest:
    """What will be run."""

    run: str
    loaded: LoadedWorkload
    registry: Registry
    registry_file: Path | None
    started_ms: int
    fleets: int
    external_fleets: int
    registry_content: NamedFile

    @property
    def all_fleets(self) -> int:
        """Fleets of all machines."""
        return self.fleets + self.external_fleets

    @property
    def workload_hash(self) -> str:
        """What the load is known by: the same hash, the same load."""
        return self.loaded.hash(self.registry)

    @property
    def receives_apart(self) -> bool:
        """Whether the agencies receive in processes of their own, as many as those that send.

        A receiver at work would hold back documents that are due in the same process. A closed loop has none that are
        due; those who state business statuses go by the calendar of the documents they send; and where other machines
        take part, each fleet there is both.
        """
        workload = self.loaded.workload
        closed = any(phase.closed for phase in workload.offering)
        return not (closed or workload.receipts.life_cycle or self.external_fleets)

    def processors(self) -> list[RoleCommand]:
        """Return the roles that route, count and, if that is apart, receive."""
        workload, registry = self.loaded.workload, self.registry_arguments()
        late_s, lost_s = workload.receipts.late_after / 1e6, workload.lost_after_us / 1e6
        stream = ["stream", "--snapshot-interval", "1", "--late-after", str(late_s), "--lost-after", str(lost_s)]
        roles = [RoleCommand("stream", [*stream, *registry])]
        if workload.hub == "reference":
            limit = next((fault.rate for fault in workload.faults if fault.kind == "limited-hub"), None)
            limited = ["--deliveries-max", str(limit.value)] if limit is not None else []
            roles.insert(0, RoleCommand("hub", ["hub", *limited, *registry]))
        if self.receives_apart:
            roles += [
                RoleCommand(f"receivers-{number}", self._joins(number, "--no-send")) for number in range(self.fleets)
            ]
        return roles

    def fleet_roles(self) -> list[RoleCommand]:
        """Return the fleets that this command starts."""
        apart = ["--no-receive"] if self.receives_apart else []
        return [RoleCommand(f"fleet-{number}", self._joins(number, *apart)) for number in range(self.fleets)]

    def joining_commands(self, settings: Settings) -> list[str]:
        """Return what to type on other machines, a line for each fleet that this command does not start."""
        where = ["--bootstrap-servers", settings.kafka.bootstrap_servers, "--prefix", settings.topics.prefix]
        return [shlex.join(["docaxis", *self._joins(number), *where]) for number in range(self.fleets, self.all_fleets)]

    def _joins(self, number: int, *only: str) -> list[str]:
        share = f"{number + 1}/{self.all_fleets}"
        return ["fleet", "--join", "--run", self.run, "--share", share, *only, *self.registry_arguments()]

    def registry_arguments(self) -> list[str]:
        """Return the option that names the registry, if it is not the package's own."""
        return ["--registry", str(self.registry_file)] if self.registry_file else []


def prepare(
    name: str,
    *,
    registry: Path | None = None,
    seed: int | None = None,
    hub: str | None = None,
    fleets: int = 1,
    external_fleets: int = 0,
    content: dict[str, Any] | None = None,
    named: bool = True,
) -> LoadTest:
    """Read a workload and whatever it names, before anything is started. Raises UsageError for all faults.

    Without `named`, what it names need not be there yet: agencies that are still to join.
    """
    changes = {key: value for key, value in (("seed", seed), ("hub", hub)) if value is not None}
    look = partial(not_there, registry_file=registry) if named else None
    if content is None:
        loaded = load_workload(name, changes=changes, look=look)
    else:
        loaded = workload_of({**content, **changes}, name, look=look)
    phases = [dict(phase) for phase in loaded.content["phases"]]
    for phase in phases:
        if "file" in phase:
            phase["file"] = str(loaded.path(Path(phase["file"])).absolute())
    traffic = [dict(kind) for kind in loaded.content.get("traffic", ())]
    for kind in traffic:
        if "like" in kind:
            kind["like"] = str(loaded.path(Path(kind["like"])).absolute())
    own = loaded.workload.registry
    registry_file = registry or (loaded.path(own) if own is not None else None)
    pathed = {**loaded.content, "phases": phases} | ({"traffic": traffic} if traffic else {})
    loaded = replace(loaded.with_files(), workload=workload_of(pathed, loaded.place).workload)
    return LoadTest(
        f"run-{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}",
        loaded,
        Registry.load(registry_file),
        registry_file and registry_file.absolute(),
        time.time_ns() // 1_000_000,
        fleets,
        external_fleets,
        registry_content(registry_file),
    )


def registry_content(file: Path | None) -> NamedFile:
    """Return what is in a registry's file, or in the package's own. Raises UsageError if it cannot be read."""
    if file is not None:
        return NamedFile.of(file)
    return NamedFile.of_bytes(resources.files("docaxis").joinpath("data/agencies.csv").read_bytes())


def registry_field(registry: Registry, file: Path | None, content: NamedFile) -> dict[str, Any]:
    """Return what a result says of the registry; `file` is null for the package's own."""
    return {"file": file and file.name, "agencies": len(registry), **asdict(content)}


def offered_content(test: LoadTest) -> dict[str, Any]:
    """Return the workload as fleets are told it: files by absolute paths."""
    dumped: dict[str, Any] = test.loaded.workload.model_dump(mode="json", exclude_none=True, exclude_unset=True)
    return dumped
