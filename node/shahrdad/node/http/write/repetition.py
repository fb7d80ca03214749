"""`Idempotency-Key`: the same request again gets the same answer, and does nothing.

Key, account and the request's SHA-256 are kept for a day with the answer. A request
that failed is forgotten, so that it may be tried again; one that a kill left running
counts as failed after a quarter of an hour.
"""

import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from shahrdad.datasets.errors import ConflictError, Reason, RequestError
from shahrdad.node.accounts.limits import (
    IDEMPOTENCY_KEY_LETTERS_MAX,
    IDEMPOTENCY_SECONDS,
)
from shahrdad.node.accounts.moments import stamp
from shahrdad.node.database import Database
from shahrdad.node.http.write.limits import RUNNING_SECONDS_MAX

if TYPE_CHECKING:
    from shahrdad.node.http.write.writing import Done


def begin(
    database: Database, account: int, key: str, request: bytes, at: datetime
) -> "Done | None":
    """Return the answer that this request had, or None when it is to be done now.

    Raises:
        RequestError: IDEMPOTENCY_KEY_REUSED, MEMBER_WRONG.
        ConflictError: IDEMPOTENCY_KEY_RUNNING.
    """
    from shahrdad.node.http.write.writing import Done

    visible = key.isascii() and key.isprintable() and " " not in key
    if not visible or not 1 <= len(key) <= IDEMPOTENCY_KEY_LETTERS_MAX:
        raise RequestError(
            Reason.MEMBER_WRONG,
            pointer="Idempotency-Key",
            expected=f"1-{IDEMPOTENCY_KEY_LETTERS_MAX} visible ASCII",
        )
    killed = stamp(at - timedelta(seconds=RUNNING_SECONDS_MAX))
    old = stamp(at - timedelta(seconds=IDEMPOTENCY_SECONDS))
    with database.transaction() as connection:
        connection.execute(
            "DELETE FROM idempotency WHERE at<? OR (status IS NULL AND at<?)",
            (old, killed),
        )
        row = connection.execute(
            "SELECT request, status, headers, body FROM idempotency"
            " WHERE account=? AND key=?",
            (account, key),
        ).fetchone()
        if row is None:
            connection.execute(
                "INSERT INTO idempotency(account, key, request, at) VALUES (?,?,?,?)",
                (account, key, request, stamp(at)),
            )
            return None
    known, status, headers, body = row
    if known != request:
        raise RequestError(Reason.IDEMPOTENCY_KEY_REUSED)
    if status is None:
        raise ConflictError(Reason.IDEMPOTENCY_KEY_RUNNING)
    return Done(json.loads(body), status, json.loads(headers))


def keep(database: Database, account: int, key: str, done: "Done") -> None:
    """Keep the answer of a request that was done."""
    database.connect().execute(
        "UPDATE idempotency SET status=?, headers=?, body=? WHERE account=? AND key=?",
        (
            done.status,
            json.dumps(dict(done.headers)),
            json.dumps(done.body).encode(),
            account,
            key,
        ),
    )


def forget(database: Database, account: int, key: str) -> None:
    """Forget a request that failed, so that it may be tried again."""
    database.connect().execute(
        "DELETE FROM idempotency WHERE account=? AND key=?", (account, key)
    )
