"""`/v1/uploads`, `/v1/drafts`: a file, what is said of it, and two persons' word.

    PUT  /v1/uploads?filename=    the file
    POST /v1/drafts               judged at once; the answer has the verdict
    POST /v1/drafts/{draft}/submit | return | approve

Every change names in If-Match the revision that its maker saw, and an approval names
the digest of the record: what changed meanwhile is refused, never published by mistake.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, cast

from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.federation.verify.digest import Digest
from shahrdad.node.accounts.roles import Action
from shahrdad.node.city import Node
from shahrdad.node.desk import drafting, drafts, uploads
from shahrdad.node.desk.draft_view import document, may_see, page_of
from shahrdad.node.desk.drafts import Draft, Place, State
from shahrdad.node.http.pages_of_lists import decode, encode, next_link
from shahrdad.node.http.parameters import CURSOR, LIMIT, Parameter
from shahrdad.node.http.write import members
from shahrdad.node.http.write.limits import PREVIEW_ROWS, REASON_LETTERS_MAX
from shahrdad.node.http.write.writing import Desk, Done, Takes, Writing
from shahrdad.node.incoming.handing import handed_of
from shahrdad.node.incoming.known_layouts import by_saved_profile
from shahrdad.node.limits import REPORT_BYTES_MAX
from shahrdad.node.publish import Handed, own_slug
from shahrdad.node.rehearsing import rehearse
from shahrdad.node.store.contract import read_bytes

FILE_NAME = Parameter("filename", "text", "The name that the file has.", default="")
STATE = Parameter(
    "state",
    "choice",
    "Drafts in this state alone.",
    choices=("draft", "submitted", "returned", "approved", "published", "discarded"),
)
WORKBOOK = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
SAID = (  # of a file, in a draft
    *("upload", "ref", "family", "title", "description", "license", "fiscal_year"),
    *("sources", "note", "mapping", "declared", "waived", "unit", "calendar"),
    *("encoding", "sheet", "header_row", "example"),
)
WITHDRAWALS = ("withdrawn", "superseded", "error", "legal")
_OPTIONS = ("unit", "calendar", "encoding", "sheet", "header_row")
ORDER = "drafts"  # of the list's cursors
_OPEN: tuple[State, ...] = ("draft", "submitted", "returned", "approved")


def upload(desk: Desk) -> Done:
    """Keep a file privately, and answer with what a draft calls it."""
    if desk.file is None:
        raise RuntimeError("this address takes a file")
    name = drafting.safe_name(desk.call.values["filename"] or "file")
    found = uploads.keep(desk.node, desk.actor, desk.file, name, desk.at)
    return Done(found.to_dict(), 201)


def create(desk: Desk) -> Done:
    """Make a draft: of a file, of a withdrawal or of a redaction."""
    kind = members.text(desk.body, "kind", "publish")
    if kind == "publish":
        members.check_known(desk.body, ("kind", *SAID))
        handed, writers = _handed(desk, {})
        with uploads.opened(desk.node, desk.actor, _upload(desk)) as file:
            known = by_saved_profile(desk.node, replace(handed, file=file))
            found = drafting.draft_file(desk.node, known, desk.actor, writers=writers)
        return _shown(desk, found.draft, 201)
    ref = members.text(desk.body, "ref")
    if kind == "withdraw":
        members.check_known(desk.body, ("kind", "ref", "reason", "replaced_by"))
        draft = drafting.draft_withdrawal(
            desk.node,
            ref,
            desk.actor,
            reason=cast("Any", _choice(desk, *WITHDRAWALS)),
            replaced_by=members.text(desk.body, "replaced_by", "") or None,
        )
    elif kind == "redact":
        members.check_known(desk.body, ("kind", "ref", "reason", "version"))
        version = members.integer(desk.body, "version")
        if version is None:
            raise members.wrong("version", "an integer")
        reason = cast("Any", _choice(desk, "privacy", "legal", "error"))
        draft = drafting.draft_redaction(
            desk.node, ref, version, desk.actor, reason=reason
        )
    else:
        raise members.wrong("kind", "publish | withdraw | redact")
    return _shown(desk, draft, 201)


def change(desk: Desk) -> Done:
    """Judge a draft again, with other answers or another file."""
    members.check_known(desk.body, SAID)
    draft = _writable(desk)
    if draft.now.kind != "publish" or draft.now.original is None:
        raise RequestError(
            Reason.DRAFT_STATE, draft=draft.id, state=draft.now.kind, wanted="publish"
        )
    handed, writers = _handed(desk, json.loads(draft.now.answers))
    number = members.text(desk.body, "upload", "")
    source = (
        uploads.opened(desk.node, desk.actor, number)
        if number
        else drafting.original_file(
            desk.node, draft.now.original, draft.now.file_name or "file"
        )
    )
    with source as file:
        found = drafting.draft_file(
            desk.node,
            by_saved_profile(desk.node, replace(handed, file=file)),
            desk.actor,
            replaced=draft,
            writers=writers,
        )
    return _shown(desk, found.draft)


def dry_run(desk: Desk) -> Done:
    """Judge an upload as a publication would, and write nothing."""
    if desk.call.values["dry_run"] is not True:
        raise members.wrong("dry_run", "true; without it: POST /v1/drafts")
    members.check_known(desk.body, SAID)
    handed, _ = _handed(desk, {}, desk.call.path["slug"])
    desk.actor.check(drafts.BY_KIND["publish"], handed.slug)
    with uploads.opened(desk.node, desk.actor, _upload(desk)) as file:
        known = by_saved_profile(desk.node, replace(handed, file=file))
        with rehearse(desk.node, known) as found:
            return Done(found.to_dict())


def list_drafts(desk: Desk) -> Done:
    """Answer with a page of what the caller may see, the newest change first."""
    state, cursor = desk.call.values["state"], desk.call.values["cursor"]
    states: tuple[State, ...] = (state,) if state else _OPEN
    found, after = page_of(
        desk.node,
        desk.actor,
        states,
        limit=desk.call.values["limit"],
        after=cast("Place", decode(ORDER, cursor, ("", ""))) if cursor else None,
    )
    next_cursor = encode(ORDER, after) if after else None
    items = [document(desk.node, draft) for draft in found]
    return Done(
        {"items": items, "next_cursor": next_cursor},
        headers=next_link(desk.call, next_cursor),
    )


def get(desk: Desk) -> Done:
    """Answer with a draft."""
    return _shown(desk, _visible(desk))


def get_record(desk: Desk) -> Done:
    """Answer with the record that an approval publishes: the exact bytes."""
    draft = _visible(desk)
    if draft.now.content is None:
        raise RequestError(
            Reason.DRAFT_NOT_VALID, draft=draft.id, verdict=draft.now.verdict
        )
    return Done(draft.now.content, headers={"ETag": draft.etag})


def get_report(desk: Desk) -> Done:
    """Answer with the report of the draft's file."""
    draft = _visible(desk)
    if draft.now.report is None:
        raise RequestError(Reason.OBJECT_NOT_HELD, digest="–")
    area = drafting.area_of(desk.node, draft.now.report)
    return Done(read_bytes(desk.node.store, area, draft.now.report, REPORT_BYTES_MAX))


