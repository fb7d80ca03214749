"""Filters of the list of datasets beside words: theme, format, quality, period."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from http_world import World, example_rows, fill, make_world
from shahrdad.datasets.alignment import THEMES
from shahrdad.node.http.app import create_app
from shahrdad.node.http.catalog_api import FILTERS
from shahrdad.node.http.quality import GRADES, grade, scores


def refs(client: TestClient, **asked: Any) -> list[str]:
    """Return the references of a list, page by page."""
    found: list[str] = []
    cursor = None
    while True:
        more: dict[str, Any] = {"cursor": cursor} if cursor else {}
        query = urlencode({**asked, "limit": 1, **more}, doseq=True)
        answer = client.get(f"/v1/datasets?{query}")
        assert 200 == answer.status_code, answer.text
        page = answer.json()
        found += [item["ref"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            assert page["total"] == len(found)
            return found


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"theme": "ECON"}, ["kerman/budget-1404"]),
        ({"theme": ["ECON", "TECH"]}, ["kerman/budget-1404"]),
        ({"theme": "REGI"}, []),
        ({"theme": "GOVE", "city": "rasht"}, ["rasht/active-systems"]),
        ({"format": "xlsx", "family": "budget_lines"}, ["kerman/budget-1404"]),
        ({"covers": "1404-06-31"}, ["kerman/budget-1404"]),
        ({"covers": "2026-03-20"}, ["kerman/budget-1404"]),
        ({"covers": "2026-03-21"}, []),
        ({"covers": "1403-12-29"}, []),
        ({"covers": "1404-01-01", "fiscal_year": 1403}, []),
        ({"q": "بودجه", "theme": "TECH"}, []),
        ({"q": "بودجه", "theme": "ECON"}, ["kerman/budget-1404"]),
        ({"theme": "REGI", "state": "withdrawn"}, ["kerman/old-projects"]),
    ],
)
def test_filter_lets_through_what_it_names(
    client: TestClient, asked: dict[str, Any], expected: list[str]
) -> None:
    """Values of one filter are alternatives; different filters all hold."""
    assert expected == refs(client, **asked)


def test_grade_is_the_one_of_the_quality_door(client: TestClient) -> None:
    """List, dataset object and quality door say the same grade, and it filters."""
    items = client.get("/v1/datasets").json()["items"]

    for item in items:
        door = client.get(f"/v1/datasets/{item['ref']}/quality").json()
        quality = item["quality"]

        assert (door["score"], door["grade"]) == (quality["score"], quality["grade"])
        assert item["ref"] in refs(client, quality=quality["grade"])
    for letter in GRADES:
        wanted = [one["ref"] for one in items if one["quality"]["grade"] == letter]

        assert wanted == refs(client, quality=letter)


@pytest.mark.parametrize("letter", list(GRADES))
def test_spans_of_grades_meet(letter: str) -> None:
    """Each score has one grade, also at the bounds."""
    least, above = scores(letter)

    assert letter == grade(least)
    assert above > 1 or grade(above) < letter


@pytest.fixture
def graded(tmp_path: Path) -> Iterator[TestClient]:
    """A node with datasets of two scores."""
    world: World = fill(make_world(tmp_path))
    for slug, english in (("one", ""), ("two", "Two"), ("three", "")):
        world.publish(
            "kerman",
            slug,
            "active_systems",
            example_rows("active_systems", "kerman"),
            time="2025-11-21T06:00:00Z",
            title=(slug, english),
        )
    with TestClient(create_app(world)) as client:
        yield client


def test_best_first(graded: TestClient) -> None:
    """`-quality` pages by score, then by reference, and skips nothing."""
    items = graded.get("/v1/datasets?sort=-quality").json()["items"]
    keys = [(one["quality"]["score"], one["ref"]) for one in items]

    assert sorted(keys, reverse=True) == keys
    assert len({score for score, _ in keys}) > 1
    assert [ref for _, ref in keys] == refs(graded, sort="-quality")


def test_facets_count_what_the_filters_let_through(client: TestClient) -> None:
    """A facet leaves out its own filter and keeps the others."""
    path = "/v1/datasets?theme=ECON&theme=GOVE&facets=true"
    facets = client.get(f"{path}&city=rasht").json()["facets"]
    covered = client.get("/v1/datasets?covers=1404-06-31&facets=true").json()["facets"]

    assert {"kerman": 2, "rasht": 1} == facets["city"]
    assert {"kerman": 1} == covered["city"]


def test_page_feed_and_csv_take_the_same(client: TestClient) -> None:
    """The filters mean the same on every door of the list."""
    query = "?theme=ECON&format=csv&covers=1404-06-31"
    csv = client.get(f"/v1/datasets.csv{query}").text
    feed = client.get(f"/feeds/search.atom{query}").text
    page = client.get(f"/en/datasets{query}").text

    for text in (csv, feed, page):
        assert "budget-1404" in text
        assert "rasht/active-systems" not in text


def test_unknown_theme_is_refused_with_the_known_ones(client: TestClient) -> None:
    """A theme that DCAT does not have is no empty list."""
    answer = client.get("/v1/datasets?theme=FOOD")

    assert 400 == answer.status_code
    assert "ECON" in answer.json()["detail"]


VALUES = st.one_of(
    st.sampled_from([*THEMES, "ECON", "A", "E", "csv", "1404-06-31", "2026-01-01"]),
    st.sampled_from(["-quality", "true", "withdrawn", "بودجه", "", "1404"]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
)


@settings(
    deadline=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    asked=st.lists(
        st.tuples(st.sampled_from([one.name for one in FILTERS]), VALUES), max_size=4
    )
)
def test_any_filter_is_answered_or_refused(
    client: TestClient, asked: list[tuple[str, str]]
) -> None:
    """Never a 500, and a page names no dataset twice."""
    answer = client.get(f"/v1/datasets?{urlencode(asked)}")

    assert answer.status_code in {200, 400, 422}, answer.text
    if answer.status_code == 200:
        found = [item["ref"] for item in answer.json()["items"]]
        assert len(found) == len(set(found))
