"""The publisher's desk in Persian, from a real messy workbook to another city's node.

The whole story runs without JavaScript, as portal 14 asks.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import openpyxl
import pytest
from playwright.sync_api import Browser, Page, expect

from account_world import PASSWORD, Person, settle
from federated_nodes import listening, make_cities, opened
from page_server import served
from shahrdad.node.city import Node
from shahrdad.node.http.app import create_app
from shahrdad.node.peering.rounds import run_round
from shared_data import SHARED, needs_shared

pytestmark = needs_shared
BOOK = SHARED / "data/budget/ir-national/Iran_Budget_Table_1404.xlsx"
SHEET = "Iran Budget Table 5 - 1404"
WAIT_MS = 30_000
CONSTANTS = {
    "budget_stage": "approved",
    "budget_scope": "consolidated",
    "side": "source",
    "economic_class": "revenue",
}


@dataclass
class Forum:
    """Two cities, the people of one, and both nodes' pages."""

    kerman: Node
    shiraz: Node
    people: dict[str, Person]
    kerman_url: str
    shiraz_url: str


@pytest.fixture(scope="module")
def forum(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forum]:
    """Two nodes that know each other; Kerman's publications need two persons."""
    configs = make_cities(tmp_path_factory.mktemp("forum"), ("kerman", "shiraz"))
    kerman = configs["kerman"]
    publish = replace(kerman.publish, approval="four-eyes")
    with ExitStack() as stack:
        nodes = stack.enter_context(
            opened(replace(kerman, publish=publish), configs["shiraz"])
        )
        stack.enter_context(listening(*nodes))
        here, there = (stack.enter_context(served(create_app(node))) for node in nodes)
        yield Forum(nodes[0], nodes[1], settle(nodes[0]), here, there)


def shot(page: Page, name: str) -> None:
    """Keep a picture of a page, where `SHOTS` names a folder."""
    if os.environ.get("SHOTS"):
        page.screenshot(path=f"{os.environ['SHOTS']}/{name}.png", full_page=True)


def sign_in(browser: Browser, forum: Forum, name: str) -> Page:
    """Return a page of a person who signed in, without JavaScript."""
    context = browser.new_context(
        java_script_enabled=False,
        locale="fa-IR",
        viewport={"width": 1180, "height": 860},
        accept_downloads=True,
    )
    page = context.new_page()
    page.set_default_timeout(WAIT_MS)
    page.goto(f"{forum.kerman_url}/fa/publish")
    shot(page, "01-sign-in")
    page.fill("#account", name)
    page.fill("#password", PASSWORD)
    page.fill("#code", forum.people[name].code())
    page.click("main button")
    expect(page.locator("h1")).to_have_text("میز انتشار")
    return page


def mended(folder: Path) -> Path:
    """Return the workbook without the two rows of totals that nobody could read."""
    book = openpyxl.load_workbook(BOOK, data_only=True)
    book[SHEET].delete_rows(18, 3)
    path = folder / "mended.xlsx"
    book.save(path)
    return path


def hand_in(page: Page) -> None:
    """Go through the questions of the wizard with the messy workbook."""
    page.click("text=فایل تازه")
    page.check("#family-budget_lines")
    page.fill("#fiscal_year", "۱۴۰۴")
    page.set_input_files("#file", BOOK)
    shot(page, "02-new")
    page.click("text=فرستادن و بررسی")
    shot(page, "03-progress")
    page.wait_for_selector("#sheet", timeout=WAIT_MS)
    page.select_option("#sheet", SHEET)
    page.fill("#header_row", "1")
    shot(page, "04-read")
    page.click("text=درست است، ادامه")
    page.wait_for_selector("#use-0, #sheet >> visible=true", timeout=WAIT_MS)
    shot(page, "05-match")
    page.select_option("#use-0", "line_code")
    page.select_option("#use-1", "line_title")
    page.select_option("#use-10", "approved_rial")
    page.select_option("#use-2", "keep")
    for name, value in CONSTANTS.items():
        if page.locator(f"#constant-{name}").count():
            page.select_option(f"#constant-{name}", value)
    page.click("main form >> text=ادامه")
    expect(page.locator("[role=alert]")).to_contain_text("هنوز کامل نیست")
    page.fill("#constant-as_of_date", "1404/01/01")
    page.fill("#constant-org_unit_id", "national")
    shot(page, "06-match-missing")
    page.click("main form >> text=ادامه")
    page.wait_for_selector("#unit-million_rial", timeout=WAIT_MS)
    shot(page, "07-unit")
    page.check("#unit-million_rial")
    page.click("text=بررسی کن")


def test_from_a_messy_workbook_to_another_city(
    browser: Browser, forum: Forum, tmp_path: Path
) -> None:
    """Wrong, marked, mended, described, approved by another person, seen abroad."""
    page = sign_in(browser, forum, "edna")
    hand_in(page)
    page.wait_for_selector("text=نتیجهٔ بررسی", timeout=WAIT_MS)
    shot(page, "08-errors")
    expect(page.locator(".finding.bad").first).to_contain_text("A18")
    with page.expect_download() as waiting:
        page.click("text=دریافت فایل نشان‌دار")
    marked = tmp_path / "marked.xlsx"
    waiting.value.save_as(marked)
    book = openpyxl.load_workbook(marked)
    assert book[SHEET]["A18"].comment is not None
    page.set_input_files("#again-file", mended(tmp_path))
    page.click("text=بررسی دوباره")
    page.wait_for_selector("text=از بار پیش تا حالا", timeout=WAIT_MS)
    expect(page.locator("#reason-B1")).to_be_visible()
    shot(page, "09-compared")
    page.fill("#reason-B1", "منابع و مصارف در دو فایل جدا منتشر شده است")
    page.click("text=با این دلیل بپذیر")
    page.wait_for_selector("text=ادامه: شرح", timeout=WAIT_MS)
    shot(page, "10-valid")
    page.click("text=ادامه: شرح")
    page.fill("#title_fa", "بودجهٔ ۱۴۰۴ (منابع)")
    page.fill("#title_en", "Budget 1404 (sources)")
    page.fill("#note_fa", "نسخهٔ نخست")
    shot(page, "11-describe")
    page.click("text=دیدن و ارسال")
    page.wait_for_selector("button >> text=فرستادن برای تأیید", timeout=WAIT_MS)
    shot(page, "12-review")
    page.click("button >> text=فرستادن برای تأیید")
    expect(page.locator("main")).to_contain_text("paul")
    address = page.url
    shot(page, "13-submitted")

    other = sign_in(browser, forum, "paul")
    expect(other.locator(".decide")).to_contain_text("بودجهٔ ۱۴۰۴ (منابع)")
    shot(other, "14-queue")
    other.click("text=بودجهٔ ۱۴۰۴ (منابع)")
    shot(other, "15-decide")
    other.click("button >> text=تأیید و انتشار")
    expect(other.locator("h1")).to_have_text("منتشر شد")
    shot(other, "16-published")
    assert other.request.get(f"{address}/receipt").text().startswith("c2sp.org/tlog")
    run_round(forum.shiraz)
    other.goto(f"{forum.shiraz_url}/fa/d/kerman/budget-1404")
    expect(other.locator("h1")).to_contain_text("بودجهٔ ۱۴۰۴ (منابع)")
    shot(other, "17-elsewhere")
