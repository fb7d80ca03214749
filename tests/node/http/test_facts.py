"""Quality, statistics, changes and citation of a version."""

import json
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from http_world import example_rows
from shahrdad.node.table.stats import column_stats

BUDGET = "/v1/datasets/kerman/budget-1404"


def get(client: TestClient, path: str) -> Any:
    """Return a JSON answer."""
    answer = client.get(f"{BUDGET}/{path}")

    assert 200 == answer.status_code, answer.text
    return answer.json()


def test_statistics_agree_with_the_rows(client: TestClient) -> None:
    """Nulls, different values and sums are those of the published rows."""
    rows = example_rows("budget_lines", "kerman")
    found = {one["name"]: one for one in get(client, "stats/budget-lines")["columns"]}
    amounts = [row["approved_rial"] for row in rows]

    assert sum(amounts) == found["approved_rial"]["sum"]
    assert (min(amounts), max(amounts)) == (
        found["approved_rial"]["min"],
        found["approved_rial"]["max"],
    )
    assert len({row["side"] for row in rows}) == found["side"]["distinct"]


@given(st.lists(st.none() | st.integers(-(2**63), 2**63 - 1)))
def test_statistics_of_any_integers(values: list[int | None]) -> None:
    """Sums do not wrap, every value is in one span of the histogram."""
    present = [value for value in values if value is not None]
    found = column_stats("a", pa.chunked_array([pa.array(values, pa.int64())]))

    assert (len(values), len(values) - len(present)) == (found["rows"], found["nulls"])
    assert len(set(present)) == found["distinct"]
    if present:
        assert sum(present) == found["sum"]
        assert len(present) == sum(found["histogram"]["counts"])


def test_quality_shows_its_reckoning(client: TestClient) -> None:
    """The score is what the checks say, by the formula that stands beside it."""
    found = get(client, "v/2/quality")
    passed = sum(check["passed"] for check in found["checks"])

    assert round(passed / len(found["checks"]), 4) == found["score"]
    assert found["grade"] in "ABCDE"
    assert "score =" in found["formula"]


def test_difference_of_two_versions(client: TestClient) -> None:
    """One row was added; from nothing, all were."""
    found = get(client, "diff/budget-lines?from=1&to=2")
    all_ = get(client, "diff/budget-lines?from=0&to=2&limit=1000")

    assert [("added", 1, 1)] == [
        (one["op"], found["total"], found["summary"]["added"]) for one in found["items"]
    ]
    assert 12 == all_["total"] == len(all_["items"])


def test_difference_is_paged(client: TestClient) -> None:
    """Every change is on one page, and a cursor belongs to its two versions."""
    path = "diff/budget-lines?from=0&to=2&limit=5"
    found = get(client, path)
    items = found["items"]
    first = found["next_cursor"]
    while found["next_cursor"]:
        found = get(client, f"{path}&cursor={found['next_cursor']}")
        items += found["items"]
    wrong = client.get(f"{BUDGET}/diff/budget-lines?from=1&to=2&cursor={first}")

    assert 12 == len({json.dumps(item) for item in items})
    assert 400 == wrong.status_code


@pytest.mark.parametrize("form", ["txt", "bib", "csl.json"])
def test_citation_names_version_and_digest(client: TestClient, form: str) -> None:
    """Whoever reads the citation finds that very version, and its proof."""
    text = client.get(f"{BUDGET}/v/1/citation.{form}").text
    digest = client.get(f"{BUDGET}/v/1").json()["version"]["digest"]

    assert digest in text
    assert "/d/kerman/budget-1404/v/1" in text
    assert "/v/1/receipt" in text


def test_unknown_forms_and_tables(client: TestClient) -> None:
    """404 with what is known."""
    assert 404 == client.get(f"{BUDGET}/citation.doc").status_code
    assert 404 == client.get(f"{BUDGET}/stats/nothing").status_code
    assert 404 == client.get(f"{BUDGET}/diff/budget-lines?from=1&to=9").status_code
