"""Every parameter that the OpenAPI document names, given anything.

The document is walked, so a new address or parameter is tried without a word here.
"""

import json
import os
import time
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from http_world import World
from shahrdad.node.http.app import api_operations, create_app
from shahrdad.node.http.ckan.actions import ACTIONS
from shahrdad.node.http.openapi import document

LONG = bool(os.environ.get("SHAHRDAD_LONG"))
SECONDS_MAX = 20.0  # of one request, on a machine that others load too
TREE = document(api_operations(), "https://data.kerman.example")
READS = sorted(path for path, item in TREE["paths"].items() if "get" in item)
GOOD = {
    "city": "kerman",
    "slug": "active-systems",
    "n": "1",
    "version": "1.json",
    "resource": "active-systems",
    "file": "active-systems.csv",
    "family": "active_systems",
    "ext": "csv",
    "form": "bib",
    "digest": "0" * 64,
    "name": "kerman",
    "number": "1",
    "language": "fa",
    "month": "1404-08",
    "path": "checkpoint",
}
# Of other addresses the parameters are columns: `test_any_parameters` has them.
FREE = ("sort", "fields", "limit", "cursor", "or", "as_of", "shape", "int64", "unit")
# The first have been faults: no file has such a name, no column such a number.
ODD_NAMES = (
    *("a" * 300, "9" * 40, "\0", "%", "_" * 5_000, "-1", "0", "00", "+1", "1.0", "1e9"),
    *("1_0", "\u0663", "\u00b2", "1\u0663", "\n", "a\n", " 1", "\u200c", "\ufeff"),
    *("*", "[", "../..", "a/../../b", "/" * 50, "' OR 1=1 --", "NaN", "true", "CON"),
)
ODD = st.one_of(
    st.sampled_from(["", "\0", "-1", "9" * 40, "1e9", "../..", "%", "' OR 1=1 --"]),
    st.sampled_from(["۱۴۰۴-۰۸-۰۱", "1404-13-01", "true", "NaN", "\u200c", "a" * 1_001]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=30),
    st.integers(-(2**70), 2**70).map(str),
)


def parameters(path: str) -> list[dict[str, Any]]:
    """Return the query parameters of an address."""
    found: list[dict[str, Any]] = TREE["paths"][path]["get"]["parameters"]
    return [one for one in found if one["in"] == "query"]


def filled(path: str, values: dict[str, str]) -> str:
    """Return an address with its variables."""
    for name, value in {**GOOD, **values}.items():
        path = path.replace(f"{{{name}}}", quote(value, safe=""))
    return path


def asked(client: TestClient, address: str) -> Any:
    """Return an answer, which is never a fault of the node and never late."""
    began = time.monotonic()
    answer = client.get(address)
    seconds = time.monotonic() - began

    assert answer.status_code < 500, (address, answer.text[:500])
    assert seconds < SECONDS_MAX, address
    if answer.status_code >= 400:
        assert "application/problem+json" == answer.headers["content-type"], address
    return answer


def test_every_variable_has_a_good_value() -> None:
    """An address with a new variable would be asked as it stands, and prove nothing."""
    for path in READS:
        assert "{" not in filled(path, {}), path


@pytest.mark.parametrize("path", READS)
def test_declared_parameters_keep_their_bounds(client: TestClient, path: str) -> None:
    """What the schema calls wrong is refused; what is unknown is, on `/v1`."""
    for one in parameters(path):
        schema = one["schema"].get("items", one["schema"])
        address = filled(path, {})
        if schema["type"] == "integer":
            for value in (schema["minimum"] - 1, schema["maximum"] + 1, "x", "1.5"):
                answer = asked(client, f"{address}?{one['name']}={value}")
                assert 400 <= answer.status_code < 500, (path, one["name"], value)
        if "enum" in schema or schema["type"] == "boolean":
            answer = asked(client, f"{address}?{one['name']}=no-such")
            assert 400 <= answer.status_code < 500, (path, one["name"])
    if path.startswith("/v1/") and parameters(path):
        answer = asked(client, f"{filled(path, {})}?no_such_parameter=1")
        assert 400 <= answer.status_code < 500, path