def get_marked(desk: Desk) -> Done:
    """Answer with the publisher's own table, its wrong cells coloured and explained."""
    draft = _visible(desk)
    content = drafting.marked_workbook(desk.node, draft, desk.call.language)
    disposition = f'attachment; filename="{draft.id}.xlsx"'
    return Done(
        content, headers={"Content-Disposition": disposition}, media_type=WORKBOOK
    )


def get_preview(desk: Desk) -> Done:
    """Answer with the first rows as they will be published."""
    rows, columns = drafting.first_rows(desk.node, _visible(desk), PREVIEW_ROWS)
    return Done({"columns": columns, "rows": rows})


def submit(desk: Desk) -> Done:
    """Ask for another person's approval."""
    draft = _writable(desk)
    return _shown(desk, drafting.submit(desk.node, draft.id, desk.actor, desk.etag))


def return_(desk: Desk) -> Done:
    """Give a submitted draft back, with the reason."""
    members.check_known(desk.body, ("reason",))
    reason = members.text(desk.body, "reason", letters_max=REASON_LETTERS_MAX)
    if not reason.strip():
        raise members.wrong("reason", "text")
    with desk.node.database.transaction() as connection:
        draft = drafts.get(connection, desk.call.path["draft"])
        drafting.check_etag(draft, desk.etag)
        draft = drafts.return_(connection, draft, desk.actor, reason, desk.at)
    return _shown(desk, draft)


