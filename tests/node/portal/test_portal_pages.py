"""Pages of figures: whole without scripts, in both languages, equal to the data."""

import json
import re
from hashlib import sha256
from html.parser import HTMLParser
from io import BytesIO

import openpyxl
import pytest
from starlette.testclient import TestClient

from http_world import World, make_world
from portal_world import PATHS, parquet
from shahrdad.node.analysis import budget
from shahrdad.node.analysis.releases import Releases
from shahrdad.node.http.app import create_app
from shahrdad.node.http.portal import amounts
from shahrdad.node.http.static_files import folder

VOID = {"area", "br", "hr", "img", "input", "link", "meta"}


class Reader(HTMLParser):
    """Collects a page's elements, and whether they close in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.handle_startendtag(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element that closes itself."""
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        """Check that the innermost element closes."""
        assert self.open.pop() == tag


@pytest.mark.parametrize("language", ["fa", "en"])
@pytest.mark.parametrize("path", PATHS)
def test_page(client: TestClient, language: str, path: str) -> None:
    """A page is well-formed: one h1, unique ids, no inline style or script."""
    answer = client.get(f"/{language}{path}")
    reader = Reader()
    reader.feed(answer.text)
    ids = [value for _, name, value in reader.attributes if name == "id"]
    names = {name for _, name, _ in reader.attributes}

    assert 200 == answer.status_code
    assert ("html", "lang", language) in reader.attributes
    assert 1 == reader.tags.count("h1") == reader.tags.count("main")
    assert [] == reader.open
    assert len(set(ids)) == len(ids)
    assert "style" not in names
    assert [] == [name for name in names if name.startswith("on")]
    scripts = {"/verify": 1, "/projects/map": 2, "/datasets": 1}
    expected = scripts.get(path.partition("?")[0], 0)
    assert expected == reader.tags.count("script")
    assert len(answer.content) < 100_000


def test_inputs_are_labelled(client: TestClient) -> None:
    """Every control of a form has a label, a name or both."""
    for path in PATHS:
        text = client.get(f"/fa{path}").text
        for control in re.findall(r"<(?:input|select|textarea)[^>]*>", text):
            if 'type="hidden"' in control:
                continue
            found = re.search(r'id="([^"]+)"', control)
            before = text[: text.index(control)]
            inside = before.rfind("<label") > before.rfind("</label>")
            assert inside or (found and f'for="{found[1]}"' in text) or "search" in path
            assert 'aria-label="' in control or inside or found


