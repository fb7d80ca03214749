"""Sign in with password and second factor; give the password again; sign out."""

import re
from urllib.parse import quote

from starlette.responses import Response

from shahrdad.datasets.errors import RequestError, ShahrdadError
from shahrdad.node.accounts import sessions
from shahrdad.node.accounts.roles import Action, Actor
from shahrdad.node.http import problems
from shahrdad.node.http.publishing.counter import Door, Visit, see_other
from shahrdad.node.http.write import authority, sessions_api

_INSIDE = re.compile(r"/(?:fa|en)/publish(?:/[0-9A-Za-z-]{1,40}){0,3}")


def ask(visit: Visit) -> Response:
    """Show the form; somebody who is signed in already gives the password again."""
    query = visit.call.request.query_params
    return _form(visit, query.get("next", ""), _known(visit))


def sign_in(visit: Visit) -> Response:
    """Begin a session; an older one of the same browser ends."""
    wanted, known = visit.form.text("next", ""), _known(visit)
    try:
        account = sessions.authenticate(
            visit.node.database,
            visit.node.account_key,
            known.name if known else visit.form.text("account", "-")[:80],
            visit.form.text("password", "-")[:1024],
            visit.form.text("code", "-")[:40],
            asker=visit.actor,
            at=visit.at,
        )
    except ShahrdadError as error:
        answer = _form(visit, wanted, known, error)
        answer.status_code = problems.status_of(error)
        return answer
    request = visit.call.request
    _, cookie = sessions_api.begin(visit.node, request, account, visit.actor, visit.at)
    answer = see_other(wanted if _INSIDE.fullmatch(wanted) else visit.address())
    answer.headers["Set-Cookie"] = cookie
    return answer


def sign_out(visit: Visit) -> Response:
    """End the session."""
    cookie = sessions_api.end(visit.node, visit.call.request, visit.actor, visit.at)
    answer = see_other(f"/{visit.language}/publish/sign-in")
    answer.headers["Set-Cookie"] = cookie
    return answer


def _known(visit: Visit) -> Actor | None:
    """Return who is signed in, or None."""
    try:
        return authority.authenticate(visit.node, visit.call.request, visit.at)
    except RequestError:
        return None


def _form(
    visit: Visit, wanted: str, known: Actor | None, error: ShahrdadError | None = None
) -> Response:
    wanted = wanted if _INSIDE.fullmatch(wanted) else ""
    return visit.show(
        "sign_in.html",
        wanted=wanted,
        wanted_query=f"?next={quote(wanted, safe='')}" if wanted else "",
        known=known,
        account=visit.form.text("account", "")[:80],
        error=error.text(visit.language) if error else "",
    )


def doors() -> list[Door]:
    """Return the addresses."""
    return [
        Door("SignIn", "GET", "/sign-in", None, ask),
        Door("Enter", "POST", "/sign-in", None, sign_in, "form"),
        Door("Leave", "POST", "/sign-out", Action.IDENTITY, sign_out, "form"),
    ]
