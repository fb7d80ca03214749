"""`shahrdad remote`: hand in and approve at a node on another computer, with a token.

What the same words do on the node's own machine, through its API: a person's rights,
four eyes and the audit are the node's, and nothing of it is installed here.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from shahrdad.node.commands.drafts import show_drafts, tell_submitted
from shahrdad.node.commands.file_options import Family, FileOptions
from shahrdad.node.commands.rehearsal import refuse_with_dry_run, tell_rehearsed
from shahrdad.node.commands.validate import ISSUES_SHOWN, pairs, read_object
from shahrdad.node.console import Common, print_json
from shahrdad.node.exit_codes import ExitCode

if TYPE_CHECKING:
    from shahrdad.node.desk.remote_desk import RemoteDesk

APPROVE = "shahrdad remote approve"
app = App(name="remote", help="Hand in and approve at a node on another computer.")


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class At:
    """Which node, and who asks.

    Attributes:
        node: The node's address; SHAHRDAD_NODE when left out.
        token_file: The file of your token; SHAHRDAD_TOKEN_FILE when left out.
    """

    node: Annotated[str, Parameter(env_var="SHAHRDAD_NODE", show_env_var=False)]
    token_file: Path | None = None

    @contextmanager
    def desk(self) -> Iterator["RemoteDesk"]:
        """Reach the node."""
        from shahrdad.node.accounts.acting import read_token
        from shahrdad.node.desk.remote_desk import RemoteDesk

        with RemoteDesk(self.node, read_token(self.token_file)) as desk:
            yield desk


@app.command
def publish(
    file: Path,
    *,
    at: At,
    family: Family,
    said: FileOptions = FileOptions(),  # noqa: B008
    dry_run: Annotated[bool, Parameter(negative="")] = False,
    marked: Path | None = None,
    common: Common = Common(),  # noqa: B008
) -> None:
    """Send a file to a node, which checks it; without errors it waits for approval.

    Args:
        file: The file as the unit has it.
        at: Which node, and who asks.
        family: The standard: budget_lines, active_systems, projects, …
        said: The dataset that it is to be, and how the file is read.
        dry_run: Only check it, as a publication would, and count what would change;
            nothing is written, and no draft made.
        marked: On errors, write the file with the wrong cells marked here.
    """
    from shahrdad.node.incoming.handing import default_slug

    if dry_run and marked is not None:
        raise refuse_with_dry_run("--marked")
    slug = said.slug or default_slug(family, said.year)
    wished: dict[str, Any] = {
        "family": family,
        "title": _languages(said.title, said.title_en),
        "description": _languages(said.description, said.description_en),
        "note": _languages(said.note, ""),
        "license": said.license,
        "fiscal_year": said.year,
        "sources": [*said.source],
        "mapping": read_object(said.profile),
        "declared": dict(pairs(said.declared)),
        "waived": dict(pairs(said.waive)),
        **said.reading,
    }
    wished = {name: one for name, one in wished.items() if one not in (None, {}, [])}
    with at.desk() as desk:
        if dry_run:
            _show_rehearsed(common, desk.rehearse(file, wished, slug))
            return
        draft = desk.create(file, {**wished, "ref": f"{desk.city}/{slug}"})
        if draft["verdict"] == "valid":
            draft = desk.submit(draft["id"])
        if draft["verdict"] == "errors":
            _show_refused(common, desk, draft, marked)
            sys.exit(ExitCode.DATA_NOT_VALID)
    tell_submitted(common, draft, APPROVE)


@app.command
def drafts(*, at: At, common: Common = Common()) -> None:  # noqa: B008
    """List the drafts of a node that you may see.

    Args:
        at: Which node, and who asks.
    """
    with at.desk() as desk:
        show_drafts(common, desk.drafts())


@app.command
def approve(
    draft: str,
    *,
    at: At,
    digest: str,
    common: Common = Common(),  # noqa: B008
) -> None:
    """Approve what another person submitted to a node, and publish exactly that.

    Args:
        draft: The draft's number.
        at: Which node, and who asks.
        digest: The whole digest of the record that you looked at: `shahrdad remote
            drafts --json`. Nothing else is published.
    """
    with at.desk() as desk:
        shown = desk.approve(draft, digest)
    if common.json:
        print_json(shown)
        return
    common.say(
        f"منتشر شد: {shown['ref']} (درایهٔ {shown['index']}).",
        f"Published: {shown['ref']} (entry {shown['index']}).",
    )
    url = f"{desk.address}/d/{shown['ref']}"
    common.next_step(url, url)


@app.command(name="return")
def return_(
    draft: str,
    *,
    at: At,
    reason: str,
    common: Common = Common(),  # noqa: B008
) -> None:
    """Give a submitted draft of a node back to its author.

    Args:
        draft: The draft's number.
        at: Which node, and who asks.
        reason: What is wrong with it.
    """
    with at.desk() as desk:
        shown = desk.return_(draft, reason)
    if common.json:
        print_json(shown)
        return
    common.say(f"{draft} برگشت.", f"{draft} is returned.")


@app.command
def withdraw(
    ref: str,
    *,
    at: At,
    reason: Literal["withdrawn", "superseded", "error", "legal"] = "withdrawn",
    by: str | None = None,
    common: Common = Common(),  # noqa: B008
) -> None:
    """Ask a node to withdraw a dataset; another person approves it.

    Args:
        ref: The dataset, for example kerman/budget-1404.
        at: Which node, and who asks.
        reason: Why.
        by: The slug of the dataset that replaces it.
    """
    said = {"kind": "withdraw", "ref": ref, "reason": reason}
    with at.desk() as desk:
        shown = desk.wish({**said, "replaced_by": by} if by else said)
    tell_submitted(common, shown, APPROVE)


def _languages(fa: str | None, en: str | None) -> dict[str, str]:
    """Return a text in the languages in which it was given."""
    return {name: text for name, text in (("fa", fa), ("en", en)) if text}


def _show_rehearsed(common: Common, found: dict[str, Any]) -> None:
    """Say what would become of a file; a wrong one ends with the code 3."""
    if common.json:
        print_json(found)
    elif found["valid"]:
        tell_rehearsed(common, found)
    else:
        _print_errors(common, found["report"])
    if not found["valid"]:
        sys.exit(ExitCode.DATA_NOT_VALID)


def _show_refused(
    common: Common, desk: "RemoteDesk", draft: dict[str, Any], marked: Path | None
) -> None:
    """Print the errors of a draft's file, and fetch the marked one."""
    report = desk.report(draft["id"])
    if marked is not None:
        marked.write_bytes(desk.marked(draft["id"]))
    if common.json:
        print_json({**draft, "report": report})
        return
    _print_errors(common, report)
    common.say(
        f"پیش‌نویس {draft['id']} خطا دارد؛ فایل و گزارش آن نزد گره ماند.",
        f"The draft {draft['id']} has errors; the node keeps its file and report.",
    )


def _print_errors(common: Common, report: dict[str, Any]) -> None:
    """Print the first errors of a report, each with its cell."""
    errors = [error for task in report["tasks"] for error in task["errors"]]
    for error in errors[: 0 if common.quiet else ISSUES_SHOWN]:
        place = error["address"] or "–"
        sys.stdout.write(f"{place}\t{error['messages'][common.language]}\n")
