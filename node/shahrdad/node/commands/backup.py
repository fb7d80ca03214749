"""`shahrdad backup`: what no mirror holds, and the way back."""

from pathlib import Path
from typing import TYPE_CHECKING

from cyclopts import App

from shahrdad.node.console import Common, print_json

if TYPE_CHECKING:
    from shahrdad.node.operating.backup import Backup

app = App(name="backup", help="Back up what no mirror holds, and restore it.")


@app.command
def make(folder: Path, *, common: Common = Common()) -> None:  # noqa: B008
    """Write accounts, drafts, audit, logs and private files into a new folder.

    The keys are not in it: keep signing.key and accounts.key in a safe. signer.db is
    never copied anywhere.

    Args:
        folder: A new folder.
    """
    from shahrdad.node.city import open_node
    from shahrdad.node.operating import backup

    with open_node(common.config) as node:
        found = backup.make(node, folder)
    _tell(common, found)
    common.next_step(
        f"shahrdad backup check {folder}", f"shahrdad backup check {folder}"
    )


@app.command
def check(folder: Path, *, common: Common = Common()) -> None:  # noqa: B008
    """Compare a backup with its manifest, and look into its database.

    Args:
        folder: The backup.
    """
    from shahrdad.node.operating import backup

    _tell(common, backup.check(folder))


@app.command
def restore(folder: Path, into: Path, *, common: Common = Common()) -> None:  # noqa: B008
    """Make a node in a new folder from a backup; it may not sign yet.

    Args:
        folder: The backup.
        into: A new folder for the node.
    """
    from shahrdad.node.operating import backup

    with backup.restore(folder, into) as node:
        data = node.config.data
        size = node.own_log()
    following = f"shahrdad backup confirm -c {into}"
    if common.json:
        print_json({"folder": str(into), "size": size.size if size else 0})
        return
    common.say(
        f"گره در {into} است و هنوز امضا نمی‌کند.",
        f"The node is in {into} and does not sign yet.",
    )
    common.next_step(
        f"کلیدها را از گاوصندوق در {data} بگذارید، سپس: {following}",
        f"Put the keys from the safe into {data}, then: {following}",
    )


@app.command
def confirm(*, common: Common = Common()) -> None:  # noqa: B008
    """Let a restored node sign again, once its peers hold nothing that it has lost.

    Your word that no other node signs for this city any more: two signers are a fork.
    """
    from shahrdad.node.city import open_node
    from shahrdad.node.operating import backup

    with open_node(common.config) as node:
        size = backup.confirm(node)
    if common.json:
        print_json({"state": "ready", "size": size})
        return
    common.say(
        f"گره با {size} درایه آمادهٔ امضاست.",
        f"The node is ready to sign, with {size} entries.",
    )


def _tell(common: Common, found: "Backup") -> None:
    """Print what a backup holds."""
    if common.json:
        print_json(found.to_dict())
        return
    common.say(
        f"{len(found.files)} فایل از {found.origin} در {found.size} درایه درست است.",
        f"{len(found.files)} files of {found.origin} at {found.size} entries: sound.",
    )
