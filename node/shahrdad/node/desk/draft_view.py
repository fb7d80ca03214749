"""A draft as the API and the command show it: accounts by name, digests in hex."""

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from shahrdad.node.accounts import people
from shahrdad.node.accounts.roles import Action, Actor, Role
from shahrdad.node.desk.drafts import Draft, Place, State, walk

if TYPE_CHECKING:
    from shahrdad.node.city import Node


def document(node: "Node", draft: Draft) -> dict[str, Any]:
    """Return the members of a draft."""
    connection = node.database.connect()
    now = draft.now
    answers = json.loads(now.answers)
    removal = now.kind != "publish"
    return {
        "id": draft.id,
        "kind": now.kind,
        "ref": f"{node.config.node.city}/{now.slug}",
        "family": now.family,
        "state": draft.state,
        "revision": draft.revision,
        "verdict": now.verdict,
        "digest": draft.digest.hex if draft.digest else None,
        "file_name": now.file_name,
        "original": now.original.hex if now.original else None,
        "report": now.report.hex if now.report else None,
        "answers": None if removal else answers,
        "wish": answers if removal else None,
        "author": people.name_of(connection, draft.author),
        "submitter": people.name_of(connection, draft.submitter),
        "approver": people.name_of(connection, draft.approver),
        "writers": [people.name_of(connection, one) for one in draft.writers],
        "created": draft.created,
        "updated": draft.updated,
        "reason": draft.reason,
        "version": draft.version,
        "index": draft.index,
    }


def page_of(
    node: "Node",
    actor: Actor,
    states: Sequence[State],
    *,
    limit: int,
    after: Place | None = None,
    wanted: Callable[[Draft], bool] = lambda draft: True,
) -> tuple[list[Draft], Place | None]:
    """Return a page of the drafts that somebody may see, the one changed last first.

    Args:
        node: The node.
        actor: Who looks.
        states: In which states they are.
        limit: The most of a page.
        after: Where the page before ended.
        wanted: Chooses among them.

    Returns:
        The drafts, and where the next page begins; None: there is none.
    """
    found: list[Draft] = []
    for draft in walk(node.database.connect(), states, after):
        if may_see(actor, draft) and wanted(draft):
            if len(found) == limit:
                return found, found[-1].place
            found.append(draft)
    return found, None


def may_see(actor: Actor, draft: Draft) -> bool:
    """Tell whether somebody may look at a draft.

    Editors see what they had a hand in, publishers what they may approve, auditors
    everything, administrators the redactions.
    """
    slug = draft.now.slug
    if not actor.reaches(Action.DRAFT_READ, slug):
        return False
    if actor.account in {draft.author, draft.submitter, *draft.writers}:
        return True
    if draft.now.kind == "redact" and actor.holds(frozenset({Role.ADMIN}), slug):
        return True
    return actor.holds(frozenset({Role.PUBLISHER, Role.AUDITOR}), slug)
