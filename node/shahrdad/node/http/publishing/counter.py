"""One way into every page of the desk: who asks, may they, from where, with what form.

A `Door` declares an address, the right that it takes and the function that does the
work in a thread. As on the write side of `/v1`, everything else is the same for all:
the session, fetch metadata, re-authentication, bounds, the audit row of a refusal,
`no-store`. A bearer token opens no page.
"""

from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from urllib.parse import parse_qsl, quote

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from shahrdad.datasets.errors import Language, Reason, RequestError, ShahrdadError
from shahrdad.node.accounts.moments import present
from shahrdad.node.accounts.roles import Action, Actor
from shahrdad.node.city import Node
from shahrdad.node.desk.jobs import Jobs
from shahrdad.node.http import pages
from shahrdad.node.http.answers import Call
from shahrdad.node.http.limits import BODY_BYTES_MAX
from shahrdad.node.http.operations import Operation
from shahrdad.node.http.rendering import page
from shahrdad.node.http.view import NodeView
from shahrdad.node.http.write import authority
from shahrdad.node.http.write.limits import UPLOAD_BYTES_MAX

FORM_FIELDS_MAX = 2_000
ENVELOPE_BYTES_MAX = 64 * 1024  # of a form around its file
TEXT_LETTERS_MAX = 10_000
Takes = Literal["nothing", "form", "file"]


@dataclass(frozen=True, slots=True)
class Form:
    """What a form sent: every field is a list of texts."""

    fields: Mapping[str, list[str]] = field(default_factory=dict)
    file: UploadFile | None = None

    def text(self, name: str, default: str | None = None) -> str:
        """Return a field's text, trimmed; without a default it must be filled in.

        Raises:
            RequestError: FORM_INCOMPLETE, MEMBER_WRONG.
        """
        value = (self.fields.get(name) or [""])[0].strip()
        if len(value) > TEXT_LETTERS_MAX or "\0" in value:
            raise RequestError(
                Reason.MEMBER_WRONG,
                pointer=name[:80],
                expected=f"text, at most {TEXT_LETTERS_MAX}",
            )
        if not value and default is None:
            raise RequestError(Reason.FORM_INCOMPLETE, field=name)
        return value or default or ""


@dataclass(frozen=True, slots=True)
class Visit:
    """One request to the desk, as the function that answers it sees it."""

    call: Call
    node: Node
    jobs: Jobs
    language: Language
    actor: Actor
    at: datetime
    form: Form = field(default_factory=Form)

    @property
    def number(self) -> str:
        """The number of the draft in the address."""
        return str(self.call.path["draft"])

    def address(self, *parts: str) -> str:
        """Return an address of the desk in the language of this visit."""
        return "/".join((f"/{self.language}/publish", *parts))

    def show(self, name: str, **values: Any) -> Response:
        """Answer with a page, which no cache keeps."""
        found = page(
            self.call, f"publishing/{name}", self.language, actor=self.actor, **values
        )
        found.headers["Cache-Control"] = "no-store"
        return found

    def lead(self, *parts: str) -> Response:
        """Lead to another page of the desk."""
        return see_other(self.address(*parts))


Work = Callable[[Visit], Response]


@dataclass(frozen=True, slots=True)
class Door:
    """An address of the desk.

    Attributes:
        path: Below `/fa/publish` and `/en/publish`.
        right: What the visitor must be allowed for any dataset; the work itself checks
            the one that it is about. None: whoever has not signed in yet.
    """

    name: str
    method: Literal["GET", "POST"]
    path: str
    right: Action | None
    work: Work
    takes: Takes = "nothing"

    def route(self, language: Language, node: Node, jobs: Jobs) -> Route:
        """Return the route that serves this address in a language."""

        async def answer(call: Call) -> Response:
            return await self._answer(call, language, node, jobs)

        operation = Operation(
            f"publish{self.name}{language.title()}",
            f"/{language}/publish{self.path}",
            answer,
            "",
            methods=(self.method,),
            tolerant=True,
        )
        return operation.route(node, _show_fault(node))

    async def _answer(
        self, call: Call, language: Language, node: Node, jobs: Jobs
    ) -> Response:
        """Admit the visitor, read the form within its bound, work in a thread."""
        at = present()
        actor = await run_in_threadpool(self._admit, node, call.request, at)
        form = Form()
        if self.takes == "form":
            form = await read_form(call.request)
        elif self.takes == "file":
            form = await read_file_form(call.request)
        visit = Visit(call, node, jobs, language, actor, at, form)
        try:
            return await run_in_threadpool(self._work, visit)
        finally:
            if form.file is not None:
                await form.file.close()

    def _admit(self, node: Node, request: Request, at: datetime) -> Actor:
        """Return who asks, when that one may ask at all.

        Raises:
            RequestError: UNAUTHENTICATED, CSRF_REFUSED, FORBIDDEN,
                REAUTHENTICATION_NEEDED.
        """
        if self.right is None:
            authority.check_site(node, request)
            return authority.stranger(request)
        actor = authority.authenticate(node, request, at)
        if actor.token is not None or actor.scopes is not None:
            raise RequestError(Reason.UNAUTHENTICATED)
        with authority.refusals_noted(node, actor, request, self.right, at):
            authority.check_right(actor, request, self.right, at)
        return actor

    def _work(self, visit: Visit) -> Response:
        """Do the work; a refused write leaves a row in the audit."""
        request = visit.call.request
        with authority.refusals_noted(
            visit.node, visit.actor, request, self.right, visit.at
        ):
            return self.work(visit)


