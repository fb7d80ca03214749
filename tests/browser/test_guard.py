"""One guard over every page: silent, self-contained, accessible, never too wide.

One tab a language visits page after page and is resized, so that every page is loaded
once. What is looked at where:

* 320 px, light: every rule of axe, and the width;
* 768, 1280 and 1920 px: the width;
* 1280 px, dark: the rules of axe that another theme or width can break, which are those
  on colours, sizes, order and regions; what follows from the markup alone is the same;
* on paper: the width.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Route

RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa")
RULES_OF_LOOK = (
    "color-contrast", "link-in-text-block", "target-size", "css-orientation-lock",
    "scrollable-region-focusable", "avoid-inline-spacing", "aria-hidden-focus",
)  # fmt: skip
HERE = Path(__file__).parent
AXE = (HERE / "axe" / "axe.min.js").read_text("utf-8")
WIDTHS = (320, 768, 1280, 1920)
PAPER = 680  # A4 without its margins, in CSS pixels
PAGES = [
    line
    for line in (HERE / "pages_visited.txt").read_text("utf-8").splitlines()
    if line and not line.startswith("#")
] + ["/nothing-here", f"/verify?sha256={'0' * 64}"]
SHIFT_MAX = 0.05  # portal 16: above it a reader loses the line
SHIFT = """() => new Promise(done => {
  let sum = 0
  new PerformanceObserver(list => list.getEntries().forEach(one => sum += one.value))
    .observe({type: "layout-shift", buffered: true})
  setTimeout(() => done(sum), 50)
})"""
Scheme = Literal["light", "dark"]


@dataclass
class Tab:
    """A tab of the browser that visits page after page, and notes what happens."""

    page: Page
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def note(self, message: ConsoleMessage) -> None:
        """Note what a page says, except that the page itself is not found."""
        if "404 (Not Found)" not in message.text:
            self.said.append(message.text)

    def visit(self, address: str) -> None:
        """Open a page, narrow and light, with nothing noted before it."""
        self.said.clear()
        self.asked.clear()
        self.look(320, "light")
        self.page.goto(address, wait_until="load")

    def look(self, width: int, scheme: Scheme, media: str = "screen") -> None:
        """Give the window a width and a theme; None of both reloads the page."""
        self.page.set_viewport_size({"width": width, "height": 800})
        self.page.emulate_media(
            media="print" if media == "print" else "screen", color_scheme=scheme
        )

    def faults(self, rules: tuple[str, ...] = RULES) -> list[str]:
        """Return what axe finds, in short."""
        options = json.dumps(
            {"runOnly": list(rules), "resultTypes": ["violations"], "selectors": False}
        )
        found = self.page.evaluate(
            f"async () => (await axe.run(document, {options})).violations"
        )
        return [
            f"{fault['id']}: {node['html'][:160]}"
            for fault in found
            for node in fault["nodes"][:3]
        ]

    def overflow(self) -> int:
        """Return by how many pixels the page is wider than its window."""
        width: int = self.page.evaluate(
            "() => document.documentElement.scrollWidth"
            " - document.documentElement.clientWidth"
        )
        return width


@pytest.fixture(scope="module")
def tab(browser: Browser) -> Iterator[Tab]:
    """One tab for every page; axe is put into it beside the page's own policy."""
    context = browser.new_context(reduced_motion="reduce")
    context.add_init_script(AXE)
    found = Tab(context.new_page())
    found.page.on("console", found.note)
    found.page.on("pageerror", lambda error: found.said.append(str(error)))
    found.page.on("request", lambda request: found.asked.append(request.url))
    yield found
    context.close()


@pytest.mark.parametrize("language", ["fa", "en"])
@pytest.mark.parametrize("path", PAGES)
def test_page_is_sound(tab: Tab, node_url: str, path: str, language: str) -> None:
    """Silent console, no request off the node, axe empty, no sideways scroll."""
    tab.visit(f"{node_url}/{language}{path}")
    found = [f"320 light {fault}" for fault in tab.faults()]
    wide = {}
    for width in WIDTHS:
        tab.look(width, "dark" if width == 1280 else "light")
        wide[width] = tab.overflow()
        if width == 1280:
            found += [f"1280 dark {fault}" for fault in tab.faults(RULES_OF_LOOK)]
    tab.look(PAPER, "light", "print")
    wide[PAPER] = tab.overflow()

    assert [] == found
    assert [] == tab.said
    assert [] == [url for url in tab.asked if not url.startswith((node_url, "data:"))]
    assert [] == [width for width, over in wide.items() if over > 0]


@pytest.mark.parametrize("language", ["fa", "en"])
@pytest.mark.parametrize(
    "path", ["/", "/datasets", "/d/kerman/projects", "/budget/kerman/1404", "/projects"]
)
def test_late_fonts_move_nothing(
    browser: Browser, node_url: str, path: str, language: str
) -> None:
    """Fonts that come after the page was painted hardly shift it (CLS)."""
    page = browser.new_page(viewport={"width": 412, "height": 823})
    held: list[Route] = []
    page.route("**/*.woff2", lambda route: held.append(route))
    page.goto(f"{node_url}/{language}{path}", wait_until="domcontentloaded")
    painted = "() => new Promise(done => requestAnimationFrame(() => setTimeout(done)))"
    page.evaluate(painted)
    for route in held:
        route.continue_()
    page.evaluate("() => document.fonts.ready.then(() => true)")
    page.evaluate(painted)
    shift = page.evaluate(SHIFT)
    page.close()

    assert held
    assert shift < SHIFT_MAX, shift


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
