"""What one transaction of the log store does to the tables, step by step.

Each function runs within the transaction of its caller and commits nothing.
"""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import TypeAlias

from shahrdad.datasets.errors import ConflictError, Reason, RequestError
from shahrdad.federation.log.columns import insert_rows
from shahrdad.federation.log.reading import marks, parts, stored_tile
from shahrdad.federation.log.schema import LogState, Status, WrongPrev
from shahrdad.federation.verify import entry as entries
from shahrdad.federation.verify.digest import Digest
from shahrdad.federation.verify.entry import Entry
from shahrdad.federation.verify.growth import Growth
from shahrdad.federation.verify.tile import level_size
from shahrdad.federation.verify.tree import HASH_BYTES, TILE_WIDTH

Newest: TypeAlias = dict[str, tuple[int, bytes | None]]  # no digest: it was deleted

_REPLAY_ENTRIES = 4_096
REFS_WAITING_MAX = 131_072  # sorting so many in holds up other writers for a second


def check_end(connection: sqlite3.Connection, growth: Growth) -> tuple[int, int]:
    """Return number and body bytes of a log that ends where its growth starts."""
    row = connection.execute(
        "SELECT id,size,frontier,status,body_bytes FROM log WHERE origin=?",
        (growth.origin,),
    ).fetchone()
    if row is None:
        raise RequestError(Reason.ORIGIN_UNKNOWN, origin=growth.origin)
    log, size, frontier, status, body_bytes = row
    if status == Status.QUARANTINED:
        raise ConflictError(Reason.ORIGIN_CLOSED, origin=growth.origin, status=status)
    if size != growth.start or frontier != growth.before.to_bytes():
        raise ConflictError(
            Reason.OLD_SIZE_CONFLICT,
            origin=growth.origin,
            size=size,
            size_given=growth.start,
        )
    return log, body_bytes


def grow_tiles(connection: sqlite3.Connection, log: int, growth: Growth) -> None:
    """Append hashes to the right-most tile of each level, and begin new ones."""
    levels = [(0, growth.start, b"".join(growth.leaves))]
    # Completed hashes come in tree order: ascending in each level.
    for level, group in groupby(sorted(growth.completed), key=lambda node: node.level):
        nodes = list(group)
        levels.append((level, nodes[0].position, b"".join(node.hash for node in nodes)))
    rows = []
    for level, position, hashes in levels:
        number, width = divmod(position, TILE_WIDTH)
        if width:
            held = stored_tile(connection, log, level, number)
            if len(held) != width * HASH_BYTES:
                raise ValueError(f"tile {level}/{number} does not go up to {position}")
            hashes = held + hashes
        for at in range(0, len(hashes), TILE_WIDTH * HASH_BYTES):
            rows.append((log, level, number, hashes[at : at + TILE_WIDTH * HASH_BYTES]))
            number += 1
    connection.executemany("INSERT OR REPLACE INTO tile VALUES(?,?,?,?)", rows)


def newest_of(growth: Growth) -> Newest:
    """Return index and digest of each key's newest entry."""
    puts = growth.puts
    found: Newest = dict(
        zip(puts.keys, zip(puts.indexes, puts.digests, strict=True), strict=True)
    )
    for key, other in newest_among(growth.others).items():
        if key not in found or found[key][0] < other[0]:
            found[key] = other
    return found


def newest_among(parsed: Iterable[Entry]) -> Newest:
    """Return the same of entries that were read one by one, in order."""
    return {
        entry.key: (entry.index, None if entry.sha256 is None else entry.sha256.raw)
        for entry in parsed
        if entry.key is not None
    }


def wrong_prevs(
    connection: sqlite3.Connection, log: int, growth: Growth
) -> tuple[WrongPrev, ...]:
    """Return the entries that name a wrong former entry of their key.

    Called before `apply_keys`. Nothing depends on what is named: it is a warning.
    """
    puts = growth.puts
    named = list(zip(puts.indexes, puts.keys, puts.prevs, strict=True))
    others = [(one.index, one.key, one.prev) for one in growth.others if one.key]
    if others:
        named = sorted([*named, *others])
    newest = newest_indexes(connection, log, {key for _, key, _ in named})
    wrong = []
    for index, key, prev in named:
        actual = newest.get(key)
        if prev != actual:
            wrong.append(WrongPrev(index, key, prev, actual))
        newest[key] = index
    return tuple(wrong)


