"""Pages: both languages, strict policy, escaped, isolated, whole without scripts."""

import re
from html.parser import HTMLParser
from string import Formatter

import pytest
from starlette.testclient import TestClient

from http_world import World, example_rows, make_world
from shahrdad.datasets.errors import Language
from shahrdad.node.http.app import create_app
from shahrdad.node.http.static_files import folder
from shahrdad.node.http.texts import texts

PATHS = (
    "/",
    "/datasets",
    "/datasets?q=بودجه&city=kerman",
    "/datasets?q=qqq",
    "/d/kerman/budget-1404",
    "/d/kerman/budget-1404/v/1",
    "/d/kerman/budget-1404/versions",
    "/cities",
    "/cities/kerman",
    "/federation",
    "/standards",
    "/standards/budget_lines",
    "/api",
    "/problems/not-found",
)
VOID = {"area", "br", "hr", "img", "input", "link", "meta"}


class Reader(HTMLParser):
    """Collects what a page is made of, and whether its elements close in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element of SVG that closes itself."""
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        """Check that the innermost element closes."""
        assert self.open.pop() == tag


@pytest.mark.parametrize("language", ["fa", "en"])
@pytest.mark.parametrize("path", PATHS)
def test_page(client: TestClient, language: str, path: str) -> None:
    """A page has its language, one h1, closed elements, no script in it, no style."""
    answer = client.get(f"/{language}{path}")
    reader = Reader()
    reader.feed(answer.text)
    names = {name for _, name, _ in reader.attributes}
    scripts = [
        v for tag, name, v in reader.attributes if (tag, name) == ("script", "src")
    ]

    assert 200 == answer.status_code
    assert ("html", "lang", language) in reader.attributes
    assert ("html", "dir", "rtl" if language == "fa" else "ltr") in reader.attributes
    assert 1 == reader.tags.count("h1") == reader.tags.count("main")
    assert [] == reader.open
    assert len(scripts) == reader.tags.count("script")
    assert all(str(one).startswith("/static/") for one in scripts)
    assert "style" not in names
    assert [] == [name for name in names if name.startswith("on")]
    assert (
        "default-src 'none'; script-src 'self'"
        in answer.headers["content-security-policy"]
    )
    assert len(answer.content) < 60_000


def test_links_of_pages_lead_somewhere(client: TestClient) -> None:
    """Every address of this host that a page names is answered."""
    seen: set[str] = set()
    waiting = ["/fa/", "/en/"]
    while waiting:
        path = waiting.pop()
        if path in seen or len(seen) > 150:
            continue
        seen.add(path)
        answer = client.get(path)
        assert answer.status_code in {200, 303}, path
        if answer.headers.get("content-type", "").startswith("text/html"):
            links = re.findall(r'(?:href|action)="(/[^"#]*)', answer.text)
            waiting += [
                link.replace("&amp;", "&") for link in links if link != "/preferences"
            ]

    assert len(seen) > 50


def test_texts_are_the_same_in_both_languages() -> None:
    """A text is missing in no language, and speaks of the same values."""
    persian, english = texts("fa"), texts("en")

    assert persian.keys() == english.keys()
    for key, text in persian.items():
        names = [
            {name for _, name, _, _ in Formatter().parse(one) if name}
            for one in (text, english[key])
        ]
        assert names[0] == names[1], key


@pytest.mark.parametrize("language", ["fa", "en"])
def test_prose_has_the_digits_of_its_language(
    client: TestClient, language: Language
) -> None:
    """Persian prose counts in Persian digits, days are Jalali and stand in `time`."""
    text = client.get(f"/{language}/d/kerman/budget-1404").text

    assert ("نسخهٔ ۲" if language == "fa" else "Version 2") in text
    day = "۲۹ آبان ۱۴۰۴" if language == "fa" else "20 November 2025"
    other = "2025-11-20" if language == "fa" else "29 Aban 1404"
    stamp = (
        f'<time datetime="2025-11-20T08:30:00Z" title="{other}"><bdi>{day}</bdi></time>'
    )
    assert stamp in text


