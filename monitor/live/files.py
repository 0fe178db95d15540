"""The page's own files, and the runbooks that alerts link to, read once.

Nothing of the disk can be asked for, only what is in the table.
"""

import gzip
import hashlib
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".md": "text/plain; charset=utf-8",  # read as it is; browsers would offer a text/markdown to be saved
}


@dataclass(frozen=True, slots=True)
class PageFile:
    """A file as it is served."""

    content_type: str
    body: bytes
    packed: bytes  # by gzip
    etag: str


def page_files() -> dict[str, PageFile]:
    """Return every file of the page by its path: `/` is the page itself."""
    package = resources.files("monitor")
    found = {f"/page/{one.name}": _read(one) for one in package.joinpath("page").iterdir() if _type(one)}
    found["/assets/echarts.min.js"] = _read(package.joinpath("assets/echarts.min.js"))
    found["/"] = found.pop("/page/index.html")
    return found | {f"/runbooks/{one.name}": _read(one) for one in _runbooks().iterdir() if _type(one)}


def _runbooks() -> Traversable:
    """Return the folder of the runbooks: the package has them inside, a checkout among its documents."""
    packed = resources.files("monitor").joinpath("runbooks")
    return packed if packed.is_dir() else Path(__file__).parents[2] / "docs" / "runbooks"


def _type(file: Traversable) -> str:
    return TYPES.get("." + file.name.rpartition(".")[2], "")


def _read(file: Traversable) -> PageFile:
    body = file.read_bytes()
    etag = f'"{hashlib.sha256(body).hexdigest()[:24]}"'
    return PageFile(_type(file), body, gzip.compress(body, 6, mtime=0), etag)
