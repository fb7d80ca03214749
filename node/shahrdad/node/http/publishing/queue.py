"""The queue: what is on one's own desk, and what waits for one's word.

Each list shows its newest changes and leads to the older ones, page by page, so what
waits for a word is found whatever else has piled up.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from starlette.responses import Response

from shahrdad.datasets import standards
from shahrdad.datasets.errors import RequestError
from shahrdad.node.accounts import people
from shahrdad.node.accounts.roles import Action
from shahrdad.node.desk import drafts, intakes, uploads
from shahrdad.node.desk.draft_view import page_of
from shahrdad.node.desk.drafts import Draft, Place, State
from shahrdad.node.http.pages_of_lists import decode, encode
from shahrdad.node.http.publishing.counter import Door, Visit


@dataclass(frozen=True, slots=True)
class Part:
    """One list of the queue.

    Attributes:
        states: Of its drafts.
        shown: The most of a page.
        wanted: Which of them.
    """

    states: tuple[State, ...]
    shown: int = 50
    wanted: Callable[[Visit, Draft], bool] = lambda visit, draft: True


def show(visit: Visit) -> Response:
    """Show the queue of whoever asks, or a further page of one of its lists."""
    asked = visit.call.request.query_params
    part, cursor = asked.get("part", ""), asked.get("cursor")
    if part in PARTS and cursor is not None:
        after = cast("Place", decode(part, cursor, ("", "")))
        pages = {**dict.fromkeys(PARTS), part: _page(visit, part, after)}
        return visit.show("queue.html", may_hand_in=False, intakes=[], **pages)
    found = intakes.waiting(visit.node.database.connect(), visit.actor.account)
    may_hand_in = visit.actor.may(Action.DRAFT_WRITE)
    pages = {part: _page(visit, part) for part in PARTS}
    return visit.show(
        "queue.html",
        may_hand_in=may_hand_in,
        intakes=[line_of_intake(visit, one) for one in found],
        **{**pages, "mine": pages["mine"] if may_hand_in else None},
    )


def _page(visit: Visit, name: str, after: Place | None = None) -> dict[str, Any]:
    """Return a page of a list, and the address of the next one."""
    part = PARTS[name]
    found, place = page_of(
        visit.node,
        visit.actor,
        part.states,
        limit=part.shown,
        after=after,
        wanted=lambda draft: part.wanted(visit, draft),
    )
    older = f"?part={name}&cursor={encode(name, place)}" if place else ""
    return {
        "drafts": [line(visit, one) for one in found],
        "older": visit.address() + older if older else "",
    }


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


PARTS = {
    "to_decide": Part(("submitted",), wanted=decides),
    "mine": Part(("draft", "returned")),
    "elsewhere": Part(
        ("submitted", "approved"), wanted=lambda visit, one: not decides(visit, one)
    ),
    "published": Part(("published",), shown=10),
}


def doors() -> list[Door]:
    """Return the address."""
    return [Door("Queue", "GET", "", Action.IDENTITY, show)]
