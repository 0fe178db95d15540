"""The live page in a real Chromium: what it shows, what it says to the console, and whether everybody can use it."""

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from msgspec import structs
from playwright.async_api import Page, expect

from docaxis.domain.event import Refusal, Sent
from monitor.live.extras import Extras
from monitor.reading import Readings
from tests.support.browser import browser, opened
from tests.support.events import SENT_US, delivered, receipt, refusal, sent
from tests.support.live import RUN, Axis, Promised, busy_axis, served

pytestmark = pytest.mark.slow

WITHIN_MS = 60_000


async def violations(page: Page) -> list[str]:
    """Return what axe finds wrong, with the elements at fault."""
    found = await Axe().run(page)
    return [
        f"{one['id']}: {node['target']} {node.get('failureSummary', '')}"
        for one in found.response["violations"]
        for node in one["nodes"]
    ]


SIZES = {"wide": {"width": 1500, "height": 950}, "narrow": {"width": 390, "height": 844}}


@pytest.mark.parametrize(
    ("size", "scheme", "language", "levels"),
    [
        ("wide", "light", "en", "Attention|Bad"),
        ("wide", "dark", "vi", "Chú ý|Xấu"),
        ("narrow", "light", "vi", "Chú ý|Xấu"),
        ("narrow", "dark", "en", "Attention|Bad"),
    ],
)
async def test_everybody_can_read_it(size: str, scheme: str, language: str, levels: str, tmp_path: Path) -> None:
    axis = busy_axis(late_after_s=15, extras=Promised())
    async with (
        served(axis) as url,
        browser() as one,
        opened(url, one, f"lang={language}", viewport=SIZES[size], color_scheme=scheme) as page,
    ):
        await expect(page.locator("#tiles .tile-value").first).to_have_text("40")
        await expect(page.locator("html")).to_have_attribute("lang", language)
        await expect(page.locator("#health strong")).to_have_text(re.compile(levels))
        await expect(page.locator("#agencies tbody tr").first).to_be_visible()
        promises = page.locator("#objectives tbody tr")
        await expect(promises).to_have_count(6)
        await expect(promises.nth(5)).to_contain_text("✓ met: none" if language == "en" else "✓ đạt: không được mất")
        title = "Deliveries are in time" if language == "en" else "Văn bản đến đúng hạn"
        await expect(promises.nth(1)).to_contain_text(title)
        await expect(promises.nth(1)).to_contain_text(re.compile(r"100\s%"))
        held = page.locator("#workload .held tbody tr")
        marks = ["✓ holds", "✕ missed", "✓ holds", "· nothing counted yet", "✓ holds"]
        if language == "vi":
            marks = ["✓ đạt", "✕ không đạt", "✓ đạt", "· chưa đếm được gì", "✓ đạt"]
        assert await held.locator("td:last-child").all_inner_texts() == marks
        await expect(held.nth(1)).to_contain_text("> 1 ms")  # not "1 ms, at most 1 ms: missed"
        said = "1 of 5 are missed as it stands now." if language == "en" else "Hiện có 1 trong 5 mục tiêu không đạt."
        await expect(page.locator("#workload [role=status]")).to_have_text(said)
        await page.screenshot(path=tmp_path / "page.png", full_page=True)
        assert await violations(page) == []
        await page.get_by_role("button", name="Which?" if language == "en" else "Xem").first.click()
        await expect(page.locator("#drawer tbody tr").first).to_be_visible()
        assert await violations(page) == []
        # Nothing is wider than the screen, but what scrolls by itself.
        assert await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


async def test_it_draws_the_charts_and_the_map(tmp_path: Path) -> None:
    axis = busy_axis()
    async with served(axis) as url, browser() as one, opened(url, one) as page:
        for chart in ("chart-throughput", "chart-latency", "chart-waiting", "heat"):
            canvas = page.locator(f"#{chart} canvas").first
            await expect(canvas).to_be_visible()
            painted = "c => new Set(c.getContext('2d').getImageData(0, 0, c.width, c.height).data).size"
            assert await canvas.evaluate(painted) > 8, chart
            assert await page.locator(f"#{chart}").get_attribute("aria-label")
        await expect(page.locator("#heat-top button").first).to_be_visible()


