"""`/v1/datasets`: what one published record looks like from outside."""

import json
from typing import Any

import pytest
from starlette.testclient import TestClient

from http_world import World, example_rows, fill, make_world
from shahrdad.federation.verify.digest import Digest
from shahrdad.node.http.app import create_app

BUDGET = "/v1/datasets/kerman/budget-1404"


def get(client: TestClient, path: str, status: int = 200) -> Any:
    """Return the JSON of an address."""
    answer = client.get(path)

    assert status == answer.status_code, answer.text
    return answer.json()


def test_dataset_object_shows_the_newest_version(client: TestClient) -> None:
    """The object names what every mirror computes alike: reference, uid, version."""
    found = get(client, BUDGET)

    assert "b22dffce-dcb2-5e91-a445-d6d8b1ca7fff" == found["uid"]
    assert "kerman--budget-1404" == found["name"]
    assert (2, 2) == (found["version"]["number"], found["version"]["index"])
    assert {"added": 1, "removed": 0, "changed": 0} == found["version"]["change"]
    assert {"fa": "کرمان", "en": "Kerman"} == found["city"]["name"]
    assert "2025-03-21" == found["period"]["start"]
    assert ("CC-BY-4.0", True) == (found["license"]["id"], found["license"]["open"])
    assert "confirmed" == found["verification"]["state"]
    assert 12 == found["resources"][0]["rows"]


def test_what_is_not_known_is_null(client: TestClient) -> None:
    """A missing number is null, never 0: no report of errors is not none of them."""
    found = get(client, BUDGET)

    assert found["quality"]["errors"] is None
    assert found["resources"][0]["original"] is None


def test_descriptor_is_the_exact_record(client: TestClient, world: World) -> None:
    """The descriptor's bytes are those that the log's entry names."""
    answer = client.get(f"{BUDGET}/v/1/descriptor")
    _, version = world.catalog.version("kerman/budget-1404", 1)

    assert version.digest == Digest.of(answer.content)
    assert f'"{version.digest.hex}"' == answer.headers["etag"]
    assert "application/vnd.datapackage+json" == answer.headers["content-type"]
    assert "content-encoding" not in answer.headers


def test_as_of_takes_either_calendar(client: TestClient) -> None:
    """A day of either calendar names the version current at its end in Tehran."""
    jalali = get(client, f"{BUDGET}?as_of=1404/07/20")
    gregorian = get(client, f"{BUDGET}?as_of=2025-10-12")
    instant = get(client, f"{BUDGET}?as_of=2025-11-20T08:30:00Z")

    assert 1 == jalali["version"]["number"] == gregorian["version"]["number"]
    assert 2 == instant["version"]["number"]
    assert (
        "NOT_YET_PUBLISHED"
        == get(client, f"{BUDGET}?as_of=1403-01-01", 404)["errors"][0]["reason"]
    )


def test_versions_are_newest_first(client: TestClient) -> None:
    """Versions come newest first, page by page, with a cursor that ends."""
    first = get(client, f"{BUDGET}/versions?limit=1")
    second = get(client, f"{BUDGET}/versions?limit=1&cursor={first['next_cursor']}")

    assert [2] == [item["number"] for item in first["items"]]
    assert [1] == [item["number"] for item in second["items"]]
    assert second["next_cursor"] is None


def test_withdrawn_dataset_is_gone_but_its_versions_stay(client: TestClient) -> None:
    """A withdrawal answers 410 with its time and reason; versions by number stay."""
    problem = get(client, "/v1/datasets/kerman/old-projects", 410)

    assert "urn:shahrdad:problem:withdrawn" == problem["type"]
    assert {
        "time": "2025-11-01T06:00:00Z",
        "reason": "withdrawn",
        "by": None,
    } == problem["withdrawn"]
    assert (
        200 == client.get("/v1/datasets/kerman/old-projects/v/1/descriptor").status_code
    )
    before = client.get("/v1/datasets/kerman/old-projects?as_of=2025-10-20")
    assert 200 == before.status_code


def test_report_receipt_and_schema_are_served(client: TestClient) -> None:
    """What belongs to a version is one address away."""
    report = get(client, f"{BUDGET}/report")
    schema = get(client, f"{BUDGET}/schema/budget-lines")
    receipt = client.get(f"{BUDGET}/v/2/receipt")

    assert {"valid": True, "ref": "kerman/budget-1404"} == report
    assert "city_code" == schema["fields"][0]["name"]
    assert receipt.text.startswith("receipt of kerman/budget-1404 2 ")
    assert "public, no-cache" == client.get(f"{BUDGET}/report").headers["cache-control"]


