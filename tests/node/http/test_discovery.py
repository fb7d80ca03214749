"""Feeds, sitemap, robots, well-known documents, OpenAPI."""

from typing import Any
from xml.etree import ElementTree as ET

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from starlette.testclient import TestClient

ATOM = "{http://www.w3.org/2005/Atom}"
SITEMAP = "{http://www.sitemaps.org/schemas/sitemap/0.9}"


@pytest.mark.parametrize(
    ("path", "entries"),
    [
        ("/feeds/all.atom", 6),
        ("/feeds/dataset.atom", 6),
        ("/feeds/kerman.atom", 5),
        ("/feeds/organization/rasht.atom", 1),
        ("/feeds/kerman/budget-1404.atom", 2),
    ],
)
def test_feed_has_an_entry_a_version(
    client: TestClient, path: str, entries: int
) -> None:
    """Every version and every withdrawal is one entry with an id of its own."""
    answer = client.get(path)
    feed = ET.fromstring(answer.text)
    ids = [item.findtext(f"{ATOM}id") for item in feed.findall(f"{ATOM}entry")]

    assert "application/atom+xml; charset=utf-8" == answer.headers["content-type"]
    assert entries == len(ids) == len(set(ids))
    times = [
        item.findtext(f"{ATOM}updated") or "" for item in feed.findall(f"{ATOM}entry")
    ]
    assert max(times) == feed.findtext(f"{ATOM}updated")


def test_withdrawal_is_marked_in_feeds(client: TestClient) -> None:
    """A reader of the feed sees what was withdrawn."""
    feed = ET.fromstring(client.get("/feeds/kerman/old-projects.atom").text)
    terms = [item.get("term") for item in feed.iter(f"{ATOM}category")]

    assert ["withdrawn", "projects"] == terms


def test_feed_of_nobody_is_not_found(client: TestClient) -> None:
    """An unknown city or dataset has no feed."""
    assert 404 == client.get("/feeds/none.atom").status_code
    assert 404 == client.get("/feeds/kerman/none.atom").status_code


def test_sitemap_lists_live_pages_in_both_languages(client: TestClient) -> None:
    """Search engines find every live dataset, and no withdrawn one."""
    index = ET.fromstring(client.get("/sitemap.xml").text)
    parts = [item.text or "" for item in index.iter(f"{SITEMAP}loc")]
    part = client.get(parts[0].removeprefix("https://data.kerman.example")).text
    pages = {item.text or "" for item in ET.fromstring(part).iter(f"{SITEMAP}loc")}

    assert "https://data.kerman.example/fa/d/kerman/budget-1404" in pages
    assert "https://data.kerman.example/en/d/rasht/active-systems" in pages
    assert not any("old-projects" in page for page in pages)
    assert 404 == client.get("/sitemap-2.xml").status_code
    assert 404 == client.get("/sitemap-0.xml").status_code


def test_robots_keep_from_costly_addresses(client: TestClient) -> None:
    """Robots read pages, and leave rows and exports alone."""
    lines = client.get("/robots.txt").text.splitlines()

    assert "Disallow: /v1/*/rows" in lines
    assert "Sitemap: https://data.kerman.example/sitemap.xml" in lines


def test_node_document(client: TestClient) -> None:
    """A node says where it is found."""
    found = client.get("/.well-known/shahrdad-node").json()

    assert "kerman.example/catalog" == found["origin"]
    assert "https://data.kerman.example/mirror/" == found["endpoints"]["static"]


@pytest.mark.parametrize(
    ("language", "status"), [("fa", 200), ("en", 200), ("de", 404)]
)
def test_opensearch(client: TestClient, language: str, status: int) -> None:
    """A browser can search the node in each language."""
    answer = client.get(f"/opensearch-{language}.xml")

    assert status == answer.status_code
    if status == 200:
        assert f"/{language}/datasets?q={{searchTerms}}" in answer.text


@pytest.fixture(scope="session")
def definition(client: TestClient) -> dict[str, Any]:
    """The OpenAPI definition."""
    return dict(client.get("/v1/openapi.json").json())


def test_operations_have_ids_of_their_own(definition: dict[str, Any]) -> None:
    """No two operations share one; `tests/judges` has the definition judged whole."""
    ids = [
        one["operationId"]
        for item in definition["paths"].values()
        for one in item.values()
    ]

    assert len(ids) == len(set(ids))
    assert "3.1.0" == definition["openapi"]


@pytest.mark.parametrize(
    ("path", "schema"),
    [
        ("/v1", "Service"),
        ("/v1/datasets", "DatasetPage"),
        ("/v1/datasets/kerman/budget-1404", "Dataset"),
        ("/v1/datasets/kerman/budget-1404/versions", "VersionPage"),
        ("/v1/families", "Page"),
        ("/v1/families/budget_lines", "Family"),
        ("/v1/cities", "Page"),
        ("/v1/cities/kerman", "City"),
        ("/v1/changes", "ChangePage"),
        ("/v1/federation", "Federation"),
        ("/v1/problems", "Page"),
        ("/v1/none", "Problem"),
        ("/v1/datasets?x=1", "Problem"),
    ],
)
def test_answers_keep_to_their_schemas(
    client: TestClient, definition: dict[str, Any], path: str, schema: str
) -> None:
    """What the definition says of an answer is so."""
    whole = {
        "$ref": f"#/components/schemas/{schema}",
        "components": definition["components"],
    }

    Draft202012Validator(whole).validate(client.get(path).json())
