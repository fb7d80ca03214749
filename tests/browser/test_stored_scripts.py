"""Markup in every text that a person may write: shown as text in a real browser."""

import csv
from collections.abc import Iterator
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from account_world import PASSWORD, Person, actor, settle, strict_node
from page_server import served
from shahrdad.node import feedback
from shahrdad.node.accounts.moments import present
from shahrdad.node.city import Node
from shahrdad.node.desk import drafting, drafts
from shahrdad.node.http.app import create_app
from shahrdad.node.incoming.example_files import find_example, handed

EVIL = (
    "<img src=x onerror=\"document.title='run'\">"
    "<script>document.title='run'</script>'\">{{7*7}}"
)
AXE = (Path(__file__).parent / "axe" / "axe.min.js").read_text("utf-8")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
WAIT_MS = 30_000
STEPS = ("check", "describe", "review")
PAGES = (
    "/fa/d/kerman/org-units",
    "/en/d/kerman/org-units",
    "/fa/d/kerman/org-units/versions",
    "/fa/d/kerman/org-units/rows",
    "/fa/d/kerman/org-units/feedback",
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
        for number in (1, 2):
            said = feedback.Said("kerman/org-units", 1, "fault", EVIL, EVIL, EVIL, "fa")
            feedback.add(connection, replace(said, name=f"{EVIL}{number}"), present())
            connection.execute("UPDATE feedback SET words=words || seq")
        shown = feedback.Decision(1, "shown", EVIL, 1)
        feedback.decide(connection, shown, paul, present())
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


def evil_file() -> Any:
    """Return a table whose name, header, codes and cells are markup: a FilePayload."""
    text = StringIO()
    writer = csv.writer(text)
    writer.writerow(
        ["شناسه واحد", "نام واحد", "نوع واحد", "شماره منطقه", "سازمان فاوا است؟", EVIL]
    )
    writer.writerow(["a", EVIL, EVIL, "", "false", EVIL])
    writer.writerow(["b", "x", "municipality", EVIL, "maybe", "y"])
    return {
        "name": "<img src=x onerror=alert(1)>.csv",
        "mimeType": "text/csv",
        "buffer": text.getvalue().encode(),
    }


def test_nothing_of_a_file_runs(browser: Browser, node: Any) -> None:
    """On every page of the wizard: first rows, columns, codes, errors."""
    with served(create_app(node)) as url:
        page = browser.new_page()
        page.set_default_timeout(WAIT_MS)
        said: list[str] = []
        page.on("dialog", lambda dialog: said.append(dialog.message))
        page.goto(f"{url}/fa/publish")
        page.fill("#account", "edna")
        page.fill("#password", PASSWORD)
        page.click("main button")
        page.goto(f"{url}/fa/publish/new")
        page.check("#family-org_units")
        page.set_input_files("#file", evil_file())
        page.click("text=فرستادن و بررسی")
        for waited, button in (
            ("#header_row", "text=درست است، ادامه"),
            ("#use-0", "main form >> text=ادامه"),
            ("#label-0", "text=بررسی کن"),
            ("text=نتیجهٔ بررسی", ""),
        ):
            page.wait_for_selector(waited)
            assert "onerror" in page.locator("body").inner_text(), waited
            assert 0 == page.locator("img[src=x]").count(), waited
            assert "run" != page.title()
            if button:
                page.click(button)
        page.close()

    assert not said


@pytest.mark.parametrize("language", ["fa", "en"])
def test_pages_of_feedback_are_sound(
    browser: Browser, node: Any, language: str
) -> None:
    """The form of a reader and the queue of a publisher: accessible, never too wide."""
    with served(create_app(node)) as url:
        page = browser.new_page(viewport={"width": 320, "height": 800})
        page.goto(f"{url}/{language}/d/kerman/org-units/feedback")
        assert page.locator("article").count() == 1
        found = faults(page)
        page.fill("#words", "?")
        page.keyboard.press("Tab")
        page.locator("aside button").press("Enter")
        page.wait_for_url("**?sent=yes#sent")
        found += faults(page)
        sign_in(page, url, language, node.people["petra"])
        page.goto(f"{url}/{language}/publish/feedback")
        assert page.locator("article").count() > 1
        for width in (320, 1280):
            page.set_viewport_size({"width": width, "height": 800})
            found += faults(page)
        page.close()

    assert not found, "\n".join(found)


def sign_in(page: Page, url: str, language: str, person: Person) -> None:
    """Sign in at the desk, with the second factor of whoever has one."""
    page.goto(f"{url}/{language}/publish")
    page.fill("#account", person.name)
    page.fill("#password", PASSWORD)
    if person.seed is not None:
        page.fill("#code", person.code())
    page.click("main button")


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
        for part in (
            "",
            "/new",
            "/notices",
            *(f"/{node.draft}/{name}" for name in STEPS),
        ):
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
