"""`/d/{ref}/feedback`: what readers say of a dataset, and a form to say it (portal 4).

A node takes remarks on its own city's datasets alone: only their publisher can answer.
The form works without JavaScript and keeps what was typed when something is missing.
"""

from collections.abc import Mapping
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from shahrdad.datasets.errors import Language, Reason, RequestError
from shahrdad.node import feedback
from shahrdad.node.accounts.moments import present
from shahrdad.node.http import problems
from shahrdad.node.http.answers import Call
from shahrdad.node.http.portal.limits import NAME_LETTERS_MAX, WORDS_LETTERS_MAX
from shahrdad.node.http.portal.viewing import name_of
from shahrdad.node.http.publishing.counter import Form, read_form
from shahrdad.node.http.rates import Rates, caller_of, networks
from shahrdad.node.http.rendering import page

PER_MINUTE, BURST = 1, 5  # remarks of one caller
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
    return own and call.request.app.state.jobs is not None


class Box:
    """Takes what readers write, a few remarks from each caller."""

    def __init__(self) -> None:
        self._rates = Rates(PER_MINUTE, BURST)

    async def receive(self, call: Call, language: Language) -> Response:
        """Keep a remark for the publisher, and lead back with thanks."""
        form = await read_form(call.request)
        return await run_in_threadpool(self._keep, call, language, form)

    def _keep(self, call: Call, language: Language, form: Form) -> Response:
        dataset = call.node.catalog.get(call.ref)
        if not takes(call):
            raise RequestError(Reason.ADDRESS_UNKNOWN, path=call.request.url.path[:200])
        try:
            said = said_of(form, call.ref, dataset.version, language)
            counted(self._rates, call)
            with call.node.database.transaction() as connection:
                feedback.add(connection, said, present())
        except RequestError as error:
            typed = {name: (form.fields.get(name) or [""])[0] for name in FIELDS}
            return _page(call, language, typed, error)
        address = f"/{language}/d/{call.ref}/feedback?sent=yes#sent"
        return RedirectResponse(address, 303, {"Cache-Control": "no-store"})


def counted(rates: Rates, call: Call) -> None:
    """Refuse a caller who writes too often; one that nobody can name counts too.

    Raises:
        RequestError: RATE_LIMITED.
    """
    trusted = networks(call.node.config.http.trusted_proxies)
    verdict = rates.take(caller_of(call.request.scope, trusted), 1)
    if not verdict.allowed:
        raise RequestError(Reason.RATE_LIMITED, wait_seconds=verdict.wait_seconds)


def said_of(form: Form, ref: str, version: int, language: Language) -> feedback.Said:
    """Return what a form says.

    Raises:
        RequestError: FORM_INCOMPLETE, MEMBER_WRONG.
    """
    kind = form.text("kind")
    if kind not in feedback.KINDS:
        raise wrong("kind", " | ".join(feedback.KINDS))
    found: dict[str, Any] = {
        "place": bounded(form.text("place", ""), "place", NAME_LETTERS_MAX),
        "words": bounded(form.text("words"), "words", WORDS_LETTERS_MAX),
        "name": bounded(form.text("name", ""), "name", NAME_LETTERS_MAX),
    }
    return feedback.Said(ref, version, kind, language=language, **found)


def bounded(text: str, name: str, letters_max: int) -> str:
    """Return a text that is not too long.

    Raises:
        RequestError: MEMBER_WRONG.
    """
    if len(text) > letters_max:
        raise wrong(name, f"text, at most {letters_max}")
    return text


def wrong(name: str, expected: str) -> RequestError:
    """Return the error of a field that is not as it must be."""
    return RequestError(Reason.MEMBER_WRONG, pointer=name, expected=expected)
