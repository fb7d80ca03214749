"""Faults that made-up requests once found: each is answered by a problem now."""

import base64
import json
from typing import Any

import pytest
from starlette.testclient import TestClient

ROWS = "/v1/datasets/kerman/budget-1404/rows/budget-lines?limit=1"
QUERY = "/delta-sharing/shares/kerman/schemas/budget_lines/tables/budget-1404/query"


def opened(client: TestClient, address: str) -> Any:
    """Return what the next cursor of a list holds."""
    cursor = client.get(address).json()["next_cursor"]
    return json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))


def packed(value: Any) -> str:
    """Return a cursor that holds something."""
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "filters",
    [
        {"fiscal_year": [2**63]},
        {"fiscal_year": [-(2**63) - 1]},
        {"covers": 2**70},
        {"scores": [[2**70, 2**71]]},
        {"city": ["\ud800"]},
    ],
)
def test_cursor_of_a_list_holds_what_a_database_takes(
    client: TestClient, filters: dict[str, Any]
) -> None:
    """An integer beyond 64 bits or half of a letter makes a cursor malformed."""
    *place, _ = opened(client, "/v1/datasets?limit=1")
    forged = client.get(f"/v1/datasets?cursor={packed([*place, filters])}")
    widest = client.get(
        f"/v1/datasets?cursor={packed([*place, {'covers': 2**63 - 1}])}"
    )

    assert (400, 200) == (forged.status_code, widest.status_code)


@pytest.mark.parametrize(
    "changed",
    [{"r": 2**63}, {"n": 2**70}, {"k": [2**63]}, {"q": [["sort", "\ud800"]]}],
)
def test_cursor_of_rows_holds_what_arrow_takes(
    client: TestClient, changed: dict[str, Any]
) -> None:
    """A row number, a total or a key beyond 64 bits never reaches the table."""
    address = f"{ROWS}&sort=-approved_rial"
    held = opened(client, address)
    forged = client.get(f"{address}&cursor={packed({**held, **changed})}")

    assert 400 == forged.status_code, forged.text


@pytest.mark.parametrize(
    ("address", "body", "status"),
    [
        (QUERY, {"timestamp": "\ud800"}, 400),
        (QUERY, {"limitHint": "\ud800"}, 400),
        ("/v1/verify", {"receipt": "\ud800"}, 400),
        ("/api/3/action/package_search", {"q": "\ud800"}, 400),
        ("/api/3/action/package_show", {"id": "\ud83d"}, 400),
        ("/api/3/action/package_show", {"id": "\U0001f642"}, 404),
    ],
)
def test_half_of_a_letter_is_no_text(
    client: TestClient, address: str, body: dict[str, str], status: int
) -> None:
    """JSON can write what no text is; both halves together are a letter."""
    headers = {"Content-Type": "application/json"}
    answer = client.post(address, content=json.dumps(body), headers=headers)

    assert status == answer.status_code, answer.text
