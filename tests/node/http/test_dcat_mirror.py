"""DCAT of a mirror: another city's dataset stays that city's, gone ones are told of."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from pyoxigraph import NamedNode, RdfFormat, Triple, parse
from starlette.testclient import TestClient

from http_world import World, fill, make_world
from shahrdad.node.http.app import create_app

DCAT = "http://www.w3.org/ns/dcat#"
DCT = "http://purl.org/dc/terms/"
ADMS = "http://www.w3.org/ns/adms#"
FOAF = "http://xmlns.com/foaf/0.1/"
TYPE = "http://www.w3.org/1999/02/22-rdf-syntax-ns#type"
OURS = "https://data.kerman.example"
THEIRS = "https://data.rasht.example"


class Mirror(World):
    """A node that knows where the node of another city is."""

    def federation_status(self) -> Mapping[str, Any]:
        """Return the address too."""
        return {**super().federation_status(), "homes": {"rasht": THEIRS}}


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A client of the mirror."""
    world = fill(make_world(tmp_path_factory.mktemp("mirror")))
    known = Mirror(
        **{name: getattr(world, name) for name in World.__dataclass_fields__}
    )
    with TestClient(create_app(known), follow_redirects=False) as found:
        yield found


def triples(client: TestClient, path: str) -> list[Triple]:
    """Return the triples of a Turtle document."""
    answer = client.get(path)

    assert 200 == answer.status_code, answer.text
    return [
        Triple(quad.subject, quad.predicate, quad.object)
        for quad in parse(answer.content, format=RdfFormat.TURTLE)
    ]


def objects(found: list[Triple], subject: str, predicate: str) -> list[str]:
    """Return the values of a property that are addresses or texts."""
    return [
        one.object.value
        for one in found
        if one.subject == NamedNode(subject)
        and one.predicate == NamedNode(predicate)
        and hasattr(one.object, "value")
    ]


def subjects(found: list[Triple], kind: str) -> list[str]:
    """Return the addresses of a class."""
    wanted = (NamedNode(TYPE), NamedNode(kind))
    return [
        one.subject.value
        for one in found
        if (one.predicate, one.object) == wanted and isinstance(one.subject, NamedNode)
    ]


def test_subject_is_the_citys_own_address(mirror: TestClient) -> None:
    """A portal that harvests the city and its mirror meets one dataset, not two."""
    found = triples(mirror, "/all/catalog.ttl")
    theirs = [one for one in subjects(found, f"{DCAT}Dataset") if "/d/rasht/" in one]

    assert theirs
    for one in theirs:
        assert one.startswith(f"{THEIRS}/d/rasht/")
        assert [f"{THEIRS}/v1/cities/rasht"] == objects(found, one, f"{DCT}publisher")
        (page,) = objects(found, one, f"{DCAT}landingPage")
        assert page.startswith(f"{THEIRS}/fa/d/rasht/")


def test_files_are_the_mirrors(mirror: TestClient) -> None:
    """The dataset is the city's; the copies that can be fetched here are ours."""
    found = triples(mirror, "/all/catalog.ttl")
    files = [
        file
        for one in subjects(found, f"{DCAT}Dataset")
        for file in objects(found, one, f"{DCAT}distribution")
    ]

    assert files
    assert all(file.startswith(f"{OURS}/d/") for file in files)


def test_unknown_home_leaves_our_address(client: TestClient) -> None:
    """A subject has to lead somewhere, so no address is guessed from a log's name."""
    found = triples(client, "/all/catalog.ttl")

    assert all(one.startswith(OURS) for one in subjects(found, f"{DCAT}Dataset"))


def test_earlier_version_is_no_dataset_of_the_catalog(client: TestClient) -> None:
    """CKAN takes every node of the class, so there are as many as are listed."""
    found = triples(client, "/all/catalog.ttl")
    listed = objects(found, f"{OURS}/catalog", f"{DCAT}dataset")

    assert any(str(one.predicate.value).endswith("previousVersion") for one in found)
    assert sorted(listed) == sorted(subjects(found, f"{DCAT}Dataset"))


def test_yearly_budgets_are_a_series(client: TestClient) -> None:
    """Each year's dataset names the series of its city and standard."""
    found = triples(client, "/catalog.ttl")
    (series,) = objects(found, f"{OURS}/d/kerman/budget-1404", f"{DCAT}inSeries")

    assert [series] == subjects(found, f"{DCAT}DatasetSeries")
    assert 2 == len(objects(found, series, f"{DCT}title"))


def test_withdrawn_datasets_are_told_to_who_asks_for_changes(
    client: TestClient,
) -> None:
    """Their record has the status; the catalog itself lists them no more."""
    found = triples(client, "/catalog.ttl?modified_since=2020-01-01")
    whole = triples(client, "/catalog.ttl")
    gone = {
        record
        for record in subjects(found, f"{DCAT}CatalogRecord")
        if objects(found, record, f"{ADMS}status")
    }
    topics = {
        topic for one in gone for topic in objects(found, one, f"{FOAF}primaryTopic")
    }

    assert topics
    assert set() == topics & set(objects(found, f"{OURS}/catalog", f"{DCAT}dataset"))
    assert set() == topics & set(subjects(whole, f"{DCAT}Dataset"))
