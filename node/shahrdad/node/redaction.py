"""Removing a version everywhere: the record from every mirror, its objects from here.

The log keeps the entry: a digest, a reason, a date. `redact` says it to every mirror;
when it was the newest version, a withdrawal follows in the same publication. Then every
object that no other held record names leaves every area, and what was kept of the
drafts that held it goes too. Content that another log still names stays: else one city
could erase another's.

A kill in the middle leaves objects that the next run removes: each step may be
repeated. Copies that readers took, and backups, are beyond a node's reach.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from shahrdad.datasets.errors import RequestError, ShahrdadError
from shahrdad.federation.verify import strict_json
from shahrdad.federation.verify.digest import Digest
from shahrdad.node import made_files, record
from shahrdad.node.accounts import audit
from shahrdad.node.accounts.moments import present
from shahrdad.node.accounts.roles import MACHINE
from shahrdad.node.desk import drafts
from shahrdad.node.desk.drafts import Draft
from shahrdad.node.limits import RECORD_BYTES_MAX
from shahrdad.node.store.contract import Area

if TYPE_CHECKING:
    from shahrdad.node.city import Node


def redact(node: "Node", draft: Draft, wish: Mapping[str, Any]) -> int:
    """Write a redaction to the log and remove what it names; may be repeated.

    Args:
        node: Ready to sign, under the publishing lock.
        draft: Approved.
        wish: What it asks: `version`, `sha256`, `reason`.

    Returns:
        The index of the redaction's entry.
    """
    ref = f"{node.config.node.city}/{draft.now.slug}"
    digest = Digest.parse(wish["sha256"])
    dataset, version = node.catalog.version(ref, int(wish["version"]))
    named = _remembered(node, draft, digest)
    if version.state != "redacted":
        newest = dataset.state == "live" and dataset.version == version.n
        # Freed pages are overwritten: the bytes leave the file, not only the table.
        node.database.connect().execute("PRAGMA secure_delete=ON")
        index = node.append_redact(
            f"ds/{draft.now.slug}", digest, wish["reason"], newest=newest
        )
        node.projection.follow()
    else:
        log = node.own_log()
        index = log.size - 1 if log else 0
    removed = remove_unnamed(node, named)
    node.database.connect().execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with node.database.transaction() as connection:
        connection.execute(
            "DELETE FROM object_ref WHERE owner IN (?, ?)",
            (f"{ref}@{version.n}", f"redact {draft.id}"),
        )
        audit.append(
            connection,
            MACHINE,
            "redact.remove",
            f"{draft.id} {draft.now.slug}",
            at=present(),
            before=digest.hex,
            reason=f"{wish['reason']}; {removed} objects",
        )
    return index


def _remembered(node: "Node", draft: Draft, digest: Digest) -> list[Digest]:
    """Return the objects of a record, remembered before the record itself is gone."""
    connection = node.database.connect()
    owner = f"redact {draft.id}"
    try:
        found = [item.digest for item in record.objects(node.catalog.body(digest))]
    except RequestError:
        rows = connection.execute(
            "SELECT sha256 FROM object_ref WHERE owner=? AND kind='job'", (owner,)
        )
        return [Digest(raw) for (raw,) in rows]
    with node.database.transaction() as writer:
        writer.executemany(
            "INSERT OR IGNORE INTO object_ref(area, sha256, kind, owner, at)"
            " VALUES ('private', ?, 'job', ?, strftime('%Y-%m-%dT%H:%M:%SZ','now'))",
            [(one.raw, owner) for one in found],
        )
    return found


def remove_unnamed(node: "Node", digests: Iterable[Digest]) -> int:
    """Delete from every area what no held record and no open draft names.

    Exports and previews in the derived area all go, whatever they were made from.

    Returns:
        How many objects were deleted, of how many areas.
    """
    named = _named(node)
    connection = node.database.connect()
    made_files.forget_redacted(connection)
    count = 0
    for derived, _ in list(node.store.list(Area.DERIVED)):
        # Which export came from which table is not stored; all can be made again.
        node.store.delete(Area.DERIVED, derived)
        count += 1
    for digest in digests:
        if digest in named:
            continue
        for area in Area:
            if node.store.stat(area, digest) is not None:
                node.store.delete(area, digest)
                count += 1
        connection.execute(
            "DELETE FROM object_ref WHERE sha256=? AND kind<>'job'", (digest.raw,)
        )
        connection.execute("DELETE FROM upload WHERE sha256=?", (digest.raw,))
        connection.execute(
            "UPDATE submission SET file_name='' WHERE original=?", (digest.raw,)
        )
    return count


def _named(node: "Node") -> set[Digest]:
    """Return every object that a held record or an open draft names."""
    found: set[Digest] = set()
    connection = node.database.connect()
    for (content,) in connection.execute("SELECT content FROM body"):
        found |= _objects(content)
    for draft in drafts.find(connection, ["draft", "submitted", "returned"]):
        if draft.now.content is not None:
            found |= _objects(draft.now.content)
        if draft.now.original is not None:
            found.add(draft.now.original)
    return found


def _objects(content: bytes) -> set[Digest]:
    """Return the objects of a record; none of a body that is no sound record."""
    try:
        body = strict_json.loads(content, bytes_max=RECORD_BYTES_MAX)
        return {item.digest for item in record.objects(body)}
    except (ShahrdadError, AttributeError, TypeError, ValueError):
        return set()
