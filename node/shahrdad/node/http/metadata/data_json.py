"""`/data.json`: the catalog as DCAT-US 1.1 has it, for the harvesters of that family.

One document has everything that is live. It is written from the cards, a page of them
in memory at a time and no faster than its reader takes them, so it may be of any
length. Texts have no language there: titles are Persian, descriptions Persian and then
English, as in CKAN's dictionaries.
"""

import json
from array import array
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from starlette.responses import Response, StreamingResponse

from shahrdad.datasets import alignment, standards
from shahrdad.datasets.errors import DataError, RequestError
from shahrdad.node.http import holdings
from shahrdad.node.http.answers import (
    DATA_CSP,
    HEAD,
    JSON,
    Call,
    accepts_gzip,
    dump,
    gzipped,
    headers_alone,
    is_held,
    weak_tag,
)
from shahrdad.node.http.card_reading import lasting_documents
from shahrdad.node.http.ckan.shelf import Shelf
from shahrdad.node.http.formats import MEDIA_TYPES
from shahrdad.node.http.operations import Operation

PAGE_DATASETS = 500
PROFILE = "https://project-open-data.cio.gov/v1.1/schema"
DISTRIBUTED = ("parquet", "csv", "xlsx")
CADENCES = {  # of a standard → an ISO 8601 repetition
    "monthly": "R/P1M",
    "quarterly": "R/P3M",
    "half-yearly": "R/P6M",
    "yearly": "R/P1Y",
    "per-event": "irregular",
    "on-demand": "irregular",
}


def _get(*, everything: bool) -> Callable[[Call], Response]:
    """Return what answers with the catalog of the own city, or of all."""

    def get_data_json(call: Call) -> Response:
        shelf: Shelf = call.request.app.state.shelf
        reading = shelf.at(call.node, "all" if everything else "own")
        seed = repr(("data.json", reading.state)).encode()
        headers = {
            "Content-Type": JSON,
            "ETag": weak_tag(call, JSON, seed),
            "Cache-Control": HEAD,
            "Vary": "Accept-Encoding",
            "Content-Security-Policy": DATA_CSP,
            "Cross-Origin-Resource-Policy": "cross-origin",
        }
        if is_held(call, JSON, seed):
            del headers["Content-Type"]
            return Response(status_code=304, headers=headers)
        coded = accepts_gzip(call.request)
        if coded:
            headers["Content-Encoding"] = "gzip"
        if call.is_head:
            return headers_alone(headers)
        city = None if everything else call.node.config.node.city
        chosen = holdings.Chosen(city)
        numbers = holdings.chosen_between(call.node.database.connect(), chosen, "", "g")
        pieces = _pieces(call, array("L", numbers))
        return StreamingResponse(gzipped(pieces) if coded else pieces, headers=headers)

    return get_data_json


def _pieces(call: Call, numbers: "array[int]") -> Iterator[bytes]:
    """Yield the document: its head, then its datasets by the page."""
    root = call.public.root
    head = {
        "@context": f"{PROFILE}/catalog.jsonld",
        "@id": f"{root}{call.request.url.path}",
        "@type": "dcat:Catalog",
        "conformsTo": PROFILE,
        "describedBy": f"{PROFILE}/catalog.json",
    }
    before = dump(head)[:-1] + b',"dataset":[\n'
    for start in range(0, len(numbers), PAGE_DATASETS):
        page = numbers[start : start + PAGE_DATASETS].tolist()
        lines = [
            dump(dataset(json.loads(text), root))
            for text in lasting_documents(call.node, page)
        ]
        if lines:
            yield before + b",\n".join(lines)
            before = b",\n"
    yield (b"\n" if before == b",\n" else before) + b"]}\n"


def dataset(found: Mapping[str, Any], root: str) -> dict[str, Any]:
    """Return a dataset.

    Args:
        found: The lasting part of the dataset object.
        root: Of this node's addresses.
    """
    from shahrdad.node.http.metadata.vocabulary import THEMES

    title, publisher = found["title"]["fa"], _publisher(found)
    described = [found["description"][name] for name in ("fa", "en")]
    words = [*found["keywords"]["fa"], *found["keywords"]["en"]]
    address, family = found["links"]["self"], found["family"]
    more: dict[str, Any] = {
        "license": found["license"]["url"],
        "spatial": found["city"]["name"]["fa"],
        "theme": [
            THEMES[code].label_en
            for code in alignment.themes_of(family["id"] if family else "")
        ],
    }
    if (bounds := found["period"]) is not None:
        more["temporal"] = f"{bounds['start']}/{bounds['end']}"
    if family is not None:
        more["conformsTo"] = f"{root}/v1/families/{family['id']}"
        more["accrualPeriodicity"] = _cadence(family)
    return {
        "@type": "dcat:Dataset",
        "identifier": found["uid"],
        "title": title,
        "description": "\n\n".join(text for text in described if text) or title,
        "keyword": list(dict.fromkeys(words)) or [title],
        "modified": found["version"]["time"],
        "issued": found["first_published"],
        "publisher": {"@type": "org:Organization", "name": publisher},
        "contactPoint": {"@type": "vcard:Contact", "fn": publisher},
        "accessLevel": "public",
        "landingPage": found["links"]["html"]["fa"],
        "language": ["fa"],
        "references": [f"{address}/{name}" for name in ("receipt", "report")],
        **{name: value for name, value in more.items() if value},
        "distribution": [
            file
            for table in found["resources"]
            if table["sha256"] or table.get("parts")
            for file in _distributions(table, address)
        ],
    }


def _publisher(found: Mapping[str, Any]) -> str:
    """Return who publishes a dataset; a city of that name where nobody is named."""
    return str(found["publisher"]["fa"] or found["city"]["name"]["fa"])


def _cadence(family: Mapping[str, Any]) -> str | None:
    """Return how often a standard wants a version; None of one not known here."""
    try:
        standard = standards.load(family["id"], family["version"])
    except (RequestError, DataError):
        return None
    return CADENCES.get(standard.cadence)


def _distributions(table: Mapping[str, Any], address: str) -> Iterator[dict[str, Any]]:
    """Yield the files of a table, and the address that answers with its rows.

    Args:
        table: A member of `resources`.
        address: Of the version.
    """
    name = table["name"]
    described = {
        "describedBy": f"{address}/schema/{name}",
        "describedByType": JSON,
    }
    for ext in DISTRIBUTED:
        yield {
            "@type": "dcat:Distribution",
            "title": f"{name}.{ext}",
            "format": ext.upper(),
            "mediaType": MEDIA_TYPES[ext].partition(";")[0],
            "downloadURL": table["formats"][ext]["url"],
            **described,
        }
    yield {
        "@type": "dcat:Distribution",
        "title": name,
        "format": "API",
        "accessURL": f"{address}/rows/{name}",
        **described,
    }


def operations() -> list[Operation]:
    """Return the catalogs of the own city and of everything."""
    return [
        Operation(
            f"getDataJson{'All' if everything else ''}",
            f"{'/all' if everything else ''}/data.json",
            _get(everything=everything),
            "The catalog as DCAT-US 1.1, in one document.",
        )
        for everything in (False, True)
    ]
