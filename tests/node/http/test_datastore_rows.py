"""Rows of a table by CKAN's words: `datastore_search`, and the dump with a choice."""

import json
from typing import Any
from urllib.parse import urlencode
from xml.etree import ElementTree as ET

import pyarrow as pa
import pytest
from starlette.testclient import TestClient

from http_world import example_rows
from shahrdad.node.http.ckan import choosing, datastore
from shahrdad.node.http.ckan.envelope import Refusal

BUDGET = "kerman--budget-1404"
ROWS = len(example_rows("budget_lines", "kerman"))


@pytest.fixture(scope="module")
def table(client: TestClient) -> str:
    """The identifier of the budget's table."""
    found = client.get(f"/api/3/action/package_show?id={BUDGET}").json()["result"]
    (table,) = [one for one in found["resources"] if one["format"] == "CSV"]
    return str(table["id"])


def dump(client: TestClient, table: str, query: str) -> Any:
    """Return a dump."""
    return client.get(f"/datastore/dump/{table}?{query}")


def records(client: TestClient, table: str, **asked: Any) -> Any:
    """Return rows of the budget's table, as `datastore_search` does."""
    values = {"resource_id": table, "limit": 1000, **asked}
    return client.post("/api/3/action/datastore_search", json=values).json()["result"]


@pytest.mark.parametrize(
    "asked",
    [
        {"limit": "3"},
        {"limit": "3", "offset": "2"},
        {"offset": str(10**11)},
        {"filters": '{"side": "source"}'},
        {"filters": '{"_id": {"gt": 4}}', "limit": "2"},
        {"fields": "side,_id"},
        {"fields": "side", "distinct": "true"},
        {"sort": "approved_rial desc, _id", "limit": "4"},
        {"sort": "side desc", "filters": '{"_id": [1, 5, 9]}', "offset": "1"},
        {"q": "عوارض"},
        {"q": '{"side": "source"}', "fields": "_id,side"},
        {"filters": '{"_id": [], "side": {}}', "offset": "0"},
    ],
)
def test_dump_takes_what_search_takes(
    client: TestClient, table: str, asked: dict[str, str]
) -> None:
    """The same rows, columns and order as `datastore_search` finds."""
    query = urlencode({"format": "json", **asked})
    found = json.loads(dump(client, table, query).content)
    searched = records(client, table, records_format="lists", **asked)

    assert [one["id"] for one in searched["fields"]] == [
        one["id"] for one in found["fields"]
    ]
    assert searched["records"] == found["records"]
    if "offset" not in asked:
        assert found["records"]


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("limit=x", "limit"),
        ("offset=-1", "offset"),
        ("filters=x", "filters"),
        ('filters={"none": 1}', "filters"),
        ('q={"none": "x"}', "q"),
        ("fields=none", "fields"),
        ("sort=none", "sort"),
        ("sort=side up", "sort"),
        ("bom=maybe", "bom"),
    ],
)
def test_dump_names_the_parameter_that_is_wrong(
    client: TestClient, table: str, query: str, parameter: str
) -> None:
    """A problem document says which one, and what was expected."""
    found = dump(client, table, query)

    assert 400 == found.status_code
    assert parameter == found.json()["errors"][0]["parameter"]


def test_sorted_dump_of_a_huge_table_is_refused(
    client: TestClient, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sort holds the table in memory, which has a bound; a filter does not."""
    monkeypatch.setattr(datastore, "ROWS_MAX", ROWS - 1)

    assert 422 == dump(client, table, "sort=side").status_code
    assert 200 == dump(client, table, 'filters={"side": "source"}').status_code
    monkeypatch.setattr(datastore, "ROWS_MAX", ROWS)
    assert 200 == dump(client, table, "sort=side").status_code


def test_xml_of_columns_without_the_number_has_none(
    client: TestClient, table: str
) -> None:
    """Only what is asked for is dumped."""
    tree = ET.fromstring(dump(client, table, "format=xml&fields=side&limit=2").content)

    assert [(None, ["side"])] * 2 == [
        (row.get("_id"), [cell.tag for cell in row]) for row in tree
    ]


def test_plain_page_of_a_huge_table_is_found_by_its_place(
    client: TestClient, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A table of any length can be paged; it is searched only up to a bound."""
    monkeypatch.setattr(datastore, "ROWS_MAX", 1)
    found = records(client, table, offset=4, limit=3)

    assert (ROWS, [5, 6, 7]) == (
        found["total"],
        [one["_id"] for one in found["records"]],
    )
    assert [] == records(client, table, offset=ROWS)["records"]
    refused = client.get(found["_links"]["start"] + "&sort=side")
    assert (409, "Search Error") == (
        refused.status_code,
        refused.json()["error"]["__type"],
    )


@pytest.mark.parametrize("base", ["", "/all"])
def test_next_page_is_of_the_same_search(
    client: TestClient, table: str, base: str
) -> None:
    """Whoever follows `next` gets the rows that were asked for, from the same base."""
    asked = {
        "resource_id": table,
        "filters": json.dumps({"side": "source"}),
        "sort": "_id desc",
        "fields": "_id,side",
    }
    path = f"{base}/api/3/action/datastore_search?{urlencode({**asked, 'limit': 2})}"
    first = client.get(path).json()["result"]
    second = client.get(first["_links"]["next"]).json()["result"]
    whole = client.get(path.replace("limit=2", "limit=4")).json()["result"]

    assert whole["records"] == [*first["records"], *second["records"]]
    assert {"source"} == {one["side"] for one in whole["records"]}
    assert first == client.get(second["_links"]["start"]).json()["result"]


@pytest.mark.parametrize("asked", [{"sort": "tags"}, {"distinct": "true"}])
def test_what_a_list_cannot_be_is_refused(asked: dict[str, str]) -> None:
    """Lists have no order, and are not compared; other columns of the table are."""
    schema = pa.schema([("name", pa.string()), ("tags", pa.list_(pa.string()))])
    named = {"fields": "name", "sort": "name", "distinct": "true"}

    assert isinstance(choosing.read(asked, schema), Refusal)
    assert isinstance(choosing.read(named, schema), choosing.Choice)


def test_words_may_stand_in_columns_of_their_own() -> None:
    """Each word in any column of the row; a number as a whole; null has none."""
    table = pa.table(
        {
            "_id": [1, 2, 3, 4],
            "name": ["پل", "پارک", None, "پل"],
            "place": ["شمال", "شمال", "شمال", "جنوب"],
            "code": [14, 14, 14, 1404],
        }
    )
    schema = pa.schema([one for one in table.schema if one.name != "_id"])

    for q, rows in (
        ("پل شمال", [1]),
        ("شمال 14", [1, 2, 3]),
        ({"name": "پل", "code": 1404}, [4]),
        ({"place": "پل"}, []),
        (" ", [1, 2, 3, 4]),
    ):
        choice = choosing.read({"q": q}, schema)

        assert isinstance(choice, choosing.Choice)
        assert rows == choice.filtered(table)["_id"].to_pylist()
