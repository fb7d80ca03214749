"""The score of a catalog in the scheme of the European portal's quality assessment.

405 points: findability 100, accessibility 100, interoperability 110, reusability 75,
contextuality 20. What a distribution can earn counts by the share of distributions that
earn it. "Excellent" begins at 351.

Source: Metadata Quality Assessment methodology, data.europa.eu.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

DCAT = "http://www.w3.org/ns/dcat#"
DCT = "http://purl.org/dc/terms/"
AUTHORITY = "http://publications.europa.eu/resource/authority/"
IANA = "https://www.iana.org/assignments/media-types/"
FILE_TYPE = f"{AUTHORITY}file-type/"
# XLSX is left out of the first: it is the stricter reading of the scheme's lists.
OPEN_FORMATS = {
    "CSV",
    "JSON",
    "JSONL",
    "PARQUET",
    "RDF_XML",
    "RDF_TURTLE",
    "XML",
    "ODS",
}
MACHINE_FORMATS = OPEN_FORMATS | {"XLSX"}
EXCELLENT = 351


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the scheme: what it asks, its points, and what was earned."""

    group: str
    name: str
    points_max: int
    points: float


class Described:
    """A dataset in an rdflib graph, asked as the scheme asks.

    Args:
        graph: The graph.
        dataset: The dataset's node.
        reachable: Tells whether an address answers with success.
    """

    def __init__(
        self, graph: Any, dataset: Any, reachable: Callable[[str], bool]
    ) -> None:
        self._graph = graph
        self._dataset = dataset
        self._reachable = reachable
        self._iri = import_module("rdflib").URIRef
        self._parts = list(self.values(dataset, f"{DCAT}distribution"))

    def values(self, subject: Any, name: str) -> list[str]:
        """Return the values of a property."""
        return list(self._graph.objects(subject, self._iri(name)))

    def has(self, name: str) -> float:
        """Return 1 where the dataset has a property."""
        return float(bool(self.values(self._dataset, name)))

    def all_within(self, name: str, prefix: str) -> float:
        """Return 1 where the dataset has a property, all from one vocabulary."""
        found = self.values(self._dataset, name)
        return float(bool(found) and all(str(v).startswith(prefix) for v in found))

    def share(self, test: Callable[[Any], bool]) -> float:
        """Return the share of distributions that pass a test."""
        return sum(map(test, self._parts)) / len(self._parts) if self._parts else 0.0

    def parts_have(self, name: str) -> float:
        """Return the share of distributions with a property."""
        return self.share(lambda part: bool(self.values(part, name)))

    def parts_within(self, *pairs: tuple[str, str]) -> float:
        """Return the share whose properties are from their vocabularies."""

        def test(part: Any) -> bool:
            return all(
                any(str(value).startswith(prefix) for value in self.values(part, name))
                for name, prefix in pairs
            )

        return self.share(test)

    def parts_answer(self, name: str) -> float:
        """Return the share whose addresses answer."""

        def test(part: Any) -> bool:
            found = self.values(part, name)
            return bool(found) and all(self._reachable(str(one)) for one in found)

        return self.share(test)

    def parts_in_form(self, known: set[str]) -> float:
        """Return the share whose format is one of these."""

        def test(part: Any) -> bool:
            found = self.values(part, f"{DCT}format")
            return bool({str(one).removeprefix(FILE_TYPE) for one in found} & known)

        return self.share(test)


def score(graph: Any, dataset: Any, reachable: Callable[[str], bool]) -> list[Line]:
    """Score one dataset; see `Described` for the arguments."""
    one = Described(graph, dataset, reachable)
    vocabularies = ((f"{DCT}format", FILE_TYPE), (f"{DCAT}mediaType", IANA))
    licenses = (f"{DCT}license", f"{AUTHORITY}licence/")
    access = (f"{DCT}accessRights", f"{AUTHORITY}access-right/")
    return [
        Line(group, name, most, most * earned)
        for group, rows in {
            "findability": (
                ("keywords", 30, one.has(f"{DCAT}keyword")),
                ("categories", 30, one.has(f"{DCAT}theme")),
                ("geographic search", 20, one.has(f"{DCT}spatial")),
                ("time based search", 20, one.has(f"{DCT}temporal")),
            ),
            "accessibility": (
                ("access address answers", 50, one.parts_answer(f"{DCAT}accessURL")),
                ("download address", 20, one.parts_have(f"{DCAT}downloadURL")),
                ("download answers", 30, one.parts_answer(f"{DCAT}downloadURL")),
            ),
            "interoperability": (
                ("format", 20, one.parts_have(f"{DCT}format")),
                ("media type", 10, one.parts_have(f"{DCAT}mediaType")),
                ("from vocabularies", 10, one.parts_within(*vocabularies)),
                ("non-proprietary", 20, one.parts_in_form(OPEN_FORMATS)),
                ("machine readable", 20, one.parts_in_form(MACHINE_FORMATS)),
            ),
            "reusability": (
                ("license", 20, one.parts_have(f"{DCT}license")),
                ("license vocabulary", 10, one.parts_within(licenses)),
                ("access restrictions", 10, one.has(access[0])),
                ("access vocabulary", 5, one.all_within(*access)),
                ("contact point", 20, one.has(f"{DCAT}contactPoint")),
                ("publisher", 10, one.has(f"{DCT}publisher")),
            ),
            "contextuality": (
                ("rights", 5, one.parts_have(f"{DCT}rights")),
                ("file size", 5, one.parts_have(f"{DCAT}byteSize")),
                ("date of issue", 5, one.has(f"{DCT}issued")),
                ("date of modification", 5, one.has(f"{DCT}modified")),
            ),
        }.items()
        for name, most, earned in rows
    ]


def compliance(conforms: bool) -> Line:
    """Return the line of DCAT-AP compliance, which is judged for a whole graph."""
    return Line("interoperability", "DCAT-AP compliance", 30, 30.0 if conforms else 0.0)


def total(lines: Sequence[Line]) -> float:
    """Return the points of a dataset."""
    return sum(line.points for line in lines)
