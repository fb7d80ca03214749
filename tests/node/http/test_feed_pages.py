"""Feeds of more entries than a page: every change on one page, once."""

from collections.abc import Iterator
from xml.etree import ElementTree as ET

import pytest
from starlette.testclient import TestClient

from shahrdad.node.http import limits
from shahrdad.node.http.feeds import ATOM

FEED = "/feeds/all.atom"


@pytest.fixture
def short_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of two entries."""
    monkeypatch.setattr(limits, "FEED_ENTRIES", 2)


def pages(client: TestClient) -> Iterator[ET.Element]:
    """Yield the pages of the feed, from the newest on."""
    address = FEED
    while address:
        feed = ET.fromstring(client.get(address).content)
        yield feed
        address = link(feed, "next").removeprefix("https://data.kerman.example")


def link(feed: ET.Element, relation: str) -> str:
    """Return a link of a page, or nothing."""
    found = [
        one.get("href", "")
        for one in feed.findall(f"{{{ATOM}}}link")
        if one.get("rel") == relation
    ]
    return found[0] if found else ""


@pytest.mark.usefixtures("short_pages")
def test_pages_have_every_entry_once(client: TestClient) -> None:
    """What is too old for the first page is on a later one."""
    found = list(pages(client))
    ids = [
        entry.findtext(f"{{{ATOM}}}id")
        for feed in found
        for entry in feed.findall(f"{{{ATOM}}}entry")
    ]

    assert len(found) > 2
    assert len(ids) == len(set(ids))
    assert "https://data.kerman.example/feeds/all.atom" == link(found[-1], "first")


def test_whole_feed_has_no_next_page(client: TestClient) -> None:
    """A reader stops where there is nothing more, and nonsense begins anew."""
    (feed,) = pages(client)
    other = client.get(f"{FEED}?before=x")

    assert feed.findall(f"{{{ATOM}}}entry")
    assert 200 == other.status_code
