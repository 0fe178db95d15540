"""A real Chromium for tests, the system's own: nothing is downloaded, and it calls nobody."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, sync_playwright

#: No sandbox, since tests often run as root in a container; the others keep it from calling home.
ARGUMENTS = (
    *("--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--no-first-run", "--disable-dev-shm-usage"),
)

#: A page of this kind is drawn in a second; a busy machine may take its time.
PATIENCE_MS = 90_000


@contextmanager
def chromium() -> Iterator[Browser]:
    """Give a running Chromium; skips the test where there is none."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("no Chromium on this machine (Debian and Ubuntu: apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=[*ARGUMENTS], timeout=PATIENCE_MS)
        try:
            yield browser
        finally:
            browser.close()
