"""One way into every write: who asks, may they, is it a repetition, what was audited.

A `Writing` declares an address, the right that it takes and the function that does the
work in a thread. Everything else is the same for all, so that no address can forget it:
fetch metadata, bearer or cookie, re-authentication, `Idempotency-Key`, `If-Match`, the
audit row of a refusal, `no-store`.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.node import sent_json
from shahrdad.node.accounts.moments import present
from shahrdad.node.accounts.roles import Action, Actor
from shahrdad.node.city import Node
from shahrdad.node.http.answers import JSON, Call, dump
from shahrdad.node.http.limits import BODY_BYTES_MAX
from shahrdad.node.http.operations import Operation
from shahrdad.node.http.parameters import Parameter
from shahrdad.node.http.write import authority, deferring, repetition
from shahrdad.node.http.write.limits import UPLOAD_BYTES_MAX

Takes = Literal["nothing", "json", "file", "chunk"]


@dataclass(frozen=True, slots=True)
class Desk:
    """One write, as the function that does it sees it."""

    node: Node
    call: Call
    actor: Actor
    at: datetime
    body: Mapping[str, Any] = field(default_factory=dict)
    file: Path | None = None

    @property
    def etag(self) -> str:
        """The revision that the caller saw.

        Raises:
            RequestError: IF_MATCH_REQUIRED.
        """
        text = self.call.request.headers.get("if-match", "")
        if not text:
            raise RequestError(Reason.IF_MATCH_REQUIRED)
        return text.strip()


@dataclass(frozen=True, slots=True)
class Done:
    """What is answered; `body` is JSON, or bytes of `media_type`."""

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    media_type: str = JSON


@dataclass(frozen=True, slots=True)
class Writing:
    """An address of the write side.

    Attributes:
        right: What the caller must be allowed for any dataset; the work itself checks
            the one that it is about. None: whoever has not signed in yet.
        takes: What the body is; of a chunk as much as came is worked on.
        revised: The caller names the revision that it saw, in If-Match.
        deferrable: It may take long: `Prefer: respond-async` makes a job of it.
        secret: The answer shows something once: it is not kept for repetitions.
    """

    id: str
    method: str
    path: str
    right: Action | None
    work: Callable[[Desk], Done]
    summary: str
    takes: Takes = "nothing"
    secret: bool = False
    revised: bool = False
    deferrable: bool = False
    parameters: Sequence[Parameter] = ()

    def operation(self, node: Node) -> Operation:
        """Return the operation that the router serves."""

        async def answer(call: Call) -> Response:
            return await self._answer(node, call)

        return Operation(
            self.id,
            self.path,
            answer,
            self.summary,
            parameters=self.parameters,
            methods=(self.method,),
        )

    async def _answer(self, node: Node, call: Call) -> Response:
        """Read the body within its bound, then work in a thread."""
        at = present()
        actor = await run_in_threadpool(self._admit, node, call.request, at)
        if self.takes in {"file", "chunk"}:
            return await self._take_file(node, call, actor, at)
        raw = await _read(call.request)
        return await run_in_threadpool(self._serve, node, call, actor, at, raw)

    async def _take_file(
        self, node: Node, call: Call, actor: Actor, at: datetime
    ) -> Response:
        """Write the body to a file that is gone afterwards."""
        folder = node.config.data / "tmp"
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=folder) as place:
            path = Path(place) / "upload"
            try:
                await _receive(call.request, path)
            except ClientDisconnect:
                if self.takes == "file":
                    raise
            desk = Desk(node, call, actor, at, file=path)
            return await run_in_threadpool(self._work, desk)

    def _admit(self, node: Node, request: Request, at: datetime) -> Actor:
        """Return who asks, when that one may ask at all.

        Raises:
            RequestError: UNAUTHENTICATED, CSRF_REFUSED, FORBIDDEN, SCOPE_MISSING,
                REAUTHENTICATION_NEEDED.
        """
        if self.right is None:
            if "sec-fetch-site" in request.headers or "origin" in request.headers:
                authority.check_site(node, request)
            return authority.stranger(request)
        actor = authority.authenticate(node, request, at)
        with authority.refusals_noted(node, actor, request, self.right, at):
            authority.check_right(actor, request, self.right, at)
        return actor

    def _serve(
        self, node: Node, call: Call, actor: Actor, at: datetime, raw: bytes
    ) -> Response:
        """Do the work, or repeat the answer that the same request had."""
        request = call.request
        key = request.headers.get("idempotency-key")
        if key is None or self.secret or request.method != "POST":
            return self._work(Desk(node, call, actor, at, self._body(request, raw)))
        content = f"{request.method}\n{request.url.path}?{request.url.query}\n"
        digest = hashlib.sha256(content.encode() + raw).digest()
        database = node.database
        kept = repetition.begin(database, actor.account, key, digest, at)
        if kept is not None:
            return _response(kept, request, {"Idempotency-Replayed": "true"})
        try:
            body = self._body(request, raw)
            done = self._run(Desk(node, call, actor, at, body))
        except BaseException:
            repetition.forget(database, actor.account, key)
            raise
        repetition.keep(database, actor.account, key, done)
        return _response(done, request)

    def _work(self, desk: Desk) -> Response:
        return _response(self._run(desk), desk.call.request)

    def _run(self, desk: Desk) -> Done:
        """Do the work, or queue it where it may take long and the caller prefers so."""
        if self.deferrable and deferring.is_preferred(desk.call.request):
            return deferring.defer(self, desk)
        return self.run(desk)

    def run(self, desk: Desk) -> Done:
        """Do the work; a refused write leaves a row in the audit."""
        request = desk.call.request
        with authority.refusals_noted(
            desk.node, desk.actor, request, self.right, desk.at
        ):
            return self.work(desk)

    def _body(self, request: Request, raw: bytes) -> Mapping[str, Any]:
        """Return the JSON object of a body; {} when none is taken.

        Raises:
            RequestError: MEDIA_TYPE, MALFORMED, MEMBER_WRONG.
        """
        if self.takes != "json":
            return {}
        given = request.headers.get("content-type", "").partition(";")[0].strip()
        if given != JSON:
            raise RequestError(Reason.MEDIA_TYPE, expected=JSON, given=given or "–")
        try:
            found = sent_json.loads(raw)
        except (ValueError, RecursionError) as error:
            raise RequestError(
                Reason.MALFORMED, field="body", detail="no JSON"
            ) from error
        if not isinstance(found, dict):
            raise RequestError(Reason.MEMBER_WRONG, pointer="", expected="an object")
        return found


def _response(
    done: Done, request: Request, besides: Mapping[str, str] | None = None
) -> Response:
    """Return an answer that no cache keeps."""
    body = done.body if isinstance(done.body, bytes) else b""
    if done.body is not None and not isinstance(done.body, bytes):
        body = dump(done.body)
    headers = {
        "Cache-Control": "no-store",
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "Cross-Origin-Resource-Policy": "same-origin",
        **done.headers,
        **(besides or {}),
    }
    if done.status == 204:
        return Response(status_code=204, headers=headers)
    headers |= {"Content-Type": done.media_type, "Content-Length": str(len(body))}
    return Response(
        b"" if request.method == "HEAD" else body, done.status, headers=headers
    )


async def _read(request: Request) -> bytes:
    """Return a body of at most a megabyte.

    Raises:
        RequestError: TOO_LARGE.
    """
    body = b""
    async for chunk in request.stream():
        body += chunk
        _check_size(len(body), BODY_BYTES_MAX)
    return body


async def _receive(request: Request, path: Path) -> None:
    """Write a body to a file, refusing one that says beforehand that it is too long.

    Raises:
        RequestError: TOO_LARGE.
    """
    length = request.headers.get("content-length", "")
    if length.isascii() and length.isdigit():
        _check_size(int(length), UPLOAD_BYTES_MAX)
    size = 0
    with path.open("wb") as file:
        async for chunk in request.stream():
            size += len(chunk)
            _check_size(size, UPLOAD_BYTES_MAX)
            await run_in_threadpool(file.write, chunk)


def _check_size(size: int, bound: int) -> None:
    if size > bound:
        raise RequestError(Reason.TOO_LARGE, size_bytes=size, size_bytes_max=bound)
