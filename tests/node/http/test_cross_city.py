"""One table over all cities, and exports of selections of it and of datasets."""

import csv
import io
import json
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from starlette.testclient import TestClient

from http_world import example_rows

SYSTEMS = "/v1/families/active_systems"
BUDGET = "/v1/datasets/kerman/budget-1404/export/budget-lines"


def get(client: TestClient, path: str, status: int = 200) -> Any:
    """Return an answer."""
    answer = client.get(path)

    assert status == answer.status_code, answer.text
    return answer


def test_rows_say_whose_they_are(client: TestClient) -> None:
    """Every row of every city, with city, dataset, version and the way to its proof."""
    rows = len(example_rows("active_systems", "kerman"))
    found = get(client, f"{SYSTEMS}/rows?limit=1000").json()
    first = found["rows"][0]

    assert 2 * rows == found["total"] == len(found["rows"])
    assert ["_city", "_ref", "_version", "_receipt"] == list(first)[:4]
    assert first["_receipt"].endswith("/v1/datasets/kerman/active-systems/v/1/receipt")


def test_answer_can_be_quoted(client: TestClient) -> None:
    """Inputs with digests, one digest over them, and who is missing."""
    systems = get(client, f"{SYSTEMS}/rows?limit=0").json()
    budget = get(client, "/v1/families/budget_lines/rows?limit=0").json()

    assert ["kerman/active-systems", "rasht/active-systems"] == [
        one["ref"] for one in systems["inputs"]
    ]
    assert 64 == len(systems["inputs_digest"])
    assert ([], ["rasht"]) == (systems["missing"], budget["missing"])


def test_filters_on_the_origin(client: TestClient) -> None:
    """One city's rows alone, and no city's where none is meant."""
    one = get(client, f"{SYSTEMS}/rows?_city__exact=rasht&limit=1000").json()
    none = get(client, f"{SYSTEMS}/rows?_city__exact=yazd").json()

    assert {"rasht"} == {row["_city"] for row in one["rows"]}
    assert (0, []) == (none["total"], none["rows"])


def test_statistics_over_cities(client: TestClient) -> None:
    """Every column of the one table, and what its figures rest on."""
    rows = get(client, f"{SYSTEMS}/rows?limit=1000").json()
    found = get(client, f"{SYSTEMS}/stats").json()
    columns = {one["name"]: one for one in found["columns"]}

    assert rows["total"] == found["rows"]
    assert [one["name"] for one in rows["fields"]] == list(columns)
    assert 2 == columns["_city"]["distinct"]
    assert rows["inputs_digest"] == found["inputs_digest"]
    assert found == get(client, "/v1/standards/active_systems/stats").json()


def test_statistics_of_what_nobody_published(client: TestClient) -> None:
    """No table has no columns, and a standard that is none is not found."""
    before = get(client, f"{SYSTEMS}/stats?as_of=1390-01-01").json()

    assert (0, []) == (before["rows"], before["columns"])
    get(client, "/v1/families/none/stats", 404)


def test_groups_over_cities(client: TestClient) -> None:
    """Counts by city."""
    query = "_city__groupby&system_id__count"
    found = get(client, f"{SYSTEMS}/rows?{query}").json()["rows"]

    assert ["kerman", "rasht"] == [row["_city"] for row in found]


def test_pages_have_every_row_once(client: TestClient) -> None:
    """The cursor goes through all cities, in a sorted order too."""
    fields = "fields=_ref,system_id&sort=-system_id&limit=7"
    found = get(client, f"{SYSTEMS}/rows?{fields}").json()
    rows = found["rows"]
    while found["next_cursor"]:
        found = get(client, f"{SYSTEMS}/rows?cursor={found['next_cursor']}").json()
        rows += found["rows"]

    assert found["total"] == len({json.dumps(row) for row in rows})


def test_as_it_was(client: TestClient) -> None:
    """Before a city published, it has no row and is missing."""
    found = get(client, f"{SYSTEMS}/rows?as_of=2025-11-13&limit=0").json()

    assert (["kerman/active-systems"], ["rasht"]) == (
        [one["ref"] for one in found["inputs"]],
        found["missing"],
    )


