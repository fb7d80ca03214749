"""`drafts`, `approve`, `return`, `redact`: two persons for all that is public."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from shahrdad.node.console import Common, print_json

if TYPE_CHECKING:
    from shahrdad.node.city import Node
    from shahrdad.node.desk.drafts import Draft, State
    from shahrdad.node.publish import Handed, OnProgress
    from shahrdad.validators.report import Report

OPEN: tuple["State", ...] = ("draft", "submitted", "returned", "approved")
EVERY: tuple["State", ...] = (*OPEN, "published", "discarded")


def drafts(
    *,
    every: Annotated[bool, Parameter(name="--all", negative="")] = False,
    common: Common = Common(),  # noqa: B008
) -> None:
    """List the drafts that wait: for their author, or for another person's approval.

    Args:
        every: The published and discarded ones too.
    """
    from shahrdad.node.city import open_node
    from shahrdad.node.desk import drafts as storage

    with open_node(common.config) as node:
        connection = node.database.connect()
        found = storage.find(connection, EVERY if every else OPEN)
        shown = [draft_json(node, draft) for draft in found]
    show_drafts(common, shown)


def show_drafts(common: Common, shown: list[dict[str, Any]]) -> None:
    """Print a list of drafts."""
    if common.json:
        print_json(shown)
        return
    common.table(
        ["draft", "kind", "ref", "state", "verdict", "by", "digest"],
        [
            (
                item["id"],
                item["kind"],
                item["ref"],
                item["state"],
                item["verdict"],
                item["submitter"] or item["author"],
                (item["digest"] or "")[:12],
            )
            for item in shown
        ],
    )


def approve(
    draft: str,
    *,
    digest: str,
    token_file: Path | None = None,
    offline: Annotated[bool, Parameter(negative="")] = False,
    common: Common = Common(),  # noqa: B008
) -> None:
    """Approve what another person submitted, and publish exactly that.

    Args:
        draft: The draft's number.
        digest: The whole digest of the record that you looked at: `shahrdad drafts
            --json`. Nothing else is published.
        token_file: The file of your token, with the scope approve.
        offline: Sign although no peer can be asked what it holds of our log.
    """
    from shahrdad.federation.verify.digest import Digest
    from shahrdad.node.accounts.acting import acting, noting_refusal
    from shahrdad.node.city import open_node
    from shahrdad.node.desk.drafting import approve as approve_draft

    named = Digest.parse(digest)
    with open_node(common.config, signing=True, offline=offline) as node:
        by = acting(node, token_file)
        with noting_refusal(node, by, "draft.approve", draft):
            found = approve_draft(node, draft, named, by)
        shown = draft_json(node, found)
        url = node.config.public_url
    if common.json:
        print_json(shown)
        return
    common.say(
        f"منتشر شد: {shown['ref']} (درایهٔ {found.index}).",
        f"Published: {shown['ref']} (entry {found.index}).",
    )
    common.next_step(f"{url}/d/{shown['ref']}", f"{url}/d/{shown['ref']}")


def return_(
    draft: str,
    *,
    reason: str,
    token_file: Path | None = None,
    common: Common = Common(),  # noqa: B008
) -> None:
    """Give a submitted draft back to its author, with what is to be mended.

    Args:
        draft: The draft's number.
        reason: What is wrong with it.
        token_file: The file of your token, with the scope approve.
    """
    from shahrdad.node.accounts.acting import acting, noting_refusal
    from shahrdad.node.accounts.moments import present
    from shahrdad.node.city import open_node
    from shahrdad.node.desk import drafts as storage

    with open_node(common.config) as node:
        by = acting(node, token_file)
        with (
            noting_refusal(node, by, "draft.return", draft),
            node.database.transaction() as connection,
        ):
            found = storage.get(connection, draft)
            found = storage.return_(connection, found, by, reason, present())
        shown = draft_json(node, found)
    if common.json:
        print_json(shown)
        return
    common.say(f"{draft} برگشت.", f"{draft} is returned.")


def redact(
    ref: str,
    *,
    version: int,
    reason: Literal["privacy", "legal", "error"],
    token_file: Path | None = None,
    common: Common = Common(),  # noqa: B008
) -> None:
    """Ask for a version to be removed everywhere; an admin and a publisher must agree.

    The log keeps digest, reason and date; content and files leave this node at the
    approval, and each mirror at its next round. What readers copied stays theirs.

    Args:
        ref: The dataset, for example kerman/budget-1404.
        version: Which version.
        reason: Why.
        token_file: The file of your token, with the scope draft:write.
    """
    from shahrdad.node.accounts.acting import acting, noting_refusal
    from shahrdad.node.city import open_node
    from shahrdad.node.desk.drafting import draft_redaction

    with open_node(common.config) as node:
        by = acting(node, token_file)
        with noting_refusal(node, by, "redact", ref):
            found = draft_redaction(node, ref, version, by, reason=reason)
        tell_submitted(common, draft_json(node, found))


def hand_in(
    node: "Node",
    handed: "Handed",
    token_file: Path | None,
    on_progress: "OnProgress",
    marked: Path | None,
    common: Common,
) -> None:
    """Make a draft of a file and submit it: what `publish` does under four eyes."""
    from shahrdad.node.accounts.acting import acting, noting_refusal
    from shahrdad.node.commands.validate import show as show_report
    from shahrdad.node.desk.drafting import draft_file, submit
    from shahrdad.node.exit_codes import ExitCode

    by = acting(node, token_file)
    with noting_refusal(node, by, "draft.create", handed.slug):
        found = draft_file(node, handed, by, on_progress=on_progress)
        draft, report = found.draft, found.report
        if draft.now.verdict == "valid":
            draft = submit(node, draft.id, by)
    shown = draft_json(node, draft)
    if draft.now.verdict == "errors" and report is not None:
        if marked is not None and report.markable:
            report.write_marked(marked, lang=common.language)
        _show_refused(common, shown, report, show_report)
        sys.exit(ExitCode.DATA_NOT_VALID)
    tell_submitted(common, shown)


def _show_refused(
    common: Common, shown: dict[str, Any], report: "Report", show_report: Any
) -> None:
    if common.json:
        print_json({**shown, "report": report.to_dict()})
        return
    show_report(common, report)
    common.say(
        f"پیش‌نویس {shown['id']} خطا دارد؛ فایل و گزارش آن نگه داشته شد.",
        f"The draft {shown['id']} has errors; its file and report are kept.",
    )


def tell_submitted(
    common: Common, shown: dict[str, Any], command: str = "shahrdad approve"
) -> None:
    """Say that somebody else must approve now, by this command."""
    if common.json:
        print_json(shown)
        return
    if shown["verdict"] == "unchanged":
        common.say(
            f"چیزی عوض نشده است: {shown['ref']} همین را می‌گوید.",
            f"Nothing changed: {shown['ref']} says the same.",
        )
        return
    common.say(
        f"فرستاده شد: پیش‌نویس {shown['id']} برای {shown['ref']}.",
        f"Submitted: draft {shown['id']} of {shown['ref']}.",
    )
    approve = f"{command} {shown['id']} --digest {shown['digest']}"
    common.next_step(f"کس دیگری: {approve}", f"Another person: {approve}")


def draft_json(node: "Node", draft: "Draft") -> dict[str, Any]:
    """Return the stable JSON shape of a draft; accounts by name."""
    from shahrdad.node.desk.draft_view import document

    return document(node, draft)
