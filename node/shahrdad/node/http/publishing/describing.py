"""Describe: titles, licence, sources and a note, filled in from last time."""

import json
from dataclasses import replace
from typing import Any

from starlette.responses import Response

from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.node.accounts.roles import Action
from shahrdad.node.desk import intakes
from shahrdad.node.http.publishing.asking import judge
from shahrdad.node.http.publishing.checking import visible
from shahrdad.node.http.publishing.choosing import check_open
from shahrdad.node.http.publishing.counter import Door, Visit
from shahrdad.node.record import LICENSES

TEXTS = (
    *("title_fa", "title_en", "description_fa", "description_en"),
    *("note_fa", "note_en"),
)
TITLE_LETTERS_MAX = 300
SOURCES_MAX = 20


def ask(visit: Visit) -> Response:
    """Show the form with what the draft says now."""
    draft = visible(visit)
    answers = json.loads(draft.now.answers)
    return visit.show(
        "describe.html",
        draft=draft,
        told=answers.get("description", {}),
        declared=(answers.get("context") or {}).get("declared", {}),
        licenses=LICENSES,
    )


def describe(visit: Visit) -> Response:
    """Take the description; the record is made anew, and judged as always."""
    connection = visit.node.database.connect()
    intake = intakes.get(connection, visit.number, visit.actor.account)
    check_open(visit, intake.id)
    draft = visible(visit)
    told = _told(visit)
    answers = json.loads(draft.now.answers)
    if told == _comparable(answers.get("description", {})):
        return visit.lead(intake.id, "review")  # nothing was changed
    said = replace(intake.said, description=told)
    return judge(visit, replace(intake, said=said), then="review")


def _told(visit: Visit) -> dict[str, Any]:
    """Return the description that the form says.

    Raises:
        RequestError: FORM_INCOMPLETE, MEMBER_WRONG, LICENSE_UNKNOWN.
    """
    form = visit.form
    told: dict[str, Any] = {name: form.text(name, "") for name in TEXTS}
    for name in ("title_fa", "title_en"):
        if not told[name]:
            raise RequestError(Reason.FORM_INCOMPLETE, field=name)
        if len(told[name]) > TITLE_LETTERS_MAX:
            expected = f"text, at most {TITLE_LETTERS_MAX}"
            raise RequestError(Reason.MEMBER_WRONG, pointer=name, expected=expected)
    told["license"] = form.text("license")
    if told["license"] not in LICENSES:
        raise RequestError(
            Reason.LICENSE_UNKNOWN,
            license=told["license"][:40],
            licenses=", ".join(LICENSES),
        )
    lines = form.text("sources", "").splitlines()
    told["sources"] = [one.strip() for one in lines if one.strip()][:SOURCES_MAX]
    told["example"] = bool(form.text("example", ""))
    return told


def _comparable(description: dict[str, Any]) -> dict[str, Any]:
    """Return a draft's description in the shape of the form."""
    told: dict[str, Any] = {name: description.get(name, "") for name in TEXTS}
    told["license"] = description.get("license", "")
    told["sources"] = [one.get("title", "") for one in description.get("sources", ())]
    told["example"] = bool(description.get("example"))
    return told


def doors() -> list[Door]:
    """Return the addresses."""
    write = Action.DRAFT_WRITE
    return [
        Door("Describe", "GET", "/{draft}/describe", write, ask),
        Door("Redescribe", "POST", "/{draft}/describe", write, describe, "form"),
    ]
