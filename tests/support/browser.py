"""A real Chromium for tests, the system's own: nothing is downloaded, and it calls nobody."""

import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright import async_api
from playwright.sync_api import Browser, sync_playwright

#: No sandbox, since tests often run as root in a container; the others keep it from calling home.
ARGUMENTS = (
    *("--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--no-first-run", "--disable-dev-shm-usage"),
)

#: A page of this kind is drawn in a second; a busy machine may take its time.
PATIENCE_MS = 90_000


def found() -> str:
    """Return the browser's path; skip the test, saying so, where there is none."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("no Chromium on this machine (Debian and Ubuntu: apt-get install chromium)")
    return path


@contextmanager
def chromium() -> Iterator[Browser]:
    """Give a running Chromium; skips the test where there is none."""
    path = found()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=[*ARGUMENTS], timeout=PATIENCE_MS)
        try:
            yield browser
        finally:
            browser.close()


@asynccontextmanager
async def browser() -> AsyncIterator[async_api.Browser]:
    """Give Debian's Chromium, driven from here."""
    path = found()
    async with async_api.async_playwright() as driver:
        one = await driver.chromium.launch(executable_path=path, args=[*ARGUMENTS])
        yield one
        await one.close()


@asynccontextmanager
async def opened(
    url: str, one: async_api.Browser, query: str = "lang=en", script: Path | None = None, **context: Any
) -> AsyncIterator[async_api.Page]:
    """Open the page, after a script of its own if there is one; at its end the console must have been silent."""
    holder = await one.new_context(**({"viewport": {"width": 1500, "height": 950}} | context))
    page = await holder.new_page()
    page.set_default_timeout(PATIENCE_MS)
    said: list[str] = []
    page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: said.append(f"error: {error}"))
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    if script is not None:
        await page.add_init_script(path=script)
    await page.goto(f"{url}/?{query}")
    await async_api.expect(page.locator("#link")).to_have_class("link link-live", timeout=PATIENCE_MS)
    yield page
    await holder.close()
    assert said == []
    assert [address for address in asked if not address.startswith((url, "data:", "blob:"))] == []
