"""ckanext-dcat, CKAN's own harvester of RDF, keeps what our catalog says.

It lives in an environment of its own, beside CKAN itself: `tools/judge.py` makes it.
"""

from typing import Any

import pytest

toolkit = pytest.importorskip(
    "ckan.plugins.toolkit", reason="judge not installed: ckan[requirements]"
)
processors = pytest.importorskip(
    "ckanext.dcat.processors", reason="judge not installed: ckanext-dcat"
)
LANGUAGES = {"en": "en", "fa": "fa", "fa_IR": "fa"}  # CKAN's locale → what it shows
THEME = "http://publications.europa.eu/resource/authority/data-theme/"
FORMS = {"ttl": "turtle", "rdf": "xml", "jsonld": "json-ld"}


def harvested(served: Any, locale: str, form: str = "ttl") -> dict[str, dict[str, Any]]:
    """Return the datasets as CKAN would keep them, by address.

    Extras stand beside the members, as `dcat_…` fields would.
    """
    toolkit.config["ckan.locale_default"] = locale
    parser = processors.RDFParser(profiles=["euro_dcat_ap_3"])
    parser.parse(served.get(f"/catalog.{form}").decode(), _format=FORMS[form])
    found = {}
    for one in parser.datasets():
        extras = {item["key"]: item["value"] for item in one["extras"]}
        found[extras["uri"]] = {**extras, **one}
    return found


@pytest.mark.parametrize("locale", LANGUAGES)
def test_texts_are_those_of_the_portals_language(served: Any, locale: str) -> None:
    """Title, description and publisher: Persian for a Persian portal, else English."""
    language = LANGUAGES[locale]
    found = harvested(served, locale)
    for one in served.datasets:
        kept = found[f"{served.url}/d/{one['ref']}"]

        assert one["title"][language] == kept["title"]
        assert one["description"][language] == kept["notes"]
        assert one["publisher"][language] == kept["publisher_name"]
        assert one["publisher"][language] == kept["contact_name"]
        assert one["title"][language] in kept["resources"][0]["name"]


@pytest.mark.parametrize("form", FORMS)
def test_facts_are_kept(served: Any, form: str) -> None:
    """Dates, licence, theme, version, keywords and files, in every serialisation."""
    found = harvested(served, "en", form)

    assert {f"{served.url}/d/{one['ref']}" for one in served.datasets} == set(found)
    for one in served.datasets:
        kept = found[f"{served.url}/d/{one['ref']}"]
        files = kept["resources"]
        (table, *_) = one["resources"]
        (parquet,) = [file for file in files if file["url"].endswith(".parquet")]

        assert one["uid"] == kept["identifier"]
        assert plain(one["first_published"]) == plain(kept["issued"])
        assert plain(one["version"]["time"]) == plain(kept["modified"])
        assert str(one["version"]["number"]) == kept["version"]
        assert THEME in kept["theme"]
        assert set(one["keywords"]["fa"]) <= {tag["name"] for tag in kept["tags"]}
        assert {one["license"]["url"]} == {file["license"] for file in files}
        assert (table["sha256"], table["bytes"]) == (parquet["hash"], parquet["size"])


def test_theme_is_named_in_both_languages(served: Any) -> None:
    """A controlled value carries a label that each portal can show."""
    rdflib = pytest.importorskip("rdflib", reason="judge not installed: rdflib")
    graph = rdflib.Graph().parse(data=served.get("/catalog.ttl"), format="turtle")
    theme = rdflib.URIRef("http://www.w3.org/ns/dcat#theme")
    label = rdflib.URIRef("http://www.w3.org/2004/02/skos/core#prefLabel")
    used = set(graph.objects(predicate=theme))

    assert used
    for one in used:
        assert {"fa", "en"} == {text.language for text in graph.objects(one, label)}


def plain(moment: str) -> str:
    """Return a moment without its way of writing UTC."""
    return moment.removesuffix("Z").removesuffix("+00:00")
