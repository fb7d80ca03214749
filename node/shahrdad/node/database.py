"""The node's one SQLite database: connections, migrations, and the writer's lock.

A connection belongs to one thread. WAL lets readers go on while one writer works.
`PRAGMA user_version` counts the migrations applied; they only ever go forward, and
a database from a newer release is refused with a sentence.

Crash: a migration and its number are one transaction; a kill leaves the one before.
"""

import errno
import fcntl
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shahrdad.datasets.errors import ConflictError, Reason, UnavailableError
from shahrdad.federation.log.transaction import write_transaction

BUSY_MILLISECONDS = 20_000
MMAP_BYTES = 256 * 1024**2
DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
# The last two: the log of writes, and its index, find no room to grow.
DATABASE_FULL = frozenset(
    {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE}
)


def migrations() -> tuple[str, ...]:
    """Return every portion's SQL in the order it was released; only append here."""
    from shahrdad.federation.log import store as log_store
    from shahrdad.node import (
        card_schema,
        catalog_schema,
        feedback,
        made_files,
        reuses,
        tally_schema,
        usage,
    )
    from shahrdad.node.accounts import schema as accounts
    from shahrdad.node.bridge import schema as bridge
    from shahrdad.node.desk import schema as desk
    from shahrdad.node.executor import task_store
    from shahrdad.node.store import collection, scrub

    return (
        *log_store.MIGRATIONS[:1],
        *catalog_schema.MIGRATIONS,
        *desk.SUBMISSIONS,
        *collection.MIGRATIONS,
        *scrub.MIGRATIONS,
        *bridge.MIGRATIONS[:1],
        *accounts.MIGRATIONS,
        *desk.DRAFTS,
        *task_store.MIGRATIONS,
        *desk.JOBS,
        *desk.INTAKES,
        *desk.UPLOADS,
        *desk.DELIVERIES,
        *accounts.LINKING,
        *desk.NOTICES,
        *desk.DEFERRED,
        *card_schema.MIGRATIONS[:1],
        *log_store.MIGRATIONS[1:2],
        *feedback.MIGRATIONS,
        *bridge.MIGRATIONS[1:2],
        *card_schema.MIGRATIONS[1:2],
        *reuses.MIGRATIONS,
        *log_store.MIGRATIONS[2:3],
        *usage.MIGRATIONS,
        *tally_schema.MIGRATIONS,
        *made_files.MIGRATIONS,
        *desk.TOKEN_NOTICES,
    )


@contextmanager
def full_disk_said() -> Iterator[None]:
    """Say in a sentence that a disk is full, whoever found it: SQLite or the system.

    Raises:
        UnavailableError: DISK_FULL.
    """
    try:
        yield
    except sqlite3.OperationalError as error:
        if getattr(error, "sqlite_errorcode", None) not in DATABASE_FULL:
            raise
        raise UnavailableError(Reason.DISK_FULL) from error
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        raise UnavailableError(Reason.DISK_FULL) from error


class Database:
    """A file `node.db`, opened once a thread.

    Args:
        path: The file; made, with its folder, when it is not there.

    Raises:
        ConflictError: DATABASE_NEWER.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._local = threading.local()
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self.exclusive("migrate"):
            self._migrate()

    def connect(self) -> sqlite3.Connection:
        """Return this thread's connection, in autocommit mode."""
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = sqlite3.connect(
                self.path, isolation_level=None, timeout=BUSY_MILLISECONDS / 1000
            )
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute(f"PRAGMA mmap_size={MMAP_BYTES}")
            connection.execute("PRAGMA foreign_keys=ON")
            self._local.connection = connection
        return connection

    def close(self) -> None:
        """Close this thread's connection."""
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is not None:
            connection.close()
            self._local.connection = None

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Open a write transaction: committed at the end, rolled back on any error."""
        connection = self.connect()
        with write_transaction(connection):
            yield connection

    @contextmanager
    def exclusive(self, name: str) -> Iterator[None]:
        """Hold a lock between processes; the system frees it when the holder dies."""
        file = self.path.with_name(f".{name}.lock")
        with file.open("a") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield

    def _migrate(self) -> None:
        """Apply the migrations that this file has not seen yet."""
        connection = self.connect()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        scripts = migrations()
        if version > len(scripts):
            raise ConflictError(
                Reason.DATABASE_NEWER,
                path=str(self.path),
                version=version,
                version_max=len(scripts),
            )
        for number, script in enumerate(scripts[version:], version + 1):
            connection.executescript(
                f"BEGIN IMMEDIATE;\n{script};\nPRAGMA user_version={number};\nCOMMIT;"
            )