def test_standard_of_nobody_is_empty(client: TestClient) -> None:
    """A standard that no city follows has no rows, which is no error."""
    found = get(client, "/v1/standards/ideas/rows").json()

    assert (0, [], None) == (found["total"], found["inputs"], found["next_cursor"])
    assert 404 == client.get("/v1/standards/nothing/rows").status_code


@pytest.mark.parametrize("ext", ["csv", "json", "ndjson", "parquet", "arrow", "arrows"])
def test_union_as_a_file(client: TestClient, ext: str) -> None:
    """The same rows in every format."""
    query = "?_city__exact=rasht&fields=_city,system_id"
    body = get(client, f"{SYSTEMS}/export.{ext}{query}").content
    ids = [row["system_id"] for row in example_rows("active_systems", "rasht")]

    assert sorted(ids) == sorted(row["system_id"] for row in read(ext, body))


def read(ext: str, body: bytes) -> list[dict[str, Any]]:
    """Return the rows of a file."""
    if ext == "csv":
        return list(csv.DictReader(io.StringIO(body.decode())))
    if ext == "json":
        return list(json.loads(body))
    if ext == "ndjson":
        return [json.loads(line) for line in body.splitlines()]
    if ext == "parquet":
        return list(pq.read_table(io.BytesIO(body)).to_pylist())
    if ext == "arrows":
        return list(pa.ipc.open_stream(body).read_all().to_pylist())
    return list(pa.ipc.open_file(body).read_all().to_pylist())


def test_selection_of_a_dataset(client: TestClient) -> None:
    """Filter, columns and order; the answer names its version."""
    query = "?side__exact=source&fields=line_code,approved_rial&sort=-approved_rial"
    answer = get(client, f"{BUDGET}.csv{query}")
    rows = read("csv", answer.content)
    amounts = [int(row["approved_rial"]) for row in rows]

    assert sorted(amounts, reverse=True) == amounts
    assert ["line_code", "approved_rial"] == list(rows[0])
    assert ("kerman/budget-1404", "2") == (
        answer.headers["x-shahrdad-ref"],
        answer.headers["x-shahrdad-version"],
    )


def test_another_unit_moves_the_point(client: TestClient) -> None:
    """Not a digit is lost, and no column keeps the name of the unit it left."""
    rial = read("csv", get(client, f"{BUDGET}.csv?fields=approved_rial").content)
    query = "?fields=approved_rial&unit=million_toman"
    other = read("csv", get(client, f"{BUDGET}.csv{query}").content)
    moved = [row["approved_million_toman"].replace(".", "") for row in other]

    assert [int(row["approved_rial"]) for row in rial] == [int(text) for text in moved]


def test_titles_labels_and_jalali_days(client: TestClient) -> None:
    """For people: titles in the first row, words for codes, days of their calendar."""
    query = "?fields=side,as_of_date&header=titles&lang=fa&calendar=jalali"
    text = get(client, f"{BUDGET}.csv{query}").text
    header, first, *_ = text.splitlines()

    assert "side" not in header
    assert "source" not in text
    assert "1404/06/31" in first


def test_selection_as_a_workbook(client: TestClient) -> None:
    """XLSX has the selected rows and columns."""
    body = get(client, f"{BUDGET}.xlsx?fields=line_code&side__exact=source").content
    book = openpyxl.load_workbook(io.BytesIO(body), read_only=True)
    rows = list(book.worksheets[0].iter_rows(values_only=True))
    book.close()

    assert "line_code" in str(rows[0][0])
    assert len(rows) > 1


def test_empty_selection_is_a_whole_file(client: TestClient) -> None:
    """No rows: a header, an empty array, a readable Parquet file."""
    query = "?line_code__exact=none"

    assert [] == read("json", get(client, f"{BUDGET}.json{query}").content)
    assert [] == read("csv", get(client, f"{BUDGET}.csv{query}").content)
    assert [] == read("parquet", get(client, f"{BUDGET}.parquet{query}").content)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("csv?limit=1", 400),
        ("csv?unit=dollar", 400),
        ("csv?side__groupby", 400),
        ("exe", 404),
        ("csv?nothing__exact=1", 400),
        ("csv?approved_rial__exact=x", 422),
    ],
)
def test_refusals(client: TestClient, path: str, status: int) -> None:
    """A wrong export is refused before its first byte."""
    answer = client.get(f"{BUDGET}.{path}")

    assert status == answer.status_code
    assert "application/problem+json" == answer.headers["content-type"]
