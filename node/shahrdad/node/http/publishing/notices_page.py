"""Notices by e-mail: everybody chooses for themselves."""

from starlette.responses import Response

from shahrdad.datasets.errors import RequestError
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
    )
    if error is not None:
        answer.status_code = problems.status_of(error)
    return answer


def doors() -> list[Door]:
    """Return the addresses."""
    path, right = "/notices", Action.IDENTITY
    return [
        Door("Notices", "GET", path, right, ask),
        Door("ChooseNotices", "POST", path, right, choose, "form"),
    ]