def _show_fault(node: Node) -> Callable[[NodeView, Request, ShahrdadError], Response]:
    """Return what shows an error: a stranger is led to the door."""

    def show(_: NodeView, request: Request, error: ShahrdadError) -> Response:
        language, path = request.url.path[1:3], request.url.path
        known = {Reason.UNAUTHENTICATED, Reason.REAUTHENTICATION_NEEDED}
        if error.reason not in known or path.endswith("/sign-in"):
            return pages.show_fault(node, request, error)
        if request.method not in authority.SAFE and path.count("/") > 3:
            path = path.rpartition("/")[0]
        again = "&again=1" if error.reason is Reason.REAUTHENTICATION_NEEDED else ""
        return see_other(
            f"/{language}/publish/sign-in?next={quote(path, safe='')}{again}"
        )

    return show


def see_other(address: str) -> Response:
    """Lead elsewhere with GET; no cache keeps it."""
    return RedirectResponse(address, 303, {"Cache-Control": "no-store"})


async def read_form(request: Request) -> Form:
    """Return the fields of a form of at most a megabyte.

    Raises:
        RequestError: TOO_LARGE, MALFORMED, MEDIA_TYPE.
    """
    given = request.headers.get("content-type", "").partition(";")[0].strip()
    if given != "application/x-www-form-urlencoded":
        expected = "application/x-www-form-urlencoded"
        raise RequestError(Reason.MEDIA_TYPE, expected=expected, given=given or "–")
    body = b""
    async for chunk in _bounded(request, BODY_BYTES_MAX):
        body += chunk
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=FORM_FIELDS_MAX,
        )
    except ValueError as error:
        raise RequestError(
            Reason.MALFORMED, field="form", detail="not a form"
        ) from error
    fields: dict[str, list[str]] = {}
    for name, value in pairs:
        fields.setdefault(name, []).append(value)
    return Form(fields)


async def read_file_form(request: Request) -> Form:
    """Return a form with a file; the parser keeps the file on disk.

    Raises:
        RequestError: TOO_LARGE, MALFORMED, MEDIA_TYPE.
    """
    given = request.headers.get("content-type", "")
    if not given.startswith("multipart/form-data"):
        raise RequestError(
            Reason.MEDIA_TYPE, expected="multipart/form-data", given=given[:60] or "–"
        )
    parser = MultiPartParser(
        request.headers,
        _bounded(request, UPLOAD_BYTES_MAX + ENVELOPE_BYTES_MAX),
        max_files=1,
        max_fields=50,
    )
    try:
        found = await parser.parse()
    except (MultiPartException, KeyError, ValueError) as error:
        raise RequestError(
            Reason.MALFORMED, field="form", detail="not a form"
        ) from error
    fields: dict[str, list[str]] = {}
    file = None
    for name, value in found.multi_items():
        if isinstance(value, str):
            fields.setdefault(name, []).append(value)
        else:
            file = value
    return Form(fields, file)


async def _bounded(request: Request, bound: int) -> AsyncGenerator[bytes, None]:
    """Yield a body, refusing one that says beforehand that it is too long.

    Raises:
        RequestError: TOO_LARGE.
    """
    length = request.headers.get("content-length", "")
    size = int(length) if length.isascii() and length.isdigit() else 0
    seen = 0
    async for chunk in request.stream():
        seen += len(chunk)
        if max(seen, size) > bound:
            raise RequestError(
                Reason.TOO_LARGE, size_bytes=max(seen, size), size_bytes_max=bound
            )
        yield chunk
