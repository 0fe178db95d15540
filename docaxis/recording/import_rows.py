"""Reading what others recorded: any of the formats, in blocks of columns of text with the line of each row.

Compression is told by the file's ending (.gz, .zst). What is no row at all (a wrong number of fields, no JSON) is
returned as rejected with its line; what a field holds is not looked at here.
"""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from docaxis.domain.errors import UsageError
from docaxis.recording.import_map import ImportMap, check_columns

#: Bytes of text that are looked at together.
BLOCK_BYTES = 8 * 1024 * 1024

#: Rows of a Parquet file that are looked at together.
BATCH_ROWS = 100_000

#: A line of text longer than this is no row of a list.
LINE_BYTES_MAX = BLOCK_BYTES

_COMPRESSIONS = {".gz": "gzip", ".zst": "zstd", ".zstd": "zstd"}


class Rejected(NamedTuple):
    """A row that could not be taken: its line in the file, why, and what stood there."""

    line: int
    reason: str
    text: str


class Block(NamedTuple):
    """Some rows: the map's columns as text, `line` beside them; and what was rejected among them."""

    table: pa.Table
    rejected: list[Rejected]


def read_blocks(path: Path, imported: ImportMap) -> Iterator[Block]:
    """Yield the rows of a file. Raises UsageError if it cannot be read or lacks a column."""
    if not path.is_file():
        raise UsageError(f"{path} does not exist or is no file", next_step="give a readable file")
    if path.stat().st_size == 0:
        raise UsageError(f"{path} is empty", next_step="give a file with rows")
    try:
        match imported.format:
            case "csv" | "tsv":
                yield from _read_separated(path, imported)
            case "ndjson" | "words":
                yield from _read_lines(path, imported)
            case "parquet":
                yield from _read_parquet(path, imported)
    except (OSError, pa.ArrowException) as error:
        raise UsageError(
            f"{path} cannot be read as {imported.format}: {str(error).splitlines()[0]}",
            next_step="is it whole, and is the map's format the file's?",
        ) from error


def _open(path: Path) -> pa.NativeFile:
    return pa.input_stream(str(path), compression=_COMPRESSIONS.get(path.suffix.lower()))


# --- CSV and TSV


def _read_separated(path: Path, imported: ImportMap) -> Iterator[Block]:
    delimiter = "\t" if imported.format == "tsv" else imported.delimiter or ","
    header = imported.columns or _header(path, delimiter)
    check_columns(imported.wanted_columns(), header, str(path))
    faulty: list[tuple[int, str, str]] = []

    def refuse(row: pacsv.InvalidRow) -> str:
        reason = f"{row.actual_columns} fields, the header has {row.expected_columns}"
        faulty.append((row.number, reason, row.text))
        return "skip"

    reader = pacsv.open_csv(
        _open(path),
        # One thread: only then does a faulty row know its number.
        read_options=pacsv.ReadOptions(
            use_threads=False, block_size=BLOCK_BYTES, column_names=imported.columns, encoding="utf8"
        ),
        parse_options=pacsv.ParseOptions(delimiter=delimiter, newlines_in_values=True, invalid_row_handler=refuse),
        convert_options=pacsv.ConvertOptions(
            column_types=dict.fromkeys(header, pa.string()), strings_can_be_null=False, null_values=[]
        ),
    )
    row, extra, told = 1 if imported.columns else 2, 0, 0
    table = pa.table({name: pa.array([], pa.string()) for name in header})
    for batch in reader:
        table = pa.Table.from_batches([batch])
        if not table.num_rows:
            continue
        numbers = _numbers(row, table.num_rows, [number for number, _, _ in faulty])
        breaks = np.cumsum(_line_breaks(table))
        row = int(numbers[-1]) + 1
        mine = [one for one in faulty[told:] if one[0] < row]
        told += len(mine)
        # A row stands as many lines further down as there are line breaks inside the values before it.
        rejected = [
            Rejected(number + extra + int(breaks[at - 1] if at else 0), reason, text)
            for number, reason, text in mine
            for at in [int(np.searchsorted(numbers, number))]
        ]
        yield Block(_with_lines(table, numbers + extra + np.concatenate([[0], breaks[:-1]])), rejected)
        extra += int(breaks[-1])
    rest = [Rejected(number + extra, reason, text) for number, reason, text in faulty[told:]]
    if rest:
        yield Block(_with_lines(table.slice(0, 0), np.empty(0)), rest)


