"""Municipal services as CPSV-AP 3.2.0: one for each code (standards 7.7)."""

from collections.abc import Callable, Mapping

from shahrdad.node.http import identity
from shahrdad.node.http.dataset_object import Shown
from shahrdad.node.http.mappings.rows import rows_of

CPSV = "http://purl.org/vocab/cpsv#"
CV = "http://data.europa.eu/m8g/"
DCT = "http://purl.org/dc/terms/"
SKOS = "http://www.w3.org/2004/02/skos/core#"


def cpsv(form: str) -> Callable[[Shown, Mapping[str, str]], bytes]:
    """Return what makes the services in a serialisation of RDF."""

    def make(shown: Shown, _: Mapping[str, str]) -> bytes:
        from pyoxigraph import NamedNode

        from shahrdad.node.http.metadata.dcat import add_spatial
        from shahrdad.node.http.metadata.graph import Graph

        graph = Graph()
        root = shown.addresses.root
        authority = NamedNode(f"{root}/v1/cities/{shown.dataset.city}#organisation")
        graph.kind(authority, f"{CV}PublicOrganisation")
        graph.both(authority, f"{SKOS}prefLabel", shown.record.publisher)
        add_spatial(graph, authority, shown.node, shown.dataset.city)
        for code, texts in _services(shown).items():
            own = str(identity.resource_uid(shown.ref, code))
            service = NamedNode(f"{root}/d/{shown.ref}#{code}")
            graph.kind(service, f"{CPSV}PublicService")
            graph.text(service, f"{DCT}identifier", own)
            graph.both(service, f"{DCT}title", texts)
            graph.both(service, f"{DCT}description", _description(shown, texts))
            graph.add(service, f"{CV}hasCompetentAuthority", authority)
        return graph.serialise(form)

    return make


def _services(shown: Shown) -> dict[str, dict[str, str]]:
    """Return the services that a table has figures of, with their names."""
    standard = shown.standard
    named = {
        category.value: {"fa": category.label_fa, "en": category.label_en}
        for one in (standard.fields if standard else ())
        if one.name == "service_code"
        for category in one.categories
    }
    codes = sorted({str(row["service_code"]) for row in rows_of(shown)})
    return {code: named.get(code, {"fa": code, "en": code}) for code in codes}


def _description(shown: Shown, texts: Mapping[str, str]) -> dict[str, str]:
    publisher = shown.record.publisher
    return {
        "fa": f"{texts['fa']}، {publisher['fa']}",
        "en": f"{texts['en']}, {publisher['en']}",
    }
