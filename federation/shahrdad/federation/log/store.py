"""The logs that a node holds, its own and its peers': all SQL of federation 4.8.

Every change is one transaction, so that a kill at any point leaves a verified prefix:

    append        entries, growing tiles, live keys, bodies, frontier and size
    put_head      a complete head, once all its entries are held, and its listing
    put_bodies    bodies that were missing

The store trusts its caller for what it stores: `ingest` verifies what peers send and
`LogWriter` makes our own. It refuses growth that does not start where the log ends.

>>> import sqlite3
>>> from shahrdad.federation.log.store import MIGRATIONS, LogStore
>>> connection = sqlite3.connect(":memory:", isolation_level=None)
>>> _ = connection.executescript(";".join(MIGRATIONS))
>>> store = LogStore(lambda: connection)
>>> store.ensure_log("a.example/catalog").size
0
"""

import sqlite3
from collections.abc import Callable, Iterable, Mapping

from shahrdad.datasets.errors import ConflictError, Reason
from shahrdad.federation.listing import (
    COSIGNATURE_NEWER_SECONDS,
    COSIGNATURE_PAUSE_SECONDS,
    Cosigned,
    may_list,
    says_more,
)
from shahrdad.federation.log.applying import (
    apply_bodies,
    apply_keys,
    check_end,
    cut,
    drop_unheld,
    grow_tiles,
    insert_bodies,
    named_body,
    newest_of,
    replay,
    settle_refs,
    wrong_prevs,
)
from shahrdad.federation.log.columns import insert_rows
from shahrdad.federation.log.ledger import LogLedger
from shahrdad.federation.log.reading import LogReading
from shahrdad.federation.log.schema import (
    MIGRATIONS,
    Appended,
    BodyState,
    LogState,
    PeerState,
    Problem,
    SignedHead,
    Status,
)
from shahrdad.federation.verify import checkpoint as checkpoints
from shahrdad.federation.verify import tree
from shahrdad.federation.verify.digest import Digest
from shahrdad.federation.verify.growth import Growth

__all__ = [
    "MIGRATIONS",
    "Appended",
    "BodyState",
    "LogState",
    "LogStore",
    "PeerState",
    "Problem",
    "SignedHead",
    "Status",
]

DAY_SECONDS = 86_400
HOUR_SECONDS = 3_600


