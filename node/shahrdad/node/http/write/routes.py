"""Every address of the write side, for the application."""

from starlette.routing import Route

from shahrdad.node.city import Node
from shahrdad.node.http.write import (
    accounts_api,
    drafts_api,
    jobs_api,
    resuming_api,
    sessions_api,
)
from shahrdad.node.http.write.metrics import Metrics
from shahrdad.node.http.write.writing import Writing


def writings() -> list[Writing]:
    """Return all addresses but `/metrics`, in order of matching."""
    return [
        *sessions_api.writings(),
        *drafts_api.writings(),
        *resuming_api.writings(),
        *accounts_api.writings(),
        *jobs_api.writings(),
    ]


def routes(node: Node, metrics: Metrics) -> list[Route]:
    """Return the routes of a node that can be written to."""
    every = [*writings(), metrics.writing()]
    return [one.operation(node).route(node) for one in every]
