"""What a page weighs on the wire, in bytes after compression: bounds for every page."""

import gzip
import re

import pytest
from starlette.testclient import TestClient

from portal_world import PATHS
from shahrdad.node.http.limits import PREVIEW_ROWS_SHOWN
from shahrdad.node.http.static_files import folder

HTML_BYTES_MAX = 30_000
STYLES_BYTES_MAX = 15_000
SCRIPTS_BYTES_MAX = 25_000
FONTS_BYTES_MAX = 100_000
ELEMENTS_MAX = 1_500  # more makes a phone slow
LARGE = ("/projects/map",)  # a map brings its own script
LONG = ("/api/reference", "/rows")  # every operation; fifty rows of every column


def weight(client: TestClient, addresses: list[str]) -> int:
    """Return the compressed bytes of static files."""
    return sum(len(gzip.compress(client.get(one).content, 9)) for one in addresses)


@pytest.mark.parametrize("language", ["fa", "en"])
def test_every_page_is_light(client: TestClient, language: str) -> None:
    """HTML, elements, styles and scripts of each page stay within their bounds."""
    found = {}
    for path in (*PATHS, "/d/kerman/projects", "/d/kerman/budget-1404", "/datasets"):
        answer = client.get(f"/{language}{path}")
        styles = re.findall(r'<link rel="stylesheet" href="([^"]+)"', answer.text)
        scripts = re.findall(r'<script[^>]* src="([^"]+)"', answer.text)
        heavy = {
            "html": len(gzip.compress(answer.content, 6)) > HTML_BYTES_MAX,
            "elements": len(re.findall(r"<\w", answer.text)) > ELEMENTS_MAX
            and not path.partition("?")[0].endswith(LONG),
            "styles": weight(client, styles) > STYLES_BYTES_MAX,
            "scripts": weight(client, scripts) > SCRIPTS_BYTES_MAX
            and path.partition("?")[0] not in LARGE,
        }
        found[path] = [name for name, above in heavy.items() if above]

    assert {} == {path: names for path, names in found.items() if names}


def test_fonts_are_light() -> None:
    """All fonts together, though a page seldom needs the third."""
    sizes = [len(one.plain) for name, one in folder()[1].items() if "woff2" in name]

    assert 3 == len(sizes)
    assert sum(sizes) < FONTS_BYTES_MAX


@pytest.mark.parametrize("slug", ["projects", "budget-1404", "active-systems"])
def test_preview_keeps_a_page_small(client: TestClient, slug: str) -> None:
    """A dataset's page shows a few rows and leads to the page of all of them."""
    text = client.get(f"/fa/d/kerman/{slug}").text
    table = text[text.index('<table class="data">') : text.index("</table>")]

    assert 1 + PREVIEW_ROWS_SHOWN == table.count("<tr>")
    assert len(re.findall(r"<\w", text)) < ELEMENTS_MAX
    assert f"/d/kerman/{slug}/v/" in text


def test_every_page_asks_for_one_style_sheet(client: TestClient) -> None:
    """One request brings all styles; the font of the language is asked for early."""
    for language, font in (("fa", "arabic"), ("en", "latin")):
        text = client.get(f"/{language}/budget").text
        preloads = re.findall(r'rel="preload" href="[^"]+vazirmatn-(\w+)', text)

        assert 1 == text.count('rel="stylesheet"')
        assert [font] == preloads
