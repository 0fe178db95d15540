"""Who wrote what to whom in a recording, as a table that a workload can name: `like = "FILE"`. Pure but for queries.

The file is JSON. Codes are listed once; everything else refers to them by position. Shares are kept as counts: what
was counted is what is drawn from.
"""

from pathlib import Path

import duckdb
import msgspec
import numpy as np

from docaxis.domain.errors import UsageError

#: Documents to more recipients than this are circulars: they reach agencies that are seldom written to else.
FEW = 8

#: Quantiles of sizes that are kept: the 0th to the 200th of 200.
SIZE_STEPS = 200


class TrafficTable(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of documents and deliveries; first sends only."""

    version: int = 1
    agencies: list[str]
    pairs: list[tuple[int, int, int, int]]  # sender, recipient, deliveries of documents to few and to more than FEW
    fan_outs: list[tuple[int, int, int]]  # sender, number of recipients, documents
    kinds: list[tuple[int, int, int, int]]  # type, priority, steering, documents
    sizes: list[int]  # quantiles, ascending, SIZE_STEPS + 1 of them

    def by_fan_out(self) -> dict[int, int]:
        """Return documents by the number of their recipients, over all senders."""
        found: dict[int, int] = {}
        for _, number, documents in self.fan_outs:
            found[number] = found.get(number, 0) + documents
        return dict(sorted(found.items()))


def traffic_table(connection: duckdb.DuckDBPyConnection) -> TrafficTable:
    """Count the view `documents` (see `profile`)."""
    first = "documents WHERE business = 0 AND len(recipients) > 0"
    number = "len(list_distinct(list_filter(recipients, lambda code: code <> sender)))"
    pairs = connection.execute(
        f"SELECT sender, recipient, count(*) FILTER (number <= {FEW}), count(*) FILTER (number > {FEW}) FROM ("
        f"SELECT sender, {number} AS number, unnest(list_distinct(recipients)) AS recipient FROM {first}) "
        "WHERE sender <> recipient GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    fan_outs = connection.execute(
        f"SELECT sender, {number} AS number, count(*) FROM {first} GROUP BY ALL HAVING number > 0 ORDER BY ALL"
    ).fetchall()
    kinds = connection.execute(
        f"SELECT type, priority, steering, count(*) FROM {first} GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    steps = [step / SIZE_STEPS for step in range(SIZE_STEPS + 1)]
    (sizes,) = connection.execute(f"SELECT quantile_disc(greatest(size, 1), {steps}) FROM {first}").fetchall()[0]
    if not pairs or not fan_outs:
        raise UsageError(
            "the recording has no document from one agency to another", next_step="`docaxis inspect` shows what it has"
        )
    codes = sorted({code for sender, recipient, *_ in pairs for code in (sender, recipient)})
    place = {code: number for number, code in enumerate(codes)}
    return TrafficTable(
        agencies=codes,
        pairs=[(place[sender], place[recipient], few, more) for sender, recipient, few, more in pairs],
        fan_outs=[(place[sender], number, count) for sender, number, count in fan_outs],
        kinds=kinds,
        sizes=[int(size) for size in np.maximum.accumulate(sizes)],
    )


def read_table(path: Path) -> TrafficTable:
    """Return a stored table. Raises UsageError naming the file."""
    try:
        table = msgspec.json.decode(path.read_bytes(), type=TrafficTable)
    except OSError as error:
        raise UsageError(
            f"{path}: {error.strerror}", next_step="`docaxis fit` writes it beside its workload"
        ) from error
    except msgspec.MsgspecError as error:
        raise UsageError(f"{path} is no table of traffic: {error}", next_step="make it with `docaxis fit`") from error
    numbers = range(len(table.agencies))
    if not table.pairs or any(sender not in numbers or to not in numbers for sender, to, *_ in table.pairs):
        raise UsageError(f"{path} names an agency beyond its list", next_step="make it with `docaxis fit`")
    if not table.kinds or not table.fan_outs or len(table.sizes) < 2:
        raise UsageError(f"{path} holds no documents", next_step="make it with `docaxis fit`")
    return table
