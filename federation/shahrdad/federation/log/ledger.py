"""What a node remembers besides the logs: heads it saw, what it cosigned, its peers."""

import sqlite3
from collections.abc import Sequence

from shahrdad.datasets.errors import ConflictError, Reason
from shahrdad.federation.limits import SEEN_HEADS_MAX
from shahrdad.federation.log.connection import LogConnection
from shahrdad.federation.log.schema import PeerState, Problem, SignedHead
from shahrdad.federation.verify.checkpoint import Checkpoint

PROBLEMS_KEPT = 10_000  # the newest


class LogLedger(LogConnection):
    """Seen heads, cosigned heads, peers, problems and the outbox."""

    def add_seen_head(self, origin: str, head: Checkpoint, note: bytes) -> None:
        """Keep a validly signed head above our size; of a log the newest sizes stay."""
        log = self._id(origin)
        with self._write(durable=False) as connection:
            connection.execute(
                "INSERT OR IGNORE INTO seen_head VALUES(?,?,?,?)",
                (log, head.size, head.root, note),
            )
            connection.execute(
                "DELETE FROM seen_head WHERE rowid IN (SELECT rowid FROM seen_head"
                " WHERE log=? ORDER BY size DESC,rowid LIMIT -1 OFFSET ?)",
                (log, SEEN_HEADS_MAX),
            )

    def seen_heads(self, origin: str, above: int, to: int) -> list[SignedHead]:
        """Return the heads seen with above < size ≤ to, by size."""
        rows = self._connect().execute(
            "SELECT size,root,note FROM seen_head WHERE log=? AND size>? AND size<=?"
            " ORDER BY size,rowid",
            (self._id(origin), above, to),
        )
        return [SignedHead(*row) for row in rows]

    def drop_seen_heads(self, origin: str, to: int) -> None:
        """Forget the heads up to a size: they are settled."""
        with self._write(durable=False) as connection:
            connection.execute(
                "DELETE FROM seen_head WHERE log=? AND size<=?", (self._id(origin), to)
            )

    def witnessed(self, origin: str) -> SignedHead | None:
        """Return the newest head of a log that this node cosigned."""
        return _witnessed(self._connect(), origin)

    def put_witnessed(self, origin: str, old_size: int, head: SignedHead) -> None:
        """Record a head as cosigned, before the cosignature leaves this node.

        The check and the write are one transaction that survives a power cut.

        Args:
            origin: Of any log, held here or not.
            old_size: Size of the record that the caller checked against; 0 for none.
            head: Not below it; of the same size only with the same root.

        Raises:
            ConflictError: OLD_SIZE_CONFLICT with the recorded `size`; LOG_FORKED for
                another root at that size.
        """
        with self._write(durable=True) as connection:
            held = _witnessed(connection, origin)
            size = 0 if held is None else held.size
            if size != old_size or head.size < size:
                raise ConflictError(
                    Reason.OLD_SIZE_CONFLICT,
                    origin=origin,
                    size=size,
                    size_given=old_size,
                )
            if held is not None and head.size == size and head.root != held.root:
                raise ConflictError(Reason.LOG_FORKED, origin=origin, size=size)
            connection.execute(
                "INSERT OR REPLACE INTO witnessed VALUES(?,?,?,?)",
                (origin, head.size, head.root, head.note),
            )

    def peer(self, name: str) -> PeerState:
        """Return what is remembered of a peer; a new one has an empty cursor."""
        row = (
            self._connect()
            .execute(
                "SELECT name,cursor,failures,next_try,last_ok FROM peer WHERE name=?",
                (name,),
            )
            .fetchone()
        )
        return PeerState(name) if row is None else PeerState(*row)

    def peers(self) -> list[PeerState]:
        """Return all peers that were ever asked, by name."""
        rows = self._connect().execute(
            "SELECT name,cursor,failures,next_try,last_ok FROM peer ORDER BY name"
        )
        return [PeerState(*row) for row in rows]

    def put_peer(self, peer: PeerState) -> None:
        """Remember a peer."""
        with self._write(durable=False) as connection:
            connection.execute(
                "INSERT OR REPLACE INTO peer(name,cursor,failures,next_try,last_ok)"
                " VALUES(?,?,?,?,?)",
                (peer.name, peer.cursor, peer.failures, peer.next_try, peer.last_ok),
            )

    def add_problem(self, problem: Problem) -> None:
        """Write a line of the problem ledger; the newest `PROBLEMS_KEPT` stay."""
        with self._write(durable=False) as connection:
            cursor = connection.execute(
                "INSERT INTO problem VALUES(?,?,?,?,?,?,?)",
                (
                    problem.at,
                    problem.peer,
                    problem.origin,
                    problem.index,
                    problem.reason,
                    problem.detail,
                    problem.detail_fa,
                ),
            )
            connection.execute(
                "DELETE FROM problem WHERE rowid<=?",
                ((cursor.lastrowid or 0) - PROBLEMS_KEPT,),
            )

    def problems(self, limit: int) -> list[Problem]:
        """Return the newest lines of the problem ledger, newest first."""
        rows = self._connect().execute(
            "SELECT at,peer,origin,idx,reason,detail,detail_fa FROM problem"
            " ORDER BY rowid DESC LIMIT ?",
            (limit,),
        )
        return [Problem(*row) for row in rows]

    def outbox(self) -> list[tuple[int, str]]:
        """Return what waits to be published again, in its order: number and text."""
        rows = self._connect().execute("SELECT id,entry FROM outbox ORDER BY id")
        return [(number, text) for number, text in rows]

    def add_outbox(self, entries: Sequence[str]) -> None:
        """Append to the outbox."""
        with self._write(durable=True) as connection:
            connection.executemany(
                "INSERT INTO outbox(entry) VALUES(?)", [(text,) for text in entries]
            )

    def drop_outbox(self, numbers: Sequence[int]) -> None:
        """Take from the outbox what was published."""
        with self._write(durable=True) as connection:
            connection.executemany(
                "DELETE FROM outbox WHERE id=?", [(number,) for number in numbers]
            )


def _witnessed(connection: sqlite3.Connection, origin: str) -> SignedHead | None:
    """Return the newest head that was cosigned."""
    row = connection.execute(
        "SELECT size,root,note FROM witnessed WHERE origin=?", (origin,)
    ).fetchone()
    return None if row is None else SignedHead(*row)
