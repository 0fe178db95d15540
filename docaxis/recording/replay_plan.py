"""What a replay sends: which events of which recordings, in which order, at which moments.

A plan is a value, stored as JSON beside the run: the process that sends reads it, and so does whoever resumes.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

import duckdb
import msgspec
import numpy as np
import pyarrow as pa

from docaxis.domain.errors import UsageError
from docaxis.files import write_whole
from docaxis.recording.profile import choose
from docaxis.recording.reader import attach, open_recording
from docaxis.recording.schedule import Int64s, ReplaySchedule

#: Rows that are fetched together: few, since nothing is sent meanwhile.
BLOCK_ROWS = 2_000

#: What separates the document id of a copy from that of its original.
COPY_MARK = "~"

#: Columns that sending a document afresh needs.
TRAFFIC_COLUMNS = (
    "packet_id", "document_id", "sender", "recipients", "type", "priority", "steering", "business", "size",
    "calendar_ms", "sha256",
)  # fmt: skip


class ReplayPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The whole of a replay."""

    recordings: list[str]
    run: str
    created_us: int  # when the run began, wall clock
    as_recorded: bool = False  # all events as they were; else only documents, routed and received afresh
    clock: Literal["sent", "calendar"] = "sent"  # which of the recorded times is kept
    speed: float = 1.0
    closed: bool = False  # as fast as the axis lets it, in recorded order; speed, gaps and rate mean nothing then
    max_gap_us: int | None = None
    rate_per_s: float | None = None
    from_us: int | None = None  # of the recorded time, inclusive
    to_us: int | None = None  # exclusive
    agencies: list[str] = []  # what these send
    where: str = ""
    limit: int | None = None
    amplify: int = 1
    jitter_us: int = 0  # copies are shifted by up to so much of the replay's own time
    seed: int = 1
    key_file: str = ""  # of pseudonyms; empty: sent as recorded
    pairs: Literal["kept", "permuted"] = "kept"
    registry: str = ""  # file of the agencies; empty: the package's own
    resumed: int = 0  # how often it was gone on with

    @property
    def life(self) -> int:
        """What numbers of plans and readings of this life of the run lie beyond; none comes to a million of them."""
        return self.resumed * 1_000_000

    def steps(self, folder: Path, life: int | None = None) -> Path:
        """Return the file beside the run in which its conductor keeps when this, or another, life was steered how."""
        return folder / f"steps-{self.resumed if life is None else life}.json"


class Extent(msgspec.Struct, frozen=True):
    """What a plan comes to, before the schedule."""

    events: int  # rows that will be sent, copies included
    documents: int
    deliveries: int
    time_us_min: int
    time_us_max: int
    canaries: int = 0  # events of canaries in the recordings, which are no traffic and not sent

    @property
    def span_us(self) -> int:
        """Recorded time from the first event to the last."""
        return self.time_us_max - self.time_us_min


def prepare(connection: duckdb.DuckDBPyConnection, plan: ReplayPlan) -> Extent:
    """Open the recordings and make the view `planned`; return its extent.

    Raises UsageError for a recording at fault, a wrong `where`, or when nothing fits.
    """
    canaries = attach(connection, [open_recording(Path(folder)) for folder in plan.recordings])
    choose(connection, plan.where)
    connection.execute(f"CREATE OR REPLACE TEMP VIEW planned AS {_planned_sql(plan)}")
    events, documents, deliveries, first, last = connection.execute(
        "SELECT count(*), count(*) FILTER (kind = 'sent'), coalesce(sum(len(recipients)) FILTER (kind = 'sent'), 0), "
        "min(at_us), max(at_us) FROM planned"
    ).fetchall()[0]
    if not events:
        unfit = f"; {canaries:,} events of canaries are left out" if canaries else ""
        raise UsageError(
            f"there is nothing to replay: no event fits{unfit}", next_step="look at the options that choose"
        )
    return Extent(events, documents, int(deliveries), first, last, canaries)


