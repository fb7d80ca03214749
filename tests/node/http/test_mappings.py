"""Our standards in the words of others: schemas of theirs judge, sums and keys agree.

The schemas lie with the shared data; a test says which one is missing.
"""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from referencing import Registry
from referencing.jsonschema import DRAFT4, DRAFT7
from starlette.testclient import TestClient

from http_world import World, example_rows, make_world
from shahrdad.node.http.app import create_app
from shared_data import SHARED, needs_shared

jsonschema = pytest.importorskip("jsonschema", reason="not installed: jsonschema")
FAMILIES = {
    "projects": "projects",
    "contracts": "contracts",
    "active_systems": "active-systems",
    "work_sites": "work-sites",
    "permit_stats": "permit-stats",
    "ideas": "ideas",
    "budget_lines": "budget-1404",
}
CONFORMANCE = SHARED / "conformance"
GEOJSON = "https://geojson.org/schema"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A city that published the examples of every standard which is mapped."""
    found = make_world(tmp_path_factory.mktemp("mapped"))
    for family, slug in FAMILIES.items():
        rows = example_rows(family, "kerman")
        if family == "active_systems":
            rows += [reusable(rows[0])]
        if family == "work_sites":
            rows += [on_a_street(rows[0])]
        found.publish(
            "kerman",
            slug,
            family,
            rows,
            time="2025-11-20T08:30:00Z",
            title=("عنوان", "Title"),
            fiscal_year=1404 if family == "budget_lines" else None,
        )
    return found


@pytest.fixture(scope="module")
def client(world: World) -> Iterator[TestClient]:
    """A client of that node."""
    with TestClient(create_app(world), follow_redirects=False) as found:
        yield found


def reusable(row: dict[str, Any]) -> dict[str, Any]:
    """Return a system whose code a city offers, with all that publiccode asks."""
    return {
        **row,
        "system_id": "reusable-1",
        "reuse_offer": "code",
        "acquisition": "in_house",
        "source_url": "https://code.example/kerman/queue.git",
        "license": "EUPL-1.2",
        "contact_unit": "fava",
        "version": "2.1",
        "function_fa": "نوبت‌دهی " * 30,
    }


def on_a_street(row: dict[str, Any]) -> dict[str, Any]:
    """Return a work site with all that a road event needs."""
    return {
        **row,
        "site_id": "S-1",
        "street_fa": "بلوار جمهوری",
        "lat": 30.28,
        "lon": 57.05,
        "start_date": "2025-10-01",
        "planned_end_date": "2026-02-01",
        "vehicle_impact": "some_lanes_closed",
    }


def get(client: TestClient, family: str, suffix: str, status: int = 200) -> Any:
    """Return the answer of a door."""
    answer = client.get(f"/d/kerman/{FAMILIES[family]}.{suffix}")

    assert status == answer.status_code, answer.text
    return answer


def schema(*path: str) -> dict[str, Any]:
    """Return a schema of others, or skip and say which one is missing."""
    file = CONFORMANCE.joinpath(*path)
    if not file.is_file():
        pytest.skip(f"no schema {Path(*path)} among the shared data")
    return dict(json.loads(file.read_text("utf-8")))


def faults(judge: Any, body: Any) -> list[str]:
    """Return what a schema's validator finds."""
    return [
        f"{list(fault.path)}: {fault.message[:200]}"
        for fault in judge.iter_errors(body)
    ]


@needs_shared
def test_projects_keep_to_oc4ids(client: TestClient) -> None:
    """The package and every project in it keep to OC4IDS 0.9.5."""
    package = get(client, "projects", "oc4ids.json").json()
    project = schema("oc4ids", "project-schema.json")
    frame = schema("oc4ids", "project-package-schema.json")
    registry: Registry[Any] = Registry().with_resource(
        project["id"], DRAFT4.create_resource(project)
    )
    judge = jsonschema.Draft4Validator(frame, registry=registry)

    assert len(example_rows("projects", "kerman")) == len(package["projects"])
    assert [] == faults(judge, package)


def test_project_names_its_contracts(client: TestClient) -> None:
    """The contracts that the city published of a project are its processes."""
    contracts = example_rows("contracts", "kerman")
    projects = {row["project_id"] for row in example_rows("projects", "kerman")}
    wanted = {
        row["contract_id"] for row in contracts if row.get("project_id") in projects
    }
    package = get(client, "projects", "oc4ids.json").json()
    found = {
        process["summary"]["externalReference"]
        for project in package["projects"]
        for process in project.get("contractingProcesses", [])
    }

    assert wanted == found


def test_contracts_keep_to_ocds(client: TestClient) -> None:
    """Every release keeps to the release schema of OCDS 1.1.5."""
    package = get(client, "contracts", "ocds.json").json()
    judge = jsonschema.Draft4Validator(schema("ocds", "release-schema.json"))

    assert [] == [fault for one in package["releases"] for fault in faults(judge, one)]


def test_contracts_are_all_there_with_their_amounts(client: TestClient) -> None:
    """One release a version of a contract; amounts are not touched."""
    rows = example_rows("contracts", "kerman")
    package = get(client, "contracts", "ocds.json").json()
    amounts = [one["contracts"][0]["value"]["amount"] for one in package["releases"]]

    assert sorted(row["amount_rial"] for row in rows) == sorted(amounts)