@settings(
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_any_value_of_any_parameter(client: TestClient, data: st.DataObject) -> None:
    """Whatever stands in an address, it is answered or refused by a problem."""
    path = data.draw(st.sampled_from(READS))
    names = [one["name"] for one in parameters(path) if one["name"] != "wait"]
    names = names or [*FREE]
    query = data.draw(
        st.lists(st.tuples(st.sampled_from(names), ODD), min_size=1, max_size=3)
    )

    asked(client, f"{filled(path, {})}?{urlencode(query)}")


@pytest.mark.parametrize("path", [one for one in READS if "{" in one])
def test_any_value_of_any_variable(client: TestClient, path: str) -> None:
    """Whatever is asked for by name, it is there, or a problem says that it is not."""
    for name in GOOD:
        if f"{{{name}}}" in path:
            for value in ODD_NAMES if LONG else ODD_NAMES[:4]:
                asked(client, filled(path, {name: value}))


@settings(
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    action=st.sampled_from(sorted(ACTIONS)),
    base=st.sampled_from(["", "/all", "/harvest"]),
    values=st.dictionaries(
        st.sampled_from(
            [
                *("id", "q", "fq", "sort", "rows", "start", "limit", "offset", "name"),
                *("query", "filters", "fields", "resource_id", "facet.field"),
                *("facet.limit", "all_fields", "include_datasets", "records_format"),
            ]
        ),
        st.one_of(
            ODD,
            st.sampled_from(["kerman", "budget", "kerman--budget-1404"]),
            st.none(),
            st.booleans(),
            st.integers(-5, 2**65),
            st.lists(ODD, max_size=3),
            st.dictionaries(ODD, ODD, max_size=2),
        ),
        max_size=4,
    ),
)
def test_any_call_of_any_action(
    client: TestClient, action: str, base: str, values: dict[str, Any]
) -> None:
    """CKAN's actions take anything in JSON: an envelope or a bare string comes back."""
    answer = client.post(
        f"{base}/api/3/action/{action}",
        content=json.dumps(values),
        headers={"Content-Type": "application/json"},
    )

    assert answer.status_code in {200, 400, 403, 404, 409}, answer.text[:500]
    body = answer.json()
    assert isinstance(body, str) or body["success"] is (answer.status_code == 200)


@settings(
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    body=st.one_of(
        st.dictionaries(
            st.sampled_from(["receipt", "sha256", "ref", "other"]),
            st.one_of(ODD, st.none(), st.integers(), st.just("0" * 64)),
        ),
        st.lists(st.integers(), max_size=2),
        ODD,
    )
)
def test_anything_to_be_verified(client: TestClient, body: Any) -> None:
    """Whatever is sent to be verified, a verdict or a problem comes back."""
    answer = client.post("/v1/verify", json=body)

    assert answer.status_code < 500, answer.text[:500]
    if answer.status_code == 200:
        assert answer.json()["is_proof"] is False


def test_lists_of_one_city_have_no_other_city(world: World) -> None:
    """No order, limit or query brings another city's dataset into a city's list."""
    with TestClient(create_app(world)) as client:
        for city in ("kerman", "rasht"):
            for sort in ("ref", "-updated", "title"):
                for q in ("", "سامانه", "budget"):
                    query = urlencode({"city": city, "sort": sort, "q": q, "limit": 1})
                    cursor, found = "", []
                    while cursor is not None:
                        more = f"&cursor={cursor}" if cursor else ""
                        page = client.get(f"/v1/datasets?{query}{more}").json()
                        found += [item["city"]["slug"] for item in page["items"]]
                        cursor = page["next_cursor"]
                    assert {city} >= set(found)
