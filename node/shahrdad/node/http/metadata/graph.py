"""Collecting triples: the Persian literal always before the English one.

CKAN's Persian locale equals no language tag, so its harvester takes the first literal
of the document; the serialiser keeps the order given.
"""

from collections.abc import Iterable, Mapping

from pyoxigraph import BlankNode, Literal, NamedNode, RdfFormat, Triple, serialize

from shahrdad.node.http.languages import LANGUAGES
from shahrdad.node.http.metadata.vocabulary import (
    DCT,
    PREFIXES,
    SCHEMES,
    SKOS,
    TYPE,
    XSD,
    Controlled,
)

FORMATS = {
    "ttl": (RdfFormat.TURTLE, "text/turtle"),
    "rdf": (RdfFormat.RDF_XML, "application/rdf+xml"),
    "xml": (RdfFormat.RDF_XML, "application/rdf+xml"),
    "jsonld": (RdfFormat.JSON_LD, "application/ld+json"),
}
Subject = NamedNode | BlankNode
Object = NamedNode | BlankNode | Literal


class Graph:
    """Triples in the order they were added, each once."""

    def __init__(self) -> None:
        self._triples: dict[Triple, None] = {}
        self._blanks = 0

    def add(self, subject: Subject, predicate: str, value: Object | None) -> None:
        """Add a triple; a value that is not known adds none."""
        if value is not None:
            self._triples[Triple(subject, NamedNode(predicate), value)] = None

    def kind(self, subject: Subject, *addresses: str) -> None:
        """Say what a subject is."""
        for address in addresses:
            self._triples[Triple(subject, TYPE, NamedNode(address))] = None

    def both(self, subject: Subject, predicate: str, texts: Mapping[str, str]) -> None:
        """Add a text in Persian, then in English; empty ones are left out."""
        for language in LANGUAGES:
            text = texts.get(language)
            if text:
                self.add(subject, predicate, Literal(text, language=language))

    def text(self, subject: Subject, predicate: str, text: str | None) -> None:
        """Add a plain text."""
        if text:
            self.add(subject, predicate, Literal(text))

    def typed(
        self, subject: Subject, predicate: str, text: str | None, kind: str
    ) -> None:
        """Add a literal of an XSD type."""
        if text:
            typed = Literal(text, datatype=NamedNode(f"{XSD}{kind}"))
            self.add(subject, predicate, typed)

    def controlled(
        self, subject: Subject, predicate: str, value: Controlled | None
    ) -> None:
        """Add a controlled value, described where it stands."""
        if value is None:
            return
        node = NamedNode(value.address)
        self.add(subject, predicate, node)
        self.kind(node, value.kind, f"{SKOS}Concept")
        self.add(node, f"{SKOS}inScheme", self.scheme(value.scheme))
        self.both(node, f"{SKOS}prefLabel", value.labels)

    def scheme(self, address: str) -> NamedNode:
        """Describe a vocabulary, and return its node."""
        node = NamedNode(address)
        self.kind(node, f"{SKOS}ConceptScheme")
        self.both(
            node, f"{DCT}title", dict(zip(LANGUAGES, SCHEMES[address], strict=True))
        )
        return node

    def blank(self) -> BlankNode:
        """Return a new node without an address; its name depends on the order alone."""
        self._blanks += 1
        return BlankNode(f"n{self._blanks}")

    def triples(self) -> Iterable[Triple]:
        """Return the triples, in order."""
        return self._triples

    def serialise(self, form: str) -> bytes:
        """Return the graph in a format of `FORMATS`."""
        kind, _ = FORMATS[form]
        prefixes = None if form == "jsonld" else PREFIXES
        found = serialize(self.triples(), format=kind, prefixes=prefixes)
        if found is None:
            raise RuntimeError("a serialisation without a file returns bytes")
        return found
