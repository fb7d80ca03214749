"""`/catalog.…` of the own city and of everything, in the serialisations of RDF."""

from collections.abc import Callable
from contextlib import suppress
from urllib.parse import urlencode

from starlette.responses import Response

from shahrdad.datasets.errors import ShahrdadError
from shahrdad.node.catalog import Dataset
from shahrdad.node.http import identity
from shahrdad.node.http.answers import Call, answer
from shahrdad.node.http.dataset_object import Shown, show
from shahrdad.node.http.operations import Operation, address_unknown
from shahrdad.node.http.parameters import Parameter

PAGE_DATASETS = 100
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
        chosen = _datasets(call, everything)
        start = (number - 1) * PAGE_DATASETS
        page = chosen[start : start + PAGE_DATASETS]
        if number > 1 and not page:
            raise address_unknown(call.request)
        more = start + PAGE_DATASETS < len(chosen)
        following = _address(call, number + 1) if more else None
        graph = catalog(
            call.node, _shown(call, page), _address(call, number), following
        )
        _, media_type = FORMATS[form]
        headers = {"Link": f'<{following}>; rel="next"'} if following else {}
        return answer(call, graph.serialise(form), media_type, headers)

    return get_catalog


def _datasets(call: Call, everything: bool) -> list[Dataset]:
    """Return the catalog's datasets by identifier, so that no edit moves one.

    Who asks for what changed since a moment has to hear of withdrawals too.
    """
    city = None if everything else call.node.config.node.city
    since = call.values["modified_since"]
    found = call.node.catalog.list(city=city, withdrawn=since is not None)
    return sorted(
        (one for one in found if since is None or one.updated >= since),
        key=lambda dataset: identity.uid(dataset.ref).int,
    )


def _shown(call: Call, page: list[Dataset]) -> list[Shown]:
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
            "The catalog as DCAT-AP, a hundred datasets a page; with `modified_since`"
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
