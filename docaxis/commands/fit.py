"""`docaxis fit`: a workload from a recording, as far as a workload has words for it."""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from docaxis.commands.inspect import Where
from docaxis.commands.options import new_app
from docaxis.commands.replay import parse_duration_us
from docaxis.domain.errors import UsageError
from docaxis.recording.engine import engine
from docaxis.recording.fitting import Fitted, fan_out_distance, fit, workload_toml
from docaxis.recording.manifest import write_whole
from docaxis.recording.profile import profile
from docaxis.recording.reader import attach, open_recording
from docaxis.workload.file import load_workload
from producers.fan_out_fit import fit_fan_out
from producers.offering import MixedModel

app = new_app(__doc__)


@app.command("fit")
def fit_workload(
    file: Annotated[Path, typer.Argument(help="Folder of the recording.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The workload file (TOML) to write.")],
    where: Where = "",
    clock: Annotated[str, typer.Option(help="Clock of days and hours: calendar or sent.")] = "calendar",
    day: Annotated[str, typer.Option(help="How long the fitted day takes in the workload, as 4m.")] = "4m",
) -> None:
    """Fit an ordinary working day: documents by hour, numbers of recipients, priorities; tell how well it fits."""
    if clock not in ("calendar", "sent"):
        raise UsageError(f"--clock {clock!r} is not known", next_step="choose calendar or sent")
    day_us = parse_duration_us("--day", day)
    if day_us < 2_400_000:
        raise UsageError(f"--day {day} is too short", next_step="give 3s or more")
    if out.exists():
        raise UsageError(f"{out} exists already", next_step="choose another name, or remove it")
    recording = open_recording(file)
    registry = recording.registry()
    with engine() as connection:
        attach(connection, [recording])
        profile(connection, "calendar" if clock == "calendar" else "sent", where)
        fitted = fit(connection)
    beside = str((file / recording.manifest.registry).absolute()) if recording.manifest.registry else ""
    write_whole(
        out,
        workload_toml(
            fitted, fit_fan_out(fitted.by_fan_out, len(registry) - 1), "fitted", day_us / 1e6, beside
        ).encode(),
    )
    workload = load_workload(str(out)).workload
    model = MixedModel.of(workload.traffic, registry, workload.seed)
    _tell(fitted, model, out)


def mixed_probabilities(model: MixedModel) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    """Return the distribution of the number of recipients over a whole mix."""
    longest = max(len(one.fan_out.probabilities) for one in model.models)
    mixed = np.zeros(longest)
    for share, one in zip(model.shares, model.models, strict=True):
        mixed[: len(one.fan_out.probabilities)] += share * one.fan_out.probabilities
    return mixed


def _tell(fitted: Fitted, model: MixedModel, out: Path) -> None:
    distance = fan_out_distance(fitted.by_fan_out, mixed_probabilities(model))
    recorded = sum(n * count for n, count in fitted.by_fan_out.items()) / sum(fitted.by_fan_out.values())
    print(f"{out}: {sum(fitted.by_hour):,.1f} documents a working day, the mean of {fitted.working_days:,}")
    print("  by hour: " + " ".join(f"{documents:,.1f}" for documents in fitted.by_hour))
    print(f"  recipients: mean {recorded:.3f} recorded, {model.fan_out_mean:.3f} fitted; distance {distance:.3f}")
    print(f"  not fitted: bursts (variance / mean a minute {fitted.dispersion:.2f}; 1 is by chance), sizes")
    print(f"  (median {fitted.size_median:,.0f} bytes, log-normal sigma {fitted.size_sigma:.2f}), who writes to whom")
