"""Rows: the grammar of the table portion, over one version named in the address."""

from typing import Any

import pytest
from starlette.testclient import TestClient

ROWS = "/v1/datasets/kerman/budget-1404/rows/budget-lines"


def rows(client: TestClient, query: str = "", status: int = 200) -> Any:
    """Return the answer to a query."""
    answer = client.get(f"{ROWS}{query}")

    assert status == answer.status_code, answer.text
    return answer.json()


def test_rows_name_their_version_and_columns(client: TestClient) -> None:
    """An answer can be quoted: it says which record it is from."""
    found = rows(client, "?limit=1&fields=line_code,approved_rial")
    _, field = found["fields"]

    assert (2, 12) == (found["version"], found["total"])
    assert ["line_code", "approved_rial"] == list(found["rows"][0])
    assert "integer" == field["type"]
    assert {"fa", "en"} == set(field["title"])


def test_filters_and_sort(client: TestClient) -> None:
    """Filters are ANDed, digits may be Persian, the largest come first with a minus."""
    query = "?approved_rial__greater=۱۰۰۰&side__exact=source&sort=-approved_rial"
    found = rows(client, query)["rows"]
    amounts = [row["approved_rial"] for row in found]

    assert {"source"} == {row["side"] for row in found}
    assert sorted(amounts, reverse=True) == amounts


def test_paging_has_every_row_once(client: TestClient) -> None:
    """The cursor alone is the next page's query."""
    found = rows(client, "?limit=5&sort=side&fields=line_code,side")
    pages = [found["rows"]]
    while found["next_cursor"]:
        found = rows(client, f"?cursor={found['next_cursor']}")
        pages.append(found["rows"])

    assert [5, 5, 2] == [len(page) for page in pages]
    assert 12 == len({str(row) for page in pages for row in page})


def test_sums_by_group(client: TestClient) -> None:
    """Groups and their sums; each sum has the count of what went in beside it."""
    found = rows(client, "?side__groupby&approved_rial__sum&subtotals=include")

    assert {"source", "use"} >= {row["side"] for row in found["rows"]}
    assert all("approved_rial__sum" in row for row in found["rows"])


def test_shapes(client: TestClient) -> None:
    """Arrays, integers as text, Jalali days beside Gregorian ones."""
    lists = rows(client, "?shape=lists&limit=1&fields=line_code,approved_rial")
    texts = rows(client, "?int64=string&limit=1&fields=approved_rial")
    days = rows(client, "?calendar=jalali&limit=1&fields=as_of_date")

    assert 2 == len(lists["rows"][0])
    assert isinstance(texts["rows"][0]["approved_rial"], str)
    assert "1404/06/31" == days["rows"][0]["as_of_date__jalali"]


def test_older_versions_are_readable(client: TestClient) -> None:
    """A number or a day names the version."""
    by_day = rows(client, "?as_of=1404-07-20&limit=0")
    by_number = client.get(ROWS.replace("/rows", "/v/1/rows")).json()

    assert (1, 11) == (by_day["version"], by_day["total"])
    assert 11 == by_number["total"]


@pytest.mark.parametrize(
    ("query", "status", "reason"),
    [
        ("?nothing__exact=1", 400, "COLUMN_UNKNOWN"),
        ("?approved_rial__exact=many", 422, "FILTER_VALUE"),
        ("?approved_rial__near=1", 400, "OPERATOR_UNKNOWN"),
        ("?aproved=1", 400, "PARAMETER_UNKNOWN"),
        ("?limit=1001", 400, "PARAMETER_VALUE"),
        ("?shape=table", 400, "PARAMETER_VALUE"),
        ("?cursor=zz", 400, "CURSOR_MALFORMED"),
        ("?side__exact=%00", 400, "PARAMETER_VALUE"),
        ("?side__exact=%ff", 400, "PARAMETER_VALUE"),
    ],
)
def test_refusals(client: TestClient, query: str, status: int, reason: str) -> None:
    """A wrong query is refused by a reason, never by a 500."""
    assert reason == rows(client, query, status)["errors"][0]["reason"]


def test_cursor_of_another_version_has_expired(client: TestClient) -> None:
    """Pages of two versions never mix."""
    older = client.get(f"{ROWS.replace('/rows', '/v/1/rows')}?limit=1").json()
    problem = rows(client, f"?cursor={older['next_cursor']}", 410)

    assert "urn:shahrdad:problem:cursor-expired" == problem["type"]
