"""An operation: an address, its parameters, and the function that answers it.

One declaration serves the router, the reading of parameters and OpenAPI, so none of
them can say something else than the others. The functions are synchronous and run in
threads; what waits is a coroutine.
"""

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from shahrdad.datasets.errors import (
    Language,
    Reason,
    RequestError,
    ShahrdadError,
    UnavailableError,
)
from shahrdad.node.http import problems
from shahrdad.node.http.answers import JSON, Call, dump
from shahrdad.node.http.languages import preferred
from shahrdad.node.http.parameters import Parameter, read
from shahrdad.node.http.view import NodeView

LOG = structlog.get_logger("shahrdad.http")
Answering = Callable[[Call], Response] | Callable[[Call], Awaitable[Response]]
ShowError = Callable[[NodeView, Request, ShahrdadError], Response]


@dataclass(frozen=True, slots=True)
class Operation:
    """One address of an API.

    Attributes:
        id: Unique; programs generated from OpenAPI name their methods by it.
        path: With `{variables}`; `{n}` is a whole number.
        tolerant: Unknown parameters are ignored, and `call.values` is empty.
        media_type: Of the good answer.
        schema: Name of the good answer's JSON Schema in OpenAPI; "" for other bytes.
        problems: Problem types besides those that any address may give.
        redirect: The status of an answer that leads elsewhere; 0 where there is none.
        body: The JSON Schema of what is sent; None where nothing is.
    """

    id: str
    path: str
    call: Answering
    summary: str
    parameters: Sequence[Parameter] = ()
    methods: tuple[str, ...] = ("GET",)
    tolerant: bool = False
    media_type: str = JSON
    schema: str = ""
    problems: tuple[str, ...] = ("not-found",)
    redirect: int = 0
    body: Mapping[str, Any] | None = None
    examples: Mapping[str, str] = field(default_factory=dict)

    def route(self, node: NodeView, show_error: "ShowError | None" = None) -> Route:
        """Return the route that serves this operation."""
        path = self.path.replace("{n}", "{n:int}")
        serve = endpoint(self, node, show_error or problem_answer)
        return Route(path, serve, methods=list(self.methods), name=self.id)


def endpoint(
    operation: Operation, node: NodeView, show: ShowError
) -> Callable[[Request], Awaitable[Response]]:
    """Return the coroutine that answers an operation, its errors too."""
    waits = inspect.iscoroutinefunction(operation.call)

    async def serve(request: Request) -> Response:
        try:
            call = Call(node, request, _values(operation, request), _language(request))
            if waits:
                return await cast(
                    "Callable[[Call], Awaitable[Response]]", operation.call
                )(call)
            work = cast("Callable[[Call], Response]", operation.call)
            return await run_in_threadpool(work, call)
        except ShahrdadError as error:
            return await run_in_threadpool(show, node, request, error)
        except Exception:
            # The log has the trace; outside, only the number to find it by.
            LOG.exception("request failed", request_id=request_id(request))
            failure = UnavailableError(Reason.INTERNAL, request_id=request_id(request))
            return await run_in_threadpool(show, node, request, failure)

    return serve


def _values(operation: Operation, request: Request) -> Mapping[str, Any]:
    if operation.tolerant:
        return {}
    return read(request.scope["query_string"], operation.parameters)


def _language(request: Request) -> Language:
    return preferred(request.headers.get("accept-language"))


def request_id(request: Request) -> str:
    """Return the number that this node gave to a request."""
    return str(request.scope.get("shahrdad.request_id", ""))


def problem_answer(node: NodeView, request: Request, error: ShahrdadError) -> Response:
    """Answer with a problem document."""
    language = _language(request)
    body = problems.document(
        error,
        language=language,
        request_id=request_id(request),
        public_url=node.config.public_url,
    )
    headers = {**problems.headers(error), "Content-Language": language}
    return Response(
        dump(body),
        problems.status_of(error),
        headers=headers,
        media_type=problems.MEDIA_TYPE,
    )


def address_unknown(request: Request) -> RequestError:
    """Return the error of an address where nothing is."""
    return RequestError(Reason.ADDRESS_UNKNOWN, path=request.url.path[:200])
