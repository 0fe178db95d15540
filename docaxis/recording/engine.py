"""DuckDB as recordings use it: bounded memory, what does not fit sorted on disk, its errors in our words."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from docaxis.domain.errors import InfrastructureError, UsageError

#: What a query may hold in memory before it goes on on disk.
MEMORY_MB = 700

#: More threads would hold more blocks in memory at a time, and a replay shares the machine with the axis.
THREADS = 2


@contextmanager
def engine(memory_mb: int = MEMORY_MB, threads: int = THREADS) -> Iterator[duckdb.DuckDBPyConnection]:
    """Give a connection to an empty database; its errors become UsageError or InfrastructureError."""
    with tempfile.TemporaryDirectory(prefix="docaxis-") as spill:
        connection = duckdb.connect(
            config={
                "memory_limit": f"{memory_mb}MB",
                "threads": threads,
                "temp_directory": spill,
                "preserve_insertion_order": False,
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
            }
        )
        try:
            connection.execute("SET TimeZone = 'UTC'")
            yield connection
        except (duckdb.IOException, duckdb.OutOfMemoryException) as error:
            raise InfrastructureError(
                f"a query on the recording failed: {_first_line(error)}",
                next_step=f"is there room in {tempfile.gettempdir()}, and are the parts readable? "
                "TMPDIR names another folder for what does not fit in memory",
            ) from error
        except duckdb.Error as error:
            if isinstance(error, duckdb.BinderException | duckdb.CatalogException | duckdb.ParserException):
                raise  # ours: users' expressions were looked at before
            raise UsageError(
                f"a query on the recording failed: {_first_line(error)}",
                next_step="does --where turn one type into another? Then write try_cast; otherwise a part is damaged: "
                "restore it, or record again",
            ) from error
        finally:
            connection.close()


def wrong_expression(option: str, expression: str, error: Exception) -> UsageError:
    """Return what to say of an expression that DuckDB refuses."""
    return UsageError(
        f"{option} {expression!r}: {_first_line(error)}",
        next_step="write a DuckDB expression over the columns of a recording, as in \"sender = 'H53' AND size > 1e6\"",
    )


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
