"""What readers wrote: a publisher shows it with an answer, or refuses it."""

from typing import cast

from starlette.responses import Response

from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.node import feedback
from shahrdad.node.accounts.roles import Action
from shahrdad.node.http.parameters import Parameter
from shahrdad.node.http.publishing.counter import Door, Visit

NUMBER = Parameter("number", "integer", "", minimum=1)
MENDED = Parameter("mended", "integer", "", minimum=1, maximum=1_000_000)
DECISIONS = ("shown", "refused")


def ask(visit: Visit) -> Response:
    """Show what waits for a word, and what was decided last."""
    found = feedback.queue(visit.node.database.connect(), visit.actor)
    return visit.show(
        "feedback.html",
        waiting=[one for one in found if one.state == "waiting"],
        decided=[one for one in found if one.state != "waiting"],
    )


def decide(visit: Visit) -> Response:
    """Show a remark to everybody, or refuse it."""
    state = visit.form.text("decision")
    if state not in DECISIONS:
        raise RequestError(
            Reason.MEMBER_WRONG, pointer="decision", expected=" | ".join(DECISIONS)
        )
    mended = visit.form.text("mended", "")
    decision = feedback.Decision(
        NUMBER.read(visit.form.text("number")),
        cast("feedback.State", state),
        visit.form.text("answer", ""),
        MENDED.read(mended) if mended else None,
    )
    with visit.node.database.transaction() as connection:
        feedback.decide(connection, decision, visit.actor, visit.at)
    return visit.lead("feedback")


def doors() -> list[Door]:
    """Return the addresses."""
    path, right = "/feedback", Action.FEEDBACK
    return [
        Door("Feedback", "GET", path, right, ask),
        Door("DecideFeedback", "POST", path, right, decide, "form"),
    ]
