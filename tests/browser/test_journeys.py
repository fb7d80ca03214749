"""Journeys by keyboard alone, and with JavaScript off: find, read, check, take."""

from hashlib import sha256
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from http_world import World
from portal_world import parquet

STEPS_MAX = 120


def focus_on(page: Page, selector: str) -> None:
    """Press Tab until an element that matches has the focus, as a person does."""
    for _ in range(STEPS_MAX):
        page.keyboard.press("Tab")
        if page.evaluate(
            "(wanted) => document.activeElement.matches(wanted)", selector
        ):
            return
    raise AssertionError(f"Tab never reaches {selector}")


def focus_is_seen(page: Page) -> bool:
    """Tell whether the element that has the focus is drawn with an outline."""
    return bool(
        page.evaluate(
            "() => getComputedStyle(document.activeElement).outlineStyle !== 'none'"
            " || getComputedStyle(document.activeElement.parentElement).outlineStyle"
            " !== 'none'"
        )
    )


def test_skip_link_comes_first(browser: Browser, node_url: str) -> None:
    """The first Tab reaches the link that jumps over the menu."""
    page = browser.new_page()
    page.goto(f"{node_url}/fa/budget")
    page.keyboard.press("Tab")
    skip = page.evaluate("() => document.activeElement.className")
    page.keyboard.press("Enter")
    where = page.evaluate("() => location.hash")
    page.close()

    assert ("skip", "#main") == (skip, where)


@pytest.mark.parametrize("language", ["fa", "en"])
def test_search_by_keyboard(browser: Browser, node_url: str, language: str) -> None:
    """From the front page to a dataset: box, word, Enter, first result, Enter."""
    page = browser.new_page()
    page.goto(f"{node_url}/{language}/")
    focus_on(page, "input[name=q]")
    assert focus_is_seen(page)
    page.keyboard.type({"en": "kerman", "fa": "کرمان"}[language])
    page.keyboard.press("Enter")
    page.wait_for_url("**/datasets?q=*")
    focus_on(page, ".results article a")
    assert focus_is_seen(page)
    page.keyboard.press("Enter")
    page.wait_for_url("**/d/*/*")
    heading = page.locator("h1").count()
    page.close()

    assert 1 == heading


def test_the_list_follows_what_is_typed(browser: Browser, node_url: str) -> None:
    """The list changes while one types: same page, same focus, filters and address."""
    page = browser.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.goto(f"{node_url}/en/datasets?city=kerman")
    page.evaluate("() => { window.stays = true }")
    page.locator("#q").press_sequentially("contracts")
    page.wait_for_url("**q=contracts*")
    expect(page.locator(".results article")).to_have_count(1)
    focus = page.evaluate("() => window.stays && document.activeElement.id")
    address = page.url
    page.close()

    assert "q" == focus
    assert "city=kerman" in address
    assert [] == said


def test_explore_by_keyboard(browser: Browser, node_url: str) -> None:
    """Rows are filtered without a mouse: column, value, button."""
    page = browser.new_page()
    page.goto(f"{node_url}/en/d/kerman/projects/rows")
    focus_on(page, "select[name=column]")
    page.keyboard.type("Status")
    focus_on(page, "input[name=value]")
    page.keyboard.type("implementation")
    page.keyboard.press("Enter")
    page.wait_for_url("**implementation**")
    address = page.url
    page.close()

    assert "status__exact=implementation" in address


def test_scroll_regions_take_the_focus(browser: Browser, node_url: str) -> None:
    """A table that scrolls sideways is reached and scrolled by keys."""
    page = browser.new_page(viewport={"width": 360, "height": 700})
    page.goto(f"{node_url}/en/d/kerman/budget-1404")
    focus_on(page, "#rows .scroll")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    name = page.locator("#rows .scroll").get_attribute("aria-label")
    page.close()

    assert name


def test_verify_by_keyboard(browser: Browser, node_url: str) -> None:
    """A digest is typed and checked without a mouse."""
    page = browser.new_page()
    page.goto(f"{node_url}/en/verify")
    focus_on(page, "#sha256")
    page.keyboard.type("0" * 64)
    page.keyboard.press("Enter")
    page.wait_for_url("**/verify?sha256=*")
    text = page.locator("#result").inner_text()
    page.close()

    assert "No version published" in text


def test_download_by_keyboard(
    browser: Browser, node_url: str, world: World, tmp_path: Path
) -> None:
    """A table is downloaded without a mouse, and is the published one."""
    page = browser.new_page(accept_downloads=True)
    page.goto(f"{node_url}/en/d/kerman/projects")
    focus_on(page, ".downloads a[href$='.parquet']")
    with page.expect_download() as caught:
        page.keyboard.press("Enter")
    path = tmp_path / "file.parquet"
    caught.value.save_as(path)
    page.close()

    published = Path(parquet(world, "kerman/projects")).read_bytes()
    assert sha256(published).digest() == sha256(path.read_bytes()).digest()


def test_everything_without_scripts(
    browser: Browser, node_url: str, world: World
) -> None:
    """Search, filter, browse, download, verify a file, see the map: no JavaScript."""
    context = browser.new_context(java_script_enabled=False, accept_downloads=True)
    page = context.new_page()
    page.goto(f"{node_url}/en/")
    page.locator("input[name=q]").fill("kerman")
    page.get_by_role("button", name="Search").click()
    assert page.locator(".results article").count() > 0
    page.locator(".facet a").nth(1).click()
    page.locator(".results article a").first.click()
    assert "/d/" in page.url
    with page.expect_download():
        page.locator(".downloads a[href$='.csv']").last.click()
    page.goto(f"{node_url}/en/projects/map")
    assert page.locator("svg.map-drawn").is_visible()
    assert not page.locator("#map").is_visible()
    page.goto(f"{node_url}/en/verify")
    page.locator("#sent").set_input_files(parquet(world, "kerman/projects"))
    page.get_by_role("button", name="Verify the file").click()
    text = page.locator("#result").inner_text()
    context.close()

    assert "Projects" in text or "kerman" in text.lower()


def test_map_is_drawn_over_its_picture(browser: Browser, node_url: str) -> None:
    """With scripts the map takes the place of the drawing, with the same marks."""
    page = browser.new_page()
    page.goto(f"{node_url}/en/projects/map")
    page.locator("#map .pin").first.wait_for()
    marks, rows = page.locator("#map .pin").count(), page.locator("tbody tr").count()
    drawn = page.locator("#drawn").is_visible()
    page.close()

    assert marks == rows > 0
    assert not drawn
