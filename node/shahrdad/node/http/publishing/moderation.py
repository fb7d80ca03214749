"""The desk's pages of what strangers sent: what waits, and the two buttons."""

from collections.abc import Sequence
from typing import Any, cast

from starlette.responses import Response

from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.node.http.parameters import Parameter
from shahrdad.node.http.publishing.counter import Visit
from shahrdad.node.moderation import State

NUMBER = Parameter("number", "integer", "", minimum=1)
DECISIONS = ("shown", "refused")


def show_queue(visit: Visit, template: str, found: Sequence[Any]) -> Response:
    """Show what waits, and what was decided last; each of `found` has a state."""
    return visit.show(
        template,
        waiting=[one for one in found if one.state == "waiting"],
        decided=[one for one in found if one.state != "waiting"],
    )


def decision_of(visit: Visit) -> tuple[int, State]:
    """Return which one is meant, and what is decided.

    Raises:
        RequestError: FORM_INCOMPLETE, MEMBER_WRONG.
    """
    state = visit.form.text("decision")
    if state not in DECISIONS:
        raise RequestError(
            Reason.MEMBER_WRONG, pointer="decision", expected=" | ".join(DECISIONS)
        )
    return NUMBER.read(visit.form.text("number")), cast("State", state)
