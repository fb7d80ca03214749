"""What `publish --dry-run` says, at this node and at one elsewhere."""

from collections.abc import Mapping
from typing import Any

from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.node.console import Common


def refuse_with_dry_run(option: str) -> RequestError:
    """Return the error of an option that means nothing where nothing is kept."""
    return RequestError(
        Reason.PARAMETER_VALUE,
        parameter=option,
        value="--dry-run",
        expected=f"{option} without --dry-run",
    )


def tell_rehearsed(common: Common, found: Mapping[str, Any]) -> None:
    """Say what would become of a valid file.

    Args:
        common: How to speak.
        found: The answer of a rehearsal; see `rehearsing.Rehearsal.to_dict`.
    """
    ref, n, rows = found["ref"], found["version"], found["rows"]
    if found["unchanged"]:
        common.say(
            f"چیزی عوض نشده است: {ref} نسخهٔ {n} همین را می‌گوید.",
            f"Nothing changed: {ref} version {n} says the same.",
        )
        return
    common.say(
        f"درست است؛ {ref} با {rows} ردیف نسخهٔ {n} می‌شد. چیزی نوشته نشد.",
        f"It is valid; {ref} would get version {n}, {rows} rows. Nothing is written.",
    )
    if change := found["change"]:
        common.say(
            f"در برابر نسخهٔ {change['from']}: {change['added']} ردیف تازه،"
            f" {change['removed']} حذف‌شده، {change['changed']} دگرگون.",
            f"Against version {change['from']}: {change['added']} rows added,"
            f" {change['removed']} removed, {change['changed']} changed.",
        )
