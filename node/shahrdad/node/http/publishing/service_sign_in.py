"""Sign in through the city's sign-in service, where one is configured.

    /sign-in/service ──▶ the service ──▶ /sign-in/back ──▶ the desk
                                               └──▶ /sign-in/code ──▶ the desk

The service says who somebody is; the link that an administrator made says which account
that is, and its second factor is asked for here, as after a password. A cookie of ten
minutes binds the way to one browser.
"""

from starlette.responses import Response

from shahrdad.datasets.errors import Reason, RequestError, ShahrdadError
from shahrdad.node.accounts import audit, linking, sessions
from shahrdad.node.accounts.limits import FLOW_SECONDS
from shahrdad.node.accounts.linking import Flow, Half
from shahrdad.node.accounts.moments import LONG_AGO
from shahrdad.node.accounts.provider import Provider, provider_of
from shahrdad.node.http import problems
from shahrdad.node.http.publishing import signing_in
from shahrdad.node.http.publishing.counter import Door, Visit, see_other
from shahrdad.node.http.write import sessions_api

COOKIE = "__Host-sign-in"
STATE_LETTERS_MAX = 200
_CAUSES = frozenset(
    {
        "access_denied",
        "login_required",
        "interaction_required",
        "consent_required",
        "account_selection_required",
        "temporarily_unavailable",
        "server_error",
    }
)


def leave(visit: Visit) -> Response:
    """Send the browser to the service; somebody signed in proves themselves again."""
    try:
        return _leave(visit, _provider(visit))
    except ShahrdadError as error:
        return _refusal(visit, error)


def _leave(visit: Visit, provider: Provider) -> Response:
    again = signing_in.known(visit) is not None
    wanted = signing_in.inside(visit.call.request.query_params.get("next", ""))
    state, browser = linking.new_secret(), linking.new_secret()
    flow = Flow(
        linking.new_secret(), linking.new_secret(), again, wanted, visit.language
    )
    address = provider.authorization_address(
        state, flow.nonce, flow.verifier, _age_max(flow)
    )
    with visit.node.database.transaction() as connection:
        linking.begin(
            connection, visit.node.account_key, state, browser, flow, visit.at
        )
    answer = see_other(address)
    answer.headers["Set-Cookie"] = _cookie(browser, FLOW_SECONDS)
    return answer


def come_back(visit: Visit) -> Response:
    """Take what the service sent the browser back with."""
    try:
        flow, half = _vouched(visit, _provider(visit))
    except ShahrdadError as error:
        return _refusal(visit, error)
    if half.account.has_second_factor:
        connection = visit.node.database.connect()
        key, browser = visit.node.account_key, _browser(visit)
        linking.hold(connection, key, browser, half, visit.at)
        return see_other(f"/{flow.language}/publish/sign-in/code")
    return _enter(visit, half, flow.language)


def _vouched(visit: Visit, provider: Provider) -> tuple[Flow, Half]:
    """Return the sign-in that came back, and whom the service vouches for.

    Raises:
        RequestError: SIGN_IN_STALE, PROVIDER_REFUSED, IDENTITY_UNLINKED, LOGIN_REFUSED,
            SECOND_FACTOR_NEEDED.
        PeerError: PROVIDER_WRONG.
        UnavailableError: PROVIDER_AWAY.
    """
    query = visit.call.request.query_params
    issuer = visit.node.config.oidc.issuer
    state = query.get("state", "")
    if not 1 <= len(state) <= STATE_LETTERS_MAX:
        raise linking.stale()
    with visit.node.database.transaction() as connection:
        flow = linking.take(
            connection, visit.node.account_key, state, _browser(visit), visit.at
        )
    if query.get("iss", issuer) != issuer:  # RFC 9207: another service's answer
        raise linking.stale()
    if "error" in query:
        cause = query["error"]
        detail = cause if cause in _CAUSES else "error"
        raise RequestError(Reason.PROVIDER_REFUSED, detail=detail)
    identity = provider.redeem(
        query.get("code", ""), flow.verifier, flow.nonce, _age_max(flow), visit.at
    )
    account = linking.account_of(
        visit.node.database.connect(), issuer, identity.subject
    )
    if account is None:
        raise RequestError(
            Reason.IDENTITY_UNLINKED, subject=identity.subject, issuer=issuer
        )
    if account.disabled:
        raise RequestError(Reason.LOGIN_REFUSED)
    sessions.check_second_factor(account)
    return flow, Half(account, identity.proved, flow.wanted)


