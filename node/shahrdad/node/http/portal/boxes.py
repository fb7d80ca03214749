"""Boxes on pages of the portal: a stranger's form, kept until a publisher looked at it.

A form works without JavaScript and keeps what was typed when something is missing. A
caller may send a few, and a node whose desk is not served takes none.
"""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Generic, TypeVar

from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from shahrdad.datasets.errors import Language, Reason, RequestError
from shahrdad.node.accounts.moments import present
from shahrdad.node.http.answers import Call
from shahrdad.node.http.publishing.counter import Form, read_form
from shahrdad.node.http.rates import Rates, caller_of, networks

PER_MINUTE, BURST = 1, 5  # of one caller, in each box
Sent = TypeVar("Sent")
Read = Callable[[Call, Form, Language], Sent]
Keep = Callable[[sqlite3.Connection, Sent, datetime], None]
Show = Callable[[Call, Language, Mapping[str, str], RequestError | None], Response]


class Box(Generic[Sent]):
    """Takes what one form sends.

    Args:
        fields: The names of the form's fields.
        read: Returns what was sent, or refuses it.
        keep: Writes it down, in a transaction.
        show: Shows the form again, with what was typed and what is wrong.
        takes: Whether the form of an address is open.
    """

    def __init__(
        self,
        fields: Sequence[str],
        read: Read[Sent],
        keep: Keep[Sent],
        show: Show,
        takes: Callable[[Call], bool],
    ) -> None:
        self._fields = fields
        self._read = read
        self._keep = keep
        self._show = show
        self._takes = takes
        self._rates = Rates(PER_MINUTE, BURST)

    async def receive(self, call: Call, language: Language) -> Response:
        """Keep what was sent for the publishers, and lead back with thanks."""
        form = await read_form(call.request)
        return await run_in_threadpool(self._receive, call, language, form)

    def _receive(self, call: Call, language: Language, form: Form) -> Response:
        path = call.request.url.path
        if not self._takes(call):
            raise RequestError(Reason.ADDRESS_UNKNOWN, path=path[:200])
        try:
            sent = self._read(call, form, language)
            self._count(call)
            with call.node.database.transaction() as connection:
                self._keep(connection, sent, present())
        except RequestError as error:
            typed = {name: (form.fields.get(name) or [""])[0] for name in self._fields}
            return self._show(call, language, typed, error)
        headers = {"Cache-Control": "no-store"}
        return RedirectResponse(f"{path}?sent=yes#sent", 303, headers)

    def _count(self, call: Call) -> None:
        """Refuse who writes too often; a caller that nobody can name counts too.

        Raises:
            RequestError: RATE_LIMITED.
        """
        trusted = networks(call.node.config.http.trusted_proxies)
        verdict = self._rates.take(caller_of(call.request.scope, trusted), 1)
        if not verdict.allowed:
            raise RequestError(Reason.RATE_LIMITED, wait_seconds=verdict.wait_seconds)


def is_desk_served(call: Call) -> bool:
    """Tell whether this node has a desk, where somebody can look at what came."""
    return call.request.app.state.jobs is not None


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