def test_data_tables_keep_ascii_digits(client: TestClient) -> None:
    """A copied cell is a number for Excel, whatever digits it is drawn with."""
    text = client.get("/fa/d/kerman/budget-1404").text

    assert "70,000,000,000,000" in text


def test_hostile_titles_stay_text(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Another city's record cannot put markup into a page."""
    world: World = make_world(tmp_path_factory.mktemp("hostile"))
    evil = '"><script>alert(1)</script>'
    world.publish(
        "rasht",
        "evil",
        "active_systems",
        example_rows("active_systems", "rasht"),
        time="2025-11-20T06:00:00Z",
        title=(evil, evil),
    )
    client = TestClient(create_app(world))
    for path in (
        "/fa/",
        "/fa/d/rasht/evil",
        "/fa/d/rasht/evil/versions",
        "/fa/datasets",
    ):
        text = client.get(path).text
        assert "<script>" not in text
        assert "&lt;script&gt;" in text


def test_errors_are_pages(client: TestClient) -> None:
    """A wrong address offers a search; a withdrawn dataset says when it went."""
    missing = client.get("/fa/d/kerman/budget-1399")
    unknown = client.get("/en/nothing/here")
    gone = client.get("/en/d/kerman/old-projects")

    assert (404, 404, 410) == (
        missing.status_code,
        unknown.status_code,
        gone.status_code,
    )
    assert "DATASET_UNKNOWN" in missing.text
    assert 'value="nothing here"' in unknown.text
    assert "1 November 2025" in gone.text


def test_front_door_follows_the_reader(client: TestClient) -> None:
    """The cookie wins over the header, the header over the node's own language."""
    plain = client.get("/")
    header = client.get("/", headers={"Accept-Language": "en"})
    cookie = client.get("/", headers={"Cookie": "language=en", "Accept-Language": "fa"})

    assert ["/fa/", "/en/", "/en/"] == [
        answer.headers["location"] for answer in (plain, header, cookie)
    ]


@pytest.mark.parametrize(
    ("back", "location"),
    [
        ("/en/datasets", "/en/datasets"),
        ("//evil.example", "/"),
        ("https://evil.example", "/"),
    ],
)
def test_theme_is_kept_in_a_cookie(
    client: TestClient, back: str, location: str
) -> None:
    """The switch works without script, and leads to no other host."""
    answer = client.post("/preferences", data={"theme": "dark", "back": back})
    client.cookies.clear()
    page = client.get("/en/", headers={"Cookie": "theme=dark"})

    assert (303, location) == (answer.status_code, answer.headers["location"])
    assert "theme=dark" in answer.headers["set-cookie"]
    assert 'data-theme="dark"' in page.text
    assert page.headers["cache-control"].startswith("private")


def test_static_files_are_tagged_and_kept(client: TestClient) -> None:
    """Style and fonts are immutable under addresses that name their content."""
    tag, files = folder()
    style = client.get(f"/static/{tag}/style.css")
    plain = client.get(
        f"/static/{tag}/style.css", headers={"Accept-Encoding": "identity"}
    )

    assert "public, max-age=31536000, immutable" == style.headers["cache-control"]
    assert style.content == plain.content == files["style.css"].plain
    assert style.headers["etag"] != plain.headers["etag"]
    assert 404 == client.get("/static/old/style.css").status_code
    assert 404 == client.get(f"/static/{tag}/NOTHING.txt").status_code


def test_style_is_small_and_logical() -> None:
    """One stylesheet serves both directions: physical sides only by a rule."""
    _, files = folder()
    style = files["style.css"]
    allowed = {"text-align: right", "text-align: left"}
    physical = re.findall(
        r"(?:margin|padding|border)-(?:left|right)|(?:text-align|float): (?:left|right)"
        r"|(?<![-\w])(?:left|right):",
        style.plain.decode(),
    )

    assert set(physical) <= allowed
    assert style.packed is not None
    assert len(style.packed) < 12_000
