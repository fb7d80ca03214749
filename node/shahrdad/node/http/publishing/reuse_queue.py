"""What makers built with the city's data: a publisher shows it, or refuses it."""

from typing import cast

from starlette.responses import Response

from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.node import reuses
from shahrdad.node.accounts.roles import Action
from shahrdad.node.http.publishing.counter import Door, Visit
from shahrdad.node.http.publishing.feedback_queue import DECISIONS, NUMBER


def ask(visit: Visit) -> Response:
    """Show what waits to be looked at, and what was decided last."""
    city = visit.node.config.node.city
    found = reuses.queue(visit.node.database.connect(), visit.actor, city)
    return visit.show(
        "reuses.html",
        waiting=[one for one in found if one.state == "waiting"],
        decided=[one for one in found if one.state != "waiting"],
    )


def decide(visit: Visit) -> Response:
    """Show a reuse to everybody, or refuse it."""
    state = visit.form.text("decision")
    if state not in DECISIONS:
        raise RequestError(
            Reason.MEMBER_WRONG, pointer="decision", expected=" | ".join(DECISIONS)
        )
    with visit.node.database.transaction() as connection:
        reuses.decide(
            connection,
            NUMBER.read(visit.form.text("number")),
            cast("reuses.State", state),
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
