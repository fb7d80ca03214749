"""The score of a catalog in the scheme of the European portal's quality assessment.

405 points: findability 100, accessibility 100, interoperability 110, reusability 75,
contextuality 20. What a distribution can earn counts by the share of distributions that
earn it. "Excellent" begins at 351.

Source: Metadata Quality Assessment methodology, data.europa.eu.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
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


def score(graph: Any, dataset: Any, reachable: Callable[[str], bool]) -> list[Line]:
    """Score one dataset.

    Args:
        graph: An rdflib graph.
        dataset: The dataset's node in it.
        reachable: Tells whether an address answers with success.
    """
    from rdflib import URIRef

    def values(subject: Any, name: str) -> list[Any]:
        return list(graph.objects(subject, URIRef(name)))

    parts = values(dataset, f"{DCAT}distribution")

    def share(test: Callable[[Any], bool]) -> float:
        return sum(map(test, parts)) / len(parts) if parts else 0.0

    def has(name: str) -> Callable[[Any], bool]:
        return lambda part: bool(values(part, name))

    def within(name: str, prefix: str) -> Callable[[Any], bool]:
        def test(part: Any) -> bool:
            return any(str(value).startswith(prefix) for value in values(part, name))

        return test

    def answers(name: str) -> Callable[[Any], bool]:
        def test(part: Any) -> bool:
            found = values(part, name)
            return bool(found) and all(reachable(str(value)) for value in found)

        return test

    def form(known: set[str]) -> Callable[[Any], bool]:
        def test(part: Any) -> bool:
            names = {
                str(v).removeprefix(FILE_TYPE) for v in values(part, f"{DCT}format")
            }
            return bool(names & known)

        return test

    def vocabulary(part: Any) -> bool:
        return within(f"{DCT}format", FILE_TYPE)(part) and within(
            f"{DCAT}mediaType", IANA
        )(part)

    def of_dataset(name: str) -> float:
        return float(bool(values(dataset, name)))

    rights = values(dataset, f"{DCT}accessRights")
    access_vocabulary = all(
        str(value).startswith(f"{AUTHORITY}access-right/") for value in rights
    )
    rows: list[tuple[str, str, int, float]] = [
        ("findability", "keywords", 30, of_dataset(f"{DCAT}keyword")),
        ("findability", "categories", 30, of_dataset(f"{DCAT}theme")),
        ("findability", "geographic search", 20, of_dataset(f"{DCT}spatial")),
        ("findability", "time based search", 20, of_dataset(f"{DCT}temporal")),
        (
            "accessibility",
            "access address answers",
            50,
            share(answers(f"{DCAT}accessURL")),
        ),
        ("accessibility", "download address", 20, share(has(f"{DCAT}downloadURL"))),
        ("accessibility", "download answers", 30, share(answers(f"{DCAT}downloadURL"))),
        ("interoperability", "format", 20, share(has(f"{DCT}format"))),
        ("interoperability", "media type", 10, share(has(f"{DCAT}mediaType"))),
        ("interoperability", "from vocabularies", 10, share(vocabulary)),
        ("interoperability", "non-proprietary", 20, share(form(OPEN_FORMATS))),
        ("interoperability", "machine readable", 20, share(form(MACHINE_FORMATS))),
        ("reusability", "license", 20, share(has(f"{DCT}license"))),
        (
            "reusability",
            "license vocabulary",
            10,
            share(within(f"{DCT}license", f"{AUTHORITY}licence/")),
        ),
        ("reusability", "access restrictions", 10, float(bool(rights))),
        (
            "reusability",
            "access vocabulary",
            5,
            float(bool(rights) and access_vocabulary),
        ),
        ("reusability", "contact point", 20, of_dataset(f"{DCAT}contactPoint")),
        ("reusability", "publisher", 10, of_dataset(f"{DCT}publisher")),
        ("contextuality", "rights", 5, share(has(f"{DCT}rights"))),
        ("contextuality", "file size", 5, share(has(f"{DCAT}byteSize"))),
        ("contextuality", "date of issue", 5, of_dataset(f"{DCT}issued")),
        ("contextuality", "date of modification", 5, of_dataset(f"{DCT}modified")),
    ]
    return [
        Line(group, name, most, most * earned) for group, name, most, earned in rows
    ]


def compliance(conforms: bool) -> Line:
    """Return the line of DCAT-AP compliance, which is judged for a whole graph."""
    return Line("interoperability", "DCAT-AP compliance", 30, 30.0 if conforms else 0.0)


def total(lines: Sequence[Line]) -> float:
    """Return the points of a dataset."""
    return sum(line.points for line in lines)