def test_links_lead_somewhere(client: TestClient) -> None:
    """Every address that the pages of figures name is answered."""
    seen: set[str] = set()
    for path in PATHS[:-1]:
        text = client.get(f"/en{path}").text
        own = f"/en{path}".split("?")[0]
        links = [
            own + link if link.startswith("?") else link
            for link in re.findall(r'href="([/?][^"#]*)', text)
        ]
        seen |= {link.replace("&amp;", "&") for link in links[:80]}
    chosen = sorted(seen)[:: max(1, len(seen) // 120)]
    for link in chosen:
        assert client.get(link).status_code in {200, 303}, link
    assert len(chosen) > 60


@pytest.mark.parametrize("language", ["fa", "en"])
def test_figures_of_a_page_are_those_of_the_data(
    client: TestClient, releases: Releases, language: str
) -> None:
    """The budget page shows the sums that the rows have, in both languages."""
    release = releases.gather("budget_lines", 1404).first("kerman")
    assert release is not None
    statement = budget.statement(release)
    assert statement is not None
    text = client.get(f"/{language}/budget/kerman/1404").text
    for part in budget.parts(statement.side("use"), "mission"):
        exact = amounts.exact(part.amounts.current, language)  # type: ignore[arg-type]
        assert f'title="{exact}">{amounts.milliard(part.amounts.current)}<' in text


def test_figures_lead_to_their_rows(client: TestClient, releases: Releases) -> None:
    """The link of a figure shows exactly the rows that it counted."""
    text = client.get("/en/budget/kerman/1404?by=class").text
    links = re.findall(r'href="([^"]+/rows\?[^"]+)">(\d+) rows', text)

    assert len(links) >= 3
    for link, count in links:
        shown = client.get(link.replace("&amp;", "&")).text
        assert f"{count} rows of 105" in shown


def test_a_city_without_the_family_is_not_zero(client: TestClient) -> None:
    """What a city has not published is said in words."""
    text = client.get("/en/report/1404-08").text
    compared = client.get("/en/compare?measure=smart&city=kerman").text
    missing = client.get("/en/budget/qom/1404")

    assert "Not published" in text
    assert "Not published" not in compared
    assert (404, True) == (missing.status_code, "BUDGET_UNKNOWN" in missing.text)


def test_wrong_choices_are_refused(client: TestClient) -> None:
    """A misspelt filter never answers with everything."""
    for address in (
        "/fa/systems?vendr=x",
        "/fa/projects?late=maybe",
        "/fa/d/kerman/projects/rows?nothing__exact=1",
        "/fa/d/kerman/projects/diff?from=x",
        "/fa/budget/kerman/1404?period=q9",
    ):
        assert client.get(address).status_code in {400, 422}, address
    for address in (
        "/fa/report/1404-13",
        "/fa/systems/products/none",
        "/fa/systems/areas/none",
        "/fa/projects/kerman/none",
        "/fa/d/kerman/projects/diff?to=9",
    ):
        assert 404 == client.get(address).status_code, address


def test_the_filter_form_works_alone(client: TestClient) -> None:
    """A form without script is led to the address that means the same."""
    answer = client.get(
        "/en/d/kerman/projects/rows?status__exact=implementation"
        "&column=district_no&op=greater&value=3"
    )
    bare = client.get("/en/d/kerman/projects/rows?column=lat&op=isnull&value=")

    assert 303 == answer.status_code
    assert answer.headers["location"].endswith(
        "?status__exact=implementation&district_no__greater=3"
    )
    assert 200 == client.get(answer.headers["location"]).status_code
    assert bare.headers["location"].endswith("?lat__isnull=")
    assert 200 == client.get(bare.headers["location"]).status_code


def test_rows_are_paged_without_loss(client: TestClient) -> None:
    """Following the next link shows every row once."""
    seen: list[str] = []
    address: str | None = (
        "/en/d/kerman/projects/rows?sort=title_fa&fields=project_id,title_fa"
    )
    while address:
        text = client.get(address).text
        seen += re.findall(r"<td[^>]*>(P-\d+-\d+)</td>", text)
        found = re.search(r'href="(\?cursor=[^"]+)">Next', text)
        address = f"/en/d/kerman/projects/rows{found[1]}" if found else None

    assert 72 == len(seen) == len(set(seen))


def test_diff_shows_old_and_new(client: TestClient) -> None:
    """A changed cell stands with what it was, what it is and the difference."""
    persian = client.get("/fa/d/kerman/projects/diff?from=1&to=2").text
    text = client.get("/en/d/kerman/projects/diff?from=1&to=2").text

    assert "2026-06-15" in text
    assert "P-1400-041" in text
    assert "± 1 row changed" in text
    assert "+6" in text
    assert "۱۴۰۵/۰۳/۲۵" in persian
    assert (
        "Nothing changed" in client.get("/en/d/kerman/projects/diff?from=2&to=2").text
    )


def test_verify_finds_a_digest(client: TestClient, world: World) -> None:
    """A file's digest leads to the version that names it; another to nothing."""
    with open(parquet(world, "kerman/projects", 1), "rb") as file:  # noqa: PTH123
        digest = sha256(file.read()).hexdigest()
    page = client.get(f"/en/verify?sha256={digest}")
    unknown = client.get(f"/en/verify?sha256={'0' * 64}")

    assert "kerman/projects/v/1" in page.text
    # The receipt of this world is no receipt, and the page says so.
    assert "It does not hold" in page.text
    assert "No version published" in unknown.text


def test_verify_refuses_what_is_no_receipt(client: TestClient) -> None:
    """A pasted text that is none is told as an error, and a huge one is not read."""
    none = client.post("/en/verify/receipt", data={"receipt": "hello"})
    huge = client.post("/en/verify/receipt", data={"receipt": "x" * 300_000})

    assert none.status_code in {400, 422}
    assert 413 == huge.status_code


def test_report_is_the_same_through_every_door(client: TestClient) -> None:
    """The page names the digest of the JSON, and the workbook has its figures."""
    answer = client.get("/v1/reports/1404-08")
    page = client.get("/fa/report/1404-08").text
    book = openpyxl.load_workbook(
        BytesIO(client.get("/en/report/1404-08/xlsx").content)
    )
    report = json.loads(answer.content)

    assert sha256(answer.content).hexdigest() in page
    assert report["inputs_digest"] in page
    assert "Inputs" in book.sheetnames
    assert len(report["inputs"]) + 1 == book["Inputs"].max_row
    assert client.get("/en/report").headers["location"].startswith("/en/report/14")


def test_matrix_keeps_its_shape_in_excel(client: TestClient) -> None:
    """The exported matrix has the areas as rows and the cities as columns."""
    answer = client.get("/en/systems.xlsx?area=revenue")
    sheet = openpyxl.load_workbook(BytesIO(answer.content)).active
    assert sheet is not None

    assert ["Business area", "Kerman", "Mashhad", "Shiraz"] == [
        cell.value for cell in sheet[1]
    ]
    assert 2 == sheet.max_row


def test_hostile_rows_stay_text(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Another city's rows cannot put markup or a script into the pages of figures."""
    from portal_world import plain

    world = make_world(tmp_path_factory.mktemp("hostile"))
    evil = '"><script>alert(1)</script>'
    row = {
        "city_code": "1129", "system_id": "a", "name_fa": evil, "function_fa": evil,
        "business_area": evil, "smart_domain": "cross", "owner_unit_id": "u",
        "custodian_unit_id": "u", "lifecycle_status": "operational",
        "disclosure": "full", "product_name": evil, "vendor_name": evil,
        "as_of_date": "2025-10-01",
    }  # fmt: skip
    world.publish(
        "rasht", "active-systems", "active_systems", [plain("active_systems", row)],
        time="2025-11-18T06:00:00Z", title=(evil, evil),
    )  # fmt: skip
    client = TestClient(create_app(world))
    for path in (
        "/systems",
        "/d/rasht/active-systems/rows",
        "/report/1404-08",
        "/compare",
    ):
        text = client.get(f"/fa{path}").text
        assert "<script>alert" not in text
    assert "&lt;script&gt;" in client.get("/fa/systems").text


def test_style_of_figures_is_small_and_logical() -> None:
    """The second stylesheet too has no physical sides, and stays small."""
    _, files = folder()
    style = files["portal.css"]
    physical = re.findall(
        r"(?:margin|padding|border)-(?:left|right)|(?:text-align|float): (?:left|right)"
        r"|(?<![-\w])(?:left|right):",
        style.plain.decode(),
    )

    assert [] == physical
    assert style.packed is not None
    assert len(style.packed) < 8_000
