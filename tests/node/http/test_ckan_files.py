"""CKAN's addresses of files: a resource's download, and the dump of its table."""

import csv
import io
import json
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from starlette.testclient import TestClient

from http_world import example_rows

BUDGET = "kerman--budget-1404"
ROWS = len(example_rows("budget_lines", "kerman"))


def resources(client: TestClient, name: str = BUDGET) -> dict[str, dict[str, Any]]:
    """Return a dataset's resources, by format."""
    found = client.get(f"/all/api/3/action/package_show?id={name}").json()["result"]
    return {one["format"]: one for one in found["resources"]}


@pytest.mark.parametrize("ext", ["parquet", "csv", "xlsx"])
def test_download_is_the_resource(client: TestClient, ext: str) -> None:
    """The address that CKAN would have gives the bytes of ours, and HEAD its length."""
    one = resources(client)[ext.upper()]
    path = f"/dataset/{BUDGET}/resource/{one['id']}/download/{one['name']}"
    ours = client.get(f"/d/kerman/budget-1404/latest/{one['name']}")

    found, head = client.get(path), client.head(path)

    assert (200, ours.content) == (found.status_code, found.content)
    assert str(len(ours.content)) == head.headers["content-length"]
    assert found.headers["content-location"] == ours.headers["content-location"]


def test_download_by_identifier_and_range(client: TestClient) -> None:
    """A dataset may be named by its identifier, and a download resumed."""
    one = resources(client)["PARQUET"]
    path = f"/dataset/{one['package_id']}/resource/{one['id']}/download/{one['name']}"

    found = client.get(path, headers={"Range": "bytes=0-3"})

    assert (206, b"PAR1") == (found.status_code, found.content)


@pytest.mark.parametrize(
    "path",
    [
        "/dataset/{name}/resource/{id}/download/invoice.exe",
        "/dataset/rasht--active-systems/resource/{id}/download/{file}",
        "/dataset/{name}/resource/none/download/{file}",
        "/datastore/dump/none",
        "/datastore/dump/{xlsx}",
    ],
)
def test_other_names_are_nowhere(client: TestClient, path: str) -> None:
    """A file has the name that the node gives it, in the dataset that has it."""
    found = resources(client)
    one = found["CSV"]
    path = path.format(
        name=BUDGET, id=one["id"], file=one["name"], xlsx=found["XLSX"]["id"]
    )

    assert 404 == client.get(path).status_code


def dump(client: TestClient, query: str = "") -> Any:
    """Return the dump of the budget's table."""
    return client.get(f"/datastore/dump/{resources(client)['CSV']['id']}{query}")


@pytest.mark.parametrize(("form", "separator"), [("csv", ","), ("tsv", "\t")])
def test_dump_as_text_has_every_row(
    client: TestClient, form: str, separator: str
) -> None:
    """Rows are numbered from 1 in the published order, as `datastore_search` does."""
    found = dump(client, f"?format={form}")
    header, *rows = csv.reader(io.StringIO(found.text), delimiter=separator)
    resource = resources(client)["CSV"]["id"]
    searched = client.get(
        f"/api/3/action/datastore_search?resource_id={resource}&limit=1000"
    ).json()["result"]

    assert [one["id"] for one in searched["fields"]] == header
    assert [str(one["_id"]) for one in searched["records"]] == [row[0] for row in rows]
    assert ROWS == len(rows)
    assert found.headers["content-type"].startswith("text/")


def test_dump_as_json_names_its_columns(client: TestClient) -> None:
    """Columns as `datastore_search` has them, and each row as a list."""
    found = json.loads(dump(client, "?format=json").content)

    assert "_id" == found["fields"][0]["id"]
    assert ROWS == len(found["records"])
    assert {len(found["fields"])} == {len(row) for row in found["records"]}


def test_dump_as_xml_marks_what_is_empty(client: TestClient) -> None:
    """An empty cell is an element that is nil, not one that is empty text."""
    tree = ET.fromstring(dump(client, "?format=xml").content)
    nil = "{http://www.w3.org/2001/XMLSchema-instance}nil"

    assert [str(n) for n in range(1, ROWS + 1)] == [row.get("_id") for row in tree]
    assert all((cell.text is None) == (cell.get(nil) == "true") for cell in tree[0])


def test_dump_begins_with_a_byte_order_mark_when_asked(client: TestClient) -> None:
    """Excel takes UTF-8 for what it is only then."""
    plain, marked = dump(client).content, dump(client, "?bom=true").content

    assert b"\xef\xbb\xbf" + plain == marked


def test_dump_is_not_sent_twice(client: TestClient) -> None:
    """Whoever has the dump of this version is told so; another form is another tag."""
    first = dump(client)
    path = f"/datastore/dump/{resources(client)['CSV']['id']}"
    held = {"If-None-Match": first.headers["etag"]}

    assert 304 == client.get(path, headers=held).status_code
    assert 200 == client.get(f"{path}?format=json", headers=held).status_code
    assert b"" == client.head(path).content


def test_dump_refuses_a_form_that_ckan_has_not(client: TestClient) -> None:
    """A wrong form is told apart from an unknown parameter, which is ignored."""
    assert 400 == dump(client, "?format=pdf").status_code
    assert 200 == dump(client, "?anything=1").status_code
