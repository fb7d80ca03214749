"""The CKAN facade, asked by an unmodified client and by hand."""

import re
import threading
import time
from collections.abc import Iterator
from typing import Any

import ckanapi
import pytest
import uvicorn
from starlette.testclient import TestClient

from http_world import World
from shahrdad.node.http.app import create_app
from shahrdad.node.http.ckan.dictionaries import tag_names
from shahrdad.node.http.ckan.query import Not, parse
from shahrdad.node.serving import bind

BUDGET = "b22dffce-dcb2-5e91-a445-d6d8b1ca7fff"
SIX_DIGITS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.(?!000000)\d{6}")


def ask(client: TestClient, action: str, base: str = "", **values: Any) -> Any:
    """Return the result of an action."""
    answer = client.post(f"{base}/api/3/action/{action}", json=values)

    assert 200 == answer.status_code, answer.text
    assert answer.json()["success"]
    return answer.json()["result"]


@pytest.fixture(scope="module")
def address(world: World) -> Iterator[str]:
    """A node on a port of loopback."""
    listener = bind("127.0.0.1", 0)
    config = uvicorn.Config(create_app(world), log_config=None, access_log=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.01)  # polled with a deadline: uvicorn tells it in no other way
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join()


def test_client_of_others_reads_everything(address: str) -> None:
    """ckanapi lists, shows and searches, and knows our errors as CKAN's."""
    with ckanapi.RemoteCKAN(address) as site:
        names = site.action.package_list()
        found = site.action.package_search(q="بودجه", rows=1000)
        shown = [site.action.package_show(id=name) for name in names]

        assert ["kerman--active-systems", "kerman--budget-1404"] == names
        assert 2 == found["count"] == len(found["results"])
        assert BUDGET in [one["id"] for one in shown]
        with pytest.raises(ckanapi.NotFound):
            site.action.package_show(id="none")
        with pytest.raises(ckanapi.ValidationError):
            site.action.package_search(rows="many")
        with pytest.raises(ckanapi.SearchQueryError):
            site.action.package_search(q="(a")


def test_package_has_every_key(client: TestClient) -> None:
    """Clients index keys without asking: all are there, and dates have six digits."""
    found = ask(client, "package_show", id=BUDGET)

    assert "kerman--budget-1404" == found["name"]
    assert ("dataset", "active", False) == (
        found["type"],
        found["state"],
        found["private"],
    )
    for name in ("metadata_created", "metadata_modified"):
        assert SIX_DIGITS.fullmatch(found[name])
    assert isinstance(found["organization"]["description"], str)
    assert ["PARQUET", "CSV", "XLSX"] == [one["format"] for one in found["resources"]]
    assert ["kerman", "budget_lines"] == [
        found["organization"]["name"],
        found["groups"][0]["name"],
    ]
    for resource in found["resources"]:
        assert resource["url"].endswith(resource["format"].lower())
        path = resource["url"].removeprefix("https://data.kerman.example")
        assert int(client.head(path).headers["content-length"]) > 0
    extras = {one["key"]: one["value"] for one in found["extras"]}
    assert ("kerman/budget-1404", "2") == (
        extras["shahrdad_ref"],
        extras["shahrdad_version"],
    )


def test_bases_differ_in_cities_and_withdrawals(client: TestClient) -> None:
    """Own city by default, everything below /all; harvesters see the withdrawn."""
    own = ask(client, "package_search")
    everything = ask(client, "package_search", "/all")
    harvest = ask(client, "package_search", "/harvest")
    states = {one["name"]: one["state"] for one in harvest["results"]}

    assert (2, 3, 3) == (own["count"], everything["count"], harvest["count"])
    assert "deleted" == states["kerman--old-projects"]
    gone = next(one for one in harvest["results"] if one["state"] == "deleted")
    assert gone["metadata_modified"].startswith("2025-11-01T06:00:00.")
    flags = [
        r["datastore_active"] for one in harvest["results"] for r in one["resources"]
    ]
    assert not any(flags)


