"""`/catalog.…` of the own city and of everything, in the serialisations of RDF."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from math import ceil, log2
from urllib.parse import urlencode

from starlette.responses import Response

from shahrdad.datasets.errors import ShahrdadError
from shahrdad.node.catalog import Dataset
from shahrdad.node.http import holdings
from shahrdad.node.http.answers import Call, answer
from shahrdad.node.http.dataset_object import Shown, show
from shahrdad.node.http.operations import Operation, address_unknown
from shahrdad.node.http.parameters import Parameter

PAGE_DATASETS = 100
FILLED = 0.64  # of a page, at most, on average: some have more
FORMS = ("ttl", "rdf", "xml", "jsonld")
PARAMETERS = (
    Parameter("page", "integer", "From 1.", minimum=1, default=1),
    Parameter("modified_since", "moment", "A day of either calendar, or an instant."),
)


def _get(form: str, *, everything: bool) -> Callable[[Call], Response]:
    """Return what answers with a page of the catalog."""

    def get_catalog(call: Call) -> Response:
        from shahrdad.node.http.metadata.dcat import catalog
        from shahrdad.node.http.metadata.graph import FORMATS

        number = call.values["page"]
        chosen = holdings.Chosen(
            None if everything else call.node.config.node.city,
            call.values["modified_since"],
        )
        connection = call.node.database.connect()
        count = pages(holdings.count_chosen(connection, chosen))
        if number > count:
            raise address_unknown(call.request)
        numbers = holdings.chosen_between(connection, chosen, *span(number, count))
        shown = _shown(call, call.node.catalog.by_ids(numbers))
        following = _address(call, number + 1) if number < count else None
        graph = catalog(call.node, shown, _address(call, number), following)
        _, media_type = FORMATS[form]
        headers = {"Link": f'<{following}>; rel="next"'} if following else {}
        return answer(call, graph.serialise(form), media_type, headers)

    return get_catalog


def pages(datasets: int) -> int:
    """Return how many pages so many datasets have.

    >>> [pages(count) for count in (0, 100, 101, 370_000)]
    [1, 1, 2, 8192]
    """
    if datasets <= PAGE_DATASETS:
        return 1
    return 1 << ceil(log2(datasets / (PAGE_DATASETS * FILLED)))


def span(page: int, count: int) -> tuple[str, str]:
    """Return where the identifiers of a page begin and end.

    Identifiers are spread evenly, so a page is a share of all that there can be, and
    not a place in the list: what is published or withdrawn while a harvester reads
    moves no other dataset to a page that it has read already.

    >>> span(1, 2), span(2, 2)
    (('00000000', '80000000'), ('80000000', 'g'))
    """
    first, end = ((one << 32) // count for one in (page - 1, page))
    return f"{first:08x}", "g" if page == count else f"{end:08x}"


def _shown(call: Call, page: Sequence[Dataset]) -> list[Shown]:
    """Return the datasets of a page; one whose record is not held is left out."""
    found = []
    for dataset in page:
        with suppress(ShahrdadError):
            found.append(show(call.node, *call.node.catalog.version(dataset.ref)))
    return found


def _address(call: Call, number: int) -> str:
    values = {"page": number}
    since = call.request.query_params.get("modified_since")
    query = urlencode({**values, **({"modified_since": since} if since else {})})
    return f"{call.public.root}{call.request.url.path}?{query}"


def operations() -> list[Operation]:
    """Return the catalogs."""
    return [
        Operation(
            f"getCatalog{'All' if everything else ''}{form.title()}",
            f"{'/all' if everything else ''}/catalog.{form}",
            _get(form, everything=everything),
            "The catalog as DCAT-AP, some sixty datasets a page; with `modified_since`"
            " the withdrawn ones too, as records.",
            PARAMETERS,
            media_type="text/turtle"
            if form == "ttl"
            else "application/rdf+xml"
            if form in {"rdf", "xml"}
            else "application/ld+json",
        )
        for everything in (False, True)
        for form in FORMS
    ]
