"""Errors as people and programs outside meet them: RFC 9457 problem documents.

A problem type is a constant URN, equal on all nodes; the reason in `errors` is finer.
`problem_types` says which type a reason is, and which status a type has. Pages show
the same sentences.
"""

from collections.abc import Iterable
from typing import Any

from shahrdad.datasets.errors import (
    ConflictError,
    DataError,
    Language,
    PeerError,
    Reason,
    ShahrdadError,
    UnavailableError,
)
from shahrdad.node.http.problem_types import STATUS, TYPE_OF
from shahrdad.node.http.texts import say

URN = "urn:shahrdad:problem:"
MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = 5
_KINDS: tuple[tuple[type[ShahrdadError], str], ...] = (
    (DataError, "invalid-data"),
    (ConflictError, "conflict"),
    (PeerError, "bad-peer"),
    (UnavailableError, "not-ready"),
)


def type_of(error: ShahrdadError) -> str:
    """Return the problem type of an error; a reason of no table goes by its class."""
    found = TYPE_OF.get(error.reason)
    if found is not None:
        return found
    return next((name for kind, name in _KINDS if isinstance(error, kind)), "bad-value")


def status_of(error: ShahrdadError) -> int:
    """Return the HTTP status of an error."""
    return STATUS[type_of(error)]


def document(
    error: ShahrdadError, *, language: Language, request_id: str, public_url: str
) -> dict[str, Any]:
    """Return the problem document of an error."""
    kind = type_of(error)
    values = error.values
    found = {
        "type": URN + kind,
        "title": say(language, f"problem.{kind}"),
        "status": STATUS[kind],
        "detail": error.text(language),
        "messages": {"fa": error.text("fa"), "en": error.text("en")},
        "errors": [{"reason": error.reason.value, **values}],
        "help": f"{public_url}/{language}/problems/{kind}",
        "request_id": request_id,
    }
    if error.reason is Reason.DATASET_WITHDRAWN:
        found["withdrawn"] = {
            "time": values["time"],
            "reason": values["cause"] or None,
            "by": values.get("by") or None,
        }
    return found


def headers(error: ShahrdadError) -> dict[str, str]:
    """Return the headers that belong to an error's status."""
    found = {"Cache-Control": "no-store", "Vary": "Accept-Language"}
    if status_of(error) in {429, 503}:
        wait = error.values.get("wait_seconds", RETRY_SECONDS)
        found["Retry-After"] = str(wait)
    if status_of(error) == 401:
        found["WWW-Authenticate"] = "Bearer"
    if error.reason is Reason.METHOD_NOT_ALLOWED:
        found["Allow"] = str(error.values["allowed"])
    if error.reason is Reason.RANGE_NOT_SATISFIABLE:
        found["Content-Range"] = f"bytes */{error.values['size_bytes']}"
    return found


def reasons_of(kind: str) -> Iterable[Reason]:
    """Yield the reasons of a problem type."""
    return (reason for reason, name in TYPE_OF.items() if name == kind)
