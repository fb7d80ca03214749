"""Drafts: what one person prepares and another publishes.

    draft ──submit──▶ submitted ──approve──▶ approved ──▶ published
      ▲                   │
      └────── returned ◀──┘        draft, returned ──discard──▶ discarded

`approved` lasts from the approval to the signed entry: a kill between the two leaves
it, and the next approval or start finishes it. Every function here is one step inside
the caller's write transaction; the triggers of `desk.schema` refuse whatever these
functions would let slip.

An approver differs from the submitter and from everybody who wrote a byte or an answer,
and names the digest of the record that was looked at; that record, and no other, is
what the log gets.
"""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Literal

from shahrdad.datasets.errors import ConflictError, Reason, RequestError
from shahrdad.federation.verify.digest import Digest
from shahrdad.node.accounts import audit
from shahrdad.node.accounts.moments import stamp
from shahrdad.node.accounts.roles import Action, Actor, Role
from shahrdad.node.store.collection import release

Kind = Literal["publish", "withdraw", "redact"]
State = Literal["draft", "submitted", "returned", "approved", "published", "discarded"]
Verdict = Literal["valid", "errors", "unchanged"]
Place = tuple[str, str]  # in the order of changes: when, and which
DRAFTS_AT_ONCE = 100  # read, where many are walked over
_NAMES = (
    *("id", "kind", "slug", "family", "state", "revision", "answers", "file_name"),
    *("original", "original_bytes", "report", "verdict", "content", "digest", "base"),
    *("created", "updated", "author", "submitter", "approver", "reason"),
    *("version", "idx"),
)
_COLUMNS = ", ".join(_NAMES)
BY_KIND: Mapping[Kind, Action] = {
    "publish": Action.DRAFT_WRITE,
    "withdraw": Action.WITHDRAW,
    "redact": Action.REDACT,
}


@dataclass(frozen=True, slots=True)
class Revision:
    """What a draft would publish, as it was judged last.

    `content` is None where nothing could be published; `base` is the log index of the
    version that it was judged against.
    """

    kind: Kind
    slug: str
    answers: str
    verdict: Verdict
    content: bytes | None = None
    family: str | None = None
    file_name: str | None = None
    original: Digest | None = None
    original_bytes: int | None = None
    report: Digest | None = None
    base: int | None = None

    @property
    def digest(self) -> Digest | None:
        """The digest that an approver names."""
        return None if self.content is None else Digest.of(self.content)


@dataclass(frozen=True, slots=True)
class Draft:
    """A draft as it is stored; accounts by number."""

    id: str
    revision: int
    state: State
    now: Revision
    digest: Digest | None
    created: str
    updated: str
    author: int
    submitter: int | None
    approver: int | None
    reason: str | None
    version: int | None
    index: int | None
    writers: tuple[int, ...]

    @property
    def etag(self) -> str:
        """The name of this revision in this state: what If-Match compares."""
        return f'"r{self.revision}-{self.state}"'

    @property
    def place(self) -> Place:
        """Where it stands in the order of changes."""
        return self.updated, self.id


def create(
    connection: sqlite3.Connection,
    number: str,
    by: Actor,
    revision: Revision,
    at: datetime,
    writers: Sequence[int] = (),
) -> Draft:
    """Store a new draft.

    Args:
        connection: In a write transaction.
        number: A new ULID.
        by: Its author.
        revision: What it holds.
        at: When.
        writers: Others who wrote a byte of it, for example who uploaded the file.
    """
    by.check(BY_KIND[revision.kind], revision.slug)
    connection.execute(
        "INSERT INTO draft(id, kind, slug, family, state, revision, answers,"
        " file_name, original, original_bytes, report, verdict, content, digest, base,"
        " created, updated, author)"
        " VALUES (?,?,?,?,'draft',1,?,?,?,?,?,?,?,?,?,?,?,?)",
        (
            number,
            revision.kind,
            revision.slug,
            revision.family,
            *_values(revision),
            stamp(at),
            stamp(at),
            by.account,
        ),
    )
    _write_writers(connection, number, writers)
    _note(connection, by, "draft.create", number, revision, at)
    return get(connection, number)


