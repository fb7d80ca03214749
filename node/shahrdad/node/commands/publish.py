"""`publish` and `withdraw`: the city's own datasets."""

import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.node.commands.file_options import Family, FileOptions
from shahrdad.node.commands.import_file import Answered
from shahrdad.node.commands.rehearsal import refuse_with_dry_run, tell_rehearsed
from shahrdad.node.commands.validate import pairs, read_object
from shahrdad.node.commands.validate import show as show_report
from shahrdad.node.console import Common, print_json
from shahrdad.node.exit_codes import ExitCode

if TYPE_CHECKING:
    from shahrdad.node.city import Node
    from shahrdad.node.console import Progress
    from shahrdad.node.publish import Handed, OnProgress, Outcome, Stage
    from shahrdad.validators.report import Report

STAGES = {
    "original": ("نگهداری فایل", "Keeping the file"),
    "validate": ("سنجش", "Checking"),
    "table": ("نوشتن جدول", "Writing the table"),
    "publish": ("امضا", "Signing"),
}


def publish(
    file: Path,
    *,
    family: Family | None = None,
    said: FileOptions = FileOptions(),  # noqa: B008
    invented: Annotated[bool, Parameter(negative="")] = False,
    example: str | None = None,
    offline: Annotated[bool, Parameter(negative="")] = False,
    dry_run: Annotated[bool, Parameter(negative="")] = False,
    marked: Path | None = None,
    executor: str | None = None,
    token_file: Path | None = None,
    answered: Answered = Answered(),  # noqa: B008
    common: Common = Common(),  # noqa: B008
) -> None:
    """Check a file and publish it as the next version of a dataset.

    A file with errors publishes nothing: it is kept, with its report. The same content
    again is no new version. Under four eyes the file becomes a submitted draft, which
    another person approves.

    Args:
        file: The file as the unit has it.
        family: The standard: budget_lines, active_systems, projects, …
        said: The dataset that it is to be, and how the file is read.
        invented: The data is invented: say so everywhere.
        example: CITY/NAME of the example file that this is (a copy of): its titles,
            standard and profile are then known.
        offline: Sign although no peer can be asked what it holds of our log.
        dry_run: Only check it, as a publication would, and show what would change;
            nothing is written.
        marked: On errors, write the file with the wrong cells marked here.
        executor: Check a large CSV file in ranges on local, local:N or dask://host:port.
        token_file: Under four eyes, the file of your token (draft:write and submit).
    """
    from shahrdad.node.city import open_node
    from shahrdad.node.incoming.example_files import find_example
    from shahrdad.node.incoming.example_files import handed as handed_example
    from shahrdad.node.incoming.handing import handed_of

    if family is None and example is None:
        raise RequestError(Reason.SCHEMA_NEEDED)
    if dry_run and executor is not None:
        raise refuse_with_dry_run("--executor")
    signing = False if dry_run else None
    with open_node(common.config, signing=signing, offline=offline) as node:
        if example is not None:
            handed = handed_example(find_example(*example.partition("/")[::2]), file)
        else:
            handed = handed_of(
                node.config,
                file,
                family=family or "",
                slug=said.slug,
                title_fa=said.title,
                title_en=said.title_en,
                description_fa=said.description,
                description_en=said.description_en,
                license=said.license,
                fiscal_year=said.year,
                sources=said.source,
                note_fa=said.note,
                example=invented,
                profile=read_object(said.profile),
                declared=dict(pairs(said.declared)),
                waived=dict(pairs(said.waive)),
                options=said.reading,
            )
            if said.profile is None:
                handed = _settled(common, answered, handed, node, keeps=not dry_run)
        if dry_run:
            state = _rehearsed(common, node, handed, marked)
        else:
            state = _handed_in(common, node, handed, executor, token_file, marked)
    if state == "refused":
        sys.exit(ExitCode.DATA_NOT_VALID)


def _rehearsed(
    common: Common, node: "Node", handed: "Handed", marked: Path | None
) -> str:
    """Show what a publication would change, row by row; say what would become of it.

    Returns:
        `refused` for a file with errors, else `valid`.
    """
    from shahrdad.node.commands.diff import CHANGES_SHOWN, show_changes
    from shahrdad.node.rehearsing import rehearse
    from shahrdad.node.table_changes import compare

    with ExitStack() as stack:
        with common.progress("سنجش", "Checking") as progress:
            tell = _teller(common, progress)
            found = stack.enter_context(rehearse(node, handed, tell))
        report = found.report
        if not report.valid and marked is not None and report.markable:
            report.write_marked(marked, lang=common.language)
        if common.json:
            print_json(found.to_dict())
        elif not report.valid:
            show_report(common, report)
        else:
            if found.sides is not None and not found.unchanged:
                show_changes(common, compare(*found.sides), CHANGES_SHOWN)
            tell_rehearsed(common, found.to_dict())
    return "valid" if report.valid else "refused"


def _handed_in(
    common: Common,
    node: "Node",
    handed: "Handed",
    executor: str | None,
    token_file: Path | None,
    marked: Path | None,
) -> str:
    """Publish a file, or submit it to another person; say what became of it.

    Returns:
        The outcome's state; `submitted` where another person is to approve.
    """
    from shahrdad.node.commands.drafts import hand_in
    from shahrdad.node.publish import publish as publish_file

    with common.progress("انتشار", "Publishing") as progress:
        tell = _teller(common, progress)
        if node.config.publish.approval != "single":
            hand_in(node, handed, token_file, tell, marked, common)
            return "submitted"
        if executor is None:
            outcome, report = publish_file(node, handed, tell)
        else:
            outcome, report = _publish_on(executor, node, handed, tell)
    refused = outcome.state == "refused"
    if refused and marked is not None and report.markable:
        report.write_marked(marked, lang=common.language)
    if common.json:
        print_json(outcome_json(outcome))
    elif refused:
        show_report(common, report)
    _tell(common, outcome, node.config.public_url)
    return outcome.state