def newest_indexes(
    connection: sqlite3.Connection, log: int, keys: Iterable[str]
) -> dict[str, int]:
    """Return the index of the newest entry of each key that has one."""
    (any_gone,) = connection.execute(
        "SELECT EXISTS(SELECT 1 FROM gone WHERE log=?)", (log,)
    ).fetchone()
    found: dict[str, int] = {}
    for table in ("live", "gone") if any_gone else ("live",):
        for part in parts(sorted(keys)):
            found.update(
                connection.execute(
                    f"SELECT key,idx FROM {table} WHERE log=?"  # noqa: S608
                    f" AND key IN ({marks(part)})",
                    (log, *part),
                ).fetchall()
            )
    return found


def apply_keys(connection: sqlite3.Connection, log: int, newest: Newest) -> None:
    """Apply entries to the live keys; of each key only its newest entry matters."""
    puts = [
        (key, index, sha256)
        for key, (index, sha256) in sorted(newest.items())  # in the order of the index
        if sha256 is not None
    ]
    (any_gone,) = connection.execute(
        "SELECT EXISTS(SELECT 1 FROM gone WHERE log=?)", (log,)
    ).fetchone()
    if any_gone:
        connection.executemany(
            "DELETE FROM gone WHERE log=? AND key=?",
            [(log, key) for key, _, _ in puts],
        )
    if puts:
        keys, indexes, digests = zip(*puts, strict=True)
        insert_rows(
            connection,
            "live",
            log,
            keys,
            indexes,
            digests,
            then="ON CONFLICT(log,key) DO UPDATE SET idx=excluded.idx,"
            "sha256=excluded.sha256",
        )
    if len(puts) == len(newest):
        return
    deletes = [
        (log, key, index) for key, (index, sha256) in newest.items() if sha256 is None
    ]
    connection.executemany(
        "DELETE FROM live WHERE log=? AND key=?", [row[:2] for row in deletes]
    )
    connection.executemany("INSERT OR REPLACE INTO gone VALUES(?,?,?)", deletes)


def apply_bodies(
    connection: sqlite3.Connection,
    log: int,
    growth: Growth,
    bodies: Mapping[Digest, bytes],
) -> tuple[tuple[Digest, ...], int]:
    """Store bodies, note which are missing, and obey redactions of this log.

    Returns:
        Dropped digests, and bytes stored.
    """
    others = [
        (entry.op, entry.sha256.raw, entry.index)
        for entry in growth.others
        if entry.sha256 is not None
    ]
    redacts = [(sha256, index) for op, sha256, index in others if op == "redact"]
    puts = [(sha256, index) for op, sha256, index in others if op == "put"]
    puts += zip(growth.puts.digests, growth.puts.indexes, strict=True)
    redacted = {sha256 for sha256, _ in redacts}
    redacted |= redacted_before(connection, log, puts)
    content = [(digest.raw, body) for digest, body in bodies.items()]
    if redacted:
        content = [row for row in content if row[0] not in redacted]
    insert_bodies(connection, sorted(content))
    add_refs(connection, log, puts, {sha256 for sha256, _ in content})
    if redacted:
        connection.executemany(
            "INSERT OR REPLACE INTO absent VALUES(?,?,'redacted')",
            [(log, index) for sha256, index in puts if sha256 in redacted],
        )
    dropped = redact(connection, log, redacts)
    return tuple(dropped), sum(len(body) for _, body in content)


def add_refs(
    connection: sqlite3.Connection,
    log: int,
    puts: Sequence[tuple[bytes, int]],
    came: set[bytes],
) -> None:
    """Note which entries name which bodies, and which of these are not here.

    `settle_refs` makes them findable by their digest.

    Args:
        connection: Of the transaction.
        log: The log's number.
        puts: Digest and index.
        came: Digests of bodies that were stored with them: nobody looks for these.
    """
    if not puts:
        return
    (before,) = connection.execute(
        "SELECT coalesce(max(rowid),0) FROM body_ref_waiting"
    ).fetchone()
    digests, indexes = zip(*puts, strict=True)
    insert_rows(connection, "body_ref_waiting", digests, log, indexes)
    if not came.issuperset(digests):
        connection.execute(
            "INSERT INTO absent SELECT log,idx,'missing' FROM body_ref_waiting w WHERE"
            " rowid>? AND NOT EXISTS(SELECT 1 FROM body b WHERE b.sha256=w.sha256)",
            (before,),
        )
    if before + len(puts) >= REFS_WAITING_MAX:
        settle_refs(connection)


def settle_refs(connection: sqlite3.Connection) -> None:
    """Sort the waiting references into the index: before a digest is looked up in it.

    Digests are random. In the order of the index each of its pages is written once.
    """
    connection.execute(
        "INSERT INTO body_ref SELECT sha256,log,idx FROM body_ref_waiting"
        " ORDER BY sha256,log,idx"
    )
    connection.execute("DELETE FROM body_ref_waiting")


