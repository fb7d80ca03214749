"""Delta Sharing: names, versions, files, hints, refusals."""

import io
import json
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from shahrdad.node.http.delta.predicates import Bounds, from_json, from_sql, may_match

SHARES = "/delta-sharing/shares"
BUDGET = f"{SHARES}/kerman/schemas/budget_lines/tables/budget-1404"
SYSTEMS = f"{SHARES}/all/schemas/active_systems/tables/active_systems"
ROOT = "https://data.kerman.example"


def lines(client: TestClient, path: str, **body: Any) -> list[Any]:
    """Return the lines of a query."""
    answer = client.post(f"{path}/query", json=body)

    assert 200 == answer.status_code, answer.text
    return [json.loads(line) for line in answer.text.splitlines()]


def names(client: TestClient, path: str) -> list[str]:
    """Return the names of a list, page by page."""
    found: list[str] = []
    token = ""
    while True:
        more = f"&pageToken={token}" if token else ""
        page = client.get(f"{SHARES}{path}?maxResults=1{more}").json()
        found += [item["name"] for item in page["items"]]
        token = page.get("nextPageToken", "")
        if not token:
            return found


def test_profile_leads_here(client: TestClient) -> None:
    """Clients strip the slash themselves, and refuse a profile without a token."""
    profile = client.get("/delta-sharing/profile.share").json()

    assert f"{ROOT}/delta-sharing/" == profile["endpoint"]
    assert profile["bearerToken"]


def test_lists_are_complete_page_by_page(client: TestClient) -> None:
    """Cities are shares, standards schemas, live datasets tables."""
    assert ["kerman", "rasht", "all"] == names(client, "")
    assert ["active_systems", "budget_lines"] == names(client, "/kerman/schemas")
    assert ["active-systems", "budget-1404"] == names(client, "/kerman/all-tables")
    assert ["budget-1404"] == names(client, "/kerman/schemas/budget_lines/tables")
    assert "active_systems" in names(client, "/all/all-tables")


def test_withdrawn_datasets_are_not_shared(client: TestClient) -> None:
    """A withdrawn dataset is in no list and no table."""
    path = f"{SHARES}/kerman/schemas/projects/tables/old-projects"

    assert "old-projects" not in names(client, "/kerman/all-tables")
    assert 404 == client.get(f"{path}/metadata").status_code


def test_files_are_the_published_objects(client: TestClient) -> None:
    """A file's address, size and digest are those of the record."""
    protocol, described, file = lines(client, BUDGET)
    one = file["file"]
    content = client.get(one["url"].removeprefix(ROOT)).content
    schema = json.loads(described["metaData"]["schemaString"])
    table = pq.read_table(io.BytesIO(content))

    assert 1 == protocol["protocol"]["minReaderVersion"]
    assert one["size"] == len(content)
    assert json.loads(one["stats"])["numRecords"] == table.num_rows == 12
    assert table.schema.names == [field["name"] for field in schema["fields"]]


def test_names_are_compared_without_case(client: TestClient) -> None:
    """Spark lowers names, people write them as they like."""
    path = BUDGET.replace("kerman", "Kerman").replace("budget-1404", "BUDGET-1404")

    assert 200 == client.get(f"{path}/metadata").status_code


@pytest.mark.parametrize(
    ("asked", "version", "rows"),
    [
        ({}, "2", 12),
        ({"version": 1}, "1", 11),
        ({"timestamp": "2025-10-02T00:00:00Z"}, "1", 11),
    ],
)
def test_time_travel(
    client: TestClient, asked: dict[str, Any], version: str, rows: int
) -> None:
    """A number or a moment names the version, and the header repeats it."""
    answer = client.post(f"{BUDGET}/query", json=asked)
    file = json.loads(answer.text.splitlines()[2])["file"]

    assert version == answer.headers["delta-table-version"]
    assert rows == json.loads(file["stats"])["numRecords"]


def test_version_since_a_moment(client: TestClient) -> None:
    """The first version that is not older."""
    path = f"{BUDGET}/version?startingTimestamp=2025-10-02T00:00:00Z"
    answer = client.get(path)
    none = client.get(f"{BUDGET}/version?startingTimestamp=2031-01-01T00:00:00Z")

    assert ("2", b"") == (answer.headers["delta-table-version"], answer.content)
    assert 404 == none.status_code


