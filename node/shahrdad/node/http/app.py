"""The HTTP application of a node: every route, inside one frame.

>>> from shahrdad.node.http.app import api_operations
>>> len({operation.id for operation in api_operations()}) == len(api_operations())
True
"""

import threading
from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from shahrdad.datasets.errors import Reason, RequestError, ShahrdadError
from shahrdad.node.city import Node
from shahrdad.node.desk.intake_works import WORKS
from shahrdad.node.desk.jobs import Jobs
from shahrdad.node.http import (
    analyses_api,
    catalog_api,
    dataset_api,
    discovery,
    downloads,
    facts_api,
    feeds,
    health,
    mirror,
    openapi,
    pages,
    preferences,
    reports_api,
    rows_api,
    selections,
    static_files,
    suggestions,
    verify_api,
)
from shahrdad.node.http.ckan import routes as ckan
from shahrdad.node.http.ckan.shelf import Shelf
from shahrdad.node.http.column_figures import ReportFigures
from shahrdad.node.http.delta import routes as delta
from shahrdad.node.http.delta.snapshots import Schemas
from shahrdad.node.http.exports.making import Exports
from shahrdad.node.http.frame import Frame
from shahrdad.node.http.metadata import data_json
from shahrdad.node.http.metadata import routes as metadata
from shahrdad.node.http.operations import (
    Operation,
    address_unknown,
    problem_answer,
)
from shahrdad.node.http.portal import routes as portal
from shahrdad.node.http.portal.report import Reports
from shahrdad.node.http.portal.viewing import Reading
from shahrdad.node.http.previews import Previews
from shahrdad.node.http.publishing import routes as publishing
from shahrdad.node.http.remembered import RememberedNode
from shahrdad.node.http.traced import Traced
from shahrdad.node.http.usage_counting import UsageCounting
from shahrdad.node.http.view import NodeView
from shahrdad.node.http.write import deferring
from shahrdad.node.http.write import routes as write
from shahrdad.node.http.write.deferring import DEFERRED
from shahrdad.node.http.write.metrics import Metrics
from shahrdad.node.iceberg import routes as iceberg
from shahrdad.node.search.finding import Search
from shahrdad.node.table.query_pool import QueryPool


def api_operations() -> list[Operation]:
    """Return every operation that OpenAPI describes, in order of matching."""
    return [
        *health.operations(),
        *catalog_api.operations(),
        suggestions.operation(),
        *dataset_api.operations(),
        *rows_api.operations(),
        *selections.operations(),
        *facts_api.operations(),
        *downloads.operations(),
        reports_api.operation(),
        *analyses_api.operations(),
        verify_api.operation(),
        *mirror.operations(),
        *feeds.operations(),
        *discovery.operations(),
        *metadata.operations(),
        *data_json.operations(),
        *portal.api_operations(),
        openapi.operation(api_operations),
    ]


def create_app(node: NodeView) -> Starlette:
    """Return the application that serves a node.

    Args:
        node: What it shows; it must outlive the application.
    """
    writing: list[Route] = []
    metrics = Metrics()
    jobs = usage = None
    if isinstance(node, Node):  # a mere view is read alone
        works = {**WORKS, DEFERRED: deferring.work}
        metrics.follow(node)
        jobs = Jobs(node, works, metrics.job_ended)
        usage = UsageCounting(node.database)
        writing = [*write.routes(node, metrics), *publishing.routes(node, jobs)]
        jobs.resume()
    node = RememberedNode(node)
    app = Starlette(
        routes=[
            *writing,
            *(operation.route(node) for operation in api_operations()),
            *(
                operation.route(node, pages.show_fault)
                for operation in (*pages.operations(), *portal.operations())
            ),
            *(operation.route(node) for operation in ckan.operations()),
            *delta.routes(node),
            *iceberg.routes(node),
            preferences.operation().route(node, pages.show_fault),
            static_files.operation().route(node),
        ],
        middleware=[
            Middleware(Traced),
            Middleware(
                Frame,
                node=node,
                observe=metrics.observe,
                note=usage.note if usage else None,
            ),
        ],
        exception_handlers={HTTPException: _routing_error(node)},
    )
    app.state.stopping = threading.Event()  # `serve` sets it; /readyz says so
    app.state.jobs = jobs
    app.state.usage = usage
    app.state.exports = Exports(metrics.exported)
    app.state.search = Search(node.database, node.catalog, node.config.search.engine)
    app.state.previews = Previews()
    app.state.report_figures = ReportFigures()
    app.state.reading = Reading()
    app.state.reports = Reports()
    app.state.shelf = Shelf()
    app.state.shelf.warm(node)
    app.state.schemas = Schemas()
    app.state.stats = facts_api.Stats()
    app.state.queries = QueryPool(node.store, served=metrics.rows_served)
    app.router.redirect_slashes = False
    return app


def _routing_error(
    node: NodeView,
) -> Callable[[Request, Exception], Awaitable[Response]]:
    """Return what answers an address or a method that no route has."""

    async def answer(request: Request, error: Exception) -> Response:
        is_page = request.url.path.startswith(("/fa/", "/en/"))
        show = pages.show_fault if is_page else problem_answer
        return await run_in_threadpool(show, node, request, _meaning(request, error))

    return answer


def _meaning(request: Request, error: Exception) -> ShahrdadError:
    """Return the error that the router's exception stands for."""
    if isinstance(error, HTTPException) and error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "GET, HEAD")
        names = sorted(name.strip() for name in allowed.split(","))
        return RequestError(
            Reason.METHOD_NOT_ALLOWED, method=request.method, allowed=", ".join(names)
        )
    return address_unknown(request)
