"""DCAT-AP, schema.org, Croissant, Data Package: the same record in other words."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator  # type: ignore[import-untyped]
from pyoxigraph import Literal, NamedNode, RdfFormat, Triple, parse
from starlette.testclient import TestClient

from shahrdad.federation.verify.digest import Digest
from shared_data import SHARED, needs_shared

DCAT = "http://www.w3.org/ns/dcat#"
DCT = "http://purl.org/dc/terms/"
SPDX = "http://spdx.org/rdf/terms#"
REF = "/d/kerman/budget-1404"
FORMS = {
    "ttl": RdfFormat.TURTLE,
    "rdf": RdfFormat.RDF_XML,
    "jsonld": RdfFormat.JSON_LD,
}


def triples(client: TestClient, path: str) -> list[Triple]:
    """Return the triples of an address, in the document's order."""
    answer = client.get(path)
    form = FORMS[path.partition("?")[0].rpartition(".")[2].replace("xml", "rdf")]

    assert 200 == answer.status_code, answer.text
    quads = parse(answer.content, format=form)
    return [Triple(quad.subject, quad.predicate, quad.object) for quad in quads]


def values(found: list[Triple], subject: str, predicate: str) -> list[str]:
    """Return the values of a property, in order."""
    node, name = NamedNode(subject), NamedNode(predicate)
    return [
        one.object.value
        for one in found
        if one.subject == node
        and one.predicate == name
        and hasattr(one.object, "value")
    ]


@pytest.mark.parametrize(("base", "count"), [("", 2), ("/all", 3)])
def test_catalog_lists_own_city_unless_asked_for_all(
    client: TestClient, base: str, count: int
) -> None:
    """A portal that harvests every city meets each dataset once."""
    found = triples(client, f"{base}/catalog.ttl")
    root = "https://data.kerman.example"

    assert count == len(values(found, f"{root}/catalog", f"{DCAT}dataset"))
    assert count == len(values(found, f"{root}/catalog", f"{DCAT}record"))


def test_serialisations_say_the_same(client: TestClient) -> None:
    """Turtle, RDF/XML and JSON-LD hold as many statements."""
    counts = {len(set(map(str, triples(client, f"/catalog.{form}")))) for form in FORMS}

    assert 1 == len(counts)


def test_persian_literal_is_first(client: TestClient) -> None:
    """CKAN's Persian locale takes the first literal of the document."""
    subject = f"https://data.kerman.example{REF}"
    titles = values(triples(client, f"{REF}.ttl"), subject, f"{DCT}title")

    assert ["بودجهٔ ۱۴۰۴ شهرداری کرمان", "Budget 1404 of Kerman"] == titles


def test_checksums_are_those_of_the_files(client: TestClient) -> None:
    """A harvester can check what it fetches: Parquet, and a CSV that was once made."""
    csv = client.get(f"{REF}/v/2/budget-lines.csv").content
    parquet = client.get(f"{REF}.json").json()["resources"][0]["sha256"]
    found = {
        one.object.value
        for one in triples(client, f"{REF}.ttl")
        if one.predicate == NamedNode(f"{SPDX}checksumValue")
        and isinstance(one.object, Literal)
    }

    assert {parquet, Digest.of(csv).hex} == found


def test_catalog_of_changes(client: TestClient) -> None:
    """`modified_since` leaves out what did not change; pages end."""
    found = triples(client, "/catalog.ttl?modified_since=2025-11-15")
    root = "https://data.kerman.example"

    assert [f"{root}{REF}"] == values(found, f"{root}/catalog", f"{DCAT}dataset")
    assert 404 == client.get("/catalog.ttl?page=2").status_code
    assert 400 == client.get("/catalog.ttl?page=0").status_code


@pytest.mark.parametrize(
    ("suffix", "media_type"),
    [
        ("ttl", "text/turtle"),
        ("rdf", "application/rdf+xml"),
        ("jsonld", "application/ld+json"),
        ("schemaorg.jsonld", "application/ld+json"),
        ("datapackage.json", "application/vnd.datapackage+json"),
        ("json", "application/json"),
    ],
)
def test_media_types_are_exact(
    client: TestClient, suffix: str, media_type: str
) -> None:
    """Harvesters compare the type letter by letter."""
    assert media_type == client.get(f"{REF}.{suffix}").headers["content-type"]


def test_croissant_names_columns_and_digest(client: TestClient) -> None:
    """A loader finds every column of the file, and the digest to check it by."""
    found = client.get(f"{REF}.croissant.json").json()
    resource = client.get(f"{REF}.json").json()["resources"][0]
    (file,) = found["distribution"]
    (records,) = found["recordSet"]

    assert "http://mlcommons.org/croissant/1.1" == found["conformsTo"]
    assert {"fa", "en"} == set(found["name"])
    assert (resource["sha256"], resource["url"]) == (file["sha256"], file["contentUrl"])
    assert resource["columns"] == len(records["field"])
    assert "application/x-parquet" == file["encodingFormat"]


@needs_shared
def test_schema_org_uses_known_terms_only(client: TestClient) -> None:
    """Every class and property exists in the vocabulary of schema.org."""
    folder = SHARED / "conformance" / "schemaorg"
    known = "\n".join(path.read_text("utf-8") for path in folder.rglob("*.ttl"))
    found = client.get(f"{REF}.schemaorg.jsonld").json()
    terms = {name for name in _terms(found) if not name.startswith("@")}

    assert {"Dataset", "DataDownload", "contentUrl", "license"} <= terms
    assert [] == [name for name in sorted(terms) if f"schema:{name} " not in known]


def _terms(value: Any) -> set[str]:
    """Return the names of members and the values of `@type`."""
    if isinstance(value, list):
        return set().union(*map(_terms, value)) if value else set()
    if not isinstance(value, dict):
        return set()
    found = set(value)
    if "@type" in value:
        found.add(value["@type"])
    return found.union(*map(_terms, value.values()))


@needs_shared
@pytest.mark.parametrize(
    "path", [f"{REF}.datapackage.json", f"/v1/datasets{REF[2:]}/descriptor"]
)
def test_packages_keep_to_the_profile(client: TestClient, path: str) -> None:
    """The signed record and the package with our addresses are Data Packages v2."""
    file: Path = SHARED / "conformance" / "datapackage" / "2.0" / "datapackage.json"
    schema = json.loads(file.read_text("utf-8"))
    found = client.get(path).json()
    errors = [error.message for error in Draft7Validator(schema).iter_errors(found)]

    assert [] == errors


def test_doors_agree(client: TestClient) -> None:
    """Every door shows the same title, version, rows and digest of one record."""
    api = client.get(f"{REF}.json").json()
    ckan = client.get("/api/3/action/package_show?id=kerman--budget-1404").json()[
        "result"
    ]
    package = client.get(f"{REF}.datapackage.json").json()
    schema_org = client.get(f"{REF}.schemaorg.jsonld").json()
    page = client.get(f"/fa{REF}").text
    titles = {api["title"]["fa"], ckan["title"], package["title"], schema_org["name"]}
    versions = {
        str(api["version"]["number"]),
        ckan["version"],
        package["version"],
        schema_org["version"],
    }
    digest = api["resources"][0]["sha256"]

    assert 1 == len(titles) == len(versions)
    assert digest == ckan["resources"][0]["hash"] == package["resources"][1]["hash"][7:]
    assert digest in page
    assert titles.pop() in page
    assert api["license"]["id"] == ckan["license_id"] == package["licenses"][0]["name"]
