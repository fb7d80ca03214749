"""Tables and treemaps for frames in other sites: theirs alone, and without scripts."""

import re

import pytest
from starlette.testclient import TestClient

from shahrdad.node.http.rendering import EMBEDDED_CSP, PAGE_CSP

EMBEDDED = (
    "/embed/d/kerman/projects",
    "/embed/d/kerman/projects/v/1",
    "/embed/budget/kerman/1404",
    "/embed/budget/kerman/1404?side=source&by=class",
)


@pytest.mark.parametrize("language", ["fa", "en"])
@pytest.mark.parametrize("path", EMBEDDED)
def test_embedded_page_may_stand_in_any_frame(
    client: TestClient, path: str, language: str
) -> None:
    """It runs nothing, sends nothing, keeps nothing, and its links leave the frame."""
    answer = client.get(f"/{language}{path}")
    links = re.findall(r"<a [^>]*>", answer.text)

    assert 200 == answer.status_code
    assert EMBEDDED_CSP == answer.headers["Content-Security-Policy"]
    assert "cross-origin" == answer.headers["Cross-Origin-Resource-Policy"]
    assert "set-cookie" not in answer.headers
    assert "Cookie" not in answer.headers["Vary"]
    assert "<script" not in answer.text
    assert "<form" not in answer.text
    assert links
    assert all('target="_blank" rel="noopener"' in link for link in links)
    assert 1 == answer.text.count("<h1") == answer.text.count("<main")


def test_policies_differ_where_they_must() -> None:
    """Other pages stand in no frame; the embedded ones have no script and no form."""
    assert "frame-ancestors 'none'" in PAGE_CSP
    assert "frame-ancestors *" in EMBEDDED_CSP
    assert "script-src" not in EMBEDDED_CSP
    assert "form-action 'none'" in EMBEDDED_CSP


def test_links_of_a_frame_lead_somewhere(client: TestClient) -> None:
    """Title, source and every part of the drawing have a page."""
    for path in EMBEDDED:
        text = client.get(f"/en{path}").text
        for link in set(re.findall(r'<a href="([^"]+)"', text)):
            address = link.replace("&amp;", "&")
            assert client.get(address).status_code == 200, address


def test_theme_is_of_the_address(client: TestClient) -> None:
    """The embedding site says which theme; another word is refused."""
    dark = client.get("/fa/embed/d/kerman/projects?theme=dark").text

    assert 'data-theme="dark"' in dark
    assert 400 == client.get("/fa/embed/d/kerman/projects?theme=red").status_code


def test_pages_offer_the_line_to_copy(client: TestClient) -> None:
    """Dataset and budget show the frame's line, and its address answers."""
    for path in ("/d/kerman/projects", "/budget/kerman/1404?side=source"):
        text = client.get(f"/fa{path}").text
        found = re.search(r'&lt;iframe src="([^"]+)"', text)
        assert found is not None
        address = found[1].replace("&amp;", "&")
        assert client.get(address).status_code == 200, address


@pytest.mark.parametrize("slug", ["projects", "budget-1404", "contracts", "work-sites"])
def test_dataset_leads_to_its_figures(client: TestClient, slug: str) -> None:
    """A page of rows leads to the page that says what they come to."""
    text = client.get(f"/en/d/kerman/{slug}").text
    found = re.search(r'href="([^"]+)">This data in charts', text)
    assert found is not None

    assert 200 == client.get(found[1]).status_code