def approve(desk: Desk) -> Done:
    """Publish what another person submitted: the record of this digest, no other."""
    members.check_known(desk.body, ("digest",))
    digest = Digest.parse(members.text(desk.body, "digest", letters_max=64))
    etag = desk.etag
    ensure_signing(desk.node)
    number = desk.call.path["draft"]
    draft = drafting.approve(desk.node, number, digest, desk.actor, etag)
    return _shown(desk, draft)


def discard(desk: Desk) -> Done:
    """Give a draft up."""
    draft = _writable(desk)
    with desk.node.database.transaction() as connection:
        drafting.check_etag(draft, desk.etag)
        draft = drafts.discard(connection, draft, desk.actor, desk.at)
    return _shown(desk, draft)


def ensure_signing(node: Node) -> None:
    """Make the node ready to sign, when it is not yet.

    Raises:
        UnavailableError: NOT_READY.
    """
    from shahrdad.federation.log.writer import State as Signing

    if node.writer.state is not Signing.READY:
        with node.database.exclusive("publish"):
            node.start_signing()


def _visible(desk: Desk) -> Draft:
    """Return the draft of the address; one that is not to be seen is unknown.

    Raises:
        RequestError: DRAFT_UNKNOWN.
    """
    number = desk.call.path["draft"]
    draft = drafts.get(desk.node.database.connect(), number)
    if not may_see(desk.actor, draft):
        raise RequestError(Reason.DRAFT_UNKNOWN, draft=number[:40])
    return draft


def _writable(desk: Desk) -> Draft:
    """Return the draft of the address, in the revision that the caller saw.

    Raises:
        RequestError: DRAFT_UNKNOWN, IF_MATCH_REQUIRED.
        ConflictError: REVISION_CHANGED.
    """
    draft = _visible(desk)
    drafting.check_etag(draft, desk.etag)
    return draft


def _shown(desk: Desk, draft: Draft, status: int = 200) -> Done:
    headers = {"ETag": draft.etag}
    if status == 201:
        headers["Location"] = f"/v1/drafts/{draft.id}"
    return Done(document(desk.node, draft), status, headers)


def _upload(desk: Desk) -> str:
    return members.text(desk.body, "upload", letters_max=40)


def _choice(desk: Desk, *choices: str) -> str:
    value = members.text(desk.body, "reason", choices[0], 40)
    if value not in choices:
        raise members.wrong("reason", " | ".join(choices))
    return value


def _handed(
    desk: Desk, before: Mapping[str, Any], slug: str | None = None
) -> tuple[Handed, tuple[int, ...]]:
    """Return what is said of a file: the answers before, with those of this body.

    Returns:
        It, and who else wrote a byte of the file.
    """
    body = desk.body
    told = before.get("description", {})
    context = before.get("context", {})
    ref = members.text(body, "ref", "")
    known = own_slug(desk.node, ref) if ref else before.get("slug")
    options = {
        name: body.get(name, before.get("options", {}).get(name)) for name in _OPTIONS
    }
    for name in ("unit", "calendar", "encoding", "sheet"):
        if options[name] is not None:
            members.text(options, name, letters_max=200)
    members.integer(options, "header_row")
    options["isolate"] = True  # a file from outside is judged in a process with limits
    year = members.integer(body, "fiscal_year")
    handed = handed_of(
        desk.node.config,
        Path("file"),
        family=members.text(body, "family", before.get("family", "")),
        slug=slug or known,
        title_fa=_language(body, "title", "fa", told),
        title_en=_language(body, "title", "en", told),
        description_fa=_language(body, "description", "fa", told) or "",
        description_en=_language(body, "description", "en", told) or "",
        license=members.text(body, "license", told.get("license") or "") or None,
        fiscal_year=told.get("fiscal_year") if year is None else year,
        sources=members.texts(body, "sources")
        or tuple(source.get("title", "") for source in told.get("sources", ())),
        note_fa=_language(body, "note", "fa", told) or "",
        example=bool(body.get("example", told.get("example", False))),
        profile=members.mapping(body, "mapping") or before.get("profile"),
        declared=members.mapping(body, "declared") or context.get("declared"),
        waived=members.mapping(body, "waived") or context.get("waived"),
        options=options,
    )
    note_en = _language(body, "note", "en", told) or ""
    described = replace(handed.description, note_en=note_en)
    number = members.text(body, "upload", "", 40)
    writers = (uploads.find(desk.node, desk.actor, number).account,) if number else ()
    return replace(handed, description=described), writers