def _planned_sql(plan: ReplayPlan) -> str:
    at_us = "calendar_ms * 1000" if plan.clock == "calendar" and not plan.as_recorded else "time_us"
    conditions = ["kind <> 'unreadable'" if plan.as_recorded else "kind = 'sent'"]
    if plan.from_us is not None:
        conditions.append(f"{at_us} >= {plan.from_us}")
    if plan.to_us is not None:
        conditions.append(f"{at_us} < {plan.to_us}")
    if plan.agencies:
        codes = ", ".join(_quoted(code) for code in plan.agencies)
        conditions.append(f"sender IN ({codes})")
    chosen = f"SELECT *, {at_us} AS recorded_us FROM chosen WHERE {' AND '.join(conditions)}"
    if plan.limit is not None:
        chosen = f"SELECT * FROM ({chosen}) ORDER BY recorded_us, recording, sequence LIMIT {plan.limit}"
    if plan.amplify == 1:
        return f"SELECT *, recorded_us AS at_us, 0 AS copy FROM ({chosen})"
    # Every copy's shift is drawn by its own identity: the same plan gives the same shifts, in whatever order.
    drawn = f"md5_number_lower(concat_ws('|', {plan.seed}, recording, sequence, copy))"
    shift = f"CASE WHEN copy = 0 THEN 0 ELSE ({drawn} % {round(plan.jitter_us * plan.speed) + 1})::BIGINT END"
    return f"SELECT *, recorded_us + {shift} AS at_us FROM ({chosen}), (SELECT unnest(range({plan.amplify})) AS copy)"


def check_runs(connection: duckdb.DuckDBPyConnection) -> None:
    """Raise UsageError if the events are of several runs that use the same ids: sent as one run, they would collide."""
    runs = [run for (run,) in connection.execute("SELECT DISTINCT run FROM planned ORDER BY run").fetchall()]
    if len(runs) < 2:
        return
    (collide,) = connection.execute(
        "SELECT count(*) FROM (SELECT packet_id FROM planned WHERE kind = 'sent' AND copy = 0 "
        "GROUP BY packet_id HAVING count(DISTINCT run) > 1)"
    ).fetchall()[0]
    if collide:
        shown = ", ".join(runs[:5]) + (" ..." if len(runs) > 5 else "")
        raise UsageError(
            f"the recording holds {len(runs)} runs that use the same ids ({collide:,} packets): {shown}",
            next_step=f"choose one, as in --where \"run = '{runs[0]}'\"",
        )


def agencies_of(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Return every code that sends or receives in the plan."""
    rows = connection.execute(
        "SELECT DISTINCT code FROM (SELECT sender AS code FROM planned UNION "
        "SELECT unnest(recipients) FROM planned UNION SELECT recipient FROM planned) WHERE code <> '' ORDER BY code"
    )
    return [code for (code,) in rows.fetchall()]


def schedule_of(plan: ReplayPlan, extent: Extent) -> ReplaySchedule:
    """Return the schedule of a plan, at its beginning."""
    return ReplaySchedule(extent.time_us_min, plan.speed, plan.max_gap_us, plan.rate_per_s)


class Planned(NamedTuple):
    """The next events in order: their columns, and when they are due after the start."""

    table: pa.Table
    due_us: Int64s


def planned_blocks(
    connection: duckdb.DuckDBPyConnection, schedule: ReplaySchedule, columns: tuple[str, ...]
) -> Iterator[Planned]:
    """Yield all events in order of time; ties keep the order of the files, and of the rows in each.

    What does not fit in memory is sorted on disk.
    """
    names = ", ".join(f'"{name}"' for name in columns)
    query = f"SELECT {names}, at_us, copy FROM planned ORDER BY at_us, recording, sequence, copy"
    for batch in connection.sql(query).to_arrow_reader(BLOCK_ROWS):
        table = pa.Table.from_batches([batch])
        yield Planned(table, schedule.due(np.asarray(table.column("at_us").combine_chunks())))


def copied(identity: str, copy: int) -> str:
    """Return a packet's or document's id for one of its copies; copy 0 is the original."""
    return identity if copy == 0 else f"{identity}{COPY_MARK}{copy}"


def write_plan(path: Path, plan: ReplayPlan) -> None:
    """Store a plan."""
    write_whole(path, msgspec.json.format(msgspec.json.encode(plan), indent=1) + b"\n")


def read_plan(path: Path) -> ReplayPlan:
    """Return a stored plan. Raises UsageError if it is none."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=ReplayPlan)
    except (OSError, msgspec.MsgspecError) as error:
        raise UsageError(f"{path} is no plan of a replay: {error}", next_step="give the id of a replay") from error


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
