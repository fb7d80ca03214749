"""Notices by e-mail: everybody chooses for themselves, and sees their tokens' ends."""

from typing import Any

from starlette.responses import Response

from shahrdad.datasets.errors import RequestError
from shahrdad.node.accounts import tokens
from shahrdad.node.accounts.limits import TOKEN_DAYS_MAX
from shahrdad.node.accounts.moments import after
from shahrdad.node.accounts.roles import Action
from shahrdad.node.desk import notices
from shahrdad.node.desk.notices import Choice
from shahrdad.node.http import problems
from shahrdad.node.http.languages import LANGUAGES
from shahrdad.node.http.publishing.counter import Door, Visit


def ask(visit: Visit) -> Response:
    """Show what the visitor chose."""
    connection = visit.node.database.connect()
    return _page(visit, notices.choice_of(connection, visit.actor.account))


def choose(visit: Visit) -> Response:
    """Keep the visitor's choice; an empty address ends the letters."""
    address = visit.form.text("address", "")
    said = visit.form.text("language", visit.language)
    language = next((one for one in LANGUAGES if one == said), visit.language)
    choice = Choice(address, language) if address else None
    try:
        with visit.node.database.transaction() as connection:
            notices.choose(connection, visit.actor.account, choice, visit.at)
    except RequestError as error:
        return _page(visit, choice, error)
    return _page(visit, choice, kept=True)


def _page(
    visit: Visit,
    choice: Choice | None,
    error: RequestError | None = None,
    *,
    kept: bool = False,
) -> Response:
    answer = visit.show(
        "notices.html",
        address=choice.address if choice else "",
        chosen=choice.language if choice else visit.language,
        sends=bool(visit.node.config.mail.host),
        error=error.text(visit.language) if error else "",
        kept=kept,
        tokens=_tokens(visit),
    )
    if error is not None:
        answer.status_code = problems.status_of(error)
    return answer


def _tokens(visit: Visit) -> list[dict[str, Any]]:
    """Return the tokens in force whose end concerns the visitor, the next one first."""
    connection = visit.node.database.connect()
    in_force = tokens.expiring(connection, visit.at, TOKEN_DAYS_MAX)
    soon = after(visit.at, days=max(notices.TOKEN_DAYS))
    return [
        {
            "label": token.label,
            "account": token.account,
            "scopes": [str(scope) for scope in token.scopes],
            "expires": token.expires,
            "soon": token.expires <= soon,
        }
        for token in sorted(in_force, key=lambda one: (one.expires, one.id))
        if visit.actor.account
        in {one.id for one in notices.people_of_token(connection, token)}
    ]


def doors() -> list[Door]:
    """Return the addresses."""
    path, right = "/notices", Action.IDENTITY
    return [
        Door("Notices", "GET", path, right, ask),
        Door("ChooseNotices", "POST", path, right, choose, "form"),
    ]