def ask_code(visit: Visit) -> Response:
    """Show the form for the second factor."""
    try:
        half = _held(visit)
    except ShahrdadError as error:
        return _refusal(visit, error)
    return _code_form(visit, half)


def take_code(visit: Visit) -> Response:
    """Take the second factor, and begin the session."""
    try:
        half = _held(visit)
    except ShahrdadError as error:
        return _refusal(visit, error)
    try:
        sessions.authenticate_second(
            visit.node.database,
            visit.node.account_key,
            half.account,
            visit.form.text("code", "-")[:40],
            asker=visit.actor,
            at=visit.at,
        )
    except ShahrdadError as error:
        answer = _code_form(visit, half, error)
        answer.status_code = problems.status_of(error)
        return answer
    return _enter(visit, half, visit.language)


def _enter(visit: Visit, half: Half, language: str) -> Response:
    """Begin the session; what needs a fresh password counts from the service's word."""
    linking.drop(visit.node.database.connect(), visit.node.account_key, _browser(visit))
    _, cookie = sessions_api.begin(
        visit.node,
        visit.call.request,
        half.account,
        visit.actor,
        visit.at,
        half.proved or LONG_AGO,
    )
    answer = see_other(half.wanted or f"/{language}/publish")
    answer.headers.append("Set-Cookie", cookie)
    answer.headers.append("Set-Cookie", _cookie("", 0))
    return answer


def _refusal(visit: Visit, error: ShahrdadError) -> Response:
    """Show the form of the password with what went wrong; the audit has it too."""
    with visit.node.database.transaction() as connection:
        audit.append(
            connection,
            visit.actor,
            "login.service",
            "unknown",
            at=visit.at,
            decision="refused",
            reason=error.reason.value,
        )
    return signing_in.refused(visit, error)


def _code_form(
    visit: Visit, half: Half, error: ShahrdadError | None = None
) -> Response:
    return visit.show(
        "second_factor.html",
        account=half.account.name,
        error=error.text(visit.language) if error else "",
    )


def _provider(visit: Visit) -> Provider:
    """Return the service.

    Raises:
        RequestError: ADDRESS_UNKNOWN: none is configured.
    """
    found = provider_of(visit.node.config)
    if found is None:
        raise RequestError(Reason.ADDRESS_UNKNOWN, path=visit.call.request.url.path)
    return found


def _held(visit: Visit) -> Half:
    connection = visit.node.database.connect()
    return linking.held(connection, visit.node.account_key, _browser(visit), visit.at)


def _age_max(flow: Flow) -> int | None:
    """Return how old the proof may be: again means now."""
    return 0 if flow.again else None


def _browser(visit: Visit) -> str:
    return visit.call.request.cookies.get(COOKIE, "")[:STATE_LETTERS_MAX]


def _cookie(text: str, seconds: int) -> str:
    """Return the cookie that binds the way to a browser.

    Lax, since the service leads back here from another site.
    """
    return f"{COOKIE}={text}; Path=/; Max-Age={seconds}; Secure; HttpOnly; SameSite=Lax"


def doors() -> list[Door]:
    """Return the addresses."""
    return [
        Door("LeaveForService", "GET", "/sign-in/service", None, leave),
        Door("ComeBack", "GET", "/sign-in/back", None, come_back),
        Door("AskCode", "GET", "/sign-in/code", None, ask_code),
        Door("TakeCode", "POST", "/sign-in/code", None, take_code, "form"),
    ]