def redacted_before(
    connection: sqlite3.Connection, log: int, puts: Sequence[tuple[bytes, int]]
) -> set[bytes]:
    """Return which of the digests that puts name this log redacted before.

    The redact itself names its digest too, and is never among the waiting ones.
    """
    (some,) = connection.execute(
        "SELECT EXISTS(SELECT 1 FROM absent WHERE log=? AND state='redacted')", (log,)
    ).fetchone()
    found: set[bytes] = set()
    for part in parts([sha256 for sha256, _ in puts]) if some else ():
        rows = connection.execute(
            "SELECT DISTINCT r.sha256 FROM body_ref r CROSS JOIN absent a"  # noqa: S608
            " ON a.log=r.log AND a.idx=r.idx AND a.state='redacted'"
            f" WHERE r.log=? AND r.sha256 IN ({marks(part)})",
            (log, *part),
        )
        found.update(sha256 for (sha256,) in rows)
    return found


def insert_bodies(
    connection: sqlite3.Connection, bodies: Sequence[tuple[bytes, bytes]]
) -> None:
    """Store bodies; one that is there already is the same."""
    if bodies:
        digests, contents = zip(*bodies, strict=True)
        insert_rows(
            connection,
            "body",
            digests,
            contents,
            then="ON CONFLICT(sha256) DO NOTHING",
        )


def redact(
    connection: sqlite3.Connection, log: int, redacts: Sequence[tuple[bytes, int]]
) -> list[Digest]:
    """Mark digests within this log alone, and drop what no other log holds.

    Else one city could erase another's records by naming their digests.
    """
    named = []
    if redacts:
        settle_refs(connection)
    for sha256, index in redacts:
        connection.execute("INSERT INTO body_ref VALUES(?,?,?)", (sha256, log, index))
        connection.execute(
            "INSERT OR REPLACE INTO absent SELECT log,idx,'redacted' FROM body_ref"
            " WHERE sha256=? AND log=?",
            (sha256, log),
        )
        named.append(sha256)
    return drop_unheld(connection, named)


def drop_unheld(connection: sqlite3.Connection, named: Iterable[bytes]) -> list[Digest]:
    """Delete the bodies that no entry of any log holds any more.

    The references are settled by the caller.
    """
    return [
        Digest(sha256)
        for sha256 in dict.fromkeys(named)
        if connection.execute(
            "DELETE FROM body WHERE sha256=?1 AND NOT EXISTS("
            "SELECT 1 FROM body_ref r WHERE r.sha256=?1 AND NOT EXISTS("
            "SELECT 1 FROM absent a WHERE a.log=r.log AND a.idx=r.idx))",
            (sha256,),
        ).rowcount
    ]


def named_body(
    connection: sqlite3.Connection, log: int, index: int, origin: str
) -> bytes | None:
    """Return the digest that a stored put names."""
    row = connection.execute(
        "SELECT raw FROM entry WHERE log=? AND idx=?", (log, index)
    ).fetchone()
    for entry in entries.applied(() if row is None else row, index, origin):
        return None if entry.sha256 is None else entry.sha256.raw
    return None


def cut(connection: sqlite3.Connection, log: LogState, size: int) -> None:
    """Delete what belongs to entries from an index on."""
    at = (log.id, size)
    connection.execute("DELETE FROM entry WHERE log=? AND idx>=?", at)
    settle_refs(connection)
    connection.execute("DELETE FROM body_ref WHERE log=? AND idx>=?", at)
    connection.execute("DELETE FROM absent WHERE log=? AND idx>=?", at)
    connection.execute("DELETE FROM growth WHERE log=? AND size>?", at)
    level = 0
    while level_size(log.size, level):
        hashes = level_size(size, level)
        number, width = divmod(hashes, TILE_WIDTH)
        rightmost = stored_tile(connection, log.id, level, number)[: width * HASH_BYTES]
        connection.execute(
            "DELETE FROM tile WHERE log=? AND level=? AND n>=?", (log.id, level, number)
        )
        if rightmost:
            connection.execute(
                "INSERT INTO tile VALUES(?,?,?,?)", (log.id, level, number, rightmost)
            )
        level += 1


def replay(connection: sqlite3.Connection, log: LogState, size: int) -> None:
    """Make the live keys anew from the first `size` entries."""
    connection.execute("DELETE FROM live WHERE log=?", (log.id,))
    connection.execute("DELETE FROM gone WHERE log=?", (log.id,))
    for start in range(0, size, _REPLAY_ENTRIES):
        rows = connection.execute(
            "SELECT raw FROM entry WHERE log=? AND idx>=? AND idx<? ORDER BY idx",
            (log.id, start, min(size, start + _REPLAY_ENTRIES)),
        )
        raws = (raw for (raw,) in rows)
        parsed = entries.applied(raws, start, log.origin)
        apply_keys(connection, log.id, newest_among(parsed))
