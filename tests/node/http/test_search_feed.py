"""A search as a feed: what a reader of one theme is told of."""

from xml.etree import ElementTree as ET

import pytest
from starlette.testclient import TestClient

from http_world import World
from shahrdad.node.http import limits
from shahrdad.node.http.feeds import ATOM

ROOT = "https://data.kerman.example"


def entries(client: TestClient, address: str) -> list[ET.Element]:
    """Return the entries of a feed, of its later pages too."""
    found: list[ET.Element] = []
    while address:
        answer = client.get(
            address.removeprefix(ROOT), headers={"Accept-Language": "en"}
        )
        assert 200 == answer.status_code, answer.text
        feed = ET.fromstring(answer.content)
        found += feed.findall(f"{{{ATOM}}}entry")
        links = {one.get("rel"): one for one in feed.findall(f"{{{ATOM}}}link")}
        address = links["next"].get("href", "") if "next" in links else ""
    return found


def ids(found: list[ET.Element]) -> list[str]:
    """Return the identifiers of entries."""
    return [entry.findtext(f"{{{ATOM}}}id", "") for entry in found]


def test_feed_has_what_the_search_finds(client: TestClient) -> None:
    """The newest version of each hit, and its address as identifier."""
    query = "family=budget_lines&city=kerman"
    items = client.get(f"/v1/datasets?{query}").json()["items"]
    found = ids(entries(client, f"/feeds/search.atom?{query}"))

    assert items
    assert sorted(
        f"{ROOT}/d/{item['ref']}/v/{item['version']['number']}" for item in items
    ) == sorted(found)


def test_pages_lead_through_all_of_it(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With one entry a page, each hit stands on one page, and the newest first."""
    monkeypatch.setattr(limits, "FEED_ENTRIES", 1)
    total = client.get("/v1/datasets").json()["total"]
    found = entries(client, "/feeds/search.atom")
    times = [entry.findtext(f"{{{ATOM}}}updated", "") for entry in found]

    assert total == len(set(ids(found))) == len(found)
    assert sorted(times, reverse=True) == times


def test_unknown_parameters_are_refused(client: TestClient) -> None:
    """A misspelt filter would otherwise be a feed of everything."""
    answer = client.get("/feeds/search.atom?famly=budget_lines")

    assert 400 == answer.status_code
    assert answer.json()["type"].endswith("unknown-parameter")


def test_withdrawn_datasets_are_entries_when_asked_for(client: TestClient) -> None:
    """They carry the category by which a reader removes its copy."""
    found = entries(client, "/feeds/search.atom?state=withdrawn")
    terms = {
        category.get("term")
        for entry in found
        for category in entry.findall(f"{{{ATOM}}}category")
    }

    assert found
    assert {"withdrawn"} == terms


def test_summary_says_how_many_rows_changed(client: TestClient, world: World) -> None:
    """An entry of a later version tells added, removed and changed rows."""
    texts = [
        entry.findtext(f"{{{ATOM}}}summary", "")
        for entry in entries(client, "/feeds/all.atom")
    ]
    changed = [
        version.change
        for dataset in world.catalog.list()
        for version in world.catalog.versions(dataset.ref)
        if version.change and version.change.get("added")
    ]

    assert changed
    assert any(f"+ {one['added']} row" in text for one in changed for text in texts)
