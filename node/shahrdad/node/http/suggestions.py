"""`/v1/suggest`: what a person may be about to type into the search."""

from starlette.responses import Response

from shahrdad.node.http.answers import Call, as_json
from shahrdad.node.http.listing import search_of
from shahrdad.node.http.operations import Operation
from shahrdad.node.http.parameters import Parameter
from shahrdad.node.search.finding import Suggestion


def get_suggestions(call: Call) -> Response:
    """Answer with at most eight titles, cities, families and fields."""
    found = search_of(call).suggest(call.values["q"] or "")
    items = [
        {
            "kind": one.kind,
            "name": one.name,
            "title": {"fa": one.fa, "en": one.en},
            "url": f"{call.public.root}{_path(one)}",
        }
        for one in found
    ]
    return as_json(call, {"items": items, "total": len(items), "next_cursor": None})


def _path(one: Suggestion) -> str:
    """Return the address of what is suggested; a field is searched for."""
    if one.kind == "title":
        return f"/v1/datasets/{one.name}"
    if one.kind == "city":
        return f"/v1/cities/{one.name}"
    if one.kind == "family":
        return f"/v1/families/{one.name}"
    from urllib.parse import urlencode

    return f"/v1/datasets?{urlencode({'q': one.fa})}"


def operation() -> Operation:
    """Return the operation of suggestions."""
    return Operation(
        "suggest",
        "/v1/suggest",
        get_suggestions,
        "What a person may be about to type.",
        (Parameter("q", "text", "What is typed so far.", example="بود"),),
        schema="SuggestionPage",
    )