@pytest.mark.parametrize(
    ("values", "count"),
    [
        ({"q": "*:*"}, 3),
        ({"q": "سامانه"}, 2),
        ({"q": "سامانه ها\u064a"}, 2),
        ({"q": "1404"}, 1),
        ({"fq": "organization:kerman"}, 2),
        ({"fq": "groups:(active_systems OR projects)"}, 2),
        ({"fq": "organization:kerman AND groups:active_systems"}, 1),
        ({"fq": '+organization:"rasht" -groups:budget_lines'}, 1),
        ({"fq": "-harvest_source_title:*"}, 3),
        ({"fq": "harvest_source_title:*"}, 0),
        ({"fq": "metadata_modified:[2025-11-19T00:00:00Z TO *]"}, 1),
        ({"q": "metadata_modified:[2025-11-19T00:00:00Z%20TO%20*]"}, 1),
        ({"fq": "metadata_modified:[* TO NOW]"}, 3),
        ({"fq": f'id:{{"{BUDGET}" TO *]'}, 0),
        ({"fq": ["res_format:CSV", "organization:rasht"]}, 1),
        ({"q": 'title:"بودجه"'}, 1),
        ({"q": '"شهرداری کرمان"'}, 2),
        ({"q": "NOT organization:kerman"}, 1),
        ({"q": "tags:budget"}, 3),
        ({"start": 100}, 3),
    ],
)
def test_queries(client: TestClient, values: dict[str, Any], count: int) -> None:
    """The forms of `q` and `fq` that harvesters send find what they mean."""
    assert count == ask(client, "package_search", "/all", **values)["count"]


@pytest.mark.parametrize(
    "query", ["(", "a)", '"a', "a OR", "()", "+", "- -a", "[a TO b]", "x:"]
)
def test_odd_queries_never_fail(client: TestClient, query: str) -> None:
    """A query is answered or refused in CKAN's way; nothing breaks."""
    answer = client.get("/api/3/action/package_search", params={"q": query})

    assert answer.status_code in {200, 400}
    if answer.status_code == 400:
        assert "Search Query Error" == answer.json()["error"]["__type"]


def test_pages_are_stable_and_end_empty(client: TestClient) -> None:
    """Every dataset comes once; beyond the end is an empty success."""
    pages = [
        ask(client, "package_search", "/all", rows=1, start=start, sort="id asc")[
            "results"
        ]
        for start in range(4)
    ]
    ids = [one["id"] for page in pages for one in page]

    assert 3 == len(ids) == len(set(ids))
    assert sorted(ids) == ids
    assert [] == pages[3]


def test_rows_are_clamped_not_refused(client: TestClient) -> None:
    """A client that asks for a million gets a thousand."""
    assert 2 == len(ask(client, "package_search", rows=1_000_000)["results"])


def test_facets(client: TestClient) -> None:
    """Facets count what was found, with titles for people."""
    found = ask(
        client, "package_search", "/all", **{"facet.field": ["organization", "groups"]}
    )
    items = found["search_facets"]["organization"]["items"]

    assert {"kerman": 2, "rasht": 1} == found["facets"]["organization"]
    assert "شهرداری کرمان" == items[0]["display_name"]


def test_parameters_come_from_anywhere(client: TestClient) -> None:
    """Query, JSON, form, or a POST without a body: all are one call."""
    path = "/api/action/package_search"
    answers = [
        client.get(f"{path}?rows=1"),
        client.post(path, json={"rows": 1}),
        client.post(path, data={"rows": "1"}),
        client.post(f"{path}?rows=1"),
        client.get(f"{path}?rows=1", headers={"Authorization": "someone's key"}),
    ]

    assert {200} == {answer.status_code for answer in answers}
    assert {1} == {len(answer.json()["result"]["results"]) for answer in answers}
    kinds = {answer.headers["content-type"].partition(";")[0] for answer in answers}
    assert {"application/json"} == kinds


def test_unknown_action_is_a_bare_string(client: TestClient) -> None:
    """As CKAN answers it: 400 with a JSON string."""
    unknown = client.get("/api/3/action/package_destroy")
    broken = client.post("/api/3/action/package_list", content=b"{")

    assert (400, str) == (unknown.status_code, type(unknown.json()))
    assert (400, str) == (broken.status_code, type(broken.json()))


