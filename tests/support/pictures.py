"""What a command's live page shows, as a viewer gets it first."""

import json
import re
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

WITHIN_S = 120.0


def until_shown(log: Path, shown: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Wait until the page whose address is in the log shows something; return the whole picture."""
    deadline_s, picture = time.monotonic() + WITHIN_S, {}
    while time.monotonic() < deadline_s:
        told = log.read_text(encoding="utf-8")
        if (page := re.search(r"(?:Live page|Trang trực tiếp): (http://[\d.:]+)(?:/\?(\S+))?", told)) is not None:
            picture = _first(f"{page[1]}/api/events?{page[2] or ''}")
            if shown(picture):
                return picture
        time.sleep(0.3)
    raise AssertionError(f"the page does not show it: {picture}\n{log.read_text(encoding='utf-8')}")


def _first(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(url, timeout=60) as answer:
        for line in answer:
            if line.startswith(b"data: "):
                found: dict[str, Any] = json.loads(line.removeprefix(b"data: "))
                return found
    return {}
