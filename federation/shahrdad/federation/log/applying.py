"""What one transaction of the log store does to the tables, step by step.

Each function runs within the transaction of its caller and commits nothing.
"""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

from shahrdad.datasets.errors import ConflictError, Reason, RequestError
from shahrdad.federation.log.reading import marks, parts, stored_tile
from shahrdad.federation.log.schema import LogState, Status
from shahrdad.federation.verify import entry as entries
from shahrdad.federation.verify.digest import Digest
from shahrdad.federation.verify.entry import Entry
from shahrdad.federation.verify.growth import Growth
from shahrdad.federation.verify.tile import level_size
from shahrdad.federation.verify.tree import HASH_BYTES, TILE_WIDTH

_REPLAY_ENTRIES = 4_096


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


def apply_keys(
    connection: sqlite3.Connection, log: int, parsed: Iterable[Entry | None]
) -> None:
    """Apply entries to the live keys; of each key only its newest entry matters."""
    newest = {
        entry.key: entry
        for entry in parsed
        if entry is not None and entry.key is not None
    }
    puts = [
        (log, key, entry.index, entry.sha256.raw)
        for key, entry in sorted(newest.items())  # in the order of the index
        if entry.sha256 is not None
    ]
    deletes = [
        (log, key, entry.index) for key, entry in newest.items() if entry.sha256 is None
    ]
    (any_gone,) = connection.execute(
        "SELECT EXISTS(SELECT 1 FROM gone WHERE log=?)", (log,)
    ).fetchone()
    if any_gone:
        connection.executemany(
            "DELETE FROM gone WHERE log=? AND key=?", [row[:2] for row in puts]
        )
    connection.executemany(
        "INSERT INTO live VALUES(?,?,?,?) ON CONFLICT(log,key) DO UPDATE"
        " SET idx=excluded.idx,sha256=excluded.sha256",
        puts,
    )
    connection.executemany(
        "DELETE FROM live WHERE log=? AND key=?", [row[:2] for row in deletes]
    )
    connection.executemany("INSERT OR REPLACE INTO gone VALUES(?,?,?)", deletes)


def apply_bodies(
    connection: sqlite3.Connection,
    log: int,
    parsed: Iterable[Entry | None],
    bodies: Mapping[Digest, bytes],
) -> tuple[tuple[Digest, ...], tuple[Digest, ...], int]:
    """Store bodies, note which are missing, and obey redactions of this log.

    Returns:
        Missing digests, dropped digests, and bytes stored.
    """
    puts: list[tuple[bytes, int]] = []
    redacts: list[tuple[bytes, int]] = []
    for entry in parsed:
        if entry is not None and entry.sha256 is not None:
            row = (entry.sha256.raw, entry.index)
            (puts if entry.op == "put" else redacts).append(row)
    named = [sha256 for sha256, _ in puts]
    redacted = {sha256 for sha256, _ in redacts} | redacted_before(
        connection, log, named
    )
    content = sorted(
        (digest.raw, body)
        for digest, body in bodies.items()
        if digest.raw not in redacted
    )
    held = {sha256 for sha256, _ in content}
    held |= held_already(connection, [sha256 for sha256 in named if sha256 not in held])
    held -= redacted
    insert_bodies(connection, content)
    connection.executemany(
        "INSERT INTO body_ref VALUES(?,?,?)",
        # In the order of the index: digests are random, and pages are touched once.
        [(sha256, log, index) for sha256, index in sorted(puts)],
    )
    connection.executemany(
        "INSERT INTO absent VALUES(?,?,?)",
        [
            (log, index, "redacted" if sha256 in redacted else "missing")
            for sha256, index in puts
            if sha256 not in held
        ],
    )
    missing = dict.fromkeys(
        sha256 for sha256 in named if sha256 not in held and sha256 not in redacted
    )
    dropped = redact(connection, log, redacts)
    return (
        tuple(map(Digest, missing)),
        tuple(dropped),
        sum(len(body) for _, body in content),
    )


def redacted_before(
    connection: sqlite3.Connection, log: int, named: Sequence[bytes]
) -> set[bytes]:
    """Return which of the digests this log redacted before."""
    (some,) = connection.execute(
        "SELECT EXISTS(SELECT 1 FROM absent WHERE log=? AND state='redacted')", (log,)
    ).fetchone()
    found: set[bytes] = set()
    for part in parts(named) if some else ():
        rows = connection.execute(
            "SELECT DISTINCT r.sha256 FROM body_ref r CROSS JOIN absent a"  # noqa: S608
            " ON a.log=r.log AND a.idx=r.idx AND a.state='redacted'"
            f" WHERE r.log=? AND r.sha256 IN ({marks(part)})",
            (log, *part),
        )
        found.update(sha256 for (sha256,) in rows)
    return found


def held_already(connection: sqlite3.Connection, named: Sequence[bytes]) -> set[bytes]:
    """Return which of some bodies are stored already, for another entry or log."""
    found: set[bytes] = set()
    for part in parts(named):
        rows = connection.execute(
            f"SELECT sha256 FROM body WHERE sha256 IN ({marks(part)})",  # noqa: S608
            part,
        )
        found.update(sha256 for (sha256,) in rows)
    return found


def insert_bodies(
    connection: sqlite3.Connection, bodies: Iterable[tuple[bytes, bytes]]
) -> None:
    """Store bodies; one that is there already is the same."""
    connection.executemany(
        "INSERT INTO body VALUES(?,?) ON CONFLICT(sha256) DO NOTHING", bodies
    )


def redact(
    connection: sqlite3.Connection, log: int, redacts: Iterable[tuple[bytes, int]]
) -> list[Digest]:
    """Mark digests within this log alone, and drop what no other log holds.

    Else one city could erase another's records by naming their digests.
    """
    named = []
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
    """Delete the bodies that no entry of any log holds any more."""
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
        apply_keys(connection, log.id, entries.applied(raws, start, log.origin))