def _language(
    body: Mapping[str, Any],
    name: str,
    language: Literal["fa", "en"],
    told: Mapping[str, Any],
) -> str | None:
    """Return one language of a member such as `title`."""
    value = members.mapping(body, name)
    members.check_known(value, ("fa", "en"))
    if language in value:
        return members.text(value, language)
    before = told.get(f"{name}_{language}")
    return str(before) if before else None


def writings() -> list[Writing]:
    """Return the addresses."""
    return [*_of_files(), *_of_drafts(), *_of_steps()]


def _of_files() -> list[Writing]:
    """Return the addresses that take a file, or rehearse a publication."""
    rehearsed = Parameter("dry_run", "boolean", "Must be true.", default=False)
    return [
        Writing(
            "upload",
            "PUT",
            "/v1/uploads",
            Action.UPLOAD,
            upload,
            "Keep a file privately.",
            "file",
            parameters=(FILE_NAME,),
        ),
        Writing(
            "rehearse",
            "POST",
            "/v1/datasets/{city}/{slug}/publish",
            Action.DRAFT_WRITE,
            dry_run,
            "Judge a file as a publication would.",
            "json",
            deferrable=True,
            parameters=(rehearsed,),
        ),
    ]


def _of_drafts() -> list[Writing]:
    """Return the addresses that show drafts."""
    own, read = "/v1/drafts", Action.DRAFT_READ
    listed = (STATE, LIMIT, CURSOR)
    shown = (
        ("getDraft", "", get, "A draft."),
        ("draftRecord", "/record", get_record, "Its record."),
        ("draftReport", "/report", get_report, "Its report."),
        ("draftMarked", "/marked.xlsx", get_marked, "Its errors."),
        ("draftPreview", "/preview", get_preview, "Its rows."),
    )
    return [
        Writing(
            "listDrafts", "GET", own, read, list_drafts, "Drafts.", parameters=listed
        ),
        *(
            Writing(name, "GET", f"{own}/{{draft}}{part}", read, work, summary)
            for name, part, work, summary in shown
        ),
    ]


def _of_steps() -> list[Writing]:
    """Return the addresses that change drafts."""
    own, one = "/v1/drafts", "/v1/drafts/{draft}"
    ask, decide = Action.DRAFT_ASK, Action.REDACT_APPROVE
    steps: tuple[tuple[str, str, str, Action, Callable[[Desk], Done], Takes], ...] = (
        ("changeDraft", "PATCH", "", ask, change, "json"),
        ("discardDraft", "DELETE", "", ask, discard, "nothing"),
        ("submitDraft", "POST", "/submit", ask, submit, "nothing"),
        ("returnDraft", "POST", "/return", decide, return_, "json"),
        ("approveDraft", "POST", "/approve", decide, approve, "json"),
    )
    return [
        Writing(
            "createDraft",
            "POST",
            own,
            ask,
            create,
            "Make a draft.",
            "json",
            deferrable=True,
        ),
        *(
            Writing(
                name,
                method,
                f"{one}{part}",
                right,
                work,
                (work.__doc__ or name).partition("\n")[0],
                takes,
                revised=True,
                deferrable=work is change,
            )
            for name, method, part, right, work, takes in steps
        ),
    ]
