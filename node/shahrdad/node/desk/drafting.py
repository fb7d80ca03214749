"""Four eyes on a node: from a file or a wish to a draft, from an approval to an entry.

    1 draft      the file is judged; table, report and record lie in the private area
    2 submitted  nothing of it changes any more
    3 approved   another person named the record's digest; one transaction
    4 entry      objects become public, the log's own seven steps: the commit point
    5 published  the draft knows its version

A kill after 3 leaves an approved draft, which `finish` publishes: the approval stands,
and putting the same record again does nothing. The whole of 3 to 5 is under the
publishing lock, so the record is the next version at the moment it is signed, or the
approval is refused as stale.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal

from shahrdad.datasets.errors import ConflictError, DataError, Reason, RequestError
from shahrdad.federation.verify import strict_json
from shahrdad.federation.verify.digest import Digest
from shahrdad.node import record, tracing
from shahrdad.node.accounts import audit
from shahrdad.node.accounts.moments import present
from shahrdad.node.accounts.roles import Actor
from shahrdad.node.desk import drafts
from shahrdad.node.desk.drafts import Draft, Revision
from shahrdad.node.http.identity import ulid
from shahrdad.node.incoming.spool import Spool
from shahrdad.node.limits import RECORD_BYTES_MAX
from shahrdad.node.publish import (
    Handed,
    OnProgress,
    Stage,
    check_handed,
    judge,
    keep_original,
    own_slug,
    prepare,
    store_report,
)
from shahrdad.node.record import Attachment, Description
from shahrdad.node.references import References
from shahrdad.node.store.collection import refer, release
from shahrdad.node.store.contract import Area, copy

if TYPE_CHECKING:
    from shahrdad.federation.verify.entry import DeleteReason, RedactReason
    from shahrdad.node.city import Node
    from shahrdad.validators.report import Report


@dataclass(frozen=True, slots=True)
class Drafted:
    """A draft, and the report of the file in it."""

    draft: Draft
    report: "Report | None"


def draft_file(
    node: "Node",
    handed: Handed,
    by: Actor,
    *,
    replaced: Draft | None = None,
    number: str | None = None,
    writers: Sequence[int] = (),
    on_progress: OnProgress | None = None,
) -> Drafted:
    """Judge a file and keep it as a draft, or as the next revision of one.

    Args:
        node: The node.
        handed: The file, and what is said of it.
        by: Who hands it in.
        replaced: The draft that this is the next revision of.
        number: What a new draft is called; None takes a new number.
        writers: Others who wrote a byte of it: whoever uploaded the file.
        on_progress: Told of the progress.

    Raises:
        RequestError: as `publish.publish`, and FORBIDDEN, SCOPE_MISSING, DRAFT_STATE.
        DataError: the file cannot be read at all.
        ConflictError: REVISION_CHANGED.
    """
    tell = on_progress or _quiet
    check_handed(handed)
    by.check(drafts.BY_KIND["publish"], handed.slug)
    number = replaced.id if replaced else number or ulid()
    ref = f"{node.config.node.city}/{handed.slug}"
    original = keep_original(node, handed, ref, tell)
    node.projection.follow()
    with closing(Spool(node.config.data / "tmp")) as spool:
        with References(node, handed.family, ref) as references:
            report = judge(node, handed, spool, references, tell)
        revision = _revision(node, handed, original, spool, report, tell, number)
    at = present()
    with node.database.transaction() as connection:
        if replaced is None:
            draft = drafts.create(connection, number, by, revision, at, writers)
        else:
            draft = drafts.revise(connection, replaced, by, revision, at, writers)
    return Drafted(draft, report)


def _revision(
    node: "Node",
    handed: Handed,
    original: Attachment,
    spool: Spool,
    report: "Report",
    tell: OnProgress,
    number: str,
) -> Revision:
    """Write what the draft would publish into the private area."""
    ref = f"{node.config.node.city}/{handed.slug}"
    revision = Revision(
        kind="publish",
        slug=handed.slug,
        answers=json.dumps(answers_of(handed), ensure_ascii=False),
        verdict="errors",
        family=handed.family,
        file_name=handed.file.name,
        original=original.digest,
        original_bytes=original.size,
    )
    connection = node.database.connect()
    refer(connection, Area.PRIVATE, original.digest, "draft", number)
    if not report.valid:
        kept = store_report(node, ref, report, Area.PRIVATE, "original")
        return replace(revision, report=kept.digest)
    provenance = {
        "approval": "four-eyes",
        "audit_head": audit.head(connection).to_dict(),
    }
    ready = prepare(
        node, handed, original, spool, report, tell, provenance, Area.PRIVATE
    )
    for item in record.objects(_body(ready.content)):
        refer(connection, Area.PRIVATE, item.digest, "draft", number)
    return replace(
        revision,
        verdict="unchanged" if ready.unchanged else "valid",
        content=ready.content,
        report=ready.report.digest,
        base=ready.before.version.index if ready.before else None,
    )


def judge_again(node: "Node", draft: Draft, file: Path) -> "Report":
    """Return the report of a draft's file anew, able to write the marked workbook."""
    handed = handed_of_answers(json.loads(draft.now.answers), file)
    ref = f"{node.config.node.city}/{handed.slug}"
    with (
        closing(Spool(node.config.data / "tmp")) as spool,
        References(node, handed.family, ref) as references,
    ):
        return judge(node, handed, spool, references, _quiet)