def revise(
    connection: sqlite3.Connection,
    draft: Draft,
    by: Actor,
    revision: Revision,
    at: datetime,
    writers: Sequence[int] = (),
) -> Draft:
    """Replace what a draft holds; whoever does so has written it.

    Raises:
        ConflictError: REVISION_CHANGED.
        RequestError: DRAFT_STATE, FORBIDDEN, SCOPE_MISSING.
    """
    by.check(BY_KIND[revision.kind], revision.slug)
    _expect(draft, "draft", "returned")
    changed = connection.execute(
        "UPDATE draft SET state='draft', revision=revision+1, slug=?, family=?,"
        " answers=?, file_name=?, original=?, original_bytes=?, report=?, verdict=?,"
        " content=?, digest=?, base=?, updated=?, submitter=NULL, submitted=NULL"
        " WHERE id=? AND revision=? AND state IN('draft','returned')",
        (
            revision.slug,
            revision.family,
            *_values(revision),
            stamp(at),
            draft.id,
            draft.revision,
        ),
    )
    _expect_changed(connection, changed.rowcount, draft)
    _write_writers(connection, draft.id, (by.account, *writers))
    _note(connection, by, "draft.write", draft.id, revision, at, draft.digest)
    return get(connection, draft.id)


def submit(
    connection: sqlite3.Connection, draft: Draft, by: Actor, at: datetime
) -> Draft:
    """Ask for approval; from here on the draft does not change.

    Raises:
        RequestError: DRAFT_STATE, DRAFT_NOT_VALID, FORBIDDEN, SCOPE_MISSING.
        ConflictError: REVISION_CHANGED.
    """
    by.check(
        Action.REDACT if draft.now.kind == "redact" else Action.SUBMIT, draft.now.slug
    )
    _expect(draft, "draft", "returned")
    if draft.now.verdict != "valid" or draft.digest is None:
        raise RequestError(
            Reason.DRAFT_NOT_VALID, draft=draft.id, verdict=draft.now.verdict
        )
    changed = connection.execute(
        "UPDATE draft SET state='submitted', submitter=?, submitted=?, updated=?,"
        " reason=NULL WHERE id=? AND revision=? AND state IN('draft','returned')",
        (by.account, stamp(at), stamp(at), draft.id, draft.revision),
    )
    _expect_changed(connection, changed.rowcount, draft)
    _note(connection, by, Action.SUBMIT.value, draft.id, draft.now, at)
    return get(connection, draft.id)


def return_(
    connection: sqlite3.Connection, draft: Draft, by: Actor, reason: str, at: datetime
) -> Draft:
    """Give a submitted draft back to those who wrote it, with a reason.

    Raises:
        RequestError: DRAFT_STATE, FOUR_EYES, FORBIDDEN, SCOPE_MISSING.
        ConflictError: REVISION_CHANGED.
    """
    by.check(_deciding(draft, Action.RETURN), draft.now.slug)
    _expect(draft, "submitted")
    check_other_person(connection, draft, by)
    changed = connection.execute(
        "UPDATE draft SET state='returned', reason=?, updated=?"
        " WHERE id=? AND state='submitted'",
        (reason, stamp(at), draft.id),
    )
    _expect_changed(connection, changed.rowcount, draft)
    audit.append(connection, by, Action.RETURN.value, draft.id, at=at, reason=reason)
    return get(connection, draft.id)


def discard(
    connection: sqlite3.Connection, draft: Draft, by: Actor, at: datetime
) -> Draft:
    """Give a draft up; its row stays, its objects are free to be collected.

    The file as it came stays, named by itself.

    Raises:
        RequestError: DRAFT_STATE, FORBIDDEN, SCOPE_MISSING.
        ConflictError: REVISION_CHANGED.
    """
    by.check(BY_KIND[draft.now.kind], draft.now.slug)
    _expect(draft, "draft", "returned")
    changed = connection.execute(
        "UPDATE draft SET state='discarded', updated=?"
        " WHERE id=? AND revision=? AND state IN('draft','returned')",
        (stamp(at), draft.id, draft.revision),
    )
    _expect_changed(connection, changed.rowcount, draft)
    release(connection, "draft", draft.id)
    audit.append(connection, by, "draft.discard", draft.id, at=at)
    return get(connection, draft.id)


