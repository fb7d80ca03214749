"""Whatever is asked: no 500, no other dataset's rows, and one answer by either way."""

from typing import Any
from urllib.parse import urlencode

from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from shahrdad.datasets.standards import load
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
