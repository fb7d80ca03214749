"""What holds for every request: its number, its limits, headers of every answer."""

import time
from collections.abc import Callable

import structlog
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.node.http import limits
from shahrdad.node.http.identity import ulid
from shahrdad.node.http.operations import problem_answer
from shahrdad.node.http.rates import Rates, Verdict, caller_of, cost_of, networks
from shahrdad.node.http.view import NodeView
from shahrdad.node.http.write.places import is_private

LOG = structlog.get_logger("shahrdad.http.access")
EXPOSED = (
    "ETag, Link, Content-Location, Content-Disposition, Content-Range, Repr-Digest,"
    " RateLimit, RateLimit-Policy, Retry-After, X-Request-Id"
)
PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, HEAD",
    "Access-Control-Allow-Headers": "Range, If-None-Match, If-Range",
    "Access-Control-Max-Age": "86400",
}
READING = frozenset({"GET", "HEAD"})
Observe = Callable[[str, str, int, float], None]  # route, method, status, seconds
Note = Callable[[Scope, int], None]  # the request once routed, status


class Frame:
    """ASGI middleware around the whole application."""

    def __init__(
        self,
        app: ASGIApp,
        node: NodeView,
        observe: Observe,
        note: Note | None = None,
    ) -> None:
        self._app = app
        self._node = node
        self._observe = observe
        self._note = note
        section = node.config.http
        self._rates = Rates(section.requests_per_minute, section.requests_burst)
        self._trusted = networks(section.trusted_proxies)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request inside the frame."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        scope["shahrdad.request_id"] = number = ulid()
        status = 0
        open_to_all = not is_private(scope["path"])
        counted = self._count(scope)

        async def framed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                _complete(message, number, scope["method"], open_to_all)
                if counted is not None:
                    add(message, counted.headers)
            await send(message)

        refusal = _refusal(scope)
        if counted is not None and not counted.allowed:
            refusal = RequestError(
                Reason.RATE_LIMITED, wait_seconds=counted.wait_seconds
            )
        if refusal is not None:
            request = Request(scope)
            answer = problem_answer(self._node, request, refusal)
            await answer(scope, receive, framed)
        elif open_to_all and _is_preflight(scope):
            await _preflight(framed)
        else:
            await self._app(scope, receive, framed)
        route = getattr(scope.get("route"), "path", None) or "none"
        seconds = time.perf_counter() - started
        self._observe(route, scope["method"], status, seconds)
        if self._note is not None:
            self._note(scope, status)
        LOG.info(
            "request",
            request_id=number,
            method=scope["method"],
            route=route,
            status=status,
            ms=round(seconds * 1000, 1),
        )

    def _count(self, scope: Scope) -> Verdict | None:
        """Return whether a caller may still ask; None where nothing is counted."""
        cost = cost_of(scope["path"], scope.get("query_string") or b"")
        if not cost or not self._rates.counting:
            return None
        caller = caller_of(scope, self._trusted)
        return self._rates.take(caller, cost) if caller else None


def add(message: Message, more: dict[str, str]) -> None:
    """Add headers to the start of an answer."""
    headers = MutableHeaders(raw=list(message["headers"]))
    for name, value in more.items():
        headers[name] = value
    message["headers"] = headers.raw


def _complete(message: Message, number: str, method: str, open_to_all: bool) -> None:
    """Add the headers of every answer, leaving what the answer itself says."""
    headers = MutableHeaders(raw=list(message["headers"]))
    headers["X-Request-Id"] = number
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("Referrer-Policy", "strict-origin-when-cross-origin")
    if method in READING and open_to_all:
        headers["Access-Control-Allow-Origin"] = "*"
        headers["Access-Control-Expose-Headers"] = EXPOSED
    message["headers"] = headers.raw


def _refusal(scope: Scope) -> RequestError | None:
    """Return why a request is not even looked at, or None."""
    path, query = scope.get("raw_path") or b"", scope.get("query_string") or b""
    size = len(path) + len(query)
    long_allowed = b"/rows/" in path or b"/export/" in path
    bound = limits.ADDRESS_ROWS_BYTES_MAX if long_allowed else limits.ADDRESS_BYTES_MAX
    if size > bound:
        return RequestError(
            Reason.ADDRESS_TOO_LONG, size_bytes=size, size_bytes_max=bound
        )
    weight = sum(len(name) + len(value) for name, value in scope["headers"])
    if weight > limits.HEADERS_BYTES_MAX:
        return RequestError(
            Reason.HEADERS_TOO_LARGE,
            size_bytes=weight,
            size_bytes_max=limits.HEADERS_BYTES_MAX,
        )
    return None


def _is_preflight(scope: Scope) -> bool:
    names = {name for name, _ in scope["headers"]}
    return scope["method"] == "OPTIONS" and b"access-control-request-method" in names


async def _preflight(send: Send) -> None:
    """Answer a browser that asks whether it may read."""
    headers = MutableHeaders(PREFLIGHT)
    headers["Access-Control-Allow-Origin"] = "*"
    headers["Content-Length"] = "0"
    await send({"type": "http.response.start", "status": 204, "headers": headers.raw})
    await send({"type": "http.response.body", "body": b""})