def marked_workbook(node: "Node", draft: Draft, language: Literal["fa", "en"]) -> bytes:
    """Return the publisher's own table, its wrong cells coloured and explained.

    Raises:
        RequestError: OBJECT_NOT_HELD: the draft has no file.
        DataError: SOURCE_UNREADABLE: no table was found in it.
    """
    if draft.now.original is None:
        raise RequestError(Reason.OBJECT_NOT_HELD, digest="–")
    name = draft.now.file_name or "file"
    with original_file(node, draft.now.original, name) as file:
        report = judge_again(node, draft, file)
        with TemporaryDirectory(dir=file.parent) as place:
            path = Path(place) / "marked.xlsx"
            try:
                report.write_marked(path, lang=language)
            except ValueError as error:
                raise DataError(
                    Reason.SOURCE_UNREADABLE, name=name, detail=str(error)
                ) from error
            return path.read_bytes()


def first_rows(
    node: "Node", draft: Draft, rows_max: int
) -> tuple[list[list[Any]], list[str]]:
    """Return the first rows of a draft's table as texts, and its columns.

    Raises:
        RequestError: DRAFT_NOT_VALID: there is no table.
    """
    from shahrdad.node.publish import published_parts
    from shahrdad.node.table.reading import TableReader

    parts = published_parts(_body(draft.now.content)) if draft.now.content else ()
    if draft.now.kind != "publish" or not parts:
        raise RequestError(
            Reason.DRAFT_NOT_VALID, draft=draft.id, verdict=draft.now.verdict
        )
    reader = TableReader(node.store, parts, area_of(node, parts[0].digest))
    batches = reader.batches(parts=parts[:1], batch_rows=rows_max)
    batch = next(batches).slice(0, rows_max)
    rows = [[_cell(value) for value in row.values()] for row in batch.to_pylist()]
    return rows, list(batch.schema.names)


def area_of(node: "Node", digest: Digest) -> Area:
    """Return where an object of a draft lies: a restored version's are public."""
    private = node.store.stat(Area.PRIVATE, digest) is not None
    return Area.PRIVATE if private else Area.OBJECT


def _cell(value: Any) -> Any:
    """Return a cell as JSON holds it exactly: numbers and dates as text."""
    return value if value is None or isinstance(value, bool | list) else str(value)


def _quiet(stage: Stage, done: int, total: int | None) -> None:
    """Tell nobody."""


def draft_withdrawal(
    node: "Node",
    ref: str,
    by: Actor,
    *,
    reason: "DeleteReason" = "withdrawn",
    replaced_by: str | None = None,
) -> Draft:
    """Ask for a dataset to be withdrawn, and submit it.

    Raises:
        RequestError: DATASET_UNKNOWN, NOT_OUR_DATASET, FORBIDDEN, SCOPE_MISSING.
        ConflictError: ALREADY_WITHDRAWN.
    """
    wish = withdrawal(node, ref, reason=reason, replaced_by=replaced_by)
    return _draft_wish(node, by, wish)


