"""`docaxis replay`: recorded traffic again, with its own timing, faster or heavier, every delivery accounted for."""

import re
import secrets
import time
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from docaxis.commands.inspect import Where
from docaxis.commands.options import (
    BootstrapServers,
    RegistryFile,
    SettingsFile,
    TopicPrefix,
    new_app,
    settings_from,
)
from docaxis.commands.page_options import PagePort, TokenFile, live_settings
from docaxis.commands.recording_options import AllowBackwards, FromTime, ToTime, parse_moment_us
from docaxis.commands.replay_end import Objectives
from docaxis.commands.replay_run import replay as run
from docaxis.domain.agency import Registry
from docaxis.domain.errors import UsageError
from docaxis.files import make_folder
from docaxis.recording.clocks import check_clocks
from docaxis.recording.engine import engine
from docaxis.recording.pseudonym import Pseudonyms
from docaxis.recording.reader import Recording, open_recording
from docaxis.recording.replay_plan import (
    Extent,
    ReplayPlan,
    agencies_of,
    check_runs,
    prepare,
    read_plan,
    write_plan,
)
from docaxis.settings import Settings
from monitor.live.page import LiveSettings
from monitor.words import Language

app = new_app(__doc__)

_UNITS_US = {"ms": 1_000, "s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000}


@app.command()
def replay(
    file: Annotated[
        list[Path] | None, typer.Argument(help="Folders of recordings; several are merged by time.")
    ] = None,
    speed: Annotated[
        str | None, typer.Option(help="Recorded seconds in one second, or max: as fast as the axis goes; default: 1.")
    ] = None,
    duration: Annotated[str | None, typer.Option(help="How long it takes, as 60s or 10m; the speed follows.")] = None,
    rate_limit: Annotated[float | None, typer.Option(min=0.001, help="Documents a second at most.")] = None,
    max_gap: Annotated[str | None, typer.Option(help="Idle no longer than this, as 2s: nights are skipped.")] = None,
    clock: Annotated[str, typer.Option(help="Recorded time that is kept: sent (the wall's) or calendar.")] = "sent",
    from_time: FromTime = None,
    to_time: ToTime = None,
    agencies: Annotated[str | None, typer.Option(help="Only what these send, as H53,G22.")] = None,
    where: Where = "",
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first so many events.")] = None,
    as_kind: Annotated[
        str,
        typer.Option("--as", help="traffic: documents, routed and received afresh; recorded: all events as they were."),
    ] = "traffic",
    amplify: Annotated[int, typer.Option(min=1, max=1000, help="Each document so many times, with fresh ids.")] = 1,
    jitter: Annotated[str, typer.Option(help="Copies come up to so much later, as 5s.")] = "0s",
    pseudonymise: Annotated[Path | None, typer.Option(help="File of a key: ids become pseudonyms.")] = None,
    pairs: Annotated[str, typer.Option(help="With --pseudonymise: agencies kept, or permuted by the key.")] = "kept",
    send_sensitive: Annotated[bool, typer.Option("--send-sensitive", help="Send it as it is, though marked.")] = False,
    allow_unknown: Annotated[
        bool, typer.Option("--allow-unknown", help="Send agencies that the registry lacks; the hub refuses them.")
    ] = False,
    allow_backwards: AllowBackwards = False,
    send_error: Annotated[
        str | None, typer.Option(help="Objective: 99 % sent within this of their time, as 2ms.")
    ] = None,
    objectives: Annotated[
        Path | None, typer.Option(help=r"TOML file with [\[objectives]], as a workload has them.")
    ] = None,
    ks: Annotated[float | None, typer.Option("--ks", help="Objective: Kolmogorov-Smirnov distance at most.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell what would be sent, and send nothing.")] = False,
    resume: Annotated[str | None, typer.Option(help="Go on with this run, which was killed.")] = None,
    bootstrap_servers: BootstrapServers = None,
    prefix: TopicPrefix = None,
    registry: RegistryFile = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same shifts of copies.")] = 1,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the broker running, with all topics.")] = False,
    lang: Annotated[Language, typer.Option(help="Language of the views.")] = Language.EN,
    page_port: PagePort = 0,
    token_file: TokenFile = None,
    settings_file: SettingsFile = None,
) -> None:
    """Send recorded documents again at their own times, through the hub, and say how faithful that was."""
    settings = settings_from(settings_file, {"kafka.bootstrap_servers": bootstrap_servers, "topics.prefix": prefix})
    page = live_settings("127.0.0.1", page_port, None, token_file)
    if speed is not None and duration is not None:
        raise UsageError(
            f"--speed {speed} and --duration {duration} each say how fast", next_step="leave one of them out"
        )
    as_recorded = _one_of("--as", as_kind, "traffic", "recorded") == "recorded"
    if resume is not None:
        plan = _resumed(settings, resume, file or [])
    else:
        recordings = _opened(file or [], pseudonymised=pseudonymise is not None or send_sensitive or dry_run)
        for one in () if allow_backwards else recordings:
            check_clocks(one)
        if pseudonymise is not None:
            Pseudonyms.load(pseudonymise)
        plan = ReplayPlan(
            recordings=[str(one.folder.absolute()) for one in recordings],
            run=f"replay-{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}",
            created_us=time.time_ns() // 1000,
            as_recorded=as_recorded,
            clock=_one_of("--clock", clock, "sent", "calendar"),  # type: ignore[arg-type]
            speed=1.0 if speed in (None, "max") else _positive("--speed", speed),
            closed=speed == "max",
            max_gap_us=parse_duration_us("--max-gap", max_gap) if max_gap else None,
            rate_per_s=rate_limit,
            from_us=parse_moment_us(from_time) if from_time else None,
            to_us=parse_moment_us(to_time) if to_time else None,
            agencies=agencies.split(",") if agencies else [],
            where=where,
            limit=limit,
            amplify=amplify,
            jitter_us=parse_duration_us("--jitter", jitter),
            seed=seed,
            key_file=str(pseudonymise.absolute()) if pseudonymise else "",
            pairs=_one_of("--pairs", pairs, "kept", "permuted"),  # type: ignore[arg-type]
            registry=str(registry.absolute()) if registry else _registry_of(recordings),
        )
    wanted = Objectives(
        parse_duration_us("--send-error", send_error) if send_error else None,
        ks,
        refused_allowed=allow_unknown,
        of_load=read_objectives(objectives) if objectives else (),
    )
    raise typer.Exit(_begin(settings, plan, duration, wanted, page, lang, keep=keep, dry_run=dry_run))


