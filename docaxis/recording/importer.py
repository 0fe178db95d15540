"""Importing: rows of a file, by a map, into a recording that is whole or is not there.

Rows are parsed block by block into a table that DuckDB keeps (on disk, where it does not fit), then gathered into
packets: the rows of one document that were sent together are one packet with several recipients. Ties in time keep the
order of the file.
"""

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import duckdb
import orjson
import pyarrow as pa

from docaxis.domain.agency import Registry
from docaxis.domain.errors import UsageError
from docaxis.files import telling, write_whole
from docaxis.recording.engine import engine, wrong_expression
from docaxis.recording.import_agencies import code_names, registry_csv
from docaxis.recording.import_fields import parsed_sql, quoted, source_sql
from docaxis.recording.import_map import ImportMap
from docaxis.recording.import_packets import GATHER, ROWS
from docaxis.recording.import_rows import Rejected, read_blocks
from docaxis.recording.manifest import REGISTRY, Manifest, write_manifest
from docaxis.recording.schema import ATTRIBUTES, SCHEMA
from docaxis.recording.summary import summarise
from docaxis.recording.writer import PART_ROWS, RecordingWriter

#: Rows before which a share of rejected ones means nothing yet.
SHARE_MEANS_AFTER = 1000

#: Words of an expression that name no column.
_SQL_WORDS = frozenset(
    "AND OR NOT IN IS NULL LIKE ILIKE BETWEEN CASE WHEN THEN ELSE END TRUE FALSE AS CAST".split()  # noqa: SIM905
)

_KEPT = ("line", "sender", "recipients", "sent_us", "received_us", "document", "state", *ATTRIBUTES)


@dataclass(slots=True)
class Imported:
    """What an import came to."""

    rows: int = 0
    rejected: int = 0
    left_out: int = 0  # by the map's `where`
    first_backwards: tuple[int, int] | None = None  # line, and by how many microseconds
    both_times: int = 0  # rows that say when they were sent and when received
    received_before_sent: int = 0  # of them: rejected, unless they are to be taken as they are
    first_reason: Rejected | None = None
    manifest: Manifest | None = None