def _header(path: Path, delimiter: str) -> list[str]:
    """Return the names in the first row."""
    with _open(path) as stream:
        first = stream.read(65_536).decode("utf-8-sig", errors="replace").splitlines()[:1]
    if not first:
        raise UsageError(f"{path} is empty", next_step="give a file with rows")
    return next(csv.reader(first, delimiter=delimiter))


def _numbers(first: int, rows: int, taken: Sequence[int]) -> np.ndarray:
    """Return the next `rows` numbers from `first` on that are not taken by faulty rows."""
    bad = np.array(sorted(number for number in taken if number >= first), np.int64)
    numbers = np.arange(first, first + rows + len(bad))
    return numbers[~np.isin(numbers, bad)][:rows]


def _line_breaks(table: pa.Table) -> np.ndarray:
    """Return how many line breaks stand inside the values of each row."""
    breaks = np.zeros(table.num_rows, np.int64)
    for column in table.columns:
        breaks += np.asarray(pc.count_substring(column, "\n"))
    return breaks


# --- lines of text


def _read_lines(path: Path, imported: ImportMap) -> Iterator[Block]:
    """Yield blocks with the whole line in the column `text`, its line number beside it; blank lines left out."""
    number, rest = 1, b""
    with _open(path) as stream:
        while True:
            read = stream.read(BLOCK_BYTES)
            block = rest + read
            cut = len(block) if not read else block.rfind(b"\n") + 1
            rest = block[cut:]
            if len(rest) > LINE_BYTES_MAX:
                raise UsageError(f"{path} line {number}: a line of more than {LINE_BYTES_MAX:,} bytes is no row")
            lines = block[:cut].split(b"\n")
            if lines[-1] == b"":
                lines.pop()
            if lines:
                yield _block_of_lines(lines, number, imported)
                number += len(lines)
            if not read:
                return


def _block_of_lines(lines: list[bytes], first: int, imported: ImportMap) -> Block:
    rejected: list[Rejected] = []
    try:
        texts = pa.array(lines, pa.binary()).cast(pa.string())
    except pa.ArrowInvalid:
        kept: list[str] = []
        for number, line in enumerate(lines, first):
            try:
                kept.append(line.decode())
            except UnicodeDecodeError:
                kept.append("")  # blank lines are left out
                rejected.append(Rejected(number, "not UTF-8", line.decode("utf-8", "replace")))
        texts = pa.array(kept, pa.string())
    texts = pc.utf8_trim_whitespace(texts)
    numbers = np.arange(first, first + len(lines))
    written = pc.not_equal(texts, "")
    if imported.format == "words":
        written = pc.and_(written, pc.invert(pc.starts_with(texts, "#")))
    table = _with_lines(pa.table({"text": texts}), numbers).filter(written)
    return Block(table, rejected)


# --- Parquet


def _read_parquet(path: Path, imported: ImportMap) -> Iterator[Block]:
    with pq.ParquetFile(path) as file:
        wanted = imported.wanted_columns()
        check_columns(wanted, file.schema_arrow.names, str(path))
        names = file.schema_arrow.names if imported.where else wanted
        row = 1
        for batch in file.iter_batches(BATCH_ROWS, columns=names):
            columns = {name: _as_text(batch.column(name), imported.separator) for name in names}
            yield Block(_with_lines(pa.table(columns), np.arange(row, row + batch.num_rows)), [])
            row += batch.num_rows


def _as_text(column: pa.Array, separator: str) -> pa.Array:
    """Return a column as text: instants in ISO form with their zone, lists joined."""
    if pa.types.is_list(column.type):
        return pc.binary_join(column.cast(pa.list_(pa.string())), separator)
    if pa.types.is_timestamp(column.type):
        form = "%Y-%m-%dT%H:%M:%S" + ("" if column.type.tz is None else "%z")
        return pc.strftime(column.cast(pa.timestamp("us", column.type.tz)), form)
    return column.cast(pa.string())


def _with_lines(table: pa.Table, lines: np.ndarray) -> pa.Table:
    return table.append_column("line", pa.array(lines.astype(np.int64)))