def test_table_over_all_cities(client: TestClient) -> None:
    """One file a city, and partition columns that say whose it is."""
    _, described, *files = lines(client, SYSTEMS)
    columns = described["metaData"]["partitionColumns"]
    cities = [one["file"]["partitionValues"]["_city"] for one in files]

    assert ["_city", "_ref", "_version", "_receipt"] == columns
    assert ["kerman", "rasht"] == sorted(cities)


def test_hints_leave_files_out(client: TestClient) -> None:
    """A hint on a partition column keeps the files of that city alone."""
    tree = {
        "op": "equal",
        "children": [
            {"op": "column", "name": "_city", "valueType": "string"},
            {"op": "literal", "value": "rasht", "valueType": "string"},
        ],
    }
    by_tree = lines(client, SYSTEMS, jsonPredicateHints=json.dumps(tree))
    by_text = lines(client, SYSTEMS, predicateHints=["_city = 'rasht'"])
    wrong = lines(client, SYSTEMS, predicateHints=["nonsense"], jsonPredicateHints="{")

    assert [3, 3, 4] == [len(by_tree), len(by_text), len(wrong)]
    assert "rasht" == by_tree[2]["file"]["partitionValues"]["_city"]


def test_limit_leaves_out_what_nobody_needs(client: TestClient) -> None:
    """No file, or as many as hold the rows."""
    assert 2 == len(lines(client, SYSTEMS, limitHint=0))
    assert 3 == len(lines(client, SYSTEMS, limitHint=1))


@pytest.mark.parametrize(
    ("path", "code", "status"),
    [
        (f"{SHARES}/nowhere/schemas", "RESOURCE_DOES_NOT_EXIST", 404),
        (f"{BUDGET}/changes?startingVersion=1", "UNSUPPORTED", 400),
        (f"{SHARES}?maxResults=many", "INVALID_REQUEST", 400),
        (f"{BUDGET}x/metadata", "RESOURCE_DOES_NOT_EXIST", 404),
    ],
)
def test_errors_have_the_protocols_form(
    client: TestClient, path: str, code: str, status: int
) -> None:
    """`errorCode` and `message`, nothing of ours."""
    answer = client.get(path)

    assert (status, code) == (answer.status_code, answer.json()["errorCode"])


@pytest.mark.parametrize(
    "body",
    [b"[]", b"{", b'{"version":-1}', b'{"limitHint":"x"}', b'{"startingVersion":0}'],
)
def test_bodies_that_are_none(client: TestClient, body: bytes) -> None:
    """A wrong body is refused by a 400."""
    answer = client.post(f"{BUDGET}/query", content=body)

    assert 400 == answer.status_code


def test_reader_of_another_format_is_refused(client: TestClient) -> None:
    """Who insists on the format delta is told; who takes both gets Parquet."""
    only = {"delta-sharing-capabilities": "responseformat=delta;readerfeatures=x"}
    both = {"delta-sharing-capabilities": "responseformat=delta,parquet"}
    answer = client.get(f"{BUDGET}/metadata", headers=both)

    assert 400 == client.get(f"{BUDGET}/metadata", headers=only).status_code
    assert "responseformat=parquet" == answer.headers["delta-sharing-capabilities"]


SIGNS = {
    "=": lambda one, other: one == other,
    "<": lambda one, other: one < other,
    "<=": lambda one, other: one <= other,
    ">": lambda one, other: one > other,
    ">=": lambda one, other: one >= other,
}


@given(
    rows=st.lists(st.integers(-9, 9), min_size=1),
    sign=st.sampled_from(sorted(SIGNS)),
    value=st.integers(-10, 10),
)
def test_hint_never_loses_a_row(rows: list[int], sign: str, value: int) -> None:
    """A file with a matching row is never left out."""
    bounds = {"year": Bounds(min(rows), max(rows))}
    matches = any(SIGNS[sign](row, value) for row in rows)

    assert may_match(from_sql([f"year {sign} {value}"]), bounds) >= matches


@given(
    st.recursive(
        st.none() | st.text(max_size=5) | st.integers(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["op", "children", "name", "value", "valueType"]), inner
            )
        ),
        max_leaves=10,
    )
)
def test_any_hint_is_bearable(tree: Any) -> None:
    """Whatever a hint is, it is answered with yes or no."""
    bounds = {"city": Bounds("a", "b")}

    assert may_match(from_json(json.dumps(tree)), bounds) in (True, False)
