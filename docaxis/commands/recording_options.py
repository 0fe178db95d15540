"""Options and words that the commands on recordings share; light to import, since an import ends in a second."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from docaxis.domain.calendar import VIETNAM_OFFSET_MS
from docaxis.domain.errors import UsageError
from docaxis.recording.manifest import Manifest

FromTime = Annotated[
    str | None, typer.Option("--from", help="First moment, as 2021-02-23 or 2021-02-23T08:00 (Vietnam time).")
]
ToTime = Annotated[str | None, typer.Option("--to", help="The moment it ends before.")]

AllowBackwards = Annotated[
    bool,
    typer.Option("--allow-backwards", help="Take the recording though its clocks went backwards somewhere."),
]


def described(folder: Path, manifest: Manifest) -> str:
    """Return in a few lines what a recording holds."""
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in sorted(manifest.kinds.items()))
    lines = [f"{folder}: {manifest.rows:,} rows ({kinds}) in {len(manifest.parts)} parts"]
    lines.append(
        f"  {manifest.documents:,} documents, {manifest.deliveries:,} deliveries, "
        f"{manifest.senders:,} senders, {len(manifest.agencies):,} agencies"
    )
    if manifest.time_us_min is not None and manifest.time_us_max is not None:
        lines.append(f"  sent {shown_us(manifest.time_us_min)} to {shown_us(manifest.time_us_max)} (Vietnam time)")
    for gap in manifest.gaps[:3]:
        hours = (gap.to_us - gap.from_us) / 3.6e9
        lines.append(f"  nothing for {hours:,.1f} h from {shown_us(gap.from_us)}")
    if manifest.clock_backwards:
        lines.append(
            f"  {manifest.clock_backwards:,} rows stood after a later one: the clock went backwards, or no order"
        )
    if manifest.received_before_sent:
        lines.append(
            f"  {manifest.received_before_sent:,} deliveries were received before they were sent: clocks disagree"
        )
    if manifest.sensitive:
        lines.append("  marked sensitive: replay it with --pseudonymise")
    return "\n".join(lines)


def left_out(canaries: int) -> str:
    """Return what to say of events of canaries that are not counted; nothing if there are none."""
    return f"{canaries:,} events of canaries are left out: they are no traffic" if canaries else ""


def shown_us(instant_us: int) -> str:
    """Return a moment in Vietnam time, for people."""
    return f"{datetime.fromtimestamp(instant_us / 1e6 + VIETNAM_OFFSET_MS / 1e3, UTC):%Y-%m-%d %H:%M:%S}"


def parse_moment_us(text: str) -> int:
    """Return the moment a user wrote, in Vietnam time unless it names another zone."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        try:
            moment = datetime.strptime(text, "%d/%m/%Y")  # noqa: DTZ007  # the zone is Vietnam's, below
        except ValueError:
            raise UsageError(f"{text!r} is no moment", next_step="write it as 2021-02-23 or 2021-02-23T08:00") from None
    if moment.tzinfo is None:
        return round(moment.replace(tzinfo=UTC).timestamp() * 1e6) - VIETNAM_OFFSET_MS * 1000
    return round(moment.timestamp() * 1e6)