def withdrawal(
    node: "Node",
    ref: str,
    *,
    reason: "DeleteReason" = "withdrawn",
    replaced_by: str | None = None,
) -> Revision:
    """Return the wish for a dataset to be withdrawn, as a draft holds it.

    Raises:
        RequestError: DATASET_UNKNOWN, NOT_OUR_DATASET.
        ConflictError: ALREADY_WITHDRAWN.
    """
    node.projection.follow()
    slug = own_slug(node, ref)
    dataset = node.catalog.get(f"{node.config.node.city}/{slug}")
    if dataset.state == "withdrawn":
        raise ConflictError(Reason.ALREADY_WITHDRAWN, ref=dataset.ref)
    wish = {
        "op": "delete",
        "key": f"ds/{slug}",
        "reason": reason,
        "prev": dataset.index,
    }
    if replaced_by:
        wish["by"] = f"ds/{replaced_by}"
    return _wish("withdraw", slug, wish)


def draft_redaction(
    node: "Node", ref: str, n: int, by: Actor, *, reason: "RedactReason"
) -> Draft:
    """Ask for a version to be removed everywhere, and submit it.

    Raises:
        RequestError: DATASET_UNKNOWN, VERSION_UNKNOWN, VERSION_REDACTED,
            NOT_OUR_DATASET, FORBIDDEN, SCOPE_MISSING.
    """
    node.projection.follow()
    slug = own_slug(node, ref)
    dataset, version = node.catalog.version(f"{node.config.node.city}/{slug}", n)
    if version.state == "redacted":
        raise RequestError(Reason.VERSION_REDACTED, ref=dataset.ref, version=n)
    wish = {
        "op": "redact",
        "key": f"ds/{slug}",
        "version": n,
        "sha256": version.digest.hex,
        "reason": reason,
        "prev": dataset.index,
    }
    return _draft_wish(node, by, _wish("redact", slug, wish))


def _wish(kind: drafts.Kind, slug: str, wish: Mapping[str, Any]) -> Revision:
    content = strict_json.canonical(dict(wish))
    return Revision(kind, slug, content.decode(), "valid", content, base=wish["prev"])


def _draft_wish(node: "Node", by: Actor, revision: Revision) -> Draft:
    """Store the wish for a removal, submitted at once: nobody edits it."""
    at = present()
    with node.database.transaction() as connection:
        draft = drafts.create(connection, ulid(), by, revision, at)
        return drafts.submit(connection, draft, by, at)


def submit(node: "Node", number: str, by: Actor, etag: str | None = None) -> Draft:
    """Submit a draft that is still the next version of its dataset.

    Raises:
        RequestError, ConflictError: as `drafts.submit`, and DRAFT_STALE.
    """
    node.projection.follow()
    with node.database.transaction() as connection:
        draft = drafts.get(connection, number)
        check_etag(draft, etag)
        if draft.now.kind == "publish" and draft.now.base != newest_index(node, draft):
            raise ConflictError(Reason.DRAFT_STALE, ref=draft.now.slug)
        return drafts.submit(connection, draft, by, present())


def approve(
    node: "Node", number: str, digest: Digest, by: Actor, etag: str | None = None
) -> Draft:
    """Approve a draft and publish it; two approvals at once publish once.

    Args:
        node: Ready to sign.
        number: The draft's.
        digest: Of the record that the approver looked at.
        by: The approver.
        etag: The revision that the approver looked at, where the door tells it.

    Raises:
        RequestError, ConflictError: as `drafts.approve`.
        UnavailableError: the store or the signer does not answer; the approval stands.
    """
    with node.database.exclusive("publish"):
        _finish(node)
        with node.database.transaction() as connection:
            draft = drafts.get(connection, number)
            check_etag(draft, etag)
            newest = newest_index(node, draft)
            draft = drafts.approve(connection, draft, by, digest, newest, present())
        return _publish(node, draft)


def finish(node: "Node") -> list[Draft]:
    """Publish what was approved before a kill or an error; needs a signer."""
    with node.database.exclusive("publish"):
        return _finish(node)


def _finish(node: "Node") -> list[Draft]:
    node.projection.follow()
    waiting = drafts.find(node.database.connect(), ["approved"])
    return [_publish(node, draft) for draft in waiting]


