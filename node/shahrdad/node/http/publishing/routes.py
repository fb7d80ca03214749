"""Every address of the desk, in both languages, for the application."""

from starlette.routing import Route

from shahrdad.node.city import Node
from shahrdad.node.desk.jobs import Jobs
from shahrdad.node.http.languages import LANGUAGES
from shahrdad.node.http.publishing import (
    asking,
    checking,
    choosing,
    deciding,
    describing,
    feedback_queue,
    notices_page,
    queue,
    reuse_queue,
    service_sign_in,
    signing_in,
    valuing,
)
from shahrdad.node.http.publishing.counter import Door


def doors() -> list[Door]:
    """Return all addresses, in order of matching."""
    return [
        *queue.doors(),
        *signing_in.doors(),
        *service_sign_in.doors(),
        *notices_page.doors(),
        *feedback_queue.doors(),
        *reuse_queue.doors(),
        *choosing.doors(),
        *asking.doors(),
        *valuing.doors(),
        *checking.doors(),
        *describing.doors(),
        *deciding.doors(),
    ]


def routes(node: Node, jobs: Jobs) -> list[Route]:
    """Return the routes of a node that can be written to."""
    return [
        door.route(language, node, jobs) for language in LANGUAGES for door in doors()
    ]