async def test_one_pair_stands_in_its_cell_and_its_agencies_have_their_figures() -> None:
    axis, second_us = Axis(), 1_000_000
    sent_us = axis.clock.wall_us()
    for number in (1, 2, 3):
        packet_id = f"G22.2026.{number:07d}.0"
        event: dict[str, Any] = {"sender": "G22", "run": RUN, "sent_us": sent_us}
        axis.fold("sent", sent(packet_id, ["H53"], intended_us=sent_us, **event))
        axis.fold("delivered", delivered("H53", packet_id, **event))
        received_us = sent_us + 30 * second_us
        answer = receipt(packet_id, "H53", place=(0, number), intended_us=sent_us, received_us=received_us, **event)
        axis.fold("status", answer)
    axis.fold(
        "sent",
        sent("H53.2026.0000001.0", ["G01"], sender="H53", run=RUN, sent_us=sent_us, intended_us=sent_us),
    )
    axis.clock.advance_us(2 * 3600 * second_us)
    axis.publish()
    axis.tick(6)
    positions = axis.registry.positions
    drawn = """() => {
        const { series, xAxis, yAxis } = echarts.getInstanceByDom(document.getElementById("heat")).getOption();
        const cells = series[0].data.map(([x, y, , n]) => [yAxis[0].data[y], xAxis[0].data[x], y, x, n]);
        return cells.filter((cell) => cell[4]);
    }"""
    async with served(axis) as url, browser() as one, opened(url, one, f"lang=en&run={RUN}") as page:
        await expect(page.locator("#heat-top button").first).to_be_visible()
        assert await page.evaluate(drawn) == [["G22", "H53", positions["G22"], positions["H53"], 3]]
        await page.locator("#heat-modes button", has_text="waiting").click()
        assert await page.evaluate(drawn) == [["H53", "G01", positions["H53"], positions["G01"], 1]]
        ago = r"2 h( \d+ min)? ago"
        figures = {  # sent, received, waiting, in the inbox, slowest, oldest, last seen, refused
            "G22": ["3", "0", "0", "0", "–", "–", ago, "0"],
            "H53": ["1", "3", "0", "0", "30 s", "–", ago, "0"],
            "G01": ["0", "0", "1", "0", "–", r"2 h( \d+ min)?", "never", "0"],
        }
        heads = await page.locator("#agencies thead th").all_inner_texts()
        assert (heads[5], heads[7]) == ("slowest (p99)", "last seen")
        for code, wanted in figures.items():
            row = page.locator("#agencies tbody tr", has=page.locator(".code", has_text=code))
            await expect(row.locator("td")).to_have_text([re.compile(f"^{one}$") for one in wanted])


async def test_each_open_question_is_one_click_away(tmp_path: Path) -> None:
    axis = busy_axis()
    async with served(axis) as url, browser() as one, opened(url, one) as page:
        await page.get_by_role("button", name="Waiting now").click()
        drawer = page.locator("#drawer")
        await expect(drawer.locator("tbody tr").first).to_be_visible()
        everything = await drawer.locator("tbody tr").count()
        await drawer.get_by_role("button", name="hub", exact=True).click()
        await expect(drawer.locator("tbody tr")).not_to_have_count(everything)
        assert set(await drawer.locator("tbody .badge").all_inner_texts()) == {"hub"}
        async with page.expect_download() as download:
            await drawer.get_by_role("link", name="Download as CSV").click()
        saved = Path(await (await download.value).path()).read_text(encoding="utf-8-sig")
        assert saved.startswith("packet_id,")
        await drawer.locator("tbody button").first.click()
        await expect(page.locator("#drawer-title")).to_contain_text("Journey of")
        await expect(drawer.locator(".journey tbody tr").first).to_contain_text("waiting: hub")
        await page.keyboard.press("Escape")
        await expect(drawer).not_to_be_visible()