def approve(
    connection: sqlite3.Connection,
    draft: Draft,
    by: Actor,
    digest: Digest,
    newest: int | None,
    at: datetime,
) -> Draft:
    """Let a draft be published, under the publishing lock.

    Args:
        connection: In a write transaction.
        draft: Submitted.
        by: Another person than any of those who wrote or submitted it.
        digest: Of the record that this person looked at.
        newest: Log index of the dataset's newest version now.
        at: When.

    Raises:
        RequestError: DRAFT_STATE, FOUR_EYES, REDACTION_ROLES, FORBIDDEN,
            SCOPE_MISSING.
        ConflictError: DIGEST_NOT_APPROVED, DRAFT_STALE, REVISION_CHANGED.
    """
    by.check(_deciding(draft, Action.APPROVE), draft.now.slug)
    _expect(draft, "submitted")
    check_other_person(connection, draft, by)
    if digest != draft.digest:
        raise ConflictError(
            Reason.DIGEST_NOT_APPROVED,
            digest=draft.digest.hex if draft.digest else "–",
            digest_given=digest.hex,
        )
    if newest != draft.now.base:
        raise ConflictError(Reason.DRAFT_STALE, ref=draft.now.slug)
    if draft.now.kind == "redact":
        _check_redaction_roles(connection, draft, by)
    try:
        changed = connection.execute(
            "UPDATE draft SET state='approved', approver=?, approved=?, updated=?,"
            " approved_digest=? WHERE id=? AND revision=? AND state='submitted'",
            (
                by.account,
                stamp(at),
                stamp(at),
                digest.raw,
                draft.id,
                draft.revision,
            ),
        )
    except sqlite3.IntegrityError as error:
        raise RequestError(Reason.FOUR_EYES, account=by.name) from error
    _expect_changed(connection, changed.rowcount, draft)
    _note(connection, by, Action.APPROVE.value, draft.id, draft.now, at)
    return get(connection, draft.id)


def check_other_person(connection: sqlite3.Connection, draft: Draft, by: Actor) -> None:
    """Refuse whoever had a hand in a draft, and every program.

    Raises:
        RequestError: FOUR_EYES.
    """
    uploaded = connection.execute(
        "SELECT 1 FROM upload WHERE sha256=? AND account=?",
        (draft.now.original.raw if draft.now.original else None, by.account),
    ).fetchone()
    hands = {draft.author, draft.submitter, *draft.writers}
    if by.account in hands or uploaded or by.kind != "person":
        raise RequestError(Reason.FOUR_EYES, account=by.name)


def publish(
    connection: sqlite3.Connection, draft: Draft, version: int | None, index: int
) -> Draft:
    """Note that an approved draft is in the signed log."""
    connection.execute(
        "UPDATE draft SET state='published', version=?, idx=?"
        " WHERE id=? AND state='approved'",
        (version, index, draft.id),
    )
    return get(connection, draft.id)


def is_approved(
    connection: sqlite3.Connection, kind: Kind, slug: str, digest: Digest | None = None
) -> bool:
    """Tell whether something may be written to the log now: the gate of the node."""
    row = connection.execute(
        "SELECT 1 FROM draft WHERE state='approved' AND kind=? AND slug=?"
        " AND approved_digest=digest AND (?3 IS NULL OR digest=?3)",
        (kind, slug, digest.raw if digest else None),
    ).fetchone()
    return row is not None


def get(connection: sqlite3.Connection, number: str) -> Draft:
    """Return a draft.

    Raises:
        RequestError: DRAFT_UNKNOWN.
    """
    row = connection.execute(
        f"SELECT {_COLUMNS} FROM draft WHERE id=?",  # noqa: S608
        (number.upper(),),
    ).fetchone()
    if row is None:
        raise RequestError(Reason.DRAFT_UNKNOWN, draft=number[:40])
    return _draft(connection, row)


def find(connection: sqlite3.Connection, states: Sequence[State]) -> list[Draft]:
    """Return all drafts in some states, the one changed last first."""
    return list(walk(connection, states))


