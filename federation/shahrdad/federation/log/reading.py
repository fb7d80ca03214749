"""Reading what is held of the logs: heads, entries, bodies, live keys and proofs."""

import sqlite3
from collections.abc import Collection, Iterator, Sequence
from typing import TypeVar

from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.federation.log.connection import LogConnection
from shahrdad.federation.log.schema import BodyState, LogState, Status
from shahrdad.federation.verify import checkpoint as checkpoints
from shahrdad.federation.verify import receipt as receipts
from shahrdad.federation.verify import tree
from shahrdad.federation.verify.digest import Digest
from shahrdad.federation.verify.state import LiveEntry, state_digest
from shahrdad.federation.verify.tile import hash_reader
from shahrdad.federation.verify.tree import Frontier, ReadHash

_LOG = (
    "SELECT id,origin,own,status,size,head_size,checkpoint,confirmed,seq,verified_at,"
    "evidence,body_bytes,missing_bodies FROM log "
)
T = TypeVar("T")

_PARAMETERS = 500  # in one statement; SQLite takes 999 in its oldest builds


class LogReading(LogConnection):
    """The read side of the log store; every method may run in several threads."""

    def logs(self) -> list[LogState]:
        """Return every log, by origin."""
        rows = self._connect().execute(f"{_LOG} ORDER BY origin")
        return [_log_state(row) for row in rows]

    def find_log(self, origin: str) -> LogState | None:
        """Return a log, or None when it was never seen."""
        row = self._connect().execute(f"{_LOG} WHERE origin=?", (origin,)).fetchone()
        return None if row is None else _log_state(row)

    def log(self, origin: str) -> LogState:
        """Return a log.

        Raises:
            RequestError: ORIGIN_UNKNOWN.
        """
        found = self.find_log(origin)
        if found is None:
            raise RequestError(Reason.ORIGIN_UNKNOWN, origin=origin)
        return found

    def heads_after(
        self, seq: int, limit: int, origins: Sequence[str] = ()
    ) -> list[LogState]:
        """Return logs with a complete head whose `seq` is above one, oldest first.

        Args:
            seq: 0 for all.
            limit: Most logs to return.
            origins: Only these; empty means all.
        """
        only = f"AND origin IN ({marks(origins)}) " if origins else ""
        rows = self._connect().execute(
            f"{_LOG} WHERE seq>? AND checkpoint IS NOT NULL {only}ORDER BY seq LIMIT ?",
            (seq, *origins, limit),
        )
        return [_log_state(row) for row in rows]

    def last_seq(self) -> int:
        """Return the highest `seq`; 0 in an empty database."""
        return int(_one(self._connect(), "SELECT coalesce(max(seq),0) FROM log"))

    def epoch(self) -> str:
        """Return the random name of this database's numbering of `seq`."""
        return str(_one(self._connect(), "SELECT value FROM epoch"))

    def frontier(self, origin: str) -> Frontier:
        """Return the frontier of all entries stored."""
        row = (
            self._connect()
            .execute("SELECT size,frontier FROM log WHERE id=?", (self._id(origin),))
            .fetchone()
        )
        return Frontier.from_bytes(*row)

    def entries(self, origin: str, start: int, end: int) -> list[bytes]:
        """Return the raw entries with start ≤ index < end, as far as they are held."""
        rows = self._connect().execute(
            "SELECT raw FROM entry WHERE log=? AND idx>=? AND idx<? ORDER BY idx",
            (self._id(origin), start, end),
        )
        return [raw for (raw,) in rows]

    def entry(self, origin: str, index: int) -> bytes:
        """Return one raw entry.

        Raises:
            RequestError: ORIGIN_UNKNOWN or ENTRY_UNKNOWN.
        """
        found = self.entries(origin, index, index + 1)
        if not found:
            raise RequestError(Reason.ENTRY_UNKNOWN, origin=origin, subject=index)
        return found[0]

    def newest_index(self, origin: str, key: str) -> int | None:
        """Return the index of a key's newest entry of any op; None when it has none."""
        log = self._id(origin)
        row = (
            self._connect()
            .execute(
                "SELECT idx FROM live WHERE log=? AND key=?"
                " UNION ALL SELECT idx FROM gone WHERE log=? AND key=?"
                " ORDER BY idx DESC LIMIT 1",
                (log, key, log, key),
            )
            .fetchone()
        )
        return None if row is None else int(row[0])

    def live(self, origin: str) -> dict[str, LiveEntry]:
        """Return the live keys after all entries stored."""
        rows = self._connect().execute(
            "SELECT key,idx,sha256 FROM live WHERE log=? ORDER BY key",
            (self._id(origin),),
        )
        return {key: LiveEntry(idx, Digest(sha256)) for key, idx, sha256 in rows}

    def live_count(self, origin: str) -> int:
        """Return how many keys are live."""
        sql = "SELECT count(*) FROM live WHERE log=?"
        return int(_one(self._connect(), sql, self._id(origin)))

    def live_keys(self, origin: str, limit: int) -> list[str]:
        """Return the first live keys, in byte order."""
        rows = self._connect().execute(
            "SELECT key FROM live WHERE log=? ORDER BY key LIMIT ?",
            (self._id(origin), limit),
        )
        return [key for (key,) in rows]

    def live_entry(self, origin: str, key: str) -> LiveEntry | None:
        """Return the newest version of a key, or None when the key is not live."""
        row = (
            self._connect()
            .execute(
                "SELECT idx,sha256 FROM live WHERE log=? AND key=?",
                (self._id(origin), key),
            )
            .fetchone()
        )
        return None if row is None else LiveEntry(row[0], Digest(row[1]))

    def live_among(self, origin: str, keys: Collection[str]) -> set[str]:
        """Return those of some keys that are live."""
        log = self._id(origin)
        found: set[str] = set()
        for part in parts(list(keys)):
            rows = self._connect().execute(
                f"SELECT key FROM live WHERE log=? AND key IN ({marks(part)})",  # noqa: S608
                (log, *part),
            )
            found.update(key for (key,) in rows)
        return found

    def live_bodies(
        self, origin: str, start: int, end: int
    ) -> Iterator[tuple[int, bytes, bytes]]:
        """Yield index, digest and body of the live entries whose body is held.

        Row by row: who stops early has read no more than it needs.
        """
        rows = self._connect().execute(
            "SELECT l.idx,b.sha256,b.content FROM live l"
            " CROSS JOIN body b ON b.sha256=l.sha256"
            " WHERE l.log=? AND l.idx>=? AND l.idx<? ORDER BY l.idx",
            (self._id(origin), start, end),
        )
        yield from rows

    def state_digest(self, origin: str) -> Digest:
        """Return the digest of the live keys; nodes that agree have equal ones.

        It follows from the entries, so it is remembered until there are others.
        """
        frontier = self.frontier(origin)
        known = self._states.get(origin)
        if known is not None and known[0] == frontier:
            return known[1]
        digest = state_digest(self.live(origin))
        if self.frontier(origin) == frontier:  # else somebody wrote meanwhile
            self._states[origin] = (frontier, digest)
        return digest

    def body(self, digest: Digest) -> bytes | None:
        """Return a body, or None when it is not held."""
        return self.bodies([digest]).get(digest)

    def bodies(self, digests: Sequence[Digest]) -> dict[Digest, bytes]:
        """Return those bodies of some that are held."""
        found = {}
        for part in parts(digests):
            rows = self._connect().execute(
                f"SELECT sha256,content FROM body WHERE sha256 IN ({marks(part)})",  # noqa: S608
                [digest.raw for digest in part],
            )
            found.update({Digest(sha256): content for sha256, content in rows})
        return found

    def body_state(self, digest: Digest) -> BodyState:
        """Return why a body is or is not here; one that nobody named is missing."""
        connection = self._connect()
        held = "SELECT EXISTS(SELECT 1 FROM body WHERE sha256=?)"
        if _one(connection, held, digest.raw):
            return BodyState.HELD
        rows = connection.execute(
            "SELECT DISTINCT a.state FROM body_ref r CROSS JOIN absent a"
            " ON a.log=r.log AND a.idx=r.idx WHERE r.sha256=?",
            (digest.raw,),
        )
        states = {state for (state,) in rows}
        for state in (BodyState.REDACTED, BodyState.PRUNED):
            if state in states:
                return state
        return BodyState.MISSING

    def missing_live(self, origin: str, limit: int) -> list[Digest]:
        """Return bodies of live entries that are not held, oldest entry first."""
        rows = self._connect().execute(
            "SELECT l.sha256 FROM absent a CROSS JOIN live l"
            " ON l.log=a.log AND l.idx=a.idx WHERE a.log=? AND a.state='missing'"
            " ORDER BY a.idx LIMIT ?",
            (self._id(origin), limit),
        )
        return list(dict.fromkeys(Digest(sha256) for (sha256,) in rows))

    def held_bodies(self) -> Iterator[tuple[Digest, bytes]]:
        """Yield every body held, for projections and for garbage collection."""
        last = b""
        while True:
            rows = (
                self._connect()
                .execute(
                    "SELECT sha256,content FROM body WHERE sha256>?"
                    " ORDER BY sha256 LIMIT 100",
                    (last,),
                )
                .fetchall()
            )
            if not rows:
                return
            for last, content in rows:
                yield Digest(last), content

    def tile(self, origin: str, level: int, number: int) -> bytes:
        """Return the hashes of a tile as far as they go; empty when there are none."""
        return self._tile(self._id(origin), level, number)

    def hashes(self, origin: str) -> ReadHash:
        """Return the `read(height, n)` that the provers of `verify.tree` ask.

        It remembers the tiles it read; keep it for one request, in one thread.
        """
        log = self._id(origin)
        return hash_reader(lambda level, number: self._tile(log, level, number))

    def root_at(self, origin: str, size: int) -> bytes:
        """Return the root of a log's first entries.

        Raises:
            RequestError: ORIGIN_UNKNOWN, SIZE_AHEAD.
        """
        self._check_size(origin, size)
        return tree.root_at(size, self.hashes(origin))

    def inclusion_proof(self, origin: str, index: int, size: int) -> list[bytes]:
        """Return the proof that an entry stands at an index of a tree.

        Raises:
            RequestError: ORIGIN_UNKNOWN, SIZE_AHEAD, ENTRY_UNKNOWN.
        """
        self._check_size(origin, size)
        if not 0 <= index < size:
            raise RequestError(Reason.ENTRY_UNKNOWN, origin=origin, subject=index)
        return tree.inclusion_proof(index, size, self.hashes(origin))

    def consistency_proof(self, origin: str, old: int, new: int) -> list[bytes]:
        """Return the proof that one size extends another, 1 ≤ old ≤ new.

        Raises:
            RequestError: ORIGIN_UNKNOWN, SIZE_AHEAD; MALFORMED for other sizes.
        """
        self._check_size(origin, new)
        if not 1 <= old <= new:
            raise RequestError(
                Reason.MALFORMED, field="from_size", detail=f"{old}, not 1 to {new}"
            )
        return tree.consistency_proof(old, new, self.hashes(origin))

    def receipt(self, origin: str, index: int) -> bytes:
        """Return the receipt of an entry, a `.tlog-proof`.

        It stands on the newest confirmed head that covers the entry, else on the
        newest head.

        Raises:
            RequestError: ORIGIN_UNKNOWN; ENTRY_UNKNOWN, also when no head covers it.
        """
        log = self.log(origin)
        for note in (log.confirmed, log.checkpoint):
            size = 0 if note is None else checkpoints.peek(note).size
            if note is not None and index < size:
                return receipts.make(
                    self.entry(origin, index),
                    index,
                    self.inclusion_proof(origin, index, size),
                    note,
                )
        raise RequestError(Reason.ENTRY_UNKNOWN, origin=origin, subject=index)

    def _check_size(self, origin: str, size: int) -> None:
        """Refuse a size above what is held."""
        held = self.log(origin).size
        if size > held:
            raise RequestError(
                Reason.SIZE_AHEAD, origin=origin, size=size, size_max=held
            )

    def _tile(self, log: int, level: int, number: int) -> bytes:
        """Return a tile's hashes."""
        return stored_tile(self._connect(), log, level, number)


def stored_tile(
    connection: sqlite3.Connection, log: int, level: int, number: int
) -> bytes:
    """Return a tile's hashes; empty when it does not exist."""
    row = connection.execute(
        "SELECT hashes FROM tile WHERE log=? AND level=? AND n=?", (log, level, number)
    ).fetchone()
    return b"" if row is None else row[0]


def _one(connection: sqlite3.Connection, sql: str, *values: object) -> int | str:
    """Return the one value of the one row."""
    (value,) = connection.execute(sql, values).fetchone()
    found: int | str = value
    return found


def marks(values: Sequence[object]) -> str:
    """Return as many parameter marks as there are values."""
    return ",".join("?" * len(values))


def parts(values: Sequence[T]) -> Iterator[Sequence[T]]:
    """Yield values in parts that fit into one statement."""
    for start in range(0, len(values), _PARAMETERS):
        yield values[start : start + _PARAMETERS]


def _log_state(row: Sequence[object]) -> LogState:
    """Make the value of a row of `log`."""
    number, origin, own, status, *rest = row
    return LogState(number, origin, bool(own), Status(str(status)), *rest)  # type: ignore[arg-type]
