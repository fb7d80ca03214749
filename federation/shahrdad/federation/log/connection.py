"""Transactions over the node's database, as the log store uses them.

`connect` returns the calling thread's own connection in autocommit mode
(`isolation_level=None`), with WAL on; it is never closed here.
"""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.federation.log.transaction import write_transaction
from shahrdad.federation.verify.digest import Digest
from shahrdad.federation.verify.tree import Frontier

# Digests come in random order: a large log touches a page of the index for each entry.
# Pages are kept while they are written, and folded into the file once for many chunks.
CACHE_KIB = 32_768
WAL_PAGES = 32_768  # 128 MiB: each fold writes random pages, and waits for the disk


class LogConnection:
    """The connection of the calling thread, and one writer at a time."""

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        self._connect = connect
        self._writer = threading.RLock()
        self._ids: dict[str, int] = {}
        self._tuned = threading.local()
        self._states: dict[str, tuple[Frontier, Digest]] = {}  # state digests

    @contextmanager
    def _write(self, *, durable: bool) -> Iterator[sqlite3.Connection]:
        """Open a write transaction: committed at the end, rolled back on any error.

        Args:
            durable: Whether it survives a power cut once it is committed. What is
                lost of a mirrored log is pulled again; our own word is not.
        """
        with self._writer:
            connection = self._connect()
            if not durable:
                self._tune(connection)
                connection.execute("PRAGMA synchronous=NORMAL")
            try:
                with write_transaction(connection):
                    yield connection
            finally:
                if not durable:
                    connection.execute("PRAGMA synchronous=FULL")

    def _tune(self, connection: sqlite3.Connection) -> None:
        """Let a thread's connection keep more pages; once is enough."""
        if getattr(self._tuned, "connection", None) is not connection:
            connection.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
            connection.execute(f"PRAGMA wal_autocheckpoint={WAL_PAGES}")
            # A statement of many rows notes the pages that it changes, to take them
            # back: in memory, not in a file beside.
            connection.execute("PRAGMA temp_store=MEMORY")
            self._tuned.connection = connection

    def _id(self, origin: str) -> int:
        """Return a log's number; it never changes.

        Raises:
            RequestError: ORIGIN_UNKNOWN.
        """
        known = self._ids.get(origin)
        if known is None:
            row = (
                self._connect()
                .execute("SELECT id FROM log WHERE origin=?", (origin,))
                .fetchone()
            )
            if row is None:
                raise RequestError(Reason.ORIGIN_UNKNOWN, origin=origin)
            known = self._ids[origin] = int(row[0])
        return known