async def test_a_document_is_looked_up_with_the_keyboard_alone() -> None:
    axis = busy_axis()
    packet = axis.events[0]
    async with served(axis) as url, browser() as one, opened(url, one) as page:
        await page.keyboard.press("Tab")
        assert await page.evaluate("document.activeElement.className") == "skip"
        for _ in range(2):
            await page.keyboard.press("Tab")
        await page.keyboard.type(packet.document_id)
        await page.keyboard.press("Enter")
        rows = page.locator(".journey tbody tr")
        await expect(rows).to_have_count(len(packet.recipients))
        await expect(rows.first).to_contain_text("delivered once")


@pytest.mark.parametrize(
    ("language", "says"),
    [("en", "The stream workers do not answer"), ("vi", "Các tiến trình đối soát không trả lời")],
)
async def test_a_lookup_whose_owner_is_silent_says_so(language: str, says: str) -> None:
    """Not "no such document": nobody could tell."""
    axis = busy_axis()
    async with served(axis) as url, browser() as one:
        page = await one.new_page()
        await page.goto(f"{url}/?lang={language}")
        await expect(page.locator("#link")).to_have_class("link link-live", timeout=WITHIN_MS)
        axis.url = "http://127.0.0.1:9"
        axis.publish()
        await page.locator("#find-id").fill(axis.events[0].document_id)
        await page.keyboard.press("Enter")
        await expect(page.locator("#drawer [role=alert]")).to_have_text(f"{says}: {axis.url}", timeout=WITHIN_MS)


async def test_agencies_are_ranked_filtered_and_strangers_shown_as_such() -> None:
    axis = busy_axis()
    async with served(axis) as url, browser() as one, opened(url, one, "lang=vi") as page:
        rows = page.locator("#agencies tbody tr")
        await page.locator("#agency-filter").fill("bo cong an")  # without diacritics
        await expect(rows).to_have_count(1)
        await expect(rows.first).to_contain_text("Bộ Công an")
        await page.locator("#agency-filter").fill("X77")
        await expect(rows.first).to_contain_text("không có trong danh bạ")
        await page.locator("#agency-filter").fill("")
        await page.get_by_role("button", name="nhận", exact=True).click()
        texts = await page.locator("#agencies tbody tr td:nth-child(3)").all_inner_texts()
        figures = [int(text) for text in texts]
        assert figures == sorted(figures, reverse=True)


async def test_language_and_theme_change_without_a_new_page() -> None:
    axis = busy_axis()
    async with served(axis) as url, browser() as one, opened(url, one) as page:
        await page.locator("#lang").click()
        await expect(page.locator("#tiles .tile-title").first).to_have_text("Văn bản đã gửi")
        assert "lang=vi" in page.url
        for theme in ("light", "dark"):
            await page.locator("#theme").click()
            await expect(page.locator("html")).to_have_attribute("data-theme", theme)


async def test_a_stall_is_told_and_so_is_its_end() -> None:
    axis = busy_axis()
    async with served(axis) as url, browser() as one, opened(url, one) as page:
        await expect(page.locator("#health")).to_contain_text("Nothing has moved for", timeout=WITHIN_MS)
        await expect(page.locator("#health")).to_have_class("health level-bad")
        assert await page.locator("#health").get_attribute("aria-live") == "polite"


async def test_the_page_follows_again_when_the_monitor_comes_back() -> None:
    axis = busy_axis()
    async with served(axis) as url, browser() as one, opened(url, one) as page:
        for viewer in axis.board.viewers:  # what a lost connection looks like from here: nothing comes
            axis.board.viewers.leave(viewer)
        await expect(page.locator("#link")).to_contain_text("No news for", timeout=WITHIN_MS)


class Offered(Extras):
    """A workload and objectives of somebody else."""

    def __init__(self) -> None:
        self.rates: list[float | None] = []

    def objectives(self, *asked: Any) -> list[dict[str, Any]]:
        shown = {"title_en": "Delivery within 30 s", "title_vi": "Giao trong 30 s", "target": 0.999}
        return [shown | {"achieved": 0.9995, "budget_left": 0.5, "state": "good"}]

    def workload(self, readings: Readings, run: str) -> dict[str, Any]:
        phases = [{"name": "warm-up", "state": "done", "seconds": 10}]
        control = {"name": "rate", "label_en": "Set rate", "label_vi": "Đặt tốc độ", "value": 5, "min": 1, "max": 9}
        return {"name": "office-day", "phases": phases, "controls": [control]}

    async def control(self, run: str, name: str, value: float | None) -> None:
        self.rates.append(value)