def walk(
    connection: sqlite3.Connection, states: Sequence[State], after: Place | None = None
) -> Iterator[Draft]:
    """Yield the drafts in some states, the one changed last first.

    They are read as they are taken, and what changes meanwhile moves to the front: it
    hides and repeats no other.

    Args:
        connection: To the node's database.
        states: Which.
        after: The place of the draft after which to begin; None: the first.
    """
    marks = ",".join("?" * len(states))
    while True:
        behind, place = (" AND (updated, id) < (?, ?)", after) if after else ("", ())
        rows = connection.execute(
            f"SELECT {_COLUMNS} FROM draft WHERE state IN ({marks})"  # noqa: S608
            f"{behind} ORDER BY updated DESC, id DESC LIMIT ?",
            (*states, *place, DRAFTS_AT_ONCE),
        ).fetchall()
        for row in rows:
            draft = _draft(connection, row)
            after = draft.place
            yield draft
        if len(rows) < DRAFTS_AT_ONCE:
            return


def forget_content(connection: sqlite3.Connection, digest: Digest) -> int:
    """Drop the content of published drafts whose record was redacted.

    Returns:
        How many drafts held it.
    """
    gone = connection.execute(
        "UPDATE draft SET content=NULL, answers='{}', file_name=NULL"
        " WHERE digest=? AND state='published'",
        (digest.raw,),
    )
    return gone.rowcount


def _values(revision: Revision) -> tuple[object, ...]:
    return (
        revision.answers,
        revision.file_name,
        revision.original.raw if revision.original else None,
        revision.original_bytes,
        revision.report.raw if revision.report else None,
        revision.verdict,
        revision.content,
        revision.digest.raw if revision.digest else None,
        revision.base,
    )


def _draft(connection: sqlite3.Connection, row: Sequence[Any]) -> Draft:
    value: dict[str, Any] = dict(zip(_NAMES, row, strict=True))
    for name in ("original", "report", "digest"):
        value[name] = Digest(value[name]) if value[name] is not None else None
    writers = connection.execute(
        "SELECT account FROM draft_writer WHERE draft=? ORDER BY account",
        (value["id"],),
    )
    return Draft(
        id=value["id"],
        revision=value["revision"],
        state=value["state"],
        now=Revision(**{item.name: value[item.name] for item in fields(Revision)}),
        digest=value["digest"],
        created=value["created"],
        updated=value["updated"],
        author=value["author"],
        submitter=value["submitter"],
        approver=value["approver"],
        reason=value["reason"],
        version=value["version"],
        index=value["idx"],
        writers=tuple(account for (account,) in writers),
    )


def _write_writers(
    connection: sqlite3.Connection, number: str, accounts: Sequence[int]
) -> None:
    connection.executemany(
        "INSERT OR IGNORE INTO draft_writer VALUES (?, ?)",
        [(number, account) for account in accounts],
    )


def _deciding(draft: Draft, usual: Action) -> Action:
    """Return the right that deciding on a draft takes."""
    return Action.REDACT_APPROVE if draft.now.kind == "redact" else usual


def _check_redaction_roles(
    connection: sqlite3.Connection, draft: Draft, by: Actor
) -> None:
    """An administrator and a publisher, in either order.

    Raises:
        RequestError: REDACTION_ROLES.
    """
    rows = connection.execute(
        "SELECT role FROM role_grant WHERE account=?", (draft.submitter,)
    )
    asked = {Role(role) for (role,) in rows}
    decides = {grant.role for grant in by.grants}
    pairs = ((Role.ADMIN, Role.PUBLISHER), (Role.PUBLISHER, Role.ADMIN))
    if not any(one in asked and other in decides for one, other in pairs):
        role = "/".join(sorted(asked & decides)) or "–"
        raise RequestError(Reason.REDACTION_ROLES, role=role)


def _expect(draft: Draft, *states: State) -> None:
    if draft.state not in states:
        raise ConflictError(
            Reason.DRAFT_STATE,
            draft=draft.id,
            state=draft.state,
            wanted=" | ".join(states),
        )


def _expect_changed(connection: sqlite3.Connection, count: int, draft: Draft) -> None:
    """Refuse when somebody else was faster."""
    if count != 1:
        now = get(connection, draft.id)
        raise ConflictError(Reason.REVISION_CHANGED, revision=now.etag.strip('"'))


def _note(
    connection: sqlite3.Connection,
    by: Actor,
    action: str,
    number: str,
    revision: Revision,
    at: datetime,
    before: Digest | None = None,
) -> None:
    """Write the audit row of a step; the slug stands in it, since both are public."""
    audit.append(
        connection,
        by,
        action,
        f"{number} {revision.slug}",
        at=at,
        before=before.hex if before else None,
        after=revision.digest.hex if revision.digest else None,
    )
