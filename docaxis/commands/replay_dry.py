"""The dry run of a replay: what it would send, and whether this machine can keep its schedule."""

import time

import duckdb
import numpy as np
import pyarrow as pa

from docaxis.commands.recording_options import left_out, shown_us
from docaxis.domain.agency import Registry
from docaxis.recording.engine import engine
from docaxis.recording.replay_plan import ReplayPlan, prepare, schedule_of
from docaxis.recording.schedule import SECOND_US, ReplaySchedule
from producers.recorded import AlreadySent, recorded_slices

#: Documents drafted to see how fast this machine drafts.
TRIAL_DOCUMENTS = 5_000

#: A schedule is kept with room to spare: its peak should stay below this share of what drafting alone can do.
KEPT_SHARE = 0.25


def tell_dry_run(plan: ReplayPlan, known: Registry, unknown: list[str]) -> None:
    """Print documents, deliveries, peak rate, duration, what would be refused, and whether the schedule can be kept."""
    with engine() as connection:
        extent = prepare(connection, plan)
        schedule = schedule_of(plan, extent)
        peak, peak_deliveries, previous = 0, 0, None
        query = "SELECT at_us, coalesce(len(recipients), 0) AS fan_out FROM planned ORDER BY at_us"
        for batch in connection.sql(query).to_arrow_reader(200_000):
            due_us = schedule.due(np.asarray(batch.column(0)))
            seconds = due_us // SECOND_US
            first = int(seconds[0])
            documents = np.bincount(seconds - first)
            deliveries = np.bincount(seconds - first, weights=np.asarray(batch.column(1)))
            if previous is not None and previous[0] == first:  # a second that began in the block before
                documents[0] += previous[1]
                deliveries[0] += previous[2]
            peak, peak_deliveries = max(peak, int(documents.max())), max(peak_deliveries, int(deliveries.max()))
            previous = (int(seconds[-1]), int(documents[-1]), float(deliveries[-1]))
        refused = _refused(connection, unknown)
    print(f"{extent.documents:,} documents, {extent.deliveries:,} deliveries")
    if extent.canaries:
        print(left_out(extent.canaries))
    print(f"recorded from {shown_us(extent.time_us_min)} to {shown_us(extent.time_us_max)} (Vietnam time)")
    if plan.closed:
        print("as fast as the axis lets it: no schedule to keep")
    else:
        print(f"duration {schedule.end_us / 1e6:,.1f} s at speed {plan.speed:,.6g}; {_changed(schedule)}")
        print(f"busiest second {peak:,} documents, {peak_deliveries:,} deliveries")
    print(f"{refused:,} documents name an agency that the registry lacks" + _named(unknown))
    if not plan.closed:
        per_second = _drafting_rate(plan, known)
        kept = "can be kept" if peak <= per_second * KEPT_SHARE else "may not be kept: lower --speed or --rate-limit"
        print(f"this machine drafts {per_second:,.0f} documents a second: the schedule {kept}")


def _changed(schedule: ReplaySchedule) -> str:
    return (
        f"{schedule.gaps_skipped:,} gaps cut by {schedule.skipped_us / 1e6:,.1f} s, "
        f"{schedule.capped:,} documents held back by the limit"
    )


def _refused(connection: duckdb.DuckDBPyConnection, unknown: list[str]) -> int:
    """Return how many documents name an agency that the registry lacks."""
    if not unknown:
        return 0
    connection.register("unknown", pa.table({"code": unknown}))
    (count,) = connection.execute(
        "SELECT count(*) FROM planned WHERE sender IN (FROM unknown) "
        "OR len(list_intersect(recipients, (SELECT list(code) FROM unknown))) > 0"
    ).fetchall()[0]
    return int(count)


def _drafting_rate(plan: ReplayPlan, known: Registry) -> float:
    """Return how many documents a second this machine drafts, as it does before each of them is due."""
    slices = recorded_slices(plan, 6, known.codes, AlreadySent())
    drafted = len(next(slices).due_us)  # what the query takes to begin is not counted
    began_s = time.perf_counter()
    for one in slices:
        drafted += len(one.due_us)
        if drafted >= TRIAL_DOCUMENTS:
            break
    return drafted / max(time.perf_counter() - began_s, 1e-9)


def _named(unknown: list[str]) -> str:
    return f": {', '.join(unknown[:5])}{' ...' if len(unknown) > 5 else ''}" if unknown else ""