async def test_objectives_and_workload_of_others_are_shown_and_steered_with_the_token() -> None:
    offered = Offered()
    axis = busy_axis(extras=offered)
    async with (
        served(axis, token="a-long-enough-token") as url,
        browser() as one,
    ):
        holder = await one.new_page()
        await holder.goto(f"{url}/?lang=en")
        await expect(holder.locator("#objectives")).to_contain_text("Delivery within 30 s")
        await expect(holder.locator("#workload")).to_contain_text("office-day")
        assert await violations(holder) == []
        await holder.locator("#token").fill("wrong")
        await holder.get_by_role("button", name="Set rate").click()
        await expect(holder.locator("#workload form [role=status]")).to_have_text("The token is not right.")
        await holder.locator("#token").fill("a-long-enough-token")
        await holder.locator("#workload input[type=number]").fill("7")
        await holder.get_by_role("button", name="Set rate").click()
        await expect(holder.locator("#workload form [role=status]")).to_have_text("Done.")
    assert offered.rates == [7]


async def test_an_hour_of_ticks_leaves_the_model_as_large_as_ten_minutes() -> None:
    axis = Axis()
    script = """async () => {
        const { begin, applyTick, POINTS_MAX } = await import("/page/model.js");
        let model = begin({ columns: ["a"], points: [] });
        for (let second = 0; second < 3600; second++)
            model = applyTick(model, { point: [second, 1], agencies: { [second % 95]: [second] } });
        return [model.points.length, POINTS_MAX, model.points[0][0], Object.keys(model.agencies).length];
    }"""
    async with served(axis) as url, browser() as one, opened(url, one) as page:
        assert await page.evaluate(script) == [600, 600, 3000, 95]


async def test_the_view_models_say_what_they_should() -> None:
    axis = Axis()
    script = """async () => {
        const m = await import("/page/model.js");
        const f = await import("/page/format.js");
        const w = await import("/page/words.js");
        const packet = { intended_us: 10, sent_us: 20 };
        const delivery = { accepted_us: 50, available_us: 60, received_us: 100 };
        const pairs = { received: [[0, 1], [1, 0], [9, 99]] };
        const row = [5, 1, 0, 0, 0, 0, 0, 0];
        const model = { agencies: { 0: row, 1: [7, ...row.slice(1)] }, strangers: ["X9"] };
        const registry = m.readRegistry([["G01", "verified", "Bộ Công an", "Police", "ministry"]]);
        const ranked = (by, descending, filter) =>
            m.rankAgencies(model, registry, { by, descending }, filter).map((one) => one.agency.code);
        return {
            legs: m.legs(packet, delivery).map((leg) => [leg.name, leg.us]),
            top: m.topPairs(pairs, "received", 1),
            ranked: [ranked("sent", true, ""), ranked("sent", false, ""), ranked("code", false, "cong")],
            balances: [
                m.balances({ delivered_once: 1, duplicated: 1, refused: 1, outstanding: 1, deliveries_expected: 4 }),
                m.balances({ delivered_once: 1, duplicated: 1, refused: 1, outstanding: 1, deliveries_expected: 5 }),
            ],
            durations: [0, 800, 12345, 1.5e6, 200e6, 7500e6, 200000e6].map((us) => f.duration(us, "en")),
            missing: Object.keys(w.WORDS.en).filter((key) => !(key in w.WORDS.vi))
                .concat(Object.keys(w.WORDS.vi).filter((key) => !(key in w.WORDS.en))),
            time: f.fullTime(1600000000123000),
        };
    }"""
    async with served(axis) as url, browser() as one, opened(url, one) as page:
        found = await page.evaluate(script)
    assert found == {
        "legs": [["send_delay", 10], ["acceptance", 30], ["to_inbox", 10], ["pickup", 40]],
        "top": [{"sender": 1, "recipient": 0, "count": 99}],
        "ranked": [["X9", "G01"], ["G01", "X9"], ["G01"]],
        "balances": [True, False],
        "durations": ["0 ms", "0.8 ms", "12 ms", "1.5 s", "3 min 20 s", "2 h 5 min", "2 d 7 h"],
        "missing": [],
        "time": "13/09/2020 19:26:40.123",
    }


