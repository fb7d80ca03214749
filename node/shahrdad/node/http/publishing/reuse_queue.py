"""What makers built with the city's data: a publisher shows it, or refuses it."""

from starlette.responses import Response

from shahrdad.node import reuses
from shahrdad.node.accounts.roles import Action
from shahrdad.node.http.publishing import moderation
from shahrdad.node.http.publishing.counter import Door, Visit


def ask(visit: Visit) -> Response:
    """Show what waits to be looked at, and what was decided last."""
    city = visit.node.config.node.city
    found = reuses.queue(visit.node.database.connect(), visit.actor, city)
    return moderation.show_queue(visit, "reuses.html", found)


def decide(visit: Visit) -> Response:
    """Show a reuse to everybody, or refuse it."""
    number, state = moderation.decision_of(visit)
    with visit.node.database.transaction() as connection:
        reuses.decide(
            connection,
            number,
            state,
            visit.actor,
            visit.node.config.node.city,
            visit.at,
        )
    return visit.lead("reuses")


def doors() -> list[Door]:
    """Return the addresses."""
    path, right = "/reuses", Action.FEEDBACK
    return [
        Door("Reuses", "GET", path, right, ask),
        Door("DecideReuse", "POST", path, right, decide, "form"),
    ]
