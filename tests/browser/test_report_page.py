"""The report in a real Chromium: it opens offline, draws every chart, is accessible, and is looked at in pictures.

Screenshots are left in the session's temporary folder, `.../report0/*.png`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from docaxis.domain.agency import Registry
from monitor.report import write_report
from monitor.run_folder import load_run
from monitor.words import Language
from tests.support.browser import PATIENCE_MS, chromium
from tests.support.sample_runs import Sample, write_demo_sample, write_onboarding_sample, write_sample

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

ALL_CHARTS = {"throughput", "outstanding", "latency", "stages", "percentiles", "agencies", "traffic"}


@dataclass
class Opened:
    """A page with everything that it complained about or asked the network for."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with one report of each kind."""
    folder = tmp_path_factory.mktemp("report")
    write_sample(folder / "pass", Sample(run="run-pass"))
    write_sample(folder / "fail", Sample(run="run-fail", seed=2, stall_s=(60, 64), duplicated=5))
    write_sample(folder / "invalid", Sample(run="run-invalid", seed=3, invalid=("schedule error p99 28 ms",)))
    write_demo_sample(folder / "demo")
    write_onboarding_sample(folder / "onboarding")
    for name, language in (
        ("pass", Language.VI),
        ("fail", Language.EN),
        ("invalid", Language.EN),
        ("demo", Language.VI),
        ("onboarding", Language.EN),
    ):
        write_report(load_run(folder / name), Registry.load(), language, folder / f"{name}.html")
    return folder


def opened(browser: Browser, file: Path, *, scheme: str = "light", width: int = 1280) -> Opened:
    """Open a report without a network and wait until its charts are drawn."""
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if scheme == "dark" else "light",
        offline=True,
    )
    context.set_default_timeout(PATIENCE_MS)
    one = Opened(context.new_page())
    one.page.on("console", lambda message: one.complaints.append(f"{message.type}: {message.text}"))
    one.page.on("pageerror", lambda error: one.complaints.append(str(error)))
    one.page.on("request", lambda request: one.requests.append(request.url))
    one.page.goto(file.as_uri())
    one.page.wait_for_function("document.documentElement.dataset.drawn !== undefined")
    return one


@pytest.mark.parametrize(
    ("name", "scheme", "width"),
    [
        ("pass", "light", 1280),
        ("fail", "dark", 1280),
        ("invalid", "light", 390),
        ("demo", "dark", 1280),
        ("onboarding", "light", 1280),
        ("onboarding", "dark", 390),
    ],
)
def test_the_page_is_whole_quiet_offline_and_accessible(
    browser: Browser, reports: Path, name: str, scheme: str, width: int
) -> None:
    one = opened(browser, reports / f"{name}.html", scheme=scheme, width=width)
    page = one.page
    page.screenshot(path=reports / f"{name}-{scheme}-{width}.png", full_page=True)
    assert one.complaints == []
    assert [url for url in one.requests if not url.startswith(("file:", "data:"))] == []
    drawn = {chart.get_attribute("id") for chart in page.locator(".chart:has(svg), .chart:has(canvas)").all()}
    assert drawn == {f"chart-{chart}" for chart in (ALL_CHARTS if name != "demo" else {"percentiles"})}
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page is wider than the window"
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    page.context.close()


def test_an_onboarding_begins_with_its_answer_and_why(browser: Browser, reports: Path) -> None:
    one = opened(browser, reports / "onboarding.html")
    page = one.page
    answer = page.locator("#verdict-word")
    assert answer.is_visible()
    assert answer.inner_text().lower() == "ready with conditions"
    box = answer.bounding_box()
    assert box is not None
    assert box["y"] + box["height"] < 900, "the answer is below the window's edge"
    why = page.locator("#verdict").inner_text()
    for reason in (
        "all agencies together: delivery p99 is 2.0 times as long",
        "little headroom: the hub carries 1.20 times what is offered",
        "waits 3.0 times as long (p99)",
        "could not have been seen (p99 of a typical agency)",
    ):
        assert reason in why, reason
    section = page.locator("#onboarding")
    assert section.is_visible()
    assert "H95" in section.inner_text()
    assert "could not have been seen for a typical agency" in section.inner_text()
    assert section.locator("h3", has_text="Who got slower").count() == 1
    assert one.complaints == []
    page.context.close()


def test_a_chart_has_marks_in_it_and_not_only_a_frame(browser: Browser, reports: Path) -> None:
    page = opened(browser, reports / "fail.html").page
    for chart in ("throughput", "latency", "stages", "percentiles"):  # drawn in several frames: each is waited for
        page.wait_for_function(
            """chart => [...document.querySelectorAll(`#chart-${chart} svg path`)]
              .some((path) => (path.getAttribute("d") || "").length > 500)""",
            arg=chart,
            timeout=PATIENCE_MS,
        )
    texts = page.locator("#chart-throughput svg text").all_text_contents()
    shown = {text.strip() for text in texts}
    assert {"received", "load", "paused hub"} <= shown, sorted(shown)
    page.wait_for_function(
        """() => {
          const found = new Set();
          for (const canvas of document.querySelectorAll("#chart-traffic canvas")) {
            const dots = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
            for (let i = 0; i < dots.length; i += 4 * 97) found.add([0, 1, 2].map((j) => dots[i + j] >> 4).join());
          }
          return found.size > 8;  // else the heat map is empty
        }""",
        timeout=PATIENCE_MS,
    )
    page.context.close()


def test_the_page_can_be_read_without_scripts_and_printed(browser: Browser, reports: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((reports / "fail.html").as_uri())
    assert page.locator("#verdict h2").inner_text() == "Not met"
    assert page.locator("#agencies tbody tr").count() == 95
    assert "Charts need JavaScript" in page.locator("noscript, .noscript").last.inner_text()
    context.close()
    one = opened(browser, reports / "fail.html", scheme="dark")
    one.page.pdf(path=reports / "fail.pdf", format="A4", print_background=True)
    assert (reports / "fail.pdf").read_bytes().startswith(b"%PDF")
    one.page.emulate_media(media="print")
    assert one.page.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--paper').trim()") == "#fff"
    assert one.complaints == []
    one.page.context.close()


def test_a_tooltip_names_agencies_by_name(browser: Browser, reports: Path) -> None:
    page = opened(browser, reports / "pass.html").page
    page.locator("#chart-agencies").scroll_into_view_if_needed()
    box = page.locator("#chart-agencies").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.5)
    page.wait_for_function("document.querySelector('#chart-agencies').innerText.includes('p99')")
    assert " ms" in page.locator("#chart-agencies").inner_text()
    page.context.close()
