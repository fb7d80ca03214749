"""What strangers hand in waits until a publisher looked at it: its states and bounds.

Remarks (`feedback`) and reuses have a table each, with `seq`, `state` and `decided`.
"""

import sqlite3
from typing import Literal

from shahrdad.datasets.errors import Reason, RequestError

State = Literal["waiting", "shown", "refused"]
Table = Literal["feedback", "reuses"]
WAITING_MAX = 1_000  # of a table that nobody has looked at yet
SHOWN_MAX = 200  # of a page
QUEUE_MAX = 100  # of the desk's page
FULL_WAIT_SECONDS = 24 * 3600
QUEUE = (  # what waits first, then the latest decided
    "1 ORDER BY state<>'waiting', CASE state WHEN 'waiting' THEN seq END, decided DESC"
    f" LIMIT {WAITING_MAX + QUEUE_MAX}"
)


def waiting(connection: sqlite3.Connection, table: Table) -> int:
    """Return how many of a table nobody has looked at yet."""
    (count,) = connection.execute(
        f"SELECT count(*) FROM {table} WHERE state='waiting'"  # noqa: S608
    ).fetchone()
    return int(count)


def check_room(connection: sqlite3.Connection, table: Table) -> None:
    """Refuse one more while too many wait.

    Raises:
        RequestError: RATE_LIMITED.
    """
    if waiting(connection, table) >= WAITING_MAX:
        raise RequestError(Reason.RATE_LIMITED, wait_seconds=FULL_WAIT_SECONDS)
