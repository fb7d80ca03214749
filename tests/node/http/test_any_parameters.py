"""Whatever is asked: no 500, no other dataset's rows, and one answer by either way."""

from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from http_world import World
from shahrdad.datasets.standards import load
from shahrdad.node.http.ckan.directory import Directory, plan
from shahrdad.node.http.ckan.packages import Packages
from shahrdad.node.http.ckan.search import search
from shahrdad.node.table.filters import OPERATORS
from shahrdad.node.table.query import AGGREGATES

COLUMNS = ["_city", "_version", *(one.name for one in load("active_systems").fields)]
NAMES = st.one_of(
    st.builds("{}__{}".format, st.sampled_from(COLUMNS), st.sampled_from(OPERATORS)),
    st.builds("{}__{}".format, st.sampled_from(COLUMNS), st.sampled_from(AGGREGATES)),
    st.sampled_from(["sort", "fields", "limit", "cursor", "or", "as_of", "shape"]),
    st.text(max_size=8),
)
VALUES = st.one_of(
    st.sampled_from(["kerman", "1", "-1", "true", "1404-06-31", "", "۱۲", "a,b", "\0"]),
    st.sampled_from(COLUMNS),
    st.builds("-{}".format, st.sampled_from(COLUMNS)),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
)
ANY_QUERY = st.lists(st.tuples(NAMES, VALUES), max_size=4)
PATHS = (
    "/v1/datasets/kerman/active-systems/rows/active-systems",
    "/v1/families/active_systems/rows",
    "/v1/datasets/kerman/active-systems/export/active-systems.csv",
)


@settings(deadline=None, max_examples=15)
@given(path=st.sampled_from(PATHS), asked=ANY_QUERY)
def test_any_query_is_answered_or_refused(
    client: TestClient, path: str, asked: list[tuple[str, str]]
) -> None:
    """A query is answered or refused by a problem; the node itself never fails."""
    answer = client.get(f"{path}?{urlencode(asked)}")

    assert answer.status_code < 500, answer.text
    if answer.status_code != 200:
        assert "application/problem+json" == answer.headers["content-type"]


@settings(deadline=None, max_examples=10)
@given(asked=ANY_QUERY)
def test_rows_are_of_the_dataset_that_was_asked(
    client: TestClient, asked: list[tuple[str, str]]
) -> None:
    """No query of one city's table brings a row of another's."""
    own = "/v1/datasets/rasht/active-systems/rows/active-systems"
    answer = client.get(f"{own}?{urlencode(asked)}")
    rows: list[Any] = answer.json()["rows"] if answer.status_code == 200 else []

    assert {"1129"} >= {
        row["city_code"] for row in rows if isinstance(row, dict) and "city_code" in row
    }


CLAUSES = st.sampled_from(
    [
        "*:*",
        "organization:kerman",
        'organization:"rasht"',
        "+groups:budget_lines",
        "name:kerman--active-systems",
        "state:active",
        "type:dataset",
        "license_id:cc-by-4.0",
        "metadata_modified:[2025-11-15T00:00:00Z TO *]",
        "metadata_modified:{* TO 2025-11-15T00:00:00Z}",
    ]
)
SORTS = [
    "id asc",
    "id desc",
    "name desc",
    "metadata_modified desc, id asc",
    "title asc",
]


@settings(deadline=None, max_examples=40)
@given(
    queries=st.lists(CLAUSES, max_size=3),
    sort=st.sampled_from(SORTS),
    start=st.integers(0, 4),
    base=st.sampled_from(["own", "all", "harvest"]),
)
def test_index_of_the_facade_finds_what_reading_all_finds(
    world: World, queries: list[str], sort: str, start: int, base: Any
) -> None:
    """The fast way and the thorough way give the same datasets in the same order."""
    values = {"fq_list": queries, "sort": sort, "start": start, "rows": 2}
    thorough = search(Packages().list(world, base), values)
    planned = plan(world, base, queries, sort)

    assert planned is not None
    assert isinstance(thorough, dict)
    count, refs = Directory().page(world, planned, start, 2)
    assert thorough["count"] == count
    assert [one["name"] for one in thorough["results"]] == [
        ref.replace("/", "--") for ref in refs
    ]


@pytest.mark.parametrize(
    "query",
    ["پایگاه", "tags:budget", "-organization:kerman", "a OR b", "res_format:CSV"],
)
def test_what_the_index_cannot_answer_is_left_to_reading(
    world: World, query: str
) -> None:
    """Words, tags, formats and alternatives need the dictionaries."""
    assert plan(world, "own", [query], "id asc") is None