@pytest.mark.parametrize(
    ("query", "refs"),
    [
        ("", ["kerman/active-systems", "kerman/budget-1404", "rasht/active-systems"]),
        ("?city=rasht", ["rasht/active-systems"]),
        ("?family=budget_lines&fiscal_year=1404", ["kerman/budget-1404"]),
        (
            "?city=rasht&city=kerman&family=active_systems",
            ["kerman/active-systems", "rasht/active-systems"],
        ),
        ("?state=withdrawn", ["kerman/old-projects"]),
        ("?updated_after=2025-11-19", ["kerman/budget-1404"]),
        ("?q=سامانه%20-رشت", ["kerman/active-systems"]),
        ("?fiscal_year=1399", []),
    ],
)
def test_filters(client: TestClient, query: str, refs: list[str]) -> None:
    """Repeated values are alternatives, different filters all hold."""
    found = get(client, f"/v1/datasets{query}")

    assert refs == [item["ref"] for item in found["items"]]
    assert len(refs) == found["total"]


def test_facets_leave_their_own_filter_out(client: TestClient) -> None:
    """A facet counts as if it were not chosen, so a person sees what else there is."""
    found = get(client, "/v1/datasets?city=rasht&facets=true")

    assert {"kerman": 2, "rasht": 1} == found["facets"]["city"]
    assert {"active_systems": 1} == found["facets"]["family"]


@pytest.mark.parametrize("order", ["ref", "-updated", "title"])
def test_pages_show_each_dataset_once(client: TestClient, order: str) -> None:
    """Pages of one item end, and have each dataset exactly once."""
    seen, cursor = [], ""
    while True:
        found = get(client, f"/v1/datasets?limit=1&sort={order}{cursor}")
        seen += [item["ref"] for item in found["items"]]
        if found["next_cursor"] is None:
            break
        cursor = f"&cursor={found['next_cursor']}"

    assert 3 == len(seen) == len(set(seen))


def test_paging_survives_changes(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What is added or withdrawn between pages neither hides nor repeats another."""
    world = fill(make_world(tmp_path_factory.mktemp("paging")))
    client = TestClient(create_app(world))
    first = get(client, "/v1/datasets?limit=1")
    world.publish(
        "kerman",
        "a-new-one",
        "active_systems",
        example_rows("active_systems", "kerman"),
        time="2025-11-21T06:00:00Z",
        title=("تازه", "New"),
    )
    world.withdraw("kerman", "active-systems", time="2025-11-21T07:00:00Z")
    rest = get(client, f"/v1/datasets?limit=10&cursor={first['next_cursor']}")

    assert ["kerman/budget-1404", "rasht/active-systems"] == [
        item["ref"] for item in rest["items"]
    ]


def test_next_page_is_linked(client: TestClient) -> None:
    """The Link header names the next page at the node's public address."""
    answer = client.get("/v1/datasets?limit=1&family=active_systems")
    link = answer.headers["link"]

    assert link.startswith("<https://data.kerman.example/v1/datasets?limit=1&family=")
    assert link.endswith('; rel="next"')


def test_persian_is_not_escaped(client: TestClient) -> None:
    """JSON holds Persian letters as they are, and no byte-order mark."""
    answer = client.get(BUDGET)

    assert "بودجهٔ" in answer.text
    assert (
        answer.content
        == json.dumps(answer.json(), ensure_ascii=False, separators=(",", ":")).encode()
    )


@pytest.mark.parametrize("path", ["/v1/cities/kerman", "/v1/families/active_systems"])
def test_lists_of_a_city_and_a_standard_tell_what_is_late(
    client: TestClient, path: str
) -> None:
    """When the next version is due, and the grade, as the dataset itself says."""
    (found,) = [
        one
        for one in client.get(path).json()["published"]
        if one["ref"] == "kerman/active-systems"
    ]
    shown = client.get("/v1/datasets/kerman/active-systems").json()
    same = ("next_expected", "late_days")

    assert [shown[name] for name in same] == [found[name] for name in same]
    assert found["next_expected"] > found["updated"][:10]
    assert shown["quality"]["grade"] == found["quality"]["grade"]
    assert shown["quality"]["score"] == found["quality"]["score"]
