"""Are two reports the same? What compat mode may say otherwise than frictionless.

`validation.md` 4: the time it took; and the bytes and hashes of a run that the limit
stopped, where frictionless tells how far it had read ahead.
"""

import json
from collections.abc import Callable
from typing import Any

from frictionless.resources import TableResource

from shahrdad.validators import compat
from shahrdad.validators.tokenize import BLOCK_BYTES

STOPPED = "reached error limit"
READ_AHEAD = ("bytes", "md5", "sha256")

# `Resource.validate` itself, whoever stands in front of it later.
frictionless_validate: Callable[..., Any] = TableResource.validate


def comparable(report: Any) -> dict[str, Any]:
    """Return a report's descriptor without what may differ, as JSON would hold it."""
    found: dict[str, Any] = report.to_descriptor()
    found["stats"].pop("seconds", None)
    for task in found["tasks"]:
        stopped = any(STOPPED in warning for warning in task["warnings"])
        for name in ("seconds", *(READ_AHEAD if stopped else ())):
            task["stats"].pop(name, None)
    # NaN does not equal itself; its text does.
    plain: dict[str, Any] = json.loads(
        json.dumps(found, default=repr), parse_constant=str
    )
    return plain


def differences(
    make: Callable[[], Any],
    checklist: Callable[[], Any] = lambda: None,
    *,
    block_bytes: int = BLOCK_BYTES,
    **options: Any,
) -> tuple[str, str | None, int, list[Any] | None]:
    """Validate a resource with frictionless and with compat mode.

    Args:
        make: Makes the resource, anew for each of them.
        checklist: Makes the checklist, or None.
        block_bytes: Bytes that ours parses at a time.
        options: Those of both.

    Returns:
        The route, its reason, the number of errors, and both reports when they differ.
    """
    theirs, raised = _outcome(
        lambda: frictionless_validate(make(), checklist(), **options)
    )
    ours, failed = _outcome(
        lambda: compat.validate(make(), checklist(), block_bytes=block_bytes, **options)
    )
    if failed is not None:
        told = raised == failed and failed.startswith("FrictionlessException")
        return "raises", failed, 0, None if told else [raised, failed]
    actual, route = ours
    if raised is not None:  # a crash of frictionless is no crash of ours
        return route.name, route.reason, 0, None
    left, right = comparable(theirs), comparable(actual)
    count = sum(len(task["errors"]) for task in left["tasks"])
    return route.name, route.reason, count, None if left == right else [left, right]


def _outcome(call: Callable[[], Any]) -> tuple[Any, str | None]:
    """Return what a call gives, and what it raises instead."""
    try:
        return call(), None
    except Exception as error:
        return None, f"{type(error).__name__}: {error}"
