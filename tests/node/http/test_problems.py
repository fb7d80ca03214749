"""Errors from outside: one shape, both languages, one status for each reason."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from shahrdad.datasets.errors import Reason
from shahrdad.node.http.problem_types import STATUS, TYPE_OF
from shahrdad.node.http.texts import texts

MEMBERS = {
    "type",
    "title",
    "status",
    "detail",
    "messages",
    "errors",
    "help",
    "request_id",
}


def problem(client: TestClient, path: str, status: int, **headers: str) -> Any:
    """Return the problem document of a refused request."""
    answer = client.get(path, headers=headers)

    assert (status, "application/problem+json") == (
        answer.status_code,
        answer.headers["content-type"],
    )
    assert answer.json().keys() >= MEMBERS
    assert answer.headers["x-request-id"] == answer.json()["request_id"]
    return answer.json()


def test_every_reason_has_a_problem_type() -> None:
    """No reason reaches the outside with a status that nobody chose."""
    assert set() == set(Reason) - set(TYPE_OF)
    assert set(TYPE_OF.values()) <= set(STATUS)


def test_every_problem_type_has_a_title_in_both_languages() -> None:
    """A person reads what kind of problem it is."""
    for language in ("fa", "en"):
        titles = {key for key in texts(language) if key.startswith("problem.")}

        assert {f"problem.{kind}" for kind in STATUS} == titles


def test_detail_follows_the_language_and_messages_have_both(client: TestClient) -> None:
    """Persian is the default; both sentences are always there."""
    persian = problem(client, "/v1/datasets/kerman/no", 404)
    english = problem(
        client, "/v1/datasets/kerman/no", 404, **{"Accept-Language": "en"}
    )

    assert persian["messages"] == english["messages"]
    assert persian["detail"] == persian["messages"]["fa"]
    assert english["detail"] == english["messages"]["en"]
    assert "Not found" == english["title"]
    assert {"reason": "DATASET_UNKNOWN", "ref": "kerman/no"} == english["errors"][0]


@pytest.mark.parametrize(
    ("path", "status", "reason"),
    [
        ("/v1/datasets?cit=kerman", 400, "PARAMETER_UNKNOWN"),
        ("/v1/datasets?limit=0", 400, "PARAMETER_VALUE"),
        ("/v1/datasets?limit=1001", 400, "PARAMETER_VALUE"),
        ("/v1/datasets?limit=1&limit=2", 400, "PARAMETER_VALUE"),
        ("/v1/datasets?q=%ff", 400, "PARAMETER_VALUE"),
        ("/v1/datasets?q=a%00b", 400, "PARAMETER_VALUE"),
        ("/v1/datasets?cursor=zz", 400, "CURSOR_MALFORMED"),
        ("/v1/datasets?cursor=W10", 400, "CURSOR_MALFORMED"),
        ("/v1/datasets/kerman/budget-1404?as_of=yesterday", 400, "PARAMETER_VALUE"),
        ("/v1/datasets/kerman/budget-1404/v/3", 404, "VERSION_UNKNOWN"),
        (
            "/v1/datasets/kerman/budget-1404/v/99999999999999999999",
            404,
            "VERSION_UNKNOWN",
        ),
        ("/v1/datasets/kerman/budget-1404/schema/none", 404, "RESOURCE_UNKNOWN"),
        ("/v1/families/none", 404, "STANDARD_UNKNOWN"),
        ("/v1/cities/none", 404, "CITY_UNKNOWN"),
        ("/v1/none", 404, "ADDRESS_UNKNOWN"),
        ("/v1/datasets/", 404, "ADDRESS_UNKNOWN"),
        ("/v1/changes?cursor=other:1", 410, "FEED_CURSOR_EXPIRED"),
        ("/v1/changes?wait=51", 400, "PARAMETER_VALUE"),
    ],
)
def test_refusals(client: TestClient, path: str, status: int, reason: str) -> None:
    """What was asked wrongly is named by a stable reason."""
    assert reason == problem(client, path, status)["errors"][0]["reason"]


def test_misspelt_parameter_names_the_nearest(client: TestClient) -> None:
    """A misspelt filter never answers with everything, and says what was meant."""
    found = problem(client, "/v1/datasets?famly=budget_lines", 400)

    assert "family" == found["errors"][0]["nearest"]


def test_wrong_method_names_the_allowed(client: TestClient) -> None:
    """405 carries Allow."""
    answer = client.post("/v1/datasets")

    assert (405, "GET, HEAD") == (answer.status_code, answer.headers["allow"])


def test_problem_list_is_complete(client: TestClient) -> None:
    """`/v1/problems` has every type with its status."""
    items = client.get("/v1/problems").json()["items"]

    assert STATUS == {
        item["type"].removeprefix("urn:shahrdad:problem:"): item["status"]
        for item in items
    }
