"""Markup in every text that a person may write: shown as text in a real browser."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from account_world import PASSWORD, actor, settle, strict_node
from page_server import served
from shahrdad.node import drafting, drafts
from shahrdad.node.accounts.moments import present
from shahrdad.node.city import Node
from shahrdad.node.example_files import find_example, handed
from shahrdad.node.http.app import create_app

EVIL = (
    "<img src=x onerror=\"document.title='run'\">"
    "<script>document.title='run'</script>'\">{{7*7}}"
)
AXE = (Path(__file__).parent / "axe" / "axe.min.js").read_text("utf-8")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
STEPS = ("check", "describe", "review")
PAGES = (
    "/fa/d/kerman/org-units",
    "/en/d/kerman/org-units",
    "/fa/d/kerman/org-units/versions",
    "/fa/d/kerman/org-units/rows",
    "/fa/datasets?q=img",
    "/fa/",
    "/fa/cities/kerman",
)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """Return a node on which every text of a dataset and a draft is markup."""
    node = strict_node(tmp_path_factory.mktemp("scripts"))
    node.people = settle(node)  # type: ignore[attr-defined]
    example = handed(find_example("kerman", "org-units"))
    described = replace(
        example.description,
        title_fa=EVIL,
        title_en=EVIL,
        description_fa=EVIL,
        description_en=EVIL,
        note_fa=EVIL,
        note_en=EVIL,
        sources=({"title": EVIL},),
    )
    edna, paul = actor(node, "edna"), actor(node, "paul")
    found = drafting.draft_file(node, replace(example, description=described), edna)
    sent = drafting.submit(node, found.draft.id, edna)
    assert sent.digest is not None
    drafting.approve(node, sent.id, sent.digest, paul)
    again = replace(described, note_fa=EVIL * 2)
    found = drafting.draft_file(node, replace(example, description=again), edna)
    sent = drafting.submit(node, found.draft.id, edna)
    with node.database.transaction() as connection:
        drafts.return_(connection, sent, paul, EVIL, present())
    node.draft = sent.id  # type: ignore[attr-defined]
    yield node
    node.close()


def check(page: Page, address: str, said: list[str]) -> None:
    """Open a page and see that nothing of it ran."""
    page.goto(address, wait_until="load")

    assert "run" != page.title()
    assert "<img src=x" in page.locator("body").inner_text() or "?q=" in address
    assert 0 == page.locator("img[src=x]").count(), address
    assert [] == [line for line in said if "onerror" in line]


def test_nothing_that_is_stored_runs(browser: Browser, node: Any) -> None:
    """On the public pages, the queue, the check, the form and the review."""
    with served(create_app(node)) as url:
        page = browser.new_page()
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.on("dialog", lambda dialog: said.append(f"onerror {dialog.message}"))
        for path in PAGES[:2]:
            check(page, url + path, said)
        for path in PAGES[2:]:
            page.goto(url + path, wait_until="load")
            assert 0 == page.locator("img[src=x]").count(), path
            assert "run" != page.title()
        page.goto(f"{url}/fa/publish")
        page.fill("#account", "edna")
        page.fill("#password", PASSWORD)
        page.click("main button")
        for part in ("", f"/{node.draft}/check", f"/{node.draft}/review"):
            check(page, f"{url}/fa/publish{part}", said)
        page.goto(f"{url}/fa/publish/{node.draft}/describe")
        assert EVIL == page.locator("#title_fa").input_value()
        assert "run" != page.title()
        page.close()


@pytest.mark.parametrize("language", ["fa", "en"])
def test_pages_of_the_desk_are_sound(
    browser: Browser, node: Any, language: str
) -> None:
    """Narrow and wide, no page of the desk is too wide, and axe finds nothing."""
    with served(create_app(node)) as url:
        page = browser.new_page(viewport={"width": 320, "height": 800})
        base = f"{url}/{language}/publish"
        page.goto(base)
        found = faults(page)
        page.fill("#account", "edna")
        page.fill("#password", PASSWORD)
        page.click("main button")
        for part in ("", "/new", *(f"/{node.draft}/{name}" for name in STEPS)):
            page.goto(base + part, wait_until="load")
            for width in (320, 1280):
                page.set_viewport_size({"width": width, "height": 800})
                found += [f"{part} {one}" for one in faults(page)]
        page.close()

    assert not found, "\n".join(found)


def faults(page: Page) -> list[str]:
    """Return what axe finds, and by how much a page is too wide."""
    page.evaluate(AXE)
    run = "async () => (await axe.run(document, {runOnly: %s})).violations"
    violations = page.evaluate(run % RULES)
    wide = page.evaluate(
        "() => document.documentElement.scrollWidth"
        " - document.documentElement.clientWidth"
    )
    return [
        f"{one['id']}: {node['html'][:160]}"
        for one in violations
        for node in one["nodes"][:3]
    ] + ([f"{wide} px too wide"] if wide > 0 else [])
