"""Which datasets of a portal wait on the desk: one row a dataset, all its SQL.

A row stays while its draft is open, and after a person discarded it: the same state of
the portal is not proposed twice. Of a published draft the row goes, and the dataset's
own row says what was applied.
"""

import sqlite3
from dataclasses import dataclass

from shahrdad.federation.verify.digest import Digest
from shahrdad.node.bridge.rows import Run
from shahrdad.node.desk.drafts import Kind, State


@dataclass(frozen=True, slots=True)
class Waiting:
    """A dataset's draft.

    Attributes:
        digest: Of the portal's description that it was made of; None = look again.
        record: The digest that an approver names.
    """

    package: str
    run: int
    draft: str
    kind: Kind
    state: State
    slug: str
    digest: Digest | None
    record: Digest | None

    @property
    def is_undecided(self) -> bool:
        """Whether it lies before a person, or is being published."""
        return self.state in {"submitted", "approved"}


def note(
    connection: sqlite3.Connection,
    run: Run,
    package: str,
    draft: str,
    digest: Digest | None,
) -> None:
    """Note a dataset's draft instead of the one before; the caller commits."""
    connection.execute(
        "INSERT OR REPLACE INTO bridge_draft(source, package, run, draft, digest)"
        " VALUES (?, ?, ?, ?, ?)",
        (run.source, package, run.id, draft, digest.raw if digest else None),
    )


def of_source(connection: sqlite3.Connection, source: int) -> dict[str, Waiting]:
    """Return the drafts of a source, by the portal's identifier."""
    return {one.package: one for one in _find(connection, "b.source=?", source)}


def of_run(connection: sqlite3.Connection, run: int) -> list[Waiting]:
    """Return what a run submitted and nobody decided yet, by draft."""
    return _find(connection, "b.run=? AND d.state='submitted'", run)


def settle_published(connection: sqlite3.Connection, source: int) -> None:
    """Note as applied what was approved; the caller commits."""
    connection.execute(
        "UPDATE bridge_object SET digest=found.digest, live=found.live, error=NULL,"
        " detail=NULL FROM (SELECT b.package,"
        "  iif(d.kind='publish', b.digest, NULL) AS digest, d.kind='publish' AS live"
        "  FROM bridge_draft b JOIN draft d ON d.id=b.draft"
        "  WHERE b.source=?1 AND d.state='published') AS found"
        " WHERE bridge_object.source=?1 AND bridge_object.package=found.package",
        (source,),
    )
    connection.execute(
        "DELETE FROM bridge_draft WHERE source=?"
        " AND draft IN (SELECT id FROM draft WHERE state='published')",
        (source,),
    )


def _find(connection: sqlite3.Connection, where: str, value: int) -> list[Waiting]:
    rows = connection.execute(
        "SELECT b.package, b.run, d.id, d.kind, d.state, d.slug, b.digest, d.digest"  # noqa: S608
        " FROM bridge_draft b JOIN draft d ON d.id=b.draft"
        f" WHERE {where} ORDER BY d.id",
        (value,),
    )
    return [
        Waiting(
            package,
            run,
            draft,
            kind,
            state,
            slug,
            Digest(digest) if digest else None,
            Digest(record) if record else None,
        )
        for package, run, draft, kind, state, slug, digest, record in rows
    ]