@pytest.mark.parametrize(
    ("action", "values"),
    [
        ("organization_list", {}),
        ("organization_list", {"all_fields": "True"}),
        ("organization_show", {"id": "kerman", "include_datasets": True}),
        ("organization_autocomplete", {"q": "ker"}),
        ("group_list", {"all_fields": True}),
        ("group_show", {"id": "budget_lines"}),
        ("group_package_show", {"id": "budget_lines"}),
        ("group_autocomplete", {"q": "budget"}),
        ("tag_list", {}),
        ("tag_show", {"id": "budget"}),
        ("tag_autocomplete", {"query": "bud"}),
        ("license_list", {}),
        ("current_package_list_with_resources", {}),
        ("resource_search", {"query": "format:csv"}),
        ("package_autocomplete", {"q": "budget"}),
        ("format_autocomplete", {"q": "cs"}),
        ("recently_changed_packages_activity_list", {}),
        ("package_activity_list", {"id": "kerman--budget-1404"}),
        ("status_show", {}),
        ("site_read", {}),
        ("help_show", {"name": "package_show"}),
    ],
)
def test_actions_answer(
    client: TestClient, action: str, values: dict[str, Any]
) -> None:
    """Every read action that clients use has an answer that is not empty."""
    assert ask(client, action, **values)


def csv_resource(client: TestClient) -> str:
    """Return the identifier of the budget's CSV."""
    found = ask(client, "package_show", id="kerman--budget-1404")
    return str(next(one["id"] for one in found["resources"] if one["datastore_active"]))


def test_datastore_pages_and_filters(client: TestClient) -> None:
    """Rows come in published order from `_id` 1; filters keep to types."""
    rid = csv_resource(client)
    first = ask(client, "datastore_search", resource_id=rid, limit=5)
    source = ask(
        client, "datastore_search", resource_id=rid, filters={"side": "source"}
    )
    several = ask(
        client, "datastore_search", resource_id=rid, filters='{"_id": [1, "2"]}'
    )
    above = ask(
        client, "datastore_search", resource_id=rid, filters={"_id": {"gt": 10}}
    )
    lists = ask(
        client,
        "datastore_search",
        resource_id=rid,
        records_format="lists",
        fields="_id,side",
    )

    assert (12, 5, [1, 2, 3, 4, 5]) == (
        first["total"],
        first["limit"],
        [row["_id"] for row in first["records"]],
    )
    assert {"id": "_id", "type": "int"} == first["fields"][0]
    assert {"source"} == {row["side"] for row in source["records"]}
    assert [1, 2] == [row["_id"] for row in several["records"]]
    assert [11, 12] == [row["_id"] for row in above["records"]]
    assert {2} == {len(row) for row in lists["records"]}


def test_datastore_sorts_and_refuses(client: TestClient) -> None:
    """Order is by column; an unknown one is a validation error."""
    rid = csv_resource(client)
    found = ask(client, "datastore_search", resource_id=rid, sort="_id desc", limit=2)
    wrong = client.post(
        "/api/3/action/datastore_search", json={"resource_id": rid, "filters": {"x": 1}}
    )
    missing = client.post(
        "/api/3/action/datastore_search", json={"resource_id": "none"}
    )

    assert [12, 11] == [row["_id"] for row in found["records"]]
    assert (409, "Validation Error") == (
        wrong.status_code,
        wrong.json()["error"]["__type"],
    )
    assert (404, "Not Found Error") == (
        missing.status_code,
        missing.json()["error"]["__type"],
    )
    tables = ask(client, "datastore_search", resource_id="_table_metadata")
    assert rid in [row["name"] for row in tables["records"]]


def test_tags_pass_the_validator_of_ckan() -> None:
    """One keyword that CKAN refuses would fail the import of its whole dataset."""
    words = ["بودجهٔ شهر", "سامانه‌های فعال", "حمل/نقل، ترافیک", "x", "C#", "open data"]

    assert [
        "بودجه شهر", "سامانه های فعال", "حمل", "نقل", "ترافیک", "open data",
    ] == tag_names(words)  # fmt: skip


def test_arabic_and_persian_letters_are_one() -> None:
    """A word typed on an Arabic keyboard finds the Persian one."""
    assert parse("شهرداری") == parse("شهردار\u064a")
    assert Not(parse("شهرداری")) == parse("-شهردار\u064a")
