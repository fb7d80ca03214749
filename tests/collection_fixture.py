"""A database with the tables of collection and scrub, and a clock that tests set."""

import sqlite3
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from shahrdad.node.store import collection, scrub

Connect = Callable[[], sqlite3.Connection]


class Clock:
    """A clock that goes on only when told."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC) + timedelta(seconds=1)

    def __call__(self) -> datetime:
        """Return the present."""
        return self.now

    def pass_hours(self, hours: float) -> None:
        """Go on."""
        self.now += timedelta(hours=hours)


def database(path: Path) -> Connect:
    """Make a database, and return a function to this thread's connection."""
    local = threading.local()

    def connect() -> sqlite3.Connection:
        if not hasattr(local, "connection"):
            local.connection = sqlite3.connect(path, isolation_level=None, timeout=30)
            local.connection.execute("PRAGMA journal_mode=WAL")
            local.connection.execute("PRAGMA synchronous=OFF")
        connection: sqlite3.Connection = local.connection
        return connection

    for script in (*collection.MIGRATIONS, *scrub.MIGRATIONS):
        connect().executescript(script)
    return connect