def _publish_on(
    executor: str, node: "Node", handed: "Handed", tell: "OnProgress"
) -> "tuple[Outcome, Report]":
    """Publish a file whose ranges are checked elsewhere."""
    from contextlib import closing

    from shahrdad.node.executor.choosing import open_executor
    from shahrdad.node.executor.large import publish_large

    with closing(open_executor(executor, node.config.folder)) as chosen:
        return publish_large(node, handed, chosen, tell)


def _settled(
    common: Common, answered: Answered, handed: "Handed", node: "Node", *, keeps: bool
) -> "Handed":
    """Ask what the file leaves open; the answers may become a profile of the node."""
    from shahrdad.datasets import standards
    from shahrdad.datasets.codelists import cities
    from shahrdad.node.commands.import_file import Import, terminal
    from shahrdad.node.incoming.profiles import FOLDER, Profiles
    from shahrdad.validators import Options

    code = node.config.node.city_code
    started = Import(
        common,
        handed.file,
        standards.load(handed.family),
        handed.profile,
        Options(**dict(handed.options)),
        answered,
        Profiles(node.config.data / FOLDER),
        next((city.population for city in cities() if city.code == code), None),
        terminal(answered),
        keeps,
    )
    if not handed.file.is_file():
        return handed  # publishing says so
    profile, options = started.settle()
    read = ("encoding", "delimiter", "sheet", "header_row", "unit", "calendar")
    said = {name: getattr(options, name) for name in read}
    chosen = {name: value for name, value in said.items() if value is not None}
    return replace(handed, profile=profile, options={**handed.options, **chosen})


def withdraw(
    ref: str,
    *,
    reason: Literal["withdrawn", "superseded", "error", "legal"] = "withdrawn",
    by: str | None = None,
    yes: Annotated[bool, Parameter(name=["--yes", "-y"], negative="")] = False,
    offline: Annotated[bool, Parameter(negative="")] = False,
    token_file: Path | None = None,
    common: Common = Common(),  # noqa: B008
) -> None:
    """Withdraw a dataset of this city; every mirror learns of it at its next round.

    The entry stays in the log for ever: what was published remains provable. Under four
    eyes this asks for it, and another person approves.

    Args:
        ref: The dataset, for example kerman/budget-1404 or budget-1404.
        reason: Why.
        by: The slug of the dataset that replaces it.
        yes: Do not ask.
        offline: Sign although no peer can be asked what it holds of our log.
        token_file: Under four eyes, the file of your token (draft:write).
    """
    from shahrdad.node.accounts.acting import acting
    from shahrdad.node.city import open_node
    from shahrdad.node.commands.drafts import draft_json, tell_submitted
    from shahrdad.node.desk.drafting import draft_withdrawal
    from shahrdad.node.publish import withdraw as withdraw_dataset

    with open_node(common.config, signing=None, offline=offline) as node:
        if not yes and sys.stdin.isatty():
            common.say(
                f"مجموعه‌دادهٔ {ref} پس گرفته شود؟ (y/n)", f"Withdraw {ref}? (y/n)"
            )
            if not sys.stdin.readline().strip().lower().startswith("y"):
                sys.exit(ExitCode.NOT_ALLOWED)
        if node.config.publish.approval != "single":
            who = acting(node, token_file)
            draft = draft_withdrawal(node, ref, who, reason=reason, replaced_by=by)
            tell_submitted(common, draft_json(node, draft))
            return
        index = withdraw_dataset(node, ref, reason=reason, by=by)
        if common.json:
            print_json({"ref": ref, "index": index, "reason": reason})
            return
        common.say(
            f"{ref} پس گرفته شد (درایهٔ {index}).",
            f"{ref} is withdrawn (entry {index}).",
        )


def _teller(common: Common, progress: "Progress") -> "OnProgress":
    """Return what shows how far a publication came."""

    def tell(stage: "Stage", done: int, total: int | None) -> None:
        progress.update(done, total, common.text(*STAGES[stage]))

    return tell


def outcome_json(outcome: Any) -> dict[str, Any]:
    """Return the stable JSON shape of what became of a file."""
    return {
        "state": outcome.state,
        "ref": outcome.ref,
        "version": outcome.version,
        "index": outcome.index,
        "digest": outcome.digest.hex if outcome.digest else None,
        "rows": outcome.rows,
        "change": outcome.change,
        "original": outcome.original.hex,
        "report_digest": outcome.report_digest.hex,
        "report": outcome.report,
    }


def _tell(common: Common, outcome: Any, url: str) -> None:
    """Say in a sentence what became of the file, and what to do next."""
    if outcome.state == "published":
        common.say(
            f"منتشر شد: {outcome.ref} نسخهٔ {outcome.version}، {outcome.rows} ردیف.",
            f"Published: {outcome.ref} version {outcome.version}, {outcome.rows} rows.",
        )
        common.next_step(f"{url}/d/{outcome.ref}", f"{url}/d/{outcome.ref}")
    elif outcome.state == "unchanged":
        common.say(
            f"چیزی عوض نشده است: {outcome.ref} نسخهٔ {outcome.version} همین است.",
            f"Nothing changed: {outcome.ref} version {outcome.version} says the same.",
        )
    else:
        common.say(
            "منتشر نشد. فایل و گزارش آن نگه داشته شد.",
            "Not published. The file and its report are kept.",
        )
        common.next_step(
            "با --marked FILE.xlsx خانه‌های نادرست را نشان‌دار بگیرید و درست کنید.",
            "With --marked FILE.xlsx you get the wrong cells marked, to mend them.",
        )
