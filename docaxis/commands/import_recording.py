"""`docaxis import`: traffic that others recorded, as CSV, TSV, NDJSON, Parquet or plain words, into a recording."""

import time
from pathlib import Path
from typing import Annotated

import typer

from docaxis.commands.options import RegistryFile, new_app, progress
from docaxis.commands.recording_options import described
from docaxis.domain.agency import Registry
from docaxis.domain.errors import UsageError
from docaxis.recording.import_map import load_map
from docaxis.recording.importer import Imported, import_file

app = new_app(__doc__)

LINE_INTERVAL_S = 2.0


@app.command("import")
def import_recording(
    file: Annotated[Path, typer.Argument(help="The file; .gz and .zst are unpacked.")],
    map_name: Annotated[
        str, typer.Option("--map", help="Map (TOML), or a shipped one: axis-sent-list, edge-list, x-road.")
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder of the recording.")],
    registry: RegistryFile = None,
    max_rejected: Annotated[
        float, typer.Option(min=0, max=1, help="Share of rows that may be rejected before the import stops.")
    ] = 0.01,
    rejects: Annotated[Path | None, typer.Option(help="File of rejected rows; default: beside the recording.")] = None,
    in_order: Annotated[bool, typer.Option("--in-order", help="Refuse a file whose times go backwards.")] = False,
    allow_backwards: Annotated[
        bool, typer.Option("--allow-backwards", help="Take rows that were received before they were sent, too.")
    ] = False,
) -> None:
    """Import one file. Rows that do not parse go to the reject file, with line and reason."""
    if not 0 <= max_rejected <= 1:
        raise UsageError(f"--max-rejected {max_rejected} is no share", next_step="give 0 to 1, as in 0.01")
    out = Path(str(out).rstrip("/"))
    reject_file = rejects or out.with_name(f"{out.name}.rejected.ndjson")
    done = import_file(
        file,
        load_map(map_name),
        out,
        known=Registry.load(registry),
        rejects=reject_file,
        rejects_share_max=max_rejected,
        in_order=in_order,
        allow_backwards=allow_backwards,
        tell=_Teller().tell,
    )
    assert done.manifest is not None
    print(described(out, done.manifest))
    _tell_faults(done, reject_file)


class _Teller:
    """Tells now and then how far the import is."""

    def __init__(self) -> None:
        self._told_s = time.monotonic()

    def tell(self, done: Imported) -> None:
        if time.monotonic() - self._told_s >= LINE_INTERVAL_S:
            self._told_s = time.monotonic()
            progress(f"{done.rows:>12,} rows read, {done.rejected:,} rejected")


def _tell_faults(done: Imported, reject_file: Path) -> None:
    if done.left_out:
        print(f"  {done.left_out:,} rows left out by the map")
    if done.first_reason is not None:
        first = done.first_reason
        print(f"  {done.rejected:,} of {done.rows:,} rows rejected, the first at line {first.line}: {first.reason}")
        print(f"  all of them: {reject_file}")
    if done.first_backwards is not None:
        line, by_us = done.first_backwards
        print(f"  the first row out of order is line {line}, {by_us / 1e6:,.3f} s back; all are sorted by time now")
    if done.received_before_sent:
        what = f"{done.received_before_sent:,} of {done.both_times:,} rows were received before they were sent"
        print(f"  {what}: two clocks disagree")
