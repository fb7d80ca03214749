"""One guard over every page: silent, self-contained, accessible, never too wide."""

import json
from functools import partial
from hashlib import sha256
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
HERE = Path(__file__).parent
AXE = (HERE / "axe" / "axe.min.js").read_text("utf-8")
WIDTHS = (320, 768, 1280, 1920)
AXE_WIDTHS = (320, 1280)
PAPER = 680  # A4 without its margins, in CSS pixels
PAGES = [
    line
    for line in (HERE / "pages_visited.txt").read_text("utf-8").splitlines()
    if line and not line.startswith("#")
] + ["/nothing-here", f"/verify?sha256={'0' * 64}"]


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


@pytest.mark.parametrize("language", ["fa", "en"])
@pytest.mark.parametrize("path", PAGES)
def test_page_is_sound(
    browser: Browser, node_url: str, path: str, language: str
) -> None:
    """Silent console, no request off the node, axe empty, no sideways scroll."""
    context = browser.new_context(reduced_motion="reduce")
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
    wide = {}
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        wide[width] = overflow(page)
    page.evaluate(AXE)
    found = []
    for width, scheme in ((AXE_WIDTHS[0], "light"), (AXE_WIDTHS[1], "dark")):
        page.set_viewport_size({"width": width, "height": 800})
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        found += [f"{width} {scheme} {fault}" for fault in faults(page)]
    page.set_viewport_size({"width": PAPER, "height": 1000})
    page.emulate_media(media="print", color_scheme="light")
    printed = overflow(page)
    context.close()

    assert [] == found
    assert [] == said
    assert [] == [url for url in asked if not url.startswith((node_url, "data:"))]
    assert [] == [width for width, over in wide.items() if over > 0]
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
