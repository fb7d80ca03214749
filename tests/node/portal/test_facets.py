"""Facets beside the list: themes, grades and days, counted as the lists behind them."""

import re

import pytest
from starlette.testclient import TestClient

FACET = (
    r'href="\?([^"]*{name}=[^"]+)"[^>]*><span>.*?</span>'
    r' <span class="second"><bdi[^>]*>(\d+)'
)


@pytest.mark.parametrize("name", ["theme", "quality", "city"])
def test_count_of_a_choice_is_that_of_its_list(client: TestClient, name: str) -> None:
    """The number beside a choice is how many datasets its own page has."""
    text = client.get("/en/datasets").text
    found = re.findall(FACET.format(name=name), text)

    assert found
    for query, count in found:
        page = client.get(f"/en/datasets?{query.replace('&amp;', '&')}").text
        total = re.search(r'role="status">(\d+) dataset', page)
        assert total is not None
        assert total[1] == count, query


def test_days_are_a_choice_and_can_be_dropped(client: TestClient) -> None:
    """A list since a day shows that as a filter with a link that takes it away."""
    text = client.get("/en/datasets").text
    (query, *_) = re.findall(r'href="\?(updated_after=[^"]+)"', text)
    narrowed = client.get(f"/en/datasets?{query}").text

    assert 'class="tag info" href="?"' in narrowed
    assert 'name="updated_after"' in narrowed, "the search keeps it"


def test_feed_of_a_list_has_its_filters(client: TestClient) -> None:
    """The Atom link beside a list follows that list."""
    text = client.get("/en/datasets?city=shiraz&theme=ECON").text
    link = re.search(r'href="(/feeds/search\.atom[^"]+)"', text)
    assert link is not None
    feed = client.get(link[1].replace("&amp;", "&")).text

    assert "/d/shiraz/" in feed
    assert "/d/kerman/" not in feed
