"""What readers wrote: a publisher shows it with an answer, or refuses it."""

from starlette.responses import Response

from shahrdad.node import feedback
from shahrdad.node.accounts.roles import Action
from shahrdad.node.http.parameters import Parameter
from shahrdad.node.http.publishing import moderation
from shahrdad.node.http.publishing.counter import Door, Visit

MENDED = Parameter("mended", "integer", "", minimum=1, maximum=1_000_000)


def ask(visit: Visit) -> Response:
    """Show what waits for a word, and what was decided last."""
    found = feedback.queue(visit.node.database.connect(), visit.actor)
    return moderation.show_queue(visit, "feedback.html", found)


def decide(visit: Visit) -> Response:
    """Show a remark to everybody, or refuse it."""
    number, state = moderation.decision_of(visit)
    mended = visit.form.text("mended", "")
    decision = feedback.Decision(
        number,
        state,
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
