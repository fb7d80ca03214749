"""Who is asking: a bearer token, or a session cookie that another site cannot use.

A cookie travels with every request that a browser makes, also with one that a foreign
page started. So an unsafe method with a cookie must say by `Sec-Fetch-Site` that it
comes from the node's own pages, or by an `Origin` that is `public_url`. A bearer token
travels only when a program sends it, and needs no such word.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime

from starlette.requests import Request

from shahrdad.datasets.errors import Reason, RequestError, ShahrdadError
from shahrdad.node.accounts import audit, sessions, tokens
from shahrdad.node.accounts.roles import Action, Actor
from shahrdad.node.city import Node
from shahrdad.node.http.operations import request_id

SAFE = frozenset({"GET", "HEAD"})
TOKEN_BYTES_MAX = 200
SUBJECT_LETTERS_MAX = 120


def authenticate(node: Node, request: Request, at: datetime) -> Actor:
    """Return whom a request acts as.

    Raises:
        RequestError: UNAUTHENTICATED, CSRF_REFUSED.
    """
    connection = node.database.connect()
    header = request.headers.get("authorization", "")
    if header:
        scheme, _, text = header.partition(" ")
        found = None
        if scheme.lower() == "bearer" and len(text) <= TOKEN_BYTES_MAX:
            found = tokens.resolve(connection, node.account_key, text.strip(), at)
        if found is None:  # a bad token is no leave to go on with a cookie
            raise RequestError(Reason.UNAUTHENTICATED)
        if found.token is not None:
            tokens.note_use(connection, found.token, address(request), at)
        return placed(found, request)
    cookie = request.cookies.get(sessions.COOKIE, "")
    if not cookie or len(cookie) > TOKEN_BYTES_MAX:
        raise RequestError(Reason.UNAUTHENTICATED)
    check_site(node, request)
    found = sessions.resolve(connection, node.account_key, cookie, at)
    if found is None:
        raise RequestError(Reason.UNAUTHENTICATED)
    return placed(found, request)


def check_site(node: Node, request: Request) -> None:
    """Refuse an unsafe request that a foreign page may have started.

    Raises:
        RequestError: CSRF_REFUSED.
    """
    if request.method in SAFE:
        return
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        right = site in {"same-origin", "none"}
    else:
        right = request.headers.get("origin") == node.config.public_url
    if not right:
        raise RequestError(Reason.CSRF_REFUSED)


def check_right(actor: Actor, request: Request, right: Action, at: datetime) -> None:
    """Refuse whom the roles do not allow, and a write long after the password.

    Raises:
        RequestError: FORBIDDEN, SCOPE_MISSING, REAUTHENTICATION_NEEDED.
    """
    actor.check(right)
    if request.method not in SAFE:
        sessions.check_fresh(actor, right, at)


@contextmanager
def refusals_noted(
    node: Node, actor: Actor, request: Request, right: Action | None, at: datetime
) -> Iterator[None]:
    """Leave a row in the audit of a write that is refused in this block."""
    try:
        yield
    except ShahrdadError as error:
        if request.method not in SAFE and right is not None:
            # What was asked for, without the door: /v1, /fa or /en.
            subject = request.url.path.split("/", 2)[-1][:SUBJECT_LETTERS_MAX]
            audit.refuse(node.database, actor, right.value, subject, error, at)
        raise


def stranger(request: Request) -> Actor:
    """Return who has not signed in yet, for the audit."""
    return placed(Actor(0, ""), request)


def placed(actor: Actor, request: Request) -> Actor:
    """Return an actor with the address and number of its request."""
    return replace(actor, address=address(request), request=request_id(request))


def address(request: Request) -> str:
    """Return the address that the connection came from."""
    return request.client.host if request.client else ""
