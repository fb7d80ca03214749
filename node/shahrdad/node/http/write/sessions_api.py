"""`/v1/session`: sign in, give the password again, sign out."""

from shahrdad.node.accounts import audit, people, sessions
from shahrdad.node.accounts.limits import SESSION_SECONDS
from shahrdad.node.accounts.roles import Action, Actor
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
    _close(desk)
    with desk.node.database.transaction() as connection:
        audit.append(connection, desk.actor, "logout", desk.actor.name, at=desk.at)
    return Done(None, 204, {"Set-Cookie": _cookie("", 0)})


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
    _close(desk)
    asker = Actor(
        account.id,
        account.name,
        account.kind,
        account.grants,
        address=desk.actor.address,
        request=desk.actor.request,
    )
    node = desk.node
    text = sessions.open_session(
        node.database, node.account_key, account, asker, desk.at
    )
    headers = {"Set-Cookie": _cookie(text, SESSION_SECONDS)}
    return Done(identity(asker), 201, headers)


def _close(desk: Desk) -> None:
    cookie = desk.call.request.cookies.get(sessions.COOKIE)
    if cookie:
        connection = desk.node.database.connect()
        sessions.close_session(connection, desk.node.account_key, cookie)


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
