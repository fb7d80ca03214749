"""`/d/{ref}/feedback`: what readers say of a dataset, and a form to say it (portal 4).

A node takes remarks on its own city's datasets alone: only their publisher can answer.
"""

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from shahrdad.datasets.errors import Language, RequestError
from shahrdad.node import feedback
from shahrdad.node.http import problems
from shahrdad.node.http.answers import Call
from shahrdad.node.http.portal.boxes import Box, bounded, is_desk_served, wrong
from shahrdad.node.http.portal.limits import NAME_LETTERS_MAX, WORDS_LETTERS_MAX
from shahrdad.node.http.portal.viewing import name_of
from shahrdad.node.http.publishing.counter import Form
from shahrdad.node.http.rendering import page

FIELDS = ("kind", "place", "words", "name")


def show(call: Call, language: Language) -> Response:
    """Show the remarks on a dataset, and the form."""
    return _page(call, language, {})


def _page(
    call: Call,
    language: Language,
    typed: Mapping[str, str],
    error: RequestError | None = None,
) -> Response:
    dataset = call.node.catalog.get(call.ref)
    answer = page(
        call,
        "portal/feedback.html",
        language,
        dataset=dataset,
        title=dataset.title_fa if language == "fa" else dataset.title_en,
        city=name_of(call, dataset.city),
        remarks=feedback.shown(call.node.database.connect(), call.ref),
        kinds=feedback.KINDS,
        takes=takes(call),
        typed={name: typed.get(name, "") for name in FIELDS},
        error=error.text(language) if error else "",
        sent="sent" in call.request.query_params,
        words_max=WORDS_LETTERS_MAX,
        name_max=NAME_LETTERS_MAX,
    )
    if error is not None:
        answer.status_code = problems.status_of(error)
    return answer


def takes(call: Call) -> bool:
    """Tell whether this node takes remarks on the dataset of an address."""
    own = call.path["city"] == call.node.config.node.city
    return own and is_desk_served(call)


def said_of(call: Call, form: Form, language: Language) -> feedback.Said:
    """Return what a form says.

    Raises:
        RequestError: DATASET_UNKNOWN, FORM_INCOMPLETE, MEMBER_WRONG.
    """
    version = call.node.catalog.get(call.ref).version
    kind = form.text("kind")
    if kind not in feedback.KINDS:
        raise wrong("kind", " | ".join(feedback.KINDS))
    found: dict[str, Any] = {
        "place": bounded(form.text("place", ""), "place", NAME_LETTERS_MAX),
        "words": bounded(form.text("words"), "words", WORDS_LETTERS_MAX),
        "name": bounded(form.text("name", ""), "name", NAME_LETTERS_MAX),
    }
    return feedback.Said(call.ref, version, kind, language=language, **found)


def box() -> Box[feedback.Said]:
    """Return what takes remarks."""
    return Box(FIELDS, said_of, feedback.add, _page, takes)
