"""Lists of a large catalog: read page by page, the same however they are cut."""

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from http_world import World, example_rows, fill, make_world
from shahrdad.node.http import catalog_api, discovery
from shahrdad.node.http.app import create_app
from shahrdad.node.http.ckan import actions
from shahrdad.node.http.identity import uid
from shahrdad.node.http.metadata import routes

SLUGS = [f"systems-{number}" for number in range(5)]


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A node with some datasets more, one of them withdrawn."""
    folder: Path = tmp_path_factory.mktemp("many")
    world = fill(make_world(folder))
    for number, slug in enumerate(SLUGS):
        world.publish(
            "kerman",
            slug,
            "active_systems",
            example_rows("active_systems", "kerman"),
            time=f"2025-11-2{number}T06:00:00Z",
            title=(slug, slug),
        )
    world.withdraw("kerman", SLUGS[0], time="2025-11-26T06:00:00Z")
    return world


@pytest.fixture(scope="module")
def many(city: World) -> Any:
    """A client of that node."""
    with TestClient(create_app(city)) as client:
        yield client


def subjects(text: str) -> list[str]:
    """Return the datasets that a page of the catalog describes, in its order."""
    lines = [one for one in text.splitlines() if "dcat:dataset" in one or "/d/" in one]
    return [slug for one in lines for slug in SLUGS if f"/d/kerman/{slug}>" in one]


@pytest.mark.parametrize("base", ["", "/all"])
def test_catalog_pages_have_every_dataset_once(
    many: TestClient, monkeypatch: pytest.MonkeyPatch, base: str
) -> None:
    """Pages in the order of identifiers, with a next one as long as there is more."""
    monkeypatch.setattr(routes, "PAGE_DATASETS", 2)
    seen: list[str] = []
    pages = 0
    path: str | None = f"{base}/catalog.ttl"
    while path is not None:
        answer = many.get(path)
        assert 200 == answer.status_code
        seen += dict.fromkeys(subjects(answer.text))
        pages += 1
        following = answer.links.get("next", {}).get("url")
        path = following.partition("example")[2] if following else None
    order = sorted(SLUGS[1:], key=lambda slug: uid(f"kerman/{slug}").int)

    assert order == seen
    assert 8 == pages
    assert 404 == many.get(f"{base}/catalog.ttl?page={pages + 1}").status_code


def test_catalog_of_changes_has_withdrawals(many: TestClient) -> None:
    """Whoever asks for what changed hears of what is gone, and of nothing older."""
    text = many.get("/catalog.ttl?modified_since=2025-11-23T00:00:00Z").text

    assert {SLUGS[0], SLUGS[3], SLUGS[4]} == set(subjects(text))


def test_sitemap_parts_have_every_address_once(
    many: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut anywhere, the parts together are the whole sitemap."""
    whole = many.get("/sitemap-1.xml").text
    monkeypatch.setattr(discovery, "_PATHS", 3)
    index = many.get("/sitemap.xml").text
    count = index.count("<loc>")
    parts = [many.get(f"/sitemap-{n}.xml").text for n in range(1, count + 1)]

    assert whole.count("<loc>") == sum(part.count("<loc>") for part in parts)
    assert all(
        any(f"/d/kerman/{slug}<" in part for part in parts) for slug in SLUGS[1:]
    )
    assert f"/d/kerman/{SLUGS[0]}<" not in whole
    assert 404 == many.get(f"/sitemap-{count + 1}.xml").status_code
    assert 404 == many.get("/sitemap-0.xml").status_code


def test_long_csv_is_streamed_and_the_same(
    many: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A list of several pages has the bytes of one page."""
    whole = many.get("/v1/datasets.csv")
    monkeypatch.setattr(catalog_api, "PAGE_MAX", 2)
    pages = many.get("/v1/datasets.csv")

    assert whole.content == pages.content
    assert "etag" in whole.headers
    assert b"" == many.head("/v1/datasets.csv").content


def search(client: TestClient, **asked: Any) -> Any:
    """Return the result of `resource_search`."""
    answer = client.post("/api/3/action/resource_search", json=asked)
    return answer.json()


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("format:csv", 6),
        ("name:ACTIVE-SYSTEMS.x", 5),
        (["name:budget", "format:xlsx"], 1),
        ("format:pdf", 0),
    ],
)
def test_resources_are_found_by_what_is_indexed(
    many: TestClient, monkeypatch: pytest.MonkeyPatch, query: Any, count: int
) -> None:
    """Names and formats are searched in a catalog of any size, page by page."""
    monkeypatch.setattr(actions, "SEARCHED_MAX", 0)
    found = search(many, query=query)["result"]
    pages = [
        search(many, query=query, limit=2, offset=offset)["result"]
        for offset in range(0, count, 2)
    ]

    assert count == found["count"] == len(found["results"])
    assert [one["id"] for one in found["results"]] == [
        one["id"] for page in pages for one in page["results"]
    ]


def test_large_catalog_refuses_what_is_not_indexed(
    many: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A field that only the JSON has is searched in a small catalog."""
    small = search(many, query="mimetype:text/csv")
    monkeypatch.setattr(actions, "SEARCHED_MAX", 0)
    large = search(many, query="mimetype:text/csv")

    assert 6 == small["result"]["count"]
    assert ("Search Error", False) == (large["error"]["__type"], large["success"])
    assert "format and name" in large["error"]["message"]


def test_what_is_not_touched_is_on_one_page_while_others_come_and_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A harvester that reads page by page neither misses nor repeats one of these."""
    monkeypatch.setattr(routes, "PAGE_DATASETS", 4)
    world = fill(make_world(tmp_path))
    rows = example_rows("active_systems", "kerman")

    def put(slug: str, hour: int) -> None:
        time = f"2025-12-01T{hour:02}:00:00Z"
        world.publish(
            *("kerman", slug, "active_systems", rows), time=time, title=(slug, slug)
        )

    for number in range(24):
        put(f"kept-{number}", 1)
        put(f"moved-{number}", 1)
    with TestClient(create_app(world)) as client:
        seen: Counter[str] = Counter()
        page, path = 0, "/catalog.ttl"
        while path:
            answer = client.get(path)
            found = re.findall(r"/d/kerman/(kept-[0-9]+)>", answer.text)
            seen.update(set(found))
            if page < 12:  # one goes, one changes, one comes
                world.withdraw("kerman", f"moved-{page}", time="2025-12-01T03:00:00Z")
                put(f"moved-{page + 12}", 3)
                put(f"come-{page}", 3)
            page += 1
            following = answer.links.get("next", {}).get("url", "")
            path = following.partition("example")[2]

    assert {f"kept-{number}": 1 for number in range(24)} == dict(seen)