class _Rejects:
    """The reject file: made when there is something to reject."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.unlink(missing_ok=True)

    def put(self, rejected: list[Rejected]) -> None:
        if rejected:
            with telling(self.path), self.path.open("ab") as file:
                file.writelines(orjson.dumps(one._asdict()) + b"\n" for one in rejected)


def import_file(
    path: Path,
    imported: ImportMap,
    out: Path,
    *,
    known: Registry,
    rejects: Path,
    rejects_share_max: float,
    in_order: bool = False,
    allow_backwards: bool = False,
    tell: Callable[[Imported], None] = lambda _: None,
) -> Imported:
    """Import one file. Raises UsageError, and leaves nothing at `out`, if too much of it is at fault."""
    if out.exists():
        raise UsageError(f"{out} exists already", next_step="choose another folder, or remove it")
    unfinished = out.with_name(f".{out.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    done, put = Imported(), _Rejects(rejects)
    try:
        with engine() as connection:
            _stage(connection, path, imported, done, put, rejects_share_max, tell, allow_backwards=allow_backwards)
            codes = _codes(connection, imported, known, done, put)
            _check_share(done, path, put, rejects_share_max, imported)
            backwards = _check_order(connection, path, done, in_order=in_order)
            connection.execute(GATHER)
            source = {"file": path.name, "map": imported.name, "zone": imported.zone}
            writer = RecordingWriter(unfinished, source)
            for batch in connection.sql(ROWS).to_arrow_reader(PART_ROWS):
                writer.add([pa.Table.from_batches([batch]).select(SCHEMA.names).cast(SCHEMA)])
                writer.flush({})
        text = registry_csv(codes, known)
        if text is not None:
            write_whole(unfinished / REGISTRY, text.encode())
        counted = {"rows": done.rows, "rejected": done.rejected, "left_out": done.left_out}
        done.manifest = summarise(
            unfinished,
            writer.parts,
            {**source, **counted},
            sensitive=imported.sensitive,
            clock_backwards=backwards,
            registry=REGISTRY if text is not None else "",
        )
        write_manifest(unfinished, done.manifest)
        with telling(out):
            unfinished.replace(out)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return done


def _stage(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    imported: ImportMap,
    done: Imported,
    put: _Rejects,
    share_max: float,
    tell: Callable[[Imported], None],
    *,
    allow_backwards: bool,
) -> None:
    """Parse the file into the table `staged`."""
    connection.execute(f"SET TimeZone = {quoted(imported.zone)}")
    columns = imported.wanted_columns()
    if imported.where and imported.format == "ndjson":
        columns = sorted({*columns, *_words(imported.where)})
    query, made = parsed_sql(imported, allow_backwards=allow_backwards), False
    for block in read_blocks(path, imported):
        _take_rejected(done, put, block.rejected)
        done.rows += len(block.rejected)
        if block.table.num_rows:
            connection.register("block", block.table)
            try:
                connection.execute(f"CREATE OR REPLACE TEMP TABLE source AS {source_sql(imported, columns)}")
                connection.execute(f"CREATE OR REPLACE TEMP TABLE parsed AS {query}")
            except (duckdb.BinderException, duckdb.ParserException, duckdb.CatalogException) as error:
                if imported.where:
                    raise wrong_expression("where", imported.where, error) from error
                raise
            (kept, both, backwards) = connection.execute(
                "SELECT count(*), count(*) FILTER (received_us IS NOT NULL AND sent_us IS NOT NULL), "
                "count(*) FILTER (received_us < sent_us) FROM parsed"
            ).fetchall()[0]
            done.rows += block.table.num_rows
            done.left_out += block.table.num_rows - kept
            done.both_times += both
            done.received_before_sent += backwards
            faulty = connection.execute("SELECT line, fault, raw FROM parsed WHERE fault IS NOT NULL ORDER BY line")
            _take_rejected(done, put, [Rejected(*row) for row in faulty.fetchall()])
            target = "INSERT INTO staged" if made else "CREATE TEMP TABLE staged AS"
            connection.execute(f"{target} SELECT {', '.join(_KEPT)} FROM parsed WHERE fault IS NULL")
            made = True
        if done.rows >= SHARE_MEANS_AFTER:
            _check_share(done, path, put, share_max, imported)
        tell(done)
    if not made or (done.rows and done.rejected + done.left_out == done.rows):
        _check_share(done, path, put, share_max, imported)
        raise UsageError(f"{path} holds no row to import", next_step="give a file with rows that the map fits")


def _words(expression: str) -> list[str]:
    """Return what may be a column in an expression over JSON rows: a name that is missing there is null."""
    outside = re.sub(r"'(?:[^']|'')*'", "", expression)
    return [word for word in re.findall(r"[A-Za-z_]\w*(?!\w*\s*\()", outside) if word.upper() not in _SQL_WORDS]


def _take_rejected(done: Imported, put: _Rejects, rejected: list[Rejected]) -> None:
    put.put(rejected)
    done.rejected += len(rejected)
    for one in rejected:
        if done.first_reason is None:
            done.first_reason = one


def _check_share(done: Imported, path: Path, put: _Rejects, share_max: float, imported: ImportMap) -> None:
    if done.rejected > share_max * done.rows:
        first = done.first_reason
        place = f"; the first at line {first.line}: {first.reason}" if first else ""
        if done.received_before_sent > done.both_times / 2:
            raise UsageError(
                f"{path}: {done.received_before_sent:,} of {done.both_times:,} rows were received before they were "
                f"sent{place}",
                next_step=f"is the zone of one of the two times wrong? The map says {imported.zone}",
            )
        raise UsageError(
            f"{path}: {done.rejected:,} of {done.rows:,} rows were rejected, more than {share_max:.1%}{place}",
            next_step=f"read {put.path}, put the map right, or allow more with --max-rejected",
        )


def _codes(
    connection: duckdb.DuckDBPyConnection, imported: ImportMap, known: Registry, done: Imported, put: _Rejects
) -> dict[str, str]:
    """Give every agency its code, in the table `codes`; rows that name one without are rejected."""
    names = connection.execute(
        "SELECT DISTINCT name FROM (SELECT sender AS name FROM staged UNION SELECT unnest(recipients) FROM staged)"
    ).fetchall()
    codes = code_names([name for (name,) in names], imported.agencies, known)
    unknown = sorted(name for (name,) in names if name not in codes)
    if unknown:
        connection.register("unknown", pa.table({"name": unknown}))
        condition = "sender IN (FROM unknown) OR len(list_intersect(recipients, (SELECT list(name) FROM unknown))) > 0"
        rows = connection.execute(
            f"SELECT line, CASE WHEN sender IN (FROM unknown) THEN sender ELSE "
            f"list_intersect(recipients, (SELECT list(name) FROM unknown))[1] END FROM staged WHERE {condition} "
            "ORDER BY line"
        ).fetchall()
        _take_rejected(done, put, [Rejected(line, f"{name!r} is no agency of the registry", "") for line, name in rows])
        connection.execute(f"DELETE FROM staged WHERE {condition}")
    connection.register("given", pa.table({"name": list(codes), "code": list(codes.values())}))
    connection.execute("CREATE TEMP TABLE codes AS SELECT * FROM given")
    return codes


def _check_order(connection: duckdb.DuckDBPyConnection, path: Path, done: Imported, *, in_order: bool) -> int:
    """Return how many rows stand after one that was sent later. Raises UsageError where order was asked for."""
    backwards, first, by_us = connection.execute(
        "SELECT count(*), min(line), arg_min(latest - sent_us, line) FROM (SELECT line, sent_us, max(sent_us) OVER "
        "(ORDER BY line ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS latest FROM staged) WHERE sent_us < latest"
    ).fetchall()[0]
    if backwards:
        done.first_backwards = (first, by_us)
        if in_order:
            raise UsageError(
                f"{path} line {first}: the time goes back by {by_us / 1e6:,.3f} s ({backwards:,} such rows in all)",
                next_step="leave --in-order out to have the rows sorted by time",
            )
    return int(backwards)
