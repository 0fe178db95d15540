"""Whether the times of a recording can be true: in order in each part, and nothing received before it was sent.

A writer sorts each part by `time_us` and then `sequence`, and readers skip by it; so a part that is out of order was
changed, or written by a clock that went backwards under a program of somebody else's. What was received before it was
sent comes from two clocks that disagree. Plots, fits and replays of such rows would look right and be wrong.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from docaxis.domain.errors import UsageError
from docaxis.recording.reader import Recording

Int64s = npt.NDArray[np.int64]

#: Before all times.
_BEFORE = -(2**62)

_NEXT_STEP = "put the clock's fault right and record or import again, or take the times as they are (--allow-backwards)"


def check_clocks(recording: Recording) -> None:
    """Read the times of all parts, a group of rows at a time. Raises UsageError naming the first row at fault."""
    before, before_place = 0, ""
    for file in recording.files:
        try:
            count, place = _check_part(Path(file))
        except (OSError, pa.ArrowException) as error:
            raise UsageError(
                f"{file} is damaged: {str(error).splitlines()[0]}", next_step="restore it, or record again"
            ) from error
        before, before_place = before + count, before_place or place
    if before:
        raise UsageError(
            f"{before_place}; {before:,} such rows in all: the clock went backwards, or two clocks disagree",
            next_step=_NEXT_STEP,
        )


def _check_part(path: Path) -> tuple[int, str]:
    """Return how many rows of a part were received before they were sent, and what to say of the first."""
    count, said, row, last = 0, "", 1, (_BEFORE, _BEFORE)
    with pq.ParquetFile(path) as part:
        for group in range(part.num_row_groups):
            table = part.read_row_group(group, columns=["time_us", "sequence", "sent_us", "received_us"])
            times, numbers = (np.asarray(table[name]) for name in ("time_us", "sequence"))
            at = first_out_of_order(np.append(last[0], times), np.append(last[1], numbers))
            if at is not None:
                was, here = (last[0] if at == 1 else int(times[at - 2])), int(times[at - 1])
                raise UsageError(
                    f"{path} row {row + at - 1:,}: its time goes back by {(was - here) / 1e6:,.3f} s, "
                    "and the rows of a part stand in order of time",
                    next_step=_NEXT_STEP,
                )
            backwards = np.flatnonzero(np.asarray(pc.fill_null(pc.less(table["received_us"], table["sent_us"]), False)))
            if len(backwards) and not said:
                one = int(backwards[0])
                by_us = table["sent_us"][one].as_py() - table["received_us"][one].as_py()
                said = f"{path} row {row + one:,} was received {by_us / 1e6:,.3f} s before it was sent"
            count += len(backwards)
            row += table.num_rows
            if table.num_rows:
                last = (int(times[-1]), int(numbers[-1]))
    return count, said


def first_out_of_order(times: Int64s, numbers: Int64s) -> int | None:
    """Return the position of the first row that stands after a later one, by time and then by number."""
    steps = np.diff(times)
    wrong = np.flatnonzero((steps < 0) | ((steps == 0) & (np.diff(numbers) < 0)))
    return int(wrong[0]) + 1 if len(wrong) else None
