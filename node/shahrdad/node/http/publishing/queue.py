"""The queue: what is on one's own desk, and what waits for one's word."""

import json
from typing import Any

from starlette.responses import Response

from shahrdad.datasets import standards
from shahrdad.datasets.errors import RequestError
from shahrdad.node.accounts import people
from shahrdad.node.accounts.roles import Action
from shahrdad.node.desk import drafts, intakes, uploads
from shahrdad.node.desk.draft_view import may_see
from shahrdad.node.desk.drafts import Draft
from shahrdad.node.http.publishing.counter import Door, Visit

PUBLISHED_SHOWN = 10


def show(visit: Visit) -> Response:
    """Show the queue of whoever asks."""
    connection = visit.node.database.connect()
    seen = [
        draft
        for draft in drafts.find(
            connection, ["draft", "returned", "submitted", "approved"]
        )
        if may_see(visit.actor, draft)
    ]
    published = [
        draft
        for draft in drafts.find(connection, ["published"], 100)
        if may_see(visit.actor, draft)
    ]
    waiting = [draft for draft in seen if draft.state in {"submitted", "approved"}]
    return visit.show(
        "queue.html",
        may_hand_in=visit.actor.may(Action.DRAFT_WRITE),
        intakes=[
            line_of_intake(visit, one)
            for one in intakes.waiting(connection, visit.actor.account)
        ],
        mine=[line(visit, one) for one in seen if one.state in {"draft", "returned"}],
        to_decide=[line(visit, one) for one in waiting if decides(visit, one)],
        elsewhere=[line(visit, one) for one in waiting if not decides(visit, one)],
        published=[line(visit, one) for one in published[:PUBLISHED_SHOWN]],
    )


def decides(visit: Visit, draft: Draft) -> bool:
    """Tell whether the visitor may approve or return a draft."""
    action = Action.REDACT_APPROVE if draft.now.kind == "redact" else Action.APPROVE
    if draft.state != "submitted" or not visit.actor.may(action, draft.now.slug):
        return False
    try:
        drafts.check_other_person(visit.node.database.connect(), draft, visit.actor)
    except RequestError:
        return False
    return True


def line(visit: Visit, draft: Draft) -> dict[str, Any]:
    """Return what a list shows of a draft."""
    connection = visit.node.database.connect()
    who = draft.submitter or draft.author
    return {
        "id": draft.id,
        "title": title_of(visit, draft),
        "kind": draft.now.kind,
        "ref": f"{visit.node.config.node.city}/{draft.now.slug}",
        "state": draft.state,
        "verdict": draft.now.verdict,
        "file_name": draft.now.file_name,
        "who": people.name_of(connection, who),
        "updated": draft.updated,
        "version": draft.version,
        "reason": draft.reason,
    }


def line_of_intake(visit: Visit, intake: intakes.Intake) -> dict[str, Any]:
    """Return what a list shows of a file that is no draft yet."""
    file = uploads.find(visit.node, visit.actor, intake.upload)
    standard = standards.load(intake.family)
    return {
        "id": intake.id,
        "title": standard.title(visit.language),
        "file_name": file.file_name,
        "stage": intake.stage,
        "updated": intake.updated,
    }


def title_of(visit: Visit, draft: Draft) -> str:
    """Return a draft's title in the visitor's language; else its slug."""
    answers = json.loads(draft.now.answers)
    told = answers.get("description") or {}
    return str(told.get(f"title_{visit.language}") or draft.now.slug)


def doors() -> list[Door]:
    """Return the address."""
    return [Door("Queue", "GET", "", Action.IDENTITY, show)]