def _begin(
    settings: Settings,
    plan: ReplayPlan,
    duration: str | None,
    wanted: Objectives,
    page: LiveSettings,
    lang: Language,
    *,
    keep: bool,
    dry_run: bool,
) -> int:
    """Look at what a plan comes to; then tell it, or replay it."""
    known = Registry.load(Path(plan.registry) if plan.registry else None)
    plan, extent, unknown = _looked_at(plan, duration, known)
    if dry_run:
        from docaxis.commands.replay_dry import tell_dry_run

        tell_dry_run(plan, known, unknown)
        return 0
    if unknown and not wanted.refused_allowed:
        raise UsageError(
            f"{len(unknown):,} agencies of the recording are not in the registry: {', '.join(unknown[:5])}"
            + (" ..." if len(unknown) > 5 else ""),
            next_step="give their registry (--registry), or send them too (--allow-unknown): the hub refuses them",
        )
    make_folder(settings.paths.runs / plan.run, "DOCAXIS_PATHS_RUNS")
    write_plan(settings.paths.runs / plan.run / "replay.json", plan)
    return run(settings, plan, extent, wanted, page, lang, keep=keep)


def _opened(files: list[Path], *, pseudonymised: bool) -> list[Recording]:
    recordings = [open_recording(one) for one in files]
    if not recordings:
        raise UsageError("no recording is given", next_step="docaxis replay FOLDER, or --resume RUN")
    _refuse_sensitive(recordings, pseudonymised=pseudonymised)
    return recordings


def _resumed(settings: Settings, run_id: str, files: list[Path]) -> ReplayPlan:
    """Return the plan of a run that was killed, for its next life."""
    if files:
        raise UsageError("--resume knows its recordings", next_step="leave the recordings out")
    before = read_plan(settings.paths.runs / run_id / "replay.json")
    if (settings.paths.runs / run_id / "result.json").exists():
        raise UsageError(
            f"{run_id} came to its end: its result is in {settings.paths.runs / run_id}",
            next_step="replay the recording anew for another result",
        )
    return msgspec.structs.replace(before, resumed=before.resumed + 1)


def read_objectives(file: Path) -> tuple[dict[str, Any], ...]:
    """Return the objectives of a TOML file: a workload, or one that has nothing but objectives. Raises UsageError."""
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"--objectives {file}: {error}", next_step="give a TOML file with [[objectives]]") from error
    found = content.get("objectives")
    if not isinstance(found, list) or not found:
        raise UsageError(f"{file} has no [[objectives]]", next_step="write them as in a workload")
    return tuple(found)


def _looked_at(plan: ReplayPlan, duration: str | None, known: Registry) -> tuple[ReplayPlan, Extent, list[str]]:
    """Return the plan with its speed, its extent, and the agencies that the registry lacks."""
    with engine() as connection:
        extent = prepare(connection, plan)
        if duration is not None:
            wanted_us = parse_duration_us("--duration", duration)
            if wanted_us <= 0:
                raise UsageError(f"--duration {duration} is no time", next_step="give a time as 60s or 10m")
            plan = msgspec.structs.replace(plan, speed=max(extent.span_us, 1) / wanted_us)
            extent = prepare(connection, plan)
        check_runs(connection)
        unknown = [code for code in agencies_of(connection) if known.find(code) is None]
    return plan, extent, unknown


def _refuse_sensitive(recordings: list[Recording], *, pseudonymised: bool) -> None:
    for one in recordings:
        if one.manifest.sensitive and not pseudonymised:
            raise UsageError(
                f"{one.folder} is marked sensitive",
                next_step="replay it with --pseudonymise KEYFILE, or as it is with --send-sensitive",
            )


def _registry_of(recordings: list[Recording]) -> str:
    """Return the registry beside the recordings; raises UsageError if they have different ones."""
    files = [one.folder.absolute() / one.manifest.registry if one.manifest.registry else None for one in recordings]
    contents = {file.read_bytes() if file else b"" for file in files}
    if len(contents) > 1:
        raise UsageError(
            "the recordings have different registries", next_step="give one that has the agencies of all (--registry)"
        )
    return str(files[0]) if files[0] else ""


def parse_duration_us(option: str, text: str) -> int:
    """Return a duration that a user wrote, as 250ms, 5s, 10m, 1h or 2d. Raises UsageError."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", text.strip())
    if match is None:
        raise UsageError(f"{option} {text!r} is no duration", next_step="write it as 250ms, 5s, 10m, 1h or 2d")
    return round(float(match[1]) * _UNITS_US[match[2]])


def _positive(option: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e12:
        raise UsageError(f"{option} {text!r} is no speed", next_step="give a number above 0, as 60, or max")
    return value


def _one_of(option: str, text: str, *choices: str) -> str:
    if text not in choices:
        raise UsageError(f"{option} {text!r} is not known", next_step=f"choose {' or '.join(choices)}")
    return text
