"""One way to write to a database of SQLite: all of it, or nothing."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def write_transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Hold the database's write lock; commit at the end, roll back on any error.

    Args:
        connection: In autocommit mode, with no transaction open.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # When a disk is full SQLite ends it sometimes, and sometimes not.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
