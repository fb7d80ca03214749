"""A node's refusal (RFC 9457) as an error of our own tree.

The reason is the node's own where it names one whose sentence its values fill, so a
reader meets the same reason as the operator; otherwise it is NODE_PROBLEM.

    404, 4xx   RequestError      nothing there, or asked wrongly
    410        ConflictError     withdrawn or redacted: the state moved on
    429, 5xx   UnavailableError  the same call later

>>> from shahrdad.client.problems import error_of
>>> error = error_of("https://example.ir", 410, {
...     "type": "urn:shahrdad:problem:withdrawn", "ref": "kerman/trees",
...     "withdrawn": {"time": "2026-11-22T10:00:00Z", "reason": "error", "by": None}})
>>> type(error).__name__, str(error)
('ConflictError', 'kerman/trees was withdrawn at 2026-11-22T10:00:00Z; reason: error')
"""

import json
from collections.abc import Mapping
from string import Formatter
from typing import Any

from shahrdad.datasets.errors import (
    ConflictError,
    Reason,
    RequestError,
    ShahrdadError,
    UnavailableError,
    messages,
)

_PREFIX = "urn:shahrdad:problem:"
_TEXT_CHARACTERS_MAX = 1_000  # of a stranger's sentence


def parse_problem(content: bytes) -> dict[str, Any]:
    """Return the members of a problem; empty when the answer is none."""
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return value if type(value) is dict else {}


def error_of(node: str, status: int, problem: Mapping[str, Any]) -> ShahrdadError:
    """Return the error that an answer stands for.

    Args:
        node: Who answered.
        status: Its HTTP status, 400 or above.
        problem: The members of its problem; empty when it sent none.
    """
    kind = str(problem.get("type", "")).removeprefix(_PREFIX)
    error_class = _class_of(status)
    reason, values = _own_reason(kind, problem)
    if reason is not None:
        return error_class(reason, **values)
    return error_class(
        Reason.NODE_PROBLEM,
        node=node,
        status=status,
        problem=kind[:100] or "about:blank",
        detail=_detail(problem),
    )


def _class_of(status: int) -> type[ShahrdadError]:
    """Return who can put it right."""
    if status == 429 or status >= 500:
        return UnavailableError
    return ConflictError if status in {409, 410, 412} else RequestError


def _own_reason(
    kind: str, problem: Mapping[str, Any]
) -> tuple[Reason | None, dict[str, str | int]]:
    """Return the reason that a problem names, with the values of its sentence."""
    members: dict[str, Any] = dict(problem)
    errors = problem.get("errors")
    if type(errors) is list and errors and type(errors[0]) is dict:
        members |= errors[0]
    withdrawn = problem.get("withdrawn")
    if kind == "withdrawn" and type(withdrawn) is dict:
        members = {"ref": problem.get("instance", "-"), **members}
        members |= {"time": withdrawn.get("time"), "cause": withdrawn.get("reason")}
        members["reason"] = Reason.DATASET_WITHDRAWN
    named = members.get("reason")
    if type(named) not in (str, Reason) or named not in set(Reason):
        return None, {}
    reason = Reason(named)
    sentence = messages("en")[reason]
    names = {name for _, name, _, _ in Formatter().parse(sentence) if name}
    values = {name: members.get(name) for name in names}
    if any(type(value) not in (str, int) for value in values.values()):
        return None, {}
    return reason, {
        name: value[:_TEXT_CHARACTERS_MAX] if isinstance(value, str) else int(value)
        for name, value in values.items()
        if value is not None
    }


def _detail(problem: Mapping[str, Any]) -> str:
    """Return a problem's sentence in both languages, since ours is in either."""
    both = problem.get("messages")
    texts = [both.get("fa"), both.get("en")] if type(both) is dict else []
    found = [text for text in texts if type(text) is str and text]
    if not found:
        found = [str(problem.get("detail") or problem.get("title") or "-")]
    return " / ".join(found)[:_TEXT_CHARACTERS_MAX]
