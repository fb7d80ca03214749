"""`/v1/session`: sign in, give the password again, sign out."""

from datetime import datetime

from starlette.requests import Request

from shahrdad.node.accounts import audit, people, sessions
from shahrdad.node.accounts.limits import SESSION_SECONDS
from shahrdad.node.accounts.roles import Action, Actor
from shahrdad.node.city import Node
from shahrdad.node.http.write import members
from shahrdad.node.http.write.writing import Desk, Done, Writing

_NAMED = ("account", "password", "code")


def sign_in(desk: Desk) -> Done:
    """Begin a session; an older one of the same browser ends."""
    members.check_known(desk.body, _NAMED)
    account = sessions.authenticate(
        desk.node.database,
        desk.node.account_key,
        members.text(desk.body, "account", letters_max=80),
        members.text(desk.body, "password", letters_max=1024),
        members.text(desk.body, "code", "", letters_max=40),
        asker=desk.actor,
        at=desk.at,
    )
    return _opened(desk, account)


def sign_in_again(desk: Desk) -> Done:
    """Give the password again: a new session, as fresh as a new one."""
    members.check_known(desk.body, _NAMED[1:])
    account = sessions.authenticate(
        desk.node.database,
        desk.node.account_key,
        desk.actor.name,
        members.text(desk.body, "password", letters_max=1024),
        members.text(desk.body, "code", "", letters_max=40),
        asker=desk.actor,
        at=desk.at,
    )
    return _opened(desk, account)


def show(desk: Desk) -> Done:
    """Answer with who is signed in, and what that one may do."""
    return Done(identity(desk.actor))


def sign_out(desk: Desk) -> Done:
    """End the session."""
    cookie = end(desk.node, desk.call.request, desk.actor, desk.at)
    return Done(None, 204, {"Set-Cookie": cookie})


def identity(actor: Actor) -> dict[str, object]:
    """Return what an actor may do, as the pages and programs see it."""
    return {
        "account": actor.name,
        "kind": actor.kind,
        "roles": [str(grant) for grant in actor.grants],
        "scopes": None if actor.scopes is None else [str(one) for one in actor.scopes],
        "may": [action.value for action in Action if actor.may(action)],
    }


def _opened(desk: Desk, account: people.Account) -> Done:
    """Answer with a new session's cookie; the one before counts no more."""
    asker, cookie = begin(desk.node, desk.call.request, account, desk.actor, desk.at)
    return Done(identity(asker), 201, {"Set-Cookie": cookie})


def begin(
    node: Node,
    request: Request,
    account: people.Account,
    by: Actor,
    at: datetime,
    proved: datetime | None = None,
) -> tuple[Actor, str]:
    """Begin a session of an account that proved itself; the one before ends.

    Args:
        node: The node.
        request: The request that proved it, with the cookie of the session before.
        account: Whose it is.
        by: Address and number of the request.
        at: When.
        proved: When the password was given, where that is longer ago.

    Returns:
        The account as it acts, and the header `Set-Cookie`.
    """
    close(node, request)
    asker = Actor(
        account.id,
        account.name,
        account.kind,
        account.grants,
        address=by.address,
        request=by.request,
    )
    text = sessions.open_session(
        node.database, node.account_key, account, asker, at, proved
    )
    return asker, _cookie(text, SESSION_SECONDS)


def end(node: Node, request: Request, by: Actor, at: datetime) -> str:
    """End the session of a request, and return the header `Set-Cookie`."""
    close(node, request)
    with node.database.transaction() as connection:
        audit.append(connection, by, "logout", by.name, at=at)
    return _cookie("", 0)


def close(node: Node, request: Request) -> None:
    """Let the session of a request count no more."""
    cookie = request.cookies.get(sessions.COOKIE)
    if cookie:
        connection = node.database.connect()
        sessions.close_session(connection, node.account_key, cookie)


def _cookie(text: str, seconds: int) -> str:
    """Return the cookie; `__Host-` makes browsers refuse it without TLS."""
    return (
        f"{sessions.COOKIE}={text}; Path=/; Max-Age={seconds};"
        " Secure; HttpOnly; SameSite=Lax"
    )


def writings() -> list[Writing]:
    """Return the four addresses."""
    path = "/v1/session"
    return [
        Writing("signIn", "POST", path, None, sign_in, "Sign in.", "json", secret=True),
        Writing("getSession", "GET", path, Action.IDENTITY, show, "Who is signed in."),
        Writing("signOut", "DELETE", path, Action.IDENTITY, sign_out, "Sign out."),
        Writing(
            "signInAgain",
            "POST",
            f"{path}/reauthentication",
            Action.IDENTITY,
            sign_in_again,
            "Give the password again.",
            "json",
            secret=True,
        ),
    ]
