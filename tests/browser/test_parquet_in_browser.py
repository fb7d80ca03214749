"""The browser reads a published Parquet file itself, page by page, when told to."""

import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from playwright.sync_api import Browser, Page, Route, expect

from http_world import World
from portal_world import parquet
from shahrdad.datasets.errors import Language
from shahrdad.datasets.standards import load
from shahrdad.node.http.previews import cell
from shahrdad.node.table.parquet import encode_part
from shahrdad.node.table.schema import TableInfo, published_schema

REF = "shiraz/budget-1404"  # 126 rows: a page and a bit
PAGE_ROWS = 100
FIELDS = load("budget_lines").fields
AXE = (Path(__file__).parent / "axe" / "axe.min.js").read_text("utf-8")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
SEVERAL = "parts => { document.querySelector('.in-browser').dataset.parts = parts }"
CELLS = """() => [...document.querySelectorAll('.in-browser tbody tr')]
  .map(row => [...row.cells].map(cell => cell.textContent))"""


@dataclass
class Visit:
    """A page, what it said and what it asked for."""

    page: Page
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    """A page whose console and requests are noted."""
    context = browser.new_context()
    context.add_init_script(AXE)
    found = Visit(context.new_page())
    found.page.on("console", lambda message: found.said.append(message.text))
    found.page.on("pageerror", lambda error: found.said.append(str(error)))
    found.page.on("request", lambda request: found.asked.append(request.url))
    yield found
    context.close()


def published(world: World, language: Language) -> list[list[str]]:
    """Return the cells of the published file as a page writes them."""
    rows = pq.read_table(parquet(world, REF)).to_pylist()
    fields = {one.name: one for one in FIELDS}
    return [
        [cell(value, fields[name], language).text for name, value in row.items()]
        for row in rows
    ]


def faults(page: Page) -> list[str]:
    """Return what axe finds in the table that was drawn."""
    options = json.dumps({"runOnly": RULES, "resultTypes": ["violations"]})
    found = page.evaluate(
        f"async () => (await axe.run('.in-browser', {options})).violations"
    )
    return [f"{fault['id']}: {fault['nodes'][0]['html'][:160]}" for fault in found]


@pytest.mark.parametrize("language", ["fa", "en"])
def test_all_rows_are_read_page_by_page(
    visit: Visit, node_url: str, world: World, language: Language
) -> None:
    """Both pages are the published rows, from this node alone, in a silent console."""
    page = visit.page
    page.goto(f"{node_url}/{language}/d/{REF}", wait_until="networkidle")
    before = [url for url in visit.asked if "parquet" in url]
    page.locator(".in-browser > button").click()
    expect(page.locator(".in-browser tbody tr")).to_have_count(PAGE_ROWS)
    first = page.evaluate(CELLS)
    titles = page.locator(".in-browser th").all_inner_texts()
    opener = page.locator(".in-browser > button").is_visible()
    found = faults(page)
    page.locator(".in-browser .next").click()
    expect(page.locator(".in-browser tbody tr")).to_have_count(26)
    second = page.evaluate(CELLS)
    status = page.locator(".in-browser [role=status]").inner_text()
    page.locator(".in-browser .previous").click()
    expect(page.locator(".in-browser tbody tr")).to_have_count(PAGE_ROWS)

    rows = published(world, language)
    assert rows[:PAGE_ROWS] == first == page.evaluate(CELLS)
    assert rows[PAGE_ROWS:] == second
    assert [one.title(language) for one in FIELDS] == [
        one.partition("\n")[0] for one in titles
    ]
    said = {"fa": "۱۲۶ ردیف، ۳۲ ستون", "en": "126 rows, 32 columns"}
    assert said[language] in status
    assert 2 == status.count({"fa": "کیلوبایت", "en": "kB"}[language])
    assert ["parquet-button.js"] == [url.rpartition("/")[2] for url in before]
    assert not opener
    assert [] == found
    assert [] == visit.said
    assert [] == [url for url in visit.asked if not url.startswith((node_url, "data:"))]


def test_only_pieces_are_asked_for(visit: Visit, node_url: str) -> None:
    """The file is read by ranges, and what was read is not asked for again."""
    page = visit.page
    ranges: list[str] = []
    page.on(
        "request",
        lambda request: (
            ranges.append(request.headers.get("range", ""))
            if "/files/" in request.url
            else None
        ),
    )
    page.goto(f"{node_url}/en/d/{REF}")
    page.locator(".in-browser > button").click()
    page.locator(".in-browser .next").click()
    expect(page.locator(".in-browser tbody tr")).to_have_count(26)

    assert 1 == len(ranges)
    assert ranges[0].startswith("bytes=0-")


