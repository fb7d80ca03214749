"""`/reuses`: what others built with the data, and a form to name one (portal 4).

A node takes reuses that stand on its own city's data: its publishers decide what is
shown.
"""

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from starlette.responses import Response

from shahrdad.datasets.errors import Language, RequestError
from shahrdad.node import reuses
from shahrdad.node.http import problems
from shahrdad.node.http.answers import JSON, Call, as_json
from shahrdad.node.http.operations import Operation
from shahrdad.node.http.parameters import Parameter
from shahrdad.node.http.portal.boxes import Box, bounded, is_desk_served, wrong
from shahrdad.node.http.portal.limits import (
    ADDRESS_LETTERS_MAX,
    NAME_LETTERS_MAX,
    REUSE_DATASETS_MAX,
    WORDS_LETTERS_MAX,
)
from shahrdad.node.http.portal.viewing import choice, text
from shahrdad.node.http.publishing.counter import Form
from shahrdad.node.http.rendering import page

FIELDS = ("kind", "title", "address", "words", "maker", "data")
PARAMETERS = (choice("kind", *reuses.KINDS), text("ref"), text("sent"))
REF = re.compile(r"(?:https?://\S*?/d/)?([a-z0-9-]+/[a-z0-9-]+)(?:[/?#]\S*)?")


def show(call: Call, language: Language) -> Response:
    """Show the gallery and the form."""
    return _page(call, language, {"data": call.values["ref"] or ""})


def _page(
    call: Call,
    language: Language,
    typed: Mapping[str, str],
    error: RequestError | None = None,
) -> Response:
    kind, ref = call.values.get("kind") or "", call.values.get("ref") or ""
    found = reuses.shown(call.node.database.connect(), kind=kind, ref=ref)
    titles = titles_of(call, {ref for one in found for ref in one.refs}, language)
    answer = page(
        call,
        "portal/reuses.html",
        language,
        found=found,
        titles=titles,
        about=titles_of(call, {ref}, language).get(ref, "") if ref else "",
        given={"kind": kind, "ref": ref},
        kinds=reuses.KINDS,
        takes=is_desk_served(call),
        typed={name: typed.get(name, "") for name in FIELDS},
        error=error.text(language) if error else "",
        sent=bool(call.values.get("sent")),
        words_max=WORDS_LETTERS_MAX,
        name_max=NAME_LETTERS_MAX,
        address_max=ADDRESS_LETTERS_MAX,
        host=lambda address: urlsplit(address).hostname or "",
    )
    if error is not None:
        answer.status_code = problems.status_of(error)
    return answer


def titles_of(call: Call, refs: set[str], language: Language) -> dict[str, str]:
    """Return the titles of the datasets that are there."""
    found = {}
    for ref in refs:
        try:
            dataset = call.node.catalog.get(ref)
        except RequestError:
            continue
        found[ref] = dataset.title_fa if language == "fa" else dataset.title_en
    return found


def box() -> Box[reuses.Offered]:
    """Return what takes reuses."""
    return Box(FIELDS, offered_of, reuses.add, _page, is_desk_served)


def offered_of(call: Call, form: Form, language: Language) -> reuses.Offered:
    """Return what a form says.

    Raises:
        RequestError: FORM_INCOMPLETE, MEMBER_WRONG, DATASET_UNKNOWN.
    """
    kind = form.text("kind")
    if kind not in reuses.KINDS:
        raise wrong("kind", " | ".join(reuses.KINDS))
    return reuses.Offered(
        kind=kind,
        title=bounded(form.text("title"), "title", NAME_LETTERS_MAX),
        address=web_address(form.text("address")),
        words=bounded(form.text("words"), "words", WORDS_LETTERS_MAX),
        maker=bounded(form.text("maker"), "maker", NAME_LETTERS_MAX),
        language=language,
        refs=refs_of(call, form.text("data")),
    )


def web_address(text: str) -> str:
    """Return an address that leads to a host over the web.

    Raises:
        RequestError: MEMBER_WRONG.
    """
    bounded(text, "address", ADDRESS_LETTERS_MAX)
    try:
        parts = urlsplit(text)
        host = parts.hostname
    except ValueError:
        host = None
    plain = text.isprintable() and not set(text) & set(' "<>\\^`{|}')
    if not plain or not host or parts.scheme not in {"http", "https"} or parts.username:
        raise wrong("address", "https://…")
    return text


def refs_of(call: Call, text: str) -> tuple[str, ...]:
    """Return the datasets that a text names, by reference or by their pages' address.

    Raises:
        RequestError: MEMBER_WRONG, DATASET_UNKNOWN.
    """
    named = filter(None, map(REF.fullmatch, re.split(r"[\s,،]+", text)))
    found = dict.fromkeys(one[1] for one in named)
    own = call.node.config.node.city
    if not any(ref.partition("/")[0] == own for ref in found):
        raise wrong("data", f"{own}/…")
    if len(found) > REUSE_DATASETS_MAX:
        raise wrong("data", f"1-{REUSE_DATASETS_MAX}")
    for ref in found:
        call.node.catalog.get(ref)
    return tuple(found)


def list_reuses(call: Call) -> Response:
    """Answer with the gallery."""
    kind, ref = call.values["kind"] or "", call.values["ref"] or ""
    items = [
        {
            "number": one.seq,
            "kind": one.kind,
            "title": one.title,
            "url": one.address,
            "description": one.words,
            "maker": one.maker,
            "language": one.language,
            "datasets": list(one.refs),
            "received": one.received,
        }
        for one in reuses.shown(call.node.database.connect(), kind=kind, ref=ref)
    ]
    return as_json(call, {"items": items, "total": len(items), "next_cursor": None})


def operation() -> Operation:
    """Return what programs read."""
    return Operation(
        "listReuses",
        "/v1/reuses",
        list_reuses,
        "What others built with the data.",
        (
            Parameter("kind", "choice", "", choices=reuses.KINDS),
            Parameter("ref", "text", "What stands on this dataset."),
        ),
        media_type=JSON,
        schema="Page",
        problems=(),
    )
