"""One guard over every page: silent, self-contained, accessible, never too wide."""

import json
from functools import partial
from hashlib import sha256
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request

from shahrdad.node.http.portal.lists import LISTS

AXE = (Path(__file__).parent / "axe" / "axe.min.js").read_text("utf-8")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
WIDTHS = (320, 1280)
PAPER = 680  # A4 without its margins, in CSS pixels
PAGES = (
    "/",
    "/datasets",
    "/d/kerman/projects",
    "/d/kerman/projects/versions",
    "/d/kerman/projects/diff",
    "/d/kerman/budget-1404/rows?side__exact=use&card=approved_rial",
    "/cities",
    "/cities/kerman",
    "/standards",
    "/standards/projects",
    "/federation",
    "/api",
    "/budget",
    "/budget/kerman/1404",
    "/budget/kerman/1404?side=source",
    "/systems",
    "/systems/areas/revenue",
    "/projects",
    "/projects/kerman/P-1400-041",
    "/compare",
    "/resolutions",
    "/verify",
    f"/verify?sha256={'0' * 64}",
    "/report/1404-08",
    "/nothing-here",
    *(f"/{one.name}" for one in LISTS),
)


def faults(page: Page) -> list[str]:
    """Return what axe finds, in short."""
    options = json.dumps({"runOnly": RULES, "resultTypes": ["violations"]})
    found = page.evaluate(
        f"async () => (await axe.run(document, {options})).violations"
    )
    return [
        f"{fault['id']}: {node['html'][:160]}"
        for fault in found
        for node in fault["nodes"][:3]
    ]


def overflow(page: Page) -> int:
    """Return by how many pixels the page is wider than its window."""
    width: int = page.evaluate(
        "() => document.documentElement.scrollWidth"
        " - document.documentElement.clientWidth"
    )
    return width


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", ["fa", "en"])
@pytest.mark.parametrize("path", PAGES)
def test_page_is_sound(
    browser: Browser, node_url: str, path: str, language: str, scheme: str
) -> None:
    """Silent console, no request off the node, axe empty, no sideways scroll."""
    if scheme == "dark" and path not in {"/", "/budget/kerman/1404", "/systems"}:
        pytest.skip("the tokens are checked in dark on three pages")
    context = browser.new_context(
        viewport={"width": WIDTHS[0], "height": 800},
        color_scheme="dark" if scheme == "dark" else "light",
        reduced_motion="reduce",
    )
    page = context.new_page()
    said: list[str] = []
    asked: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if "404 (Not Found)" not in message.text:
            said.append(message.text)

    page.on("console", note)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{node_url}/{language}{path}", wait_until="load")
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        assert overflow(page) <= 0, f"{width} px"
    page.evaluate(AXE)
    found = faults(page)
    page.set_viewport_size({"width": WIDTHS[0], "height": 800})
    found += faults(page)
    page.set_viewport_size({"width": PAPER, "height": 1000})
    page.emulate_media(media="print")
    printed = overflow(page)
    context.close()

    assert [] == found
    assert [] == said
    assert [] == [url for url in asked if not url.startswith((node_url, "data:"))]
    assert printed <= 0


def test_minus_stands_before_its_number(browser: Browser, node_url: str) -> None:
    """A change with a sign is isolated: in a Persian line the minus does not move."""
    page = browser.new_page()
    page.goto(f"{node_url}/fa/d/kerman/projects/diff?from=2&to=1")
    cell = page.locator("bdi.n", has_text="−").first
    style = cell.evaluate(
        "node => [getComputedStyle(node).direction, getComputedStyle(node).unicodeBidi]"
    )
    page.close()

    assert ["ltr", "isolate"] == style


def test_numbers_line_up_in_both_languages(browser: Browser, node_url: str) -> None:
    """Number columns end at the right in both directions of writing."""
    for language in ("fa", "en"):
        page = browser.new_page()
        page.goto(f"{node_url}/{language}/budget")
        align = page.locator("td.num").first.evaluate(
            "node => getComputedStyle(node).textAlign"
        )
        page.close()

        assert "right" == align


def note_body(sent: list[str], request: Request) -> None:
    """Note what a request carries."""
    sent.append(request.post_data or "")


def test_a_file_is_verified_without_being_sent(
    browser: Browser, node_url: str, tmp_path: Path
) -> None:
    """The browser computes the digest, whole or in pieces, and sends it alone."""
    for size in (3, 5 * 1024 * 1024 + 17):
        content = bytes(n % 251 for n in range(1000)) * (size // 1000 + 1)
        path = tmp_path / f"{size}.bin"
        path.write_bytes(content[:size])
        page = browser.new_page()
        sent: list[str] = []
        page.on("request", partial(note_body, sent))
        page.goto(f"{node_url}/en/verify")
        page.locator("#file").set_input_files(path)
        page.wait_for_url("**/verify?sha256=*")
        digest = page.locator("#sha256").input_value()
        page.close()

        assert sha256(content[:size]).hexdigest() == digest
        assert {""} == set(sent)


def test_pages_work_without_scripts(browser: Browser, node_url: str) -> None:
    """Filter, row, difference, comparison and verification need no JavaScript."""
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{node_url}/en/projects")
    page.get_by_label("Only late ones").check()
    page.get_by_role("button", name="Show").click()
    assert "late=yes" in page.url
    page.goto(f"{node_url}/en/d/kerman/projects/rows")
    page.locator("select[name=column]").select_option("status")
    page.locator("input[name=value]").fill("implementation")
    page.get_by_role("button", name="Add condition").click()
    assert "status__exact=implementation" in page.url
    page.goto(f"{node_url}/en/compare")
    page.get_by_role("button", name="Compare").click()
    assert "measure=per_resident" in page.url
    page.goto(f"{node_url}/en/verify")
    page.get_by_label("SHA-256 digest of the file").fill("0" * 64)
    page.get_by_role("button", name="Verify", exact=True).click()
    text = page.locator("#result").inner_text()
    context.close()

    assert "No version published" in text