@tracing.span("publish")
def _publish(node: "Node", draft: Draft) -> Draft:
    """Write an approved draft to the log; may be repeated after any error."""
    if draft.now.content is None:
        raise RuntimeError("the triggers let nothing be approved without content")
    content = draft.now.content
    key = f"ds/{draft.now.slug}"
    version: int | None = None
    if draft.now.kind == "publish":
        body = _body(content)
        _make_public(node, draft, body)
        index = node.append_put(key, content)
        version = int(body["version"])
    else:
        wish = _body(content)
        version = wish.get("version")
        if draft.now.kind == "withdraw":
            index = _append_withdrawal(node, draft, wish)
        else:
            from shahrdad.node.redaction import redact

            index = redact(node, draft, wish)
    node.projection.follow()
    with node.database.transaction() as connection:
        found = drafts.publish(connection, draft, version, index)
        release(connection, "draft", draft.id)
        if draft.now.kind == "redact":
            drafts.forget_content(connection, Digest.parse(wish["sha256"]))
    return found


def _append_withdrawal(node: "Node", draft: Draft, wish: Mapping[str, Any]) -> int:
    """Append the tombstone, unless a call before did so."""
    dataset = node.catalog.get(f"{node.config.node.city}/{draft.now.slug}")
    if dataset.state == "withdrawn":
        log = node.own_log()
        return log.size - 1 if log else 0
    return node.append_delete(f"ds/{draft.now.slug}", wish["reason"], wish.get("by"))


def _make_public(node: "Node", draft: Draft, body: Mapping[str, Any]) -> None:
    """Copy a draft's public objects to where everybody may read them."""
    connection = node.database.connect()
    for item in record.objects(body):
        if item.public:
            refer(connection, Area.OBJECT, item.digest, "draft", draft.id)
            if node.store.stat(Area.OBJECT, item.digest) is None:
                copy(node.store, item.digest, Area.PRIVATE, Area.OBJECT)


def newest_index(node: "Node", draft: Draft) -> int | None:
    """Return the log index that a draft's base is compared with."""
    ref = f"{node.config.node.city}/{draft.now.slug}"
    if draft.now.kind == "publish":
        newest = node.newest(ref)
        return newest.version.index if newest else None
    return node.catalog.get(ref).index


def check_etag(draft: Draft, etag: str | None) -> None:
    """Refuse when the caller saw another revision or state.

    Raises:
        ConflictError: REVISION_CHANGED.
    """
    if etag is not None and etag not in {draft.etag, "*"}:
        raise ConflictError(Reason.REVISION_CHANGED, revision=draft.etag.strip('"'))


def answers_of(handed: Handed) -> dict[str, Any]:
    """Return what was said of a file, as JSON keeps it."""
    return {
        "slug": handed.slug,
        "family": handed.family,
        "description": asdict(handed.description),
        "profile": dict(handed.profile),
        "context": dict(handed.context),
        "options": dict(handed.options),
    }


def handed_of_answers(answers: Mapping[str, Any], file: Path) -> Handed:
    """Return what `answers_of` kept, with its file."""
    description: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in answers["description"].items()
    }
    return Handed(
        file=file,
        slug=answers["slug"],
        family=answers["family"],
        description=Description(**description),
        profile=answers["profile"],
        context=answers["context"],
        options=answers["options"],
    )


@contextmanager
def original_file(node: "Node", digest: Digest, name: str) -> Iterator[Path]:
    """Give a kept original back as a file under the name that it came with."""
    folder = node.config.data / "tmp"
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder) as place:
        path = Path(place) / safe_name(name)
        with node.store.open(Area.PRIVATE, digest) as source, path.open("wb") as file:
            while chunk := source.read(1 << 20):
                file.write(chunk)
        yield path


def safe_name(name: str) -> str:
    """Return a file's name without folders, quotation marks and control characters.

    >>> safe_name("../../etc/بودجه.xlsx"), safe_name("..")
    ('بودجه.xlsx', 'file')
    """
    last = name.replace("\\", "/").rpartition("/")[2]
    plain = "".join(letter for letter in last if letter.isprintable() and letter != '"')
    stem, dot, suffix = plain.rpartition(".")
    if not stem.strip(". "):
        return "file"
    return f"{stem.encode()[:150].decode(errors='ignore')}{dot}{suffix[:10]}"


def _body(content: bytes) -> dict[str, Any]:
    return strict_json.loads(content, bytes_max=RECORD_BYTES_MAX)
