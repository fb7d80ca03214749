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
    return _form(visit, query.get("next", ""), known(visit))


def sign_in(visit: Visit) -> Response:
    """Begin a session; an older one of the same browser ends."""
    wanted, signed_in = visit.form.text("next", ""), known(visit)
    try:
        account = sessions.authenticate(
            visit.node.database,
            visit.node.account_key,
            signed_in.name if signed_in else visit.form.text("account", "-")[:80],
            visit.form.text("password", "-")[:1024],
            visit.form.text("code", "-")[:40],
            asker=visit.actor,
            at=visit.at,
        )
    except ShahrdadError as error:
        return refused(visit, error, wanted)
    request = visit.call.request
    _, cookie = sessions_api.begin(visit.node, request, account, visit.actor, visit.at)
    answer = see_other(inside(wanted) or visit.address())
    answer.headers["Set-Cookie"] = cookie
    return answer


def sign_out(visit: Visit) -> Response:
    """End the session."""
    cookie = sessions_api.end(visit.node, visit.call.request, visit.actor, visit.at)
    answer = see_other(f"/{visit.language}/publish/sign-in")
    answer.headers["Set-Cookie"] = cookie
    return answer


def refused(visit: Visit, error: ShahrdadError, wanted: str = "") -> Response:
    """Show the form again with what went wrong."""
    answer = _form(visit, wanted, known(visit), error)
    answer.status_code = problems.status_of(error)
    return answer


def inside(wanted: str) -> str:
    """Return an address of the desk, or nothing where it leads elsewhere."""
    return wanted if _INSIDE.fullmatch(wanted) else ""


def known(visit: Visit) -> Actor | None:
    """Return who is signed in, or None."""
    try:
        return authority.authenticate(visit.node, visit.call.request, visit.at)
    except RequestError:
        return None


def _form(
    visit: Visit,
    wanted: str,
    signed_in: Actor | None,
    error: ShahrdadError | None = None,
) -> Response:
    wanted, service = inside(wanted), visit.node.config.oidc
    names = {"fa": service.name_fa, "en": service.name_en}
    return visit.show(
        "sign_in.html",
        wanted=wanted,
        wanted_query=f"?next={quote(wanted, safe='')}" if wanted else "",
        known=signed_in,
        by_service=bool(service.issuer and service.client_id),
        service_name=names[visit.language],
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
