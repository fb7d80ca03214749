"""`restore`: an old version of a dataset as its newest."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from shahrdad.node.console import Common, print_json
from shahrdad.node.exit_codes import ExitCode

if TYPE_CHECKING:
    from shahrdad.node.restoring import Restored


def restore(
    ref: str,
    *,
    version: int,
    offline: Annotated[bool, Parameter(negative="")] = False,
    token_file: Path | None = None,
    common: Common = Common(),  # noqa: B008
) -> None:
    """Publish an old version of a dataset of this city as its newest.

    The version in between stays readable, and no data is written again. Under four eyes
    this submits a draft, and another person approves. Where the standard has moved on
    since, the old table is judged by it first.

    Args:
        ref: The dataset, for example kerman/budget-1404 or budget-1404.
        version: The old version's number.
        offline: Sign although no peer can be asked what it holds of our log.
        token_file: Under four eyes, the file of your token (draft:write).
    """
    from shahrdad.node.accounts.acting import acting
    from shahrdad.node.city import open_node
    from shahrdad.node.commands.drafts import draft_json, tell_submitted
    from shahrdad.node.restoring import draft_restoration
    from shahrdad.node.restoring import restore as restore_version

    with open_node(common.config, signing=None, offline=offline) as node:
        if node.config.publish.approval == "single":
            found = restore_version(node, ref, version)
        else:
            found = draft_restoration(node, ref, version, acting(node, token_file))
        if found.draft is not None:
            tell_submitted(common, draft_json(node, found.draft))
            return
    if common.json:
        print_json(restored_json(found))
    else:
        tell(common, found)
    if found.state == "refused":
        sys.exit(ExitCode.DATA_NOT_VALID)


def restored_json(found: "Restored") -> dict[str, Any]:
    """Return the stable JSON shape of a restoration."""
    return {
        "state": found.state,
        "ref": found.ref,
        "restored_from": found.restored_from,
        "version": found.version,
        "index": found.index,
        "judged_again": found.judged_again,
        "report": found.report,
    }


def tell(common: Common, found: "Restored") -> None:
    """Say in a sentence what became of it."""
    if found.judged_again:
        common.say(
            "استاندارد از آن زمان عوض شده است؛ جدول با استاندارد امروز سنجیده شد.",
            "The standard has moved on since; the table was judged by today's.",
        )
    if found.state == "published":
        common.say(
            f"{found.ref}: نسخهٔ {found.restored_from} اکنون نسخهٔ {found.version} است.",
            f"{found.ref}: version {found.restored_from} is now version"
            f" {found.version}.",
        )
    elif found.state == "unchanged":
        common.say(
            f"{found.ref}: نسخهٔ {found.version} همان را می‌گوید؛ چیزی منتشر نشد.",
            f"{found.ref}: version {found.version} says the same; nothing published.",
        )
    else:
        common.say(
            f"{found.ref}: نسخهٔ {found.restored_from} با استاندارد امروز"
            " نمی‌خواند؛ منتشر نشد. با --json گزارش را ببینید.",
            f"{found.ref}: version {found.restored_from} does not meet today's"
            " standard; not published. --json shows the report.",
        )