def test_work_sites_keep_to_wzdx(client: TestClient) -> None:
    """The feed keeps to the schemas of WZDx 4.2, its geometry apart."""
    feed = get(client, "work_sites", "wzdx.geojson").json()
    names = ("WorkZoneFeed", "FeedInfo", "RoadEventFeature", "Direction", "BoundingBox")
    schemas = {name: schema("wzdx", f"{name}.json") for name in names}
    # GeoJSON's own schemas are not here: a line is refused, points are let through.
    geometries: dict[str, Any] = {"LineString": {"not": {}}, "MultiPoint": {}}
    known = {f"{GEOJSON}/{name}.json": one for name, one in geometries.items()}
    for branch in ("main", "release/v4.2"):
        base = f"https://raw.githubusercontent.com/usdot-jpo-ode/wzdx/{branch}"
        known |= {f"{base}/schemas/4.2/{n}.json": one for n, one in schemas.items()}
    registry: Registry[Any] = Registry().with_resources(
        (address, DRAFT7.create_resource(one)) for address, one in known.items()
    )
    judge = jsonschema.Draft7Validator(schemas["WorkZoneFeed"], registry=registry)

    assert feed["features"]
    assert [] == faults(judge, feed)


def test_every_place_is_a_feature(client: TestClient) -> None:
    """A row with a point is a feature with its columns; one without is none."""
    rows = example_rows("work_sites", "kerman")
    features = get(client, "work_sites", "geojson").json()["features"]
    placed = {row["site_id"] for row in rows if row.get("lat") is not None} | {"S-1"}

    assert placed == {one["properties"]["site_id"] for one in features}


def test_fiscal_rows_sum_up_as_ours(client: TestClient) -> None:
    """Without totals, the approved amounts of both forms have one sum."""
    rows = example_rows("budget_lines", "kerman")
    wanted = sum(row["approved_rial"] for row in rows if not row["is_subtotal"])
    body = get(client, "budget_lines", "fiscal.csv").text
    found = sum(
        int(row["value"])
        for row in csv.DictReader(io.StringIO(body))
        if row["value_kind"] == "approved"
    )

    assert wanted == found


def test_fiscal_descriptor_names_the_columns(client: TestClient) -> None:
    """Every column of the CSV is described, in its order, with its fiscal type."""
    body = get(client, "budget_lines", "fiscal.datapackage.json").json()
    header = get(client, "budget_lines", "fiscal.csv").text.splitlines()[0]
    fields = body["resources"][0]["schema"]["fields"]

    assert header.split(",") == [field["name"] for field in fields]
    assert all(field["columnType"] for field in fields)
    assert {"start": "2025-03-21", "end": "2026-03-20"} == body["fiscalPeriod"]


def test_reusable_system_is_told_in_yaml(client: TestClient) -> None:
    """What is offered as code has a document; what is not is refused by name."""
    text = get(client, "active_systems", "publiccode.yml").text
    answer = client.get("/d/kerman/active-systems.publiccode.yml?system=reusable-1")
    other = client.get("/d/kerman/active-systems.publiccode.yml?system=nothing")

    assert 'url: "https://code.example/kerman/queue.git"' in text
    assert answer.text.startswith('---\npubliccodeYmlVersion: "0.4"\nname: ')
    assert "SYSTEM_NOT_REUSABLE" == other.json()["errors"][0]["reason"]


def test_services_are_named_in_both_languages(client: TestClient) -> None:
    """One public service for each code, with title and authority."""
    text = get(client, "permit_stats", "cpsv.ttl").text
    codes = {row["service_code"] for row in example_rows("permit_stats", "kerman")}

    assert len(codes) == text.count("PublicService>") + text.count("cpsv:PublicService")
    assert "@fa" in text
    assert "@en" in text


def test_ideas_of_one_event_are_a_pabulib_file(client: TestClient) -> None:
    """Meta, projects and an empty list of ballots; an unknown event is refused."""
    rows = example_rows("ideas", "kerman")
    event = rows[0]["event_id"]
    answer = client.get(f"/d/kerman/ideas.pb?event={event}")
    wrong = client.get("/d/kerman/ideas.pb?event=nowhere")
    lines = answer.text.splitlines()

    assert ["META", "key;value"] == lines[:2]
    assert "project_id;cost;votes;name;selected" == lines[lines.index("PROJECTS") + 1]
    assert 400 == wrong.status_code


@pytest.mark.parametrize(
    ("family", "suffix"),
    [("projects", "ocds.json"), ("contracts", "pb"), ("ideas", "publiccode.yml")],
)
def test_door_of_another_standard_is_unknown(
    client: TestClient, family: str, suffix: str
) -> None:
    """A form that a standard does not have is 404, with those that it has."""
    problem = get(client, family, suffix, 404).json()

    assert "FORMAT_UNKNOWN" == problem["errors"][0]["reason"]


def test_doors_are_signposted(client: TestClient) -> None:
    """The permanent address leads to each of them."""
    links = client.get("/d/kerman/projects.json").headers["link"]

    assert "/d/kerman/projects.oc4ids.json" in links