def parts_of_every_type() -> list[tuple[bytes, pa.Table]]:
    """Return a small and a large part; the large one's row group exceeds 1 MiB."""
    draw = random.Random(7)
    # Few different values: a dictionary is read whole, however few rows are wanted.
    names = [f"{draw.getrandbits(64):x}" for _ in range(4096)]
    cents = [Decimal(draw.randrange(-(10**20), 10**20)) / 100 for _ in range(4096)]
    shares = [draw.random() * 1000 for _ in range(4096)]
    made = []
    for count in (150, 200_000):
        rows = range(count)
        columns = {
            "id": draw.choices(names, k=count),
            "amount": pa.array(draw.choices(cents, k=count), pa.decimal128(24, 2)),
            "share": draw.choices(shares, k=count),
            "count": draw.choices([None, 2**53 + 1, -1404], k=count),
            "day": [date(1990 + n % 50, 1 + n % 12, 1 + n % 28) for n in rows],
            "at": [datetime(2025, 3, 20, 20, n % 60, tzinfo=UTC) for n in rows],
            "tags": [["a", "b"][: n % 3] for n in rows],
        }
        table = pa.table(columns)
        info = TableInfo("", "", REF, "budget-lines")
        table = table.cast(published_schema(table.schema, info, 8192)).combine_chunks()
        made.append((encode_part(table, info, single=False), table))
    return made


def test_a_page_crosses_files_and_reads_pieces(visit: Visit, node_url: str) -> None:
    """Every type, a page of two files, and a small share of the large file's bytes."""
    page, parts = visit.page, parts_of_every_type()
    sent: list[int] = []

    def answer(route: Route) -> None:
        content = parts[int(route.request.url.rpartition("/")[2])][0]
        span = re.fullmatch(r"bytes=(\d+)-(\d+)", route.request.headers["range"])
        assert span is not None
        body = content[int(span[1]) : int(span[2]) + 1]
        sent.append(len(body))
        route.fulfill(status=206, body=body)

    page.route("**/files/part/*", answer)
    page.goto(f"{node_url}/en/d/{REF}")
    listed = [
        {"address": f"/files/part/{n}", "bytes": len(content), "rows": table.num_rows}
        for n, (content, table) in enumerate(parts)
    ]
    page.evaluate(SEVERAL, json.dumps(listed))
    page.locator(".in-browser > button").click()
    page.locator(".in-browser .next").click()
    expect(page.locator(".in-browser caption")).to_have_text(
        "Rows 101 to 200 of 200,150"
    )
    cells = page.evaluate(CELLS)

    rows = pa.concat_tables([table for _, table in parts]).slice(100, 100).to_pylist()
    wanted = [[cell(one, None, "en").text for one in row.values()] for row in rows]
    large = len(parts[1][0])
    assert wanted == cells
    assert large > 1024**2
    assert sum(sent) < large / 2
    assert len(sent) < 40
    assert [] == visit.said


@pytest.mark.parametrize("language", ["fa", "en"])
def test_a_failure_is_told(visit: Visit, node_url: str, language: str) -> None:
    """A file that cannot be read leaves a sentence and the button."""
    page = visit.page

    def refuse(route: Route) -> None:
        route.fulfill(status=206, body="not the bytes that were asked for")

    page.route("**/files/**", refuse)
    page.goto(f"{node_url}/{language}/d/{REF}")
    page.locator(".in-browser > button").click()
    told = {"fa": "فایل اینجا خوانده نشد", "en": "could not be read here"}[language]
    expect(page.locator(".in-browser [role=status]")).to_contain_text(told)

    assert page.locator(".in-browser > button").is_enabled()
    assert [] == visit.said


def test_without_scripts_there_is_no_button(browser: Browser, node_url: str) -> None:
    """The page's own rows stay, and nothing promises what would not work."""
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{node_url}/en/d/{REF}")
    shown = page.locator(".in-browser > button").is_visible()
    rows = page.locator("#rows tbody tr").count()
    parts = json.loads(page.locator(".in-browser").get_attribute("data-parts") or "")
    context.close()

    assert not shown
    assert 12 == rows
    assert [126] == [one["rows"] for one in parts]