async def test_five_pages_see_the_same() -> None:
    axis = busy_axis()
    async with served(axis) as url, browser() as one:
        pages = [await one.new_page() for _ in range(5)]
        await asyncio.gather(*(page.goto(f"{url}/?lang=en&run={RUN}") for page in pages))
        for page in pages:
            await expect(page.locator("#tiles .tile-value").first).to_have_text("40", timeout=WITHIN_MS)
        assert len(axis.board.viewers) == 5


@pytest.mark.parametrize(("language", "some"), [("en", "Partitions 1 are missing"), ("vi", "Thiếu các phân vùng 1:")])
async def test_a_list_says_what_it_lacks(language: str, some: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The list on the page is as honest as the file: cut, not sifted, or without what some worker owns."""
    cut = "{} more deliveries, younger ones" if language == "en" else "còn {} lượt giao mới hơn"
    unsifted = "stage of {} more open deliveries" if language == "en" else "chưa xem được {} lượt chờ khác"
    axis = busy_axis()
    stages = ["hub", "inbox"] if language == "en" else ["trục", "hộp đến"]
    async with served(axis) as url, browser() as one, opened(url, one, f"lang={language}") as page:
        drawer = page.locator("#drawer")
        notes = drawer.locator("[role=alert] li")
        await page.locator("#tiles button").click()
        rows = drawer.locator("tbody tr")
        await expect(rows.first).to_be_visible()
        everything = await rows.count()
        await expect(notes).to_have_count(0)

        async def look_again() -> None:
            await drawer.get_by_role("button", name="Look again" if language == "en" else "Xem lại").click()

        monkeypatch.setattr("monitor.live.server.ROWS_MAX", 3)
        await look_again()
        await expect(rows).to_have_count(3)
        await expect(notes).to_have_text([re.compile(cut.format(everything - 3))])
        await expect(drawer.locator(".note-attention")).to_have_count(1)  # it is no fault that there are many
        assert await violations(page) == []
        monkeypatch.setattr("streams.answers.LISTED_MAX", 2)
        monkeypatch.setattr(axis.workers, "_partitions", 2)  # nobody has announced himself for the second
        await drawer.get_by_role("button", name=stages[0], exact=True).click()
        await expect(notes).to_have_count(2)
        await expect(notes).to_contain_text([some, unsifted.format(everything - 2)])
        assert await violations(page) == []
        # A stage at which none of those that were looked at is: not the same as "all has been answered".
        await drawer.get_by_role("button", name=stages[0], exact=True).click()
        for stage in stages:
            await drawer.get_by_role("button", name=stage, exact=True).click()
            await expect(notes).to_have_count(2)
            if not await rows.count():
                said = "What answered has nothing open here" if language == "en" else "Phần đã trả lời không có gì chờ"
                await expect(drawer.locator(".empty")).to_contain_text(said)
                break
        else:
            pytest.fail("the oldest two are at one stage, so another stage has none")


async def test_refusals_are_shown_by_code_and_with_their_reason_and_lead_to_the_journey() -> None:
    axis = busy_axis()
    packets = [event for event in axis.events if isinstance(event, Sent) and event.sender != "X77"][-2:]
    reasons = ["the recipient is not in the registry", "<b>the envelope</b> has no sender"]
    for packet, code, reason in zip(packets, (19, 22), reasons, strict=True):
        told = refusal(packet.packet_id, code=code, sender=packet.sender, run=RUN, offset=code)
        axis.fold("refused", structs.replace(told, reason=reason))
    unreadable = Refusal(1, 22, "not an event", "sent", 0, 77, SENT_US, RUN, "", "", "", "")
    axis.fold("refused", unreadable)
    axis.tick()
    async with served(axis) as url, browser() as one, opened(url, one) as page:
        refused = page.locator("#refused")
        assert [text.split() for text in await refused.locator(".pills li").all_inner_texts()] == [
            ["19", "2"],
            ["22", "2"],
        ]
        tile = page.locator("#tiles .tile", has_text="Refused")
        deliveries = 1 + sum(len(packet.recipients) for packet in packets)
        await expect(tile.locator(".tile-value")).to_have_text(str(deliveries))
        await expect(tile.locator(".tile-sub")).to_contain_text("4")  # records, of which one is of no delivery
        rows = refused.locator("tbody tr")
        await expect(rows).to_have_count(4)
        await expect(rows.locator(".badge")).to_have_text(["22", "22", "19", "19"])  # newest first
        for packet, reason in zip(packets, reasons, strict=True):
            row = rows.filter(has_text=packet.document_id)
            await expect(row).to_contain_text(reason)  # as text: a reason comes from outside
            await expect(row).to_contain_text(packet.sender)
        place = rows.filter(has_text="not an event")
        await expect(place).to_contain_text("sent/0/77")  # of a record that is no document there is no journey
        await expect(place.locator("button")).to_have_count(0)
        await rows.filter(has_text=packets[1].document_id).get_by_role("button").click()
        await expect(page.locator("#drawer-title")).to_have_text(f"Journey of {packets[1].document_id}")
        states = page.locator(".journey tbody tr")
        await expect(states).to_have_count(len(packets[1].recipients))
        await expect(states.first).to_contain_text("refused")
        await expect(states.first).to_contain_text(reasons[1])


#: What the keyboard must reach: everything that can be operated and is seen, but what is in the closed drawer.
NUMBERED = """() => {
    const all = [...document.querySelectorAll("a[href], button, input, select, [tabindex='0']")];
    const reached = all.filter((one) => !one.disabled && one.checkVisibility() && !one.closest("dialog:not([open])"));
    reached.forEach((one, number) => (one.dataset.number = number));
    return reached.length;
}"""
NUMBER = "() => document.activeElement?.dataset.number ?? null"


async def test_the_tab_key_goes_through_all_controls_in_order_and_back() -> None:
    axis = busy_axis(late_after_s=15)
    async with served(axis) as url, browser() as one, opened(url, one) as page:
        await expect(page.locator("#heat-top button").first).to_be_visible()
        await expect(page.locator("#agencies tbody tr").first).to_be_visible()
        count = await page.evaluate(NUMBERED)
        assert count > 30
        reached = []
        for _ in range(count):
            await page.keyboard.press("Tab")
            reached.append(int(await page.evaluate(NUMBER)))
        assert reached == list(range(count))
        await page.keyboard.press("Shift+Tab")
        assert int(await page.evaluate(NUMBER)) == count - 2
        await page.locator("#lang").focus()
        await page.keyboard.press("Tab")
        await expect(page.locator("#theme")).to_be_focused()


async def test_what_is_chosen_with_the_keyboard_keeps_the_focus() -> None:
    """Whoever presses a key goes on from there, though the page is drawn anew each second."""
    axis = busy_axis(late_after_s=15)
    axis.fold("sent", sent("G01.2021.0000009.0", ["H53"], sender="G01", run="run-0", sent_us=SENT_US))
    axis.tick()
    async with served(axis) as url, browser() as one, opened(url, one) as page:
        chooser = page.locator("#run")
        await chooser.focus()
        for run in (RUN, "run-0"):
            await page.keyboard.press("ArrowDown")
            await expect(chooser).to_have_value(run)
            await expect(chooser).to_be_focused()
        assert "run=run-0" in page.url
        await expect(page.locator("#tiles .tile-value").first).to_have_text("1")
        await page.keyboard.press("Home")
        await expect(page.locator("#tiles .tile-value").first).to_have_text("40")
        await expect(chooser).to_be_focused()

        for name in ("2 h", "10 min"):
            button = page.locator("#ranges button", has_text=name)
            await button.focus()
            await page.keyboard.press("Enter")
            await expect(button).to_have_attribute("aria-pressed", "true")
            await expect(button).to_be_focused()
        sort = page.locator("#agencies th button").nth(2)
        await sort.focus()
        for order in ("descending", "ascending"):
            await page.keyboard.press("Space")
            await expect(page.locator("#agencies th").nth(2)).to_have_attribute("aria-sort", order)
            await expect(sort).to_be_focused()
        await page.locator("#agency-filter").focus()
        await page.keyboard.type("bo cong an")
        await expect(page.locator("#agencies tbody tr")).to_have_count(1)
        await expect(page.locator("#agency-filter")).to_be_focused()

        waiting = page.locator("#heat-modes button").nth(1)
        await waiting.focus()
        await page.keyboard.press("Enter")
        await expect(waiting).to_have_attribute("aria-pressed", "true")
        pill = page.locator("#heat-top button").first
        seen = await pill.inner_text()
        packets = [f"G01.2021.{number:07d}.0" for number in range(500, 509)]
        for packet_id in packets:  # a pair that comes to the top: the map and its list are drawn anew
            axis.fold("sent", sent(packet_id, ["H53"], sender="G01", run=RUN, sent_us=axis.clock.wall_us()))
        await expect(pill).not_to_have_text(seen)
        await expect(waiting).to_be_focused()
        for name in ("#theme", "#lang"):
            await page.locator(name).focus()
            await page.keyboard.press("Enter")
            await expect(page.locator(name)).to_be_focused()
        await expect(page.locator("html")).to_have_attribute("lang", "vi")


async def test_the_drawer_opens_and_closes_with_the_keyboard_and_gives_the_focus_back() -> None:
    axis = busy_axis(late_after_s=15)
    async with served(axis) as url, browser() as one, opened(url, one) as page:
        drawer, title = page.locator("#drawer"), page.locator("#drawer-title")
        late = page.locator("#ledger button:enabled").last
        waiting = page.locator("#agencies tbody tr button:enabled").first
        refused = page.locator("#refused tbody button").last
        openers = [page.locator("#tiles button"), late, page.locator("#heat-top button").first, refused, waiting]
        for number, opener in enumerate(openers):
            await opener.focus()
            await page.keyboard.press("Enter")
            await expect(title).to_be_focused()
            await expect(drawer.locator("[role=status]", has_text="Looking")).to_have_count(0)
            if opener is refused:  # its table is drawn anew meanwhile
                axis.fold("refused", refusal("X77.2021.0000002.0", code=19, sender="X77", run=RUN, offset=9))
                await expect(page.locator("#refused tbody tr")).to_have_count(2)
            if number % 2:
                await page.keyboard.press("Escape")
            else:
                await page.keyboard.press("Tab")
                await expect(page.locator("#drawer-close")).to_be_focused()
                await page.keyboard.press("Enter")
            await expect(drawer).not_to_be_visible()
            await expect(opener).to_be_focused()
        # Inside, the Tab key reaches everything and comes round again: what lies behind waits for the end.
        await page.locator("#tiles button").press("Enter")
        await expect(drawer.locator("tbody button").first).to_be_visible()
        inside = await drawer.evaluate("box => box.querySelectorAll('button, a[href], [tabindex=\"0\"]').length")
        reached = set()
        for _ in range(inside + 2):
            await page.keyboard.press("Tab")
            reached.add(
                await page.evaluate(
                    "document.activeElement.closest('#drawer') ? document.activeElement.textContent : ''"
                )
            )
        assert len(reached - {""}) > 5
        assert await page.evaluate(
            "document.activeElement === document.body || !!document.activeElement.closest('#drawer')"
        )
        # From the list on to a journey, and out: the focus is where it all began.
        await drawer.locator("tbody button").first.press("Enter")
        await expect(title).to_contain_text("Journey of")
        await page.keyboard.press("Escape")
        await expect(page.locator("#tiles button")).to_be_focused()
