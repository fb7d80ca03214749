"""The signing guard: what did this log sign last?

It lives in a file of its own, `signer.db`, beside `node.db`: a backup of `node.db` that
is restored must not bring back an old answer. Backups never include it. It goes with
the key when a node moves.

    Serialisable: a swap succeeds for one caller, also across processes and restarts.
    Durable: when a swap returns, it survives a power cut.
    Forward: it only ever goes to a larger size, unless the operator lowers it.

>>> from pathlib import Path
>>> from tempfile import mkdtemp
>>> from shahrdad.federation.verify.tree import EMPTY_ROOT
>>> guard = SigningGuard(Path(mkdtemp()) / "signer.db")
>>> guard.read() is None
True
>>> guard.create("a.example/catalog", Guarded(0, EMPTY_ROOT))
>>> guard.swap(Guarded(0, EMPTY_ROOT), Guarded(1, bytes(32)))
>>> guard.read().size
1
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from shahrdad.datasets.errors import ConflictError, Reason, RequestError
from shahrdad.federation.log.transaction import write_transaction

BUSY_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Guarded:
    """The last state that was, or was about to be, signed."""

    size: int
    root: bytes


class SigningGuard:
    """One row that is compared and swapped.

    Args:
        path: `signer.db`; readable by its owner alone.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> Guarded | None:
        """Return the guarded state; None when there is no guard yet, or no longer."""
        if not self._path.exists():
            return None
        with self._open() as connection:
            return _read(connection)

    def create(self, origin: str, state: Guarded) -> None:
        """Make the guard of a log.

        Raises:
            ConflictError: GUARD_CONFLICT: there is one already.
            RequestError: SIGNING_KEY: it guards another log.
        """
        # The file is made here, so that it never is readable by others.
        os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))
        with self._open() as connection, write_transaction(connection):
            held = _read(connection)
            if held is not None:
                raise _conflict(held, state.size)
            self._check_origin(connection, origin)
            connection.execute(
                "INSERT OR REPLACE INTO guard VALUES(1,?,?,?)",
                (origin, state.size, state.root),
            )

    def check(self, origin: str) -> None:
        """Refuse to guard another log.

        Raises:
            RequestError: SIGNING_KEY.
        """
        if self._path.exists():
            with self._open() as connection:
                self._check_origin(connection, origin)

    def swap(self, former: Guarded, state: Guarded) -> None:
        """Go from a former state to a larger one; the same one again is success.

        Raises:
            ConflictError: GUARD_CONFLICT: another signer was quicker, or this one
                works with an old state. Nothing may be signed.
        """
        if state.size < former.size or (
            state.size == former.size and state.root != former.root
        ):
            raise ValueError("a guard only goes forward")
        with self._open() as connection, write_transaction(connection):
            held = _read(connection)
            if held == state:
                return  # a repeated step: the crash came after the commit
            if held != former:
                raise _conflict(held, former.size)
            connection.execute(
                "UPDATE guard SET size=?,root=? WHERE id=1", (state.size, state.root)
            )

    def lower(self, former: Guarded, state: Guarded) -> None:
        """Go back, on the operator's word alone: what was signed above is lost.

        Raises:
            ConflictError: GUARD_CONFLICT.
        """
        with self._open() as connection, write_transaction(connection):
            held = _read(connection)
            if held != former:
                raise _conflict(held, former.size)
            connection.execute(
                "UPDATE guard SET size=?,root=? WHERE id=1", (state.size, state.root)
            )

    def _check_origin(self, connection: sqlite3.Connection, origin: str) -> None:
        """Compare the log that is guarded."""
        row = connection.execute("SELECT origin FROM guard WHERE id=1").fetchone()
        if row is not None and row[0] != origin:
            raise RequestError(
                Reason.SIGNING_KEY,
                path=str(self._path),
                detail=f"it guards {row[0]}, not {origin}",
            )

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """Open the file for one operation."""
        with closing(
            sqlite3.connect(self._path, isolation_level=None, timeout=BUSY_SECONDS)
        ) as connection:
            # One file, no write-ahead log beside it that could be left behind in a
            # move. EXTRA is FULL, and syncs the folder when the journal is deleted.
            connection.execute("PRAGMA journal_mode=DELETE")
            connection.execute("PRAGMA synchronous=EXTRA")
            connection.execute(
                "CREATE TABLE IF NOT EXISTS guard(id INTEGER PRIMARY KEY CHECK(id=1),"
                " origin TEXT NOT NULL, size INTEGER NOT NULL, root BLOB NOT NULL)"
                " STRICT"
            )
            yield connection


def _read(connection: sqlite3.Connection) -> Guarded | None:
    """Return the one row."""
    row = connection.execute("SELECT size,root FROM guard WHERE id=1").fetchone()
    return None if row is None else Guarded(*row)


def _conflict(held: Guarded | None, size: int) -> ConflictError:
    """Say that the guard holds another state."""
    return ConflictError(
        Reason.GUARD_CONFLICT, size=-1 if held is None else held.size, size_given=size
    )
