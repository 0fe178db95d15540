"""Commands of docaxis as a user runs them: each in a process of its own, with the memory that it took."""

import asyncio
import re
import sys
from pathlib import Path

from docaxis.domain.errors import InfrastructureError

_MEASURED = """
import resource, sys
from docaxis.cli import main
code = main(sys.argv[1:])
print("peak_kib", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
sys.exit(code)
"""


async def docaxis(folder: Path, *arguments: str) -> tuple[float, str]:
    """Run a command in a folder; return the most memory it had resident, in MiB, and what it said.

    Raises:
        InfrastructureError: it did not succeed.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _MEASURED, *arguments, cwd=folder,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said = (await process.communicate())[0].decode()
    peak = re.search(r"peak_kib (\d+)", said)
    if process.returncode or peak is None:
        raise InfrastructureError(f"docaxis {' '.join(arguments)} failed: {said[-500:]}", next_step="see above")
    return int(peak[1]) / 1024, said