class LogStore(LogReading, LogLedger):
    """Logs in SQLite; safe from several threads.

    Args:
        connect: Returns the calling thread's connection, in autocommit mode, with WAL.
    """

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        super().__init__(connect)
        self._listeners: list[Callable[[], None]] = []

    def on_change(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call a listener after each commit that advanced a `seq`.

        It runs in the thread that wrote, and must return at once: it wakes long polls.

        Returns:
            Call it to stop listening.
        """
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def ensure_log(self, origin: str, *, own: bool = False) -> LogState:
        """Return a log, and make it when it was never seen."""
        found = self.find_log(origin)
        if found is None or own > found.own:
            with self._write(durable=True) as connection:
                connection.execute(
                    "INSERT INTO log(origin,own,seq)"
                    " VALUES(?,?,(SELECT coalesce(max(seq),0)+1 FROM log))"
                    " ON CONFLICT(origin) DO UPDATE SET own=max(own,excluded.own)",
                    (origin, own),
                )
        return self.log(origin)

    def append(
        self,
        growth: Growth,
        bodies: Mapping[Digest, bytes],
        *,
        durable: bool = False,
        seconds: int | None = None,
    ) -> Appended:
        """Store a log's next entries, with all that follows from them, at once.

        Args:
            growth: Verified by the caller; it starts where the log ends.
            bodies: Verified by the caller: each is named by a put of `growth`.
            durable: Whether it survives a power cut; our own entries must.
            seconds: Unix time, for what a log may grow in a day.

        Raises:
            RequestError: ORIGIN_UNKNOWN.
            ConflictError: OLD_SIZE_CONFLICT: the log ends elsewhere; ORIGIN_CLOSED: it
                is quarantined.
        """
        with self._write(durable=durable) as connection:
            log, body_bytes = check_end(connection, growth)
            if seconds is not None:
                connection.execute(
                    "INSERT OR IGNORE INTO growth VALUES(?,?,?,?)",
                    (log, seconds // HOUR_SECONDS, growth.start, body_bytes),
                )
            indexes = range(growth.start, growth.end)
            insert_rows(connection, "entry", log, indexes, growth.raws)
            grow_tiles(connection, log, growth)
            wrong = wrong_prevs(connection, log, growth)
            apply_keys(connection, log, newest_of(growth))
            dropped, stored = apply_bodies(connection, log, growth, bodies)
            connection.execute(
                "UPDATE log SET size=?,frontier=?,body_bytes=body_bytes+? WHERE id=?",
                (growth.end, growth.frontier.to_bytes(), stored, log),
            )
        return Appended(growth.end, dropped, wrong)

    def put_bodies(self, bodies: Mapping[Digest, bytes]) -> list[Digest]:
        """Store bodies that entries name and that were missing.

        Returns:
            The digests that were stored; nobody misses the others.

        Raises:
            ValueError: a body has another digest.
        """
        stored = []
        with self._write(durable=False) as connection:
            logs: set[int] = set()
            settle_refs(connection)
            for digest, content in bodies.items():
                if Digest.of(content) != digest:
                    raise ValueError(f"the body is not {digest}")
                rows = connection.execute(
                    "DELETE FROM absent WHERE state='missing' AND (log,idx) IN("
                    "SELECT log,idx FROM body_ref WHERE sha256=?) RETURNING log",
                    (digest.raw,),
                ).fetchall()
                if not rows:
                    continue
                insert_bodies(connection, [(digest.raw, content)])
                stored.append(digest)
                for log in {log for (log,) in rows}:
                    logs.add(log)
                    connection.execute(
                        "UPDATE log SET body_bytes=body_bytes+? WHERE id=?",
                        (len(content), log),
                    )
            changed = [log for log in sorted(logs) if _count_missing(connection, log)]
        if changed:
            self._tell()
        return stored

    def prune(self, origin: str, indexes: Iterable[int]) -> list[Digest]:
        """Drop the bodies of entries whose retention has ended.

        Returns:
            The digests whose content is gone: no other entry still holds it.
        """
        log = self._id(origin)
        with self._write(durable=False) as connection:
            found: list[bytes] = []
            settle_refs(connection)
            for index in indexes:
                sha256 = named_body(connection, log, index, origin)
                if sha256 is None:
                    continue
                pruned = connection.execute(
                    "INSERT INTO absent VALUES(?,?,'pruned') ON CONFLICT(log,idx)"
                    " DO UPDATE SET state='pruned' WHERE state='missing'",
                    (log, index),
                ).rowcount
                found += [sha256] * pruned
            dropped = drop_unheld(connection, found)
            _count_missing(connection, log)
        return dropped

    def put_head(
        self,
        origin: str,
        note: bytes,
        *,
        seconds: int,
        verified_at: str | None = None,
        durable: bool = False,
        listed: bool = True,
    ) -> LogState:
        """Store a complete head: a note whose lines were all verified.

        Its place in ListHeads changes only when it says something new.

        Args:
            origin: The log.
            note: Assembled by `verify.checkpoint.assemble`.
            seconds: Unix time.
            verified_at: RFC 3339, for `Head.verified_time`.
            durable: Whether it survives a power cut.
            listed: Whether peers are told at once; else `list_head` tells them.

        Raises:
            RequestError: ORIGIN_UNKNOWN; SIZE_AHEAD: entries below it are missing.
            ConflictError: LOG_FORKED: our tree has another root at its size;
                OLD_SIZE_CONFLICT: a larger head is stored.
        """
        head = checkpoints.peek(note)
        if head.origin != origin:
            raise ValueError(f"a head of {head.origin} is none of {origin}")
        if self.root_at(origin, head.size) != head.root:
            raise ConflictError(Reason.LOG_FORKED, origin=origin, size=head.size)
        times = checkpoints.stored_cosignature_times(note)
        now = Cosigned(len(times), max(times.values(), default=0))
        with self._write(durable=durable) as connection:
            row = connection.execute(
                "SELECT id,head_size,listed_size,listed_cosigners,listed_cosigned,"
                "listed_at FROM log WHERE origin=?",
                (origin,),
            ).fetchone()
            log, head_size, listed_size, cosigners, cosigned, listed_at = row
            if head.size < head_size:
                raise ConflictError(
                    Reason.OLD_SIZE_CONFLICT,
                    origin=origin,
                    size=head_size,
                    size_given=head.size,
                )
            connection.execute(
                "UPDATE log SET head_size=?,checkpoint=?,cosigners=?,cosigned=?,"
                "verified_at=coalesce(?,verified_at) WHERE id=?",
                (head.size, note, now.cosigners, now.newest, verified_at, log),
            )
            changed = _count_missing(connection, log)
            if head.size > listed_size:
                if listed:
                    _advance(connection, log)
                    changed = True
            elif says_more(now, Cosigned(cosigners, cosigned)) and may_list(
                seconds, listed_at
            ):
                _advance(connection, log, seconds)
                changed = True
        if changed:
            self._tell()
        return self.log(origin)

    def list_head(self, origin: str) -> None:
        """Tell peers of a head that was stored without listing it."""
        log = self._id(origin)
        with self._write(durable=False) as connection:
            (unlisted,) = connection.execute(
                "SELECT head_size>listed_size FROM log WHERE id=?", (log,)
            ).fetchone()
            if unlisted:
                _advance(connection, log)
        if unlisted:
            self._tell()

    def list_cosigned(self, seconds: int) -> int:
        """List the heads whose cosignatures waited for the ten minutes to pass.

        Call it once a minute or a round.

        Returns:
            How many logs advanced.
        """
        with self._write(durable=False) as connection:
            rows = connection.execute(
                "SELECT id FROM log WHERE checkpoint IS NOT NULL"
                " AND (cosigners>listed_cosigners OR cosigned-listed_cosigned>=?)"
                " AND NOT (?-listed_at BETWEEN 0 AND ?)",
                (COSIGNATURE_NEWER_SECONDS, seconds, COSIGNATURE_PAUSE_SECONDS - 1),
            ).fetchall()
            for (log,) in rows:
                _advance(connection, log, seconds)
        if rows:
            self._tell()
        return len(rows)

    def put_confirmed(self, origin: str, note: bytes) -> None:
        """Store the newest head that a quorum cosigned; receipts stand on it."""
        self._update(origin, "confirmed=?", note)

    def set_status(self, origin: str, status: Status) -> None:
        """Change what is still done with a log; peers are told."""
        if self.log(origin).status is not status:
            self._update(origin, "status=?", status.value, advance=True)

    def put_evidence(self, origin: str, evidence: bytes) -> None:
        """Store verified evidence against a log: it is quarantined, and peers told.

        The first evidence stays: which of two it is changes nothing.
        """
        held = self.log(origin)
        if held.evidence is None:
            self._update(
                origin, "evidence=?,status='quarantined'", evidence, advance=True
            )
        elif held.status is not Status.QUARANTINED:
            self.set_status(origin, Status.QUARANTINED)

    def grown(self, origin: str, seconds: int) -> tuple[int, int]:
        """Return how many entries and body bytes a log grew by in the last 24 hours."""
        log = self._id(origin)
        row = (
            self._connect()
            .execute(
                "SELECT l.size-g.size,l.body_bytes-g.body_bytes FROM log l"
                " JOIN growth g ON g.log=l.id"
                " WHERE l.id=? AND g.hour>? ORDER BY g.hour LIMIT 1",
                (log, (seconds - DAY_SECONDS) // HOUR_SECONDS),
            )
            .fetchone()
        )
        return (0, 0) if row is None else (int(row[0]), int(row[1]))

    def begin_day(self, origin: str, seconds: int) -> None:
        """Count what a log grows by, and withdraws, from now on: a person looked."""
        log = self._id(origin)
        with self._write(durable=False) as connection:
            connection.execute("DELETE FROM growth WHERE log=?", (log,))
            connection.execute(
                "INSERT INTO growth SELECT id,?,size,body_bytes FROM log WHERE id=?",
                (seconds // HOUR_SECONDS, log),
            )

    def cut_tail(self, origin: str, size: int) -> list[bytes]:
        """Take entries back that no head ever covered, for our own log alone.

        Live keys are replayed from the entries that stay. The epoch is renewed, so
        that peers list everything again.

        Returns:
            The raw entries that were taken back.

        Raises:
            ValueError: the log is not ours, or a stored head covers such an entry.
        """
        held = self.log(origin)
        if not held.own or size < held.head_size or size > held.size:
            raise ValueError(f"no tail of {origin} can be cut at {size}")
        tail = self.entries(origin, size, held.size)
        frontier = tree.frontier_at(size, self.hashes(origin))
        with self._write(durable=True) as connection:
            cut(connection, held, size)
            connection.execute(
                "UPDATE log SET size=?,frontier=? WHERE id=?",
                (size, frontier.to_bytes(), held.id),
            )
            replay(connection, held, size)
            _renew_epoch(connection)
        return tail

    def renew_epoch(self) -> None:
        """Make every cursor of our peers expire; needed after a restored backup."""
        with self._write(durable=True) as connection:
            _renew_epoch(connection)
        self._tell()

    def _update(
        self, origin: str, change: str, *values: object, advance: bool = False
    ) -> None:
        """Change columns of a log, durably."""
        log = self._id(origin)
        with self._write(durable=True) as connection:
            connection.execute(f"UPDATE log SET {change} WHERE id=?", (*values, log))  # noqa: S608
            if advance:
                _advance(connection, log)
        if advance:
            self._tell()

    def _tell(self) -> None:
        """Tell the listeners that a `seq` advanced."""
        for listener in tuple(self._listeners):
            listener()


def _count_missing(connection: sqlite3.Connection, log: int) -> bool:
    """Count the live bodies that are not held; return whether `seq` advanced.

    It does when they reach 0: now this node is a full source.
    """
    (missing,) = connection.execute(
        "SELECT count(*) FROM absent a WHERE log=? AND state='missing' AND"
        " EXISTS(SELECT 1 FROM live l WHERE l.log=a.log AND l.idx=a.idx)",
        (log,),
    ).fetchone()
    (before,) = connection.execute(
        "SELECT missing_bodies FROM log WHERE id=?", (log,)
    ).fetchone()
    connection.execute("UPDATE log SET missing_bodies=? WHERE id=?", (missing, log))
    if before and not missing:
        _advance(connection, log)
        return True
    return False


def _advance(
    connection: sqlite3.Connection, log: int, cosigned_at: int | None = None
) -> None:
    """Move a log to the end of ListHeads.

    Args:
        connection: In a transaction.
        log: Its number.
        cosigned_at: Unix time when cosignatures alone are the cause.
    """
    connection.execute(
        "UPDATE log SET seq=(SELECT max(seq)+1 FROM log),listed_size=head_size,"
        "listed_cosigners=cosigners,listed_cosigned=cosigned,"
        "listed_at=coalesce(?,listed_at) WHERE id=?",
        (cosigned_at, log),
    )


def _renew_epoch(connection: sqlite3.Connection) -> None:
    """Give the numbering of `seq` another random name."""
    connection.execute("UPDATE epoch SET value=lower(hex(randomblob(8)))")
