"""DCAT-AP by SEMIC's shapes, data.europa.eu's quality score, schema.org's words."""

import json
from collections.abc import Callable
from dataclasses import astuple
from typing import Any

import pytest

from mqa_score import DCAT, EXCELLENT, Line, compliance, score, total
from shared_data import SHARED, needs_shared

pytestmark = pytest.mark.filterwarnings("ignore")
SHAPES = SHARED / "conformance" / "dcat-ap" / "3.0.1" / "html" / "shacl"
WORDS = SHARED / "conformance" / "schemaorg" / "schemaorg-current-https.ttl"
FORMS = {"ttl": "turtle", "rdf": "xml", "jsonld": "json-ld"}


def graph_of(body: bytes, form: str) -> Any:
    """Return a parsed document."""
    rdflib = pytest.importorskip("rdflib", reason="judge not installed: rdflib")
    return rdflib.Graph().parse(data=body, format=FORMS[form])


@needs_shared
@pytest.mark.parametrize("shapes", ["shapes.ttl", "range.ttl"])
@pytest.mark.parametrize("query", ["", "?modified_since=1400-01-01"])
def test_catalog_conforms(served: Any, shapes: str, query: str) -> None:
    """The catalog conforms to DCAT-AP 3.0.1, with the withdrawn datasets too."""
    assert (True, "") == conforms(served.get(f"/catalog.ttl{query}"), shapes)


@needs_shared
def test_datasets_conform(served: Any) -> None:
    """Each dataset's own document conforms as well."""
    for one in served.datasets:
        found = conforms(served.get(f"/d/{one['ref']}.ttl"), "shapes.ttl")

        assert (True, "") == found, one["ref"]


def conforms(body: bytes, shapes: str) -> tuple[bool, str]:
    """Return the verdict on a Turtle document, and the report where it is bad."""
    pyshacl = pytest.importorskip("pyshacl", reason="judge not installed: pyshacl")
    good, _, text = pyshacl.validate(
        graph_of(body, "ttl"), shacl_graph=str(SHAPES / shapes), do_owl_imports=False
    )
    return good, "" if good else text[:3_000]


def test_serialisations_say_the_same(served: Any) -> None:
    """Turtle, RDF/XML and JSON-LD have the same triples."""
    compare = pytest.importorskip(
        "rdflib.compare", reason="judge not installed: rdflib"
    )
    graphs = [graph_of(served.get(f"/catalog.{form}"), form) for form in FORMS]
    first, *others = [compare.to_isomorphic(graph) for graph in graphs]

    assert len(first) > 100
    assert [True, True] == [first == other for other in others]


def mqa(served: Any) -> dict[str, list[Line]]:
    """Return the lines of the quality score of every dataset."""
    body = served.get("/catalog.ttl")
    graph = graph_of(body, "ttl")
    rdflib = pytest.importorskip("rdflib", reason="judge not installed: rdflib")
    a, kind = rdflib.RDF.type, rdflib.URIRef(f"{DCAT}Dataset")
    download = rdflib.URIRef(f"{DCAT}distribution")
    known: dict[str, bool] = {}

    def reachable(url: str) -> bool:
        if url not in known:
            known[url] = served.ask(url)[0] in range(200, 400)
        return known[url]

    good, _ = conforms(body, "shapes.ttl")
    listed = {
        node for node in graph.subjects(a, kind) if list(graph.objects(node, download))
    }
    return {
        str(node): [*score(graph, node, reachable), compliance(good)]
        for node in sorted(listed)
    }


@needs_shared
def test_every_dataset_is_excellent(
    served: Any, record_property: Callable[[str, object], None]
) -> None:
    """At least 351 of 405 points in the scheme of data.europa.eu."""
    lines = mqa(served)
    table = {name: [astuple(line) for line in found] for name, found in lines.items()}
    record_property("mqa", json.dumps(table))
    poor = {
        name: (total(found), [one.name for one in found if one.points < one.points_max])
        for name, found in lines.items()
        if total(found) < EXCELLENT
    }

    assert len(lines) >= len(served.datasets)
    assert {} == poor


@needs_shared
def test_words_of_schema_org_exist(served: Any) -> None:
    """Every class and property that is emitted is in the vocabulary."""
    rdflib = pytest.importorskip("rdflib", reason="judge not installed: rdflib")
    vocabulary = rdflib.Graph().parse(WORDS, format="turtle")
    known = {str(term) for term in vocabulary.subjects()}
    for one in served.datasets:
        found = served.json(f"/d/{one['ref']}.schemaorg.jsonld")
        words = {f"https://schema.org/{word}" for word in terms(found)}

        assert set() == words - known, one["ref"]


def terms(value: Any) -> set[str]:
    """Return the classes and properties of a JSON-LD value without prefixes."""
    if isinstance(value, list):
        return {word for item in value for word in terms(item)}
    if not isinstance(value, dict):
        return set()
    kinds = value.get("@type", [])
    found = {*([kinds] if isinstance(kinds, str) else kinds)}
    found |= {name for name in value if not name.startswith("@")}
    for name, item in value.items():
        if not name.startswith("@"):
            found |= terms(item)
    return {word for word in found if ":" not in word}
